"""Checks of the facts that a record states."""

import itertools
import math
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import keras
import numpy as np

from keras_actsel.activations import _formula
from keras_actsel.testing import _exact
from keras_actsel.testing._backend import require, to_numpy
from keras_actsel.testing._subject import GRID, Subject, checks, elementwise, states

FAR = np.array([1e6, 1.3e6, 1.7e6, 2.1e6, 2.9e6])
MANY = 30
"""Operations in a function that costs much however simple they are."""

_TRANSCENDENTAL = {
    *("exp", "exp2", "expm1", "log", "log1p", "logistic", "tanh", "erf", "erfc", "erf_inv", "sin", "cos", "tan"),
    *("atan", "atan2", "asinh", "acosh", "sinh", "cosh", "sqrt", "rsqrt", "cbrt", "pow"),
}


@checks(elementwise, states("range"))
def range(subject: Subject) -> None:
    """Values fill the range and stay in it."""
    (low, high), seen = subject.record.range or (0, 0), np.concatenate([subject.f(GRID), subject.truth.value])
    require(low - 1e-6 <= seen.min() <= (low + 1e-3 if math.isfinite(low) else -50), f"least value {seen.min():.6g}")
    require(high + 1e-6 >= seen.max() >= (high - 1e-3 if math.isfinite(high) else 50), f"greatest {seen.max():.6g}")


@checks(lambda subject: not subject.elementwise, states("range"))
def range_along_an_axis(subject: Subject) -> None:
    """Values stay in the range."""
    (low, high), seen = subject.record.range or (0, 0), subject.truth.value
    require(low - 1e-6 <= seen.min(), f"least value {seen.min():.6g}")
    require(seen.max() <= high + 1e-6, f"greatest value {seen.max():.6g}")


@checks(elementwise, states("monotonic"))
def monotonic(subject: Subject) -> None:
    """Values never decrease where the record says so, and somewhere where it does not."""
    rises = all((values[1:] >= values[:-1] - 1e-9).all() for values in (subject.f(GRID), subject.truth.value))
    require(subject.record.monotonic == rises, f"measured {rises}")


def _jumps(function: Callable[[np.ndarray], np.ndarray], size: float = 1e-3) -> np.ndarray:
    """Between which neighbours of the grid a jump remains, however near its sides come."""
    left, right = GRID[:-1], GRID[1:]
    for _ in itertools.repeat(None, 18):
        middle = (left + right) / 2
        l, m, r = (function(p) for p in (left, middle, right))  # noqa: E741
        to_left = np.abs(m - l) > np.abs(r - m)
        left, right = np.where(to_left, left, middle), np.where(to_left, middle, right)
    return np.asarray(np.abs(function(right) - function(left)) > size)


def _broken(subject: Subject) -> np.ndarray:
    return np.asarray(_jumps(subject.f) | _jumps(subject.slope))


def _straddled(kink: float) -> np.ndarray:
    return np.asarray((GRID[:-1] < kink) & (kink < GRID[1:]))


@checks(elementwise, lambda subject: subject.reference is None)
def kinks(subject: Subject) -> None:
    """The function or its slope jumps at each kink, and nowhere else."""
    broken, named = _broken(subject), np.zeros(len(GRID) - 1, bool)
    moved = _perturbed(subject)
    for text in subject.record.kinks:
        here = _straddled(_formula.number(text, subject.record.parameters))
        named |= here
        idle = here.any() and not (broken & here).any()
        if idle and not (_broken(moved) & _straddled(_formula.number(text, moved.record.parameters))).any():
            raise AssertionError(f"nothing jumps at the kink {text}")
    require(not (broken & ~named).any(), f"jumps at {GRID[:-1][broken & ~named][:3]}, which `kinks` does not name")


def _perturbed(subject: Subject) -> Subject:
    """The record at other parameters: an elu has its kink for other values of alpha than the default."""
    values = {k: _moved(v) for k, v in subject.record.parameters.items() if isinstance(v, (float, tuple))}
    return Subject(subject.record.with_parameters(**values))


def _moved(value: Any) -> Any:
    """Another value; those of a vector move differently, so that a spline bends at each of its knots."""
    return 1.37 * value if isinstance(value, float) else tuple(1.37 * v + 0.1 * (i % 2) for i, v in enumerate(value))


