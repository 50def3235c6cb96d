"""Callbacks for `model.fit`: watch the mixtures of a model, sharpen them, and drop the candidates they do not use."""

from keras_actsel.callbacks._history import MixtureHistory
from keras_actsel.callbacks._pruning import PruneCandidates
from keras_actsel.callbacks._record import MixtureRecord
from keras_actsel.callbacks._temperature import TemperatureAnnealing

__all__ = ["MixtureHistory", "MixtureRecord", "PruneCandidates", "TemperatureAnnealing"]
