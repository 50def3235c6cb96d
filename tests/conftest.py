"""What the tests share: gradients on any backend. The backend is chosen by KERAS_BACKEND, one per process."""

import gc
import os
import subprocess
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest
from keras import ops

from keras_actsel.testing._backend import to_numpy


def differentiate(fn, x):
    """The gradient of the sum of fn's outputs at x, of x's shape, as NumPy.

    Raises:
        AssertionError: If fn's output does not depend on x for the backend: training would fail or warn.
    """
    x = ops.convert_to_tensor(x)
    if keras.backend.backend() == "jax":
        import jax

        return to_numpy(jax.jit(jax.grad(lambda t: ops.sum(ops.cast(fn(t), "float32"))))(x))
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(x)
            total = ops.sum(ops.cast(fn(x), "float32"))
        result = tape.gradient(total, x)
    else:
        x = x.detach().clone().requires_grad_(True)
        total = ops.sum(ops.cast(fn(x), "float32"))
        assert total.requires_grad, "the output does not depend on the input"
        total.backward()
        result = x.grad
    assert result is not None, "the output does not depend on the input"
    return to_numpy(result)


@pytest.fixture
def gradient():
    """`gradient(fn, x)`: the gradient of the sum of fn's outputs at x, on the backend at hand."""
    return differentiate


@pytest.fixture
def numpy_of():
    """`numpy_of(tensor)`: a NumPy array on any backend and of any dtype."""
    return to_numpy


LOADING = """
import sys
sys.modules["keras_actsel"] = None
import keras, numpy as np
model = keras.models.load_model(sys.argv[1])
y = model.predict(np.load(sys.argv[2]), verbose=0)
np.savez(sys.argv[3], *(y if isinstance(y, list) else [y]))
"""


@pytest.fixture
def predicted_elsewhere(tmp_path):
    """`predicted_elsewhere(model, x)`: predictions, one array an output, where this package can't be imported."""

    def predicted(model, x):
        model.save(tmp_path / "model.keras")
        np.save(tmp_path / "x.npy", x)
        command = [sys.executable, "-c", LOADING, "model.keras", "x.npy", "y.npz"]
        environment = {**os.environ, "KERAS_BACKEND": keras.backend.backend()}
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
        assert done.returncode == 0, done.stderr
        return list(np.load(tmp_path / "y.npz").values())

    return predicted


@pytest.fixture(autouse=True)
def _same_seed():
    keras.utils.set_random_seed(7)


@pytest.fixture(autouse=True, scope="module")
def _loaded_modules_are_no_garbage():
    """Set aside what is loaded: `select` and keras-tuner collect garbage after each trial, and a full collection would
    pass over all of Keras and its backend each time, which takes as long as the trial.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
