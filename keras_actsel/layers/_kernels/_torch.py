"""The mixture on PyTorch: in blocks that fit the cache, with the functions computed again in the backward pass.

Run eagerly, PyTorch reads and writes memory for each operation. In a block these are reads and writes of the cache.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch

from keras_actsel import activations
from keras_actsel.layers._kernels._plain import plain_sum

_BLOCK = 2**18  # elements
_aten = torch.ops.aten


def mix(x: Any, weights: Any, offset: Any, functions: Any) -> Any:
    """`plain_sum`, with a tensor held for the backward pass instead of some for each function."""
    given = [x, weights] if offset is None else [x, weights, offset]
    # A compiler fuses the sum by itself, and `torch.func` differentiates and batches it in whatever order it is told.
    if x.device.type != "cpu" or torch.compiler.is_compiling() or not all(map(_is_plain, given)):
        return plain_sum(x, weights, offset, functions)
    offset = torch.zeros_like(weights[0]) if offset is None else offset
    # Axes in the order in which they lie in memory, so that indices of the first one are a stretch of memory.
    order = sorted(range(x.ndim), key=lambda axis: -x.stride(axis))
    dense = x.permute(order)
    if weights.ndim == 1:
        total = _Mix.apply(dense.reshape(-1), weights, offset, functions).view(dense.shape)
    elif weights.shape[1 + order[0]] == 1:
        weights, offset = weights.permute(0, *(1 + axis for axis in order)), offset.permute(order)
        total = _Mix.apply(dense, weights, offset, functions)
    else:
        return plain_sum(x, weights, offset, functions)
    return total.permute([order.index(axis) for axis in range(x.ndim)])


class _Mix(torch.autograd.Function):
    """offset + sum over k of weights[k] * functions[k](x), and its gradients.

    Weights and offset are the same along the first axis of x, which is cut into blocks.
    """

    @staticmethod
    def forward(ctx: Any, x: Any, weights: Any, offset: Any, functions: Any) -> Any:
        ctx.save_for_backward(x, weights, offset)
        ctx.functions = functions
        total, parts = torch.empty_like(x), [_part(function) for function in functions]
        for x_block, block in _blocks(x, total):
            start = offset
            for part, weight in zip(parts, weights, strict=True):
                start = torch.addcmul(start, part.value(x_block), weight, out=block)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        if torch.is_grad_enabled() or not _is_plain(gradient):  # to be differentiated again, or a batch of gradients
            _, pullback = torch.func.vjp(lambda x, w, start: plain_sum(x, w, start, ctx.functions), *ctx.saved_tensors)
            return *pullback(gradient), None
        x, weights, offset = ctx.saved_tensors
        parts = [_part(function) for function in ctx.functions]
        dx, dweights, doffset = torch.empty_like(x), torch.zeros_like(weights), torch.zeros_like(offset)
        zero = torch.zeros_like(offset)
        for x_block, block, dx_block in _blocks(x, gradient.contiguous(), dx):
            start = zero
            for k, part in enumerate(parts):
                value, slope = part.both(x_block, block)
                dweights[k] += _sum_of_products(value, block, offset)
                start = torch.addcmul(start, slope, weights[k], out=dx_block)
            if ctx.needs_input_grad[2]:
                doffset += block.sum_to_size(offset.shape)
        return dx, dweights, doffset, None


def _blocks(*tensors: Any) -> Iterator[tuple[Any, ...]]:
    """Tensors of one shape in step, some indices of their first axes at a time."""
    rows = max(1, _BLOCK // max(1, tensors[0][:1].numel()))
    return zip(*(tensor.split(rows) for tensor in tensors), strict=True)


def _sum_of_products(one: Any, other: Any, like: Any) -> Any:
    """The sum of one * other over the axes along which `like` has a single value."""
    return torch.dot(one, other) if like.ndim == 0 else (one * other).sum_to_size(like.shape)


def _is_plain(tensor: Any) -> bool:
    """Whether a tensor is memory and nothing else: no stand-in of `torch.func`, and without a tangent."""
    try:
        tensor.data_ptr()
    except RuntimeError:  # a stand-in, which has none
        return False
    return torch.autograd.forward_ad.unpack_dual(tensor).tangent is None


class _Part(NamedTuple):
    """A function of the sum: x to f(x), and (x, gradient) to f(x) and gradient * f'(x)."""

    value: Callable[[Any], Any]
    both: Callable[[Any, Any], tuple[Any, Any]]


def _part(function: Any) -> _Part:
    return _KNOWN.get(function) or _Part(function, lambda x, gradient: _differentiated(function, x, gradient))


def _differentiated(function: Any, x: Any, gradient: Any) -> tuple[Any, Any]:
    with torch.enable_grad():
        variable = x.detach().requires_grad_()
        value = function(variable)
    if not value.requires_grad:  # of constant pieces
        return value, torch.zeros_like(x)
    return value.detach(), torch.autograd.grad(value, variable, gradient)[0]


def _known(value: Callable[[Any], Any], slope: Callable[[Any, Any, Any], Any]) -> _Part:
    """A function whose gradient PyTorch computes from gradient, x and f(x) in one operation."""

    def both(x: Any, gradient: Any) -> tuple[Any, Any]:
        f = value(x)
        return f, slope(gradient, x, f)

    return _Part(value, both)


_KNOWN = {
    activations.get(name): part
    for name, part in {
        "linear": _known(lambda x: x, lambda g, *_: g),
        "relu": _known(torch.relu, lambda g, x, _: _aten.threshold_backward(g, x, 0)),
        "elu": _known(_aten.elu, lambda g, x, _: _aten.elu_backward(g, 1, 1, 1, False, x)),
        "gelu": _known(_aten.gelu, lambda g, x, _: _aten.gelu_backward(g, x)),
        "silu": _known(_aten.silu, lambda g, x, _: _aten.silu_backward(g, x)),
        "softplus": _known(_aten.softplus, lambda g, x, _: _aten.softplus_backward(g, x, 1, 20)),
        "sigmoid": _known(torch.sigmoid, lambda g, _, f: _aten.sigmoid_backward(g, f)),
        "tanh": _known(torch.tanh, lambda g, _, f: _aten.tanh_backward(g, f)),
    }.items()
}
"""Functions for which automatic differentiation would do no more, but takes longer to say so."""
