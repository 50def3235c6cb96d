"""The catalogue, entry by entry, through the conformance kit; and what of it is about Keras."""

import inspect
import math
import re

import keras
import numpy as np
import pytest
from keras import ops

from keras_actsel import activations, layers, testing
from keras_actsel.testing._backend import EPSILON, with_gradients
from keras_actsel.testing._exact import POINTS, ROWS

pytest.importorskip("sympy")
pytest.importorskip("mpmath")

BACKEND = keras.backend.backend()
RECORDS = [r for r in activations.catalogue() if r.function.__module__.startswith("keras_actsel.")]
KERAS_NAMES = sorted(
    n
    for n, f in vars(keras.activations).items()
    if inspect.isfunction(f) and n not in ("get", "serialize", "deserialize")
)

# Parameters that change the shape; each record comes with its defaults besides.
VARIANTS = (
    "acon_c(p1=1.5, p2=-0.25, beta=2.0)",
    "acon_c(p1=1.0, p2=0.25, beta=-0.5)",
    "apl(slopes=(0.2, -0.5), hinges=(-1.0, 1.5))",
    "binary_step(surrogate='sigmoid')",
    "celu(alpha=0.5)",
    "dynamic_tanh(alpha=1.5, gamma=0.5, beta=0.25)",
    "elu(alpha=0.5)",
    "gelu(approximate=True)",
    "hard_shrink(threshold=1.0)",
    "isrlu(alpha=3.0)",
    "isru(alpha=3.0)",
    "leaky_relu(negative_slope=0.1)",
    f"linear_spline(values={tuple(float(k * k % 3) for k in range(17))})",
    "maxout(num_pieces=3)",
    "parametric_swish(beta=-0.5)",
    "parametric_swish(beta=0.0)",
    "pelu(a=0.5, b=2.0)",
    "prelu(alpha=-0.5)",
    "rational(numerator=(0.0, 1.0, 0.5, 1.0, 0.0, 0.25), denominator=(0.0, 1.0, 0.25, 0.5))",
    "relu(max_value=2.5, negative_slope=0.1, threshold=1.0)",
    "relu(max_value=6)",
    "relu(negative_slope=0.1, threshold=1.0)",
    "rrelu(lower=0.1, upper=0.2)",
    "s_shaped_relu(t_right=1.5, a_right=0.25, t_left=-1.0, a_left=0.5)",
    "scaled_softplus(beta=0.5)",
    "sine(omega=30.0)",
    "smelu(beta=2.0)",
    "snake(alpha=0.0)",
    "snake(alpha=5.0)",
    "soft_shrink(threshold=1.0)",
    "squareplus(b=0.25)",
    "star_relu(scale=2.0, bias=0.5)",
    "threshold(default_value=-1.0, threshold=0.5)",
    "tlu(tau=-1.0)",
    "xielu(alpha_p=1.5, alpha_n=2.0)",
)


def _softmax(x):
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def _log_softmax(x):
    z = x - x.max(axis=-1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))


def _sparse(x, power):
    """The values max(x - tau, 0)**power that sum to one, tau by bisection."""
    low, high = x.max(axis=-1, keepdims=True) - 1.0, x.max(axis=-1, keepdims=True)
    for _ in range(100):
        tau = (low + high) / 2
        many = (np.maximum(x - tau, 0.0) ** power).sum(axis=-1, keepdims=True) > 1.0
        low, high = np.where(many, tau, low), np.where(many, high, tau)
    return np.maximum(x - high, 0.0) ** power


def _sigmoid(x):
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def _normal_distribution(x):
    return 0.5 * (1.0 + np.vectorize(math.erf)(x / math.sqrt(2.0)))


def _gated(gate):
    return lambda x: x[..., :3] * gate(x[..., 3:])


REFERENCES = {
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "softmin": lambda x: _softmax(-x),
    "sparsemax": lambda x: _sparse(x, 1),
    "entmax15": lambda x: _sparse(x / 2, 2),
    "glu": _gated(_sigmoid),
    "reglu": _gated(lambda x: np.maximum(x, 0.0)),
    "geglu": _gated(lambda x: x * _normal_distribution(x)),
    "swiglu": _gated(lambda x: x * _sigmoid(x)),
    "bilinear": _gated(lambda x: x),
    "crelu": lambda x: np.concatenate([np.maximum(x, 0.0), np.maximum(-x, 0.0)], axis=-1),
    "maxout": lambda x: np.maximum(x[..., :3], x[..., 3:]),
    "maxout(num_pieces=3)": lambda x: np.maximum(np.maximum(x[..., :2], x[..., 2:4]), x[..., 4:]),
}


