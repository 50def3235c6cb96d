"""Fresh copies of what a model was compiled with, so that another model has an optimizer and metrics of its own."""

from typing import Any

import keras

from keras_actsel.surgery._config import lambdas_allowed


@lambdas_allowed()
def fresh_compile_arguments(model: keras.Model) -> dict[str, Any]:
    """Arguments for `compile` that equal those of a compiled model and share no state with them.

    The optimizer is new and at step 0 of its schedule. Losses, which hold no state, are the same objects; so are
    functions and closures.
    """
    # `get_compile_config()` is public, but turns closures into names that nothing can turn back.
    arguments = dict(model._compile_config.config)
    arguments["optimizer"] = _fresh_optimizer(arguments["optimizer"])
    for key in ("metrics", "weighted_metrics"):
        arguments[key] = _mapped(_fresh_metric, arguments[key])
    # Not in Keras's own list: whether mixed_float16 scales the loss.
    arguments["auto_scale_loss"] = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    return arguments


def _fresh_optimizer(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    config = optimizer.get_config()
    rate = getattr(optimizer, "_learning_rate", None)
    if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule) or callable(rate):
        config["learning_rate"] = rate  # a function of the step, without state: the same object serves all
    fresh = type(optimizer).from_config(config)
    pattern = getattr(optimizer, "_exclude_from_weight_decay_pattern", None)
    if pattern is not None:
        fresh.exclude_from_weight_decay(var_names=[pattern.pattern])
    return fresh


def _fresh_metric(metric: Any) -> Any:
    if not isinstance(metric, keras.metrics.Metric):
        return metric  # a name or a function: Keras makes an object of it at each compile
    if type(metric) is keras.metrics.MeanMetricWrapper:
        # Its config would turn the function into text; a closure does not come back from that.
        return keras.metrics.MeanMetricWrapper(metric._fn, name=metric.name, dtype=metric.dtype, **metric._fn_kwargs)
    if type(metric).get_config.__module__.startswith("keras.") and not type(metric).__module__.startswith("keras."):
        return metric  # a class of the user's own without a config: shared, as Keras resets it before each use
    return type(metric).from_config(metric.get_config())


def _mapped(function: Any, tree: Any) -> Any:
    """The function applied to each leaf of nested lists, tuples and dicts."""
    if isinstance(tree, dict):
        return {key: _mapped(function, value) for key, value in tree.items()}
    return [_mapped(function, value) for value in tree] if isinstance(tree, (list, tuple)) else function(tree)
