"""What does each activation cost in time and memory, against relu and against a plain copy of memory?

    KERAS_BACKEND=jax python benchmarks/activation_cost.py --json jax.json
    python benchmarks/activation_cost.py --merge tensorflow.json jax.json torch.json --picture cost.svg

The first measures on one backend, as Keras runs it there by default (JAX compiled, TensorFlow as a graph, PyTorch
eagerly). In each round the copy, relu and every entry run once; a figure is the median of the rounds' ratios to relu.
"held" is what the forward pass keeps for the backward pass, in tensors of the input's size; the input itself counts
where it is kept. An entry that learns is measured as its layer, the gradients of its parameters included.
"""

import argparse
import json
import time
from pathlib import Path
from statistics import median

import keras
import numpy as np

from keras_actsel import activations, layers

SHAPE = (4096, 512)
BACKEND = keras.backend.backend()


class Measured:
    """An entry as a layer, with a forward pass, a forward and backward pass, and what is held between them."""

    def __init__(self, record):
        self.layer = layers.Activation(record)
        self.layer.build(SHAPE)
        self.width = self.layer.compute_output_shape(SHAPE)[-1] / SHAPE[-1]

    def call(self, x):
        return self.layer(x, training=True)


class OnJax(Measured):
    def __init__(self, record, x, seed):
        import jax

        super().__init__(record)
        learned = [v.value for v in self.layer.trainable_variables]
        rest = [v.value for v in self.layer.non_trainable_variables]

        def apply(learned, x):
            return self.layer.stateless_call(learned, rest, x, training=True)[0]

        forward = jax.jit(apply)
        held = jax.jit(lambda learned, x: jax.vjp(apply, learned, x)[1])(learned, x)
        kept = {id(leaf): leaf.nbytes for leaf in jax.tree.leaves(held)}
        gradient = jax.jit(lambda learned, x, g: (apply(learned, x), jax.vjp(apply, learned, x)[1](g)))
        g = seed[:, : int(self.width * SHAPE[1])] if self.width <= 1 else np.repeat(seed, int(self.width), axis=1)
        g = jax.numpy.asarray(g)
        self.held = sum(kept.values()) / x.nbytes
        self.forward = lambda: jax.block_until_ready(forward(learned, x))
        self.both = lambda: jax.block_until_ready(gradient(learned, x, g))


class OnTensorFlow(Measured):
    def __init__(self, record, x, seed):
        import tensorflow as tf

        super().__init__(record)
        g = tf.constant(np.resize(seed, (SHAPE[0], int(self.width * SHAPE[1]))))
        forward = tf.function(self.call, jit_compile=False)

        def both(x, g):
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = self.call(x)
            return y, tape.gradient(y, [x, *(v.value for v in self.layer.trainable_variables)], g)

        compiled = tf.function(both, jit_compile=False)
        self.held = self._held(x, g)
        self.forward = lambda: forward(x)
        self.both = lambda: compiled(x, g)

    def _held(self, x, g):
        """Bytes of the tensors of the forward pass that operations of the backward pass read."""
        import tensorflow as tf

        with tf.Graph().as_default() as graph:
            source = tf.compat.v1.placeholder(x.dtype, SHAPE)
            y = self.layer.activation(source)
            before = set(graph.get_operations())
            tf.gradients(y, source, tf.compat.v1.placeholder(g.dtype, g.shape))
            after = [op for op in graph.get_operations() if op not in before]
        read = {t.name: t for op in after for t in op.inputs if t.op in before}
        sizes = [np.prod(t.shape.as_list()) * t.dtype.size for t in read.values() if t.shape.rank]
        return float(sum(sizes)) / (np.prod(SHAPE) * 4)


