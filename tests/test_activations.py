"""The catalogue, entry by entry: one table of spellings, checked against 120-digit values and against its own facts."""

import importlib.util
import inspect
import itertools
import json
import math
import re
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from keras_actsel import activations, layers

FOLDER = Path(__file__).with_name("golden")
GOLDEN = json.loads((FOLDER / "activations.json").read_text())
BACKEND = keras.backend.backend()
RECORDS = activations.catalogue()
SPELLINGS = sorted({*GOLDEN, *(record.name for record in RECORDS)})
KINDS = {spelling: activations.get(spelling).kind for spelling in SPELLINGS}
ELEMENTWISE = [spelling for spelling in SPELLINGS if KINDS[spelling] == "elementwise"]
OF_AXIS = [spelling for spelling in SPELLINGS if KINDS[spelling] != "elementwise"]
KERAS_NAMES = sorted(
    n
    for n, f in vars(keras.activations).items()
    if inspect.isfunction(f) and n not in ("get", "serialize", "deserialize")
)

EPSILON = {"float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}
LARGEST = {"float32": 3.4e38, "float16": 65504.0, "bfloat16": 3.38e38}
TINY = {"float32": 2.0**-126, "float16": 2.0**-14, "bfloat16": 2.0**-126}

# TensorFlow's kernel computes exp(x) - 1 as written, so tiny results are right to the last place of 1 only. It stays,
# because it is what exporters know; expm1 they do not.
COARSE_NEAR_ZERO = {("tensorflow", name) for name in ("celu", "elu", "selu")}

# PyTorch's fused kernel computes x*(1 + erf(x/sqrt(2))) before it halves, which overflows above 1.7e38. A kernel of
# our own would cost every user of gelu several times its speed for inputs that no network survives.
OVERFLOWS = {("torch", "gelu"): 1.7e38}


def exact_in(dtype, x):
    """Whether a number is exact in the dtype."""
    if dtype == "bfloat16":
        return (np.float32(x).view(np.uint32) & 0xFFFF) == 0
    with np.errstate(over="ignore"):
        return float(np.dtype(dtype).type(x)) == x


def golden_rows(spelling, dtype):
    """Points, values and slopes as float64 arrays; slopes are NaN at kinks."""
    limit = OVERFLOWS.get((BACKEND, spelling), math.inf)
    rows = [r for r in GOLDEN[spelling] if exact_in(dtype, r[0]) and abs(r[0]) < limit]
    rows = [rows[i % len(rows)] for i in range(96)]  # one shape for all, which JAX compiles once
    return np.array([[math.nan if v is None else v for v in row] for row in rows]).T


def tensor(values, dtype="float32"):
    return ops.cast(ops.convert_to_tensor(np.asarray(values, "float32")), dtype)


def assert_near(actual, exact, dtype, units=4.0):
    """Equal to a few units of the last place, relative and absolute, where the exact value fits the dtype at all."""
    fits = np.abs(exact) < LARGEST[dtype]
    allowed = EPSILON[dtype] * (8.0 * np.abs(exact) + units) + TINY[dtype]
    wrong = fits & ~(np.abs(actual - exact) <= allowed)
    assert not wrong.any(), f"at {np.flatnonzero(wrong)}: {actual[wrong]} instead of {exact[wrong]}"


def slope_units(dtype):
    """Terms such as x*(1 - tanh(x)**2) lose a digit; half types are too coarse to show it."""
    return 32.0 if dtype == "float32" else 4.0


# Values and slopes


def test_every_entry_has_golden_values():
    assert {record.name for record in RECORDS} <= set(GOLDEN), "run tests/golden/make.py"


def test_golden_file_is_current():
    pytest.importorskip("sympy")
    pytest.importorskip("mpmath")
    spec = importlib.util.spec_from_file_location("make_golden", FOLDER / "make.py")
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    assert set(GOLDEN) == {*(record.name for record in RECORDS), *make.VARIANTS}
    stale = [spelling for spelling in SPELLINGS if make.golden(spelling) != GOLDEN[spelling]]
    assert not stale, f"run tests/golden/make.py: {stale}"


@pytest.mark.parametrize("dtype", EPSILON)
@pytest.mark.parametrize("spelling", ELEMENTWISE)
def test_values(spelling, dtype, numpy_of):
    x, exact, _ = golden_rows(spelling, dtype)
    y = activations.get(spelling)(tensor(x, dtype))
    assert keras.backend.standardize_dtype(y.dtype) == dtype
    coarse = (BACKEND, spelling.partition("(")[0]) in COARSE_NEAR_ZERO
    assert_near(numpy_of(y), exact, dtype, units=8.0 if coarse else 8.0 * np.minimum(np.abs(x), 1.0))


@pytest.mark.parametrize("dtype", EPSILON)
@pytest.mark.parametrize("spelling", ELEMENTWISE)
def test_gradients(spelling, dtype, gradient, numpy_of):
    record = activations.get(spelling)
    x, _, exact = golden_rows(spelling, dtype)
    slopes = gradient(record, tensor(x, dtype))
    kinks = np.isnan(exact)
    assert_near(slopes[~kinks], exact[~kinks], dtype, slope_units(dtype))
    # At a kink the record says which of the slopes training uses; all backends must agree with it.
    assert_near(slopes[kinks], numpy_of(record.derivative(tensor(x)))[kinks], dtype)


@pytest.mark.parametrize("spelling", ELEMENTWISE)
def test_closed_derivative(spelling, numpy_of):
    x, _, exact = golden_rows(spelling, "float32")
    slopes, smooth = numpy_of(activations.get(spelling).derivative(tensor(x))), ~np.isnan(exact)
    assert_near(slopes[smooth], exact[smooth], "float32", slope_units("float32"))


@pytest.mark.parametrize("dtype", EPSILON)
@pytest.mark.parametrize("spelling", OF_AXIS)
def test_values_and_gradients_along_an_axis(spelling, dtype, gradient, numpy_of):
    record = activations.get(spelling)
    weights = np.array([1.0, -0.5, 0.25, 2.0, -1.0, 0.75], "float32")
    for row, exact, exact_gradient, diagonal in GOLDEN[spelling]:
        if not all(exact_in(dtype, v) for v in row):
            continue
        x, w = tensor([row], dtype), tensor([weights[: len(exact)]], dtype)
        assert_near(numpy_of(record(x))[0], np.array(exact), dtype)
        size = 4.0 * max(1.0, *np.abs(exact_gradient))
        slopes = gradient(lambda t, w=w: record(t) * w, x)[0]
        np.testing.assert_allclose(slopes, exact_gradient, atol=size * EPSILON[dtype])
        if record.derivative_formula is not None:
            assert_near(numpy_of(record.derivative(x))[0], np.array(diagonal), dtype)


@pytest.mark.parametrize("name", OF_AXIS)
def test_axis(name, numpy_of):
    x = np.random.default_rng(0).normal(size=(3, 4, 2)).astype("float32")
    moved = numpy_of(activations.get(name)(np.moveaxis(x, 1, -1)))
    np.testing.assert_allclose(numpy_of(activations.get(name, axis=1)(x)), np.moveaxis(moved, -1, 1), rtol=1e-6)


def test_sparsemax_with_masked_and_huge_entries(numpy_of):
    y = numpy_of(activations.get("sparsemax")(np.array([[-math.inf, 3e38, -3e38, 3e38]], "float32")))
    np.testing.assert_array_equal(y, [[0.0, 0.5, 0.0, 0.5]])


# Inputs of all sorts


@pytest.mark.parametrize("spelling", ELEMENTWISE)
def test_nan_stays_and_does_not_spread(spelling, gradient, numpy_of):
    record = activations.get(spelling)
    x = tensor([math.nan, 0.75, -0.75])
    y, slopes = numpy_of(record(x)), gradient(record, x)
    assert np.isnan(y).tolist() == [True, False, False]
    assert np.isfinite(slopes[1:]).all()


@pytest.mark.parametrize("name", OF_AXIS)
def test_nan_stays_along_an_axis(name, numpy_of):
    y = numpy_of(activations.get(name)(tensor([[math.nan, 0.5, -1.0, 2.0], [0.0, 0.5, -1.0, 2.0]])))
    assert np.isnan(y[0, 0])
    assert np.isfinite(y[1]).all()


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_integers_become_floats(spelling, numpy_of):
    record = activations.get(spelling)
    whole = np.array([[-4, -1, 0, 2]])
    y = record(whole)
    assert keras.backend.standardize_dtype(y.dtype) == keras.config.floatx()
    np.testing.assert_array_equal(numpy_of(y), numpy_of(record(whole.astype("float32"))))


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_symbolic_shape_and_dtype(spelling):
    y = activations.get(spelling)(keras.KerasTensor((None, 4), "float16"))
    assert y.shape == ((None, 2) if KINDS[spelling] == "shape_changing" else (None, 4))
    assert y.dtype == "float16"


# Parameters that are tensors: what a layer passes when it learns them


@pytest.mark.parametrize(
    ("spelling", "parameter"),
    [
        ("celu(alpha=0.5)", "alpha"),
        ("elu(alpha=0.5)", "alpha"),
        ("leaky_relu", "negative_slope"),
        ("prelu", "alpha"),
        ("relu(negative_slope=0.1, threshold=1.0, max_value=2.5)", "negative_slope"),
        ("relu(negative_slope=0.1, threshold=1.0, max_value=2.5)", "threshold"),
        ("relu(negative_slope=0.1, threshold=1.0, max_value=2.5)", "max_value"),
        ("soft_shrink", "threshold"),
        ("squareplus(b=0.25)", "b"),
        ("threshold(default_value=-1.0)", "default_value"),
    ],
)
def test_gradient_of_a_parameter(spelling, parameter, gradient, numpy_of):
    record = activations.get(spelling)
    x = tensor([-3.3, -1.7, -0.2, 0.3, 1.6, 2.1, 3.2, 1e4])
    value, step = np.float32(record.parameters[parameter]), np.float32(2.0**-6)
    slope = gradient(lambda p: record(x, **{parameter: p}), np.full(8, value))
    up, down = (numpy_of(record(x, **{parameter: tensor(value + s * step)})) for s in (1, -1))
    np.testing.assert_allclose(slope, (up - down) / (2 * step), rtol=5e-3, atol=1e-3)
    assert np.abs(slope).max() > 0.05


@pytest.mark.parametrize("spelling", [s for s in ELEMENTWISE if activations.get(s).parameters and s != "gelu"])
def test_tensors_as_parameters_keep_values_and_dtype(spelling, numpy_of):
    record = activations.get(spelling)
    numbers = {k: v for k, v in record.parameters.items() if isinstance(v, float)}
    x = tensor([-3.25, -1.0, 0.0, 0.5, 2.0], "float16")
    y = record(x, **{key: tensor(value, "float16") for key, value in numbers.items()})
    assert keras.backend.standardize_dtype(y.dtype) == "float16"
    np.testing.assert_allclose(numpy_of(y), numpy_of(record(x)), rtol=2e-3, atol=2e-3)


def test_parameters_that_must_be_positive_have_bounds():
    limited = {f"{r.name}.{key}" for r in RECORDS for key, spec in r.specs.items() if spec.bounds == (0, math.inf)}
    assert limited == {
        *("celu.alpha", "elu.alpha", "hard_shrink.threshold", "relu.max_value", "soft_shrink.threshold"),
        "squareplus.b",
    }


@pytest.mark.parametrize(
    ("name", "key"), [(r.name, k) for r in RECORDS for k, s in r.specs.items() if math.isfinite(s.bounds[0])]
)
def test_parameters_out_of_bounds(name, key):
    low, high = activations.get(name).specs[key].bounds
    message = f"Parameter {key!r} of {name!r} must lie between {low:g} and {high:g}. Received: {low!r}."
    with pytest.raises(ValueError, match=re.escape(message)):
        activations.get(name, **{key: low})


# Keras


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("name", KERAS_NAMES)
def test_equals_keras(name, dtype, numpy_of):
    if name == "threshold":  # Keras has no defaults
        theirs, ours = (lambda x: keras.activations.threshold(x, 1.0, 0.0)), activations.get(name)
    else:
        theirs = getattr(keras.activations, name)
        ours = activations.get(theirs)
    # squareplus: Keras's cancels for negative x, and its x**2 overflows in float16 from 256 on.
    # sparsemax: Keras's is right only where one entry takes all or all are equal; see its docstring.
    limit = 4.0 if ours.name == "squareplus" else 1e4
    points = [x for x in golden_rows("relu", dtype)[0] if abs(x) <= limit]
    rows = [[0.0] * 6, [0.5, -1.0, 2.0, 0.0, 0.25, -3.0]] if ours.name == "sparsemax" else [r[0] for r in GOLDEN["glu"]]
    x = tensor(rows if ours.kind != "elementwise" else points, dtype)
    np.testing.assert_allclose(numpy_of(ours(x)), numpy_of(theirs(x)), rtol=8 * EPSILON[dtype], atol=4 * EPSILON[dtype])


def test_every_function_of_keras_is_here():
    names = {record.name for record in RECORDS} | {a for record in RECORDS for a in record.aliases}
    assert set(KERAS_NAMES) <= names
    assert {"binary_step", "prelu", "swish"} <= names


@pytest.mark.parametrize("name", KERAS_NAMES)
def test_parameters_are_those_of_keras(name):
    _, *theirs = inspect.signature(getattr(keras.activations, name)).parameters.values()
    ours = activations.get(name).parameters
    assert list(ours) == [p.name for p in theirs]
    assert name == "threshold" or [*ours.values()] == [p.default for p in theirs]


@pytest.mark.skipif(BACKEND == "jax", reason="JAX arrays carry no attributes, so Keras has no logits to find")
@pytest.mark.parametrize("name", ["sigmoid", "softmax"])
def test_logits_reach_the_loss(name):
    x = tensor([[40.0, -40.0]])
    assert activations.get(name)(x)._keras_logits is x


# Facts


def sampled(record, numpy_of):
    """A fine grid with no kink on it, f and f' there, and which steps of the grid straddle a kink."""
    x = np.arange(-6.0, 6.0, 2.0**-8) + 2.0**-10
    kinks = kinks_of(record)
    straddles = np.array([any(a < k < b for k in kinks) for a, b in itertools.pairwise(x)])
    return x, numpy_of(record(tensor(x))), numpy_of(record.derivative(tensor(x))), straddles


def kinks_of(record):
    """The kinks as numbers; the formulas are plain arithmetic of parameters."""
    values = [eval(text, {}, dict(record.parameters)) for text in record.kinks]
    return [float(v) for v in values if v is not None]


def jumps(values, size=0.02):
    """Where neighbours differ by more than a smooth function's would on the grid."""
    return np.abs(np.diff(values)) > size * (1.0 + np.abs(values[1:]))


@pytest.mark.parametrize("spelling", ELEMENTWISE)
def test_kinks_are_where_function_or_slope_jumps(spelling, numpy_of):
    record = activations.get(spelling)
    _, f, slope, straddles = sampled(record, numpy_of)
    broken = jumps(f) | jumps(slope)
    assert not (broken & ~straddles).any(), "a jump that `kinks` does not name"
    # An elu has its kink for other values of alpha than the default.
    expected = 0 if spelling == "elu" else sum(abs(k) < 6.0 for k in kinks_of(record))
    assert np.count_nonzero(broken & straddles) == expected, "a kink where nothing jumps"


@pytest.mark.parametrize("name", [r.name for r in RECORDS if r.kind == "elementwise"])
def test_smoothness(name, numpy_of):
    record = activations.get(name)
    x, f, slope, _ = sampled(record, numpy_of)
    curvature = np.diff(slope) / np.diff(x)
    orders = [jumps(f).any(), jumps(slope).any(), jumps(curvature, 0.1).any()]
    measured = orders.index(True) - 1 if True in orders else math.inf
    assert record.smoothness == measured


@pytest.mark.parametrize("name", [r.name for r in RECORDS if r.kind == "elementwise"])
def test_monotonic(name, numpy_of):
    record = activations.get(name)
    _, f, _, _ = sampled(record, numpy_of)
    assert record.monotonic == bool((np.diff(f) >= -1e-6).all())


@pytest.mark.parametrize("name", [r.name for r in RECORDS if r.kind == "elementwise"])
def test_range(name, numpy_of):
    record = activations.get(name)
    low, high = record.range
    far = np.concatenate([sampled(record, numpy_of)[1], numpy_of(record(tensor([-1e5, -1e4, 1e4, 1e5])))])
    assert low - 1e-6 <= far.min() <= (low + 1e-3 if math.isfinite(low) else -1e4)
    assert high + 1e-6 >= far.max() >= (high - 1e-3 if math.isfinite(high) else 1e4)


@pytest.mark.parametrize("name", OF_AXIS)
def test_range_and_monotony_along_an_axis(name):
    record = activations.get(name)
    low, high = record.range
    for _, values, _, diagonal in GOLDEN[name]:
        assert low <= min(values)
        assert max(values) <= high
        assert not record.monotonic or min(diagonal) >= 0


@pytest.mark.parametrize("record", RECORDS, ids=str)
def test_documentation(record):
    doc = inspect.getdoc(record.function)
    summary, _, rest = doc.partition("\n\n")
    assert summary.endswith(".")
    assert "\n" not in summary
    assert rest.strip(), "when to use it"
    assert all(re.search(rf"^ +{key}: ", doc, re.M) for key in record.parameters)
    for sentence in (record.strengths, record.traps):
        assert re.fullmatch(r"[A-Z].*\.", sentence)
    assert re.search(r"\b(19|20)\d\d\b.*https://", record.source)
    assert record.formula
    assert record.smoothness is not None
    assert record.monotonic is not None
    assert issubclass(getattr(layers, record.layer_name), layers.Activation)
    assert getattr(activations, record.name) is record
