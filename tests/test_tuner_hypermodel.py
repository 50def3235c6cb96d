"""`ActivationHyperModel`: what it builds, and what it refuses before anything is trained."""

import keras
import keras_tuner
import numpy as np
import pytest
from keras_tuner.errors import FatalRuntimeError, FatalValueError

from keras_actsel import layers, sites
from keras_actsel.tuner import ActivationHyperModel
from keras_actsel.tuner._checks import check_direction
from keras_actsel.tuner._sources import grouped

generator = np.random.default_rng(0)
X = generator.normal(size=(96, 6)).astype("float32")
Y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)
FIT = {"x": X[:64], "y": Y[:64], "validation_data": (X[64:], Y[64:]), "epochs": 1, "verbose": 0}


def network(activation="relu", units=8, rate=1e-2, metrics=("accuracy",)):
    model = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(units, activation),
            keras.layers.Dense(units, activation),
            keras.layers.Dense(3, "softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=list(metrics))
    return model


def build(hp):
    return network(units=hp.Choice("units", [4, 8]))


class Own(keras.Model):
    """A model of a class of its own."""

    def __init__(self, units, activation):
        super().__init__()
        self.dense, self.out = keras.layers.Dense(units), keras.layers.Dense(3, "softmax")
        self.act = layers.Activation(activation)

    def call(self, x):
        return self.out(self.act(self.dense(x)))


def build_own(hp, activation):
    model = Own(hp.Choice("units", [4, 8]), activation)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.fixture
def hp():
    return keras_tuner.HyperParameters()


@pytest.fixture
def tuner_of(tmp_path):
    """A RandomSearch of a hypermodel in a directory of its own."""

    def tuner(hypermodel, kind=keras_tuner.RandomSearch, **kwargs):
        given = {"objective": "val_accuracy", "max_trials": 3, "seed": 1, "directory": str(tmp_path)}
        given.update(kwargs)
        return kind(hypermodel, **{key: value for key, value in given.items() if value is not None})

    return tuner


def hidden(model):
    return [str(site.activation) for site in sites(model) if site.role == "hidden"]


# What it builds


def test_all_hidden_activations_of_a_model_by_one_choice(hp):
    model = ActivationHyperModel(network(), ["tanh", "relu"]).build(hp)
    assert hp.values == {"activation": "tanh"}
    assert hidden(model) == ["tanh", "tanh"]
    assert model.layers[0].activation is keras.activations.tanh  # Keras's own
    assert model.compiled


def test_each_activation_by_its_own_choice(hp):
    hypermodel = ActivationHyperModel(network(), ["relu", "prelu", {"elu": {"alpha": (0.5, 2.0)}}], tie="site")
    hypermodel.build(hp)
    hp.values.update(activation_1="elu", activation_2="prelu")
    hp.values["activation_1/elu/alpha"] = 0.75
    model = hypermodel.build(hp)
    first, second, _ = sites(model)
    assert str(first.activation) == "elu(alpha=0.75)"
    assert isinstance(second.activation, layers.Activation)
    assert [known.name for known in hp.space] == [
        "activation_1",
        "activation_1/elu/alpha",
        "activation_2",
        "activation_2/elu/alpha",
    ]


def test_names_of_choices_do_not_depend_on_what_was_made_before(hp):
    ActivationHyperModel(network(), ["relu", "tanh"], tie="site").build(hp)
    other = keras_tuner.HyperParameters()
    ActivationHyperModel(network(), ["relu", "tanh"], tie="site").build(other)
    assert [known.name for known in hp.space] == [known.name for known in other.space]


@pytest.mark.parametrize(
    ("paths", "blocks"),
    [
        (["conv1_relu", "conv2_block1_1_relu", "conv2_block1_out", "conv2_block2_1_relu"], "1 2 2 3"),
        (["block1a_activation", "block2a_expand_activation", "block2a_activation"], "1 2 2"),
        (["block_1_expand_relu", "block_1_depthwise_relu", "block_10_expand_relu"], "1 1 2"),
        (["stage_0_block_0_gelu", "stage_0_block_1_gelu"], "1 2"),
        (["encoder/relu", "encoder/relu_1", "decoder/relu"], "1 1 2"),
        (["dense", "dense_1"], "1 2"),
    ],
)
def test_blocks(paths, blocks):
    from keras_actsel import Site

    found = [Site(path, None, (None, 3), "hidden") for path in paths]
    assert list(grouped(found, "block").values()) == blocks.split()


def test_groups_of_ones_own(hp):
    hypermodel = ActivationHyperModel(network(), ["relu", "tanh"], tie=lambda site: site.layer, name="act")
    hypermodel.build(hp)
    assert hp.values == {"act_1": "relu"}  # the groups' own names may be Keras's, which count up


def test_a_build_function_keeps_its_own_hyperparameters(hp):
    hypermodel = ActivationHyperModel(build, ["gelu", "relu"])
    model = hypermodel.build(hp)
    assert hp.values == {"units": 4, "activation": "gelu"}
    assert hidden(model) == ["gelu", "gelu"]
    assert model.layers[0].units == 4


def test_weights_that_a_build_function_made_are_kept(hp):
    def pretrained(hp):
        model = network()
        model.layers[0].kernel.assign(np.full((6, 8), 0.5))
        return model

    model = ActivationHyperModel(pretrained, ["gelu", "relu"]).build(hp)
    assert (np.asarray(model.get_weights()[0]) == 0.5).all()


def test_a_build_function_that_places_the_activation(hp):
    hypermodel = ActivationHyperModel(build_own, ["prelu", "relu"])
    model = hypermodel.build(hp)
    assert isinstance(model.act.activation, layers.Activation)
    hp.values["activation"] = "relu"
    model = hypermodel.build(hp)
    assert model.act.activation.name == "relu"


def test_a_hypermodel_with_a_fit_of_its_own(hp, tuner_of):
    class Mine(keras_tuner.HyperModel):
        def declare_hyperparameters(self, hp):
            hp.Fixed("declared", 1)

        def build(self, hp):
            return network(units=hp.Choice("units", [4, 8]))

        def fit(self, hp, model, *args, **kwargs):
            return model.fit(*args, batch_size=hp.Choice("batch_size", [16, 32]), **kwargs)

    tuner = tuner_of(ActivationHyperModel(Mine(), ["gelu", "relu"]), max_trials=2)
    tuner.search(**FIT)
    best = tuner.get_best_hyperparameters()[0].values
    assert {"declared", "units", "activation", "batch_size"} <= set(best)


def test_what_was_given_is_not_changed(tuner_of):
    model = network()
    model.fit(X, Y, verbose=0)
    before, step = model.get_weights(), int(model.optimizer.iterations)
    tuner = tuner_of(ActivationHyperModel(model, ["prelu", "tanh"]), max_trials=2)
    tuner.search(**FIT)
    assert hidden(model) == ["relu", "relu"]
    assert int(model.optimizer.iterations) == step
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_each_trial_has_an_optimizer_and_metrics_of_its_own(hp):
    f1 = keras.metrics.F1Score(average="macro")
    given = network(metrics=())
    given.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)),
        lambda true, predicted: keras.ops.mean(predicted),
        metrics=[f1],
    )
    hypermodel = ActivationHyperModel(given, ["relu", "tanh"])
    first, second = (hypermodel.build(hp) for _ in range(2))
    assert first.optimizer is not second.optimizer
    assert first.optimizer is not given.optimizer
    assert first._compile_config.config["metrics"][0] is not f1
    assert first.loss is given.loss


