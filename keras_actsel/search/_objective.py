"""What is scored, and whether more of it is better: known from the metric, never guessed."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

_M = keras.metrics
LARGER_IS_BETTER: tuple[type, ...] = (
    _M.Accuracy, _M.BinaryAccuracy, _M.CategoricalAccuracy, _M.SparseCategoricalAccuracy,
    _M.TopKCategoricalAccuracy, _M.SparseTopKCategoricalAccuracy,
    _M.AUC, _M.Precision, _M.Recall, _M.F1Score, _M.FBetaScore, _M.TruePositives, _M.TrueNegatives,
    _M.PrecisionAtRecall, _M.RecallAtPrecision, _M.SensitivityAtSpecificity, _M.SpecificityAtSensitivity,
    _M.IoU, _M.BinaryIoU, _M.MeanIoU, _M.OneHotIoU, _M.OneHotMeanIoU,
    _M.R2Score, _M.CosineSimilarity, _M.PearsonCorrelation, _M.ConcordanceCorrelation,
)  # fmt: skip
SMALLER_IS_BETTER: tuple[type, ...] = (
    _M.MeanSquaredError, _M.RootMeanSquaredError, _M.MeanAbsoluteError, _M.MeanAbsolutePercentageError,
    _M.MeanSquaredLogarithmicError, _M.LogCoshError, _M.KLDivergence, _M.Poisson,
    _M.BinaryCrossentropy, _M.CategoricalCrossentropy, _M.SparseCategoricalCrossentropy,
    _M.Hinge, _M.SquaredHinge, _M.CategoricalHinge, _M.FalsePositives, _M.FalseNegatives,
)  # fmt: skip
_LOSS_FUNCTIONS = tuple(
    getattr(keras.losses, name)
    for name in (
        "mean_squared_error", "mean_absolute_error", "mean_absolute_percentage_error", "mean_squared_logarithmic_error",
        "huber", "log_cosh", "kl_divergence", "poisson", "hinge", "squared_hinge", "categorical_hinge",
        "binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy",
        "binary_focal_crossentropy", "categorical_focal_crossentropy", "dice", "tversky",
    )
)  # fmt: skip


_ACCURACY_FUNCTIONS = tuple(
    getattr(keras.metrics, name)
    for name in (
        "binary_accuracy", "categorical_accuracy", "sparse_categorical_accuracy",
        "top_k_categorical_accuracy", "sparse_top_k_categorical_accuracy",
    )
)  # fmt: skip


@dataclass(frozen=True)
class Objective:
    """What scores a trial.

    Args:
        key: Its name in the logs of `model.evaluate`, such as `"accuracy"`.
        direction: `"max"` or `"min"`.
    """

    key: str
    direction: str

    @property
    def name(self) -> str:
        """Its name as a validation score, such as `"val_accuracy"`."""
        return f"val_{self.key}"


def resolve(wanted: Any, model: keras.Model, logs: dict[str, float]) -> Objective:
    """The objective that a user wants, or the first compiled metric, else the loss.

    Args:
        wanted: None, a name with or without `"val_"`, or a pair of name and `"max"` or `"min"`.
        model: A compiled model that has been evaluated once, so that its metrics exist.
        logs: What that evaluation returned.

    Raises:
        ValueError: For an unknown name, or a metric whose better direction is not known.
    """
    compiled = [metric for holder in model.metrics for metric in getattr(holder, "metrics", ())]
    by_key = _metrics_by_key([*compiled, *model.metrics], model, logs)
    name, direction = _split(wanted)
    if name is None:
        name = next((key for key, metric in by_key.items() if metric in compiled), "loss")
    key = name if name in logs else name.removeprefix("val_")
    if key not in logs:
        raise ValueError(f"Unknown objective {name!r}. Expected one of: {', '.join(f'val_{k}' for k in sorted(logs))}.")
    if np.ndim(logs[key]) > 0:
        raise ValueError(
            f"The metric {key!r} gives {np.size(logs[key])} numbers, which can't be ranked. Expected one: pass another "
            "objective, or an average to the metric, such as F1Score(average='macro')."
        )
    known = (
        better_direction(by_key[key]) if key in by_key else "min" if name is not None and key.endswith("loss") else None
    )
    if direction is not None and known not in (None, direction):
        raise ValueError(f"For {key!r} the better direction is {known!r}. Received: {direction!r}.")
    direction = direction or known
    if direction is None:
        raise ValueError(
            f"Whether a larger {key!r} is better is not known. "
            f'Say so: objective=("val_{key}", "max") or objective=("val_{key}", "min").'
        )
    return Objective(key, direction)


def _split(wanted: Any) -> tuple[str | None, str | None]:
    if wanted is None or isinstance(wanted, str):
        return wanted, None
    if isinstance(wanted, (tuple, list)) and len(wanted) == 2 and wanted[1] in ("max", "min"):
        return str(wanted[0]), wanted[1]
    raise ValueError(
        'objective must be a name such as "val_accuracy", or a pair such as ("val_accuracy", "max"). '
        f"Received: {wanted!r}."
    )


def _metrics_by_key(metrics: list[Any], model: keras.Model, logs: dict[str, float]) -> dict[str, Any]:
    """Metrics by their key in the logs, in their order; the loss, and the losses of outputs, are left out."""
    losses = logged_as("loss", model)
    found: dict[str, Any] = {}
    for metric in metrics:
        for key in logged_as(metric.name, model):
            if key in logs and key not in losses:
                found.setdefault(key, metric)
    return found


def logged_as(name: str, model: keras.Model) -> list[str]:
    """The keys in a model's logs under which a metric of a name may stand.

    With several outputs Keras prefixes a metric's name by its output's; a weighted twin gets "weighted_".
    """
    outputs = [f"{output}_" for output in getattr(model, "output_names", None) or []]
    return [key for prefix in ["", *outputs] for key in (prefix + name, f"{prefix}weighted_{name}")]


def better_direction(metric: Any) -> str | None:
    """`"max"` or `"min"` for a metric, or a function as one; None if it is not known."""
    # A plain function as a metric is wrapped in an object that only tells the function.
    function = getattr(metric, "_fn", metric)
    if isinstance(metric, LARGER_IS_BETTER) or function in _ACCURACY_FUNCTIONS:
        return "max"
    if isinstance(metric, SMALLER_IS_BETTER) or function in _LOSS_FUNCTIONS:
        return "min"
    return None
