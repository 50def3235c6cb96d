"""Mixtures that grow cheaper while they learn: candidates they do not use are dropped."""

from typing import Any

import keras
import numpy as np

from keras_actsel.callbacks._mixtures import mixtures
from keras_actsel.callbacks._record import Array, numbers
from keras_actsel.layers import ActivationMixture


class PruneCandidates(keras.callbacks.Callback):
    """Drops candidates whose share stays small, so that they are no longer computed.

    After each epoch a candidate whose share in the sum of absolute coefficients is below `threshold` for the
    `patience`-th time in a row is dropped from its mixture, for good. Where each channel has coefficients of its own,
    the largest share over the channels counts. After a drop the model's functions are made anew, so the next epoch
    compiles once more and is cheaper from then on. The shape of the weights, and with it the optimizer's state, stays.
    Frozen mixtures, with `trainable = False`, are left as they are. Other models that share the mixture, such as
    `keras.Model(model.inputs, features)`, have to be compiled anew if they have predicted before.

    What was dropped stays so when weights are set back, as `EarlyStopping(restore_best_weights=True)` does: weights
    of an epoch before the drop are then used without it. For that, let it start after the last drop
    (`start_from_epoch`).

    Args:
        threshold: The share, above 0. It must be below 1/K, which each of K candidates has where all are alike.
        patience: After how many epochs in a row below the threshold a candidate is dropped.
        start: How many epochs are trained before shares count: a mixture with `initial` needs time to leave it.
        minimum: How many candidates of each mixture stay in any case, those of the largest shares.
        verbose: 1 to print what is dropped, 0 to be silent.

    Attributes:
        dropped: What was dropped: the number of epochs trained in that `fit`, the site and the candidate's name.

    Raises:
        ValueError: For numbers that make no sense; in `fit`, for a model without a mixture, or one with so many
            candidates that the threshold would drop all of them.

    Example:
        >>> import keras, numpy as np
        >>> from keras_actsel import callbacks, layers
        >>> mixture = layers.ActivationMixture(["relu", "tanh"], initial="relu", name="mixture")
        >>> model = keras.Sequential([keras.Input((4,)), mixture, keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> pruning = callbacks.PruneCandidates(threshold=0.4, patience=1, start=0)
        >>> fitted = model.fit(np.ones((8, 4)), np.ones(8), verbose=0, callbacks=[pruning])
        >>> pruning.dropped
        [(1, 'mixture', 'tanh')]
        >>> [str(record) for record in mixture.kept]
        ['relu']
    """

    def __init__(
        self, threshold: float = 0.05, patience: int = 2, *, start: int = 3, minimum: int = 1, verbose: int = 0
    ) -> None:
        super().__init__()
        if not 0 < threshold < 1:
            raise ValueError(f"`threshold` must be a share between 0 and 1. Received: {threshold}.")
        for name, value, least in (("patience", patience, 1), ("start", start, 0), ("minimum", minimum, 1)):
            if value < least:
                raise ValueError(f"`{name}` must be {least} or more. Received: {value}.")
        self.threshold, self.patience, self.start, self.minimum = threshold, patience, start, minimum
        self.verbose = verbose
        self.dropped: list[tuple[int, str, str]] = []
        self._below: dict[str, Array] = {}

    def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002
        """Begin to count, and see that the threshold leaves something."""
        self._below = {}
        for site, mixture in mixtures(self.model).items():
            if mixture.trainable and self.threshold * len(mixture.kept) >= 1 and len(mixture.kept) > self.minimum:
                raise ValueError(
                    f"`threshold` must be below 1/{len(mixture.kept)}, the share of each candidate of the mixture "
                    f"{site!r} where all are alike. Received: {self.threshold}."
                )

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Drop what has been small for long enough."""
        if epoch < self.start:
            return
        found = mixtures(self.model).items()
        gone = [(epoch + 1, site, name) for site, mixture in found for name in self._prune(site, mixture)]
        if gone:
            self.dropped += gone
            if self.verbose:  # the line of the progress bar is not ended yet
                print("", *(f"Epoch {n}: dropped {name} from {site}" for n, site, name in gone), sep="\n")  # noqa: T201
            for make in ("make_train_function", "make_test_function", "make_predict_function"):
                getattr(self.model, make)(force=True)

    def _prune(self, site: str, mixture: ActivationMixture) -> list[str]:
        """Drop candidates of a mixture; their names."""
        if not (mixture.trainable and mixture.built):
            return []
        shares = numbers(mixture.shares)
        shares = shares.reshape(len(shares), -1).max(axis=1)
        below = np.where(shares < self.threshold, self._below.get(site, 0) + 1, 0)
        self._below[site] = below
        smallest_first = [k for k in np.argsort(shares) if mixture.candidates[k] in mixture.kept]
        small = [k for k in smallest_first[: -self.minimum] if below[k] >= self.patience]
        gone = [mixture.candidates[k] for k in small]
        mixture.drop(*gone)
        return [str(record) for record in gone]
