"""keras-tuner searches activation, width and rate on Fashion-MNIST; then `select` says what the activation did.

It needs `pip install "keras-actsel[tuner]"` and takes about five minutes on two cores. KERAS_ACTSEL_DATA may name a
folder with fashion_mnist.npz; else Keras downloads it.
"""

import os
import tempfile

import keras
import keras_tuner

import keras_actsel
from keras_actsel.tuner import ActivationHyperModel

QUICK = bool(os.environ.get("KERAS_ACTSEL_QUICK"))  # a smaller run, of the digits, for tests

fashion = keras_actsel.data.load("digits" if QUICK else "fashion_mnist")
count, scale = (400, 16) if QUICK else (4000, 255)
x, y = fashion.x_train[:count] / scale, fashion.y_train[:count]
validation = fashion.x_test[:count] / scale, fashion.y_test[:count]


def build(hp, activation):
    units = hp.Int("units", 32, 128, step=32)
    model = keras.Sequential([keras.Input(x.shape[1:]), keras.layers.Flatten()])
    for _ in range(3):
        model.add(keras.layers.Dense(units))
        model.add(keras_actsel.layers.Activation(activation))
    model.add(keras.layers.Dense(10, activation="softmax"))
    rate = hp.Float("learning_rate", 1e-4, 1e-2, sampling="log")
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


candidates = ["relu", "prelu"] if QUICK else ["relu", "gelu", "tanh", "prelu", "sigmoid"]
hypermodel = ActivationHyperModel(build, candidates)
tuner = keras_tuner.RandomSearch(
    hypermodel,
    objective="val_accuracy",
    max_trials=2 if QUICK else 10,
    executions_per_trial=1 if QUICK else 2,
    directory=tempfile.mkdtemp(),
)
tuner.search(x, y, validation_data=validation, epochs=1 if QUICK else 5, verbose=0)
tuner.results_summary(3)
best = tuner.get_best_hyperparameters()[0]
print("Scores of the best trial by seed:", hypermodel.scores(tuner)[tuner.oracle.get_best_trials()[0].trial_id])

# The search proposed; at its width and rate, is the activation worth leaving the first candidate for?
budget = {"epochs": 1, "seeds": 2, "confirm": 2} if QUICK else {"epochs": 5, "seeds": 3, "confirm": 5}
selection = keras_actsel.select(
    lambda activation: build(best, activation), x, y, validation_data=validation, candidates=candidates, **budget
)
print(selection.leaderboard())
print(selection.verdict)
