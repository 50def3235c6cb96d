"""Initial weights that fit the activations: `gain`, `matched`, and `rescale` for a whole model."""

from keras_actsel.initializers._gain import gain, matched

__all__ = ["gain", "matched"]
