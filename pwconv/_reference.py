"""The definition of a pointwise convolution in plain NumPy: slow, short, and the oracle of the tests."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

Layout: TypeAlias = Literal["NCHW", "NHWC"]
Stride: TypeAlias = int | tuple[int, int]
Bounds: TypeAlias = tuple[float | None, float | None]
Activation: TypeAlias = Literal["relu", "relu6"] | Bounds | None

NAMED_BOUNDS: dict[str | None, Bounds] = {None: (None, None), "relu": (0, None), "relu6": (0, 6)}


def conv1x1(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: Stride = 1,
    groups: int = 1,
    layout: Layout = "NCHW",
    activation: Activation = None,
    residual: ArrayLike | None = None,
    dtype: DTypeLike = np.float64,
) -> NDArray[Any]:
    """Compute ``act(bias + Σ_k weight[:, k]·x[k] + residual)`` at every pixel that the stride takes.

    The sum starts from the bias and runs over k in order, as in `pwconv.conv1x1`; each product is rounded
    before it is added, which a fused multiply-add does not do. Arguments are taken to be valid.

    Parameters
    ----------
    x : array_like, shape (..., C_in, H, W) for NCHW, (..., H, W, C_in) for NHWC
        Image; any number of batch axes.
    weight : array_like, shape (C_out, C_in / groups) or (C_out, C_in / groups, 1, 1)
    bias : array_like, shape (C_out,), optional
    stride : int or (int, int)
        Rows and columns from one pixel taken to the next.
    groups : int
        Output channels of group g see the input channels of group g alone.
    layout : {"NCHW", "NHWC"}
    activation : {None, "relu", "relu6"} or (low, high)
        Bounds of the result, None for no bound. NaN passes; a zero of either sign becomes the bound 0.
    residual : array_like, the shape of the output, optional
        Added before the activation.
    dtype : dtype
        Type of the arithmetic, and of the result.

    Returns
    -------
    ndarray of `dtype`, shape (..., C_out, H', W') for NCHW, (..., H', W', C_out) for NHWC
        H' = (H - 1) // s_h + 1, W' = (W - 1) // s_w + 1.

    Examples
    --------
    >>> conv1x1([[[1, 2]], [[3, 4]]], [[1, 1], [1, -1]], activation="relu")
    array([[[4., 6.]],
    <BLANKLINE>
           [[0., 0.]]])
    """
    channels = -3 if layout == "NCHW" else -1
    s_h, s_w = np.broadcast_to(stride, 2)
    c_out, depth = np.shape(weight)[:2]

    x = np.moveaxis(np.asarray(x, dtype), channels, -1)[..., ::s_h, ::s_w, :]
    x = x.reshape(*x.shape[:-1], groups, depth)
    w = np.asarray(weight, dtype).reshape(groups, c_out // groups, depth)
    b = np.zeros(c_out, dtype) if bias is None else np.asarray(bias, dtype)

    y = np.empty((*x.shape[:-1], c_out // groups), dtype)
    y[...] = b.reshape(groups, c_out // groups)
    with np.errstate(all="ignore"):
        for k in range(depth):
            y += w[..., k] * x[..., k, None]
        y = np.moveaxis(y.reshape(*y.shape[:-2], c_out), -1, channels)
        if residual is not None:
            y = y + np.asarray(residual, dtype)
    return _clamp(y, activation)


def _clamp(y: NDArray[Any], activation: Activation) -> NDArray[Any]:
    low, high = activation if isinstance(activation, tuple) else NAMED_BOUNDS[activation]
    if low is not None:
        y = np.where(y <= low, y.dtype.type(low), y)
    if high is not None:
        y = np.where(y >= high, y.dtype.type(high), y)
    return y


def error_bound(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: Stride = 1,
    groups: int = 1,
    layout: Layout = "NCHW",
    dtype: DTypeLike,
) -> NDArray[Any]:
    """Bound the rounding error of a convolution computed in `dtype`: γ(K+1)·(Σ|w||x| + |b|).

    γ(n) = n·u / (1 - n·u), where u is half the distance from 1 to the next number (2⁻²⁴ for float32, 2⁻⁵³
    for float64) and K = C_in / groups. Left out are overflow, underflow and the rounding of a residual.

    Parameters
    ----------
    x, weight, bias, stride, groups, layout
        As in `conv1x1`.
    dtype : dtype
        Type of the arithmetic that is bounded.

    Returns
    -------
    ndarray of float64, the shape of the output

    References
    ----------
    N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd edition, SIAM 2002, chapter 3.

    Examples
    --------
    >>> bound = error_bound([[[3.0]]], [[-1.0]], [1.0], dtype="float32")
    >>> round(bound.item() * 2**24, 3)
    8.0
    """
    n = np.shape(weight)[1] + 1
    unit = float(np.finfo(dtype).eps) / 2
    gamma = n * unit / (1 - n * unit)
    x, weight = np.abs(np.asarray(x, np.float64)), np.abs(np.asarray(weight, np.float64))
    if bias is not None:
        bias = np.abs(np.asarray(bias, np.float64))
    bound: NDArray[Any] = gamma * conv1x1(x, weight, bias, stride=stride, groups=groups, layout=layout)
    return bound
