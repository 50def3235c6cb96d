"""Pick, learn or search the activation of a Keras model, with evidence, and keep a stock Keras model."""

try:
    import keras  # noqa: F401
except ModuleNotFoundError as error:
    raise ImportError(
        "Keras found no backend. It looks for TensorFlow unless the environment variable KERAS_BACKEND names another: "
        "install keras-actsel[tensorflow]; or install keras-actsel[jax] or keras-actsel[torch] and set KERAS_BACKEND "
        "to jax or torch."
    ) from error

from keras_actsel import activations, callbacks, data, initializers, layers
from keras_actsel.activations import ActivationFunction, activation, catalogue, get
from keras_actsel.initializers import rescale
from keras_actsel.results import Selection, Trial, TrialError
from keras_actsel.search import select
from keras_actsel.surgery import Drift, Site, collapse, drift, replace, sites

__version__ = "0.1.0"
__all__ = [
    "ActivationFunction",
    "Drift",
    "Selection",
    "Site",
    "Trial",
    "TrialError",
    "activation",
    "activations",
    "callbacks",
    "catalogue",
    "collapse",
    "data",
    "drift",
    "get",
    "initializers",
    "layers",
    "replace",
    "rescale",
    "select",
    "sites",
]
