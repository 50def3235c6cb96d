"""Files that take the records of one epoch after the other: what has been written stays if training is killed."""

import csv
import os
import socket
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from keras_actsel.callbacks._record import MixtureRecord

COLUMNS = ("epoch", "site", "candidate", "coefficient", "coefficient_std", "share", "entropy")


class CsvFile:
    """Records as a table of one row for each candidate. It is open only while an epoch is written.

    Args:
        path: The file. Its folder is made if need be.
        append: Whether rows that are in the file stay.
    """

    def __init__(self, path: str | os.PathLike[str], append: bool) -> None:
        self._path = Path(path)
        self._append = append
        self._wrote = False

    def write(self, records: Sequence[MixtureRecord]) -> None:
        """Append the records of an epoch, but for one with which the file of an earlier run ends."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if self._append and not self._wrote and self._last_epoch() in {str(record.epoch) for record in records}:
            return
        with self._path.open("a" if self._append else "w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            if file.tell() == 0:
                rows.writerow(COLUMNS)
            rows.writerows(row for record in records for row in _rows(record))
        self._append = self._wrote = True

    def _last_epoch(self) -> str:
        if not self._path.exists():
            return ""
        with self._path.open(newline="", encoding="utf-8") as file:
            last = deque(csv.reader(file), maxlen=1)
        return last[0][0] if last else ""


def _rows(record: MixtureRecord) -> Iterator[tuple[Any, ...]]:
    spread = record.spread or (None,) * len(record.candidates)
    for name, *values in zip(record.candidates, record.coefficients, spread, record.shares, strict=True):
        yield record.epoch, record.site, name, *map(_written, (*values, record.entropy))


def _written(value: float | None) -> str:
    return "" if value is None else f"{value:.9g}"


class EventFile:
    """Records as an event file of TensorBoard, without TensorFlow. It is open only while an epoch is written.

    Args:
        folder: Where TensorBoard looks: one folder for each run. It is made if need be.

    Raises:
        ImportError: Without the package tensorboard.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        _tensorboard()
        self._folder = Path(folder)
        self._path: Path | None = None

    def write(self, records: Sequence[MixtureRecord]) -> None:
        """Append the records of an epoch."""
        event_type, writer_type = _tensorboard()
        events = [_event(event_type, record) for record in records]
        if self._path is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            name = f"events.out.tfevents.{time.time():.6f}.{socket.gethostname()}.{os.getpid()}.mixtures"
            self._path = self._folder / name
            events.insert(0, event_type(wall_time=time.time(), file_version="brain.Event:2"))
        with self._path.open("ab") as file:
            writer = writer_type(file)
            for event in events:
                writer.write(event.SerializeToString())


def _tensorboard() -> tuple[Any, Any]:
    # Not its EventFileWriter, which imports TensorFlow where that is installed.
    try:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.summary.writer.record_writer import RecordWriter
    except ImportError as error:
        raise ImportError(
            "`log_dir` needs tensorboard. Install it with: pip install tensorboard. Or leave `log_dir` out."
        ) from error
    return Event, RecordWriter


def _event(event_type: Any, record: MixtureRecord) -> Any:
    event = event_type(wall_time=time.time(), step=record.epoch)
    for tag, value in _scalars(record):
        event.summary.value.add(tag=f"{record.site}/{tag}", simple_value=value)
    return event


def _scalars(record: MixtureRecord) -> Iterable[tuple[str, float]]:
    yield "entropy", record.entropy
    yield "top_share", record.top_share
    for name, value in zip(record.candidates, record.coefficients, strict=True):
        yield f"coefficient/{name}", value
    for name, value in zip(record.candidates, record.spread or (), strict=False):
        yield f"coefficient_std/{name}", value
