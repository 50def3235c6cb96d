"""Formulas as text: read by SymPy in tests and docs, evaluated on tensors by `evaluate` without SymPy."""

import math
from collections.abc import Callable, Mapping
from functools import cache
from types import CodeType
from typing import Any

import keras
from keras import ops


def evaluate(formula: str, x: Any, parameters: Mapping[str, Any]) -> Any:
    """The value of a formula at the tensor x.

    Args:
        formula: SymPy text in `x`, the parameters' names, and the functions of `_VOCABULARY`.
        x: A floating tensor of any shape.
        parameters: Numbers, or tuples of them, by name; None stands for infinity, a limit that is not set.

    Returns:
        A tensor of x's shape and dtype. The arithmetic is done in float32.
    """
    wide = ops.cast(x, "float32")
    result = _value(formula, {**_limits(parameters), "x": wide})
    result = ops.broadcast_to(ops.cast(result, "float32"), ops.shape(wide))
    return ops.cast(result, keras.backend.standardize_dtype(x.dtype))


def number(text: str, parameters: Mapping[str, Any]) -> float:
    """The value of a text in the parameters alone, such as a kink; infinity for a limit that is not set."""
    return float(_value(text, _limits(parameters)))


def _value(text: str, names: Mapping[str, Any]) -> Any:
    # Formulas are written in this package or passed to the decorator by the program itself: code, not input.
    # PyTorch's operators import modules on their first use, through the built-ins of whoever calls them.
    builtins = {"__import__": __import__}
    return eval(_compiled(text), {"__builtins__": builtins}, {**_VOCABULARY, **names})  # noqa: S307


def _limits(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {key: math.inf if value is None else value for key, value in parameters.items()}


def define(word: str, function: Callable[..., Any], *, arithmetic: bool = False) -> None:
    """Let formulas speak of a function by this word.

    Args:
        word: The word.
        function: The function of tensors and parameters.
        arithmetic: Whether it is plain arithmetic, and so a function of SymPy's expressions as well.
    """
    _VOCABULARY[word] = function
    if arithmetic:
        ARITHMETIC[word] = function


@cache
def _compiled(formula: str) -> CodeType:
    return compile(formula, formula, "eval")


def _piecewise(*branches: tuple[Any, Any]) -> Any:
    """SymPy's Piecewise: the value of the first branch whose condition holds; the last condition is True."""
    *conditional, (result, _) = branches
    for value, condition in reversed(conditional):
        result = ops.where(condition, _real(value), _real(result))
    return result


def _real(value: Any) -> Any:
    """Whole numbers as floats: TensorFlow does not compute with integer and float tensors together."""
    return float(value) if isinstance(value, int) else value


def _finite(angle: Any) -> Any:
    """The angle, or 0 where it overflowed: any is as good, but for infinity, whose sine is NaN."""
    return ops.where(ops.abs(angle) == math.inf, 0.0, angle)


ARITHMETIC: dict[str, Callable[..., Any]] = {}
"""The words that are defined by plain arithmetic."""

_VOCABULARY: dict[str, Any] = {
    "Abs": ops.abs,
    "Max": ops.maximum,
    "Min": ops.minimum,
    "Piecewise": _piecewise,
    "cosh": ops.cosh,
    "erf": ops.erf,
    "exp": ops.exp,
    "log": ops.log,
    "log_sigmoid": ops.log_sigmoid,
    "oo": math.inf,
    "pi": math.pi,
    "sigmoid": ops.sigmoid,
    "sign": ops.sign,
    "softmax": ops.softmax,
    "softplus": ops.softplus,
    "sqrt": ops.sqrt,
    "tanh": ops.tanh,
    "sin": lambda angle: ops.sin(_finite(angle)),
    "cos": lambda angle: ops.cos(_finite(angle)),
    "atan": ops.arctan,
    "Eq": ops.equal,
}
