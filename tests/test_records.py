"""Records: how they are copied, compared, given parameters and looked up; and the examples in docstrings."""

import copy
import pickle
import re

import keras
import numpy as np
import pytest

from keras_actsel import activations, layers

RECORDS = [r for r in activations.catalogue() if r.function.__module__.startswith("keras_actsel.")]


def rebuilt(record):
    """The record after a round trip through its configuration."""
    return keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(record))


@pytest.mark.parametrize("record", [*RECORDS, activations.get("elu", alpha=0.5)], ids=str)
def test_records_are_copied_by_name(record):
    for again in (pickle.loads(pickle.dumps(record)), copy.deepcopy(record), rebuilt(record)):
        assert again == record
        assert hash(again) == hash(record)
        assert again.function is record.function


def test_records_differ_by_function_and_parameters():
    mish, elu = activations.get("mish"), activations.get("elu")
    assert activations.get(lambda x: x) != activations.get(lambda x: 2 * x)
    assert elu != activations.get("elu", alpha=0.5)
    assert elu.with_parameters(alpha=1.0) is elu
    assert mish != "mish"
    assert len({mish, activations.get("mish"), elu, activations.get("elu", alpha=0.5)}) == 3


def test_catalogue_is_queried_by_facts():
    names = [record.name for record in activations.catalogue(monotonic=False, kind="elementwise")]
    assert names == sorted(names)
    assert {"gelu", "hard_silu", "mish", "silu"} <= set(names)
    assert not {"relu", "tanh", "glu"} & set(names)


def test_integer_values_of_a_parameter_can_be_learned():
    layer = layers.Activation("leaky_relu", negative_slope=1, trainable="negative_slope")
    assert repr(layer.activation) == "leaky_relu(negative_slope=1.0)"
    assert activations.get("elu", alpha=np.float32(0.5)) == activations.get("elu", alpha=0.5)


# Errors


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: activations.get("leaky_relu", negativ_slope=1.0),
            "'leaky_relu' has no parameter 'negativ_slope'. Did you mean "
            "'negative_slope'? Its parameters: negative_slope.",
        ),
        (lambda: activations.get("mish", alpha=1.0), "'mish' has no parameter 'alpha'. Its parameters: none."),
        (lambda: activations.get("elu", alpha="big"), "Parameter 'alpha' of 'elu' must be a number. Received: 'big'."),
        (lambda: activations.get("elu", alpha=None), "Parameter 'alpha' of 'elu' must be a number. Received: None."),
        (lambda: activations.get("elu", alpha=float("nan")), "Parameter 'alpha' of 'elu' must be a number."),
        (lambda: activations.get("softmax", axis=0.5), "Parameter 'axis' of 'softmax' must be an integer."),
        (lambda: activations.get("gelu", approximate=1), "Parameter 'approximate' of 'gelu' must be True or False."),
        (
            lambda: activations.get("relu(6)"),
            "Could not read the activation 'relu(6)'. Expected a name, or a name with "
            'parameters such as "leaky_relu(negative_slope=0.1)".',
        ),
        (
            lambda: activations.get(keras.layers.ReLU(name="r")),
            "Expected an activation function. Received the layer "
            "'r'. Use the layer itself where a layer is wanted, as a node of its own.",
        ),
        (
            lambda: activations.get(3),
            "An activation is given by its name, a record or a function. Received: 3 of type "
            "int. `catalogue()` lists all names.",
        ),
        (lambda: activations.catalogue(smooth=1), "Records have no fact ['smooth']. Expected some of: ["),
        (lambda: activations.activation(slope=1), "Unknown facts ['slope']. Expected some of: ["),
        (lambda: activations.activation(kind="odd"), "Unknown kind 'odd'. Expected one of ('elementwise', "),
        (
            lambda: activations.activation()(keras.activations.relu),
            "The name 'relu' is taken by relu of keras_actsel.activations._rectified. Choose another name.",
        ),
        (
            lambda: activations.activation()(lambda x, slope: x),
            "Parameters of '<lambda>' need default values. Received none for: ['slope'].",
        ),
        (lambda: activations.get("glu").derivative(np.ones((1, 4))), "glu has no closed derivative."),
    ],
)
def test_error_messages(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
