"""`collapse`: a model whose activations of this package have become stock Keras layers."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import keras
from keras import ops

from keras_actsel.surgery._config import Keys
from keras_actsel.surgery._fold import Fold, folded
from keras_actsel.surgery._graph import checked, is_graph
from keras_actsel.surgery._nearest import nearest, seen
from keras_actsel.surgery._own import Place, alone, places
from keras_actsel.surgery._rebuild import Builder, Change
from keras_actsel.surgery._sites import Flow, Paths
from keras_actsel.surgery._stock import stock_layer
from keras_actsel.surgery._terms import Combination, combination, plain

RULES = ("keep", "largest", "nearest")


def collapse(model: Any, rule: str = "keep", x: Any = None) -> Any:
    """A copy of a trained model in which stock Keras layers stand for all activations of this package.

    It can be saved, loaded, trained and exported without this package. All other weights and state, names, dtypes,
    shared layers and what is frozen are kept. Each `ActivationMixture` becomes

    - with `"keep"` the combination it has learned, exactly. Candidates whose coefficient is 0 are left out, and lines
      with their only kink at 0 (linear, relu, leaky_relu, prelu) become one leaky relu.
    - with `"largest"` the candidate of the largest share, for each channel its own if it has an `axis`; of equal ones
      the first. It stays on the mixture's scale, for which the layers behind were trained: standardized candidates
      enter as (f_k - mu_k)/sigma_k, with `initial` as mu_i + sigma_i (f_k - mu_k)/sigma_k. In a linear
      combination, whose coefficients have no fixed sum, it also keeps its own coefficient.
    - with `"nearest"` a + b f for the elementwise function f of the catalogue, at its default parameters, that is
      closest by least squares over the inputs seen in `x`. Of a mixture with an `axis`, f is one for the layer, so
      that it is computed once, and a and b differ by channel.

    Any other activation of this package (`layers.Mish()`, a record as `activation=`) stays the same function under
    every rule. Learned parameters become constants, and functions that are random in training, such as rrelu,
    become what they are in inference.

    An activation that Keras has is then `keras.layers.Activation` of Keras's own function or `LeakyReLU`; any other is
    `keras.layers.Activation` of a small model of `keras.ops` nodes, named after its functions, such as "relu_tanh".
    A Sequential model so stays Sequential. What changes the shape (`glu`) becomes that small model itself. Factors and
    offsets of mixtures, of a sum the factor of its heaviest function, are folded into the kernels and biases of the
    Dense and convolution layers behind, through dropout, flattening and pooling where these commute with them. A factor
    of such a layer's kernel also changes its regularization loss.

    Args:
        model: A built `keras.Sequential` or `keras.Model(inputs, outputs)`, which is left as it is. Or one built
            activation layer of this package, for models of a class of their own: what comes back is a layer for a new
            instance.
        rule: `"keep"`, `"largest"` or `"nearest"`.
        x: For `"nearest"`: inputs as `model.predict` takes them, some hundred are enough. Of arrays at most 1024
            samples, evenly spaced, are used.

    Returns:
        A new model of the same kind, not compiled; or a new layer.

    Raises:
        ValueError: For an unknown rule; if there is no activation of this package, or one in a place that can't be
            reached; for `"nearest"` without `x`; for a user's function that `keras.ops` can't trace; for one that Keras
            does not have, where it is called on inputs of several numbers of axes.

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
    other = " Or collapse `keras.Model(model.inputs, model.outputs)`." if getattr(model, "inputs", None) else ""
    return (
        f"The model {model.name!r} has a class of its own, {name}, so its layers can't be exchanged from outside. "
        "Expected a `keras.Sequential` or a `keras.Model(inputs, outputs)`. Collapse its activations one by one, "
        f"`act = collapse(model.act)`, give these to a new instance, such as `{name}(activation=act)`, and copy the "
        f"weights of its other layers.{other}"
    )


