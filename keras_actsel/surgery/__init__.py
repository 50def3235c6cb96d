"""Surgery on built models: where their activations act, and models with others, or only stock ones."""

from keras_actsel.surgery._collapse import collapse
from keras_actsel.surgery._compile import fresh_compile_arguments
from keras_actsel.surgery._config import copied, lambdas_allowed, sublayers
from keras_actsel.surgery._drift import Drift, drift
from keras_actsel.surgery._feeding import fed
from keras_actsel.surgery._operations import record_of as as_record
from keras_actsel.surgery._rebuild import check_replacement, is_replaced, rebuild, replace
from keras_actsel.surgery._sites import Site, sites
from keras_actsel.surgery._walk import activation_in, walk

__all__ = [
    "Drift",
    "Site",
    "activation_in",
    "as_record",
    "check_replacement",
    "collapse",
    "copied",
    "drift",
    "fed",
    "fresh_compile_arguments",
    "is_replaced",
    "lambdas_allowed",
    "rebuild",
    "replace",
    "sites",
    "sublayers",
    "walk",
]
