"""How good is a learned combination of activations, against the best single one and as published?

    KERAS_BACKEND=jax KERAS_ACTSEL_DATA=folder python benchmarks/mixture_quality.py --results scores.jsonl

`--defaults` compares the forms of the mixture on the tasks on which its defaults are chosen; without it each task
is trained with relu, each candidate, the frozen average, frozen random coefficients, aff() and conv() as published,
and the mixture with its defaults. The best single candidate is picked on the selection seeds, and all are compared
with it on fresh paired seeds, the same for all. Scores are appended to a file as they come, and what stands there
is not trained again. Prints Markdown tables.

All kernels but the first are drawn by `initializers.matched` for the activation that they read; Adam 1e-3, a tenth
of it in the last 30 % of the epochs, batches of 64. The folder has fashion_mnist.npz and cifar10.npz.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import keras
import numpy as np

import keras_actsel
from keras_actsel import initializers, layers
from keras_actsel.statistics import paired_test

SELECTION = range(100, 106)
BATCH = 64
POOLS = {
    "three": ("linear", "relu", "tanh"),
    "six": ("relu", "elu", "gelu", "silu", "tanh", "softplus"),
}
SINGLES = tuple(dict.fromkeys(name for names in POOLS.values() for name in names))
Mixture = layers.ActivationMixture


# Tasks


@dataclass(frozen=True)
class Task:
    """Data, a network with or without normalization, and how long it is trained."""

    data: Callable[[], tuple]
    widths: tuple[int, ...]
    epochs: int
    normalization: Callable[[], keras.Layer] | None = None
    convolutions: bool = False
    chooses: bool = False  # whether the defaults may be chosen on it
    fresh: range = range(10)

    @property
    def classes(self):
        return len(self.data()[1].shape) == 1


def standardized(x, y, x_test, y_test):
    mean, deviation = x.mean(), x.std()
    return ((x - mean) / deviation).astype("float32"), y, ((x_test - mean) / deviation).astype("float32"), y_test


@cache
def digits():
    data = keras_actsel.data.load("digits")
    parts = (data.x_train.reshape(-1, 64), data.y_train, data.x_test.reshape(-1, 64), data.y_test)
    x, y = np.concatenate(parts[::2]), np.concatenate(parts[1::2])
    order = np.random.default_rng(0).permutation(len(x))
    train, test = order[:900], order[900:]
    return standardized(x[train].astype("float32"), y[train], x[test].astype("float32"), y[test])


@cache
def pictures(name):
    data = keras_actsel.data.load(name)
    chosen = np.random.default_rng(0).permutation(len(data.x_train))[:4000]
    x, x_test = (part.astype("float32") for part in (data.x_train[chosen], data.x_test[:4000]))
    labels = (np.asarray(part).reshape(-1).astype("int32") for part in (data.y_train[chosen], data.y_test[:4000]))
    y, y_test = labels
    return standardized(x, y, x_test, y_test)


def fashion():
    x, y, x_test, y_test = pictures("fashion_mnist")
    return x.reshape(len(x), -1), y, x_test.reshape(len(x_test), -1), y_test


def cifar():
    return pictures("cifar10")


def regression(function, inputs, noise):
    generator = np.random.default_rng(0)
    x = generator.uniform(-1, 1, size=(4000, inputs)).astype("float32")
    y = function(x) + noise * generator.normal(size=len(x))
    y = ((y - y.mean()) / y.std()).astype("float32")[:, None]
    return standardized(x[:2000], y[:2000], x[2000:], y[2000:])


@cache
def friedman():
    """Friedman's first problem (1991) on the unit cube, five of ten inputs count, noise of variance 1."""

    def function(x):
        u = (x + 1) / 2
        return 10 * np.sin(np.pi * u[:, 0] * u[:, 1]) + 20 * (u[:, 2] - 0.5) ** 2 + 10 * u[:, 3] + 5 * u[:, 4]

    return regression(function, 10, noise=1.0)


@cache
def waves():
    """Waves of four inputs, without noise."""
    return regression(lambda x: np.sin(np.pi * (x[:, 0] + x[:, 1])) + np.cos(2 * np.pi * x[:, 2]) * x[:, 3], 4, 0.0)


