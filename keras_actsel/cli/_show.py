"""`keras-actsel list` and `show`: the catalogue in the terminal."""

import math
from typing import Any

import numpy as np
from keras import ops
from rich.columns import Columns
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from keras_actsel import activations
from keras_actsel._spelling import did_you_mean
from keras_actsel.activations import ActivationFunction
from keras_actsel.cli._plot import plot


def print_catalogue(kind: str | None, belongs: str | None = None) -> None:
    """A table of all activations, or of those of one kind or for one place.

    Raises:
        ValueError: For a kind that no activation is of, or a place where none belongs.
    """
    everything = activations.catalogue()
    wanted = {"kind": kind, "belongs": belongs}
    known = {"kind": {r.kind for r in everything}, "belongs": {place for r in everything for place in r.belongs}}
    facts = {key: _known(key, word, sorted(known[key])) for key, word in wanted.items() if word is not None}
    records = activations.catalogue(**facts)
    table = Table(box=None, header_style="bold")
    for title in ("name", "belongs", "cost", "range", "summary"):
        table.add_column(title, no_wrap=title not in ("belongs", "summary"), overflow="fold")
    for record in records:
        table.add_row(
            Text(record.name, style="cyan"),
            ", ".join(record.belongs),
            record.cost,
            interval(record.range),
            Text(record.summary.partition(": ")[0].rstrip(".")),
        )
    console = Console()
    console.print(table)
    console.print(
        f"\n {len(records)} activations. `keras-actsel show NAME` tells more of each.", style="dim", highlight=False
    )


def _known(fact: str, word: str, words: list[str]) -> str:
    if word not in words:
        raise ValueError(f"Unknown {fact} {word!r}.{did_you_mean(word, words)} Expected one of: {', '.join(words)}.")
    return word


def interval(bounds: tuple[float, float] | None) -> str:
    """Lowest and highest value, such as `-0.278 to inf`.

    Example:
        >>> import math
        >>> interval((0.0, math.inf)), interval(None)
        ('0 to inf', '-')
    """
    return "-" if bounds is None else " to ".join(f"{bound:.3g}" for bound in bounds)


def smoothness(order: float | None) -> str:
    """How often a function can be differentiated, in a word.

    Example:
        >>> import math
        >>> smoothness(-1), smoothness(0), smoothness(2), smoothness(math.inf)
        ('jumps', 'kinks', '2 times', 'smooth')
    """
    if order is None:
        return "-"
    return {-1: "jumps", 0: "kinks", 1: "once", math.inf: "smooth"}.get(order, f"{order:g} times")


_SMOOTHNESS = {
    "jumps": "has jumps",
    "kinks": "continuous, with kinks",
    "once": "once continuously differentiable",
    "smooth": "smooth: differentiable as often as you like",
}


def yes_or_no(fact: bool | None) -> str:
    """A fact that may be unknown."""
    return "-" if fact is None else "yes" if fact else "no"


def print_activation(spelling: str) -> None:
    """All that is known of an activation, and a plot of it and of its derivative.

    Raises:
        ValueError: For an unknown name or parameter.
    """
    record = activations.get(spelling)
    console = Console()
    console.print(Text(f"\n {record}", style="bold cyan"))
    console.print(Padding(Text(record.summary), (0, 1, 1, 1)))
    console.print(_facts(record))
    console.print()
    console.print(Padding(Columns(_plots(record, console), padding=(0, 2)), (0, 1)))


def _facts(record: ActivationFunction) -> Table:
    default = record == activations.get(record.name)
    rows = {
        "formula": record.formula,
        "derivative": record.derivative_formula,
        "parameters": "\n".join(_parameters(record)),
        "range": interval(record.range) + ("" if default else ", with default parameters"),
        "smoothness": _SMOOTHNESS.get(smooth := smoothness(record.smoothness), smooth),
        "monotonic": yes_or_no(record.monotonic),
        "zero-centred": yes_or_no(record.zero_centred),
        "saturates": _sides(record.saturates),
        "gradient": f"in training it is a surrogate, {record.surrogate}" if record.surrogate else "",
        "belongs": ", ".join(record.belongs),
        "matched gain": "" if record.gain is None else f"{record.gain:.4g}",
        "cost": record.cost,
        "strengths": record.strengths,
        "traps": record.traps,
        "aliases": ", ".join(record.aliases),
        "layer": f"keras_actsel.layers.{record.layer_name}",
        "source": record.source,
    }
    table = Table.grid(padding=(0, 1))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for title, text in rows.items():
        if text:
            table.add_row(f" {title}", Text(text))
    return table


def _sides(sides: tuple[str, ...] | None) -> str:
    return "-" if sides is None else {0: "nowhere", 2: "on both sides"}.get(len(sides), f"on the {''.join(sides)}")


def _parameters(record: ActivationFunction) -> list[str]:
    return [_parameter(record, key, value) for key, value in record.parameters.items()]


def _parameter(record: ActivationFunction, key: str, value: Any) -> str:
    spec = record.specs[key]
    notes = [f"default {spec.default}"] if spec.default != value else []
    notes += [f"one of {', '.join(spec.choices)}"] if spec.choices else []
    notes += (
        [f"between {interval(spec.bounds).replace(' to ', ' and ')}"] if any(map(math.isfinite, spec.bounds)) else []
    )
    notes += [f"learned by its layer{', for each channel' * spec.per_channel}"] if spec.trainable else []
    return f"{key} = {value}" + (f" ({', '.join(notes)})" if notes else "")


def _plots(record: ActivationFunction, console: Console) -> list[Text]:
    width = max(24, min(40, (console.width - 4) // 2))
    x = np.linspace(-4.0, 4.0, 4 * width + 1)
    ascii_only = not console.encoding.lower().startswith("utf")
    jumps = record.smoothness is not None and record.smoothness < 0
    kinks = record.smoothness is not None and record.smoothness < 1
    title = _argument(record)
    plots = [plot(x, _values(record, record, x), f"f{title}", width, joined=not jumps, ascii_only=ascii_only)]
    if record.derivative_formula is not None:
        slope = _values(record, record.derivative, x)
        plots.append(plot(x, slope, "f'(x)", width, joined=not kinks, ascii_only=ascii_only))
    return plots


def _argument(record: ActivationFunction) -> str:
    """What the curve is drawn over; a function of an axis is shown for two values, the second of them fixed."""
    return {"elementwise": "(x)", "axiswise": "([x, 0]), its first value"}.get(record.kind, "([x, 1])")


def _values(record: ActivationFunction, function: Any, x: Any) -> Any:
    x = x.astype("float32")
    if record.kind == "elementwise":
        return np.asarray(ops.convert_to_numpy(function(x)), dtype=float)
    second = np.zeros_like(x) if record.kind == "axiswise" else np.ones_like(x)
    pairs = np.stack([x, second], axis=-1)  # (points, 2)
    return np.asarray(ops.convert_to_numpy(function(pairs)), dtype=float)[:, 0]
