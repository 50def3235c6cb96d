"""Does the ranking of activations depend on what draws the weights? Friedman-1, the model's own and matched.

KERAS_BACKEND=jax python benchmarks/friedman_initializers.py --epochs 20
"""

import argparse

import keras
import numpy as np

import keras_actsel

SAMPLES, VALIDATION, SEEDS = 1000, 2000, 5


def friedman(samples, seed):
    """Friedman's first regression problem (1991): ten inputs, five of which count, and noise of variance 1."""
    generator = np.random.default_rng(seed)
    x = generator.uniform(size=(samples, 10))
    y = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]
    return x, (y + generator.normal(size=samples))[:, None]


def standardized(x, y, validation):
    """Inputs and targets of mean 0 and variance 1, by the training data."""
    ends = [(values.mean(0), values.std(0)) for values in (x, y)]
    return tuple([(part - m) / s for part, (m, s) in zip(pair, ends, strict=True)] for pair in ((x, y), validation))


def network():
    """Two hidden layers of 64 with Keras's default weights (Glorot uniform)."""
    dense = keras.layers.Dense
    model = keras.Sequential([keras.Input((10,)), dense(64, "relu"), dense(64, "relu"), dense(1)])
    model.compile(keras.optimizers.Adam(1e-3), "mse", metrics=[keras.metrics.R2Score(name="r2")])
    return model


def main(epochs):
    (x, y), validation = standardized(*friedman(SAMPLES, 0), friedman(VALIDATION, 1))
    selection = keras_actsel.select(
        network(),
        x,
        y,
        validation_data=tuple(validation),
        candidates=["relu", "gelu", "silu", "tanh"],
        initializer=["model", "matched"],
        seeds=SEEDS,
        epochs=epochs,
        batch_size=32,
        verbose=0,
    )
    print(selection.leaderboard())
    print(selection.verdict)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=100)
    main(**vars(parser.parse_args()))
