"""keras-tuner's own chief and workers, each a process, search with an `ActivationHyperModel`."""

import json
import os
import socket
import subprocess
import sys

import keras
import pytest

PROGRAM = """
import json, sys
import keras, keras_tuner
from keras_actsel import data, layers
from keras_actsel.tuner import ActivationHyperModel, hp_activation

digits = data.load("digits")
x, y = digits.x_train[:200].reshape(200, 64) / 16, digits.y_train[:200]


def build(hp):
    model = keras.Sequential([
        keras.Input((64,)),
        keras.layers.Dense(8, "relu"),
        keras.layers.Dense(8),
        hp_activation(hp, "second", ["prelu", {"leaky_relu": {"negative_slope": (0.01, 0.3, "log")}}]),
        keras.layers.Dense(10, "softmax"),
    ])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


hypermodel = ActivationHyperModel(
    build, ["gelu", "relu"], where=lambda site: site.role == "hidden" and site.layer == "Dense"
)
tuner = keras_tuner.RandomSearch(
    hypermodel, "val_accuracy", max_trials=4, seed=1, executions_per_trial=2, directory=sys.argv[1]
)
tuner.search(x, y, validation_data=(x, y), epochs=1, verbose=0)
if sys.argv[2] == "chief":
    (model,) = tuner.get_best_models()
    print(json.dumps({
        "statuses": [trial.status for trial in tuner.oracle.trials.values()],
        "scores": list(hypermodel.scores(tuner).values()),
        "best": tuner.get_best_hyperparameters()[0].values,
        "weights": len(model.layers[2].weights),
    }))
"""


@pytest.mark.slow
def test_a_chief_and_two_workers_complete_a_search(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {
        **os.environ,
        "KERAS_BACKEND": keras.backend.backend(),
        "KERASTUNER_ORACLE_IP": "127.0.0.1",
        "KERASTUNER_ORACLE_PORT": str(port),
    }
    processes = {
        name: subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(tmp_path), name],
            env={**common, "KERASTUNER_TUNER_ID": name},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("chief", "worker0", "worker1")
    }
    try:
        ended = {name: process.communicate(timeout=300) for name, process in processes.items()}
    finally:
        for process in processes.values():
            process.kill()
    assert all(process.returncode == 0 for process in processes.values()), ended
    found = json.loads(ended["chief"][0].splitlines()[-1])
    assert found["statuses"] == ["COMPLETED"] * 4
    assert [sorted(scores) for scores in found["scores"]] == [["0", "1"]] * 4
    assert found["best"]["second"] in ("prelu", "leaky_relu")
    assert found["weights"] == (found["best"]["second"] == "prelu")
