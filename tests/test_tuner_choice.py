"""`hp_activation`: activations as hyperparameters in a build function of keras-tuner."""

import keras
import keras_tuner
import numpy as np
import pytest
from keras_tuner.errors import FatalValueError

from keras_actsel import activations, layers
from keras_actsel.tuner import hp_activation

RANGED = ["relu", {"leaky_relu": {"negative_slope": (0.01, 0.3, "log")}}, "prelu"]


@pytest.fixture
def hp():
    return keras_tuner.HyperParameters()


def chosen(hp, value, candidates, **kwargs):
    hp_activation(hp, candidates=candidates, **kwargs)
    hp.values["activation"] = value
    hp.ensure_active_values()
    return hp_activation(hp, candidates=candidates, **kwargs)


# What comes back


def test_the_first_candidate_is_the_default(hp):
    layer = hp_activation(hp, candidates=["gelu", "relu"])
    assert isinstance(layer, layers.Activation)
    assert str(layer.activation) == "gelu"
    assert hp.values == {"activation": "gelu"}


def test_the_shortlist_of_select_is_the_default(hp):
    from keras_actsel.search import SHORTLIST

    hp_activation(hp)
    assert hp.space[0].values == list(SHORTLIST)


def test_a_mixture_of_ones_own_functions_is_copied_too(hp):
    mixture = layers.ActivationMixture([lambda x: x * keras.ops.sigmoid(2.0 * x), "relu"], name="own")
    first, second = (chosen(hp, "own", ["relu", mixture]) for _ in range(2))
    assert first is not second
    assert first.candidates == mixture.candidates


def test_each_call_gives_a_new_layer(hp):
    candidates = ["prelu", layers.ActivationMixture(["relu", "tanh"])]
    first, second = (hp_activation(hp, candidates=candidates) for _ in range(2))
    assert first is not second
    mixtures = [chosen(hp, "activation_mixture", candidates) for _ in range(2)]
    assert mixtures[0] is not mixtures[1]
    assert mixtures[0].name != mixtures[1].name
    assert all(isinstance(mixture, layers.ActivationMixture) for mixture in mixtures)


@pytest.mark.parametrize(
    ("candidate", "stored"),
    [
        ("swish", "silu"),
        ("leaky_relu(negative_slope=0.1)", "leaky_relu(negative_slope=0.1)"),
        (activations.get("elu", alpha=2.0), "elu(alpha=2.0)"),
        (keras.ops.sin, "sin"),
        (layers.Snake(name="wave"), "wave"),
    ],
)
def test_what_keras_tuner_stores(hp, candidate, stored):
    hp_activation(hp, candidates=[candidate, "relu"])
    assert hp.space[0].values == [stored, "relu"]


def test_a_layer_is_stored_by_a_text_that_does_not_depend_on_what_was_made_before(hp):
    for _ in range(3):
        mixture = layers.ActivationMixture(["relu", "tanh"])
    assert mixture.name != "activation_mixture"
    hp_activation(hp, candidates=["relu", mixture])
    assert hp.space[0].values == ["relu", "activation_mixture"]


# Parameters


def test_a_parameter_is_searched_where_its_activation_is_chosen(hp):
    layer = chosen(hp, "leaky_relu", RANGED)
    assert [known.name for known in hp.space] == ["activation", "activation/leaky_relu/negative_slope"]
    assert 0.01 <= layer.activation.parameters["negative_slope"] <= 0.3
    assert hp.space[1].default == 0.2  # the activation's own lies inside
    hp.values["activation/leaky_relu/negative_slope"] = 0.05
    assert hp_activation(hp, candidates=RANGED).activation.parameters["negative_slope"] == 0.05
    hp.values["activation"] = "relu"
    assert not hp.is_active("activation/leaky_relu/negative_slope")


