"""Data sets: the digits, files, names, and what is said about bad ones."""

import re
import zipfile

import keras
import numpy as np
import pytest

from keras_actsel import data
from keras_actsel.data import Dataset

X = np.arange(20.0).reshape(10, 2)
Y = np.array([0, 1] * 5)


@pytest.fixture(autouse=True)
def no_folder(monkeypatch):
    monkeypatch.delenv(data.FOLDER_VARIABLE, raising=False)


@pytest.fixture
def write(tmp_path):
    """Write a file and give its path."""

    def _write(content, name="table.csv"):
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif isinstance(content, str):
            path.write_text(content, encoding="utf-8")
        else:
            np.savez(path, **content)
        return path

    return _write


def refused(message, *args, **kwargs):
    with pytest.raises(ValueError, match=message) as caught:
        data.load(*args, **kwargs)
    return str(caught.value)


# --- the digits -----------------------------------------------------------------------------------------------------


def test_digits_are_all_there_and_split_by_class():
    digits = data.load("digits")
    assert digits.x_train.shape == (1437, 8, 8)
    assert digits.x_test.shape == (360, 8, 8)
    assert digits.x_train.dtype == np.uint8
    assert digits.x_train.max() == 16
    counts = np.bincount(digits.y_train) + np.bincount(digits.y_test)
    assert counts.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert set(np.bincount(digits.y_test)) <= {35, 36, 37}
    assert np.array_equal(digits.x_test, data.load("digits").x_test)


def test_digits_are_those_of_scikit_learn():
    sklearn = pytest.importorskip("sklearn.datasets")
    images, labels = data.datasets.digits()
    assert np.array_equal(images, sklearn.load_digits().images)
    assert np.array_equal(labels, sklearn.load_digits().target)


def test_a_data_set_says_what_it_is():
    expected = "digits: 1,437 training and 360 test samples of shape 8 x 8, 10 classes"
    assert str(data.load("digits")) == expected
    assert repr(data.load("digits")) == "Dataset(name='digits')"
    assert str(Dataset("t", X, X[:, 0])) == "t: 10 training samples of shape 2, a quantity to predict"


# --- names ----------------------------------------------------------------------------------------------------------


def test_unknown_name():
    message = refused("Unknown data set 'minst'. Did you mean 'mnist'?", "minst")
    assert "digits, mnist, fashion_mnist" in message
    assert "or a path to an .npz or .csv file" in message


def test_a_name_is_first_looked_up_in_the_users_folder(write, monkeypatch):
    path = write({"x_train": X, "y_train": Y}, "mnist.npz")
    write({"x_train": X, "y_train": Y}, "birds.npz")
    monkeypatch.setenv(data.FOLDER_VARIABLE, str(path.parent))
    assert len(data.load("mnist").x_train) == 10
    assert data.load("birds").name == "birds"
    refused("Did you mean 'birds'", "brids")


def test_the_users_folder_must_exist(monkeypatch):
    monkeypatch.setenv(data.FOLDER_VARIABLE, "nowhere")
    refused("KERAS_ACTSEL_DATA must name a folder. Received: 'nowhere'", "mnist")


def test_names_of_keras_datasets_are_all_there():
    assert all(hasattr(getattr(keras.datasets, name), "load_data") for name in data.KERAS_DATASETS)


def test_downloaded(monkeypatch):
    monkeypatch.setattr(keras.datasets.mnist, "load_data", lambda: ((X, Y), (X, Y)))
    assert data.load("mnist").x_test.shape == (10, 2)


def test_a_download_that_fails(monkeypatch):
    def fail():
        raise Exception("URL fetch failure on https://example.org/mnist.npz: no network")

    monkeypatch.setattr(keras.datasets.mnist, "load_data", fail)
    message = refused("Could not download 'mnist': URL fetch failure", "mnist")
    assert "Give the path of an .npz file instead, or set KERAS_ACTSEL_DATA to a folder that holds mnist.npz" in message


def test_a_target_belongs_to_a_csv():
    refused("A target column belongs to a .csv file. Received: target='label' with 'digits'", "digits", target="label")


# --- .npz -----------------------------------------------------------------------------------------------------------


def test_npz_without_and_with_test_part(write):
    path = write({"x_train": X, "y_train": Y, "extra": X}, "some.npz")
    assert data.load(path).x_test is None
    path = write({"x_train": X, "y_train": Y, "x_test": X[:3], "y_test": Y[:3]}, "some.npz")
    assert data.load(str(path)).x_test.shape == (3, 2)


