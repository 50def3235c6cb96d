"""The command line: help, what it hands to `select`, what it prints, and how it fails."""

import json
import sys
from pathlib import Path

import keras
import pytest
from typer.testing import CliRunner

from keras_actsel import cli, data, search
from keras_actsel.cli import _select
from keras_actsel.results import Selection, Trial, TrialError


def trials(**scores):
    return tuple(Trial(name, seed, "search", s, 1.0) for name, own in scores.items() for seed, s in enumerate(own))


FOUND = Selection(
    trials(relu=[0.90, 0.91, 0.92], tanh=[0.85, float("nan"), 0.86]), "relu", "val_accuracy", "max", validation_size=360
)


def invoke(*arguments, width=80):
    return CliRunner().invoke(cli.app, [str(a) for a in arguments], env={"COLUMNS": str(width), "TERM": "dumb"})


def refused(*arguments):
    """What is said on standard error about input that can't be used."""
    result = invoke(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stderr.count("\n") == 1, result.stderr
    assert result.stderr.startswith("Error: ")
    assert "Traceback" not in result.output
    return result.stderr


@pytest.fixture
def called(monkeypatch):
    """Put a stub in the place of `select`; gives the arguments it was called with."""
    calls = {}

    def stub(model, x, y=None, **arguments):
        calls.update(arguments, model=model, x=x, y=y)
        return FOUND

    monkeypatch.setattr(search, "select", stub)
    return calls


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module of a user's own in the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_models.py").write_text(
        "import keras\n"
        "def ready():\n"
        "    model = keras.Sequential([keras.Input((8, 8)), keras.layers.Flatten(),\n"
        "        keras.layers.Dense(4, 'relu'), keras.layers.Dense(10, 'softmax')])\n"
        "    model.compile('adam', 'sparse_categorical_crossentropy', metrics=['accuracy'])\n"
        "    return model\n"
        "def build(activation):\n    ...\n"
        "def none():\n    ...\n"
        "def broken():\n    raise KeyError('lost')\n"
        "number = 3\n"
    )
    (tmp_path / "broken_module.py").write_text("import nowhere_to_be_found\n")
    yield "my_models"
    sys.modules.pop("my_models", None)
    sys.path[:] = [entry for entry in sys.path if entry != str(tmp_path)]


# --- help -----------------------------------------------------------------------------------------------------------

SELECT_OPTIONS = ["--dataset", "--target", "--subset", "--model", "--candidates", "--seeds", "--confirm"]
SELECT_OPTIONS += ["--epochs", "--batch-size", "--objective", "--json", "--quiet"]


def test_help_names_all_commands():
    result = invoke("--help")
    assert result.exit_code == 0
    for words in ("select", "list", "show", "KERAS_BACKEND"):
        assert words in result.output


@pytest.mark.parametrize(
    ("command", "words"), [("select", SELECT_OPTIONS), ("list", ["--kind", "axiswise"]), ("show", ["NAME"])]
)
def test_help_of_each_command(command, words):
    result = invoke(command, "--help")
    assert result.exit_code == 0
    assert "Example: keras-actsel " + command in result.output
    for word in words:
        assert word in result.output


def test_every_option_has_a_help_text_and_lines_fit():
    output = invoke("select", "--help").output
    assert max(map(len, output.splitlines())) <= 80
    commands = cli.typer.main.get_command(cli.app).commands
    assert all(p.help for command in commands.values() for p in command.params)


def test_no_arguments_show_the_help():
    assert "Usage" in invoke().output


# --- select ---------------------------------------------------------------------------------------------------------


def test_select_prints_data_leaderboard_and_verdict(called):
    result = invoke("select")
    assert result.exit_code == 0, result.output
    assert "digits: 1,437 training and 360 test samples of shape 8 x 8, 10 classes" in result.output
    assert "default network, 13,130 parameters" in result.output
    assert keras.backend.backend() in result.output
    assert "candidate" in result.output
    assert "0.9100" in result.output
    assert "Keep relu" in result.output
    assert max(map(len, result.output.splitlines())) <= 80