def test_ranges_may_be_lists_and_linear_and_of_several_activations(hp):
    candidates = {"relu": {}, "elu": {"alpha": [0.5, 1.0, 2.0]}, "leaky_relu": {"negative_slope": (0.3, 0.9)}}
    layer = chosen(hp, "elu", candidates)
    assert layer.activation.parameters["alpha"] in (0.5, 1.0, 2.0)
    assert 0.3 <= chosen(hp, "leaky_relu", candidates).activation.parameters["negative_slope"] <= 0.9
    assert [known.default for known in hp.space] == ["relu", 1.0, 0.3]
    names = {known.name: type(known).__name__ for known in hp.space}
    assert names == {
        "activation": "Choice",
        "activation/elu/alpha": "Choice",
        "activation/leaky_relu/negative_slope": "Float",
    }


def test_two_choices_do_not_share_a_parameter(hp):
    for name in ("first", "second"):
        hp_activation(hp, name, RANGED)
    assert [known.name for known in hp.space if "/" in known.name] == [
        "first/leaky_relu/negative_slope",
        "second/leaky_relu/negative_slope",
    ]


def test_parameters_can_be_learned(hp):
    candidates, learning = ["gelu", "leaky_relu", "prelu"], {"trainable": ["negative_slope"]}
    layer = chosen(hp, "leaky_relu", candidates, **learning)
    layer.build((None, 3))
    assert [weight.name for weight in layer.weights] == ["negative_slope"]
    assert not chosen(hp, "gelu", candidates, **learning).learned
    assert chosen(hp, "prelu", candidates, **learning).learned == ("alpha",)


# Conditions and scopes


def test_none_where_the_parent_has_another_value(hp):
    kind = hp.Choice("kind", ["dense", "convolutional"])
    assert kind == "dense"
    given = {"parent_name": "kind", "parent_values": ["convolutional"]}
    assert hp_activation(hp, candidates=RANGED, **given) is None
    hp.values["kind"] = "convolutional"
    hp.ensure_active_values()
    assert isinstance(hp_activation(hp, candidates=RANGED, **given), layers.Activation)


def test_a_name_scope_is_part_of_the_names(hp):
    with hp.name_scope("tower"):
        hp_activation(hp, candidates=RANGED)
    assert [known.name for known in hp.space] == ["tower/activation", "tower/activation/leaky_relu/negative_slope"]


def test_the_same_name_is_the_same_choice(hp):
    chosen(hp, "prelu", RANGED)
    assert hp_activation(hp, candidates=RANGED).learned == ("alpha",)
    assert len(hp.space) == 2


# Errors


@pytest.mark.parametrize(
    ("candidates", "message"),
    [
        (["mihs"], "Unknown activation 'mihs'. Did you mean 'mish'?"),
        ([], "There is no candidate. Received: none."),
        ("relu", "candidates must be a list such as ['relu', 'gelu'], or a dict. Received: 'relu'."),
        ({"relu": 0.1}, "The parameters of 'relu' to search must be a dict by name"),
        ({"elu": {"alhpa": (0, 1)}}, "'elu' has no parameter 'alhpa'. Expected one of: alpha. Did you mean 'alpha'?"),
        ({"mish": {"beta": (0, 1)}}, "'mish' has no parameter 'beta'. Expected one of: it has none."),
        ({"elu": {"alpha": 0.1}}, "must be a range, (low, high) or (low, high, 'log'), or a list of values"),
        ({"elu": {"alpha": (0.1, 0.2, "cubic")}}, "Samplings: ('linear', 'log', 'reverse_log')."),
        ({"elu": {"alpha": (0.2, 0.1)}}, "The range of 'alpha' of 'elu' must go from a number to a larger one"),
        ({"leaky_relu": {"negative_slope": (0.0, 0.1, "log")}}, "both above 0 unless it is linear"),
        ({"elu": {"alpha": (-1.0, 0.1)}}, "Parameter 'alpha' of 'elu' must lie between 0 and inf. Received: -1.0."),
        ({"elu": {"alpha": ["a"]}}, "Parameter 'alpha' of 'elu' must be a number. Received: 'a'."),
        (["relu", {"relu": {"negative_slope": (0.0, 0.1)}}], "Two different candidates have the name 'relu'"),
        (["glu"], "'glu'"),
    ],
)
def test_wrong_candidates_fail_at_once(hp, candidates, message):
    with pytest.raises(FatalValueError) as error:
        hp_activation(hp, candidates=candidates)
    assert message in str(error.value)
    assert not hp.space


