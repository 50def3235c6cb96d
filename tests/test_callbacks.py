"""The callbacks of the learned combination, in `model.fit`."""

import copy
import csv
import json
import math
import os
import pickle
import shutil
import subprocess
import sys
import types

import keras
import numpy as np
import pytest
from keras import ops

from keras_actsel import callbacks, layers, sites
from keras_actsel.callbacks._mixtures import mixtures

X = np.random.default_rng(0).normal(size=(32, 4)).astype("float32")
Y = np.random.default_rng(1).normal(size=(32, 1)).astype("float32")
POOL = ["linear", "relu", "tanh"]
Mixture = layers.ActivationMixture


def model_with(*middle, optimizer=None, **kwargs):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4), *middle, keras.layers.Dense(1)])
    model.compile(optimizer or keras.optimizers.Adam(0.01), loss="mse", **kwargs)
    return model


def fit(model, *used, epochs=3, **kwargs):
    return model.fit(X, Y, epochs=epochs, batch_size=16, verbose=0, callbacks=list(used), **kwargs)


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.activation = Mixture(POOL, name="mixture")
        self.blocks = [keras.layers.Dense(4), layers.Activation(Mixture(POOL), name="wrapped")]
        self.twins = {"a": Mixture(POOL, name="twin"), "b": Mixture(POOL, name="twin")}
        self.head = keras.layers.Dense(1)

    def call(self, x):
        x = self.activation(x)
        for block in (*self.blocks, *self.twins.values()):
            x = block(x)
        return self.head(x)