def _collapsed_layer(layer: Any, rule: str, x: Any) -> Any:
    if (place := alone(layer)) is None:
        raise ValueError(
            "Expected a model, or a built activation layer of keras_actsel, such as an `ActivationMixture`. Received: "
            f"{layer.name!r} of type {type(layer).__name__}"
            f"{'' if layer.built else ', which is not built: call its model once on data'}."
        )
    seen_there = None if rule != "nearest" else (x, ops.convert_to_numpy(layer(ops.convert_to_tensor(x))))
    function = place.function(_combination(place, rule, seen_there))
    return stock_layer(function, layer.name, layer.dtype_policy, layer.activity_regularizer)


def _collapsed_model(model: Any, rule: str, x: Any) -> Any:
    paths = Paths()
    flow = Flow(model, paths)
    found = _some(places(flow))
    values = _values(model, flow, found, x) if rule == "nearest" else {}
    whole = {place: _combination(place, rule, values.get(id(place.op))) for place in found}
    left, folds = _folded(flow, whole)
    return _rebuilt(model, flow, paths, {place: place.function(left[place]) for place in found}, folds)


def _some(found: list[Place]) -> list[Place]:
    if not found:
        raise ValueError(
            "There is no activation of keras_actsel to collapse in the model. Expected one or more, such as an "
            "`ActivationMixture`, which `keras_actsel.replace(model, mixture)` puts in."
        )
    return found


def _combination(place: Place, rule: str, values: Any) -> Combination:
    if not place.is_mixture:
        return plain(place.activation)
    return nearest(place.activation, *values) if rule == "nearest" else combination(place.activation, rule == "largest")


def _folded(flow: Flow, whole: Mapping[Place, Combination]) -> tuple[dict[Place, Combination], list[Fold]]:
    """What is left of each combination once layers behind the mixtures have taken constants in, and these."""
    ends = {id(place.op): place for place in whole if place.is_mixture and place.ends}
    left, folds = folded(flow, {key: whole[place] for key, place in ends.items()})
    return {**whole, **{place: left[key] for key, place in ends.items()}}, folds


def _rebuilt(model: Any, flow: Flow, paths: Paths, functions: Mapping[Place, Any], folds: Sequence[Fold]) -> Any:
    """The copy of a model with functions in the places of activations."""
    edits: dict[int, dict[Keys, Any]] = {}
    for place, function in functions.items():
        if place.keys:
            edits.setdefault(id(place.op), {})[place.keys] = place.spelled(function)
    gone = [id(v) for p in functions for v in getattr(p.activation, "variables", ())]
    builder = _Collapser(_plan(flow, functions), paths, edits=edits, dropped=gone)
    new = builder.model(model, "")
    builder.carry_over()
    for fold in folds:
        fold.apply(builder.made[id(fold.layer)])
    return new


def _plan(flow: Flow, functions: Mapping[Place, Any]) -> dict[str, Change]:
    """The layers that take the place of activations, by the path of each call."""
    makers = {
        id(place.op): partial(stock_layer, function, regularizer=place.op.activity_regularizer)
        for place, function in functions.items()
        if not place.keys
    }
    steps = [step for step in flow.steps if id(step.op) in makers]
    return {spot.path: Change(spot, makers[id(step.op)]) for step in steps for spot in step.spots}


class _Collapser(Builder):
    """Puts stock layers in the place of activations."""

    def applying(self, activation: Any, _: str, name: str, dtype: Any) -> Any:
        """The stock layer that applies a function."""
        return activation(name=name, dtype=dtype)


def _values(model: Any, flow: Flow, found: Sequence[Place], x: Any) -> dict[int, Any]:
    """What goes into each mixture and comes out of it for the model's inputs x."""
    mixtures = [place for place in found if place.is_mixture]
    hidden = [repr(place.activation.name) for place in mixtures if place.keys]
    if hidden:
        raise ValueError(
            f"The inputs of {', '.join(hidden)} can't be seen, as it is part of another layer. Expected "
            "mixtures that are layers of the model for the rule 'nearest'. Use 'keep' or 'largest'."
        )
    known = {id(place.op) for place in mixtures}
    order = list(dict.fromkeys(id(step.op) for step in flow.steps if id(step.op) in known))
    return dict(zip(order, seen(model, x), strict=True)) if order else {}
