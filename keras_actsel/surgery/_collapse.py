"""`collapse`: a model whose mixtures have become stock Keras layers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from keras_actsel import layers
from keras_actsel.layers._activation import axis_sizes
from keras_actsel.surgery import _operations as operations
from keras_actsel.surgery._config import Keys, sublayers
from keras_actsel.surgery._fold import folded
from keras_actsel.surgery._graph import checked, is_graph
from keras_actsel.surgery._nearest import nearest, seen
from keras_actsel.surgery._rebuild import Builder, Change
from keras_actsel.surgery._sites import Flow, Paths, Spot, Step
from keras_actsel.surgery._stock import stock_activation, stock_layer
from keras_actsel.surgery._terms import Combination, combination, input_shape

RULES = ("keep", "largest", "nearest")


def collapse(model: Any, rule: str = "keep", x: Any = None) -> Any:
    """A copy of a trained model in which stock Keras layers stand for its learned combinations.

    It can be saved, loaded, trained and exported without this package. All other weights and state, names, dtypes,
    shared layers and what is frozen are kept. Each `ActivationMixture` becomes

    - with `"keep"` the combination it has learned, exactly. Candidates whose coefficient is 0 are left out, trained
      parameters of candidates become constants, and lines with their only kink at 0 (linear, relu, leaky_relu,
      prelu) become one leaky relu.
    - with `"largest"` the candidate of the largest share, for each channel its own if it has an `axis`; of equal ones
      the first. It stays on the mixture's scale, for which the layers behind were trained: standardized candidates
      enter as (f_k - mu_k)/sigma_k, with `initial` as mu_i + sigma_i (f_k - mu_k)/sigma_k. In a linear
      combination, whose coefficients have no fixed sum, it also keeps its own coefficient.
    - with `"nearest"` a + b f for the elementwise function f of the catalogue, at its default parameters, that is
      closest by least squares over the inputs seen in `x`. Of a mixture with an `axis`, f is one for the layer, so
      that it is computed once, and a and b differ by channel.

    An activation that Keras has is then `keras.layers.Activation` of Keras's own function or `LeakyReLU`; any other is
    `keras.layers.Activation` of a small model of `keras.ops` nodes, named after its functions, such as "relu_tanh".
    A Sequential model so stays Sequential. Factors and offsets are folded into the kernels and biases of the Dense and
    convolution layers behind, through dropout, flattening and pooling where these commute with them. A factor of
    such a layer's kernel also changes its regularization loss.

    Args:
        model: A built `keras.Sequential` or `keras.Model(inputs, outputs)`, which is left as it is. Or one built
            `ActivationMixture`, for models of a class of their own: what comes back is a layer for a new instance.
        rule: `"keep"`, `"largest"` or `"nearest"`.
        x: For `"nearest"`: inputs as `model.predict` takes them, some hundred are enough. Of arrays at most 1024
            samples, evenly spaced, are used.

    Returns:
        A new model of the same kind, not compiled; or a new layer.

    Raises:
        ValueError: For an unknown rule; if there is no mixture, or one in a place that can't be reached; for
            `"nearest"` without `x`; for a user's function that `keras.ops` can't trace.

    Example:
        >>> import keras
        >>> from keras_actsel import collapse, layers
        >>> mixture = layers.ActivationMixture(["linear", "relu"], name="mix")
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8), mixture, keras.layers.Dense(1)])
        >>> type(collapse(model).get_layer("mix")).__name__
        'LeakyReLU'
    """
    if rule not in RULES:
        raise ValueError(f"Unknown rule. Expected one of {RULES}. Received: {rule!r}.")
    if rule == "nearest" and x is None:
        raise ValueError(
            "The rule 'nearest' needs inputs of the model, over which functions are compared. "
            "Received: x=None. Expected what `model.predict` takes: pass `x=`."
        )
    if isinstance(model, keras.Layer) and not isinstance(model, keras.Model):
        return _collapsed_layer(model, rule, x)
    if isinstance(model, keras.Model) and not is_graph(model):
        raise ValueError(_own_class(model))
    return _collapsed_model(checked(model), rule, x)


def _own_class(model: Any) -> str:
    name = type(model).__name__
    return (
        f"The model {model.name!r} has a class of its own, {name}, so its layers can't be exchanged from outside. "
        "Expected a `keras.Sequential` or a `keras.Model(inputs, outputs)`. Collapse its mixtures one by one, "
        f"`act = collapse(model.act)`, give these to a new instance, such as `{name}(activation=act)`, and copy the "
        "weights of its other layers."
    )


def _collapsed_layer(layer: Any, rule: str, x: Any) -> Any:
    mixture = _mixture_in(layer)
    if mixture is None or not mixture.built:
        raise ValueError(
            f"Expected a model, or a built `ActivationMixture`. Received: {layer.name!r} of type "
            f"{type(layer).__name__}{'' if layer.built else ', which is not built: call its model once on data'}."
        )
    seen_there = None if rule != "nearest" else (x, ops.convert_to_numpy(layer(ops.convert_to_tensor(x))))
    combined = _combination(mixture, rule, seen_there)
    return stock_layer(_function(mixture, combined), layer.name, layer.dtype_policy)


def _collapsed_model(model: Any, rule: str, x: Any) -> Any:
    paths = Paths()
    flow = Flow(model, paths)
    places = _places(flow)
    values = _values(model, flow, places, x) if rule == "nearest" else {}
    found = {key: _combination(place.mixture, rule, values.get(key)) for key, place in places.items()}
    ends = {key: found[key] for key, place in places.items() if place.ends}
    left, folds = folded(flow, ends)
    functions = {key: _function(place.mixture, {**found, **left}[key]) for key, place in places.items()}
    builder = _Collapser(
        {p.path: Change(Spot(p.path, p.mixture), functions[key]) for key, p in places.items() if not p.keys},
        paths,
        edits={key: {p.keys: p.spelled(functions[key])} for key, p in places.items() if p.keys},
        dropped=[id(v) for p in places.values() for v in p.mixture.variables],
    )
    new = builder.model(model, "")
    builder.carry_over()
    for fold in folds:
        fold.apply(builder.made[id(fold.layer)])
    return new


class _Collapser(Builder):
    """Puts stock layers in the place of mixtures."""

    def applying(self, activation: Any, _: str, name: str, dtype: Any) -> Any:
        """The stock layer that applies a function."""
        return stock_layer(activation, name, dtype)


def _combination(mixture: Any, rule: str, values: Any) -> Combination:
    return nearest(mixture, *values) if rule == "nearest" else combination(mixture, rule == "largest")


def _function(mixture: Any, combined: Combination) -> Any:
    return stock_activation(combined, _free_shape(mixture), mixture.compute_dtype)


def _free_shape(mixture: Any) -> tuple[int | None, ...]:
    """A mixture's input shape, with None wherever another size will do as well."""
    shape = input_shape(mixture)
    if any(record.kind != "elementwise" for record in mixture.kept):
        return (None, *shape[1:])
    sizes = axis_sizes(mixture.name, mixture.axis, shape)
    return tuple(sizes.get(i) for i in range(len(shape)))


