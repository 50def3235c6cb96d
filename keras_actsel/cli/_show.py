"""`keras-actsel list` and `show`: the catalogue in the terminal."""

import itertools
import math
from collections.abc import Callable, Sequence
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

FACTS = (
    *("kind", "belongs", "cost", "monotonic", "zero_centred", "bounded", "saturates", "smoothness", "gradient"),
    *("stochastic", "needs_layer"),
)
"""What `list` can be asked for: facts of few values."""

WIDE = 100
"""Characters in a line from which on all columns leave room for the summary."""


def print_catalogue(conditions: Sequence[str] = ()) -> None:
    """A table of all activations, or of those that meet all conditions, such as `kind=axiswise`.

    Raises:
        ValueError: For a fact that can't be asked for, or a value that no activation has.
    """
    records = set(activations.catalogue())
    for condition in conditions:
        records &= set(activations.catalogue(**_fact(condition)))
    console = Console()
    console.print(_table(sorted(records, key=str), wide=console.width >= WIDE))
    console.print(
        f"\n {len(records)} activations. `keras-actsel show NAME` tells more of each.", style="dim", highlight=False
    )


def _table(records: Sequence[ActivationFunction], *, wide: bool) -> Table:
    table = Table(box=None, header_style="bold")
    columns: dict[str, Callable[[ActivationFunction], str | Text]] = {
        "name": lambda record: Text(record.name, style="cyan"),
        "belongs": lambda record: ", ".join(record.belongs),
        **({"cost": lambda record: record.cost, "range": lambda record: interval(record.range)} if wide else {}),
        "summary": lambda record: Text(record.summary.partition(": ")[0].rstrip(".")),
    }
    for title in columns:
        table.add_column(title, no_wrap=title != "summary", overflow="fold")
    for record in records:
        table.add_row(*(cell(record) for cell in columns.values()))
    return table


def _fact(condition: str) -> dict[str, Any]:
    """A condition as an argument of `catalogue`; the values it may ask for are those that records have."""
    fact, equals, word = (part.strip() for part in condition.partition("="))
    if not equals:
        raise ValueError(f"Could not read the condition {condition!r}. Expected FACT=VALUE, such as monotonic=true.")
    _require_known("fact", fact, FACTS)
    stated = [getattr(record, fact) for record in activations.catalogue()]
    single = itertools.chain.from_iterable(value if isinstance(value, tuple) else (value,) for value in stated)
    known = {_spelled(value): value for value in single if value not in (None, "")}
    _require_known(fact, word, sorted(known))
    return {fact: known[word]}


def _spelled(value: Any) -> str:
    """A value as it is typed."""
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, (int, float)) else value


def _require_known(what: str, word: str, words: Sequence[str]) -> None:
    if word not in words:
        raise ValueError(f"Unknown {what} {word!r}.{did_you_mean(word, words)} Expected one of: {', '.join(words)}.")


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


def print_activations(spellings: Sequence[str]) -> None:
    """All that is known of each activation, and a plot of it and of its derivative.

    Raises:
        ValueError: For an unknown name or parameter, before anything is printed.
    """
    for record in [activations.get(spelling) for spelling in spellings]:
        _print_activation(record)


def _print_activation(record: ActivationFunction) -> None:
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