class OnTorch(Measured):
    def __init__(self, record, x, seed):
        import torch

        super().__init__(record)
        g = torch.from_numpy(np.resize(seed, (SHAPE[0], int(self.width * SHAPE[1]))))
        learned = [v.value for v in self.layer.trainable_variables]
        source = x.detach().clone().requires_grad_(True)

        def forward():
            with torch.no_grad():
                return self.call(x)

        def both():
            y = self.call(source)
            # A constant function has no gradient to compute.
            return torch.autograd.grad(y, [source, *learned], g, allow_unused=True) if y.requires_grad else None

        kept = {}

        def note(tensor):
            storage = tensor.untyped_storage()
            kept[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            self.call(source)
        self.held = sum(kept.values()) / (x.numel() * x.element_size())
        self.forward, self.both = forward, both


def seconds(run):
    run()  # so that what ran before leaves no trace in caches and freed memory
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def measure(names, rounds):
    rng = np.random.default_rng(0)
    x, seed = (keras.ops.convert_to_tensor(rng.normal(size=SHAPE).astype("float32")) for _ in range(2))
    seed = keras.ops.convert_to_numpy(seed)
    kind = {"jax": OnJax, "tensorflow": OnTensorFlow, "torch": OnTorch}[BACKEND]
    entries = {name: kind(activations.get(name), x, seed) for name in dict.fromkeys(["relu", *names])}
    source, target = keras.ops.convert_to_numpy(x).copy(), np.empty(SHAPE, "float32")
    for entry in entries.values():  # compile
        entry.forward()
        entry.both()
    times = {name: [] for name in ["copy", *entries]}
    for _ in range(rounds):
        copied = seconds(lambda: np.copyto(target, source))
        times["copy"].append((copied, copied))
        for name, entry in entries.items():
            times[name].append((seconds(entry.forward), seconds(entry.both)))
    relu = times["relu"]
    return {
        name: {
            "forward": median(a[0] / b[0] for a, b in zip(own, relu, strict=True)),
            "both": median(a[1] / b[1] for a, b in zip(own, relu, strict=True)),
            "held": entries[name].held if name in entries else 0.0,
        }
        for name, own in times.items()
    }


def table(results):
    """Markdown: for each backend the forward pass, forward and backward, and what is held."""
    backends = list(results)
    names = list(next(iter(results.values())))
    print("| | " + " | ".join(f"{b} forward | both | held" for b in backends) + " |")
    print("|---" * (1 + 3 * len(backends)) + "|")
    for name in names:
        cells = [f"{row[key]:.2f}" for b in backends for row in [results[b][name]] for key in ("forward", "both")]
        held = [f"{results[b][name]['held']:.2f}" for b in backends]
        ordered = [cell for i, h in enumerate(held) for cell in (*cells[2 * i : 2 * i + 2], h)]
        print(f"| {name} | " + " | ".join(ordered) + " |")


def picture(results, path):
    """Forward and backward against relu, on a logarithmic axis, cheapest first, one panel for each backend."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "keras_actsel"
    from matplotlib import pyplot as plt

    count = len(next(iter(results.values())))
    figure, axes = plt.subplots(1, len(results), figsize=(4.2 * len(results), 0.17 * count + 1), squeeze=False)
    for axis, (backend, rows) in zip(axes[0], results.items(), strict=True):
        ordered = sorted(rows, key=lambda name: -rows[name]["both"])
        axis.set_xscale("log")
        axis.hlines(ordered, 1.0, [rows[name]["both"] for name in ordered], color="#bbccdd", linewidth=2)
        axis.plot([rows[name]["both"] for name in ordered], ordered, "o", color="#4477aa", markersize=4)
        axis.axvline(1.0, color="black", linewidth=0.8)
        axis.set_title(f"{backend}: forward + backward, relu = 1", fontsize=9)
        axis.set_xticks([0.1, 0.3, 1, 3, 10, 30, 100, 300], ["0.1", "0.3", "1", "3", "10", "30", "100", "300"])
        axis.tick_params(labelsize=7)
        axis.margins(y=0.005)
        axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def main(arguments):
    if arguments.merge:
        results = {}
        for file in arguments.merge:
            results |= json.loads(Path(file).read_text())
    else:
        names = arguments.only or [record.name for record in activations.catalogue()]
        results = {BACKEND: measure(names, arguments.rounds)}
    table(results)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(results, indent=1) + "\n")
    if arguments.picture:
        picture(results, arguments.picture)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", nargs="*", help="names of entries; default: all")
    parser.add_argument("--json", help="file to keep the measurements in")
    parser.add_argument("--merge", nargs="*", help="files of measurements to print together, in place of measuring")
    parser.add_argument("--picture", help="file for a picture of the measurements")
    main(parser.parse_args())
