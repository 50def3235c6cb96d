"""Writes activations.json: values and derivatives of the catalogue from its formulas, in 120-digit arithmetic.

Run it after adding an entry or changing a formula: `python tests/golden/make.py`. It needs SymPy and mpmath.
"""

import json
import os
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import mpmath
import numpy as np
import sympy

from keras_actsel import activations

FILE = Path(__file__).with_name("activations.json")
DIGITS = 120  # squareplus at -3e38 loses 77 of them

# Entries whose parameters change the shape; each record of the catalogue comes with its defaults besides.
VARIANTS = (
    "celu(alpha=0.5)",
    "elu(alpha=0.5)",
    "gelu(approximate=True)",
    "hard_shrink(threshold=1.0)",
    "leaky_relu(negative_slope=0.1)",
    "prelu(alpha=-0.5)",
    "relu(max_value=6)",
    "relu(max_value=2.5, negative_slope=0.1, threshold=1.0)",
    "relu(negative_slope=0.1, threshold=1.0)",
    "soft_shrink(threshold=1.0)",
    "squareplus(b=0.25)",
    "threshold(default_value=-1.0, threshold=0.5)",
)

# Those of few digits are exact in float16 and bfloat16 too, and the others in float32.
_POSITIVE = (
    *(2.0**-20, 2.0**-10, 1e-3, 0.1, 0.25, 0.375, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 3.25, 4.0, 5.0, 6.0),
    *(7.0, 8.0, 9.5, 10.0, 12.0, 15.5, 20.0, 30.0, 50.0, 80.0, 100.0, 304.0, 1024.0, 1e4, 61440.0, 1.75 * 2.0**127),
)
POINTS = sorted({0.0, *(sign * float(np.float32(p)) for p in _POSITIVE for sign in (-1, 1))})

_WORDS = {
    "sigmoid": lambda z: 1 / (1 + sympy.exp(-z)),
    "softplus": lambda z: sympy.log(1 + sympy.exp(z)),
    "log_sigmoid": lambda z: -sympy.log(1 + sympy.exp(-z)),
}


def expression(text, parameters):
    """The formula as a SymPy expression in the real variable x; its decimal numbers are taken as exact."""
    x = sympy.Symbol("x", real=True)
    values = {key: sympy.oo if v is None else sympy.sympify(repr(v), rational=True) for key, v in parameters.items()}
    return sympy.sympify(text, locals={"x": x, **_WORDS, **values}, rational=True), x


def on_numbers(expr, x):
    """The expression as a function of a number, in mpmath."""
    function = sympy.lambdify(x, expr, "mpmath")
    return lambda point: float(mpmath.mpmathify(function(mpmath.mpf(point))))


def kinks_of(record):
    """The points where the record's function or its slope may jump, as numbers."""
    values = [expression(text, record.parameters)[0] for text in record.kinks]
    return sorted({float(v) for v in values if v.is_finite})


def elementwise(record):
    """Rows (x, f(x), f'(x)) at the common points, at each kink and right beside it; f' is None at a kink."""
    expr, x = expression(record.formula, record.parameters)
    value, slope = on_numbers(expr, x), on_numbers(sympy.diff(expr, x), x)
    kinks = kinks_of(record)
    beside = [float(np.float32(k + s * max(abs(k) * 2.0**-20, 2.0**-100))) for k in kinks for s in (-1, 1)]
    points = sorted({*POINTS, *kinks, *beside})
    return [[p, value(p), None if p in kinks else slope(p)] for p in points]


def _softmax(row):
    top = max(row)
    powers = [mpmath.exp(v - top) for v in row]
    return [p / sum(powers) for p in powers]


def _log_softmax(row):
    top = max(row)
    total = mpmath.log(sum(mpmath.exp(v - top) for v in row))
    return [v - top - total for v in row]


def _sparsemax(row):
    descending = sorted(row, reverse=True)
    sums = [sum(descending[: k + 1]) for k in range(len(row))]
    size = max(k + 1 for k in range(len(row)) if 1 + (k + 1) * descending[k] > sums[k])
    tau = (sums[size - 1] - 1) / size
    return [max(v - tau, mpmath.mpf(0)) for v in row]


def _glu(row):
    half = len(row) // 2
    return [a / (1 + mpmath.exp(-b)) for a, b in zip(row[:half], row[half:], strict=True)]


AXISWISE = {"softmax": _softmax, "log_softmax": _log_softmax, "sparsemax": _sparsemax, "glu": _glu}
ROWS = (
    (0.5, -1.25, 2.0, 0.0, 1.75, -3.0),
    (0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    (8.0, -8.0, 7.5, 7.0, 0.25, 6.5),
    (1024.0, 1023.5, -1024.0, 1020.0, 0.0, 50.0),
    (0.25, 0.125, 0.5, 0.375, 0.0, -0.125),
)
WEIGHTS = (1.0, -0.5, 0.25, 2.0, -1.0, 0.75)  # the gradient tested is that of the outputs' sum with these weights


def axiswise(function):
    """For each row its outputs, the gradient of their weighted sum, and the diagonal of the Jacobian."""
    result = []
    for row in ROWS:
        exact = [mpmath.mpf(v) for v in row]
        step = mpmath.mpf(10) ** -40
        columns = []
        for j in range(len(row)):
            up, down = ([v + s * step * (i == j) for i, v in enumerate(exact)] for s in (1, -1))
            columns.append([(u - d) / (2 * step) for u, d in zip(function(up), function(down), strict=True)])
        gradient = [sum(w * c for w, c in zip(WEIGHTS, column, strict=False)) for column in columns]
        diagonal = [column[j] for j, column in enumerate(columns) if j < len(column)]
        result.append([[float(v) for v in part] for part in (row, function(exact), gradient, diagonal)])
    return result


def golden(spelling):
    """What the file holds for one spelling."""
    record = activations.get(spelling)
    with mpmath.workdps(DIGITS):
        return elementwise(record) if record.kind == "elementwise" else axiswise(AXISWISE[record.name])


def main():
    """Write the file."""
    names = [record.name for record in activations.catalogue()]
    rows = {spelling: golden(spelling) for spelling in sorted({*names, *VARIANTS})}
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value, separators=(',', ':'))}" for key, value in rows.items())
    FILE.write_text("{\n" + lines + "\n}\n")


if __name__ == "__main__":
    main()
