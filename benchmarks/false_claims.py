"""One function under two names, trained for real on disjoint seeds: how often is it called different?

At a level of 5 % a fair test calls about one comparison in twenty different. The scores come from `select` itself; each
comparison takes five seeds of the one name and five others of the other.
"""

import argparse

import keras
from scipy import stats

import keras_actsel
from keras_actsel.statistics import paired_test


def main(comparisons: int, epochs: int) -> None:
    digits = keras_actsel.data.load("digits")
    model = keras_actsel.data.default_model(digits)
    selection = keras_actsel.select(
        model,
        digits.x_train,
        digits.y_train,
        validation_data=(digits.x_test, digits.y_test),
        candidates=["leaky_relu(negative_slope=0.0)"],  # relu by another name
        seeds=10 * comparisons,
        confirm=0,
        epochs=epochs,
    )
    scores = {(trial.candidate, trial.seed): trial.score for trial in selection.trials}
    one, other = selection.baseline, "leaky_relu(negative_slope=0.0)"
    same = sum(scores[one, seed] == scores[other, seed] for seed in range(10 * comparisons))
    called = 0
    for start in range(0, 10 * comparisons, 10):
        pairs = [(start + i, start + 5 + i) for i in range(5)]
        called += paired_test([scores[one, a] - scores[other, b] for a, b in pairs]).significant
    low, high = stats.binomtest(called, comparisons).proportion_ci(method="wilson")
    print(f"{keras.backend.backend()}: {len(selection.trials)} trainings of {epochs} epochs")
    print(f"same seed, same score under both names: {same} of {10 * comparisons} seeds")
    print(f"disjoint seeds, called different: {called} of {comparisons} ({low:.0%} to {high:.0%}; stated: 5 %)")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--comparisons", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=5)
    main(**vars(parser.parse_args()))