class Probe(keras.callbacks.Callback):
    """Calls a function after each epoch."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def on_epoch_end(self, epoch, logs=None):
        self.function(epoch)


class Counted:
    """Functions that count how often Python calls them: at each trace, or at each step where nothing is traced."""

    def __init__(self):
        self.calls = {"kept": 0, "dropped": 0}

    def kept(self, x):
        self.calls["kept"] += 1
        return ops.tanh(x)

    def dropped(self, x):
        self.calls["dropped"] += 1
        return ops.sin(x)


# Mixtures of a model


def test_mixtures_are_found_wherever_they_are():
    mixture = Mixture(POOL, name="mixture")
    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4), Mixture(POOL, name="mixture")], name="inner")
    deep = keras.Sequential([keras.Input((4,)), Mixture(POOL, name="deep")], name="each")
    inputs = keras.Input((4,))
    x = mixture(mixture(inputs))
    x = layers.Activation(Mixture(POOL), name="wrapped")(inner(x))
    x = keras.layers.Dense(4, activation=Mixture(POOL), name="dense")(x)
    x = keras.layers.TimeDistributed(deep, name="steps")(keras.layers.Reshape((1, 4))(x))
    model = keras.Model(inputs, x)
    found = mixtures(model)
    assert list(found) == ["mixture", "inner/mixture", "wrapped", "dense", "steps/each/deep"]
    assert found["mixture"] is mixture
    assert all(type(part) is Mixture for part in found.values())
    assert {"mixture", "inner/mixture", "wrapped", "dense"} <= {site.path for site in sites(model)}


def test_mixtures_of_a_subclassed_model_have_paths_of_their_own():
    assert sorted(mixtures(Subclassed())) == ["mixture", "twin", "twin[1]", "wrapped"]


# MixtureHistory


@pytest.mark.parametrize("axis", [None, -1])
@pytest.mark.parametrize("combination", ["affine", "convex", "linear"])
def test_what_is_recorded_is_what_the_layer_is(combination, axis, numpy_of):
    mixture = Mixture(POOL, combination, axis, name="mixture")
    seen, history = [], callbacks.MixtureHistory(keep_channels=True)
    model = model_with(mixture)
    before = numpy_of(mixture.coefficients)
    fit(model, history, Probe(lambda epoch: seen.append(numpy_of(mixture.coefficients))), validation_data=(X, Y))
    recorded = history.coefficients["mixture"]
    assert recorded.shape == ((4, 3, 4) if axis else (4, 3))
    np.testing.assert_allclose(recorded, [before, *seen], rtol=1e-6)
    np.testing.assert_allclose(recorded[-1], numpy_of(mixture.coefficients), rtol=1e-6)
    assert all(np.abs(recorded[i + 1] - recorded[i]).max() > 1e-3 for i in range(3)), "each epoch moves them"
    last = history.rows[-1]
    shares = numpy_of(mixture.shares).reshape(3, -1)
    assert (last.epoch, last.site, last.candidates, last.kept) == (3, "mixture", tuple(POOL), tuple(POOL))
    np.testing.assert_allclose(last.coefficients, recorded[-1].reshape(3, -1).mean(axis=1), rtol=1e-6)
    np.testing.assert_allclose(last.shares, shares.mean(axis=1), rtol=1e-6)
    assert last.entropy == pytest.approx(float(numpy_of(mixture.entropy).mean()))
    assert (last.top, last.top_share) == (POOL[int(np.argmax(last.shares))], max(last.shares))
    if axis is None:
        assert last.spread is None
    else:
        np.testing.assert_allclose(last.spread, recorded[-1].std(axis=1), rtol=1e-5)


def test_each_channel_is_kept_only_if_asked():
    history = callbacks.MixtureHistory()
    fit(model_with(Mixture(POOL, axis=-1, name="mixture")), history, epochs=1)
    assert history.coefficients["mixture"].shape == (2, 3)
    assert history.coefficients["mixture"][1].tolist() == list(history.rows[1].coefficients)


def test_a_subclassed_model_that_fit_builds():
    model, history = Subclassed(), callbacks.MixtureHistory()
    model.compile("adam", "mse")
    fit(model, history, epochs=2)
    first = 1 if keras.backend.backend() == "tensorflow" else 0
    found = history.coefficients
    assert sorted(found) == ["mixture", "twin", "twin[1]", "wrapped"]
    assert {len(values) for values in found.values()} == {3 - first}
    assert history.rows[0].epoch == first


def test_a_second_fit_continues_the_epochs():
    model, history = model_with(Mixture(POOL)), callbacks.MixtureHistory()
    fit(model, history, epochs=2)
    fit(model, history, epochs=2)
    fit(model, history, epochs=6, initial_epoch=4)
    assert [row.epoch for row in history.rows] == list(range(7))


def test_a_run_that_is_taken_up_keeps_its_count():
    history = callbacks.MixtureHistory()
    fit(model_with(Mixture(POOL)), history, epochs=5, initial_epoch=3)
    assert [row.epoch for row in history.rows] == [3, 4, 5]


def test_another_model_needs_a_history_of_its_own():
    history = callbacks.MixtureHistory()
    fit(model_with(Mixture(POOL)), history, epochs=1)
    other = model_with(Mixture(POOL))
    with pytest.raises(ValueError, match=f"Received: another model, '{other.name}'. Expected a MixtureHistory of its"):
        fit(other, history, epochs=1)


@pytest.mark.parametrize("used", [callbacks.MixtureHistory(), callbacks.PruneCandidates()])
def test_a_model_without_mixtures_is_refused(used):
    with pytest.raises(ValueError, match=r"has no ActivationMixture. Expected one or more; `keras_actsel.replace`"):
        fit(model_with(), used)


def test_callbacks_are_copied_and_pickled_before_training(tmp_path):
    pytest.importorskip("tensorboard")
    used = [
        callbacks.MixtureHistory(tmp_path / "x.csv", tmp_path / "logs"),
        callbacks.TemperatureAnnealing(),
        callbacks.PruneCandidates(),
    ]
    for copied in (copy.deepcopy(used), pickle.loads(pickle.dumps(used))):
        fit(model_with(Mixture(POOL, "convex")), *copied, epochs=1)
        assert len(copied[0].rows) == 2
    assert used[0].rows == []
    assert len(list((tmp_path / "logs").iterdir())) == 2, "each copy has a file of its own"


# Files


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_csv(tmp_path):
    path, history = tmp_path / "new" / "x.csv", None
    shared, channels = Mixture(POOL, name="shared"), Mixture(["relu", "elu(alpha=0.5)"], axis=-1, name="channels")
    history = callbacks.MixtureHistory(path)
    model = model_with(shared, channels)
    fit(model, history, epochs=1)
    fit(model, history, epochs=1)
    rows = read(path)
    assert len(rows) == 3 * (3 + 2)
    assert [(row["epoch"], row["site"], row["candidate"]) for row in rows[5:10]] == [
        *(("1", "shared", name) for name in POOL),
        *(("1", "channels", name) for name in ("relu", "elu(alpha=0.5)")),
    ]
    for row, k in zip(rows[13:], range(2), strict=True):
        record = history.rows[-1]
        expected = record.coefficients[k], record.spread[k], record.shares[k], record.entropy
        actual = [float(row[key]) for key in ("coefficient", "coefficient_std", "share", "entropy")]
        np.testing.assert_allclose(actual, expected, rtol=1e-8)
    assert {row["coefficient_std"] for row in rows if row["site"] == "shared"} == {""}


def test_csv_of_an_earlier_run(tmp_path):
    path = tmp_path / "x.csv"
    for append, epochs in ((False, ["0", "1"]), (False, ["0", "1"]), (True, ["0", "1", "0", "1"])):
        fit(model_with(Mixture(POOL)), callbacks.MixtureHistory(path, append=append), epochs=1)
        assert [row["epoch"] for row in read(path)[::3]] == epochs


def test_csv_of_training_that_is_resumed(tmp_path):
    """In another process, where the callback does not know of the epochs before."""
    path = tmp_path / "x.csv"
    model = model_with(Mixture(POOL))
    fit(model, callbacks.MixtureHistory(path), epochs=2)
    fit(model, callbacks.MixtureHistory(path, append=True), epochs=4, initial_epoch=2)
    assert [row["epoch"] for row in read(path)[::3]] == ["0", "1", "2", "3", "4"]


KILLED = """
import json, os, sys
import keras, numpy as np
from keras_actsel import callbacks, layers
class Kill(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            print(json.dumps("tensorflow" in sys.modules), flush=True)
            os._exit(0)
mixture = layers.ActivationMixture(["relu", "tanh"], axis=-1, name="mixture")
model = keras.Sequential([keras.Input((4,)), mixture, keras.layers.Dense(1)])
model.compile("adam", "mse")
history = callbacks.MixtureHistory(sys.argv[1], sys.argv[2])
model.fit(np.ones((8, 4)), np.ones(8), epochs=5, verbose=0, callbacks=[history, Kill()])
"""


def scalars(folder, monkeypatch):
    """What TensorBoard reads in a folder: steps and values by tag."""
    monkeypatch.setitem(sys.modules, "tensorboard.compat.notf", types.ModuleType("notf"))  # read without TensorFlow
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulators.EventAccumulator(str(folder))
    events.Reload()
    return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_killed_training_leaves_what_was_finished_and_tensorflow_is_not_imported(tmp_path, monkeypatch):
    pytest.importorskip("tensorboard")
    environment = {**os.environ, "KERAS_BACKEND": keras.backend.backend()}
    command = [sys.executable, "-c", KILLED, str(tmp_path / "x.csv"), str(tmp_path / "logs")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == (keras.backend.backend() == "tensorflow")
    rows = read(tmp_path / "x.csv")
    assert [row["epoch"] for row in rows] == ["0", "0", "1", "1", "2", "2"]
    found = scalars(tmp_path / "logs", monkeypatch)
    assert sorted(found) == [
        *(f"mixture/coefficient/{name}" for name in ("relu", "tanh")),
        *(f"mixture/coefficient_std/{name}" for name in ("relu", "tanh")),
        "mixture/entropy",
        "mixture/top_share",
    ]
    assert [step for step, _ in found["mixture/entropy"]] == [0, 1, 2]
    columns = {"mixture/entropy": "entropy", "mixture/coefficient/tanh": "coefficient"}
    for tag, column in columns.items():
        np.testing.assert_allclose([v for _, v in found[tag]], [float(row[column]) for row in rows[1::2]], rtol=1e-6)


def test_log_dir_without_tensorboard(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tensorboard.summary.writer.record_writer", None)
    with pytest.raises(ImportError, match=r"`log_dir` needs tensorboard. Install it with: pip install tensorboard"):
        callbacks.MixtureHistory(log_dir=tmp_path)


# Figure


def panels(figure):
    return [axes for axes in figure.axes if axes.get_title(loc="left")]


def test_figure(tmp_path):
    pytest.importorskip("matplotlib")
    shared, channels = Mixture(POOL, name="shared"), Mixture(["relu", "elu"], axis=-1, name="channels")
    history = callbacks.MixtureHistory()
    model = model_with(shared, channels, Mixture(["relu", "gelu"], name="m" * 80))
    fit(model, history, epochs=2)
    shared.drop("tanh")
    model.compile("adam", "mse")
    fit(model, history, epochs=2)
    figure = history.figure(tmp_path / "x.png")
    assert (tmp_path / "x.png").stat().st_size > 10_000
    first, second, third = panels(figure)
    assert [panel.get_title(loc="left") for panel in (first, second)] == ["shared", "channels"]
    assert third.get_title(loc="left") == "…" + "m" * 43
    lines = {tuple(line.get_xdata()): line.get_ydata() for line in first.lines}
    np.testing.assert_allclose(lines[0, 1, 2, 3, 4], history.coefficients["shared"][:, 1])
    assert (0, 1, 2) in lines, "what was dropped ends there"
    assert len(second.collections) == 2, "a band for each candidate"
    shown = [text.get_text() for text in figure.legends[0].get_texts()]
    assert shown == [*POOL, "elu", "gelu", "± std over channels", "dropped", "entropy / log K (right)"]
    shade = next(a for a in figure.axes if a not in (first, second, third) and a.bbox.bounds == first.bbox.bounds)
    heights = shade.collections[0].get_paths()[0].vertices[:, 1]
    assert heights.max() == pytest.approx(history.rows[0].entropy / math.log(3))


@pytest.mark.parametrize(("count", "shape"), [(1, (1, 1)), (5, (2, 3)), (60, (10, 6))])
def test_figure_has_a_panel_for_each_site(count, shape):
    pytest.importorskip("matplotlib")
    from keras_actsel.callbacks._figure import draw

    values = (0.5, 0.5)
    rows = [
        callbacks.MixtureRecord(epoch, f"site_{i}", ("relu", "tanh"), values, None, values, 0.7, ("relu", "tanh"))
        for epoch in range(2)
        for i in range(count)
    ]
    shown = panels(draw(rows))
    assert [panel.get_title(loc="left") for panel in shown] == [f"site_{i}" for i in range(count)]
    assert shown[0].get_gridspec().get_geometry() == shape


def test_figure_without_matplotlib(monkeypatch):
    history = callbacks.MixtureHistory()
    fit(model_with(Mixture(POOL)), history, epochs=1)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'Install it with: pip install "keras-actsel\[report\]"'):
        history.figure()


def test_figure_of_nothing():
    with pytest.raises(ValueError, match=r"Nothing is recorded yet. Expected `model.fit"):
        callbacks.MixtureHistory().figure()


# TemperatureAnnealing


@pytest.mark.parametrize(
    ("kind", "expected"), [("exponential", [1.0, 0.1, 0.01, 0.01]), ("linear", [1.0, 0.505, 0.01, 0.01])]
)
def test_the_temperature_that_is_trained_with(kind, expected):
    """The loss that the training step computes is that of each epoch's temperature: nothing else changes."""
    counted = Counted()
    mixture = Mixture(["linear", counted.kept], "convex", standardize=False)
    model = keras.Sequential([keras.Input((4,)), mixture])
    model.compile(keras.optimizers.SGD(0.0), loss="mse")
    mixture.mixing_weights.assign([0.03, 0.0])
    annealing, traces = callbacks.TemperatureAnnealing(1.0, 0.01, epochs=3, kind=kind), []
    target = np.zeros_like(X)
    logs = model.fit(
        X,
        target,
        batch_size=16,
        epochs=4,
        verbose=0,
        callbacks=[annealing, Probe(lambda e: traces.append(counted.calls["kept"]))],
    )
    c = [1 / (1 + math.exp(-0.03 / temperature)) for temperature in expected]
    losses = [np.mean((share * X + (1 - share) * np.tanh(X)) ** 2) for share in c]
    np.testing.assert_allclose(logs.history["loss"], losses, rtol=1e-5)
    if keras.backend.backend() != "torch":
        assert len(set(traces)) == 1, "nothing is traced anew"


def test_annealing_ends_with_fit_and_goes_on_with_initial_epoch(numpy_of):
    mixture = Mixture(POOL, "convex")
    model, annealing = model_with(mixture), callbacks.TemperatureAnnealing(2.0, 0.02)
    fit(model, annealing, epochs=3)
    assert float(numpy_of(mixture.temperature)) == pytest.approx(0.02)
    fit(model, annealing, epochs=5, initial_epoch=2)
    assert float(numpy_of(mixture.temperature)) == pytest.approx(0.02)
    assert annealing.temperature_at(2) == pytest.approx(0.2)
    fit(model, annealing, epochs=1)
    assert float(numpy_of(mixture.temperature)) == pytest.approx(0.02), "a single epoch is the last one"


def test_annealing_reaches_a_model_that_fit_builds(numpy_of):
    mixture = Mixture(POOL, "convex")
    model = keras.Sequential([keras.layers.Dense(4), mixture, keras.layers.Dense(1)])
    model.compile("adam", "mse")
    seen = []
    fit(model, callbacks.TemperatureAnnealing(0.5, 0.1), Probe(lambda e: seen.append(float(mixture.temperature))))
    np.testing.assert_allclose(seen, [0.5, 0.05**0.5, 0.1], rtol=1e-6)


def test_a_schedule_of_ones_own():
    class Cosine(callbacks.TemperatureAnnealing):
        def temperature_at(self, epoch):
            return 0.1 + 0.45 * (1 + math.cos(math.pi * epoch / 2))

    mixture, seen = Mixture(POOL, "convex"), []
    fit(model_with(mixture), Cosine(), Probe(lambda e: seen.append(float(mixture.temperature))))
    np.testing.assert_allclose(seen, [1.0, 0.55, 0.1], rtol=1e-6)


def test_annealing_leaves_frozen_mixtures():
    frozen, learning = Mixture(POOL, "convex", temperature=0.7), Mixture(POOL, "convex")
    frozen.trainable = False
    fit(model_with(frozen, learning), callbacks.TemperatureAnnealing(1.0, 0.1))
    assert float(frozen.temperature) == pytest.approx(0.7)
    assert float(learning.temperature) == pytest.approx(0.1)
    learning.trainable = False
    with pytest.raises(ValueError, match="has no convex mixture that learns, and others have no temperature"):
        fit(model_with(learning, Mixture(POOL)), callbacks.TemperatureAnnealing())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"start": 0.0}, "`start` must be a temperature above 0. Received: 0.0."),
        ({"end": float("nan")}, "`end` must be a temperature above 0. Received: nan."),
        ({"epochs": 0}, "`epochs` must be 1 or more, or None for those of `fit`. Received: 0."),
        ({"kind": "cosine"}, "Unknown kind of annealing. Expected one of .* Received: 'cosine'."),
    ],
)
def test_arguments_of_annealing(arguments, message):
    with pytest.raises(ValueError, match=message):
        callbacks.TemperatureAnnealing(**arguments)


