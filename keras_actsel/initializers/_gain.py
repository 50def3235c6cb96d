"""The gain of an activation, and the initializer of weights that have it."""

import math
from typing import Any

import keras

from keras_actsel import activations
from keras_actsel.initializers._response import as_activation, response


def gain(activation: Any, **parameters: Any) -> float:
    """The factor that keeps signals at their size through an activation: 1/sqrt(E[f(z)^2]), z ~ N(0, 1).

    Weights of standard deviation gain/sqrt(fan_in) that read f(z) have outputs of mean square 1. For a mixture
    sum c_k f_k it is 1/sqrt(c'Gc), with the Gram matrix G_ij = E[f_i(z) f_j(z)]; for values learned per channel
    E[f(z)^2] is the mean over the channels.

    Args:
        activation: A name, a spelling with parameters, a record or a function; or an activation layer, of Keras or
            of ours: it is taken at the values that it has learned, or that it starts with.
        **parameters: Values for the function's parameters, as for `activations.get`.

    Returns:
        The gain, greater than 0.

    Raises:
        ValueError: For what is not elementwise (`"softmax"`, `"glu"`), or 0 wherever z lies; for a parameter that the
            function does not have.

    Example:
        >>> from keras_actsel import initializers, layers
        >>> round(initializers.gain("relu") ** 2, 4), round(initializers.gain("tanh"), 4)
        (2.0, 1.5925)
        >>> round(initializers.gain(layers.ActivationMixture.aff()), 3)
        1.382

    Source: He et al. 2015, https://arxiv.org/abs/1502.01852
    """
    if parameters:
        activation = activations.get(activation, **parameters)
    _, second = response(activation)
    if not math.isfinite(second):
        raise ValueError(
            f"{str(as_activation(activation))!r} has no gain: it is NaN or infinite for some normal inputs. "
            f"Expected a finite E[f(z)^2]. Received: {second}."
        )
    if not second > 0:
        raise ValueError(
            f"{str(as_activation(activation))!r} is 0 for a standard normal input, so no weights make up for it. "
            f"Expected an activation with E[f(z)^2] > 0. Received: {second}."
        )
    return float(second**-0.5)


def matched(
    activation: Any, distribution: str = "truncated_normal", seed: Any = None, **parameters: Any
) -> keras.initializers.VarianceScaling:
    """An initializer whose weights fit an activation: variance gain^2/fan_in.

    For the kernels of layers in a net of this activation; `matched("relu")` is `HeNormal`, `matched("selu")` and
    `matched("linear")` are `LecunNormal`. It is Keras's own class: a saved model needs nothing of this package for
    it.

    Args:
        activation: As for `gain`.
        distribution: `"truncated_normal"`, `"untruncated_normal"` or `"uniform"`.
        seed: As for Keras's initializers.
        **parameters: As for `gain`.

    Returns:
        A `keras.initializers.VarianceScaling`.

    Raises:
        ValueError: As for `gain`.

    Example:
        >>> import keras
        >>> from keras_actsel import initializers
        >>> layer = keras.layers.Dense(8, activation="tanh", kernel_initializer=initializers.matched("tanh"))
        >>> layer.kernel_initializer.scale, layer.kernel_initializer.mode
        (2.53618, 'fan_in')
    """
    # Six digits are what the quadrature is good for; so relu's scale is 2, not 2.0000000001.
    scale = float(f"{gain(activation, **parameters) ** 2:.6g}")
    return keras.initializers.VarianceScaling(scale, mode="fan_in", distribution=distribution, seed=seed)