def tensor(values, dtype="float32"):
    return ops.cast(ops.convert_to_tensor(np.asarray(values, "float32")), dtype)


@pytest.mark.parametrize("spelling", sorted({*VARIANTS, *(record.name for record in RECORDS)}))
def test_conforms(spelling):
    testing.check(spelling, REFERENCES.get(spelling))


def test_sparsemax_with_masked_and_huge_entries(numpy_of):
    y = numpy_of(activations.get("sparsemax")(np.array([[-math.inf, 3e38, -3e38, 3e38]], "float32")))
    np.testing.assert_array_equal(y, [[0.0, 0.5, 0.0, 0.5]])


@pytest.mark.parametrize(
    ("name", "limits", "slopes"),
    [
        ("binary_step", (0.0, 1.0), (0.0, 0.0)),
        ("celu(alpha=0.5)", (-0.5, math.inf), (0.0, 1.0)),
        ("hard_shrink", (-math.inf, math.inf), (1.0, 1.0)),
        ("hard_tanh", (-1.0, 1.0), (0.0, 0.0)),
        ("isrlu(alpha=4.0)", (-0.5, math.inf), (0.0, 1.0)),
        ("isru(alpha=4.0)", (-0.5, 0.5), (0.0, 0.0)),
        ("pelu(a=0.5, b=2.0)", (-0.5, math.inf), (0.0, 0.25)),
        ("s_shaped_relu", (-math.inf, math.inf), (0.2, 1.0)),
        ("scaled_softplus", (0.0, math.inf), (0.0, 1.0)),
        ("shifted_relu", (-1.0, math.inf), (0.0, 1.0)),
        ("smelu", (0.0, math.inf), (0.0, 1.0)),
        ("sparse_plus", (0.0, math.inf), (0.0, 1.0)),
        ("sparse_sigmoid", (0.0, 1.0), (0.0, 0.0)),
        ("squareplus", (0.0, math.inf), (0.0, 1.0)),
        ("threshold", (0.0, math.inf), (0.0, 1.0)),
        ("tlu(tau=-1.0)", (-1.0, math.inf), (0.0, 1.0)),
    ],
)
def test_pieces_join_at_infinity(name, limits, slopes):
    """Where a product of 0 and infinity would be NaN."""
    y, (found,) = with_gradients(activations.get(name))(tensor(1.0), tensor([-math.inf, math.inf]))
    np.testing.assert_allclose(y, limits, rtol=1e-6)
    np.testing.assert_allclose(found, slopes, rtol=1e-6, atol=1e-9)


def test_pelu_learns_one_pair_of_weights_for_the_layer():
    layer = layers.PELU()
    layer.build((None, 6))
    assert [tuple(weight.shape) for weight in layer.trainable_weights] == [(), ()]


@pytest.mark.parametrize("name", ["celu(alpha=1e-06)", "pelu(b=1e-06)"])
def test_tiny_widths_give_no_nan_in_half_precision(name, gradient):
    record, x = activations.get(name), np.array([-6e4, -1.0, -1e-3, 0.0, 1e-3], "float16")
    assert not np.isnan(ops.convert_to_numpy(record(ops.convert_to_tensor(x)))).any()
    assert not np.isnan(gradient(record, ops.convert_to_tensor(x))).any()


def test_learned_thresholds_cut_off_infinity(numpy_of):
    y = layers.TLU(tau=-1.0)(tensor([[-math.inf, -3.0, -0.25, math.inf]]))
    np.testing.assert_array_equal(numpy_of(y), [[-1.0, -1.0, -0.25, math.inf]])


def test_rrelu_draws_slopes_between_its_limits(numpy_of):
    x = -np.ones(1000, "float32")
    slopes = -numpy_of(activations.get("rrelu", lower=0.1, upper=0.2)(x, seed=keras.random.SeedGenerator(0)))
    assert (slopes >= 0.1 - 1e-6).all()
    assert (slopes <= 0.2 + 1e-6).all()
    assert slopes.std() == pytest.approx(0.1 / math.sqrt(12), rel=0.1)


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
    points = [x for x in POINTS if abs(x) <= limit]
    rows = [[0.0] * 6, [0.5, -1.0, 2.0, 0.0, 0.25, -3.0]] if ours.name == "sparsemax" else ROWS
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


# Documentation


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
    assert record.belongs
    assert record.cost
    assert record.smoothness is not None
    assert record.monotonic is not None
    assert issubclass(getattr(layers, record.layer_name), layers.Activation)
    assert getattr(activations, record.name) is record
