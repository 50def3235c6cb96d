"""Kernels of the mixture compute what the plain sum computes: values, gradients, derivatives of gradients."""

import importlib

import keras
import numpy as np
import pytest
from keras import ops

from keras_actsel import layers
from keras_actsel.layers import _kernels

BACKEND = keras.backend.backend()
MANY = ["linear", "relu", "elu", "gelu", "silu", "tanh", "softplus", "sigmoid", "leaky_relu", "sine"]
SHAPE = (16, 32, 32, 16)  # as many elements as a kernel asks for
generator = np.random.default_rng(0)
X, UP = (generator.normal(size=SHAPE).astype("float32") for _ in range(2))


def mixture(count, axis=None, names=MANY, **kwargs):
    """A mixture with coefficients of its own for each channel."""
    layer = layers.ActivationMixture(names[:count], axis=axis, **kwargs)
    layer.build((None, *SHAPE[1:]))
    w = np.random.default_rng(1).normal(size=layer.mixing_weights.shape)
    layer.mixing_weights.assign(w.astype("float32"))
    return layer


def differentiated(layer, x, up, training=True):
    """Value, and the gradients of sum(up * f(x)) in x and in the weights."""
    if BACKEND == "torch":
        import torch

        x = torch.tensor(x).requires_grad_()
        y = layer(x, training=training)
        wanted = (x, *(v.value for v in layer.trainable_variables))
        return [part.detach().numpy() for part in (y, *torch.autograd.grad(y, wanted, torch.tensor(up)))]
    if BACKEND == "jax":
        import jax

        y, pullback = jax.vjp(jax.jit(lambda x, values: called(layer, x, values, training)), x, values_of(layer))
        return [np.asarray(part) for part in (y, *jax.tree.leaves(pullback(up)))]
    import tensorflow as tf

    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=training)
    variables = [v.value for v in layer.trainable_variables]
    return [part.numpy() for part in (y, *tape.gradient(y, (x, *variables), tf.constant(up)))]


def values_of(layer):
    return [v.value for v in layer.trainable_variables]


def called(layer, x, values, training=True):
    with keras.StatelessScope(state_mapping=list(zip(layer.trainable_variables, values, strict=True))):
        return layer(x, training=training)


def counted(monkeypatch):
    """Calls of the kernel, from now on."""
    kernel, calls = importlib.import_module(f"keras_actsel.layers._kernels._{BACKEND}"), []
    inner = kernel.mix

    def mix(x, weights, offset, functions):
        calls.append([str(function) for function in functions])
        return inner(x, weights, offset, functions)

    monkeypatch.setattr(kernel, "mix", mix)
    return calls


# The same numbers


@pytest.mark.parametrize("axis", [None, -1, 1, [1, 2]])
@pytest.mark.parametrize("count", [2, 3, 10])
def test_equal_to_the_plain_sum(count, axis):
    layer = mixture(count, axis)
    for own, plain in zip(differentiated(layer, X, UP), differentiated(layer, X, UP, training=False), strict=True):
        np.testing.assert_allclose(own, plain, rtol=1e-5, atol=1e-5 * np.abs(plain).max())


@pytest.mark.parametrize("order", [(0, 3, 1, 2), (3, 0, 1, 2), (0, 1, 2, 3)])
@pytest.mark.parametrize("axis", [None, 1])
def test_any_order_in_memory(order, axis):
    """Convolutions of PyTorch hand on tensors whose axes lie in memory in another order."""
    inverse = np.argsort(order)
    x, up = (np.ascontiguousarray(part.transpose(order)).transpose(inverse) for part in (X, UP))
    layer = mixture(3, axis)
    for own, plain in zip(differentiated(layer, x, up), differentiated(layer, X, UP, training=False), strict=True):
        np.testing.assert_allclose(own, plain, rtol=1e-5, atol=1e-5 * np.abs(plain).max())


