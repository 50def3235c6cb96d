"""Initial weights that fit an activation: its `gain`, and the `matched` initializer."""

from keras_actsel.initializers._gain import gain, matched

__all__ = ["gain", "matched"]