# PruneCandidates


def with_shares(mixture, *shares):
    """The mixture, built, with coefficients of its own (combination "linear") that no step changes."""
    mixture.build((None, 4))
    mixture.mixing_weights.assign(np.array(shares, "float32"))
    return mixture


def still(*middle, **kwargs):
    return model_with(*middle, optimizer=keras.optimizers.SGD(0.0), **kwargs)


@pytest.mark.parametrize(
    "how", [{}, {"run_eagerly": True}, pytest.param({"jit_compile": True}, marks=pytest.mark.slow)]
)
def test_what_is_dropped_is_no_longer_computed(how):
    if how.get("jit_compile") and keras.backend.backend() == "torch" and shutil.which("g++") is None:
        pytest.skip("torch.compile needs a C++ compiler")
    counted, seen = Counted(), []
    mixture = with_shares(Mixture([counted.kept, counted.dropped], "linear", standardize=False), 1.0, 0.01)
    model = still(mixture, **how)
    model.predict(X, verbose=0)
    pruning = callbacks.PruneCandidates(start=0)
    logs = fit(
        model, pruning, Probe(lambda e: seen.append(dict(counted.calls))), epochs=4, validation_data=(X[:16], Y[:16])
    )
    model.predict(X, verbose=0)
    assert [(epoch, name) for epoch, _, name in pruning.dropped] == [(2, str(mixture.candidates[1]))]
    assert counted.calls["dropped"] == seen[1]["dropped"], "not once after the drop"
    assert seen[2]["kept"] - seen[1]["kept"] >= 2, "training and validation are traced anew"
    assert counted.calls["kept"] > seen[3]["kept"], "and prediction"
    for key in ("loss", "val_loss"):
        first, second, third, fourth = logs.history[key]
        assert first == pytest.approx(second)
        assert third == pytest.approx(fourth)
        assert third != pytest.approx(second, rel=1e-6)


