"""Features and a target from a CSV file, with the line and column of whatever is wrong."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_actsel._spelling import did_you_mean
from keras_actsel.datasets import require_file

Array = np.ndarray[Any, Any]
Row = tuple[int, list[str]]
"""The number of a line in the file, from 1, and its cells."""

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab"}
MISSING = ("", "?", "na", "n/a", "nan", "null")
"""How tables spell a missing value; not "none" and "-", which may be classes, and fail as numbers anyway."""
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_INTEGER = re.compile(r"[+-]?\d{1,15}")


def read_csv(path: Path, target: str | None) -> tuple[Array, Array]:
    """The features as float64 (rows, columns - 1) and the target: float64, or integers, or text as it stands there.

    Raises:
        ValueError: If the file can't be read as a table with a header, numeric features and the target column.
    """
    require_file(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            header, rows = _table(path.name, stream.read())
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        raise ValueError(f"Could not read {path.name} as CSV: {error}. Expected text in UTF-8.") from error
    column = _target_column(path.name, header, target)
    features = [index for index in range(len(header)) if index != column]
    x = np.array([_numbers(path.name, header, row, features) for row in rows], dtype=float)
    return x, _target(path.name, header[column], [(line, cells[column]) for line, cells in rows])


def _table(name: str, text: str) -> tuple[list[str], list[Row]]:
    if not text.strip():
        raise ValueError(f"{name} is empty. Expected a header line and one line for each example.")
    delimiter = max(DELIMITERS, key=lambda mark: len(next(_lines(text, mark))[1]))
    lines = _lines(text, delimiter)
    _, header = next(lines)
    _check_header(name, header)
    rows = list(lines)
    if not rows:
        raise ValueError(f"{name} has a header but no rows. Expected one line for each example.")
    for line, cells in rows:
        if len(cells) != len(header):
            raise ValueError(
                f"{name}, line {line}: {len(cells)} cells, but the header has {len(header)} columns "
                f"(separated by {DELIMITERS[delimiter]}). Give each line one cell per column; quote text that holds "
                f"a {DELIMITERS[delimiter]}."
            )
    return header, rows


def _lines(text: str, delimiter: str) -> Iterator[Row]:
    """Lines that are not blank, numbered as an editor numbers them, with their cells stripped."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    return ((reader.line_num, [cell.strip() for cell in cells]) for cells in reader if any(map(str.strip, cells)))


def _check_header(name: str, header: list[str]) -> None:
    if len(header) == 1:
        raise ValueError(
            f"{name} has a single column, {header[0][:60]!r}. "
            "Expected a target and one feature or more, separated by comma, semicolon or tab."
        )
    numbers = [cell for cell in header if _NUMBER.fullmatch(cell)]
    # Whole numbers are common names, of pixels or years, but not for all columns; fractions are data.
    if len(numbers) == len(header) or not all(_INTEGER.fullmatch(cell) for cell in numbers):
        raise ValueError(f"{name} has no header: line 1 holds numbers such as {numbers[0]}. Put column names there.")
    if "" in header:
        raise ValueError(
            f"{name}: column {header.index('') + 1} has no name in the header. Name it, or leave it out if it only "
            "numbers the rows (pandas: to_csv(index=False))."
        )
    if twice := sorted({cell for cell in header if header.count(cell) > 1}):
        raise ValueError(
            f"{name} has several columns named {', '.join(map(repr, twice))}. Give each a name of its own."
        )


def _target_column(name: str, header: list[str], target: str | None) -> int:
    if target is None:
        raise ValueError(f"{name} needs a target: the column to predict. Expected one of: {_shown(header)}.")
    if target not in header:
        raise ValueError(
            f"{name} has no column {target!r}.{did_you_mean(target, header)} "
            f"Expected one of the names in its first line: {_shown(header)}."
        )
    return header.index(target)


def _shown(names: Sequence[str], limit: int = 20) -> str:
    rest = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {rest} more" if rest > 0 else "")


def _numbers(name: str, header: list[str], row: Row, columns: list[int]) -> list[float]:
    line, cells = row
    return [_number(name, header[index], line, cells[index]) for index in columns]


def _number(name: str, column: str, line: int, cell: str) -> float:
    if _NUMBER.fullmatch(cell):
        return float(cell)
    _refuse_missing(name, column, line, cell)
    hint = "Write decimals with a point." if re.fullmatch(r"[+-]?[\d.]+,\d+", cell) else "Encode text as numbers."
    raise ValueError(f"{name}, line {line}, column {column!r}: expected a number. Received: {cell[:40]!r}. {hint}")


def _refuse_missing(name: str, column: str, line: int, cell: str) -> None:
    if cell.lower() in MISSING:
        shown = repr(cell) if cell else "an empty cell"
        raise ValueError(
            f"{name}, line {line}, column {column!r}: the value is missing. Received: {shown}. "
            "Fill it, or drop the row or column."
        )


def _target(name: str, column: str, cells: list[tuple[int, str]]) -> Array:
    for line, cell in cells:
        _refuse_missing(name, column, line, cell)
    texts = [cell for _, cell in cells]
    if all(map(_INTEGER.fullmatch, texts)):
        return np.array([int(text) for text in texts])
    if all(map(_NUMBER.fullmatch, texts)):
        return np.array([float(text) for text in texts])
    if len(set(texts)) > max(2, len(texts) // 2):
        line, cell = next((line, cell) for line, cell in cells if not _NUMBER.fullmatch(cell))
        raise ValueError(
            f"{name}, line {line}: the target {column!r} holds {cell[:40]!r}, so it is read as classes, but it has "
            f"{len(set(texts))} different values in {len(texts)} rows. Expected numbers, or a few classes."
        )
    return np.array(texts)
