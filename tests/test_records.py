"""Records: how they are copied, compared, given parameters and looked up; and the examples in docstrings."""

import copy
import pickle
import re

import keras
import numpy as np
import pytest
from keras import ops

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


@pytest.mark.parametrize("record", [r for r in RECORDS if r.kind == "elementwise"], ids=str)
def test_printed_derivative_is_that_of_the_formula(record):
    """At 50 digits, whatever is computed on tensors; the kit compares that."""
    pytest.importorskip("sympy")
    exact = pytest.importorskip("keras_actsel.testing._exact")
    x = np.array([p for p in exact.inputs(()) if 0 < abs(p) <= 50 and p not in record.kink_points])  # at 0 limits
    true = exact.derivative(exact.expression(record.formula, record.parameters))
    printed = exact.expression(record.derivative_formula, record.parameters)
    np.testing.assert_allclose(exact.at_numbers(printed, x), exact.at_numbers(true, x), rtol=1e-14, atol=1e-300)


# Vectors: their length, and what they start as


@pytest.mark.parametrize(
    ("name", "target", "reach", "error"),
    [
        ("rational", "silu", 3, 1e-5),
        ("rational", "tanh", 3, 1e-5),
        ("rational", "gelu", 3, 3e-3),
        ("rational", "relu", 3, 4e-2),
        ("rational", "hard_tanh", 3, 6e-2),
        ("linear_spline", "gelu", 4, 2.5e-2),
        ("linear_spline", "leaky_relu(negative_slope=0.1)", 4, 1e-6),
    ],
)
def test_learned_shapes_start_at_a_named_function(name, target, reach, error):
    layer = layers.Activation(activations.fitted(name, to=target))
    x = np.linspace(-reach, reach, 1001, dtype="float32")[:, None]
    y, wanted = (ops.convert_to_numpy(f(x)) for f in (layer, activations.get(target)))
    assert np.abs(y - wanted).max() < error
    assert layer.trainable_weights


@pytest.mark.parametrize("target", ["gelu", "mish", "elu", "selu"])
def test_a_fitted_denominator_has_no_zero_but_at_0(target):
    c = activations.fitted("rational", to=target).parameters["denominator"]
    x = np.linspace(-100, 100, 2001)
    x = x[x != 0]
    assert (x * (c[0] + x * (c[1] + x * (c[2] + x * c[3]))) > 0).all()


def test_an_apl_has_as_many_hinges_as_it_is_given():
    slopes, hinges = [0.1, -0.2, 0.3, 0.1, 0.05], [-2, -1, 0.5, 1, 2]
    layer = layers.APL(slopes=slopes, hinges=hinges)
    x = np.linspace(-3, 3, 60, dtype="float32").reshape(10, 6)
    expected = np.maximum(x, 0) + sum(a * np.maximum(b - x, 0) for a, b in zip(slopes, hinges, strict=True))
    np.testing.assert_allclose(ops.convert_to_numpy(layer(x)), expected, rtol=1e-5, atol=1e-6)
    assert [tuple(w.shape) for w in layer.trainable_weights] == [(5, 6), (5, 6)]
    again = rebuilt(layer.activation)
    assert again == layer.activation
    assert again.formula is None  # it speaks of two


def test_geglu_takes_either_gelu():
    x = np.array([[2.0, -1.0, 0.5, 1.5]], "float32")
    for approximate in (False, True):
        gated = activations.get("geglu", approximate=approximate)(x)
        gelu = activations.get("gelu", approximate=approximate)
        np.testing.assert_allclose(ops.convert_to_numpy(gated), x[:, :2] * ops.convert_to_numpy(gelu(x[:, 2:])), 1e-6)


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
        (
            lambda: activations.ActivationFunction.from_config({"name": "mine"}),
            "What was saved uses the activation 'mine', which is not in the catalogue. If it is one of your own, "
            "import the module that defines it before loading.",
        ),
        (
            lambda: activations.catalogue(smooth=1),
            "Records have no fact ['smooth']. Did you mean 'smoothness'? Expected some of: ['agrees_with_keras', ",
        ),
        (lambda: activations.catalogue(belongs="hiden"), "Unknown belongs 'hiden'. Did you mean 'hidden'? Expected"),
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
        (
            lambda: activations.get("rational", numerator=[1.0]),
            "Parameter 'numerator' of 'rational' must be 6 numbers. Received: [1.0].",
        ),
        (
            lambda: activations.get("apl", slopes=[]),
            "Parameter 'slopes' of 'apl' must be one or more numbers. Received: [].",
        ),
        (
            lambda: layers.APL(slopes=[0] * 5)(np.ones((1, 4))),
            "'apl' needs as many slopes as hinges. Received: 5 slopes and 2 hinges. Give both, in equal numbers.",
        ),
        (
            lambda: activations.fitted("apl", to="gelu"),
            "'apl' can't be fitted to another activation. Expected one of ['linear_spline', 'rational'].",
        ),
        (
            lambda: activations.fitted("rational", to="softmax"),
            "'softmax' is axiswise, so nothing can be fitted to it. Expected elementwise.",
        ),
        (
            lambda: activations.fitted("rational", to=lambda x: 1 / ops.relu(x)),
            "is not finite at x = -3, so can't be fitted.",
        ),
    ],
)
def test_error_messages(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
