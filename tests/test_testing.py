"""The conformance kit finds what is broken on purpose, each in the check that is for it."""

import builtins
import math
import re

import keras
import numpy as np
import pytest
from keras import ops

from keras_actsel import layers, testing
from keras_actsel.activations import ActivationFunction, Parameter

pytest.importorskip("sympy")
pytest.importorskip("mpmath")

BACKEND = keras.backend.backend()
SIGMOID = {"formula": "1/(1 + exp(-x))", "derivative_formula": "sigmoid(x)*sigmoid(-x)"}
RELU = {"formula": "Max(x, 0)", "derivative_formula": "Piecewise((1, x > 0), (0, True))", "kinks": ("0",)}
SQUARE = {"formula": "x**2", "derivative_formula": "2*x"}
SCALED = {"formula": "x*scale", "parameters": {"scale": 0.5}}
STEP = {"formula": "Piecewise((1, x >= 0), (0, True))", "derivative_formula": "0", "kinks": ("0",)}


@keras.saving.register_keras_serializable(package="tests")
def soft(x):
    return ops.sigmoid(x)


def record(function=soft, cls=ActivationFunction, **facts):
    return cls(function, getattr(function, "__name__", "broken"), **{**SIGMOID, **facts})


@keras.saving.register_keras_serializable(package="tests")
class Forgetful(ActivationFunction):
    """Does not save its parameters."""

    def get_config(self):
        return {k: v for k, v in super().get_config().items() if k != "parameters"}

    @classmethod
    def from_config(cls, config):
        return ActivationFunction.from_config(config)


@keras.saving.register_keras_serializable(package="tests")
class Lossy(layers.Activation):
    """Starts again after loading."""

    def __init__(self, activation="prelu", **kwargs):
        super().__init__(activation, **kwargs)

    def build(self, input_shape):
        super().build(input_shape)
        self.alpha.assign(keras.random.normal(self.alpha.shape))

    def load_own_variables(self, store):
        pass


class Claims(ActivationFunction):
    """States facts that do not follow from the function."""

    gain = 2.0
    zero_centred = True
    bounded = False
    saturates = ("left",)


class Leaves(layers.Activation):
    """A layer with a fault for each policy and shape."""

    def compute_mask(self, inputs, mask=None):
        return None

    def compute_output_shape(self, input_shape):
        return (*input_shape, 1)

    def add_weight(self, **kwargs):
        return super().add_weight(**{**kwargs, "dtype": "float16"})


def outside(x):
    """Asks its values what to do, which no compiled function can; models are built from it all the same."""
    symbolic = keras.backend.is_keras_tensor(x)
    return ops.sigmoid(x) if symbolic or float(ops.max(x)) > -1e9 else x


def counts(x):
    return ops.sigmoid(x) * ops.cast(x.shape[0] * x.shape[1] / (x.shape[0] * x.shape[1]), x.dtype)


def stand_in(slope):
    def step(x):
        hard = ops.where(x >= 0, 1.0, ops.where(x < 0, 0.0, x))
        return ops.stop_gradient(hard) + slope * (x - ops.stop_gradient(x))

    return step


class Integral(ActivationFunction):
    """Leaves integers integers."""

    def __call__(self, x, **parameters):
        y = super().__call__(x, **parameters)
        return ops.cast(y, "int32") if "int" in str(getattr(x, "dtype", "")) else y


def drawn(x, seed=None):
    return x + 0.0 * x if seed is None else x + 100.0 * keras.random.uniform(ops.shape(x), seed=seed)