@checks(elementwise, states("smoothness"), lambda subject: subject.reference is None)
def smoothness(subject: Subject) -> None:
    """It is as often continuously differentiable as the record says, as far as the second derivative shows."""
    second = _exact.on_arrays(_exact.derivative(_exact.derivative(subject.expression)))
    orders = [bool(_jumps(f, 1e-2).any()) for f in (subject.f, subject.slope, second)]
    measured = orders.index(True) - 1 if True in orders else 2
    require(min(float(subject.record.smoothness or 0), 2) == measured, f"measured {measured}")


def _moment(subject: Subject, power: int) -> float:
    """E[f(z)^power], z ~ N(0, 1), by Simpson's rule on each smooth piece."""
    from scipy.integrate import simpson

    edges = [-13.0, *(k for k in subject.record.kink_points if abs(k) < 13), 13.0]
    pieces = [np.linspace(a + 1e-12, b - 1e-12, 2**14 + 1) for a, b in itertools.pairwise(edges)]
    normal = (np.exp(-z * z / 2) / math.sqrt(2 * math.pi) for z in pieces)
    return float(sum(simpson(subject.f(z) ** power * n, x=z) for z, n in zip(pieces, normal, strict=True)))


@checks(elementwise)
def gain(subject: Subject) -> None:
    """The gain is 1/sqrt(E[f(z)^2])."""
    stated, exact = subject.record.gain, _moment(subject, 2) ** -0.5
    require(stated is not None and abs(stated - exact) <= 1e-4 * exact, f"{stated} instead of {exact}")


@checks(elementwise)
def zero_centred(subject: Subject) -> None:
    """The mean for a standard normal input is 0 where the record says so."""
    mean = _moment(subject, 1)
    require(subject.record.zero_centred == (abs(mean) < 1e-3), f"the mean is {mean:.6g}")


@checks(elementwise, states("bounded"))
def bounded(subject: Subject) -> None:
    """Values stay between two numbers where the record says so."""
    largest = np.abs(subject.truth.value).max()
    require(subject.record.bounded == (largest < 50), f"the largest value is {largest:.6g}")


@checks(elementwise, states("saturates"), lambda subject: subject.reference is None)
def saturates(subject: Subject) -> None:
    """The slope goes to 0 on the sides that the record names."""
    slope = _exact.derivative(subject.expression)
    sizes = {side: np.abs(_exact.at_numbers(slope, s * FAR)).max() for side, s in (("left", -1), ("right", 1))}
    measured = tuple(side for side, size in sizes.items() if size < 1e-3)
    require(subject.record.saturates == measured, f"measured {measured}")


def _at_its_defaults(subject: Subject) -> bool:
    return all(subject.record.parameters[key] == spec.default for key, spec in subject.record.specs.items())


@checks(lambda _: keras.backend.backend() == "jax", states("cost"), _at_its_defaults)
def cost(subject: Subject) -> None:
    """The cost class counts roots, exponentials and the like in what JAX computes, and whether it computes much."""
    import jax

    names = list(_primitives(jax.make_jaxpr(subject.record)(np.ones((2, 6), "float32")).jaxpr))
    found = [name for name in names if name in _TRANSCENDENTAL]
    many = len(found) > 1 or "sort" in names or len(names) > MANY
    measured = "high" if many else "medium" if found else "low"
    require(
        subject.record.cost == measured,
        f"it computes {', '.join(found) or 'none of the costly ones'} among {len(names)} operations: {measured}",
    )


def _primitives(jaxpr: Any) -> Any:
    """The names of what is computed; a function that is called counts as what it computes."""
    for equation in jaxpr.eqns:
        inner = [getattr(value, "jaxpr", value) for value in equation.params.values()]
        called = [each for each in inner if hasattr(each, "eqns")]
        yield from itertools.chain.from_iterable(map(_primitives, called)) if called else (equation.primitive.name,)


@checks(lambda subject: subject.record.kind == "shape_changing")
def width(subject: Subject) -> None:
    """It makes the axis as wide as the record says."""
    stated = Fraction(_formula.number(subject.record.width, subject.record.parameters)).limit_denominator(1000)
    measured = Fraction(to_numpy(subject.record(np.ones((2, 6), "float32"))).shape[-1], 6)
    require(stated == measured, f"{stated} instead of {measured}")


@checks()
def words(subject: Subject) -> None:
    """What is stated in words: one or two plain sentences, and a source with year and link."""
    record = subject.record
    for key in ("strengths", "traps"):
        text = getattr(record, key)
        require(not text or re.fullmatch(r"[A-Z].*\.", text), f"{key} is no sentence: {text!r}")
    dated = re.search(r"\b(19|20)\d\d\b.*https?://", record.source)
    require(not record.source or dated, f"the source has no year or no link: {record.source!r}")
