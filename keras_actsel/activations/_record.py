"""The record of an activation function, the decorator that makes one, and the lookup by name."""

import ast
import importlib
import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from numbers import Integral, Real
from types import MappingProxyType
from typing import Any

import keras
from keras import ops

from keras_actsel._spelling import did_you_mean
from keras_actsel.activations import _formula

KINDS = ("elementwise", "axiswise", "shape_changing")
_CATALOGUE: dict[str, "ActivationFunction"] = {}
_ALIASES: dict[str, str] = {}


@keras.saving.register_keras_serializable(package="keras_actsel")
@dataclass(frozen=True, eq=False, repr=False)
class ActivationFunction:
    """An activation function together with the facts needed to choose it.

    A record is callable and works as `activation=` in any Keras layer. It is saved, copied and pickled by its name
    and parameters alone. Make one with the `activation` decorator, look one up with `get`.

    Args:
        function: The function of a tensor and of keyword parameters, written in `keras.ops`.
        name: Its name in the catalogue, such as `"leaky_relu"`.
        parameters: The values of its keyword parameters.
        kind: `"elementwise"`, `"axiswise"` (softmax and its kin) or `"shape_changing"` (glu).
        formula: f(x) as SymPy text.
        derivative_formula: f'(x) as SymPy text; for an axiswise function the diagonal of its Jacobian.
        range: Infimum and supremum of its values.
        smoothness: How often f is continuously differentiable: -1 (has jumps), 0 (has kinks), 1, 2, ... or infinity.
        monotonic: Whether f never decreases.
        kinks: The points where f or f' jumps for some values of the parameters, as SymPy texts in them.
        trainable: The parameters that its layer learns unless told otherwise.
        bounds: For parameters that are limited, the open interval they must lie in.
        agrees_with_keras: Whether the function of this name in `keras.activations`, if any, has the same values.
        gradient: `"exact"`, or `"surrogate"` where automatic differentiation is given another slope on purpose.
        strengths: What it is good at, in a plain sentence.
        traps: What to beware of, in a plain sentence.
        source: Authors, year and link of its definition.
        aliases: Other names it is known by.
        layer_name: The name of its layer class, such as `"LeakyReLU"`.

    Example:
        >>> from keras_actsel import activations
        >>> slope = activations.get("leaky_relu", negative_slope=0.1)
        >>> slope
        leaky_relu(negative_slope=0.1)
        >>> [round(float(v), 2) for v in slope([-1.0, 2.0])]
        [-0.1, 2.0]
    """

    function: Callable[..., Any]
    name: str
    parameters: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    kind: str = "elementwise"
    formula: str | None = None
    derivative_formula: str | None = None
    range: tuple[float, float] | None = None
    smoothness: float | None = None
    monotonic: bool | None = None
    kinks: tuple[str, ...] = ()
    trainable: tuple[str, ...] = ()
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=lambda: MappingProxyType({}))
    agrees_with_keras: bool = True
    gradient: str = "exact"
    strengths: str = ""
    traps: str = ""
    source: str = ""
    aliases: tuple[str, ...] = ()
    layer_name: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "__name__", self.name)
        object.__setattr__(self, "__doc__", self.function.__doc__)

    def __call__(self, x: Any, **parameters: Any) -> Any:
        """f(x), with the record's parameters unless others are given (numbers, or tensors that broadcast to x)."""
        return self.function(_floating(x), **{**self.parameters, **parameters})

    def derivative(self, x: Any) -> Any:
        """f'(x) from its closed form; for an axiswise function the diagonal of its Jacobian.

        At a kink it is the value that training uses: that of automatic differentiation of the function itself.

        Raises:
            ValueError: If the record carries no derivative.
        """
        if self.derivative_formula is None:
            raise ValueError(
                f"{self} has no closed derivative. Expected a record made with `activation(derivative=...)`."
            )
        x = _floating(x)
        return _formula.evaluate(self.derivative_formula, x, self.parameters)

    @property
    def summary(self) -> str:
        """The first line of the function's docstring."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]

    def with_parameters(self, **parameters: Any) -> "ActivationFunction":
        """The same function with other values of its parameters.

        Raises:
            ValueError: For a parameter that the function does not have, or a value that it does not allow.
        """
        checked = {key: self._checked(key, value) for key, value in parameters.items()}
        merged = {**self.parameters, **checked}
        if merged == dict(self.parameters):
            return self
        # These facts were stated for the defaults.
        return replace(self, parameters=MappingProxyType(merged), range=None, smoothness=None, monotonic=None)

    def _checked(self, key: str, value: Any) -> Any:
        """The value as a plain number of the kind of the parameter's default."""
        if key not in self.parameters:
            known = ", ".join(self.parameters) or "none"
            raise ValueError(
                f"{self.name!r} has no parameter {key!r}.{did_you_mean(key, self.parameters)} Its parameters: {known}."
            )
        default = _keyword_defaults(self.function)[key]
        if value is None and default is None:
            return None
        kind, word = next((k, w) for type_, k, w in _KINDS_OF_NUMBER if isinstance(default, type_))
        if not isinstance(value, kind) or isinstance(value, bool) != (kind is bool) or value != value:  # noqa: PLR0124
            raise ValueError(
                f"Parameter {key!r} of {self.name!r} must be {word}. Received: {value!r}. "
                "A parameter that varies or is learned belongs to `layers.Activation(..., trainable=...)`."
            )
        low, high = self.bounds.get(key, (-math.inf, math.inf))
        if kind is Real and not low < value < high:
            raise ValueError(
                f"Parameter {key!r} of {self.name!r} must lie between {low:g} and {high:g}. Received: {value!r}."
            )
        return float(value) if kind is Real else int(value) if kind is Integral else value

    @property
    def _changed_parameters(self) -> dict[str, Any]:
        base = _CATALOGUE.get(self.name)
        defaults = base.parameters if base is not None else {}
        return {key: value for key, value in self.parameters.items() if defaults.get(key, _MISSING) != value}

    def __repr__(self) -> str:
        changed = ", ".join(f"{key}={value!r}" for key, value in self._changed_parameters.items())
        return f"{self.name}({changed})" if changed else self.name

    @property
    def keras_equivalent(self) -> Callable[..., Any] | None:
        """The function of `keras.activations` with the same values; None if Keras has none, or with other parameters.

        A model that uses it needs nothing of this package to be loaded.
        """
        function = getattr(keras.activations, self.name, None)
        if function is None or not self.agrees_with_keras or self._changed_parameters or not self._is_catalogued():
            return None
        _, *keywords = inspect.signature(function).parameters.values()
        return None if any(p.default is p.empty for p in keywords) else function

    def _identity(self) -> tuple[Any, ...]:
        function = _origin(self.function) if self._is_catalogued() else self.function
        return (function, self.name, tuple(sorted(self.parameters.items(), key=lambda item: item[0])))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ActivationFunction) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def _is_catalogued(self) -> bool:
        base = _CATALOGUE.get(self.name)
        return base is not None and _origin(base.function) == _origin(self.function)

    def __reduce__(self) -> tuple[Any, ...]:
        if not self._is_catalogued():
            return (_restore, (self.function, self._changed_parameters))
        return (_restore, (self.name, self._changed_parameters, self.function.__module__))

    def get_config(self) -> dict[str, Any]:
        """Name and changed parameters; for a function outside the catalogue, also the function as Keras saves it."""
        config: dict[str, Any] = {"name": self.name}
        if self._changed_parameters:
            config["parameters"] = self._changed_parameters
        if not self._is_catalogued():
            config["function"] = keras.saving.serialize_keras_object(self.function)
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "ActivationFunction":
        """The record that `get_config` describes."""
        function = config.get("function")
        identifier = config["name"] if function is None else keras.saving.deserialize_keras_object(function)
        return _restore(identifier, config.get("parameters", {}))


