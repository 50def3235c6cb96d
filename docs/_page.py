"""The text of `docs/catalogue.md`."""

import hashlib
import inspect
import re
import sys
from typing import Any

import keras
import sympy
from _latex import latex

from keras_actsel.activations import ActivationFunction
from keras_actsel.cli._show import interval, smoothness, yes_or_no

Families = dict[str, list[ActivationFunction]]

INTRODUCTION = """\
# The catalogue

{count} activation functions, each with the facts needed to choose one. This page and its pictures are written by
`python docs/generate.py` from the records that the code itself uses, and the tests compare each fact with the function.
Which of them to take is the subject of [choosing](choosing.md).

```python
from keras_actsel import activations, layers

activations.get("leaky_relu", negative_slope=0.1)  # works as activation= in any Keras layer
layers.LeakyReLU(negative_slope=0.1)  # the same as a layer, which can also learn its parameters
activations.catalogue(belongs="hidden", zero_centred=True)  # every record that has these facts
```

**How to read the tables.** *Belongs*: where it is of use: hidden layers, the output, or a gate that multiplies
something. *Range*: infimum and supremum. *Smooth*: how often it is continuously differentiable. *Monotonic*: it never
decreases. *Centred*: its mean is 0 for a standard normal input. *Saturates*: the sides on which its slope goes to 0.
*Cost*: low is comparisons and arithmetic, medium one root or exponential, high several of them, a sort, or more than
30 operations of any sort. *Gain*: weights of standard deviation gain/sqrt(fan_in) after it keep signals at their size.
*Keras*: the function of `keras.activations` with the same values, if any; "differs" where the one of this name has
others, and the entry says why. All of it holds for the default parameters; a dash means that it does not apply.
"""

NOTES = """\
## Notes

- **At a kink** the gradient is that of the function as written: the slope of the branch that contains the point, equal
  on the three backends.
- **Derivative** is the mathematical one. Where training is given another slope on purpose, the entry shows it.
- **Gain** is 1/sqrt(E[f(z)^2]) for z ~ N(0, 1), by quadrature in pieces that end at the kinks.
- **Learned parameters** start at their default unless an initial distribution is given. Any other number among the
  parameters can be learned too: `layers.Activation("elu", trainable="alpha", axis=-1)` learns one for each channel.
- **Functions of an axis** are drawn as their first value for [x, 0], or for [x, 1] where they change the width. Their
  derivative is the diagonal of the Jacobian.
- **Shape-changing** entries are layers of their own, `layers.GLU()`: not candidates of a search or a mixture, nor
  `activation=` of another layer, whose units Keras would take for the width and build the next layer for the wrong one.
"""


def text(families: Families) -> str:
    """The whole page."""
    parts = [_stamp(families), INTRODUCTION.format(count=sum(map(len, families.values())))]
    parts += ["## Families", "\n".join(_contents(module, records) for module, records in families.items())]
    for module, records in families.items():
        parts += [f"## {title(module)}", _about(module), _table(records)]
        parts.append(f"![{title(module)}: the entries drawn](gallery/{picture_name(module)})")
        parts += [_section(record) for record in records]
    return "\n\n".join(part.strip() for part in [*parts, NOTES] if part) + "\n"


def same(old: str, new: str) -> bool:
    """Whether two pages are equal; where other versions of SymPy wrote them, but for how it prints formulas."""
    if _stamped_version(old) != _stamped_version(new):
        old, new = (re.sub(r"```math\n.*?```|SymPy \S+", "", page, flags=re.DOTALL) for page in (old, new))
    return old == new


def _stamp(families: Families) -> str:
    formulas = [(r.formula, r.derivative_formula, r.surrogate) for records in families.values() for r in records]
    digest = hashlib.sha256(repr(formulas).encode()).hexdigest()[:16]
    return f"<!-- Written by docs/generate.py: do not edit. SymPy {sympy.__version__} ; formulas {digest} -->"


def _stamped_version(page: str) -> str:
    match = re.search(r"SymPy (\S+)", page)
    return match[1] if match else ""


def title(module: str) -> str:
    """The heading of a family: what the first line of its file says before the colon."""
    return _first_line(module).partition(":")[0].rstrip(".")


def picture_name(module: str) -> str:
    """The file of a family's picture in the gallery."""
    return f"{module.strip('_')}.svg"


def _contents(module: str, records: list[ActivationFunction]) -> str:
    links = ", ".join(f"[{r.name}](#{r.name})" for r in records)
    anchor = re.sub(r"[^\w\- ]", "", title(module).lower()).replace(" ", "-")
    return f"- [{title(module)}](#{anchor}): {links}"


def _about(module: str) -> str:
    """What the first line of the family's file says after the colon."""
    about = _first_line(module).partition(": ")[2]
    return about[:1].upper() + about[1:]


def _first_line(module: str) -> str:
    documentation = inspect.getdoc(sys.modules[f"keras_actsel.activations.{module}"]) or ""
    return documentation.partition("\n\n")[0].replace("\n", " ")