def test_training_goes_on_with_the_optimizers_state(numpy_of):
    mixture = Mixture(["relu", "tanh", "linear"], initial="relu", name="mixture")
    model = model_with(mixture)
    pruning, history = callbacks.PruneCandidates(0.3, patience=1, start=1), callbacks.MixtureHistory()
    logs = fit(model, pruning, history, epochs=8)
    assert {name for _, _, name in pruning.dropped} == {"tanh", "linear"}
    assert [row.kept for row in history.rows[1:3]] == [("relu", "tanh", "linear"), ("relu",)]
    np.testing.assert_array_equal(history.coefficients["mixture"][2:], [[1, 0, 0]] * 7)
    assert int(model.optimizer.iterations) == 16
    assert logs.history["loss"][-1] < logs.history["loss"][2]


def test_threshold_patience_start_and_minimum():
    def pruned(**kwargs):
        mixture = with_shares(Mixture(MANY, "linear", name="mixture"), 1.0, 0.02, 0.01, -0.5, 0.03)
        pruning = callbacks.PruneCandidates(**kwargs)
        fit(still(mixture), pruning, epochs=6)
        return pruning.dropped

    assert pruned() == [(5, "mixture", name) for name in ("tanh", "relu", "elu")]
    assert pruned(start=0, patience=1) == [(1, "mixture", name) for name in ("tanh", "relu", "elu")]
    assert pruned(start=2, patience=3)[0][0] == 5
    assert pruned(start=6) == []
    assert pruned(minimum=4) == [(5, "mixture", "tanh")]
    assert pruned(minimum=5) == []
    assert pruned(threshold=0.01) == [(5, "mixture", "tanh")]


