"""`hp_activation`: the choice of an activation as a hyperparameter of keras-tuner."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import keras

from keras_actsel.tuner._errors import fatal
from keras_actsel.tuner._node import as_own_node
from keras_actsel.tuner._options import Option, Range, options


def hp_activation(
    hp: Any,
    name: str = "activation",
    candidates: Any = None,
    *,
    trainable: Sequence[str] = (),
    parent_name: str | None = None,
    parent_values: Any = None,
) -> Any:
    """Choose an activation in a build function of keras-tuner, as `hp.Choice` chooses a value.

    Args:
        hp: The `keras_tuner.HyperParameters` that the build function is given.
        name: The name of the hyperparameter. The same name with the same candidates is the same choice, at however
            many places.
        candidates: A list of names, spellings such as `"leaky_relu(negative_slope=0.1)"`, records, functions, or layers
            such as an `ActivationMixture`; keras-tuner stores and shows their text. A dict in the list, or in its
            place, says which parameters are searched too:
            `{"leaky_relu": {"negative_slope": (0.01, 0.3, "log")}}`, with a range (low, high), a range with its
            sampling, or a list of values. The parameter is the hyperparameter `"activation/leaky_relu/negative_slope"`,
            and is there only where leaky_relu is chosen. The first candidate is the default. Default: the shortlist
            of `select`.
        trainable: Names of parameters that training learns, in those candidates that have them, beside what a
            candidate such as `"prelu"` learns by itself.
        parent_name: As for `hp.Choice`: the hyperparameter on which this one depends,
        parent_values: and the values of it for which this one is there.

    Returns:
        A new layer: `layers.Activation`, or a copy of the candidate where that is a layer. Place it as a layer of its
        own. As `activation=` of another layer it raises if it has weights: Keras would make these too late for
        `tuner.get_best_models`. None where the parent has another value, as `hp.Choice` does.

    Raises:
        ValueError: At once for an unknown activation or parameter, for a name that stands for other values, and for a
            project directory that holds a search over other candidates. It is keras-tuner's `FatalValueError`, which
            stops a search.

    Example:
        >>> import keras, keras_tuner
        >>> from keras_actsel.tuner import hp_activation
        >>> candidates = ["relu", {"leaky_relu": {"negative_slope": (0.01, 0.3, "log")}}]
        >>> def build(hp):
        ...     model = keras.Sequential([keras.Input((4,))])
        ...     model.add(keras.layers.Dense(hp.Int("units", 8, 32, step=8)))
        ...     model.add(hp_activation(hp, candidates=candidates))
        ...     model.add(keras.layers.Dense(1))
        ...     model.compile("adam", "mse")
        ...     return model
        >>> hp = keras_tuner.HyperParameters()
        >>> model = build(hp)
        >>> hp.values
        {'units': 8, 'activation': 'relu'}
    """
    with fatal():
        found = options(candidates)
        check_trainable(trainable, found)
        with hp.conditional_scope(parent_name, parent_values) if parent_name else nullcontext():
            chosen = choose(hp, name, found)
        return None if chosen is None else as_own_node(chosen[0].layer(chosen[1], trainable), "hp_activation(...)")


def choose(hp: Any, name: str, found: Mapping[str, Option]) -> tuple[Option, dict[str, Any]] | None:
    """The option of a trial with values for its searched parameters; None where its condition does not hold.

    Raises:
        ValueError: If the hyperparameter has other values already.
    """
    key = hp.Choice(name, list(found))
    _check_declared(hp, name, Range(values=tuple(found)), "candidates")
    searched = {other: _parameters(hp, name, other, option) for other, option in found.items()}
    return None if key is None else (found[key], searched[key])


def check_trainable(trainable: Any, found: Mapping[str, Option]) -> None:
    if isinstance(trainable, (str, bool)):
        raise ValueError(f"trainable must be a list of parameters' names. Received: {trainable!r}.")
    records = [option.candidate for option in found.values() if not isinstance(option.candidate, keras.Layer)]
    known = {key for record in records for key in record.parameters}
    if unknown := [key for key in trainable if key not in known]:
        raise ValueError(f"No candidate has a parameter {unknown[0]!r} to learn. Expected some of: {sorted(known)}.")


def _parameters(hp: Any, name: str, key: str, option: Option) -> dict[str, Any]:
    """The values of a candidate's searched parameters; of one that was not chosen keras-tuner is told they exist."""
    values = {}
    for parameter, values_of in option.ranges.items():
        own = f"{name}/{key}/{parameter}"
        with hp.conditional_scope(name, [key]):
            values[parameter] = values_of.declare(hp, own, option.candidate.parameters[parameter])
        _check_declared(hp, own, values_of, f"values for {parameter!r}")
    return values


def _check_declared(hp: Any, name: str, wanted: Range, what: str) -> None:
    """A hyperparameter keeps the values that it was first declared with, whatever is asked for later."""
    declared = [known for known in hp.space if known.name == hp._get_name(name)]
    if len(declared) == 1 and wanted.agrees_with(declared[0]):
        return
    raise ValueError(
        f"The hyperparameter {declared[0].name!r} stands for other {what} already, or under another condition: "
        f"{'; '.join(map(str, declared))}. Received: {wanted}. Give each choice a name of its own. To leave out all "
        "but one, `hyperparameters.Fixed` is fine. If the tuner was reloaded from a project directory that holds "
        "another search, pass it overwrite=True or another project_name."
    )