def test_against_float64():
    layer = mixture(10)
    offset, weights = (ops.convert_to_numpy(part).astype("float64") for part in layer.effective())
    values = np.stack(
        [keras.ops.convert_to_numpy(record(X)).astype("float64").reshape(-1) for record in layer.candidates]
    )
    y, _, dw = differentiated(layer, X, UP)
    scale = (np.abs(weights)[:, None] * np.abs(values)).sum(axis=0)
    assert (np.abs(y.reshape(-1) - offset - weights @ values) / scale).max() < 1e-6
    # The affine combination: c = w + (1 - sum w)/K.
    ratios, shifts = layer._ratios_and_shifts
    dc = ratios * (values @ UP.reshape(-1).astype("float64")) - shifts * UP.sum(dtype="float64")
    np.testing.assert_allclose(dw, dc - dc.mean(), atol=1e-5 * np.abs(dc).max())


# Where it is used


def test_used_for_large_float32_in_training(monkeypatch):
    calls = counted(monkeypatch)
    layer = mixture(3)
    layer(X, training=True)
    assert calls == [MANY[:3]]
    layer(X, training=False)
    layer(X)
    layer(X[:1], training=True)
    mixture(3, dtype="float16")(X, training=True)
    assert len(calls) == 1


def test_what_holds_state_or_looks_around_is_left_out(monkeypatch):
    calls = counted(monkeypatch)

    def own(x):
        return x - ops.mean(x, axis=-1, keepdims=True)

    layer = mixture(6, names=["linear", "prelu", "softmax", own, "tanh", "rrelu"], standardize=False)
    parts = zip(differentiated(layer, X, UP), differentiated(layer, X, UP, training=False), strict=True)
    y, expected = next(parts)
    assert calls == [["linear", "tanh"]]
    assert np.isfinite(y).all()
    assert np.abs(y - expected).max() < 3 * np.abs(expected).max(), "rrelu draws in training, so near and not equal"
    layer.drop("rrelu")
    for own_part, plain in zip(differentiated(layer, X, UP), differentiated(layer, X, UP, training=False), strict=True):
        np.testing.assert_allclose(own_part, plain, rtol=1e-5, atol=1e-5 * np.abs(plain).max())


def test_training_through_it_learns_as_without(monkeypatch):
    """Three steps of a network with unequal batches, with kernels and without."""
    x, y = X.reshape(-1, 16, 16, 16)[:44], np.arange(44) % 3

    def trained():
        keras.utils.set_random_seed(0)
        mixed = layers.ActivationMixture(MANY, initial="relu")
        head = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(3)]
        model = keras.Sequential([keras.Input(x.shape[1:]), keras.layers.Conv2D(64, 3, padding="same"), mixed, *head])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(0.1), loss)
        model.fit(x, y, batch_size=20, epochs=1, shuffle=False, verbose=0)
        return model.get_weights()

    calls = counted(monkeypatch)
    own = trained()
    assert calls
    monkeypatch.setitem(_kernels._LARGE, BACKEND, 10**9)
    for a, b in zip(own, trained(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


# Inside a step that XLA compiles


@pytest.mark.skipif(BACKEND != "tensorflow", reason="on TensorFlow kernels are clusters of XLA")
def test_a_step_that_xla_compiles_has_no_clusters_inside(monkeypatch):
    kernel = importlib.import_module("keras_actsel.layers._kernels._tensorflow")
    inner, clusters = kernel._value, []
    monkeypatch.setattr(kernel, "_value", lambda functions: clusters.append(functions) or inner(functions))
    weights = {}
    for jit, expected in ((True, 0), ("auto", 1), (False, 1)):
        clusters.clear()
        weights[jit] = weights_after_three_steps(jit)
        assert len(clusters) == expected, jit
    for one, other in zip(weights[True], weights["auto"], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def weights_after_three_steps(jit):
    """Weights that have all moved from where they start."""
    keras.utils.set_random_seed(0)
    mixed = layers.ActivationMixture(["linear", "relu", "tanh"], axis=-1)
    head = [mixed, keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(3)]
    model = keras.Sequential([keras.Input(SHAPE[1:]), keras.layers.Conv2D(16, 3, padding="same"), *head])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), loss, jit_compile=jit)
    start = model.get_weights()
    model.fit(np.concatenate([X, UP, X - UP]), np.arange(48) % 3, batch_size=16, shuffle=False, verbose=0)
    end = model.get_weights()
    assert all(np.abs(a - b).max() > 1e-4 for a, b in zip(start, end, strict=True))
    return end


@pytest.mark.skipif(BACKEND != "tensorflow", reason="asks TensorFlow")
def test_where_tensorflow_does_not_say_what_is_compiled_nothing_is(monkeypatch):
    kernel = importlib.import_module("keras_actsel.layers._kernels._tensorflow")
    with monkeypatch.context() as patch:
        patch.setattr(kernel.tf.compat.v1, "get_default_graph", object)
        assert not kernel._is_compiled()


# Transformations


SMOOTH = ["tanh", "silu", "gelu", "softplus", "sine", "sigmoid"]


@pytest.mark.parametrize("count", [2, 6])
def test_second_derivatives(count, monkeypatch):
    """The gradient of |gradient in x|^2, in x and in the weights: never a silent 0."""
    monkeypatch.setitem(_kernels._LARGE, BACKEND, 1)
    layer, small = mixture(count, names=SMOOTH), X[:2]
    own, plain = (twice_differentiated(layer, small, training) for training in (True, False))
    for a, b in zip(own, plain, strict=True):
        assert np.abs(b).max() > 1e-2
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4 * np.abs(b).max())


