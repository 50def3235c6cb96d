"""The pictures of the gallery: f and f' of each entry of a family, on the same axes throughout."""

import hashlib
import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops

from keras_actsel.activations import ActivationFunction, _formula

COLUMNS = 3
X, Y = (-4.0, 4.0), (-2.0, 4.0)
F, SLOPE, SURROGATE, KINK = "#1b4f9c", "#d55e00", "#007a5e", "#8a8a8a"
STYLE = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "keras_actsel",
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def stamp(records: list[ActivationFunction]) -> str:
    """What a picture carries: a digest of all it is drawn from, what the records say of their curves and this file."""
    facts = [
        (r.name, r.kind, r.formula, r.derivative_formula, r.surrogate, dict(r.parameters), r.kinks, r.smoothness)
        for r in records
    ]
    digest = hashlib.sha256(repr(facts).encode() + Path(__file__).read_bytes()).hexdigest()[:16]
    return f"Drawn by docs/generate.py from {digest}"


def draw(records: list[ActivationFunction], path: Path) -> None:
    """Draw a family as small multiples.

    Raises:
        ModuleNotFoundError: Without matplotlib; the message says how to install it.
    """
    try:
        from matplotlib import pyplot as plt
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError('Pictures need matplotlib: pip install -e ".[report]"') from error
    rows = math.ceil(len(records) / COLUMNS)
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(rows, COLUMNS, figsize=(9.4, 2.55 * rows + 0.35), squeeze=False)
        height = figure.get_figheight()
        figure.subplots_adjust(0.04, 0.25 / height, 0.985, 1 - 0.8 / height, wspace=0.16, hspace=0.38)
        for axis, record in zip(axes.flat, records, strict=False):
            _draw_entry(axis, record)
        for axis in axes.flat[len(records) :]:
            axis.axis("off")
        figure.legend(handles=_legend(records), loc="upper center", ncols=4, frameon=False)
        metadata = {"Date": None, "Description": stamp(records)}
        figure.savefig(path, metadata=metadata if path.suffix == ".svg" else None)
        plt.close(figure)


def _legend(records: list[ActivationFunction]) -> list[Any]:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=F, lw=2, label="f")]
    if any(r.derivative_formula for r in records):
        handles.append(Line2D([], [], color=SLOPE, lw=1.6, label="f'"))
    if any(r.surrogate for r in records):
        handles.append(Line2D([], [], color=SURROGATE, lw=1.6, ls="--", label="slope used in training"))
    if any(r.kinks for r in records):
        handles.append(Line2D([], [], color=KINK, marker="o", ls=":", lw=1, ms=4, label="kink or jump"))
    return handles


def _draw_entry(axis: Any, record: ActivationFunction) -> None:
    axis.axhline(0, color="#cccccc", lw=0.8)
    axis.axvline(0, color="#cccccc", lw=0.8)
    for kink in _kinks(record):
        axis.axvline(kink, color=KINK, ls=":", lw=1)
        axis.plot([kink], _values(record, record, np.array([kink])), "o", color=KINK, ms=4, zorder=4)
    for x in _pieces(record):
        if record.derivative_formula is not None:
            axis.plot(x, _values(record, record.derivative, x), color=SLOPE, lw=1.6)
        if record.surrogate is not None:
            axis.plot(x, _surrogate(record, x), color=SURROGATE, lw=1.6, ls="--")
        axis.plot(x, _values(record, record, x), color=F, lw=2, zorder=3)
    axis.set(xlim=X, ylim=Y, xticks=range(-4, 5, 2), yticks=range(-2, 5, 2))
    axis.tick_params(length=2, labelsize=8)
    axis.set_title(record.name, fontsize=10.5, fontweight="bold", loc="left", pad=16 if _notes(record) else 5)
    axis.text(0, 1.03, _notes(record), transform=axis.transAxes, fontsize=8, color="#444444")


def _notes(record: ActivationFunction) -> str:
    """What is drawn: the parameters, and for a function of an axis what stands beside x."""
    set_ = {key: value for key, value in record.parameters.items() if key != "axis" and value is not None}
    values = [f"{key}={_short(value)}" for key, value in set_.items()]
    beside = {"axiswise": ["first value for [x, 0]"], "shape_changing": ["first value for [x, 1]"]}
    line = ", ".join(values + beside.get(record.kind, []))
    return line if len(line) <= 46 else f"{line[:44]} …"


def _short(value: Any) -> str:
    if isinstance(value, tuple):
        shown = ", ".join(f"{v:.3g}" for v in value[:3])
        return f"({shown}, …)" if len(value) > 3 else f"({shown})"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _kinks(record: ActivationFunction) -> list[float]:
    return [k for k in record.kink_points if X[0] < k < X[1]] if record.kind == "elementwise" else []


def _pieces(record: ActivationFunction) -> list[np.ndarray]:
    """Points from each kink to the next, so that no line is drawn across a jump."""
    edges = [X[0], *_kinks(record), X[1]]
    count = int(80 * (X[1] - X[0]))
    return [
        np.linspace(low + 1e-4, high - 1e-4, max(3, round(count * (high - low) / (X[1] - X[0]))))
        for low, high in itertools.pairwise(edges)
    ]


def _values(record: ActivationFunction, function: Any, x: np.ndarray) -> np.ndarray:
    x = x.astype("float32")
    if record.kind == "elementwise":
        return np.asarray(ops.convert_to_numpy(function(x)), dtype=float)
    second = np.zeros_like(x) if record.kind == "axiswise" else np.ones_like(x)
    pairs = np.stack([x, second], axis=-1)  # (points, 2)
    return np.asarray(ops.convert_to_numpy(function(pairs)), dtype=float)[:, 0]


def _surrogate(record: ActivationFunction, x: np.ndarray) -> np.ndarray:
    tensor = ops.convert_to_tensor(x.astype("float32"))
    return np.asarray(ops.convert_to_numpy(_formula.evaluate(record.surrogate, tensor, record.parameters)), dtype=float)
