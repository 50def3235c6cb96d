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
        for x_block, block, value in _blocks(x, total, scratch=1):
            start = offset
            for part, weight in zip(parts, weights, strict=True):
                start = torch.addcmul(start, part.value(x_block, value), weight, out=block)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        if torch.is_grad_enabled() or not _is_plain(gradient):  # to be differentiated again, or a batch of gradients
            _, pullback = torch.func.vjp(lambda x, w, start: plain_sum(x, w, start, ctx.functions), *ctx.saved_tensors)
            return *pullback(gradient), None
        x, weights, offset = ctx.saved_tensors
        parts = [_part(function) for function in ctx.functions]
        dx, dweights, doffset = torch.empty_like(x), torch.zeros_like(weights), torch.zeros_like(offset)
        for x_block, block, dx_block, *scratch in _blocks(x, gradient.contiguous(), dx, scratch=2):
            for k, part in enumerate(parts):
                value, slope = part.both(x_block, block, *scratch)
                dweights[k] += _sum_of_products(value, block, offset)
                torch.mul(slope, weights[k], out=dx_block) if k == 0 else dx_block.addcmul_(slope, weights[k])
            if ctx.needs_input_grad[2]:
                doffset += block.sum_to_size(offset.shape)
        return dx, dweights, doffset, None


def _blocks(*tensors: Any, scratch: int) -> Iterator[tuple[Any, ...]]:
    """Tensors of one shape in step, some indices of their first axes at a time, and room for as much to be written.

    The room is the same memory for all blocks, which therefore stays in the cache.
    """
    x = tensors[0]
    size = max(1, _BLOCK // max(1, x[:1].numel()))
    rooms = [torch.empty_like(x[:size]) for _ in range(scratch)]
    for blocks in zip(*(tensor.split(size) for tensor in tensors), strict=True):
        yield *blocks, *(room[: len(blocks[0])] for room in rooms)


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
    """A function of the sum: (x, room) to f(x), and (x, gradient, room, room) to f(x) and gradient * f'(x).

    These may be written to the room, tensors of x's shape.
    """

    value: Callable[[Any, Any], Any]
    both: Callable[[Any, Any, Any, Any], tuple[Any, Any]]


def _part(function: Any) -> _Part:
    return _KNOWN.get(function) or _Part(
        lambda x, _: function(x), lambda x, gradient, *_: _differentiated(function, x, gradient)
    )


def _differentiated(function: Any, x: Any, gradient: Any) -> tuple[Any, Any]:
    with torch.enable_grad():
        variable = x.detach().requires_grad_()
        value = function(variable)
    if not value.requires_grad:  # of constant pieces
        return value, torch.zeros_like(x)
    return value.detach(), torch.autograd.grad(value, variable, gradient)[0]


def _known(value: Callable[[Any, Any], Any], slope: Callable[[Any, Any, Any, Any], Any]) -> _Part:
    """A function whose gradient PyTorch computes from gradient, x and f(x) in one operation."""

    def both(x: Any, gradient: Any, room: Any, other_room: Any) -> tuple[Any, Any]:
        f = value(x, room)
        return f, slope(gradient, x, f, other_room)

    return _Part(value, both)


_KNOWN = {
    activations.get(name): part
    for name, part in {
        "linear": _known(lambda x, _: x, lambda g, *_: g),
        "relu": _known(
            lambda x, room: torch.clamp_min(x, 0, out=room),
            lambda g, x, _, room: _aten.threshold_backward.grad_input(g, x, 0, grad_input=room),
        ),
        "elu": _known(
            lambda x, room: _aten.elu.out(x, out=room),
            lambda g, x, _, room: _aten.elu_backward.grad_input(g, 1, 1, 1, False, x, grad_input=room),
        ),
        "gelu": _known(
            lambda x, room: _aten.gelu.out(x, out=room),
            lambda g, x, _, room: _aten.gelu_backward.grad_input(g, x, grad_input=room),
        ),
        "silu": _known(
            lambda x, room: _aten.silu.out(x, out=room),
            lambda g, x, _, room: _aten.silu_backward.grad_input(g, x, grad_input=room),
        ),
        "softplus": _known(
            lambda x, room: _aten.softplus.out(x, out=room),
            lambda g, x, _, room: _aten.softplus_backward.grad_input(g, x, 1, 20, grad_input=room),
        ),
        "sigmoid": _known(
            lambda x, room: torch.sigmoid(x, out=room),
            lambda g, _, f, room: _aten.sigmoid_backward.grad_input(g, f, grad_input=room),
        ),
        "tanh": _known(
            lambda x, room: torch.tanh(x, out=room),
            lambda g, _, f, room: _aten.tanh_backward.grad_input(g, f, grad_input=room),
        ),
    }.items()
}
"""Functions for which automatic differentiation would do no more, but takes longer to say so."""