def test_a_choice_may_be_fixed_beforehand(tuner_of):
    space = keras_tuner.HyperParameters()
    space.Fixed("activation", "tanh")
    tuner = tuner_of(ActivationHyperModel(build, ["relu", "tanh"]), hyperparameters=space, max_trials=2)
    tuner.search(**FIT)
    assert {trial.hyperparameters["activation"] for trial in tuner.oracle.trials.values()} == {"tanh"}
    space.Fixed("second", "gelu")
    with pytest.raises(FatalValueError, match="stands for other candidates"):
        ActivationHyperModel(build, ["relu", "tanh"], name="second").build(space)


@pytest.mark.parametrize("places", [1, 2])
def test_a_learned_activation_has_a_place_of_its_own(hp, places):
    def hidden_in(hp, activation):
        hidden = [keras.layers.Dense(4, activation=activation) for _ in range(places)]
        model = keras.Sequential([keras.Input((6,)), *hidden])
        model(X[:2])
        return model

    expected = "put one layer|the activation has weights, which Keras makes only when"
    with pytest.raises(FatalValueError, match=expected):
        ActivationHyperModel(hidden_in, ["prelu", "relu"]).build(hp)


def test_a_learned_activation_may_be_called_activation(hp):
    class Named(keras.layers.Layer):
        def __init__(self, activation):
            super().__init__()
            self.activation = activation

        def call(self, x):
            return self.activation(x)

    def build_named(hp, activation):
        return keras.Sequential([keras.Input((6,)), Named(activation)])

    assert len(ActivationHyperModel(build_named, ["prelu", "relu"]).build(hp).weights) == 1


