"""What does a trial of `select` cost beyond building, compiling, fitting and scoring the same model by hand?

Rounds are interleaved, so that the machine's moods hit both alike. Prints medians and the median ratio of a round.
"""

import argparse
import time
from statistics import median

import keras

import keras_actsel


def by_hand(digits, epochs: int) -> float:
    start = time.perf_counter()
    model = keras_actsel.data.default_model(digits)
    model.fit(digits.x_train, digits.y_train, epochs=epochs, verbose=0)
    model.evaluate(digits.x_test, digits.y_test, verbose=0)
    return time.perf_counter() - start


def by_select(digits, model, epochs: int, seed: int) -> float:
    data = digits.x_train, digits.y_train
    validation = digits.x_test, digits.y_test
    arguments = {"candidates": ["leaky_relu"], "seeds": [seed], "confirm": 0, "epochs": epochs, "verbose": 0}
    found = keras_actsel.select(model, *data, validation_data=validation, **arguments)
    return found.trials[0].seconds


def main(rounds: int, epochs: int) -> None:
    digits = keras_actsel.data.load("digits")
    model = keras_actsel.data.default_model(digits)
    by_hand(digits, epochs)  # warm up
    times = [(by_hand(digits, epochs), by_select(digits, model, epochs, seed)) for seed in range(rounds)]
    ratios = sorted(ours / hand for hand, ours in times)
    print(f"{keras.backend.backend()}: {rounds} rounds of {epochs} epochs")
    print(f"by hand {median(hand for hand, _ in times):.2f} s, a trial {median(ours for _, ours in times):.2f} s")
    print(f"ratio {median(ratios):.2f}, middle half {ratios[rounds // 4]:.2f} to {ratios[-rounds // 4]:.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--epochs", type=int, default=5)
    main(**vars(parser.parse_args()))