def test_npz_with_text_labels(write):
    path = write({"x_train": X, "y_train": np.array(["dog", "cat"] * 5), "x_test": X[:1], "y_test": ["cat"]}, "a.npz")
    loaded = data.load(path)
    assert loaded.y_train.tolist() == [1, 0] * 5
    assert loaded.y_test.tolist() == [0]


def test_npz_missing(tmp_path, write):
    write({"x_train": X, "y_train": Y}, "digits_a.npz")
    refused(r"File not found: .*digits_b.npz'. Did you mean 'digits_a.npz'\?", tmp_path / "digits_b.npz")


def test_a_path_without_a_known_ending(tmp_path, write):
    refused("File not found", tmp_path / "nothing")
    refused(r"Unknown kind of file. Received: .*a.parquet'. Expected .npz or .csv", write("a", "a.parquet"))
    refused("Expected a file of examples. Received the directory", tmp_path)


def test_a_directory_with_the_ending_of_a_file(tmp_path):
    (tmp_path / "a.npz").mkdir()
    refused("Expected a file of examples. Received the directory", tmp_path / "a.npz")


@pytest.mark.parametrize("content", [b"", b"no zip at all", b"PK\x03\x04 cut short"])
def test_npz_that_is_none(write, content):
    refused("Could not read a.npz: it is not an .npz file, or it is damaged", write(content, "a.npz"))


def test_npz_that_is_damaged_within(write):
    path = write({"x_train": np.zeros((1000, 3)), "y_train": Y}, "a.npz")
    content = bytearray(path.read_bytes())
    content[2000:2100] = b"\x55" * 100
    refused("Could not read a.npz: array x_train is damaged .*Bad CRC", write(bytes(content), "a.npz"))


def test_npz_that_is_a_single_array(tmp_path):
    with (tmp_path / "a.npz").open("wb") as stream:
        np.save(stream, X)
    refused("a.npz holds a single array. Expected an .npz file", tmp_path / "a.npz")


def test_npz_with_something_else_within(write, tmp_path):
    write({"y_train": Y}, "a.npz")
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive:
        archive.writestr("x_train", "text")
    refused("x_train is not a NumPy array", tmp_path / "a.npz")


def test_npz_lacks_arrays(write):
    message = refused(r"a.npz lacks x_train and y_train.", write({"xtrain": X, "labels": Y}, "a.npz"))
    assert "Did you mean 'xtrain'?" in message
    assert "It holds: xtrain, labels." in message
    refused("a.npz lacks y_test", write({"x_train": X, "y_train": Y, "x_test": X}, "a.npz"))


class Mine:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was read",))


@pytest.mark.parametrize("name", ["x_train", "y_train"])
def test_pickled_arrays_are_never_read(write, name):
    arrays = {"x_train": X, "y_train": Y, name: np.array([Mine()], dtype=object)}
    refused(f"{name} holds pickled Python objects, which are never read", write(arrays, "a.npz"))


# --- what any source is checked for ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ((X, Y[:7]), "x_train has 10 samples, but y_train has 7 targets"),
        ((X[:0], Y[:0]), r"x_train is empty. Received: shape \(0, 2\)"),
        ((np.float64(1.0), Y), r"x_train is empty. Received: shape \(\)"),
        ((X[:, 0], Y), r"x_train has the shape \(10,\). Expected samples and features"),
        ((np.where(X == 3, np.nan, X), Y), "x_train has values that are NaN or infinite. Received: 1 of 20"),
        ((X, np.where(Y == 1, np.inf, 0.0)), "y_train has values that are NaN or infinite. Received: 5 of 10"),
        ((X.astype(str), Y), "x_train must hold numbers. Received: dtype <U32"),
        ((X.astype(complex), Y), "x_train must hold numbers. Received: dtype complex128"),
        ((X, Y, X[:, :1], Y), r"x_train and x_test differ in shape. Received: \(2,\) and \(1,\)"),
        ((X, Y, X, Y[:4]), "x_test has 10 samples, but y_test has 4 targets"),
        ((X, Y, X), "t has x_test but no y_test. Give both or neither"),
        ((X, Y, None, Y), "t has y_test but no x_test"),
    ],
)
def test_arrays_that_do_not_fit(arrays, message):
    with pytest.raises(ValueError, match=message):
        Dataset("t", *arrays)


