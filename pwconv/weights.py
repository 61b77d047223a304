"""Weight algebra: layers that become a pointwise convolution before anything runs."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ._checks import as_array, check_layout

__all__ = ["compose", "fold_batchnorm", "from_dense"]

Layer: TypeAlias = tuple[NDArray[Any], NDArray[Any]]


def fold_batchnorm(
    weight: ArrayLike,
    bias: ArrayLike | None,
    mean: ArrayLike,
    var: ArrayLike,
    gamma: ArrayLike | None = None,
    beta: ArrayLike | None = None,
    *,
    eps: float = 1e-5,
) -> Layer:
    """Fold the batch normalisation that follows a convolution into its weights and bias.

    The convolution returned computes ``gamma·(conv(x) - mean) / sqrt(var + eps) + beta``, the normalisation
    with the fixed statistics of inference. Groups make no difference: each row of `weight` has its own scale.

    Parameters
    ----------
    weight : array_like, shape (C_out, C_in / groups) or (C_out, C_in / groups, 1, 1)
    bias : array_like, shape (C_out,), or None
        None for no bias.
    mean, var : array_like, shape (C_out,)
        Running mean and variance (not the standard deviation) of each output channel.
    gamma, beta : array_like, shape (C_out,), optional
        Learned scale and shift; by default 1 and 0.
    eps : float
        Added to the variance. PyTorch's default is 1e-5, Keras's 1e-3: take that of the model.

    Returns
    -------
    weight : ndarray, the shape and dtype of `weight` (float64 for integers)
    bias : ndarray, shape (C_out,), the same dtype
        Computed in float64 and rounded once.

    Raises
    ------
    ValueError
        If a shape is wrong, or if ``var + eps`` is not positive.
    TypeError
        If an argument does not hold real numbers.

    References
    ----------
    S. Ioffe and C. Szegedy, Batch normalization, ICML 2015; folded as in B. Jacob et al., Quantization and
    training of neural networks for efficient integer-arithmetic-only inference, CVPR 2018, section 3.2.

    Examples
    --------
    >>> fold_batchnorm([[1.0, 2.0]], None, mean=[3.0], var=[4.0], gamma=[6.0], beta=[1.0], eps=0)
    (array([[3., 6.]]), array([-8.]))
    """
    w = _pointwise("weight", weight)
    c_out = w.shape[0]
    variance = _per_channel("var", var, c_out)
    if bad := np.flatnonzero(variance + eps <= 0).tolist():
        at = bad[0]
        raise ValueError(f"var is {variance[at]} at channel {at}; expected var + eps > 0, where eps is {eps}")

    scale = _per_channel("gamma", gamma, c_out, default=1.0) / np.sqrt(variance + eps)
    shift = _per_channel("bias", bias, c_out) - _per_channel("mean", mean, c_out)
    folded = scale * shift + _per_channel("beta", beta, c_out)
    scaled = scale.reshape(-1, *[1] * (w.ndim - 1)) * w
    dtype = _result_dtype(w)
    return scaled.astype(dtype), folded.astype(dtype)


def compose(first: tuple[ArrayLike, ArrayLike | None], second: tuple[ArrayLike, ArrayLike | None]) -> Layer:
    """Turn two pointwise layers with nothing between them into one.

    ``W2·(W1·x + b1) + b2 = (W2·W1)·x + (W2·b1 + b2)``. Nothing between means no activation, no residual and
    no normalisation (`fold_batchnorm` first). Both have groups = 1. Strides multiply: s1 then s2 is s1·s2.
    It pays where the middle is wide; where it is narrow (256 → 64 → 256), two layers are cheaper.

    Parameters
    ----------
    first, second : (weight, bias)
        The layers in the order in which they run. `weight` has shape (C_out, C_in) or (C_out, C_in, 1, 1),
        `bias` has shape (C_out,) or is None; C_in of the second is C_out of the first.

    Returns
    -------
    weight : ndarray, shape (C_out of the second, C_in of the first)
        With two axes of length 1 more if both weights have them. Computed in float64 and rounded once, to the
        common dtype of the weights (float64 for integers).
    bias : ndarray, shape (C_out of the second,), the same dtype
        Zeros if neither layer has a bias.

    Raises
    ------
    ValueError
        If a shape is wrong, if an argument has not two elements, or if the second does not take the channels
        that the first gives.
    TypeError
        If an argument is not a sequence, or does not hold real numbers.

    References
    ----------
    X. Ding et al., Diverse branch block, CVPR 2021 (transform III: sequential convolutions).

    Examples
    --------
    >>> first = [[1.0, 2.0], [0.0, 1.0]], [1.0, -1.0]
    >>> second = [[1.0, 1.0]], None
    >>> compose(first, second)
    (array([[1., 3.]]), array([0.]))
    """
    weight1, bias1 = _pair("first", first)
    weight2, bias2 = _pair("second", second)
    w1, w2 = _pointwise("the weight of first", weight1), _pointwise("the weight of second", weight2)
    if w2.shape[1] != w1.shape[0]:
        raise ValueError(
            f"the weight of second has shape {w2.shape}, which takes {w2.shape[1]} channels; "
            f"expected {w1.shape[0]}, as first gives (both with groups = 1)"
        )
    b1 = _per_channel("the bias of first", bias1, w1.shape[0])
    b2 = _per_channel("the bias of second", bias2, w2.shape[0])

    matrix1, matrix2 = (w.reshape(w.shape[:2]).astype(np.float64) for w in (w1, w2))
    weight, bias = matrix2 @ matrix1, matrix2 @ b1 + b2
    if w1.ndim == w2.ndim == 4:
        weight = weight[:, :, None, None]
    dtype = _result_dtype(w1, w2)
    return weight.astype(dtype), bias.astype(dtype)


def from_dense(
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    shape: tuple[int, int, int],
    layout: Literal["NCHW", "NHWC"] = "NCHW",
) -> Layer:
    """Turn a fully connected layer on a map of C×h×w into the convolution that it is.

    A unit that sees a whole C×h×w map is a convolution kernel of that size, and may slide over a larger
    image. Where h = w = 1 the kernel is pointwise, and `pwconv.conv1x1` runs it as it stands on an image of
    any size. Elsewhere it is h×w: pwconv does not run that on an image, only on its patches (second example).

    Parameters
    ----------
    weight : array_like, shape (N, C·h·w)
        One row for each unit, as in PyTorch; for Keras, ``kernel.T``.
    bias : array_like, shape (N,), optional
    shape : (C, h, w) for NCHW, (h, w, C) for NHWC
        Shape of the map that the layer flattened, in C order.
    layout : {"NCHW", "NHWC"}
        Order of the axes of `shape`, and so of the columns of `weight`.

    Returns
    -------
    weight : ndarray, shape (N, C) if h = w = 1, else (N, C, h, w), in both layouts
        The same numbers and dtype, and the same memory where NumPy can.
    bias : ndarray, shape (N,)
        As given; zeros of the dtype of `weight` if `bias` is None.

    Raises
    ------
    ValueError
        If `weight` has not two axes or not C·h·w columns, or if `shape` has not three sizes of at least 1.
    TypeError
        If an argument does not hold real numbers, or a size is not an integer.

    References
    ----------
    J. Long, E. Shelhamer and T. Darrell, Fully convolutional networks for semantic segmentation, CVPR 2015.

    Examples
    --------
    A classifier of single pixels runs on a whole image, one score map for each class:

    >>> import numpy as np
    >>> from pwconv import conv1x1
    >>> rng = np.random.default_rng(0)
    >>> weight, bias = from_dense(rng.normal(size=(10, 64)), shape=(64, 1, 1))
    >>> conv1x1(rng.normal(size=(64, 12, 16)), weight, bias).shape
    (10, 12, 16)

    One of 2×3 maps slides over a larger image: a pointwise convolution of the patches, whose channels are the
    C·h·w numbers of a patch. (In NHWC, ``axis=(0, 1)`` gives (H', W', C, h, w): reshape without a transpose.)

    >>> dense = rng.normal(size=(10, 4 * 2 * 3))
    >>> kernel, bias = from_dense(dense, shape=(4, 2, 3))
    >>> kernel.shape
    (10, 4, 2, 3)
    >>> image = rng.normal(size=(4, 12, 16))
    >>> windows = np.lib.stride_tricks.sliding_window_view(image, (2, 3), axis=(1, 2))  # (C, H', W', h, w)
    >>> patches = windows.transpose(0, 3, 4, 1, 2).reshape(4 * 2 * 3, 11, 14)
    >>> scores = conv1x1(patches, kernel.reshape(10, -1), bias)
    >>> np.allclose(scores[:, 5, 7], dense @ image[:, 5:7, 7:10].ravel())
    True
    """
    w = as_array("weight", weight)
    check_layout(layout)
    axes = "(C, h, w)" if layout == "NCHW" else "(h, w, C)"
    sizes = _map_shape(shape, axes)
    columns = math.prod(sizes)
    if w.ndim != 2 or w.shape[1] != columns:
        raise ValueError(f"weight has shape {w.shape}; expected (N, {columns}) for {axes} = {sizes}")

    b = np.zeros(len(w), w.dtype) if bias is None else as_array("bias", bias)
    if b.shape != w.shape[:1]:
        raise ValueError(f"bias has shape {b.shape}; expected {w.shape[:1]}, a number for each row of weight")

    kernel = w.reshape(len(w), *sizes)
    if layout == "NHWC":
        kernel = kernel.transpose(0, 3, 1, 2)
    return (kernel[:, :, 0, 0] if kernel.shape[2:] == (1, 1) else kernel), b


def _pointwise(name: str, value: ArrayLike) -> NDArray[Any]:
    weight = as_array(name, value)
    if weight.ndim == 2 or (weight.ndim == 4 and weight.shape[2:] == (1, 1)):
        return weight
    hint = ""
    if weight.ndim == 4 and weight.shape[:2] == (1, 1):
        hint = "; for TensorFlow's (1, 1, C_in, C_out) pass w[0, 0].T"
    raise ValueError(
        f"{name} has shape {weight.shape}; expected (C_out, C_in/groups) or (C_out, C_in/groups, 1, 1){hint}"
    )


def _per_channel(name: str, value: ArrayLike | None, c_out: int, default: float = 0.0) -> NDArray[np.float64]:
    if value is None:
        return np.full(c_out, default)
    vector = as_array(name, value)
    if vector.shape != (c_out,):
        raise ValueError(f"{name} has shape {vector.shape}; expected {(c_out,)}, a number per output channel")
    return vector.astype(np.float64)


def _pair(name: str, layer: Sequence[Any]) -> Sequence[Any]:
    expected = "expected a pair (weight, bias), bias may be None"
    if not isinstance(layer, Sequence):
        raise TypeError(f"{name} is of type {type(layer).__name__}; {expected}")
    if len(layer) != 2:
        raise ValueError(f"{name} has {len(layer)} elements; {expected}")
    return layer


def _map_shape(shape: Sequence[int], axes: str) -> tuple[int, ...]:
    try:
        sizes = tuple(operator.index(size) for size in shape)
    except TypeError:
        raise TypeError(f"shape is {shape!r}; expected three integers {axes}") from None
    if len(sizes) != 3 or min(sizes) < 1:
        raise ValueError(f"shape is {sizes}; expected {axes}, each at least 1")
    return sizes


def _result_dtype(*weights: NDArray[Any]) -> DTypeLike:
    types = {weight.dtype for weight in weights}
    if len(types) > 1:  # bfloat16 knows few other types
        types = {np.dtype(np.float32) if dtype.kind == "V" else dtype for dtype in types}
    dtype = np.result_type(*types)
    return np.float64 if dtype.kind in "biu" else dtype