def twice_differentiated(layer, x, training):
    if BACKEND == "torch":
        import torch

        x = torch.tensor(x).requires_grad_()
        (slope,) = torch.autograd.grad(layer(x, training=training).sum(), x, create_graph=True)
        wanted = (x, layer.mixing_weights.value)
        return [part.detach().numpy() for part in torch.autograd.grad((slope**2).sum(), wanted)]
    if BACKEND == "tensorflow":
        import tensorflow as tf

        x = tf.constant(x)
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                y = tf.reduce_sum(layer(x, training=training))
            slope = inner.gradient(y, x)
            squared = tf.reduce_sum(slope**2)
        return [part.numpy() for part in outer.gradient(squared, (x, layer.mixing_weights.value))]
    import jax

    def squared_slope(x, values):
        slope = jax.grad(lambda x: called(layer, x, values, training).sum())(x)
        return (slope**2).sum()

    return [np.asarray(part) for part in jax.tree.leaves(jax.grad(squared_slope, (0, 1))(x, values_of(layer)))]


@pytest.mark.parametrize("count", [2, 6])
def test_forward_mode_and_batching(count, monkeypatch):
    monkeypatch.setitem(_kernels._LARGE, BACKEND, 1)
    layer, x, dx = mixture(count, names=SMOOTH), X[:4], UP[:4]
    for own, plain in zip(*(transformed(layer, x, dx, training) for training in (True, False)), strict=True):
        np.testing.assert_allclose(own, plain, rtol=1e-5, atol=1e-5)


def transformed(layer, x, dx, training):
    """The derivative along dx, and the values of a batch, one sample at a time."""
    if BACKEND == "torch":
        import torch

        along = torch.func.jvp(lambda x: layer(x, training=training), (torch.tensor(x),), (torch.tensor(dx),))[1]
        batched = torch.vmap(lambda x: layer(x[None], training=training))(torch.tensor(x))
        sums = torch.func.grad(lambda x: layer(x, training=training).sum())(torch.tensor(x))
        return [part.detach().numpy() for part in (along, batched, sums)]
    if BACKEND == "tensorflow":
        import tensorflow as tf

        x = tf.constant(x)
        with tf.autodiff.ForwardAccumulator(x, tf.constant(dx)) as accumulator:
            y = layer(x, training=training)
        return [part.numpy() for part in (accumulator.jvp(y), tf.vectorized_map(partial_call(layer, training), x))]
    import jax

    along = jax.jvp(lambda x: layer(x, training=training), (x,), (dx,))[1]
    batched = jax.vmap(lambda x: layer(x[None], training=training))(x)
    return [np.asarray(part) for part in (along, batched)]