batch, layer = keras.layers.BatchNormalization, keras.layers.LayerNormalization
TASKS = {
    "digits, 3x64": Task(digits, (64,) * 3, 40, chooses=True),
    "digits, 3x64, batch norm": Task(digits, (64,) * 3, 40, batch, chooses=True),
    "Friedman, 2x64": Task(friedman, (64,) * 2, 40, chooses=True),
    "Friedman, 2x64, layer norm": Task(friedman, (64,) * 2, 40, layer, chooses=True),
    "waves, 3x64": Task(waves, (64,) * 3, 60),
    "waves, 3x64, layer norm": Task(waves, (64,) * 3, 60, layer),
    "Fashion, 10x64": Task(fashion, (64,) * 10, 15),
    "Fashion, 3x128, batch norm": Task(fashion, (128,) * 3, 15, batch),
    "CIFAR-10, 4 convolutions": Task(cifar, (16, 16, 32, 32), 10, convolutions=True, fresh=range(6)),
    "CIFAR-10, 4 convolutions, batch norm": Task(cifar, (16, 16, 32, 32), 10, batch, convolutions=True, fresh=range(6)),
}


def network(task, form):
    """A network with an activation layer of a form after each hidden layer."""
    x, y, *_ = task.data()
    first, later = initializers.matched("linear"), initializers.matched(form.make())
    made = [keras.Input(x.shape[1:])]
    for index, width in enumerate(task.widths):
        weights = later if index else first
        if task.convolutions:
            stride = 2 if index % 2 == 0 else 1
            made.append(keras.layers.Conv2D(width, 3, stride, "same", kernel_initializer=weights))
        else:
            made.append(keras.layers.Dense(width, kernel_initializer=weights))
        made += [task.normalization()] if task.normalization else []
        made.append(form.make())
    made += [keras.layers.GlobalAveragePooling2D()] if task.convolutions else []
    outputs = int(y.max()) + 1 if task.classes else y.shape[1]
    return keras.Sequential([*made, keras.layers.Dense(outputs)])


# Forms


@dataclass(frozen=True)
class Form:
    """What stands behind the hidden layers, and where the coefficients of a frozen one stand."""

    make: Callable[[], keras.Layer]
    start: Callable[[int, np.random.Generator], np.ndarray] | None = None


def frozen(pool, start, **kwargs):
    """An affine mixture whose coefficients stay where `start` puts them."""

    return Form(lambda: Mixture(POOLS[pool], "linear", trainable=False, **kwargs), start)


def average(count, _):
    return np.full(count, 1 / count)


def at_random(count, generator):
    """Uniform among those that are positive and sum to one."""
    return generator.dirichlet(np.ones(count))


def learned(pool, make=Mixture, **kwargs):
    return Form(lambda: make(POOLS[pool], **kwargs))


def forms():
    made = {name: Form(partial(layers.Activation, name)) for name in SINGLES}
    for pool in POOLS:
        made[f"average, {pool}"] = frozen(pool, average, standardize=False)
        made[f"random, {pool}"] = frozen(pool, at_random)
        made[f"aff, {pool}"] = learned(pool, Mixture.aff)
        made[f"conv, {pool}"] = learned(pool, Mixture.conv)
        made[f"default, {pool}"] = learned(pool)
    return made


def forms_of_the_mixture():
    return {
        f"{combination}, {'standardized' if standardize else 'raw'}, rate {rate:g}, {pool}": learned(
            pool, combination=combination, standardize=standardize, rate=rate
        )
        for pool in POOLS
        for combination in ("affine", "convex", "linear")
        for standardize in (True, False)
        for rate in (1.0, 3.0, 10.0)
    }


# Training