def test_select_defaults(called):
    invoke("select")
    wanted = {"seeds": 3, "confirm": 5, "epochs": 10, "batch_size": 32, "candidates": None, "objective": None}
    assert {key: called[key] for key in wanted} == wanted
    assert called["verbose"] == 1
    assert called["x"].shape == (1437, 8, 8)
    assert called["validation_data"][0].shape == (360, 8, 8)


def test_select_hands_its_options_on(called):
    candidates = ["--candidates", "relu, gelu", "--candidates", "relu(negative_slope=0.1,max_value=6),tanh"]
    numbers = ["--seeds", 2, "--confirm", 0, "--epochs", 1, "--batch-size", 8, "--subset", 50]
    assert invoke("select", *candidates, *numbers, "--objective", "val_loss").exit_code == 0
    assert called["candidates"] == ["relu", "gelu", "relu(negative_slope=0.1,max_value=6)", "tanh"]
    assert (called["seeds"], called["confirm"], called["epochs"], called["batch_size"]) == (2, 0, 1, 8)
    assert called["objective"] == "val_loss"
    assert len(called["x"]) == len(called["y"]) == 50


def test_select_on_a_table_leaves_validation_to_select(called, tmp_path):
    (tmp_path / "t.csv").write_text("a,b,y\n" + "1,2,0.5\n3,4,1.5\n" * 10)
    assert invoke("select", "--dataset", tmp_path / "t.csv", "--target", "y").exit_code == 0
    assert called["validation_data"] is None
    assert called["model"].output_shape == (None, 1)


def test_select_quiet_prints_the_verdict_alone(called):
    result = invoke("select", "--quiet")
    assert result.output == FOUND.verdict + "\n"
    assert called["verbose"] == 0


def test_select_writes_json(called, tmp_path):
    result = invoke("select", "--json", tmp_path / "s.json")
    written = json.loads((tmp_path / "s.json").read_text())
    assert "Written to" in result.output
    assert written["recommended"] == "relu"
    assert [trial["score"] for trial in written["trials"]] == [0.90, 0.91, 0.92, 0.85, None, 0.86]


def test_objective_with_a_direction(called):
    invoke("select", "--objective", "val_cost:min")
    assert called["objective"] == ("val_cost", "min")
    assert "a metric with :max or :min behind it. Received: 'val_cost:low'" in refused(
        "select", "--objective", "val_cost:low"
    )


# --- models ---------------------------------------------------------------------------------------------------------


def test_model_from_a_function_without_arguments(called, module):
    assert invoke("select", "--model", f"{module}:ready").exit_code == 0
    assert called["model"].count_params() == 310


def test_model_from_a_build_function(called, module):
    assert invoke("select", "--model", f"{module}:build").exit_code == 0
    assert called["model"].__name__ == "build"


def test_model_from_a_file(called, tmp_path):
    model = data.default_model(data.load("digits"))
    model.save(tmp_path / "m.keras")
    assert invoke("select", "--model", tmp_path / "m.keras").exit_code == 0
    assert called["model"].compiled


def test_models_that_are_none(module, tmp_path):
    (tmp_path / "bad.keras").write_text("nothing")
    for model, message in [
        ("nothing", "must be a .keras file or module:function. Received: 'nothing'"),
        (":f", "must be a .keras file or module:function. Received: ':f'"),
        ("no.keras", "File not found: 'no.keras'. Did you mean 'bad.keras'?"),
        ("bad.keras", "Could not load the model bad.keras"),
        ("no_such_module:f", "There is no module 'no_such_module'. Expected one in this folder or installed"),
        (f"{module}:readdy", "has no function 'readdy'. Did you mean 'ready'? It has: ready, build, none, broken."),
        (f"{module}:number", "has no function 'number'"),
        (f"{module}:none", "my_models:none() must return a compiled keras.Model. Received: NoneType"),
    ]:
        assert message in refused("select", "--model", model)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("my_models:broken", "Error: my_models:broken() failed: KeyError: 'lost'"),
        ("broken_module:f", "Error: Importing broken_module failed: No module named 'nowhere_to_be_found'"),
    ],
)
def test_code_of_the_users_own_that_fails(module, model, message):
    result = invoke("select", "--model", model)
    assert result.exit_code == 1
    assert message in result.stderr


