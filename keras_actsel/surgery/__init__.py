"""Surgery on built models: where their activations act, and models with others in their place."""

from keras_actsel.surgery._config import stable_hash, sublayers
from keras_actsel.surgery._rebuild import check_replacement, rebuild, replace
from keras_actsel.surgery._sites import Site, sites

__all__ = ["Site", "check_replacement", "rebuild", "replace", "sites", "stable_hash", "sublayers"]
