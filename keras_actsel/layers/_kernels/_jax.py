"""The mixture on JAX: a tangent rule whose transpose recomputes the functions from x.

`jax.checkpoint` keeps x and the weights for the backward pass and nothing else. As the rule is one of tangents, all
of JAX's transformations follow from it: reverse and forward mode, batching, and derivatives of any order.
"""

from functools import partial
from typing import Any

import jax
from jax import lax

from keras_actsel.layers._kernels._plain import plain_sum

_FEW = 4
_BLOCK = 2**18  # elements; with their functions they fit the cache


def mix(x: Any, weights: Any, offset: Any, functions: Any) -> Any:
    """`plain_sum`, with a tensor held for the backward pass instead of one for each function."""
    if jax.default_backend() != "cpu":  # measured on CPUs alone
        return plain_sum(x, weights, offset, functions)
    total = _mix(functions, x, weights)
    return total if offset is None else total + offset


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _mix(functions: Any, x: Any, weights: Any) -> Any:
    return plain_sum(x, weights, None, functions)


@_mix.defjvp
def _tangent(functions: Any, primals: Any, tangents: Any) -> Any:
    rule = _one_pass_each if len(functions) <= _FEW else _in_blocks
    return _mix(functions, *primals), rule(functions, primals, tangents)


def _one_pass_each(functions: Any, primals: Any, tangents: Any) -> Any:
    """The gradient of each weight is a pass over memory that fuses the function into the sum.

    Without barriers XLA finds what the functions have in common, and writes it to memory to read it again.
    """

    def tangent(x: Any, weights: Any, dx: Any, dweights: Any) -> Any:
        along_x = jax.jvp(lambda x: plain_sum(x, weights, None, functions), (x,), (dx,))[1]
        along_weights = (
            d * function(lax.optimization_barrier(x)) for d, function in zip(dweights, functions, strict=True)
        )
        return sum(along_weights, start=along_x)

    return jax.checkpoint(tangent)(*primals, *tangents)


def _in_blocks(functions: Any, primals: Any, tangents: Any) -> Any:
    """All gradients at once, block by block: many functions share much, and what they share stays in the cache."""
    (x, weights), (dx, dweights) = primals, tangents
    count = _block_count(x)

    @partial(jax.checkpoint, prevent_cse=False)
    def tangent(x: Any, dx: Any) -> Any:
        return jax.jvp(lambda x, w: plain_sum(x, w, None, functions), (x, weights), (dx, dweights))[1]

    blocks = [part.reshape(count, x.shape[0] // count, *x.shape[1:]) for part in (x, dx)]
    return lax.scan(lambda _, block: (None, tangent(*block)), None, blocks)[1].reshape(x.shape)


def _block_count(x: Any) -> int:
    """How many blocks of whole samples x is cut into: the most that are large enough, of equal size."""
    samples = x.shape[0] if x.ndim else 1
    return max(n for n in range(1, samples + 1) if samples % n == 0 and (n == 1 or x.size // n >= _BLOCK))
