"""The record of an activation function, and the registry of those that have a name."""

import importlib
import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from types import MappingProxyType
from typing import Any

import keras
from keras import ops

from keras_actsel._spelling import did_you_mean
from keras_actsel.activations import _formula
from keras_actsel.activations._moments import moments
from keras_actsel.activations._parameter import Parameter

KINDS = ("elementwise", "axiswise", "shape_changing")
PLACES = ("hidden", "output", "gate")
COSTS = ("low", "medium", "high")
ENTRIES: dict[str, "ActivationFunction"] = {}
ALIASES: dict[str, str] = {}
_FAR = (1e4, 1.3e4, 1.7e4)
_MISSING = object()
_UNKNOWN: dict[str, Any] = {"range": None, "smoothness": None, "monotonic": None}
_UNKNOWN_TEXTS: dict[str, Any] = {"formula": None, "derivative_formula": None, "stable_derivative": None, "kinks": ()}


@keras.saving.register_keras_serializable(package="keras_actsel")
@dataclass(frozen=True, eq=False, repr=False)
class ActivationFunction:
    """An activation function together with the facts needed to choose it.

    A record is callable and works as `activation=` in any Keras layer. It is saved, copied and pickled by its name
    and parameters alone. Make one with the `activation` decorator, look one up with `get`.

    Args:
        function: The function of a tensor and of keyword parameters, written in `keras.ops`. A keyword `seed` is no
            parameter: the function draws from it in training, and is deterministic where it is None.
        name: Its name in the catalogue, such as `"leaky_relu"`.
        parameters: The values of its keyword parameters.
        specs: What each parameter may be, and how its layer learns it: a `Parameter` by name.
        kind: `"elementwise"`, `"axiswise"` (softmax and its kin) or `"shape_changing"` (glu).
        formula: f(x) as SymPy text.
        derivative_formula: f'(x) as SymPy text; for an axiswise function the diagonal of its Jacobian.
        stable_derivative: A function of a float32 tensor and the parameters that computes f'(x) where the text would
            overflow or cancel; None where the text itself can be computed.
        surrogate: The slope that training uses in its place, as SymPy text; None where training uses f'(x).
        range: Infimum and supremum of its values.
        smoothness: How often f is continuously differentiable: -1 (has jumps), 0 (has kinks), 1, 2, ... or infinity.
        monotonic: Whether f never decreases.
        kinks: The points where f or f' jumps for some values of the parameters, as SymPy texts in them.
        belongs: Where it is of use: some of `"hidden"`, `"output"` and `"gate"`.
        cost: `"low"` (comparisons and arithmetic), `"medium"` (one root, exponential or the like, whatever else) or
            `"high"` (several, a sort, or more than 30 operations of any sort).
        width: For a shape-changing function: outputs for each input, as text in the parameters.
        agrees_with_keras: Whether the function of this name in `keras.activations`, if any, has the same values.
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
    specs: Mapping[str, Parameter] = field(default_factory=lambda: MappingProxyType({}))
    kind: str = "elementwise"
    formula: str | None = None
    derivative_formula: str | None = None
    stable_derivative: Callable[..., Any] | None = None
    surrogate: str | None = None
    range: tuple[float, float] | None = None
    smoothness: float | None = None
    monotonic: bool | None = None
    kinks: tuple[str, ...] = ()
    belongs: tuple[str, ...] = ()
    cost: str = ""
    width: str = "1"
    agrees_with_keras: bool = True
    strengths: str = ""
    traps: str = ""
    source: str = ""
    aliases: tuple[str, ...] = ()
    layer_name: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "__name__", self.name)
        object.__setattr__(self, "__doc__", self.function.__doc__)
        specs = {key: self.specs.get(key, Parameter(default=value)) for key, value in self.parameters.items()}
        object.__setattr__(self, "specs", MappingProxyType(specs))

    def __call__(self, x: Any, *, seed: Any = None, **parameters: Any) -> Any:
        """f(x), with the record's parameters unless others are given.

        Args:
            x: A tensor; integers and booleans become Keras's default float type.
            seed: For a stochastic function in training: a `keras.random.SeedGenerator`, or an integer.
            **parameters: Numbers, or tensors that broadcast to x; for a vector, n of them along the first axis.
        """
        values = {**self.parameters, **parameters}
        drawn = {"seed": seed} if self.stochastic else {}
        return self.function(_floating(x), **{key: self._split(key, v) for key, v in values.items()}, **drawn)

    def _split(self, key: str, value: Any) -> Any:
        """The values of a vector as a tuple, each of which broadcasts to x; a single value as it is."""
        spec = self.specs.get(key)
        if spec is None or not spec.is_vector or isinstance(value, (tuple, list)):
            return value
        return tuple(value[i] for i in range(value.shape[0]))

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
        if self.stable_derivative is None:
            return _formula.evaluate(self.derivative_formula, x, self.parameters)
        slope = self.stable_derivative(ops.cast(x, "float32"), **self.parameters)
        return ops.cast(slope, keras.backend.standardize_dtype(x.dtype))

    # Facts that follow from the function

    @property
    def summary(self) -> str:
        """The first line of the function's docstring."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]

    @property
    def gradient(self) -> str:
        """`"exact"`, or `"surrogate"` where training is given another slope than f'(x) on purpose."""
        return "exact" if self.surrogate is None else "surrogate"

    @property
    def stochastic(self) -> bool:
        """Whether it draws random numbers in training."""
        return self._draws

    @cached_property  # asked for at every call
    def _draws(self) -> bool:
        return "seed" in inspect.signature(self.function).parameters

    @property
    def trainable(self) -> tuple[str, ...]:
        """The parameters that its layer learns unless told otherwise."""
        return tuple(key for key, spec in self.specs.items() if spec.trainable)

    @property
    def needs_layer(self) -> bool:
        """Whether it is itself only as a layer: because it learns, or draws random numbers in training."""
        return bool(self.trainable) or self.stochastic

    @property
    def kink_points(self) -> tuple[float, ...]:
        """The kinks at the record's parameters, in ascending order."""
        points = (_formula.number(text, self.parameters) for text in self.kinks)
        return tuple(sorted({p for p in points if math.isfinite(p)}))

    @property
    def bounded(self) -> bool | None:
        """Whether its values stay between two numbers; None if its range is not known."""
        return None if self.range is None else all(map(math.isfinite, self.range))

    @property
    def zero_centred(self) -> bool | None:
        """Whether its mean is 0 for a standard normal input, to 1e-3; None if it is not elementwise."""
        if self.kind != "elementwise":
            return None
        means, _ = moments([self], self.kink_points)
        return bool(abs(means[0]) < 1e-3)

    @property
    def gain(self) -> float | None:
        """The factor 1/sqrt(E[f(z)^2]), z ~ N(0, 1), that keeps signals at their size; None if not elementwise.

        Weights of standard deviation gain/sqrt(fan_in) after it have outputs of mean square 1.
        """
        if self.kind != "elementwise":
            return None
        _, seconds = moments([self], self.kink_points)
        return float(seconds[0, 0] ** -0.5) if seconds[0, 0] > 0 else math.inf

    @property
    def saturates(self) -> tuple[str, ...] | None:
        """The sides, `"left"` and `"right"`, on which f'(x) goes to 0; None if f' is not known."""
        if self.kind != "elementwise" or self.derivative_formula is None:
            return None
        sides = {"left": [-x for x in _FAR], "right": list(_FAR)}
        slopes = {side: ops.convert_to_numpy(self.derivative(ops.convert_to_tensor(x))) for side, x in sides.items()}
        return tuple(side for side, values in slopes.items() if abs(values).max() < 1e-3)

    def check_keeps_shape(self, purpose: str) -> None:
        """Raise if it changes the shape of its input.

        Args:
            purpose: What it can't do then, for the message, such as `"be mixed"`.

        Raises:
            ValueError: If it does; the message says by how much, and that it is a layer.
        """
        if self.kind == "shape_changing":
            width = Fraction(_formula.number(self.width, self.parameters)).limit_denominator(1000)
            raise ValueError(
                f"{str(self)!r} makes its axis {width} times as wide, so it can't {purpose}. Expected an activation "
                f"that keeps the shape. Use `keras_actsel.layers.{self.layer_name}` as a layer of the model: for 60 "
                f"units after one of {60 / width}."
            )

    # Parameters, identity, saving

    def with_parameters(self, **parameters: Any) -> "ActivationFunction":
        """The same function with other values of its parameters.

        Raises:
            ValueError: For a parameter that the function does not have, or a value that it does not allow.
        """
        checked = {key: self._checked(key, value) for key, value in parameters.items()}
        merged = {**self.parameters, **checked}
        if merged == dict(self.parameters):
            return self
        # These facts were stated for the defaults, and texts with indices for vectors of their length.
        changed: dict[str, Any] = {"parameters": MappingProxyType(merged), **_UNKNOWN}
        if any(spec.is_vector and len(merged[key]) != len(spec.default) for key, spec in self.specs.items()):
            changed |= _UNKNOWN_TEXTS
        return replace(self, **changed)

    def _checked(self, key: str, value: Any) -> Any:
        if key not in self.parameters:
            known = ", ".join(self.parameters) or "none"
            raise ValueError(
                f"{self.name!r} has no parameter {key!r}.{did_you_mean(key, self.parameters)} Its parameters: {known}."
            )
        return self.specs[key].checked(value, f"{key!r} of {self.name!r}")

    @property
    def _changed_parameters(self) -> dict[str, Any]:
        base = ENTRIES.get(self.name)
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
        function = origin(self.function) if self._is_catalogued() else self.function
        return (function, self.name, tuple(sorted(self.parameters.items(), key=lambda item: item[0])))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ActivationFunction) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def _is_catalogued(self) -> bool:
        base = ENTRIES.get(self.name)
        return base is not None and origin(base.function) == origin(self.function)

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
        if function is None and ALIASES.get(config["name"], config["name"]) not in ENTRIES:
            raise ValueError(
                f"What was saved uses the activation {config['name']!r}, which is not in the catalogue. If it is one "
                "of your own, import the module that defines it before loading."
            )
        identifier = config["name"] if function is None else keras.saving.deserialize_keras_object(function)
        return _restore(identifier, config.get("parameters", {}))