@pytest.mark.skipif(BACKEND == "tensorflow", reason="TensorFlow has no transformations of functions")
@pytest.mark.parametrize("count", [2, 6])
def test_transformations_of_transformations(count, monkeypatch):
    """Derivatives in whatever mode and order, of a mean square in a factor of x: never a silent 0."""
    monkeypatch.setitem(_kernels._LARGE, BACKEND, 1)
    layer, x = mixture(count, names=SMOOTH), X[:2]
    own, plain = (nested(layer, x, training) for training in (True, False))
    assert own.keys() == plain.keys()
    for name, expected in plain.items():
        assert np.abs(expected).max() > 1e-2, name
        np.testing.assert_allclose(own[name], expected, rtol=1e-4, atol=1e-5, err_msg=name)


def nested(layer, x, training):
    if BACKEND == "jax":
        import jax

        forward, reverse, pullback, one = jax.jacfwd, jax.jacrev, jax.vjp, jax.numpy.ones(())
        x = jax.numpy.asarray(x)
    else:
        import torch

        forward, reverse, pullback, one = torch.func.jacfwd, torch.func.jacrev, torch.func.vjp, torch.tensor(1.0)
        x = torch.tensor(x)

    def square(factor):
        return (layer(x * factor, training=training) ** 2).mean()

    orders = {"f": forward, "r": reverse}
    found = {a: orders[a](square)(one) for a in orders}
    found |= {a + b: orders[a](orders[b](square))(one) for a in orders for b in orders}
    found["vjp"] = pullback(lambda x: layer(x, training=training), x)[1](x)[0]
    if BACKEND == "torch":
        found |= of_autograd(layer, x, training)
    return {name: ops.convert_to_numpy(value) for name, value in found.items()}


def of_autograd(layer, x, training):
    """What `torch.autograd` has beside backward passes: batches of gradients, and dual numbers."""
    import torch
    from torch.autograd import forward_ad

    x = x.clone().requires_grad_()
    y = layer(x, training=training)
    (batch,) = torch.autograd.grad(y, x, torch.stack([x, 2 * x]).detach(), is_grads_batched=True)
    with forward_ad.dual_level():
        along = forward_ad.unpack_dual(layer(forward_ad.make_dual(x, x.detach()), training=training)).tangent
    return {"batch": batch, "dual": along.detach()}


def partial_call(layer, training):
    return lambda x: layer(x[None], training=training)


# Memory


@pytest.mark.skipif(BACKEND != "torch", reason="counts what PyTorch keeps for the backward pass")
def test_one_tensor_is_held_for_the_backward_pass_on_torch():
    import torch

    held = {}
    for training in (True, False):
        x, kept = torch.tensor(X).requires_grad_(), {}
        pack = lambda t, kept=kept: kept.setdefault(t.data_ptr(), t)  # noqa: E731
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
            mixture(10)(x, training=training)
        held[training] = sum(t.numel() >= x.numel() for t in kept.values())
    assert held[True] == 1
    assert held[False] >= 8


@pytest.mark.skipif(BACKEND != "jax", reason="counts what JAX keeps for the backward pass")
@pytest.mark.parametrize("count", [3, 10])
def test_one_tensor_is_held_for_the_backward_pass_on_jax(count):
    import jax

    layer = mixture(count)
    held = {}
    for training in (True, False):
        _, pullback = jax.vjp(lambda x, values: called(layer, x, values, training), X, values_of(layer))  # noqa: B023
        large = {id(part): part for part in jax.tree.leaves(pullback) if part.size >= X.size}
        held[training] = len(large)
    assert held[True] == 1
    assert held[False] >= count - 1


def test_shapes_that_are_not_known_pass():
    layer = layers.ActivationMixture(["linear", "relu", "tanh"])
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, layer(inputs, training=True))
    assert model.output_shape == (None, None, None, 3)