class Trained:
    """One compiled network, trained again and again from other weights, so that it is compiled once."""

    def __init__(self, task, form):
        self.task, self.form = task, form
        self.model = network(task, form)
        steps = task.epochs * -(-len(task.data()[0]) // BATCH)
        rate = keras.optimizers.schedules.PiecewiseConstantDecay([int(0.7 * steps)], [1e-3, 1e-4])
        classify = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        loss, metric = (
            (classify, keras.metrics.SparseCategoricalAccuracy(name="score"))
            if task.classes
            else ("mse", keras.metrics.R2Score(name="score"))
        )
        self.model.compile(keras.optimizers.Adam(rate), loss, metrics=[metric])
        self.model.optimizer.build(self.model.trainable_variables)
        self.fresh = [keras.ops.convert_to_numpy(v) for v in self.model.optimizer.variables]

    def score(self, seed):
        """Accuracy or R2 on the test data after training with a seed."""
        x, y, x_test, y_test = self.task.data()
        keras.utils.set_random_seed(seed)
        self.model.set_weights(network(self.task, self.form).get_weights())
        self.set_coefficients(np.random.default_rng(seed))
        for variable, value in zip(self.model.optimizer.variables, self.fresh, strict=True):
            variable.assign(value)
        keras.utils.set_random_seed(seed)
        self.model.fit(x, y, epochs=self.task.epochs, batch_size=BATCH, verbose=0)
        return self.model.evaluate(x_test, y_test, batch_size=1000, verbose=0, return_dict=True)["score"]

    def set_coefficients(self, generator):
        """Put the coefficients of a frozen mixture where its form wants them."""
        for mixture in self.model.layers if self.form.start else ():
            if isinstance(mixture, Mixture):
                mixture.mixing_weights.assign(self.form.start(len(mixture.candidates), generator).astype("float32"))


class Scores:
    """Scores by task, form and seed, in a file that grows by a line for each."""

    def __init__(self, path):
        self.path = path
        lines = path.read_text().splitlines() if path.exists() else []
        self.known = {tuple(key): score for *key, score in map(json.loads, lines)}

    def train(self, task, name, form, seeds):
        """Train a form where its scores are missing."""
        missing = [seed for seed in seeds if (task, name, seed) not in self.known]
        trained = Trained(TASKS[task], form) if missing else None
        for seed in missing:
            score = self.known[task, name, seed] = trained.score(seed)
            with self.path.open("a") as file:
                file.write(json.dumps([task, name, seed, score]) + "\n")
        keras.backend.clear_session()

    def of(self, task, form, seeds):
        return np.array([self.known[task, form, seed] for seed in seeds])


# Tables


def compare_forms(scores, tasks):
    """The mean score of each form of the mixture on the selection seeds, and its mean distance to the best form."""
    made = forms_of_the_mixture()
    for task in tasks:
        for name, form in made.items():
            scores.train(task, name, form, SELECTION)
        print(f"done: {task}", flush=True)
    means = {form: np.array([scores.of(task, form, SELECTION).mean() for task in tasks]) for form in made}
    best = {pool: np.max([m for form, m in means.items() if form.endswith(pool)], axis=0) for pool in POOLS}
    print(f"\n| form | {' | '.join(tasks)} | mean distance to the best |\n|---|{'---|' * (len(tasks) + 1)}")
    for form, mean in means.items():
        distance = (best[form.rpartition(", ")[2]] - mean).mean()
        print(f"| {form} | {' | '.join(f'{m:.4f}' for m in mean)} | {distance:.4f} |")


def compare_all(scores, tasks):
    made = forms()
    for task in tasks:
        fresh = TASKS[task].fresh
        for name, form in made.items():
            scores.train(task, name, form, [*SELECTION, *fresh] if name in SINGLES else fresh)
        print(f"done: {task}", flush=True)
    print_means(scores, tasks, made)
    for pool in POOLS:
        print_against_best(scores, tasks, pool)


def print_means(scores, tasks, made):
    print(f"\n| mean on fresh seeds | {' | '.join(tasks)} |\n|---|{'---|' * len(tasks)}")
    for name in made:
        means = [scores.of(task, name, TASKS[task].fresh).mean() for task in tasks]
        print(f"| {name} | {' | '.join(f'{mean:.4f}' for mean in means)} |")


def print_against_best(scores, tasks, pool):
    """The default against the best single candidate, as the selection seeds have it, and the published forms."""
    print(f"\n| {pool} | best single | default - best single | default - aff | default - conv |\n|---|---|---|---|---|")
    for task in tasks:
        best = max(POOLS[pool], key=lambda name: scores.of(task, name, SELECTION).mean())
        own, *others = (
            scores.of(task, name, TASKS[task].fresh)
            for name in (f"default, {pool}", best, f"aff, {pool}", f"conv, {pool}")
        )
        tests = [paired_test(list(own - other)) for other in others]
        cells = [f"{test.difference:+.4f} ({test.low:+.4f} to {test.high:+.4f})" for test in tests]
        print(f"| {task} | {best} | {' | '.join(cells)} |")


def main(results, only, defaults):
    scores = Scores(results)
    tasks = [name for name, task in TASKS.items() if only in name and (task.chooses or not defaults)]
    (compare_forms if defaults else compare_all)(scores, tasks)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=Path("mixture_quality.jsonl"))
    parser.add_argument("--only", default="", help="tasks whose name holds this")
    parser.add_argument("--defaults", action="store_true")
    main(**vars(parser.parse_args()))