@pytest.mark.parametrize("takes", ["hp", "hp, activation"])
def test_a_model_that_was_returned_before(hp, takes):
    model = network()
    build = {"hp": lambda hp: model, "hp, activation": lambda hp, activation: model}[takes]
    hypermodel = ActivationHyperModel(build, ["relu", "tanh"])
    hypermodel.build(hp)
    with pytest.raises(FatalValueError, match="returned a model that it had returned before"):
        hypermodel.build(hp)


def test_where_chooses_the_sites(hp):
    hypermodel = ActivationHyperModel(network(), ["tanh", "relu"], where=lambda site: site.path == sites(given)[1].path)
    given = hypermodel.source.model
    assert hidden(hypermodel.build(hp)) == ["relu", "tanh"]


# What it refuses


@pytest.mark.parametrize(
    ("model", "kwargs", "message"),
    [
        (3, {}, "Expected a compiled keras.Model, a function build"),
        (keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, "relu")]), {}, "is not compiled"),
        (build, {"tie": "layer"}, "tie must be one of"),
        (build_own, {"tie": "site"}, "is given one activation and places it itself"),
        (build, {"seed": None}, "seed must be an integer from 0"),
        (keras_tuner.HyperModel, {}, "Received: the class HyperModel. Pass HyperModel"),
        (build, {"trainable": ["beta"]}, "No candidate has a parameter 'beta' to learn"),
        (build, {"candidates": ["mihs"]}, "Did you mean 'mish'"),
    ],
)
def test_what_can_not_be_searched(model, kwargs, message):
    with pytest.raises(ValueError, match=message):
        ActivationHyperModel(model, **{"candidates": ["relu", "elu"], **kwargs})


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (
            lambda: build_own(keras_tuner.HyperParameters(), "relu"),
            "of a class of its own, Own, whose activations can't be",
        ),
        (lambda: "model", "build.hp. must return a keras.Model. Received: 'model' of type str"),
        (
            lambda: keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, "relu")]),
            "has no hidden activation to choose",
        ),
    ],
)
def test_what_a_build_function_must_return(hp, returned, message):
    with pytest.raises(FatalValueError, match=message):
        ActivationHyperModel(lambda hp: returned(), ["relu", "elu"]).build(hp)


def test_a_name_of_the_build_functions_own(hp):
    def own_choice(hp):
        return network(hp.Choice("activation", ["relu", "tanh"]))

    with pytest.raises(FatalValueError, match="stands for other candidates already"):
        ActivationHyperModel(own_choice, ["gelu", "elu"]).build(hp)


# What is checked of a tuner


def test_a_direction_that_was_guessed_wrong(tuner_of):
    metric = keras.metrics.F1Score(average="macro", name="cosine_proximity")
    hypermodel = ActivationHyperModel(network(metrics=[metric]), ["relu", "tanh"])
    tuner = tuner_of(hypermodel, objective=keras_tuner.Objective("val_cosine_proximity", "min"))
    expected = r"'max'. Expected: objective=keras_tuner.Objective\('val_cosine_proximity', 'max'\)"
    with pytest.raises(FatalValueError, match=expected):
        tuner.search(**FIT)
    tuner = tuner_of(hypermodel, objective="val_loss", max_trials=2, overwrite=True)
    hypermodel.check(tuner)


@pytest.mark.parametrize(
    ("name", "guess", "is_right"),
    [
        ("val_loss", "min", True),
        ("val_neg_loss", "max", True),  # a metric of the user's own
        ("val_not_accuracy", "min", True),
        ("val_loss", "max", False),
        ("val_accuracy", "max", True),
        ("val_r2_score", "min", False),
        ("val_mine", "min", True),  # what is not known is the user's to say
    ],
)
def test_directions(name, guess, is_right):
    def mine(true, predicted):
        return keras.ops.mean(predicted)

    model = network(metrics=["accuracy", keras.metrics.R2Score(), mine])
    objective = keras_tuner.Objective(name, guess)
    if is_right:
        check_direction(objective, model)
    else:
        with pytest.raises(ValueError, match="has the direction"):
            check_direction(objective, model)


