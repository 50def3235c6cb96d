"""Draw the measured pictures of the guides, each from a small run with fixed seeds, and print their numbers.

KERAS_BACKEND=jax python docs/figures.py            # needs matplotlib: pip install -e ".[report]"
"""

import os
import sys
from pathlib import Path
from typing import Any

import keras
import matplotlib as mpl
import numpy as np
from keras import ops
from matplotlib import pyplot as plt

from keras_actsel import activations, callbacks, data, initializers, layers

FOLDER = Path(__file__).parent / "figures"
COLOURS = {"sigmoid": "#cc79a7", "tanh": "#009e73", "relu": "#1b4f9c", "gelu": "#d55e00", "leaky_relu": "#d55e00"}
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "keras_actsel",
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
}


def say(line: str) -> None:
    """Print a number of the text."""
    sys.stdout.write(f"{line}\n")


def save(figure: Any, name: str) -> None:
    """Write a picture; FIGURES=png for one to look at."""
    kind = os.environ.get("FIGURES", "svg")
    FOLDER.mkdir(exist_ok=True)
    figure.savefig(FOLDER / f"{name}.{kind}", metadata={"Date": None} if kind == "svg" else None, dpi=96)
    plt.close(figure)


# What the bias and the activation do


def bias_and_nonlinearity() -> None:
    """One curve, three networks: without activations, without biases, with both."""
    x = np.linspace(-2, 2, 400, dtype="float32")[:, None]
    y = np.sin(2.5 * x) + 0.5 * x + 0.5
    nets = {
        "no activation: a line": {"activation": "linear", "use_bias": True},
        "relu, no bias: bent at 0 only": {"activation": "relu", "use_bias": False},
        "relu and bias: bent where needed": {"activation": "relu", "use_bias": True},
    }
    figure, axes = plt.subplots(1, 3, figsize=(9.4, 2.6), sharey=True, layout="constrained")
    for axis, (title, layer) in zip(axes, nets.items(), strict=True):
        keras.utils.set_random_seed(0)
        dense = [keras.layers.Dense(32, **layer) for _ in range(2)]
        model = keras.Sequential([keras.Input((1,)), *dense, keras.layers.Dense(1, use_bias=layer["use_bias"])])
        model.compile(keras.optimizers.Adam(0.01), "mse")
        loss = model.fit(x, y, epochs=120, batch_size=100, verbose=0).history["loss"][-1]
        say(f"bias and nonlinearity: {title}: mse {loss:.4f}")
        axis.plot(x, y, color="#aaaaaa", lw=4, label="target")
        axis.plot(x, model.predict(x, verbose=0), color="#1b4f9c", lw=2, label="network")
        axis.set(title=title, xlabel="x", ylim=(-1.5, 2.2))
        axis.text(0.97, 0.03, f"mean squared error {loss:.4f}", transform=axis.transAxes, ha="right")
    axes[0].legend(frameon=False, loc="upper left")
    save(figure, "bias_and_nonlinearity")


# Vanishing gradients


def vanishing_gradients(depth: int = 30, width: int = 128, draws: int = 5) -> None:
    """The size of the gradient at each layer of a deep network at its start, under two scales of the weights."""
    figure, axes = plt.subplots(1, 2, figsize=(9.4, 3.1), sharey=True, layout="constrained")
    for axis, scale in zip(axes, ("glorot_uniform", "matched"), strict=True):
        for name in ("sigmoid", "tanh", "relu", "gelu"):
            record = activations.get(name)
            norms = [gradient_norms(record, weights_of(record, scale), depth, width, seed) for seed in range(draws)]
            ratio = np.exp(np.mean(np.log(norms), axis=0))
            say(f"vanishing gradients: {scale} {name}: first layer {ratio[0]:.1e} of the last")
            axis.semilogy(range(1, depth + 1), ratio, color=COLOURS[name], lw=2, label=name)
        axis.set(
            title=f"{scale} weights",
            xlabel="layer",
            xlim=(1, depth),
            ylim=(1e-20, 1e3),
            xticks=[1, 5, 10, 15, 20, 25, 30],
        )
    axes[0].set_ylabel("gradient, against the last layer")
    axes[1].legend(frameon=False, ncols=2)
    save(figure, "vanishing_gradients")


def weights_of(record: activations.ActivationFunction, scale: str) -> keras.Initializer:
    """The initializer: Keras's default, or the one with the activation's gain."""
    return initializers.matched(record) if scale == "matched" else keras.initializers.get(scale)