_MISSING = object()
# By the type of a parameter's default (None: a limit that is not set): what its values must be.
_KINDS_OF_NUMBER: tuple[tuple[type, Any, str], ...] = (
    (bool, bool, "True or False"),
    (int, Integral, "an integer"),
    (object, Real, "a number"),
)


def _restore(identifier: Any, parameters: Mapping[str, Any], module: str = "") -> ActivationFunction:
    """What `get` gives; a name that is not known (yet) is entered by importing the module that defines it."""
    if module and identifier not in _CATALOGUE:
        importlib.import_module(module)
    return get(identifier, **parameters)


def _origin(function: Callable[..., Any]) -> tuple[str, str]:
    """Where a function is defined. A cell run again, or a module loaded again, defines the same one."""
    return (function.__module__, function.__qualname__)


def _floating(x: Any) -> Any:
    """The tensor x; integers and booleans become Keras's default float type."""
    x = ops.convert_to_tensor(x) if not keras.backend.is_keras_tensor(x) else x
    dtype = keras.backend.standardize_dtype(x.dtype)
    return x if "float" in dtype else ops.cast(x, keras.config.floatx())


def activation(**facts: Any) -> Callable[[Callable[..., Any]], ActivationFunction]:
    """Decorator: enter a function of `keras.ops` into the catalogue, with its facts.

    The function's first argument is the tensor; its keyword defaults are its parameters.

    Args:
        **facts: Fields of `ActivationFunction`; `derivative` is short for `derivative_formula`.

    Returns:
        A decorator that turns the function into its `ActivationFunction`.

    Raises:
        ValueError: If the name is taken, or a fact or kind is unknown.

    Example:
        >>> from keras import ops
        >>> from keras_actsel.activations import activation
        >>> @activation(formula="x/(1 + x**2)", derivative="(1 - x**2)/(1 + x**2)**2", range=(-0.5, 0.5))
        ... def witch(x):
        ...     "A bump on each side of zero that falls back to nothing."
        ...     return x / (1 + x * x)
        >>> float(witch(1.0)), float(witch.derivative(0.0))
        (0.5, 1.0)
    """
    facts["derivative_formula"] = facts.pop("derivative", None)
    allowed = {f.name for f in fields(ActivationFunction)} - {"function", "name", "parameters"}
    if unknown := set(facts) - allowed:
        raise ValueError(f"Unknown facts {sorted(unknown)}. Expected some of: {sorted(allowed)}.")
    if facts.get("kind", "elementwise") not in KINDS:
        raise ValueError(f"Unknown kind {facts['kind']!r}. Expected one of {KINDS}.")

    def register(function: Callable[..., Any]) -> ActivationFunction:
        name = function.__name__
        own = {"layer_name": "".join(word.capitalize() for word in name.split("_")), **facts}
        own["bounds"] = MappingProxyType(dict(facts.get("bounds", {})))
        record = ActivationFunction(function, name, _keyword_defaults(function), **own)
        for key in (name, *record.aliases):
            _refuse_taken(key, record)
        _CATALOGUE[name] = record
        _ALIASES.update(dict.fromkeys(record.aliases, name))
        return record

    return register


