"""What does a training step with a learned combination cost, against the same network with relu?

    KERAS_BACKEND=jax python benchmarks/mixture_speed.py

LeNet-5 (convolutions of 32 and 64, dense 256) and one convolution of 16 on 28x28 pictures, and a dense network of three
layers of 512, batches of 128, trained by `model.fit` with every form in turn, in rounds; the figures are medians over
the rounds of the ratio to relu in the same round, of the time with its 95 % interval by order statistics, and of the
seconds that all cores were busy. "relu again" is the noise. `--jit` compiles with `jit_compile=True`. Forms: each
candidate alone; the plain sum of coefficient times function; stacked, that is, all functions in one tensor that is
contracted with the coefficients; `layers.ActivationMixture`, raw and standardized; on PyTorch also the layer of the
package torch-activation, if it is installed.

On JAX and PyTorch also one layer alone, forward and backward over 8 million elements, and what it holds between them.
"""

import argparse
import importlib.util
import time
from functools import partial

import keras
import numpy as np
from keras import ops
from scipy import stats

from keras_actsel import activations, layers

BATCH = 128
POOLS = {
    3: ("linear", "relu", "tanh"),
    8: ("linear", "relu", "elu", "gelu", "silu", "tanh", "softplus", "sigmoid"),
}
TORCH = {
    **{"relu": "ReLU", "elu": "ELU", "gelu": "GELU", "silu": "SiLU"},
    **{"tanh": "Tanh", "softplus": "Softplus", "sigmoid": "Sigmoid"},
}


class PlainSum(keras.layers.Layer):
    """The sum of coefficient times function, with nothing done about its cost."""

    def __init__(self, names):
        super().__init__()
        self.functions = [activations.get(name) for name in names]

    def build(self, input_shape):
        count = len(self.functions)
        start = keras.initializers.Constant(1 / count)
        self.coefficients = self.add_weight(shape=(count,), initializer=start, name="coefficients")

    def call(self, x):
        return sum(self.coefficients[k] * function(x) for k, function in enumerate(self.functions))


class Stacked(PlainSum):
    """All functions in one tensor that is contracted with the coefficients."""

    def call(self, x):
        return ops.tensordot(self.coefficients, ops.stack([function(x) for function in self.functions]), axes=1)


def forms(count):
    names = POOLS[count]
    single = {name: partial(layers.Activation, name) for name in names if name != "relu"}
    return {
        "relu": partial(layers.Activation, "relu"),
        "relu again": partial(layers.Activation, "relu"),
        **single,
        "plain sum": partial(PlainSum, names),
        "stacked": partial(Stacked, names),
        "mixture, raw": partial(layers.ActivationMixture, names, standardize=False),
        "mixture": partial(layers.ActivationMixture, names),
        **peers(names),
    }


def peers(names):
    """Layers of other packages that mix any functions, where they run."""
    if keras.backend.backend() != "torch" or importlib.util.find_spec("torch_activation") is None:
        return {}
    import torch
    from torch_activation import ABU  # not a Keras layer, so it is wrapped as one

    functions = {name: torch.nn.Identity() if name == "linear" else getattr(torch.nn, TORCH[name])() for name in names}
    return {"torch-activation": lambda: keras.layers.TorchModuleWrapper(ABU(list(functions.values())))}


def lenet(form):
    conv, pool, dense = keras.layers.Conv2D, keras.layers.MaxPooling2D, keras.layers.Dense
    return [
        keras.Input((28, 28, 1)),
        *(conv(32, 5, padding="same"), form(), pool()),
        *(conv(64, 5, padding="same"), form(), pool()),
        keras.layers.Flatten(),
        *(dense(256), form()),
    ]


def convolution(form):
    return [
        keras.Input((28, 28, 1)),
        *(keras.layers.Conv2D(16, 3, padding="same"), form(), keras.layers.GlobalAveragePooling2D()),
    ]


def mlp(form):
    return [keras.Input((784,)), *(layer for _ in range(3) for layer in (keras.layers.Dense(512), form()))]


NETWORKS = {  # and batches in a round
    "LeNet-5": (lenet, 5),
    "MLP 3x512": (mlp, 20),
    "one convolution": (convolution, 20),
}


