"""The mixture on PyTorch: in blocks that fit the cache, with the functions computed again in the backward pass.

Run eagerly, PyTorch reads and writes memory for each operation. In a block these are reads and writes of the cache.
"""

from typing import Any

import torch

from keras_actsel.layers._kernels._plain import plain_sum

_BLOCK = 2**19  # elements


def mix(x: Any, weights: Any, offset: Any, functions: Any) -> Any:
    """`plain_sum`, with a tensor held for the backward pass instead of some for each function."""
    if x.device.type != "cpu" or torch.compiler.is_compiling():  # a compiler fuses the sum by itself
        return plain_sum(x, weights, offset, functions)
    weights = torch.stack(weights)
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
        return plain_sum(x, list(weights), offset, functions)
    return total.permute([order.index(axis) for axis in range(x.ndim)])


class _Mix(torch.autograd.Function):
    """offset + sum over k of weights[k] * functions[k](x), and its gradients.

    Weights and offset are the same along the first axis of x, which is cut into blocks.
    """

    @staticmethod
    def forward(x: Any, weights: Any, offset: Any, functions: Any) -> Any:
        total = offset.expand_as(x).contiguous()
        for x_block, block in _blocks(x, total):
            for weight, function in zip(weights, functions, strict=True):
                block.addcmul_(function(x_block), weight)
        return total

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:  # noqa: ARG004
        *tensors, ctx.functions = inputs
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        if torch.is_grad_enabled():  # the gradients are to be differentiated again
            return *_differentiable(ctx, gradient), None
        x, weights, offset = ctx.saved_tensors
        dx, dweights, doffset = torch.zeros_like(x), torch.zeros_like(weights), torch.zeros_like(offset)
        for x_block, block, dx_block in _blocks(x, gradient.contiguous(), dx):
            for k, function in enumerate(ctx.functions):
                with torch.enable_grad():
                    variable = x_block.detach().requires_grad_()
                    value = function(variable)
                dweights[k] += (value.detach() * block).sum_to_size(offset.shape)
                if value.requires_grad:
                    dx_block.addcmul_(torch.autograd.grad(value, variable, block)[0], weights[k])
            doffset += block.sum_to_size(offset.shape)
        return dx, dweights, doffset, None

    @staticmethod
    def vmap(info: Any, in_dims: Any, x: Any, weights: Any, offset: Any, functions: Any) -> Any:  # noqa: ARG004
        return torch.vmap(lambda x, w, start: plain_sum(x, w, start, functions), in_dims[:3])(x, weights, offset), 0

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        primals = ctx.saved_tensors
        given = [torch.zeros_like(p) if t is None else t for p, t in zip(primals, tangents[:3], strict=True)]
        return torch.func.jvp(lambda x, w, start: plain_sum(x, w, start, ctx.functions), primals, tuple(given))[1]


def _blocks(*tensors: Any) -> Any:
    """Tensors of one shape in step, some indices of their first axes at a time."""
    rows = max(1, _BLOCK // max(1, tensors[0][:1].numel()))
    return zip(*(tensor.split(rows) for tensor in tensors), strict=True)


def _differentiable(ctx: Any, gradient: Any) -> list[Any]:
    """The gradients by plain operations, which can be differentiated again."""
    x, weights, offset = ctx.saved_tensors
    wanted = [t for t, needed in zip((x, weights, offset), ctx.needs_input_grad, strict=False) if needed]
    total = plain_sum(x, weights, offset, ctx.functions)
    gradients = iter(torch.autograd.grad(total, wanted, gradient, create_graph=True, allow_unused=True))
    return [next(gradients) if needed else None for needed in ctx.needs_input_grad[:3]]