def gradient_norms(record: Any, initializer: Any, depth: int, width: int, seed: int) -> np.ndarray:
    """The norm of a random loss's gradient with respect to each layer's output before its activation, last = 1."""
    keras.utils.set_random_seed(seed)
    h = ops.convert_to_tensor(np.random.default_rng(seed).standard_normal((256, width)).astype("float32"))
    kernels, before = [], []
    for _ in range(depth):
        kernels.append(initializer((width, width)))
        before.append(h @ kernels[-1])
        h = record(before[-1])
    gradient = ops.convert_to_tensor(np.random.default_rng(seed + 1).standard_normal((256, width)).astype("float32"))
    norms = []
    for kernel, z in zip(reversed(kernels), reversed(before), strict=True):
        gradient = gradient * record.derivative(z)
        # Rescaled at each step, so that float32 does not end the curve.
        size = float(ops.norm(gradient))
        norms.append(size * (norms[-1] if norms else 1.0))
        gradient = (gradient / size) @ ops.transpose(kernel)
    return np.array(norms[::-1]) / norms[0]


# Dying units


def dying_units(seeds: int = 5, epochs: int = 20) -> None:
    """The share of hidden units that are negative on every training sample, while training."""
    digits = data.load("digits")
    x, y = digits.x_train.reshape(len(digits.x_train), -1) / 16, digits.y_train
    rates = {"a usual rate: Adam 0.001": 0.001, "a high one: Adam 0.03": 0.03}
    figure, axes = plt.subplots(1, 2, figsize=(9.4, 3.0), sharey=True, layout="constrained")
    for axis, (title, rate) in zip(axes, rates.items(), strict=True):
        for name in ("relu", "leaky_relu"):
            runs = np.array([share_of_dead_units(name, rate, x, y, seed, epochs) for seed in range(seeds)])
            dead, accuracy = runs[:, :-1], runs[:, -1]
            say(
                f"dying units: {name} at {rate}: {dead[:, -1].mean():.1%} dead, training accuracy {accuracy.mean():.3f}"
            )
            axis.plot(100 * dead.mean(axis=0), color=COLOURS[name], lw=2, label=name)
            axis.fill_between(
                range(epochs + 1), *(100 * np.quantile(dead, [0, 1], axis=0)), color=COLOURS[name], alpha=0.15, lw=0
            )
        axis.set(title=title, xlabel="epoch", xlim=(0, epochs), ylim=(0, 60), xticks=range(0, epochs + 1, 5))
    axes[0].set_ylabel("units never active, %")
    axes[0].legend(frameon=False)
    save(figure, "dying_units")


def share_of_dead_units(name: str, rate: float, x: Any, y: Any, seed: int, epochs: int) -> list[float]:
    """The share before training and after each epoch, then the accuracy at the end."""
    keras.utils.set_random_seed(seed)
    inputs = h = keras.Input((64,))
    before = []
    for _ in range(3):
        before.append(keras.layers.Dense(64, kernel_initializer="he_normal")(h))
        h = keras.layers.Activation(activations.get(name))(before[-1])
    model = keras.Model(inputs, keras.layers.Dense(10)(h))
    probe = keras.Model(inputs, before)
    model.compile(
        keras.optimizers.Adam(rate), keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
    )
    shares: list[float] = []

    def measure(*_: Any) -> None:
        outputs = probe.predict(x, batch_size=len(x), verbose=0)
        shares.append(float(np.mean([(z < 0).all(axis=0).mean() for z in outputs])))

    measure()
    history = model.fit(
        x, y, epochs=epochs, batch_size=64, verbose=0, callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=measure)]
    )
    return [*shares, history.history["accuracy"][-1]]


# What mixtures learn


def mixture_history(epochs: int = 30) -> None:
    """Coefficients of three layers on the digits, started as relu."""
    keras.utils.set_random_seed(0)
    digits = data.load("digits")
    candidates = ["linear", "relu", "tanh", "gelu"]
    hidden = [
        layer
        for number in range(1, 4)
        for layer in (
            keras.layers.Dense(64),
            layers.ActivationMixture(candidates, initial="relu", name=f"hidden_{number}"),
        )
    ]
    model = keras.Sequential([keras.Input((8, 8)), keras.layers.Flatten(), *hidden, keras.layers.Dense(10)])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    history = callbacks.MixtureHistory()
    model.fit(digits.x_train / 16, digits.y_train, epochs=epochs, batch_size=64, verbose=0, callbacks=[history])
    save(history.figure(), "mixture_history")
    for row in history.rows[-3:]:
        shares = ", ".join(f"{name} {c:+.2f}" for name, c in zip(candidates, row.coefficients, strict=True))
        say(f"mixture_history: {row.site} after {row.epoch} epochs: {shares}")


if __name__ == "__main__":
    with mpl.rc_context(STYLE):
        bias_and_nonlinearity()
        vanishing_gradients()
        dying_units()
        mixture_history()
