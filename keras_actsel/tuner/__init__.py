"""Activations as hyperparameters of keras-tuner, and its oracles as strategies of `select`.

Three names: `hp_activation` in a build function, `ActivationHyperModel` around a model or a build function, and
`OracleStrategy` for `keras_actsel.select`. They need the extra `tuner`.
"""

import importlib.util

import keras

_EXTRA = 'Install what it needs by `pip install "keras-actsel[tuner]"`.'

for _package in ("six", "keras_tuner"):  # keras-tuner imports six, and does not say so to pip
    if importlib.util.find_spec(_package) is None:
        raise ImportError(f"keras_actsel.tuner needs {_package}, which is not installed. {_EXTRA}")
if keras.backend.backend() == "tensorflow" and importlib.util.find_spec("tensorboard") is None:
    raise ImportError(
        "On TensorFlow every trial of keras-tuner needs tensorboard, which is not installed; without it a search "
        f"fails, or ends without a result and without an error. {_EXTRA}"
    )

from keras_actsel.tuner._choice import hp_activation  # noqa: E402 - after the packages it needs
from keras_actsel.tuner._hypermodel import ActivationHyperModel  # noqa: E402
from keras_actsel.tuner._oracle import OracleStrategy  # noqa: E402

__all__ = ["ActivationHyperModel", "OracleStrategy", "hp_activation"]