# --- .csv -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_csv_with_any_delimiter(write, mark, ending):
    text = 'a,b,"the kind"\n1,2.5,tall\n\n-3,4e2,small\n.5,6,tall\n'.replace(",", mark)
    loaded = data.load(write("\ufeff" + text, f"t.{ending}"), target="the kind")
    assert loaded.x_train.tolist() == [[1.0, 2.5], [-3.0, 400.0], [0.5, 6.0]]
    assert loaded.y_train.tolist() == [1, 0, 1]
    assert data.task(loaded) == "classification"


def test_csv_targets(write):
    rows = [(i, i % 3 + 1, i * 0.5, 10 * i) for i in range(60)]
    path = write("x,class,price,count\n" + "\n".join(",".join(map(str, row)) for row in rows))
    assert np.unique(data.load(path, target="class").y_train).tolist() == [0, 1, 2]
    assert data.task(data.load(path, target="price")) == "regression"
    assert data.task(data.load(path, target="count")) == "regression"
    assert data.load(path, target="count").y_train.max() == 590


def test_csv_whose_columns_are_named_by_whole_numbers(write):
    assert data.load(write("0,1,label\n5,6,0\n7,8,1\n"), target="label").x_train.shape == (2, 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "table.csv is empty. Expected a header line"),
        ("a,y\n", "table.csv has a header but no rows"),
        ("a|y\n1|2\n", r"has a single column, 'a\|y'. Expected .* separated by comma, semicolon or tab"),
        ("1.5,2\n3,4\n", "has no header: line 1 holds numbers such as 1.5"),
        ("5.1,3.5,setosa\n4.9,3.0,setosa\n", "has no header: line 1 holds numbers such as 5.1"),
        ("1,2\n3,4\n", "has no header"),
        (",a,y\n0,1,2\n", r"column 1 has no name in the header.*index=False"),
        ("a,a,y\n0,1,2\n", "has several columns named 'a'"),
        ("a,b,y\n1,2,0\n1,2\n", r"line 3: 2 cells, but the header has 3 columns \(separated by comma\)"),
        ("a,b,y\n1,2,0\n1,2,3,4\n", "line 3: 4 cells, but the header has 3 columns"),
        ("a,b,y\n1,2,0\n\n1,,1\n", "line 4, column 'b': the value is missing. Received: an empty cell. Fill it"),
        ("a,b,y\n1,NaN,0\n", "line 2, column 'b': the value is missing. Received: 'NaN'"),
        ("a,b,y\n1,2,0\n1,2,\n", "line 3, column 'y': the value is missing"),
        ("a,b,y\n1,red,0\n", "line 2, column 'b': expected a number. Received: 'red'. Encode text as numbers"),
        ("a;b;y\n1;2,5;0\n", "line 2, column 'b': expected a number. Received: '2,5'. Write decimals with a point"),
        ("a,b,y\n1,inf,0\n", "line 2, column 'b': expected a number. Received: 'inf'"),
        ("a,b,y\n1,1e999,0\n", "x_train has values that are NaN or infinite"),
        ("a,y\n1,k\n2,l\n3,m\n", "target 'y' holds 'k', so it is read as classes, but it has 3 different values in 3"),
    ],
)
def test_csv_that_can_not_be_read(write, text, message):
    refused(message, write(text), target="y")


def test_csv_target_unknown_or_not_given(write):
    path = write("width,height,kind\n1,2,0\n")
    refused("table.csv needs a target: the column to predict. Expected one of: width, height, kind", path)
    message = refused(r"has no column 'kinds'. Did you mean 'kind'\?", path, target="kinds")
    assert "Expected one of the names in its first line: width, height, kind" in message


def test_csv_with_many_columns_lists_some(write):
    path = write(",".join(f"c{i}" for i in range(30)) + "\n" + ",".join("1" * 30) + "\n")
    refused("c19 and 10 more", path)


def test_csv_missing_or_not_text(write, tmp_path):
    refused("File not found", tmp_path / "none.csv", target="y")
    refused("Could not read table.csv as CSV: .*Expected text in UTF-8", write(b"a,y\n\xff\xfe,1\n"), target="y")


# --- subsets --------------------------------------------------------------------------------------------------------


def test_a_subset_keeps_the_share_of_each_class():
    small = data.subset(data.load("digits"), 100)
    assert set(np.bincount(small.y_train)) <= {9, 10, 11}
    assert len(small.x_test) == 360
    again = data.subset(data.load("digits"), 100)
    assert np.array_equal(small.x_train, again.x_train)


