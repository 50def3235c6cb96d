"""Curves in characters: Braille dots, two to a column and four to a row, or asterisks where only ASCII is shown."""

from typing import Any

import numpy as np
from rich.text import Text

Array = np.ndarray[Any, Any]

ROWS = 9
# The bit of each dot in Unicode's Braille patterns: rows from top to bottom, left and right column.
BRAILLE = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
LABEL = 8


def plot(x: Array, y: Array, title: str, width: int, *, joined: bool = True, ascii_only: bool = False) -> Text:
    """A curve with its title, the values at top and bottom, and lines where x or y is zero.

    Args:
        x: Rising, evenly spaced numbers.
        y: As many; what is not finite is left out.
        title: Printed above.
        width: Characters in a line.
        joined: Whether to draw the vertical strokes of steep parts.
        ascii_only: Whether to do without Braille and box characters.

    Returns:
        `ROWS` lines with a title above and the ends of x below.
    """
    low, high = _limits(y)
    dots = (1, 1) if ascii_only else BRAILLE.shape
    columns = width - LABEL - 1
    canvas = _draw(y, low, high, (ROWS * dots[0], columns * dots[1]), joined)
    characters = _characters(canvas, ascii_only)
    zero_row = round((high / (high - low)) * (ROWS - 1)) if low <= 0 <= high else None
    zero_column = round((-x[0] / (x[-1] - x[0])) * (columns - 1))
    text = Text(no_wrap=True)
    text.append(" " * (LABEL + 1) + f"{title}\n", style="bold")
    for index, line in enumerate(characters):
        label = {0: f"{high:.3g}", ROWS - 1: f"{low:.3g}", zero_row: "0"}.get(index, "")
        text.append(label.rjust(LABEL) + " ", style="dim")
        for place, character in enumerate(line):
            axis = _axis(index == zero_row, place == zero_column, ascii_only)
            text.append(character, style="cyan") if character.strip() else text.append(axis, style="dim")
        text.append("\n")
    ends = f"{x[0]:g}", "0", f"{x[-1]:g}"
    half = zero_column - len(ends[0])
    text.append(" " * (LABEL + 1) + ends[0] + ends[1].rjust(half + 1) + ends[2].rjust(columns - zero_column - 1))
    return text


def _limits(y: Array) -> tuple[float, float]:
    finite = y[np.isfinite(y)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    # A curve that all but keeps to one value is shown as such, not as its rounding errors.
    if high - low < 1e-5 * max(1.0, abs(high)):
        low, high = min(0.0, low), max(0.0, high)
    if 0 < low < high / 2 or low / 2 < high < 0:  # zero is near enough to be worth showing
        low, high = min(0.0, low), max(0.0, high)
    return (low, high) if high > low else (low - 1.0, high + 1.0)


def _draw(y: Array, low: float, high: float, shape: tuple[int, int], joined: bool) -> Array:
    """Which dots are set, from the top left."""
    rows, columns = shape
    canvas = np.zeros(shape, dtype=bool)
    level = np.round((high - y) / (high - low) * (rows - 1))
    place = np.round(np.linspace(0, columns - 1, len(y))).astype(int)
    last = None
    for column, row in zip(place, level, strict=True):
        if not np.isfinite(row):
            last = None
            continue
        start = row if last is None or not joined else last
        canvas[int(min(start, row)) : int(max(start, row)) + 1, column] = True
        last = row
    return canvas


def _characters(canvas: Array, ascii_only: bool) -> list[str]:
    if ascii_only:
        return ["".join("*" if dot else " " for dot in row) for row in canvas]
    rows, columns = canvas.shape[0] // 4, canvas.shape[1] // 2
    cells = canvas.reshape(rows, 4, columns, 2).transpose(0, 2, 1, 3)  # (rows, columns, 4, 2)
    codes = (cells * BRAILLE).sum(axis=(2, 3))
    return ["".join(chr(0x2800 + code) if code else " " for code in row) for row in codes]


def _axis(on_row: bool, on_column: bool, ascii_only: bool) -> str:
    marks = " |-+" if ascii_only else " │─┼"
    return marks[2 * on_row + on_column]
