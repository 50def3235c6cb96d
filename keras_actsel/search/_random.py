"""Everything random follows a trial's seed, and the process's own random state comes back afterwards."""

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import keras
import numpy as np
from keras import ops

from keras_actsel.surgery import stable_hash, sublayers


@contextmanager
def preserved_randomness() -> Iterator[None]:
    """Restore the random state of Python, NumPy, Keras and the backend on leaving."""
    python, numpy = random.getstate(), np.random.get_state()
    generator_state = ops.convert_to_numpy(_global_generator().state)
    try:
        with _preserved_backend():
            yield
    finally:
        _global_generator().state.assign(generator_state)
        np.random.set_state(numpy)
        # Last, as finding Keras's generator may have drawn from Python's.
        random.setstate(python)


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy, Keras's global generator and the backend.

    Unlike `keras.utils.set_random_seed` it keeps Keras's generator in place, so that its state can be restored.
    """
    random.seed(seed)
    np.random.seed(seed)  # Keras's own shuffling draws from NumPy's global generator
    _global_generator().state.assign(np.array([seed % 2**31, 0]))
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.random.set_seed(seed)
    elif keras.backend.backend() == "torch":
        import torch

        torch.manual_seed(seed)


def reseed(model: keras.Model, seed: int) -> None:
    """Make a model that a user built follow the seed where it carries fixed seeds of its own.

    Initializers with a fixed seed are replaced, and weights that are still what such an initializer drew are drawn
    anew; weights that something else has set since, such as pretrained ones, stay. Fixed generators of dropout and
    augmentation are set.
    """
    counts: Counter[str] = Counter()
    for layer in (model, *sublayers(model).values()):
        # The third Dense is the third in every trial: a candidate that is a layer does not shift it, nor do names.
        kind = type(layer).__name__
        counts[kind] += 1
        for name, value in list(vars(layer).items()):
            derived = stable_hash(seed, kind, counts[kind], name)
            if isinstance(value, keras.random.SeedGenerator) and value.get_config()["seed"] is not None:
                value.state.assign(np.array([derived, 0]))
            elif isinstance(value, keras.initializers.Initializer) and _fixed_seed(value) is not None:
                _redraw(layer, name, value, derived)


def _fixed_seed(initializer: keras.initializers.Initializer) -> Any:
    try:
        return initializer.get_config().get("seed")
    except NotImplementedError:  # an initializer of the user's own without a config has no seed that we could know
        return None


def _redraw(layer: keras.Layer, name: str, initializer: Any, seed: int) -> None:
    fresh = type(initializer).from_config({**initializer.get_config(), "seed": seed})
    setattr(layer, name, fresh)
    variable = getattr(layer, name.removesuffix("_initializer"), None)
    if isinstance(variable, keras.Variable):
        drawn = ops.convert_to_numpy(initializer(variable.shape, dtype=variable.dtype))
        if np.array_equal(drawn, ops.convert_to_numpy(variable)):
            variable.assign(fresh(variable.shape, dtype=variable.dtype))


def _global_generator() -> keras.random.SeedGenerator:
    """Keras's global generator, caught while it is drawn from: it has no public name."""
    caught = []
    draw = keras.random.SeedGenerator.next

    def spy(generator: Any, *args: Any, **kwargs: Any) -> Any:
        caught.append((generator, ops.convert_to_numpy(generator.state)))
        return draw(generator, *args, **kwargs)

    with mock.patch.object(keras.random.SeedGenerator, "next", spy):
        keras.random.uniform(())
    generator, state = caught[0]
    generator.state.assign(state)
    return generator


@contextmanager
def _preserved_backend() -> Iterator[None]:
    if keras.backend.backend() == "torch":
        import torch

        with torch.random.fork_rng():
            yield
    elif keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # Given an operation's seed this reads the global one; this constant means that none is set.
        seed = tf.compat.v1.get_seed(0)[0]
        try:
            yield
        finally:
            tf.random.set_seed(None if seed == 87654321 else seed)
    else:
        yield