def _table(records: list[ActivationFunction]) -> str:
    heads = ("name", "what", "belongs", "range", "smooth", "monotonic", "centred", "saturates", "cost", "gain", "Keras")
    lines = [_row(heads), _row(["---"] * len(heads))]
    return "\n".join(lines + [_row(_facts(record)) for record in records])


def _facts(record: ActivationFunction) -> list[str]:
    return [
        f"[`{record.name}`](#{record.name})",
        record.summary.rstrip("."),
        ", ".join(record.belongs) or "-",
        interval(record.range),
        smoothness(record.smoothness),
        yes_or_no(record.monotonic),
        yes_or_no(record.zero_centred),
        "-" if record.saturates is None else " and ".join(record.saturates) or "no",
        record.cost or "-",
        "-" if record.gain is None else f"{record.gain:.4g}",
        _keras(record),
    ]


def _keras(record: ActivationFunction) -> str:
    if record.keras_equivalent is not None:
        return f"`{record.keras_equivalent.__name__}`"
    return "differs" if hasattr(keras.activations, record.name) and not record.agrees_with_keras else "-"


def _row(cells: Any) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _section(record: ActivationFunction) -> str:
    parts = [f"### {record.name}", f"{record.summary} {_when(record)}".strip()]
    parts += [_formula("f(x)", record.formula, record), _formula("f'(x)", record.derivative_formula, record)]
    if record.surrogate is not None:
        parts += ["Training is given this slope in place of f':", _formula("s(x)", record.surrogate, record)]
    if record.parameters:
        parts.append(_parameters(record))
    parts.append("\n".join(_particulars(record)))
    return "\n\n".join(part for part in parts if part)


def _when(record: ActivationFunction) -> str:
    """The docstring's second paragraph: what it is for."""
    paragraphs = (inspect.getdoc(record.function) or "").split("\n\n")
    return paragraphs[1].replace("\n", " ") if len(paragraphs) > 1 and not paragraphs[1].startswith("Args:") else ""


def _formula(head: str, formula: str | None, record: ActivationFunction) -> str:
    if formula is None:
        return ""
    shown = latex(formula, record.parameters)
    return f"`{head} = {formula}`" if shown is None else f"```math\n{head} = {shown}\n```"


def _parameters(record: ActivationFunction) -> str:
    meanings = _meanings(record)
    lines = [_row(("parameter", "default", "limits", "learned", "meaning")), _row(["---"] * 5)]
    for key, spec in record.specs.items():
        lines.append(_row((f"`{key}`", _default(spec), _limits(spec), _learned(spec), meanings.get(key, "-"))))
    return "\n".join(lines)


def _default(spec: Any) -> str:
    if spec.is_vector:
        return f"`({', '.join(f'{v:.6g}' for v in spec.default)})`"
    return f"`{spec.default:.6g}`" if isinstance(spec.default, float) else f"`{spec.default!r}`"


def _limits(spec: Any) -> str:
    if spec.choices:
        return ", ".join(f"`{choice!r}`" for choice in spec.choices)
    low, high = spec.bounds
    if isinstance(spec.default, bool) or (low, high) == (-float("inf"), float("inf")):
        return "-"
    return f"{low:g} < {'each' if spec.is_vector else 'it'} < {high:g}"


def _learned(spec: Any) -> str:
    if not spec.trainable:
        return "no"
    number = f"{len(spec.default)} numbers" if spec.is_vector else "one number"
    start = "" if spec.initializer is None else f", drawn from {_initializer(spec.initializer)}"
    return f"{number} {'for each channel' if spec.per_channel else 'for the layer'}{start}"


def _initializer(initializer: Any) -> str:
    if isinstance(initializer, str):
        return f"`{initializer}`"
    values = ", ".join(f"{k}={v!r}" for k, v in initializer.get("config", {}).items() if v is not None)
    return f"`{initializer.get('class_name', initializer)}({values})`"


def _meanings(record: ActivationFunction) -> dict[str, str]:
    """What the docstring says of each argument."""
    _, _, arguments = (inspect.getdoc(record.function) or "").partition("Args:\n")
    lines = re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", arguments, re.MULTILINE)
    return {name: re.sub(r"\s+", " ", meaning) for name, meaning in lines}


def _particulars(record: ActivationFunction) -> list[str]:
    names = f"layer `layers.{record.layer_name}`"
    if record.aliases:
        names += f"; also known as {', '.join(f'`{alias}`' for alias in record.aliases)}"
    width = {"1/2": "half", "2": "double"}.get(record.width, record.width)
    return [
        *([f"- **Width** of its axis: {width}"] if record.kind == "shape_changing" else []),
        f"- **Strength**: {record.strengths}",
        f"- **Trap**: {record.traps}",
        f"- **Source**: {record.source}",
        f"- **Here**: {names}{'; draws random numbers in training' if record.stochastic else ''}",
    ]
