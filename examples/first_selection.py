"""A first selection: which activation for a small classifier of handwritten digits?

Run it with `python examples/first_selection.py`; about half a minute on two cores.
"""

import os

import keras

import keras_actsel

QUICK = bool(os.environ.get("KERAS_ACTSEL_QUICK"))  # a smaller run, for tests

digits = keras_actsel.data.load("digits")
x, y = digits.x_train / 16, digits.y_train
validation = digits.x_test / 16, digits.y_test

# A deep, narrow network of sigmoids, as textbooks of the nineties drew it: its gradients vanish.
model = keras.Sequential([keras.Input((8, 8)), keras.layers.Flatten()])
for _ in range(4):
    model.add(keras.layers.Dense(32, activation="sigmoid"))
model.add(keras.layers.Dense(10, activation="softmax"))
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])

selection = keras_actsel.select(
    model,
    x,
    y,
    validation_data=validation,
    candidates=["relu", "gelu", "tanh"],
    epochs=1 if QUICK else 10,
    seeds=2 if QUICK else 3,
    confirm=2 if QUICK else 5,
)

print(selection.leaderboard())
print(selection.leaderboard("confirm"))
print(selection.verdict)

# These activations are Keras's own in the model, so nothing of this package is needed to load it.
if selection.model is not None:
    selection.model.save("digits.keras")
