"""What is a collapsed model worth at deployment: its drift, its exports and its speed?

    KERAS_BACKEND=jax KERAS_ACTSEL_DATA=... python benchmarks/collapsed_export.py
    KERAS_BACKEND=tensorflow python benchmarks/collapsed_export.py --data digits

A small network of convolutions with batch normalization and mixtures is trained and collapsed by each rule. Then the
exports that the backend serves (SavedModel and OpenVINO, or ONNX) are written, opened again in the format's own
runtime, and their numbers compared with those of the trained model. At last predictions are timed in interleaved
rounds against the same network with the functions written by hand, by Keras and in the runtimes of the exports.
"""

import argparse
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
from keras import ops

import keras_actsel
from keras_actsel.layers import ActivationMixture

BACKEND = keras.backend.backend()
ROUTES = {"tensorflow": ("savedmodel", "openvino"), "torch": ("onnx",), "jax": ("onnx",)}
PACKAGES = {"openvino": ("openvino",), "onnx": ("onnx", "onnxruntime")}
CASES = {
    "relu, tanh, linear": {"candidates": ["relu", "tanh", "linear"]},
    "relu, gelu, snake, by channel": {"candidates": ["relu", "gelu", "snake"], "axis": -1},
    "linear, relu, prelu, by channel": {"candidates": ["linear", "relu", "prelu"], "axis": -1},
}


def network(shape, mixture):
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(shape),
            layers.Conv2D(16, 3, use_bias=False),
            layers.BatchNormalization(),
            mixture(),
            layers.AveragePooling2D(2),
            layers.Conv2D(32, 3, use_bias=False),
            layers.BatchNormalization(),
            mixture(),
            layers.AveragePooling2D(2),
            layers.Flatten(),
            layers.Dense(64),
            mixture(),
            layers.Dropout(0.2),
            layers.Dense(10, activation="softmax"),
        ]
    )


def load(name, samples):
    data = keras_actsel.data.load(name)
    scale = 255.0 if data.x_train.max() > 16 else 16.0
    x, x_test = (np.asarray(part, "float32")[..., None] / scale for part in (data.x_train, data.x_test))
    if x.shape[1] < 16:  # digits, enlarged for two convolutions and poolings
        x, x_test = (np.kron(part, np.ones((1, 2, 2, 1), "float32")) for part in (x, x_test))
    return x[:samples], np.asarray(data.y_train)[:samples], x_test, np.asarray(data.y_test)


def trained(options, x, y, epochs):
    keras.utils.set_random_seed(1)
    model = network(x.shape[1:], lambda: ActivationMixture(**options))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, batch_size=128, epochs=epochs, verbose=0)
    return model


def describe(layer):
    function = getattr(layer, "activation", layer)
    return getattr(function, "name", getattr(function, "__name__", type(function).__name__))


def measure_drift(model, x, x_test, y_test):
    collapsed = {}
    for rule in ("keep", "largest", "nearest"):
        start = time.perf_counter()
        result = collapsed[rule] = keras_actsel.collapse(model, rule, x if rule == "nearest" else None)
        seconds = time.perf_counter() - start
        pairs = zip(model.layers, result.layers, strict=True)
        chosen = [describe(new) for old, new in pairs if isinstance(old, ActivationMixture)]
        print(f"  {rule:8} {', '.join(chosen)} ({seconds:.1f} s)")
        print(f"  {'':8} {keras_actsel.drift(model, result, x_test, y_test)}")
    return collapsed["keep"]


# Exports


def exported(model, route, x, folder):
    """An exported model, opened again by the runtime of its format, as a function of NumPy arrays."""
    path = str(Path(folder) / {"savedmodel": "saved", "openvino": "model.xml", "onnx": "model.onnx"}[route])
    if route == "savedmodel":
        import tensorflow as tf

        model.export(path, format="tf_saved_model", verbose=False)
        loaded = tf.saved_model.load(path)  # which owns the weights, and has to be held
        return lambda x: loaded.serve(x).numpy()
    if route == "openvino":
        import openvino

        model.export(path, format="openvino", verbose=False)
        compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        return lambda x: compiled(x)[0]
    import onnxruntime

    write_onnx(model, x, path)
    session = onnxruntime.InferenceSession(path)
    return lambda x: session.run(None, {session.get_inputs()[0].name: x})[0]


def write_onnx(model, x, path):
    model(x)  # Keras exports what has been called
    if BACKEND == "torch":
        model.export(path, format="onnx", verbose=False)
        return
    import onnx
    from jax2onnx import to_onnx

    onnx.save(to_onnx(model, inputs=[("B", *x.shape[1:])]), path)


def measure_exports(model, x):
    expected = np.asarray(model.predict(x, verbose=0))
    for route in ROUTES[BACKEND]:
        with tempfile.TemporaryDirectory() as folder:
            try:
                found = np.asarray(exported(model, route, x, folder)(x))
            except ImportError as error:
                print(f"  {route:11} not measured: {error}")
                continue
            print(f"  {route:11} largest difference {np.abs(found - expected).max():.1e}")


# Speed