MANY = ["linear", "relu", "tanh", "gelu", "elu"]


def test_patience_is_for_epochs_in_a_row():
    mixture = with_shares(Mixture(["linear", "relu"], "linear", name="mixture"), 1.0, 0.01)

    def raise_it(epoch):
        mixture.mixing_weights.assign([1.0, 0.5 if epoch == 1 else 0.01])

    pruning = callbacks.PruneCandidates(start=0, patience=3)
    fit(still(mixture), Probe(raise_it), pruning, epochs=8)
    assert pruning.dropped == [(5, "mixture", "relu")]


def test_a_candidate_that_one_channel_uses_stays():
    mixture = Mixture(POOL, "linear", axis=-1, name="mixture")
    mixture.build((None, 4))
    mixture.mixing_weights.assign([[1.0] * 4, [0.01] * 4, [0.01, 0.01, 0.1, 0.01]])
    pruning = callbacks.PruneCandidates(start=0)
    fit(still(mixture), pruning)
    assert pruning.dropped == [(2, "mixture", "relu")]


def test_frozen_mixtures_keep_all():
    frozen = with_shares(Mixture(["linear", "relu"], "linear", name="frozen"), 1.0, 0.01)
    learning = with_shares(Mixture(["linear", "relu"], "linear", name="learning"), 1.0, 0.01)
    frozen.trainable = False
    pruning = callbacks.PruneCandidates(start=0)
    fit(still(frozen, learning), pruning)
    assert pruning.dropped == [(2, "learning", "relu")]


