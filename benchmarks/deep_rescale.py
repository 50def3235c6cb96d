"""Does a deep network without normalization train, with Keras's own weights and after `rescale`?

    KERAS_ACTSEL_DATA=folder python benchmarks/deep_rescale.py

Ten layers (`--depth`) of 64 units on 12,000 images of Fashion-MNIST (fashion_mnist.npz in the folder), Adam 1e-3
(`--rate`), 6 epochs of batches of 128, accuracy on the 10,000 test images, mean over seeds, for each entry; one
that changes the width comes after as many units as make it 64. Weights are drawn by glorot_uniform; and by
glorot_uniform and then `rescale(model, x)` with 512 images. Prints a Markdown table.
"""

import argparse

import keras
import numpy as np

import keras_actsel
from keras_actsel import activations, layers

UNITS, IMAGES, EPOCHS, BATCH = 64, 12_000, 6, 128
REQUIRED = 0.75


def fashion():
    data = keras_actsel.data.load("fashion_mnist")
    train, test = (x.reshape(len(x), -1).astype("float32") / 255 for x in (data.x_train, data.x_test))
    mean, deviation = train.mean(), train.std()
    chosen = np.random.default_rng(0).permutation(len(train))[:IMAGES]
    scaled = (train[chosen] - mean) / deviation, (test - mean) / deviation
    return scaled[0], np.asarray(data.y_train)[chosen], scaled[1], np.asarray(data.y_test)


def network(record, depth):
    wider = UNITS / layers.Activation(record).compute_output_shape((None, UNITS))[-1]  # to be 64 wide after it
    width = round(UNITS * wider)
    hidden = [layer for _ in range(depth) for layer in (keras.layers.Dense(width), layers.Activation(record))]
    return keras.Sequential([keras.Input((784,)), *hidden, keras.layers.Dense(10)])


class Trained:
    """One compiled network, trained again and again from other weights, so that it is compiled once."""

    def __init__(self, record, depth, rate):
        self.record, self.depth = record, depth
        self.model = network(record, depth)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self.model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
        self.model.optimizer.build(self.model.trainable_variables)
        self.fresh = [keras.ops.convert_to_numpy(v) for v in self.model.optimizer.variables]

    def accuracy(self, data, seed, rescaled):
        x, y, x_test, y_test = data
        keras.utils.set_random_seed(seed)
        start = network(self.record, self.depth)
        start = keras_actsel.rescale(start, x[:512]) if rescaled else start
        self.model.set_weights(start.get_weights())
        for variable, value in zip(self.model.optimizer.variables, self.fresh, strict=True):
            variable.assign(value)
        keras.utils.set_random_seed(seed)
        self.model.fit(x, y, epochs=EPOCHS, batch_size=BATCH, verbose=0)
        return self.model.evaluate(x_test, y_test, batch_size=1000, verbose=0, return_dict=True)["accuracy"]


def main(only, seeds, depth, rate):
    data = fashion()
    records = [activations.get(name) for name in only] or activations.catalogue()
    rows = []
    for record in records:
        trained = Trained(record, depth, rate)
        plain, rescaled = (
            float(np.mean([trained.accuracy(data, seed, way) for seed in range(seeds)])) for way in (False, True)
        )
        rows.append((rescaled, plain, record))
        print(f"{record.name}: {plain:.3f} {rescaled:.3f}", flush=True)
    print(f"\n{keras.backend.backend()}, {seeds} seeds, {depth} layers, Adam {rate:g}\n")
    print("| | kind | hidden | glorot_uniform | after rescale |\n|---|---|---|---|---|")
    for rescaled, plain, record in sorted(rows, key=lambda row: row[0]):
        hidden = "yes" if "hidden" in record.belongs else ""
        print(f"| {record.name} | {record.kind} | {hidden} | {plain:.3f} | {rescaled:.3f} |")
    fit = [row for row in rows if "hidden" in row[2].belongs and row[2].kind == "elementwise"]
    for way, index in (("glorot_uniform", 1), ("rescale", 0)):
        failed = [row[2].name for row in fit if not row[index] > REQUIRED]
        print(f"\n{way}: {len(fit) - len(failed)} of {len(fit)} hidden entries exceed {REQUIRED}; not: {failed}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=[], help="names of entries; default: all")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--depth", type=int, default=10, help="number of hidden layers")
    parser.add_argument("--rate", type=float, default=1e-3, help="Adam's learning rate")
    main(**vars(parser.parse_args()))