BROKEN = {
    "value": record(lambda x: ops.sigmoid(x) + 1e-3),
    "gradient": record(lambda x: ops.sigmoid(x) + 0.01 * (ops.sigmoid(x) - ops.stop_gradient(ops.sigmoid(x)))),
    "gradient_at_kinks": record(lambda x: ops.where(x >= 0, x, 0.0 * x), **RELU),
    "float16": record(
        lambda x: ops.sqrt(x * x + 1.0),
        formula="sqrt(x**2 + 1)",
        derivative_formula=None,
    ),
    "bfloat16": record(lambda x: ops.sigmoid(ops.cast(x, "float32"))),
    "derivative": record(derivative_formula="sigmoid(x)"),
    "surrogate": record(stand_in(0.5), **STEP, surrogate="1"),
    "nan": record(lambda x: ops.where(x > 0, x, 0.0), **RELU),
    "integers": record(cls=Integral),
    "symbolic": record(counts),
    "deterministic": record(lambda x: ops.sigmoid(x) + 0.1 * keras.random.uniform(ops.shape(x), dtype=x.dtype)),
    "stochastic": record(drawn, formula="x", derivative_formula="1", range=(-10.0, 10.0)),
    "record_copies": record(
        keras.saving.register_keras_serializable("tests")(lambda x, scale=0.5: x * scale), Forgetful, **SCALED
    ).with_parameters(scale=0.25),
    "parameter_gradients": record(lambda x, scale=0.5: x * ops.stop_gradient(ops.convert_to_tensor(scale)), **SCALED),
    "parameter_bounds": record(
        lambda x, scale=0.5: x * ops.sqrt(scale), formula="x*sqrt(scale)", parameters={"scale": 0.5}
    ),
    "range": record(range=(0.0, 2.0)),
    "kinks": record(ops.relu, **{**RELU, "kinks": ()}),
    "smoothness": record(smoothness=0),
    "monotonic": record(monotonic=False),
    "words": record(source="a friend"),
    "gain": record(cls=Claims),
    "zero_centred": record(cls=Claims),
    "bounded": record(cls=Claims, range=(0.0, 1.0)),
    "saturates": record(cls=Claims),
    "cost": record(cost="low"),
}


def found(activation, name, **kwargs):
    with pytest.raises(AssertionError, match=rf"fails 1 checks:\n  {name}: .") as caught:
        testing.check(activation, checks=[name], **kwargs)
    return str(caught.value)


@pytest.mark.parametrize("name", BROKEN)
def test_finds_what_is_broken(name):
    if name == "cost" and BACKEND != "jax":
        pytest.skip("counted on JAX")
    found(BROKEN[name], name)


