"""What must hold before anything is checked: texts that can be read, and a function that can be traced."""

import ast
from collections.abc import Collection

import keras

from keras_actsel.activations import ActivationFunction, _formula
from keras_actsel.testing import _exact


def require_readable(record: ActivationFunction, *, by_sympy: bool) -> None:
    """Raise unless the record's texts are expressions in words that are known.

    Args:
        record: The record.
        by_sympy: Whether SymPy is to read those that it reads, too: formula and surrogate.

    Raises:
        ValueError: If one is not; the message names the text and the unknown word.
    """
    tensor_words = _formula._VOCABULARY
    _require_read(record, "derivative", record.derivative_formula, tensor_words)
    for kink in record.kinks:
        _require_read(record, "kink", kink, tensor_words)
    if by_sympy:
        for fact in ("formula", "surrogate"):
            _require_read(record, fact, getattr(record, fact), _exact.vocabulary())


def _require_read(record: ActivationFunction, fact: str, text: str | None, words: Collection[str]) -> None:
    try:
        tree = ast.parse((text or "0").strip(), mode="eval")
    except SyntaxError as error:
        trouble = error.msg
    else:
        known = {"x", *record.parameters, *words}
        unknown = sorted({node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} - known)
        trouble = f"unknown word {unknown[0]!r}" if unknown else ""
    if trouble:
        common = ", ".join(sorted(set(_formula._VOCABULARY) & set(words)))
        raise ValueError(
            f"Can't read the {fact} {text!r} of {record.name!r}: {trouble}. Expected an expression in x, its "
            f"parameters ({', '.join(record.parameters) or 'none'}) and words such as: {common}."
        )


def require_traceable(record: ActivationFunction) -> None:
    """Raise unless the function can be called on a tensor without values, as models and compilers do.

    Raises:
        ValueError: If it can't.
    """
    try:
        record(keras.KerasTensor((2, 3, 6)))
    except Exception as error:
        raise ValueError(
            f"{str(record)!r} can't be called on a tensor without values, as Keras does when it builds or compiles a "
            "model. It must be written in `keras.ops`, not in NumPy, and must not ask for the tensor's values. "
            f"Received: {type(error).__name__}: {' '.join(str(error).split())}"
        ) from error