def trainer(network, form, jit):
    """A function that trains a compiled network for one round."""
    make, batches = NETWORKS[network]
    inputs, *hidden = make(form)
    model = keras.Sequential([inputs, *hidden, keras.layers.Dense(10)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, jit_compile=True if jit else "auto")
    generator = np.random.default_rng(0)
    x = generator.normal(size=(BATCH * batches, *inputs.shape[1:])).astype("float32")
    y = generator.integers(10, size=len(x))
    return partial(model.fit, x, y, batch_size=BATCH, verbose=0, shuffle=False)


def measure(network, made, rounds, jit):
    """Seconds of each round, by form."""
    trainers = {name: trainer(network, form, jit) for name, form in made.items()}
    for train in trainers.values():
        train()
    return timed(trainers, rounds)


def timed(calls, rounds):
    """Seconds of each call in each round, and seconds that cores were busy with it, of shape (rounds, 2)."""
    seconds = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            start, busy = time.perf_counter(), time.process_time()
            call()
            seconds[name].append((time.perf_counter() - start, time.process_time() - busy))
    return {name: np.array(values) for name, values in seconds.items()}


def median_interval(values):
    """The median and its 95 % interval by order statistics."""
    low = int(stats.binom.ppf(0.025, len(values), 0.5))
    ordered = np.sort(values)
    return np.median(values), ordered[low], ordered[-low - 1]


def table(seconds):
    print("| form | time of relu | 95 % interval | busy |\n|---|---|---|---|")
    for name, values in seconds.items():
        ratios = values / seconds["relu"]
        median, low, high = median_interval(ratios[:, 0])
        print(f"| {name} | {median:.2f} | {low:.2f} to {high:.2f} | {np.median(ratios[:, 1]):.2f} |", flush=True)


# One layer


def on_jax(layer, x):
    """A compiled step of the layer, and a function of what it holds for the backward pass."""
    import jax

    layer.build(x.shape)
    variables = layer.trainable_variables

    def called(x, values):
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            return layer(x, training=True)

    def step(x, values):
        y, pullback = jax.vjp(called, x, values)
        return y, pullback(x)

    values, compiled = [v.value for v in variables], jax.jit(step)
    held = jax.tree.leaves(jax.vjp(called, x, values)[1])
    return lambda: jax.block_until_ready(compiled(x, values)), {id(part): part.nbytes for part in held}


def on_torch(layer, x):
    """A step of the layer, and what it holds for the backward pass."""
    import torch

    x = torch.tensor(x).requires_grad_()
    layer.build(x.shape)
    wanted, held = [x, *(v.value for v in layer.trainable_variables)], {}

    def keep(tensor):
        held[tensor.data_ptr()] = tensor.nbytes
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        layer(x, training=True)
    return lambda: torch.autograd.grad(layer(x, training=True), wanted, x.detach()), held


def one_layer(count, rounds):
    x = np.random.default_rng(0).normal(size=(128, 256, 256)).astype("float32")
    of_backend = {"jax": on_jax, "torch": on_torch}[keras.backend.backend()]
    named = {name: form for name, form in forms(count).items() if name in ("relu", "plain sum", "mixture")}
    steps = {name: of_backend(form(), x) for name, form in named.items()}
    for step, _ in steps.values():
        step()
    print(f"\n### One layer of 8 million elements, {count} candidates, {keras.backend.backend()}, {rounds} rounds\n")
    table(timed({name: step for name, (step, _) in steps.items()}, rounds))
    held = {name: sum(held.values()) / x.nbytes for name, (_, held) in steps.items()}
    print("\nHeld for the backward pass, in tensors:", ", ".join(f"{name} {size:.1f}" for name, size in held.items()))


def main(rounds, counts, networks, jit, only):
    device = f"{keras.backend.backend()}{', jit_compile=True' if jit else ''}"
    for network in networks:
        for count in counts:
            made = {name: form for name, form in forms(count).items() if not only or name in ("relu", *only)}
            seconds = measure(network, made, rounds, jit)
            step = 1000 * np.median(seconds["relu"][:, 0]) / NETWORKS[network][1]
            print(f"\n### {network}, {count} candidates, {device}: relu takes {step:.1f} ms a step, {rounds} rounds\n")
            table(seconds)
    if keras.backend.backend() != "tensorflow" and not jit and not only:
        for count in counts:
            one_layer(count, rounds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--counts", type=int, nargs="*", default=list(POOLS))
    parser.add_argument("--networks", nargs="*", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--only", nargs="*", help="forms to time beside relu")
    parser.add_argument("--jit", action="store_true")
    main(**vars(parser.parse_args()))
