"""Initial weights that fit an activation: its `gain`, the `matched` initializer, and `rescale` for whole models."""

from keras_actsel.initializers._gain import gain, matched
from keras_actsel.initializers._rescale import rescale

__all__ = ["gain", "matched", "rescale"]
