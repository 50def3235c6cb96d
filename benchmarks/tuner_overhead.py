"""What does a trial of a keras-tuner search cost with `ActivationHyperModel`, against the same search without it?

Both search the same activations of the same build function by GridSearch, without it by `hp.Choice`. With it a trial
makes its model twice, as its weights are drawn by the seed. Rounds are interleaved, so that the machine's moods hit
both alike. Prints medians and the median ratio of a round.
"""

import argparse
import contextlib
import io
import tempfile
import time
from statistics import median

import keras
import keras_tuner

import keras_actsel
from keras_actsel.tuner import ActivationHyperModel

CANDIDATES = ["relu", "gelu", "tanh", "elu"]


def build(hp, activation):
    model = keras.Sequential([keras.Input((8, 8, 1))])
    for filters in (16, 32):
        model.add(keras.layers.Conv2D(filters, 3, padding="same", activation=activation))
    model.add(keras.layers.Flatten())
    model.add(keras.layers.Dense(64, activation=activation))
    model.add(keras.layers.Dense(10, activation="softmax"))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def by_choice(hp):
    return build(hp, hp.Choice("activation", CANDIDATES))


def seconds(hypermodel, digits, epochs: int) -> float:
    """Seconds of a trial."""
    x, x_test = digits.x_train[..., None] / 16, digits.x_test[..., None] / 16
    with contextlib.redirect_stdout(io.StringIO()):
        tuner = keras_tuner.GridSearch(hypermodel, objective="val_accuracy", directory=tempfile.mkdtemp())
        start = time.perf_counter()
        tuner.search(x, digits.y_train, validation_data=(x_test, digits.y_test), epochs=epochs, verbose=0)
    return (time.perf_counter() - start) / len(tuner.oracle.trials)


def main(rounds: int, epochs: int) -> None:
    digits = keras_actsel.data.load("digits")
    kinds = (lambda: by_choice, lambda: ActivationHyperModel(lambda hp: build(hp, "relu"), CANDIDATES))
    seconds(kinds[0](), digits, 1)  # warm up
    times = [[seconds(kind(), digits, epochs) for kind in kinds] for _ in range(rounds)]
    ratios = sorted(ours / plain for plain, ours in times)
    print(f"{keras.backend.backend()}: {rounds} rounds of {len(CANDIDATES)} trials of {epochs} epochs")
    print(
        f"without {median(plain for plain, _ in times):.2f} s, with {median(ours for _, ours in times):.2f} s a trial"
    )
    print(f"ratio {median(ratios):.2f}, middle half {ratios[rounds // 4]:.2f} to {ratios[-rounds // 4]:.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=5)
    main(**vars(parser.parse_args()))
