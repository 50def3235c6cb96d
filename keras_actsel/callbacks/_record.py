"""What a mixture is at one moment of training."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from keras_actsel.layers import ActivationMixture

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class MixtureRecord:
    """A mixture after so many epochs. Where it has coefficients for each channel, these are means over the channels.

    Args:
        epoch: How many epochs were trained; 0 is before training.
        site: The path of the mixture in the model.
        candidates: The names of all its candidates.
        coefficients: Their coefficients.
        spread: The standard deviations of the coefficients over the channels; None for one vector for the layer.
        shares: Their shares in the sum of absolute coefficients.
        entropy: The entropy of the shares in nats, from 0 to log K.
        kept: The names of the candidates that were not dropped.
    """

    epoch: int
    site: str
    candidates: tuple[str, ...]
    coefficients: tuple[float, ...]
    spread: tuple[float, ...] | None
    shares: tuple[float, ...]
    entropy: float
    kept: tuple[str, ...]

    @property
    def top(self) -> str:
        """The candidate of the largest share."""
        return self.candidates[int(np.argmax(self.shares))]

    @property
    def top_share(self) -> float:
        """The largest share."""
        return max(self.shares)


def record_of(mixture: ActivationMixture, site: str, epoch: int) -> tuple[MixtureRecord, Array]:
    """A built mixture as it is now: its record, and its coefficients of shape (K,) or (K, sizes along `axis`)."""
    coefficients, shares = numbers(mixture.coefficients), numbers(mixture.shares)
    rows = coefficients.reshape(len(coefficients), -1)
    record = MixtureRecord(
        epoch=epoch,
        site=site,
        candidates=tuple(map(str, mixture.candidates)),
        coefficients=tuple(rows.mean(axis=1).tolist()),
        spread=tuple(rows.std(axis=1).tolist()) if coefficients.ndim > 1 else None,
        shares=tuple(shares.reshape(rows.shape).mean(axis=1).tolist()),
        entropy=float(numbers(mixture.entropy).mean()),
        kept=tuple(map(str, mixture.kept)),
    )
    return record, coefficients


def numbers(tensor: Any) -> Array:
    """A tensor in float64."""
    return np.asarray(ops.convert_to_numpy(ops.cast(tensor, "float32")), "float64")