def test_says_how_to_mend_a_derivative_that_overflows():
    factors = {"formula": "x*exp(-x**2)", "derivative_formula": "(1 - 2*x**2)*exp(-x**2)"}
    bump = record(lambda x: x * ops.exp(-x * x), **factors)
    message = found(bump, "derivative")
    assert "nan instead of a number at x = [-2.97" in message
    assert "Order its factors so that it does not, give a `stable_derivative`, or leave `derivative` out" in message
    ordered = record(bump.function, **{**factors, "derivative_formula": "exp(-x**2) - 2*(x*exp(-x**2))*x"})
    testing.check(ordered, checks=["derivative"])


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        (
            {"formula": "exq(x)"},
            "Can't read the formula 'exq(x)' of 'soft': unknown word 'exq'. Expected an expression",
        ),
        ({"formula": "x*slope"}, "unknown word 'slope'. Expected an expression in x, its parameters (none) and words"),
        ({"formula": "tanh(x"}, "Can't read the formula 'tanh(x' of 'soft': '(' was never closed."),
        ({"surrogate": "expit(x)"}, "Can't read the surrogate 'expit(x)'"),
        (
            {"derivative_formula": "sech(x)**2"},
            "Can't read the derivative 'sech(x)**2' of 'soft': unknown word 'sech'.",
        ),
        ({"kinks": ("zero",)}, "Can't read the kink 'zero' of 'soft': unknown word 'zero'."),
    ],
)
def test_texts_that_cannot_be_read_are_told_once(facts, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        testing.check(record(**facts))


def by_numpy(x):
    return np.tanh(x)


@pytest.mark.parametrize("function", [by_numpy, lambda x: x if float(ops.max(x)) > 0 else -x])
def test_a_function_that_is_not_of_keras_ops_is_told_once(function):
    with pytest.raises(
        ValueError, match=r"can't be called on a tensor without values.*written in `keras\.ops`, not in"
    ):
        testing.check(record(function))


def test_finds_nan_that_spreads():
    spreading = record(lambda x: ops.sigmoid(x) + 0.0 * ops.sum(x))
    assert "NaN spreads" in found(spreading, "nan")


@pytest.mark.skipif(BACKEND != "jax", reason="counted on JAX")
def test_finds_cost_that_is_in_many_cheap_operations():
    def polynomial(x):
        total = x
        for _ in range(20):
            total = 0.5 * (total + x)
        return total

    assert "none of the costly ones among 40 operations: high" in found(record(polynomial, cost="low"), "cost")


def test_finds_a_kink_where_nothing_jumps():
    assert "nothing jumps at the kink 1" in found(record(kinks=("1",)), "kinks")


@pytest.mark.skipif(BACKEND == "torch", reason="TorchDynamo breaks the graph there and goes on")
def test_finds_what_cannot_be_compiled():
    found(record(outside), "jit")


@pytest.mark.parametrize("name", ["masks", "layer"])
def test_finds_a_layer_that_leaves_something_out(name):
    found("sigmoid", name, layer=lambda **kwargs: Leaves("sigmoid", **kwargs))


def test_finds_learned_weights_in_half_precision():
    found("prelu", "mixed_precision", layer=lambda **kwargs: Leaves("prelu", **kwargs))


def test_finds_what_is_lost_on_saving():
    found("prelu", "saving", layer=Lossy)


def test_finds_learned_values_that_start_elsewhere():
    found("prelu", "parameter_shapes", layer=lambda **kwargs: layers.Activation("prelu", alpha=0.5, **kwargs))


def test_finds_a_bound_that_is_not_refused():
    class Lenient(ActivationFunction):
        def with_parameters(self, **parameters):
            return self

    limited = {"scale": Parameter(bounds=(0.0, math.inf))}
    lenient = record(lambda x, scale=0.5: x * scale, Lenient, **SCALED, specs=limited)
    assert "is out of bounds and no error" in found(lenient, "parameter_bounds")


def broken_rows(**facts):
    halves = {"kind": "shape_changing", "formula": None, "derivative_formula": None, "width": "1/2"}
    return record(lambda x, axis=-1: x[..., :3] * x[..., 3:], **{**halves, "parameters": {"axis": -1}, **facts})


@pytest.mark.parametrize(
    ("name", "facts"), [("axis", {}), ("width", {"width": "2"}), ("range_along_an_axis", {"range": (0.0, 1.0)})]
)
def test_finds_what_is_broken_along_an_axis(name, facts):
    found(broken_rows(**facts), name, reference=lambda x: x[..., :3] * x[..., 3:])


def test_finds_nan_that_spreads_to_other_rows():
    axiswise = ActivationFunction(lambda x: x - ops.mean(x), "rows", kind="axiswise")
    found(axiswise, "nan_along_an_axis", reference=lambda x: x)


def test_every_check_is_tried():
    tried = {*BROKEN, "jit", "masks", "layer", "mixed_precision", "saving", "parameter_shapes"}
    assert tried | {"axis", "width", "range_along_an_axis", "nan_along_an_axis"} == set(testing.CHECKS)


def test_passes_a_good_record_of_a_user():
    testing.check(record(range=(0.0, 1.0), smoothness=math.inf, monotonic=True, cost="medium"))


def test_passes_a_reference_in_place_of_a_formula():
    plain = ActivationFunction(soft, "soft")
    testing.check(plain, reference=lambda x: 0.5 * (1.0 + np.tanh(0.5 * x)))


def test_lists_every_failed_check():
    with pytest.raises(AssertionError, match=r"fails 2 checks:\n  monotonic: .*\n  range: "):
        testing.check(record(range=(0.0, 2.0), monotonic=False), checks=["monotonic", "range", "value"])


def test_says_what_is_missing(monkeypatch):
    with pytest.raises(ValueError, match=re.escape("Can't check 'soft' of kind 'elementwise' without something")):
        testing.check(ActivationFunction(soft, "soft"))
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "mpmath":
            raise ModuleNotFoundError("No module named 'mpmath'", name="mpmath")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=re.escape('pip install "keras-actsel[testing]"')):
        testing.check("relu", checks=["value"])
