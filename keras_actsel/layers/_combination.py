"""How trained weights become the coefficients of a mixture, and what is asked of coefficients."""

from typing import Any

import keras
from keras import ops

COMBINATIONS = ("affine", "convex", "linear")


def coefficients_of(w: Any, combination: str, temperature: Any, kept: Any) -> Any:
    """The coefficients that weights stand for.

    Args:
        w: Weights of shape (K, ...).
        combination: One of `COMBINATIONS`.
        temperature: What `"convex"` divides the weights by.
        kept: 1.0 for each candidate that is in the mixture and 0.0 for one that was dropped, of shape (K, 1, ...); None
            if all are in.

    Returns:
        A tensor of w's shape; exactly 0 for what was dropped.
    """
    if combination == "convex":
        w = w / temperature
        return ops.softmax(w if kept is None else ops.where(kept > 0, w, -float("inf")), axis=0)
    if kept is not None:
        w = kept * w
    if combination == "affine":
        missing = 1.0 - ops.sum(w, axis=0, keepdims=True)
        w = w + (missing / w.shape[0] if kept is None else kept * missing / ops.sum(kept))
    return w


def shares_of(coefficients: Any) -> Any:
    """The share of each candidate in the sum of absolute coefficients, of the coefficients' shape (K, ...)."""
    size = ops.relu(coefficients) + ops.relu(-coefficients)  # at 0 every backend then gives the gradient 0
    return size / (ops.sum(size, axis=0, keepdims=True) + 1e-12)


def entropy_of(coefficients: Any) -> Any:
    """The entropy of the shares in nats, from 0 (one candidate) to log K (all alike), of shape (...)."""
    shares = shares_of(coefficients)
    return -ops.sum(shares * ops.log(shares + 1e-12), axis=0)


@keras.saving.register_keras_serializable(package="keras_actsel")
class EntropyRegularizer(keras.regularizers.Regularizer):
    """Adds the entropy of a mixture's coefficients to the loss, so that it settles on few candidates.

    For `ActivationMixture(..., coefficient_regularizer=...)`. The entropy is that of the shares |c_k| / sum |c|, in
    nats, summed over the channels where each has coefficients of its own.

    Args:
        strength: What the entropy is multiplied by; 1e-3 to 1e-1 is usual. Below 0 it rewards using all candidates.

    Example:
        >>> from keras_actsel import layers
        >>> regularizer = layers.EntropyRegularizer(0.01)
        >>> mixture = layers.ActivationMixture(["relu", "tanh"], coefficient_regularizer=regularizer)
    """

    def __init__(self, strength: float) -> None:
        self.strength = float(strength)

    def __call__(self, coefficients: Any) -> Any:
        """The strength times the entropy of coefficients of shape (K, ...), a scalar."""
        return self.strength * ops.sum(entropy_of(ops.convert_to_tensor(coefficients)))

    def get_config(self) -> dict[str, Any]:
        """The strength."""
        return {"strength": self.strength}
