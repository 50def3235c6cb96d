"""Search for an activation: `select`, and the strategies."""

from keras_actsel.results import TrialError
from keras_actsel.search._candidates import SHORTLIST
from keras_actsel.search._exhaustive import Exhaustive
from keras_actsel.search._select import select
from keras_actsel.search._strategy import Request, Strategy

__all__ = ["SHORTLIST", "Exhaustive", "Request", "Strategy", "TrialError", "select"]
