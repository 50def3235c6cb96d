"""Compiling once: trials that differ in their seed alone are the same program."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import keras


@contextmanager
def kept_compilations() -> Iterator[None]:
    """On JAX, keep compiled programs for the next trial in a temporary folder; a cache of the user's own is left alone.

    JAX compiles for each model object anew, which takes most of a small training. Measured on the digits, a trial takes
    a quarter of the time from the second seed on. The other backends have nothing to keep: PyTorch does not compile,
    and TensorFlow's functions can't be stored.
    """
    if keras.backend.backend() != "jax":
        yield
        return
    import jax
    from jax.experimental.compilation_cache import compilation_cache

    names = (
        "jax_compilation_cache_dir",
        "jax_persistent_cache_min_compile_time_secs",
        "jax_persistent_cache_min_entry_size_bytes",
    )
    before = {name: getattr(jax.config, name) for name in names}
    if before["jax_compilation_cache_dir"] is not None:
        yield
        return
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        try:
            for name, value in zip(names, (folder, 0.0, -1), strict=True):
                jax.config.update(name, value)
            compilation_cache.reset_cache()  # JAX looks for a folder once, and may have found none
            yield
        finally:
            for name, value in before.items():
                jax.config.update(name, value)
            compilation_cache.reset_cache()
