"""What crosses from one process to another: entries of a user's own, and models that need nothing of ours."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_actsel import replace

pytestmark = pytest.mark.slow

MODULE = '''
from keras_actsel import activation

@activation(formula="x/(1 + x**2)", derivative="(1 - x**2)/(1 + x**2)**2", range=(-0.5, 0.5))
def witch(x):
    """A bump on each side of zero."""
    return x / (1 + x * x)
'''

FIRST = """
import importlib, pickle
import keras, numpy as np
import mine
from keras_actsel import activations, layers

old = mine.witch
model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, old), layers.Witch(), layers.Activation("witch")])
model.save("model.keras")
importlib.reload(mine)  # as when the cell of a notebook is run again
assert mine.witch is not old and mine.witch == old and hash(mine.witch) == hash(old)
assert pickle.loads(pickle.dumps(old)) == old
keras.saving.load_model("model.keras")
pickle.dump(old, open("record.pickle", "wb"))
x = np.ones((1, 2))
np.save("expected.npy", keras.ops.convert_to_numpy(model(x)))
"""

SECOND = """
import pickle
import keras, numpy as np
record = pickle.load(open("record.pickle", "rb"))  # imports the module that defines it
assert repr(record) == "witch" and float(record(1.0)) == 0.5
from keras_actsel import layers
layers.Witch  # makes the layer known to Keras
model = keras.saving.load_model("model.keras")
assert np.allclose(keras.ops.convert_to_numpy(model(np.ones((1, 2)))), np.load("expected.npy"))
"""

WITHOUT_US = """
import sys
sys.modules["keras_actsel"] = None
import keras, numpy as np
for name in {names!r}:
    model = keras.saving.load_model(name + ".keras")
    assert np.array_equal(keras.ops.convert_to_numpy(model(np.ones((2, 4)))), np.load(name + ".npy")), name
"""


def run(code, folder):
    environment = {**os.environ, "KERAS_BACKEND": keras.backend.backend(), "PYTHONPATH": str(folder)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def test_an_entry_of_ones_own_survives_a_rerun_cell_and_a_fresh_process(tmp_path):
    (tmp_path / "mine.py").write_text(MODULE)
    run(FIRST, tmp_path)
    run(SECOND, tmp_path)


def test_a_model_with_activations_of_keras_needs_nothing_of_ours(tmp_path):
    names = ("gelu", "leaky_relu", "hard_silu")
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(3, "relu"),
            keras.layers.Dense(3),
            keras.layers.ReLU(),
            keras.layers.Dense(1),
        ]
    )
    for name in names:
        replaced = replace(model, name)
        replaced.save(tmp_path / f"{name}.keras")
        np.save(tmp_path / f"{name}.npy", keras.ops.convert_to_numpy(replaced(np.ones((2, 4)))))
    run(WITHOUT_US.format(names=names), tmp_path)


def test_what_keras_lacks_or_has_wrong_stays_ours():
    for name in ("leaky_relu(negative_slope=0.1)", "squareplus", "threshold"):
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "relu"), keras.layers.Dense(1)])
        function = replace(model, name).layers[0].activation
        assert str(function) == name
        assert type(function).__name__ == "ActivationFunction"