def test_a_subset_of_quantities_spans_their_range():
    y = np.linspace(0.0, 1.0, 1000)
    assert np.sort(y[data.spread(y, 10)]) == pytest.approx(np.arange(0.05, 1, 0.1), abs=0.01)


@pytest.mark.parametrize("count", [1, 7, 99, 1437])
def test_a_subset_takes_no_sample_twice(count):
    labels = data.load("digits").y_train
    assert len(set(data.spread(labels, count))) == count


@pytest.mark.parametrize("count", [0, -1, 1438])
def test_a_subset_of_impossible_size(count):
    message = f"between 1 and 1437, the training samples of digits. Received: {count}"
    with pytest.raises(ValueError, match=message):
        data.subset(data.load("digits"), count)


# --- the default network --------------------------------------------------------------------------------------------


def kinds(model):
    return [type(layer).__name__ for layer in model.layers]


def test_default_model_for_digits():
    model = data.default_model(data.load("digits"))
    assert kinds(model) == ["Rescaling", "Flatten", "Dense", "Dense", "Dense", "Dense"]
    assert [layer.activation.__name__ for layer in model.layers[2:]] == ["relu", "relu", "relu", "softmax"]
    assert float(keras.ops.max(model.layers[0](np.full((1, 8, 8), 16)))) == 1.0
    assert model.loss == "sparse_categorical_crossentropy"


@pytest.mark.parametrize("shape", [(28, 28), (16, 16, 3)])
def test_default_model_for_pictures(shape):
    x = np.zeros((4, *shape), dtype="uint8")
    model = data.default_model(Dataset("t", x, np.array([0, 1, 2, 3])))
    assert "Conv2D" in kinds(model)
    assert model.output_shape == (None, 4)
    assert model.predict(x, verbose=0).shape == (4, 4)


@pytest.mark.parametrize("shape", [(15, 16), (3, 32, 32), (2, 3, 4, 5)])
def test_default_model_for_other_shapes(shape):
    model = data.default_model(Dataset("t", np.zeros((4, *shape)), np.array([0, 1, 0, 1])))
    assert kinds(model) == ["Rescaling", "Flatten", "Dense", "Dense", "Dense", "Dense"]


def test_default_model_scales_the_columns_of_a_table():
    x = np.random.default_rng(0).normal([0.0, 2020.0, 5.0], [1.0, 3.0, 0.0], size=(200, 3))
    model = data.default_model(Dataset("t", x, np.arange(200) % 2))
    scaled = keras.ops.convert_to_numpy(model.layers[0](x.astype("float32")))
    assert scaled.mean(axis=0) == pytest.approx([0, 0, 0], abs=1e-3)
    assert scaled.std(axis=0) == pytest.approx([1, 1, 0], abs=1e-3)


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e6])
def test_default_model_learns_quantities_of_any_scale(scale):
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(400, 2))
    y = scale * (3.0 + x[:, 0] + x[:, 1])
    model = data.default_model(Dataset("t", x, y))
    model.fit(x, y, epochs=8, verbose=0)
    result = model.evaluate(x, y, verbose=0, return_dict=True)
    assert result["r2"] > 0.9
    assert model.predict(x, verbose=0).mean() == pytest.approx(3 * scale, rel=0.2)


def test_default_model_for_several_quantities_and_for_one_hot_rows():
    assert data.default_model(Dataset("t", X, X * 2)).output_shape == (None, 2)
    one_hot = data.default_model(Dataset("t", X, np.eye(2)[Y]))
    assert one_hot.loss == "categorical_crossentropy"
    assert data.task(Dataset("t", X, np.eye(2)[Y])) == "classification"


def test_default_model_for_labels_in_a_column_as_of_cifar():
    model = data.default_model(Dataset("t", X, Y[:, None].astype("uint8")))
    assert model.output_shape == (None, 2)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.zeros(10, dtype=int), "t: y_train holds one class only, 0. Expected two classes or more"),
        (np.array([-1, 1] * 5), "t: y_train holds the class -1. Expected classes numbered from 0"),
        (np.full(10, 2.5), "t: every target in y_train is 2.5. Expected targets that vary"),
    ],
)
def test_nothing_to_learn(y, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        data.default_model(Dataset("t", X, y))


def test_a_saved_default_model_needs_nothing_of_ours(tmp_path):
    model = data.default_model(data.load("digits"))
    model.save(tmp_path / "m.keras")
    assert all(type(layer).__module__.startswith("keras.") for layer in model.layers)
    assert keras.saving.load_model(tmp_path / "m.keras").count_params() == model.count_params()