def test_several_objectives_are_checked_each():
    tuner_objective = keras_tuner.oracles.RandomSearchOracle(
        objective=[keras_tuner.Objective("val_loss", "min"), keras_tuner.Objective("val_accuracy", "min")]
    ).objective
    with pytest.raises(ValueError, match="'val_accuracy' has the direction 'min'"):
        check_direction(tuner_objective, network(metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")]))


def test_an_objective_that_is_not_logged(tuner_of):
    tuner = tuner_of(ActivationHyperModel(build, ["relu", "tanh"]))
    with pytest.raises(FatalValueError, match=r"Names that start with 'val_' need validation_data= in `tuner.search`"):
        tuner.search(X, Y, verbose=0)


def test_hyperband_over_a_small_space(tuner_of):
    hypermodel = ActivationHyperModel(network(), ["relu", "tanh"])
    tuner = tuner_of(hypermodel, keras_tuner.Hyperband, max_trials=None)
    with pytest.raises(FatalValueError, match="Hyperband first draws 98 configurations"):
        tuner.search(**FIT)
    assert not [trial for trial in tuner.oracle.trials.values() if trial.status == "COMPLETED"]


def test_random_search_over_a_small_space_is_warned_of(tuner_of):
    tuner = tuner_of(ActivationHyperModel(network(), ["relu", "tanh"]), max_trials=10)
    with pytest.warns(UserWarning, match="GridSearch"):
        tuner.hypermodel.check(tuner)


def test_a_project_over_other_candidates(tuner_of):
    tuner_of(ActivationHyperModel(network(), ["relu", "tanh"]), max_trials=1).search(**FIT)
    other = ActivationHyperModel(network(), ["relu", "gelu"])
    finished = tuner_of(other, max_trials=1)
    finished.search(**FIT)  # which builds nothing
    expected = r"something else .candidates: .*'tanh'.* there, .*'gelu'.* here.*overwrite=True"
    for refused in (other.check, other.scores):
        with pytest.raises(FatalValueError, match=expected):
            refused(finished)
    for refused in (finished.get_best_models, lambda: tuner_of(other, max_trials=2).search(**FIT)):
        with pytest.raises(FatalValueError, match="stands for other candidates already"):
            refused()
    anew = tuner_of(other, max_trials=1, overwrite=True)
    anew.search(**FIT)
    assert anew.get_best_hyperparameters()[0]["activation"] in ("relu", "gelu")


def test_a_project_over_another_model(tuner_of):
    tuner_of(ActivationHyperModel(network(), ["relu", "tanh"]), max_trials=1).search(**FIT)
    other = tuner_of(ActivationHyperModel(network(units=16), ["relu", "tanh"]), max_trials=2)
    with pytest.raises(FatalValueError, match=r"holds a search over something else .model: .*Pass overwrite=True"):
        other.search(**FIT)
    same = tuner_of(ActivationHyperModel(network(), ["relu", "tanh"]), max_trials=2)
    same.search(**FIT)
    assert len(same.oracle.trials) == 2


@pytest.mark.parametrize(
    ("first", "second", "differs"),
    [
        ({"candidates": ["relu", layers.ActivationMixture(["relu", "tanh"])]}, {}, "candidates"),
        ({"candidates": {"relu": {}, "elu": {"alpha": (0.1, 1.0)}}}, {}, "hyperparameters"),
        ({"seed": 1}, {"seed": 2}, "seed"),
        ({}, {"objective": "val_loss"}, "objective"),
    ],
)
def test_a_project_over_what_has_the_same_names(tuner_of, first, second, differs):
    others = {
        "candidates": {"candidates": ["relu", layers.ActivationMixture(["gelu", "sigmoid"])]},
        "hyperparameters": {"candidates": {"relu": {}, "elu": {"alpha": (0.1, 2.0)}}},
    }

    def tuner(candidates=("relu", "tanh"), seed=0, **kwargs):
        return tuner_of(ActivationHyperModel(network(), candidates, seed=seed), max_trials=1, **kwargs)

    tuner(**first).hypermodel.check(tuner(**first))
    other = tuner(**{**others.get(differs, {}), **second})
    with pytest.raises(FatalValueError, match=f"something else .*{differs}: "):
        other.hypermodel.check(other)


def test_a_project_of_a_function_of_another_body(tuner_of):
    def hypermodel(factor):
        namespace = {}
        exec(f"def mine(x):\n    return x * {factor}", namespace)
        return ActivationHyperModel(network(), ["relu", namespace["mine"]])

    first, same, other = hypermodel(2), hypermodel(2), hypermodel(3)
    for one in (first, same):
        one.check(tuner_of(one, max_trials=2))
    with pytest.raises(FatalValueError, match="candidates: "):
        other.check(tuner_of(other, max_trials=2))


def test_what_a_search_is_over_is_the_same_on_every_backend():
    from keras_actsel.tuner._checks import described

    text = described({}, network(), keras_tuner.HyperParameters())["model"]
    assert text == "6 layers with 155 weights (565978e8a42d)"


def test_a_finished_grid_over_a_range_is_no_interrupted_one(tuner_of):
    from keras_actsel.tuner._checks import check_resumable

    def ranged(hp):
        return network(rate=hp.Float("rate", 1e-3, 1e-1, sampling="log"))

    tuner = tuner_of(ActivationHyperModel(ranged, ["relu"]), keras_tuner.GridSearch, max_trials=None)
    count = len(tuner.oracle.get_space().space[0].values)
    finished = {
        str(index): keras_tuner.engine.trial.Trial(tuner.oracle.get_space(), str(index), "COMPLETED")
        for index in range(count)
    }
    tuner.oracle.trials = finished
    check_resumable(tuner)
    tuner.oracle.trials = dict(list(finished.items())[1:])
    with pytest.raises(ValueError, match="interrupted with 1 configurations left"):
        check_resumable(tuner)


def test_validation_must_be_in_each_epoch(tuner_of):
    tuner = tuner_of(ActivationHyperModel(network(), ["relu", "tanh"]), max_trials=1)
    with pytest.raises(FatalValueError, match="Received: validation_freq=2"):
        tuner.search(**FIT, validation_freq=2)


def test_a_project_of_a_search_without_this_package(tuner_of):
    tuner_of(lambda hp: network(hp.Choice("activation", ["relu", "tanh"])), max_trials=1).search(**FIT)
    with pytest.raises(FatalValueError, match=r"holds another search .trials: 1."):
        tuner_of(ActivationHyperModel(network(), ["relu", "tanh"]), max_trials=2).search(**FIT)


@pytest.mark.parametrize("trials", [1, 2])
def test_trials_that_all_fail_are_an_error(tuner_of, trials):
    def broken(hp):
        model = network()
        model.compile("adam", "mse")  # whose targets do not fit
        return model

    tuner = tuner_of(ActivationHyperModel(broken, ["relu", "tanh"]), objective="val_loss", max_trials=trials)
    with pytest.raises(FatalRuntimeError, match="No trial of this search is completed, and its trials fail: "):
        tuner.search(X, np.zeros((96, 5)), verbose=0)
    assert len(tuner.oracle.trials) == trials


def test_a_failure_may_be_tried_again(tuner_of):
    class Once(keras_tuner.HyperModel):
        failed = False

        def build(self, hp):
            return network()

        def fit(self, hp, model, *args, **kwargs):
            if not Once.failed:
                Once.failed = True
                raise OSError("a passing fault")
            return model.fit(*args, **kwargs)

    tuner = tuner_of(ActivationHyperModel(Once(), ["relu", "tanh"]), max_trials=1, max_retries_per_trial=1)
    tuner.search(**FIT)
    assert [trial.status for trial in tuner.oracle.trials.values()] == ["COMPLETED"]
    assert [list(scores) for scores in tuner.hypermodel.scores(tuner).values()] == [[0]]


def test_the_extra_is_named(monkeypatch):
    import importlib
    import importlib.util
    import sys

    find = importlib.util.find_spec
    for missing in ("six", "tensorboard"):
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda name, *a, m=missing: None if name == m else find(name, *a)
        )
        monkeypatch.setattr(keras.backend, "backend", lambda: "tensorflow")
        monkeypatch.delitem(sys.modules, "keras_actsel.tuner", raising=False)
        with pytest.raises(ImportError, match=rf'{missing}.*pip install "keras-actsel\[tuner\]"'):
            importlib.import_module("keras_actsel.tuner")