def test_parameters_of_a_layer_are_not_searched():
    from keras_actsel.tuner._options import options

    with pytest.raises(ValueError, match="Parameters of the layer 'wave' can't be searched"):
        options({layers.Snake(name="wave"): {"frequency": (0.1, 1.0)}})


@pytest.mark.parametrize(
    ("trainable", "message"),
    [("alpha", "trainable must be a list of parameters' names"), (["slope"], "No candidate has a parameter 'slope'")],
)
def test_what_can_not_be_learned(hp, trainable, message):
    with pytest.raises(ValueError, match=message):
        hp_activation(hp, candidates=["relu", "elu"], trainable=trainable)


def test_a_name_does_not_stand_for_two_lists(hp):
    hp_activation(hp, candidates=["relu", "gelu"])
    with pytest.raises(FatalValueError, match="'activation' stands for other candidates already") as error:
        hp_activation(hp, candidates=["relu", "tanh"])
    assert "If the tuner was reloaded from a project directory" in str(error.value)


def test_a_name_does_not_stand_for_two_ranges(hp):
    hp_activation(hp, candidates={"elu": {"alpha": (0.1, 1.0)}, "relu": {}})
    with pytest.raises(FatalValueError, match=r"stands for other values for 'alpha' already.*Received: 0.1 to 2.0"):
        hp_activation(hp, candidates={"elu": {"alpha": (0.1, 2.0)}, "relu": {}})


def test_a_name_does_not_stand_under_two_conditions(hp):
    hp.Choice("kind", ["a", "b"])
    hp_activation(hp, candidates=["relu"], parent_name="kind", parent_values=["a"])
    with pytest.raises(FatalValueError, match="or under another condition"):
        hp_activation(hp, candidates=["relu"], parent_name="kind", parent_values=["b"])


def test_a_name_that_is_taken_by_something_else(hp):
    hp.Int("activation", 1, 3)
    with pytest.raises(FatalValueError, match="stands for other candidates already"):
        hp_activation(hp, candidates=["relu"])


# A place of its own


@pytest.mark.parametrize("candidate", ["prelu", layers.ActivationMixture(["relu", "tanh"]), keras.layers.PReLU()])
def test_with_weights_it_is_no_activation_of_another_layer(hp, candidate):
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(8, activation=hp_activation(hp, candidates=[candidate]))]
    )
    expected = r"Dense\(8, activation=hp_activation\(...\)\): the activation has weights.*model.add\(Dense\(8\)\)"
    for _ in range(2):
        with pytest.raises(FatalValueError, match=expected):
            model(np.zeros((2, 4), "float32"))


def test_without_weights_it_may_be(hp):
    layer = keras.layers.Dense(8, activation=hp_activation(hp, candidates=["relu"]))
    assert layer(np.zeros((2, 4), "float32")).shape == (2, 8)


def test_in_a_model_of_a_class_of_its_own_it_is_a_layer(hp, tmp_path):
    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense, self.act = keras.layers.Dense(8), hp_activation(hp, candidates=["prelu"])

        def call(self, x):
            return self.act(self.dense(x))

    model = Model()
    assert model(np.zeros((2, 4), "float32")).shape == (2, 8)
    assert len(model.trainable_weights) == 3


def test_it_counts_saves_and_reloads_as_any_layer(hp, tmp_path):
    candidates = ["prelu", layers.ActivationMixture(["relu", "tanh"])]
    x = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    for value in ("prelu", "activation_mixture"):
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8), chosen(hp, value, candidates)])
        assert model.count_params() > 40
        model.save(tmp_path / "model.keras")
        loaded = keras.models.load_model(tmp_path / "model.keras")
        np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
