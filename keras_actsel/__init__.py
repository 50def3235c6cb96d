"""Pick, learn or search the activation of a Keras model, with evidence, and keep a stock Keras model."""

from keras_actsel import activations, layers
from keras_actsel.activations import ActivationFunction, activation, catalogue, get

__version__ = "0.1.0"
__all__ = ["ActivationFunction", "activation", "activations", "catalogue", "get", "layers"]
