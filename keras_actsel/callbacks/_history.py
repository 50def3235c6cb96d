"""What the mixtures of a model do in training."""

import os
from typing import Any

import keras
import numpy as np

from keras_actsel.callbacks._files import CsvFile, EventFile
from keras_actsel.callbacks._mixtures import mixtures
from keras_actsel.callbacks._record import Array, MixtureRecord, record_of


class MixtureHistory(keras.callbacks.Callback):
    """Records the coefficients, shares and entropy of each mixture before training and after every epoch.

    A second `fit` of the same model continues the epochs: after `fit(epochs=3)` and `fit(epochs=2)` there are the
    epochs 0 to 5, as there are after `fit(epochs=3)` and `fit(epochs=5, initial_epoch=3)`. A mixture that has no
    weights before the first batch (on TensorFlow in a model that is not built) is recorded from epoch 1 on. List it
    before `PruneCandidates` to record what was trained rather than what is left.

    Args:
        path: A CSV file to write, one row for each epoch, site and candidate. Rows are in the file when their epoch
            has ended.
        log_dir: A folder for a TensorBoard event file, one folder for each run. It needs the package tensorboard,
            and not TensorFlow.
        append: Whether to keep the rows of a CSV file that exists, as for training that is resumed with
            `initial_epoch`: the epoch with which they end is not written again.
        keep_channels: Whether `coefficients` keeps those of each channel, rather than their means. For a layer of C
            channels that is 8·K·C bytes an epoch.

    Attributes:
        rows: A `MixtureRecord` for each epoch and site, in the order of training.

    Raises:
        ImportError: For `log_dir` without the package tensorboard.
        ValueError: In `fit`, for a model without a mixture, or another model than that of the epochs before.

    Example:
        >>> import keras, numpy as np
        >>> from keras_actsel import callbacks, layers
        >>> mixture = layers.ActivationMixture(["relu", "tanh"], name="mixture")
        >>> model = keras.Sequential([keras.Input((4,)), mixture, keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> history = callbacks.MixtureHistory()
        >>> fitted = model.fit(np.ones((8, 4)), np.ones(8), epochs=2, verbose=0, callbacks=[history])
        >>> [(row.epoch, row.site) for row in history.rows]
        [(0, 'mixture'), (1, 'mixture'), (2, 'mixture')]
        >>> history.coefficients["mixture"].shape
        (3, 2)
        >>> history.rows[0].coefficients
        (0.5, 0.5)
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        log_dir: str | os.PathLike[str] | None = None,
        *,
        append: bool = False,
        keep_channels: bool = False,
    ) -> None:
        super().__init__()
        self.rows: list[MixtureRecord] = []
        self._arrays: dict[str, list[Array]] = {}
        self._keep_channels = keep_channels
        self._files: list[CsvFile | EventFile] = []
        if path is not None:
            self._files.append(CsvFile(path, append))
        if log_dir is not None:
            self._files.append(EventFile(log_dir))
        self._shift: int | None = None

    def set_model(self, model: Any) -> None:
        """Follow a model."""
        if self.rows and model is not self.model:
            raise ValueError(
                f"This MixtureHistory has recorded the model {self.model.name!r}. Received: another model, "
                f"{model.name!r}. Expected a MixtureHistory of its own for each model."
            )
        super().set_model(model)

    def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002
        """Forget how the epochs of the `fit` before were counted."""
        self._shift = None

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Record what is there before training."""
        if self._shift is not None:
            return
        self._shift = max(0, self.rows[-1].epoch - epoch) if self.rows else 0
        if not self.rows:
            self._record(epoch)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Record what the epoch has made."""
        self._record(epoch + 1 + (self._shift or 0))

    def _record(self, epoch: int) -> None:
        records = []
        for site, mixture in mixtures(self.model).items():
            if mixture.built:
                record, coefficients = record_of(mixture, site, epoch)
                records.append(record)
                self._arrays.setdefault(site, []).append(
                    coefficients if self._keep_channels else np.array(record.coefficients)
                )
        self.rows += records
        for file in self._files:
            file.write(records)

    @property
    def coefficients(self) -> dict[str, Array]:
        """For each site the coefficients, of shape (epochs recorded, K), and (..., sizes along `axis`) if kept."""
        return {site: np.stack(arrays) for site, arrays in self._arrays.items()}

    def figure(self, path: str | os.PathLike[str] | None = None) -> Any:
        """Draw the coefficients over the epochs, a panel for each site, with the entropy behind them.

        Args:
            path: Where to save it, as PNG, SVG or PDF; None to save nothing.

        Returns:
            The matplotlib figure.

        Raises:
            ImportError: Without matplotlib.
            ValueError: If nothing has been recorded.
        """
        from keras_actsel.callbacks._figure import draw

        if not self.rows:
            raise ValueError("Nothing is recorded yet. Expected `model.fit(..., callbacks=[history])` before a figure.")
        figure = draw(self.rows)
        if path is not None:
            figure.savefig(path)
        return figure