def _restore(identifier: Any, parameters: Mapping[str, Any], module: str = "") -> ActivationFunction:
    """The record of a name or function; a name that is not known (yet) is entered by importing what defines it."""
    if callable(identifier):
        return of_function(identifier).with_parameters(**parameters)
    if module and identifier not in ENTRIES:
        importlib.import_module(module)
    return entry(identifier).with_parameters(**parameters)


def origin(function: Callable[..., Any]) -> tuple[str, str]:
    """Where a function is defined. A cell run again, or a module loaded again, defines the same one."""
    return (function.__module__, function.__qualname__)


def entry(name: str) -> ActivationFunction:
    """The record of a name or alias.

    Raises:
        ValueError: If there is none.
    """
    record = ENTRIES.get(ALIASES.get(name, name))
    if record is None:
        raise ValueError(
            f"Unknown activation {name!r}.{did_you_mean(name, [*ENTRIES, *ALIASES])} `catalogue()` lists all."
        )
    return record


def of_function(function: Callable[..., Any]) -> ActivationFunction:
    """The record of a function; one without facts if it is not of the catalogue, nor of Keras."""
    name = getattr(function, "__name__", type(function).__name__)
    if getattr(keras.activations, name, None) is function:
        return entry(name)
    known = ENTRIES.get(name)
    return known if known is not None and known.function is function else ActivationFunction(function, name)


def _floating(x: Any) -> Any:
    """The tensor x; integers and booleans become Keras's default float type."""
    x = ops.convert_to_tensor(x) if not keras.backend.is_keras_tensor(x) else x
    dtype = keras.backend.standardize_dtype(x.dtype)
    return x if "float" in dtype else ops.cast(x, keras.config.floatx())