def _keyword_defaults(function: Callable[..., Any]) -> Mapping[str, Any]:
    _, *keywords = inspect.signature(function).parameters.values()
    if missing := [p.name for p in keywords if p.default is p.empty]:
        raise ValueError(f"Parameters of {function.__name__!r} need default values. Received none for: {missing}.")
    return MappingProxyType({p.name: p.default for p in keywords})


def _refuse_taken(key: str, record: ActivationFunction) -> None:
    """A name belongs to one function; the same function may be defined again (a reloaded module, a rerun cell)."""
    holder = _CATALOGUE.get(_ALIASES.get(key, key))
    if holder is not None and _origin(holder.function) != _origin(record.function):
        raise ValueError(f"The name {key!r} is taken by {holder} of {holder.function.__module__}. Choose another name.")


def get(identifier: Any, **parameters: Any) -> ActivationFunction:
    """Look an activation up.

    Args:
        identifier: A name or alias (`"mish"`, `"swish"`), a spelling with parameters
            (`"leaky_relu(negative_slope=0.1)"`), a record, a function of `keras.activations`, any other function of a
            tensor, what `keras.saving.serialize_keras_object` makes of these, or None for `"linear"`.
        **parameters: Values for the function's parameters.

    Returns:
        The `ActivationFunction`. A function that is not in the catalogue gets a record without facts.

    Raises:
        ValueError: For an unknown name, a parameter the function does not have, or something that is no activation.

    Example:
        >>> from keras_actsel import activations
        >>> activations.get("swish")
        silu
        >>> activations.get("leaky_relu(negative_slope=0.1)") == activations.get("leaky_relu", negative_slope=0.1)
        True
    """
    if identifier is None:
        identifier = "linear"
    if isinstance(identifier, str):
        name, spelled = _parse(identifier)
        return _lookup(name).with_parameters(**{**spelled, **parameters})
    if isinstance(identifier, ActivationFunction):
        return identifier.with_parameters(**parameters)
    if isinstance(identifier, dict):
        return get(keras.saving.deserialize_keras_object(identifier), **parameters)
    if isinstance(identifier, keras.Layer):
        raise ValueError(
            f"Expected an activation function. Received the layer {identifier.name!r}. "
            "Use the layer itself where a layer is wanted, as a node of its own."
        )
    if callable(identifier):
        return _from_callable(identifier).with_parameters(**parameters)
    raise ValueError(
        "An activation is given by its name, a record or a function. "
        f"Received: {identifier!r} of type {type(identifier).__name__}. `catalogue()` lists all names."
    )