# --- failures -------------------------------------------------------------------------------------------------------


def test_errors_about_the_data_are_one_line(tmp_path):
    assert "Unknown data set 'digit'. Did you mean 'digits'?" in refused("select", "--dataset", "digit")
    assert "File not found" in refused("select", "--dataset", tmp_path / "no.npz")
    assert "must be between 1 and 1437" in refused("select", "--subset", 5000)
    assert "A target column belongs to a .csv file" in refused("select", "--target", "y")


def test_errors_of_select_are_one_line():
    message = refused("select", "--candidates", "relu,geluu")
    assert "Unknown activation 'geluu'. Did you mean 'gelu'? `keras-actsel list` lists all." in message
    assert "Could not read the activation 'relu(0.1)'" in refused("select", "--candidates", "relu(0.1)")


@pytest.mark.parametrize("name", ["--seeds", "--epochs", "--batch-size", "--subset"])
def test_numbers_out_of_range(name):
    result = invoke("select", name, 0)
    assert result.exit_code == 2
    assert name in result.stderr


def test_an_output_that_can_not_be_written_is_told_first(called, tmp_path):
    assert "there is no folder" in refused("select", "--json", tmp_path / "none" / "s.json")
    assert "Received the directory" in refused("select", "--json", tmp_path)
    assert not called


def test_an_output_without_permission(called, tmp_path, monkeypatch):
    def denied(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    assert "Permission denied. Choose another file." in refused("select", "--json", tmp_path / "s.json")
    assert not called


def test_trying_the_output_leaves_what_is_there(tmp_path):
    (tmp_path / "s.json").write_text("old")
    _select._check_writable(tmp_path / "s.json")
    _select._check_writable(tmp_path / "new.json")
    assert (tmp_path / "s.json").read_text() == "old"
    assert not (tmp_path / "new.json").exists()


@pytest.mark.parametrize("finished", [FOUND.trials, ()])
def test_ctrl_c_keeps_what_is_finished(monkeypatch, tmp_path, finished):
    def interrupted(*args, **kwargs):
        error = KeyboardInterrupt()
        error.trials = finished
        raise error

    monkeypatch.setattr(search, "select", interrupted)
    result = invoke("select", "--json", tmp_path / "s.json")
    assert result.exit_code == 130
    assert "Interrupted" in result.stderr
    assert (tmp_path / "s.json").exists() == bool(finished)
    if finished:
        assert "6 trials had finished" in result.stderr
        assert "0.9000  0.9100  0.9200" in result.stderr
        written = json.loads((tmp_path / "s.json").read_text())
        assert written["complete"] is False
        assert len(written["trials"]) == 6


def test_a_trial_that_fails_keeps_what_is_finished(monkeypatch):
    def failed(*args, **kwargs):
        raise TrialError("Tanh, seed 1: lost (6 finished trials are in this error's `.trials`.)", FOUND.trials)

    monkeypatch.setattr(search, "select", failed)
    result = invoke("select")
    assert result.exit_code == 1
    assert "6 trials had finished" in result.stderr
    assert result.stderr.endswith("Error: Tanh, seed 1: lost\n")


# --- end to end -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_select_for_real(tmp_path):
    small = ["--subset", 100, "--seeds", 2, "--confirm", 2, "--epochs", 1, "--candidates", "tanh,sigmoid"]
    result = invoke("select", *small, "--json", tmp_path / "s.json")
    assert result.exit_code == 0, result.output
    written = json.loads((tmp_path / "s.json").read_text())
    assert written["baseline"] == "relu"
    assert {row["candidate"] for row in written["leaderboard"]} == {"relu", "tanh", "sigmoid"}
    assert written["recommended"] in ("relu", written["best"])
    assert written["verdict"].partition(":")[0] in " ".join(result.output.split())
