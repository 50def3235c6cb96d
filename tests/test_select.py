"""`select` on small real trainings: what it trains, on which seeds, and what it leaves untouched."""

import random

import keras
import numpy as np
import pytest
from keras import ops

import keras_actsel
from keras_actsel import layers
from keras_actsel.search import Exhaustive, Request, Strategy, TrialError, select

pytestmark = pytest.mark.slow


def blobs(samples=90, classes=3, seed=0):
    """Clouds of points around the corners of a polygon: inputs (samples, 2), labels (samples,)."""
    generator = np.random.default_rng(seed)
    y = np.arange(samples) % classes
    angle = 2 * np.pi * y / classes
    return np.stack([np.cos(angle), np.sin(angle)], 1) + 0.3 * generator.normal(size=(samples, 2)), y


X, Y = blobs()
XV, YV = blobs(60, seed=1)
DATA = {"x": X, "y": Y, "validation_data": (XV, YV)}


@keras.saving.register_keras_serializable("tests")
def dead(x):
    """A baseline that every activation beats: it passes nothing on."""
    return x * 0.0


def broken(x):
    return x * float("nan")


def network(activation="relu", optimizer=None, loss="sparse_categorical_crossentropy", metrics=("accuracy",), **dense):
    model = keras.Sequential(
        [
            keras.Input((2,)),
            keras.layers.Dense(8, activation, **dense),
            keras.layers.Dense(6, activation),
            keras.layers.Dense(3, "softmax"),
        ]
    )
    # Eager steps spare the compilation, which is most of the time at this size.
    model.compile(optimizer or keras.optimizers.Adam(0.02), loss, metrics=list(metrics), run_eagerly=True)
    return model


class Watch(keras.callbacks.Callback):
    """Notes the weights and the optimizer that each training begins and ends with."""

    def __init__(self):
        super().__init__()
        self.starts, self.optimizers, self.steps, self.models = [], [], [], []

    def on_train_begin(self, logs=None):
        self.starts.append([np.array(ops.convert_to_numpy(w)) for w in self.model.weights])
        self.optimizers.append(self.model.optimizer)

    def on_train_end(self, logs=None):
        self.steps.append(int(ops.convert_to_numpy(self.model.optimizer.iterations)))
        self.models.append(self.model)


def equal(first, second):
    return len(first) == len(second) and all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.fixture(scope="module")
def watched():
    """One search in which the leader is not the baseline, with what was seen of it."""
    keras.utils.set_random_seed(0)
    model, watch = network(dead), Watch()
    before = model.get_weights()
    found = select(
        model, **DATA, candidates=["relu", "tanh", "silu(beta=1)"][:2], seeds=2, confirm=2, epochs=3, callbacks=[watch]
    )
    return model, before, watch, found


def test_search_proposes_and_confirmation_decides(watched):
    _, _, _, found = watched
    search = [(t.seed, t.candidate) for t in found.trials if t.stage == "search"]
    assert search == [(seed, name) for seed in (0, 1) for name in ("dead", "relu", "tanh")]
    confirm = [(t.seed, t.candidate) for t in found.trials if t.stage == "confirm"]
    assert found.best in ("relu", "tanh")
    assert confirm == [(seed, name) for seed in (2, 3) for name in (found.best, "dead")]
    assert found.baseline == "dead"
    assert (found.objective, found.direction, found.validation_size, found.held_out) == (
        "val_accuracy",
        "max",
        60,
        False,
    )
    assert all(t.seconds > 0 for t in found.trials)
    assert "over 2 fresh seeds" in found.verdict


def test_the_model_is_a_trained_one_of_the_recommended_with_the_score_shown(watched):
    *_, found = watched
    scores = [t.score for t in found.trials if t.candidate == found.recommended]
    assert found.model.evaluate(XV, YV, verbose=0, return_dict=True)["accuracy"] == pytest.approx(max(scores))


def test_the_model_given_is_never_changed(watched):
    model, before, watch, _ = watched
    assert equal(before, model.get_weights())
    assert int(ops.convert_to_numpy(model.optimizer.iterations)) == 0
    assert model.optimizer not in watch.optimizers
    model.fit(X, Y, verbose=0)  # it still trains