def _lookup(name: str) -> ActivationFunction:
    record = _CATALOGUE.get(_ALIASES.get(name, name))
    if record is None:
        raise ValueError(
            f"Unknown activation {name!r}.{did_you_mean(name, [*_CATALOGUE, *_ALIASES])} `catalogue()` lists all."
        )
    return record


def _from_callable(function: Callable[..., Any]) -> ActivationFunction:
    name = getattr(function, "__name__", type(function).__name__)
    if getattr(keras.activations, name, None) is function:
        return _lookup(name)
    known = _CATALOGUE.get(name)
    if known is not None and known.function is function:
        return known
    return ActivationFunction(function, name)


def _parse(spelling: str) -> tuple[str, dict[str, Any]]:
    """Split `"name(parameter=value)"` into name and parameters."""
    spelling = spelling.strip()
    if "(" not in spelling:
        return spelling, {}
    try:
        call = ast.parse(spelling, mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.args:
            raise ValueError("not a call with keywords")
        return call.func.id, {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
    except (SyntaxError, ValueError) as error:
        raise ValueError(
            f"Could not read the activation {spelling!r}. "
            'Expected a name, or a name with parameters such as "leaky_relu(negative_slope=0.1)".'
        ) from error


def catalogue(**facts: Any) -> tuple[ActivationFunction, ...]:
    """All records, or those whose facts equal the given ones, sorted by name.

    Args:
        **facts: Fields of `ActivationFunction` and the values wanted.

    Raises:
        ValueError: For a fact that records do not have.

    Example:
        >>> from keras_actsel import activations
        >>> activations.get("silu") in activations.catalogue(monotonic=False)
        True
    """
    known = {f.name for f in fields(ActivationFunction)}
    if unknown := set(facts) - known:
        raise ValueError(f"Records have no fact {sorted(unknown)}. Expected some of: {sorted(known)}.")
    records = (_CATALOGUE[name] for name in sorted(_CATALOGUE))
    return tuple(r for r in records if all(getattr(r, key) == value for key, value in facts.items()))
