"""Surgery on built models: where their activations act, and models with others in their place."""

from keras_actsel.surgery._config import lambdas_allowed, sublayers
from keras_actsel.surgery._feeding import fed
from keras_actsel.surgery._operations import record_of as as_record
from keras_actsel.surgery._rebuild import check_replacement, is_replaced, rebuild, replace
from keras_actsel.surgery._sites import Site, sites
from keras_actsel.surgery._walk import activation_in, walk

__all__ = [
    "Site",
    "activation_in",
    "as_record",
    "check_replacement",
    "fed",
    "is_replaced",
    "lambdas_allowed",
    "rebuild",
    "replace",
    "sites",
    "sublayers",
    "walk",
]