def by_hand(model, as_graph):
    """The same network with its functions written by hand: in Python, or as nodes of a Functional model.

    Only the second can be saved and loaded without the code that defines the functions.
    """
    inputs = keras.Input(model.input_shape[1:])
    h, copies = inputs, []
    for layer in model.layers:
        if isinstance(layer, ActivationMixture):
            function = handwritten(layer)
            h = function(h) if as_graph else keras.layers.Activation(function)(h)
        else:
            copies.append((layer, type(layer).from_config(layer.get_config())))
            h = copies[-1][1](h)
    for old, new in copies:
        new.set_weights(old.get_weights())
    return keras.Model(inputs, h)


def handwritten(mixture):
    """What one would write for a mixture of relu, tanh and linear, its constants in the code."""
    offset, weights = (ops.convert_to_numpy(part) for part in mixture.effective())
    total, (relu, tanh, linear) = float(offset), map(float, weights)
    # As one would: linear and relu are a leaky relu.
    slope = linear / (relu + linear)
    return lambda x: (relu + linear) * ops.leaky_relu(x, negative_slope=slope) + tanh * ops.tanh(x) + total


def runner(model, x):
    """A function that predicts a batch once, compiled as the backend does, and waits for the result."""
    tensor = ops.convert_to_tensor(x)
    if BACKEND == "jax":
        import jax

        rest = [v.value for v in model.non_trainable_variables]
        weights = [v.value for v in model.trainable_variables]
        compiled = jax.jit(lambda t: model.stateless_call(weights, rest, t, training=False)[0])
        return lambda: jax.block_until_ready(compiled(tensor))
    if BACKEND == "tensorflow":
        import tensorflow as tf

        graph = tf.function(lambda t: model(t, training=False))
        return lambda: graph(tensor)
    import torch

    def eager():
        with torch.inference_mode():
            return model(tensor, training=False)

    return eager


def measure_speed(model, collapsed, x, rounds):
    functions = runner(by_hand(model, as_graph=False), x)
    runs = {
        "by hand": functions,
        "by hand again": functions,
        "by hand, as nodes": runner(by_hand(model, as_graph=True), x),
        "collapsed": runner(collapsed, x),
        "mixture": runner(model, x),
    }
    print(f"  batch {len(x)}, Keras")
    compare(runs, rounds)


def measure_calls(rounds, count=10):
    """What calling a function costs, in a network of `count` such sites on one row of 16 numbers."""

    def function(x):
        return ops.add(ops.leaky_relu(x, negative_slope=0.3), ops.multiply(0.2, ops.tanh(x)))

    def nested(x):
        inputs = keras.Input(batch_shape=(None, None))
        return keras.Model(inputs, function(inputs))(x)

    def applied(x):
        inputs = keras.Input(batch_shape=(None, None))
        return keras.layers.Activation(keras.Model(inputs, function(inputs)))(x)

    def network(site):
        inputs = h = keras.Input((16,))
        for _ in range(count):
            h = site(h)
        return keras.Model(inputs, h)

    hand = runner(network(keras.layers.Activation(function)), np.ones((1, 16), "float32"))
    forms = {"by hand, as nodes": function, "a model of nodes": nested, "a layer of it": applied}
    made = {name: runner(network(site), np.ones((1, 16), "float32")) for name, site in forms.items()}
    print(f"{count} sites on a row of 16 numbers ({BACKEND})")
    compare({"by hand": hand, "by hand again": hand, **made}, rounds)


def measure_exported_speed(model, collapsed, x, rounds):
    for route in ROUTES[BACKEND]:
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
            try:
                hand = exported(by_hand(model, as_graph=False), route, x, one)
                ours = exported(collapsed, route, x, other)
            except ImportError as error:
                print(f"  {route} not measured: {error}")
                continue
            print(f"  batch {len(x)}, {route}")
            calls = {"by hand": hand, "by hand again": hand, "collapsed": ours}
            compare({name: lambda call=call: call(x) for name, call in calls.items()}, rounds)


def compare(runs, rounds):
    """Print the time of each function as a ratio to the first, in interleaved rounds."""
    times = {name: [] for name in runs}
    for run in runs.values():
        run()
    order = np.random.default_rng(0)
    for _ in range(rounds):
        for name in order.permutation(list(runs)):
            start = time.perf_counter()
            runs[name]()
            times[name].append(time.perf_counter() - start)
    base = np.array(times["by hand"])
    print(f"    by hand takes {1e3 * np.median(base):.2f} ms")
    for name in list(runs)[1:]:
        ratios = np.array(times[name]) / base
        low, high = np.percentile(ratios, [25, 75])
        print(f"    {name:17} {np.median(ratios):.2f} (half of the rounds in {low:.2f} to {high:.2f})")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", default="fashion_mnist")
    parser.add_argument("--samples", type=int, default=12000)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=60)
    options = parser.parse_args()
    x, y, x_test, y_test = load(options.data, options.samples)
    for position, (name, mixture) in enumerate(CASES.items()):
        print(f"{name} ({BACKEND}, {options.data})")
        model = trained(mixture, x, y, options.epochs)
        collapsed = measure_drift(model, x, x_test, y_test)
        measure_exports(collapsed, x_test[:32])
        if position == 0:
            measure_calls(options.rounds)
            for batch in (1, 128):
                measure_speed(model, collapsed, x_test[:batch], options.rounds)
                measure_exported_speed(model, collapsed, x_test[:batch], options.rounds)


if __name__ == "__main__":
    main()
