"""Everything random follows a trial's seed, and the process's own random state comes back afterwards."""

import random
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import keras
import numpy as np
from keras import ops

from keras_actsel.surgery import sublayers


@contextmanager
def preserved_randomness() -> Iterator[None]:
    """Restore the random state of Python, NumPy, Keras and PyTorch on leaving.

    TensorFlow keeps the seed that was set, but its stream of random numbers starts over: it has no place to go back to.
    """
    python, numpy = random.getstate(), np.random.get_state()
    generator_state = ops.convert_to_numpy(_global_generator().state)
    existed = random.getstate() == python  # Keras seeds a generator that it makes from Python's random numbers
    with _preserved_backend():
        try:
            yield
        finally:
            if existed:
                _global_generator().state.assign(generator_state)
            else:
                keras.utils.set_random_seed(0)  # the public way to drop a generator
            np.random.set_state(numpy)
            random.setstate(python)


def seed_from(seed: int, epoch: int) -> int:
    """The seed of what a trial draws from an epoch on: the trial's own from the start, another where it is continued.

    Candidates that are continued at the same epoch so see the same order of the data, as they do from the start.
    """
    return _stable_hash(seed, "epoch", epoch) if epoch else seed


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


@contextmanager
def weights_drawn_by(seed: int) -> Iterator[None]:
    """Draw each weight that is made from a seed of its own, made of the given seed and the weight's place.

    So initializers with a fixed seed give other weights for other seeds, and all candidates start alike, whatever else
    one of them draws: a weight's place is how many its layer's class has made before, and a candidate that is a layer
    is of another class than its hosts.
    """
    add_weight = keras.Layer.add_weight
    made: Counter[str] = Counter()

    def add_drawn(layer: Any, shape: Any = None, initializer: Any = None, *args: Any, **kwargs: Any) -> Any:
        kind = type(layer).__name__
        made[kind] += 1
        place = _stable_hash(seed, kind, made[kind])
        return add_weight(layer, shape, _with_seed(initializer, place), *args, **kwargs)

    with mock.patch.object(keras.Layer, "add_weight", add_drawn):
        yield


def _with_seed(initializer: Any, seed: int) -> Any:
    """The same initializer with another seed; what has no seed is returned as it is."""
    if isinstance(initializer, str):
        initializer = keras.initializers.get(initializer)
    if not isinstance(initializer, keras.initializers.Initializer):
        return initializer
    try:
        config = initializer.get_config()
    except NotImplementedError:  # an initializer of the user's own without a config: its seed can't be known
        return initializer
    return type(initializer).from_config({**config, "seed": seed}) if "seed" in config else initializer


def reseed_generators(model: keras.Model, seed: int) -> None:
    """Set the generators of dropout, augmentation and the like, also those with a fixed seed, by the seed and place."""
    counts: Counter[str] = Counter()
    for layer in (model, *sublayers(model).values()):
        for name, value in list(vars(layer).items()):
            if isinstance(value, keras.random.SeedGenerator):
                # The third Dropout is the third in every trial: a candidate that is a layer does not shift it.
                counts[place := f"{type(layer).__name__} {name}"] += 1
                value.state.assign(np.array([_stable_hash(seed, place, counts[place]), 0]))


def _stable_hash(*parts: Any) -> int:
    """A number from 0 to 2**31 - 1 that depends on the parts alone, in every process."""
    return zlib.crc32(repr(parts).encode()) & 0x7FFFFFFF


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