# Where mixtures are


@dataclass(frozen=True, eq=False)
class _Place:
    """An operation that is a mixture, or has one.

    Args:
        mixture: The mixture.
        path: The path of the operation, for one that is nothing but the mixture.
        keys: Else the way to the mixture through the operation's config.
        ends: Whether the operation's output is the mixture's.
    """

    mixture: Any
    path: str = ""
    keys: Keys = ()
    ends: bool = True

    def spelled(self, function: Any) -> Any:
        """What stands for the mixture in the operation's config."""
        if self.keys != ("layer",):
            return function
        return keras.saving.serialize_keras_object(stock_layer(function, self.mixture.name, self.mixture.dtype_policy))


def _mixture_in(op: Any) -> Any:
    """The mixture that a layer is, or applies as its activation; None for any other."""
    found = operations.activation_of(op) if operations.is_activation(op) else None
    return found if isinstance(found, layers.ActivationMixture) else None


def _places(flow: Flow) -> dict[int, _Place]:
    """The mixtures of a data flow by the id of the operation that has each.

    Raises:
        ValueError: If there are none, or one is out of reach.
    """
    found: dict[int, _Place] = {}
    for step in flow.steps:
        place = _place(step)
        if place is not None:
            found[id(step.op)] = place
        elif isinstance(step.op, keras.Layer):
            _check_holds_none(step.op)
    if not found:
        raise ValueError(
            "There is no `ActivationMixture` to collapse in the model. Expected one or more. "
            "`keras_actsel.replace(model, mixture)` puts them in."
        )
    return found


def _place(step: Step) -> _Place | None:
    for spot in step.spots:
        if isinstance(spot.activation, layers.ActivationMixture) and spot.activation.built and len(spot.keys) < 2:
            return _Place(spot.activation, "" if spot.keys else spot.path, spot.keys, spot.final)
    if isinstance(step.op, keras.layers.TimeDistributed) and (mixture := _mixture_in(step.op.layer)) is not None:
        return _Place(mixture, keys=("layer",), ends=False)
    return None


def _check_holds_none(op: Any) -> None:
    held = [part for part in sublayers(op).values() if isinstance(part, layers.ActivationMixture)]
    if held:
        raise ValueError(
            f"The layer {op.name!r} of type {type(op).__name__} holds the mixture {held[0].name!r} inside, where it "
            "can't be exchanged. Expected mixtures that are layers of the model, the `activation` of one of Keras's "
            f"layers, or in `TimeDistributed`. Make a new {type(op).__name__} with `collapse(mixture)` in its place."
        )


def _values(model: Any, flow: Flow, places: Mapping[int, _Place], x: Any) -> dict[int, Any]:
    """What goes into each mixture and comes out of it for the model's inputs x."""
    hidden = [place.mixture.name for place in places.values() if place.keys]
    if hidden:
        raise ValueError(
            f"The inputs of {', '.join(map(repr, hidden))} can't be seen, as it is part of another layer. Expected "
            "mixtures that are layers of the model for the rule 'nearest'. Use 'keep' or 'largest'."
        )
    order = list(dict.fromkeys(id(step.op) for step in flow.steps if id(step.op) in places))
    return dict(zip(order, seen(model, x), strict=True))