def test_each_fit_counts_anew():
    mixture = with_shares(Mixture(["linear", "relu"], "linear", name="mixture"), 1.0, 0.01)
    model, pruning = still(mixture), callbacks.PruneCandidates(start=0)
    fit(model, pruning, epochs=1)
    fit(model, pruning, epochs=1)
    assert pruning.dropped == []
    fit(model, pruning, epochs=2)
    assert pruning.dropped == [(2, "mixture", "relu")]


PRINTED = """
Epoch 2: dropped tanh from mixture
Epoch 2: dropped relu from mixture
"""


@pytest.mark.parametrize(("verbose", "printed"), [(0, ""), (1, PRINTED)])
def test_what_is_printed(verbose, printed, capsys):
    mixture = with_shares(Mixture(POOL, "linear", name="mixture"), 1.0, 0.02, 0.01)
    fit(still(mixture), callbacks.PruneCandidates(start=0, verbose=verbose))
    assert capsys.readouterr().out == printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"threshold": 1.0}, "`threshold` must be a share between 0 and 1. Received: 1.0."),
        ({"patience": 0}, "`patience` must be 1 or more. Received: 0."),
        ({"start": -1}, "`start` must be 0 or more. Received: -1."),
        ({"minimum": 0}, "`minimum` must be 1 or more. Received: 0."),
    ],
)
def test_arguments_of_pruning(arguments, message):
    with pytest.raises(ValueError, match=message):
        callbacks.PruneCandidates(**arguments)


def test_a_threshold_that_all_candidates_are_below():
    with pytest.raises(ValueError, match="`threshold` must be below 1/3, the share of each candidate of the mixture"):
        fit(model_with(Mixture(POOL)), callbacks.PruneCandidates(0.4))


def test_a_model_that_fit_builds_is_pruned():
    model, pruning = Subclassed(), callbacks.PruneCandidates(0.33, patience=1, start=1, minimum=2)
    model.compile(keras.optimizers.Adam(0.01), "mse")
    fit(model, pruning)
    assert {site for _, site, _ in pruning.dropped} == {"mixture", "wrapped", "twin", "twin[1]"}
    assert all(len(mixture.kept) == 2 for mixture in mixtures(model).values())
