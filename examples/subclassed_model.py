"""A model that can't be cloned: subclassed, with a training step of its own, given to `select` through `build`.

Its loss is taken on mixed pairs of samples (mixup, Zhang et al. 2018, https://arxiv.org/abs/1710.09412). About half a
minute on two cores.
"""

import os

import keras
from keras import ops

import keras_actsel

QUICK = bool(os.environ.get("KERAS_ACTSEL_QUICK"))  # a smaller run, for tests

digits = keras_actsel.data.load("digits")
x, y = digits.x_train[..., None] / 16, keras.utils.to_categorical(digits.y_train)


class Mixup(keras.Model):
    """A small residual network whose loss is taken on mixed samples."""

    def __init__(self, activation):
        super().__init__()
        self.stem = keras.layers.Conv2D(16, 3, padding="same")
        self.block = keras.layers.Conv2D(16, 3, padding="same")
        # `layers.Activation` takes whatever select hands over, and copies it where it has weights.
        self.first = keras_actsel.layers.Activation(activation)
        self.second = keras_actsel.layers.Activation(activation)
        self.pool = keras.layers.GlobalAveragePooling2D()
        self.head = keras.layers.Dense(10, activation="softmax")

    def call(self, x):
        x = self.first(self.stem(x))
        return self.head(self.pool(x + self.second(self.block(x))))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        if not training:
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        mixed_y = 0.8 * y + 0.2 * ops.flip(y, axis=0)
        mixed_x = 0.8 * x + 0.2 * ops.flip(x, axis=0)
        return super().compute_loss(x, mixed_y, self(mixed_x), sample_weight, training)


def build(activation):
    model = Mixup(activation)
    model.compile(keras.optimizers.Adam(3e-3), "categorical_crossentropy", metrics=["accuracy"])
    return model


candidates = ["relu", "silu", "prelu"]  # the first is the baseline
budget = {"epochs": 1, "seeds": 2, "confirm": 2} if QUICK else {"epochs": 10, "seeds": 3, "confirm": 5}
selection = keras_actsel.select(build, x, y, candidates=candidates, **budget)
print(selection.leaderboard())
print(selection.verdict)
