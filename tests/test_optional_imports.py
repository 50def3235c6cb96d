"""`import keras_actsel` is light: no optional package, no second backend, little time beyond Keras itself."""

import json
import os
import subprocess
import sys

import keras
import pytest

OPTIONAL = [
    "keras_tuner",
    "matplotlib",
    "mlflow",
    "tensorboard",
    "sklearn",
    "pandas",
    "sympy",
    "scipy",
    "typer",
    "dask",
]
BACKENDS = {"tensorflow", "jax", "torch"}


STANDARD_LIBRARY = set(sys.stdlib_module_names)


def run(code, *arguments):
    environment = {**os.environ, "KERAS_BACKEND": keras.backend.backend()}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=environment, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def added():
    """The modules that `import keras_actsel` imports, but for those that Keras has imported."""
    code = "import json, sys, keras; before = set(sys.modules); import keras_actsel; "
    return set(run(code + "print(json.dumps(sorted(set(sys.modules) - before)))"))


def test_no_optional_package_is_imported(added):
    assert added & ({*OPTIONAL, *BACKENDS} - {keras.backend.backend()}) == set()


def test_the_front_door_lists_what_it_has():
    import keras_actsel

    assert sorted(keras_actsel.__all__) == list(keras_actsel.__all__)
    assert all(hasattr(keras_actsel, name) for name in keras_actsel.__all__)


def test_a_missing_backend_is_explained():
    code = (
        "import json, sys; sys.modules[sys.argv[1]] = None\n"
        "try:\n    import keras_actsel\nexcept ImportError as error:\n    print(json.dumps(str(error)))"
    )
    assert "Keras found no backend. It looks for TensorFlow unless" in run(code, keras.backend.backend())


def test_importing_adds_little_to_keras(added):
    """Opening every file of ours, and nothing of others that Keras has not opened: 0.2 s is far from that."""
    assert "keras_actsel" in added
    assert {name.split(".")[0] for name in added} - {"keras_actsel"} <= STANDARD_LIBRARY