def test_candidates_share_the_start_of_a_seed_and_seeds_do_not(watched):
    _, _, watch, _ = watched
    first_seed, second_seed = watch.starts[:3], watch.starts[3:6]
    assert equal(first_seed[0], first_seed[1])
    assert equal(first_seed[0], first_seed[2])
    kernels = [weights[::2] for weights in (first_seed[0], second_seed[0], watch.starts[6], watch.starts[8])]
    for i, one in enumerate(kernels):
        for other in kernels[i + 1 :]:
            assert not any(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_every_trial_has_an_optimizer_of_its_own(watched):
    _, _, watch, _ = watched
    assert len({id(optimizer) for optimizer in watch.optimizers}) == len(watch.optimizers)
    assert set(watch.steps) == {3 * 3}


def test_the_same_search_gives_the_same_scores():
    runs = [
        select(network(), **DATA, candidates=["tanh"], seeds=[7], confirm=0, epochs=2, verbose=0).trials
        for _ in range(2)
    ]
    assert [t.score for t in runs[0]] == [t.score for t in runs[1]]


def test_a_candidate_equal_to_the_baseline_is_not_run_twice():
    candidates = ["relu", keras.activations.relu, keras_actsel.get("relu"), "tanh"]
    found = select(network(), **DATA, candidates=candidates, seeds=1, confirm=0, verbose=0)
    assert [t.candidate for t in found.trials] == ["relu", "tanh"]


def test_a_mixed_baseline_stands_as_given():
    model = keras.Sequential(
        [
            keras.Input((2,)),
            keras.layers.Dense(4, "relu"),
            keras.layers.Dense(4, "tanh"),
            keras.layers.Dense(3, "softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    found = select(model, **DATA, candidates=["relu"], seeds=1, confirm=0, verbose=0)
    assert (found.baseline, found.objective, found.direction) == ("as given", "val_loss", "min")


def test_fixed_seeds_in_the_model_do_not_fix_its_starts():
    watch = Watch()
    model = network(kernel_initializer=keras.initializers.HeNormal(seed=1))
    select(model, **DATA, candidates=["tanh"], seeds=2, confirm=0, callbacks=[watch], verbose=0)
    assert equal(watch.starts[0], watch.starts[1])
    assert not np.array_equal(watch.starts[0][0], watch.starts[2][0])


def test_frozen_layers_and_fitted_preprocessing_keep_their_state():
    normalization = keras.layers.Normalization()
    normalization.adapt(X)
    model = keras.Sequential(
        [
            keras.Input((2,)),
            normalization,
            keras.layers.Dense(5, "relu", name="frozen", trainable=False),
            keras.layers.Dense(5, "relu", name="free"),
            keras.layers.Dense(3, "softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    found = select(model, **DATA, candidates=["tanh"], seeds=1, confirm=0, verbose=0)
    for name, kept in (("frozen", True), ("free", False)):
        assert equal(model.get_layer(name).get_weights(), found.model.get_layer(name).get_weights()) == kept
    assert equal(normalization.get_weights(), found.model.layers[0].get_weights())
    assert np.allclose(ops.convert_to_numpy(found.model.layers[0](X)), ops.convert_to_numpy(normalization(X)))


def test_candidates_do_not_enter_frozen_layers():
    """Their weights were fitted to the activation that is there: another one would damage every candidate alike."""
    backbone = keras.Sequential([keras.Input((2,)), keras.layers.Dense(8, "relu", name="fitted")], name="backbone")
    backbone.trainable = False
    inputs = keras.Input((2,))
    hidden = keras.layers.Dense(6, "elu", name="head")(backbone(inputs))
    model = keras.Model(inputs, keras.layers.Dense(3, "softmax")(hidden))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    watch = Watch()
    found = select(model, **DATA, candidates=["tanh"], seeds=1, confirm=0, callbacks=[watch], verbose=0)
    assert found.baseline == "elu"
    for trained, head in zip(watch.models, (keras.activations.elu, keras.activations.tanh), strict=True):
        assert trained.get_layer("backbone").get_layer("fitted").activation is keras.activations.relu
        assert trained.get_layer("head").activation is head
        assert equal(trained.get_layer("backbone").get_weights(), backbone.get_weights())
    model.get_layer("head").trainable = False
    with pytest.raises(ValueError, match=r"no hidden activation to choose.*head \(frozen, hidden: elu\)"):
        select(model, **DATA, candidates=["tanh"], verbose=0)


@pytest.mark.parametrize("used_before", [True, False])
def test_the_random_state_of_the_process_comes_back(used_before):
    def draws(work):
        keras.utils.set_random_seed(11)
        if used_before:  # else Keras's global generator does not exist yet
            keras.random.normal((1,))
        work()
        noise = ops.convert_to_numpy(keras.random.normal((3,)))
        weights = ops.convert_to_numpy(keras.initializers.GlorotUniform()((2, 2)))
        return [random.random(), *np.random.random(2), *noise, *weights.flat]

    model = network()

    def search():
        select(model, **DATA, candidates=["tanh"], seeds=1, confirm=0, verbose=0)

    assert draws(search) == draws(lambda: None)


def test_other_models_live_on():
    other = network()
    expected = other.predict(XV, verbose=0)
    select(network(), **DATA, candidates=["tanh"], seeds=1, confirm=0, verbose=0)
    assert np.array_equal(expected, other.predict(XV, verbose=0))
    other.fit(X, Y, verbose=0)


def test_compile_arguments_are_copied_closures_instances_and_schedules_included():
    weight, calls = 2.0, []

    def closure_loss(y_true, y_pred):
        return weight * keras.losses.sparse_categorical_crossentropy(y_true, y_pred)

    def closure_metric(y_true, y_pred):
        calls.append(1)
        return weight * ops.ones_like(y_pred[:, 0])

    class Halving(keras.optimizers.schedules.LearningRateSchedule):
        """Not registered with Keras, and without a way to guess its class."""

        def __init__(self, start):
            super().__init__()
            self.start = start

        def __call__(self, step):
            return self.start * 0.5 ** ops.cast(step, "float32")

        def get_config(self):
            return {"start": self.start}

    instance = keras.metrics.SparseTopKCategoricalAccuracy(2, name="top2")
    wrapped = keras.metrics.MeanMetricWrapper(closure_metric, name="wrapped")
    optimizer = keras.optimizers.SGD(Halving(0.1), momentum=0.9)
    model = network(optimizer=optimizer, loss=closure_loss, metrics=[instance, wrapped, "accuracy"])
    model.fit(X, Y, verbose=0)
    watch = Watch()
    found = select(model, **DATA, candidates=["tanh"], seeds=2, confirm=0, callbacks=[watch], verbose=0)
    assert (found.objective, found.direction) == ("val_top2", "max")
    assert set(watch.steps) == {3}  # each schedule began anew
    assert calls
    assert instance not in [m for holder in found.model.metrics for m in getattr(holder, "metrics", [])]


def test_what_compile_was_told_reaches_each_trial():
    class Share(keras.metrics.Metric):
        """A metric of a user's own, with an argument and without a config."""

        def __init__(self, share=0.5, name="share", **kwargs):
            super().__init__(name=name, **kwargs)
            self.share = share

        def update_state(self, y_true, y_pred, sample_weight=None):
            pass

        def result(self):
            return ops.convert_to_tensor(self.share)

    optimizer = keras.optimizers.AdamW(lambda: 0.02, weight_decay=0.1)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    inputs = keras.Input((2,))
    hidden = keras.layers.Dense(4, "relu")(inputs)
    model = keras.Model(inputs, [keras.layers.Dense(3, "softmax", name=name)(hidden) for name in "ab"])
    loss = ["sparse_categorical_crossentropy", "sparse_categorical_crossentropy"]
    model.compile(
        optimizer, loss, loss_weights=[1.0, 0.25], metrics=[[Share(0.9)], []], weighted_metrics=[[], ["accuracy"]]
    )
    watch = Watch()
    arguments = {"validation_data": (XV, [YV, YV]), "candidates": ["tanh"], "seeds": 1, "confirm": 0, "verbose": 0}
    found = select(model, X, [Y, Y], objective=("a_share", "max"), callbacks=[watch], **arguments)
    assert [t.score for t in found.trials] == [pytest.approx(0.9)] * 2
    logs = found.model.evaluate(XV, [YV, YV], batch_size=60, verbose=0, return_dict=True)
    assert logs["loss"] == pytest.approx(logs["a_loss"] + 0.25 * logs["b_loss"], rel=1e-4)
    assert "b_weighted_accuracy" in logs or "b_accuracy" in logs
    for fresh, trained in zip(watch.optimizers, watch.models, strict=True):
        assert float(ops.convert_to_numpy(fresh.learning_rate)) == pytest.approx(0.02)
        decayed = [fresh._use_weight_decay(v) for v in trained.trainable_variables]
        assert decayed == ["bias" not in v.path for v in trained.trainable_variables]


def test_objectives():
    def agreement(y_true, y_pred):
        return ops.mean(y_pred, axis=-1)

    model = network(metrics=["sparse_categorical_crossentropy", agreement])
    few = {"candidates": ["tanh"], "seeds": 1, "confirm": 0, "verbose": 0}
    for objective, name, direction in [
        (None, "val_sparse_categorical_crossentropy", "min"),
        ("loss", "val_loss", "min"),
        (("agreement", "max"), "val_agreement", "max"),
        (("val_agreement", "min"), "val_agreement", "min"),
    ]:
        found = select(model, **DATA, objective=objective, **few)
        assert (found.objective, found.direction) == (name, direction)
    with pytest.raises(
        ValueError, match=r'larger \'agreement\' is better is not known. Say so: objective=\("val_agreem'
    ):
        select(model, **DATA, objective="agreement", **few)
    with pytest.raises(
        ValueError, match=r"Unknown objective 'val_auc'\. Expected one of: val_agreement, val_loss, val_sparse"
    ):
        select(model, **DATA, objective="val_auc", **few)


def test_without_validation_data_a_fifth_is_held_out():
    found = select(network(), X, Y, candidates=["tanh"], seeds=1, confirm=0, verbose=0)
    assert (found.validation_size, found.held_out) == (18, True)
    assert "18 validation samples, held out of the training data" in found.verdict


def test_a_diverged_trial_is_a_result():
    found = select(network(), **DATA, candidates=[broken], seeds=2, confirm=0, verbose=0)
    assert [row.candidate for row in found.leaderboard()] == ["relu", "broken"]
    assert found.leaderboard()[1].diverged == 2
    assert found.model is not None


def test_a_nan_loss_is_divergence_although_the_accuracy_is_finite():
    found = select(network(broken), **DATA, candidates=["relu"], seeds=1, confirm=2, epochs=2, verbose=0)
    assert all(t.diverged for t in found.trials if t.candidate == "broken")
    assert found.recommended == "relu"
    assert "broken 2 times" in found.verdict


def test_layers_as_candidates_are_copied_for_each_site():
    mixture = layers.ActivationMixture(["relu", "tanh"], axis=-1, name="mix")
    watch = Watch()
    candidates = [mixture, "prelu", keras.layers.PReLU(name="keras_prelu")]
    found = select(network(), **DATA, candidates=candidates, seeds=1, confirm=0, callbacks=[watch], verbose=0)
    assert [t.candidate for t in found.trials] == ["relu", "mix", "prelu", "keras_prelu"]
    shapes = [sorted(w.shape for w in start if w.ndim == 2 or 8 in w.shape) for start in watch.starts]
    assert ((2, 8) in shapes[1], (2, 6) in shapes[1]) == (True, True)
    assert [len(start) for start in watch.starts] == [6, 8, 8, 8]
    assert not mixture.built


def test_callbacks_see_validation_data_and_the_score_is_of_the_restored_weights():
    stopping = keras.callbacks.EarlyStopping("val_loss", patience=0, min_delta=10.0, restore_best_weights=True)
    found = select(
        network(), **DATA, candidates=["tanh"], seeds=1, confirm=0, epochs=5, callbacks=[stopping], verbose=0
    )
    assert stopping.stopped_epoch == 1
    score = next(t.score for t in found.trials if t.candidate == found.recommended)
    assert found.model.evaluate(XV, YV, verbose=0, return_dict=True)["accuracy"] == pytest.approx(score)


def test_verbose_0_prints_nothing(capfd):
    select(network(), **DATA, candidates=["tanh"], seeds=1, confirm=0, verbose=0)
    assert capfd.readouterr() == ("", "")


def test_a_failing_candidate_is_named_and_what_is_finished_is_kept():
    def fussy(x):
        if not keras.backend.is_keras_tensor(x) and len(x) == 32:  # a batch, not a first try on a few samples
            raise KeyError("no such thing")
        return x

    with pytest.raises(
        TrialError, match=r"search trial of 'fussy' with seed 0 failed: (.|\n)*no such thing(.|\n)*\(2 finished"
    ) as caught:
        select(network(), **DATA, candidates=["tanh", fussy], seeds=2, confirm=0, verbose=0)
    assert [t.candidate for t in caught.value.trials] == ["relu", "tanh"]
    assert caught.value.__cause__ is not None
    assert "\x1b" not in str(caught.value)


def test_an_interrupt_carries_what_is_finished():
    class Interrupt(keras.callbacks.Callback):
        trainings = 0

        def on_train_begin(self, logs=None):
            self.trainings += 1
            if self.trainings == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        select(network(), **DATA, candidates=["tanh"], seeds=2, confirm=0, callbacks=[Interrupt()], verbose=0)
    assert [t.candidate for t in caught.value.trials] == ["relu"]


def test_a_strategy_of_ones_own():
    class OnlyTheLast(Strategy):
        def search(self, candidates, seeds, direction):
            assert direction == "max"
            trials = yield [Request(candidates[-1], seeds[0])]
            assert [t.candidate for t in trials] == [candidates[-1]]
            yield [Request(candidates[0], seeds[0])]

    found = select(
        network(), **DATA, candidates=["elu", "tanh"], seeds=[5], confirm=0, strategy=OnlyTheLast(), verbose=0
    )
    assert [(t.candidate, t.seed) for t in found.trials] == [("tanh", 5), ("relu", 5)]


@pytest.mark.parametrize(
    ("requests", "error", "message"),
    [
        ([[]], ValueError, r"asked for no trial"),
        ([[Request("relu", 9)]], TrialError, r"asked for Request\(candidate='relu', seed=9.*a seed of \[0\]"),
        ([[Request("elu", 0)]], TrialError, r"a candidate of \['relu', 'tanh'\]"),
        ([[Request("relu", 0, "confirm")]], TrialError, r"in the stage 'search'"),
        ([[Request("relu", 0)], [Request("relu", 0)]], TrialError, r"Expected each request once"),
        ([[Request("relu", 0)], None], TrialError, r"The strategy Given failed: ZeroDivisionError"),
    ],
)
def test_what_a_strategy_may_ask_for(requests, error, message):
    class Given(Strategy):
        def search(self, candidates, seeds, direction):
            for batch in requests:
                yield batch if batch is not None else 1 / 0

    with pytest.raises(error, match=message) as caught:
        select(network(), **DATA, candidates=["tanh"], seeds=1, confirm=0, strategy=Given(), verbose=0)
    assert len(getattr(caught.value, "trials", ())) == len(requests) - 1  # what had finished is kept


def test_exhaustive_asks_seed_by_seed():
    asked = list(Exhaustive().search(["a", "b"], [3, 4], "max"))
    assert [[(r.candidate, r.seed, r.stage) for r in batch] for batch in asked] == [
        [("a", 3, "search"), ("b", 3, "search")],
        [("a", 4, "search"), ("b", 4, "search")],
    ]


def test_several_inputs_and_outputs_with_sample_weights():
    inputs = {"a": keras.Input((2,), name="a"), "b": keras.Input((1,), name="b")}
    hidden = keras.layers.Dense(6, "relu")(keras.layers.Concatenate()([inputs["a"], inputs["b"]]))
    outputs = {
        "kind": keras.layers.Dense(3, "softmax", name="kind")(hidden),
        "sum": keras.layers.Dense(1, name="sum")(hidden),
    }
    model = keras.Model(inputs, outputs)
    model.compile("adam", {"kind": "sparse_categorical_crossentropy", "sum": "mse"}, metrics={"kind": ["accuracy"]})
    x = {"a": X, "b": X[:, :1]}
    y = {"kind": Y, "sum": X.sum(1, keepdims=True)}
    found = select(model, x, y, candidates=["tanh"], seeds=1, confirm=0, verbose=0)
    assert (found.objective, found.validation_size) == ("val_kind_accuracy", 18)
    assert set(found.model.predict({k: v[:2] for k, v in x.items()}, verbose=0)) == {"kind", "sum"}


def test_streams_of_batches():
    class Batches(keras.utils.PyDataset):
        def __init__(self, x, y):
            super().__init__()
            self.x, self.y = x, y

        def __len__(self):
            return 3

        def __getitem__(self, index):
            rows = slice(index * 30, index * 30 + 30)
            return self.x[rows], self.y[rows]

    found = select(
        network(), Batches(X, Y), validation_data=Batches(XV, YV), candidates=["tanh"], seeds=1, confirm=0, verbose=0
    )
    assert found.validation_size is None
    assert len(found.trials) == 2
