"""From learned activations to a stock Keras model, which is saved and loaded without this package.

Run it with `python examples/collapse.py`; about a quarter of a minute.
"""

import os

import keras

import keras_actsel
from keras_actsel.layers import ActivationMixture

QUICK = bool(os.environ.get("KERAS_ACTSEL_QUICK"))  # a smaller run, for tests

digits = keras_actsel.data.load("digits")
x, y = digits.x_train / 16, digits.y_train
x_test, y_test = digits.x_test / 16, digits.y_test

# Each hidden layer learns its own combination of three activations; the second has one for each of its units.
model = keras.Sequential(
    [
        keras.Input((8, 8)),
        keras.layers.Flatten(),
        keras.layers.Dense(64),
        ActivationMixture(["linear", "relu", "tanh"], name="first"),
        keras.layers.Dense(64),
        ActivationMixture(["relu", "swish"], axis=-1, name="second"),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x, y, epochs=1 if QUICK else 20, verbose=0)

# "keep" is exact; the others make simpler functions of the combinations, and `drift` says what that costs.
for rule in ("keep", "largest", "nearest"):
    collapsed = keras_actsel.collapse(model, rule, x if rule == "nearest" else None)
    print(f"{rule}: {keras_actsel.drift(model, collapsed, x_test, y_test)}")
    print(f"  {', '.join(f'{site.path} {site.activation}' for site in keras_actsel.sites(collapsed))}")

# Keras layers and operations only: nothing of this package is needed to load it.
keras_actsel.collapse(model).save("digits_collapsed.keras")
