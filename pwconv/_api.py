"""The convolution as NumPy callers see it: arguments are checked here, once, and handed down as plain arrays."""

from __future__ import annotations

import os
import sys
from typing import Any, Literal, SupportsIndex, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

try:
    from . import _core
except ImportError as error:
    if error.name != __package__:  # it is there and does not load
        raise
    raise ImportError(
        f"{os.path.dirname(__file__)} has no compiled core: start Python in another folder, "
        "or build it there with `pip install -e .`"
    ) from None
from ._checks import (
    as_array,
    as_weight,
    bounds,
    check_apart,
    check_layout,
    checked_out,
    positive,
    real_type,
    stride_pair,
    thread_count,
)

Array: TypeAlias = NDArray[Any]
Layout: TypeAlias = Literal["NCHW", "NHWC"]
Stride: TypeAlias = "SupportsIndex | tuple[SupportsIndex, SupportsIndex]"
Activation: TypeAlias = "Literal['relu', 'relu6'] | tuple[float | None, float | None] | None"

CHANNEL_AXIS = {"NCHW": -3, "NHWC": -1}


class Conv1x1(_core.Layer):
    """A pointwise (1×1) convolution whose weights are packed once.

    Calls give the bits of `conv1x1` and cost less: for a small map, the packing of the weights, which the first call does, is
    most of the time.
    An object never changes, may be called from many threads at once, and can be pickled.

    Parameters
    ----------
    weight, bias, stride, groups, layout, activation
        As in `conv1x1`; copied, so that later changes to the arrays do not matter.
    dtype : {float32, float64}, optional
        What to compute in. By default the type of `weight` and `bias` as in `conv1x1`; a call with wider arrays is then
        computed in the wider type.

    Raises
    ------
    TypeError, ValueError
        As in `conv1x1`.

    See Also
    --------
    conv1x1

    Examples
    --------
    >>> import numpy as np
    >>> from pwconv import Conv1x1
    >>> to_grey = Conv1x1([[0.2125, 0.7154, 0.0721]], layout="NHWC", dtype="float32")
    >>> to_grey
    Conv1x1(3 -> 1, stride=1, groups=1, layout='NHWC', activation=None, bias=False, dtype=float32)
    >>> picture = np.full((4, 6, 3), 100, np.uint8)
    >>> grey = to_grey(picture)
    >>> grey.shape, grey.dtype, round(float(grey[0, 0, 0]), 3)
    ((4, 6, 1), dtype('float32'), 100.0)
    """

    __slots__ = ()

    def __new__(
        cls,
        weight: ArrayLike,
        bias: ArrayLike | None = None,
        *,
        stride: Stride = 1,
        groups: SupportsIndex = 1,
        layout: Layout = "NCHW",
        activation: Activation = None,
        dtype: DTypeLike | None = None,
    ) -> Conv1x1:
        weight = as_weight(weight)
        bias = None if bias is None else as_array("bias", bias)
        group_count = positive("groups", groups)
        if len(weight) % group_count or group_count * weight.shape[1] > sys.maxsize or group_count > sys.maxsize:
            raise ValueError(f"groups must divide the {len(weight)} output channels of weight, got {group_count}")
        if bias is not None and bias.shape != (len(weight),):
            raise ValueError(f"bias must have shape ({len(weight)},), one for each output channel, got {bias.shape}")
        steps = stride_pair(stride)
        low, high = bounds(activation)
        check_layout(layout)
        real = real_type(dtype, weight, bias)
        config = {
            "stride": steps if steps[0] != steps[1] else steps[0],
            "groups": group_count,
            "layout": layout,
            "activation": activation if activation is None or isinstance(activation, str) else (low, high),
            "dtype": dtype if dtype is None else real,
        }
        return super().__new__(
            cls,
            np.asarray(weight, real),
            None if bias is None else np.asarray(bias, real),
            steps,
            group_count,
            layout == "NHWC",
            (low, high),
            config,
        )

    @property
    def weight(self) -> Array:
        """The weights, (C_out, C_in / groups), as a read-only copy."""
        return self._weight()

    @property
    def bias(self) -> Array | None:
        """The biases, (C_out,), as a read-only copy; None where none were given."""
        return self._bias()

    @property
    def dtype(self) -> np.dtype[Any]:
        """What the weights are packed in: float32 or float64."""
        return np.dtype(np.float64 if self._is_double else np.float32)

    def __repr__(self) -> str:
        c_out, c_in = self._shape
        options = {name: value for name, value in self._config.items() if name != "dtype"}
        text = ", ".join(f"{name}={value!r}" for name, value in options.items())
        return f"Conv1x1({c_in} -> {c_out}, {text}, bias={self._has_bias}, dtype={self.dtype})"

    def __reduce__(self) -> tuple[Any, ...]:
        made_with = type(self), self.weight, self.bias, self._config
        getstate = getattr(self, "__getstate__", None)  # every object's, from Python 3.11 on
        state = getstate() if getstate else getattr(self, "__dict__", None)  # of a subclass
        return (_rebuild, made_with, state) if state else (_rebuild, made_with)

    def _checked_call(
        self, x: ArrayLike, residual: ArrayLike | None, out: Array | None, num_threads: SupportsIndex | None
    ) -> Array:
        """A call whose arguments have not been seen before."""
        layout, (c_out, c_in) = self._config["layout"], self._shape
        x = as_array("x", x)
        if x.ndim < 3:
            axes = "(..., C, H, W)" if layout == "NCHW" else "(..., H, W, C)"
            raise ValueError(f"x must have at least 3 axes, {axes}, got {x.ndim}: shape {x.shape}")
        channel_axis = CHANNEL_AXIS[layout]
        if x.shape[channel_axis] != c_in:
            raise ValueError(
                f"x must have {c_in} channels on axis {channel_axis} ({layout}) for weight of shape "
                f"{(c_out, c_in // self._config['groups'])} and groups={self._config['groups']}, "
                f"got {x.shape[channel_axis]}: shape {x.shape}"
            )
        residual = None if residual is None else as_array("residual", residual)
        threads = None if num_threads is None else thread_count("num_threads", num_threads)
        shape = _out_shape(x.shape, c_out, stride_pair(self._config["stride"]), channel_axis)
        if residual is not None and residual.shape != shape:
            raise ValueError(f"residual must have the shape of the output, {shape}, got {residual.shape}")
        real = self.dtype if self._config["dtype"] is not None else real_type(None, self.dtype, x, residual)
        if out is None:
            out = plain = np.empty(shape, real)
        else:
            plain = checked_out(out, shape, real, x=x, residual=residual)
        if real != self.dtype:  # wider arrays than weights: computed with the weights widened
            wide = Conv1x1(self.weight, self.bias, **(self._config | {"dtype": real}))
            wide._run(x, residual, plain, threads)
        else:
            self._run(x, residual, plain, threads)
        return out


def _out_shape(shape: tuple[int, ...], c_out: int, stride: tuple[int, int], channel_axis: int) -> tuple[int, ...]:
    height, width = shape[-2:] if channel_axis == -3 else shape[-3:-1]
    rows, columns = (height - 1) // stride[0] + 1, (width - 1) // stride[1] + 1
    ends = (c_out, rows, columns) if channel_axis == -3 else (rows, columns, c_out)
    return (*shape[:-3], *ends)


def _rebuild(kind: type[Conv1x1], weight: Array, bias: Array | None, config: dict[str, Any]) -> Conv1x1:
    return Conv1x1.__new__(kind, weight, bias, **config)


def conv1x1(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: Stride = 1,
    groups: SupportsIndex = 1,
    layout: Layout = "NCHW",
    activation: Activation = None,
    residual: ArrayLike | None = None,
    dtype: DTypeLike | None = None,
    out: Array | None = None,
    num_threads: SupportsIndex | None = None,
) -> Array:
    """Pointwise (1×1) convolution: mix the channels of every pixel with one and the same matrix.

    ``y[n, o, i, j] = activation(bias[o] + Σ_k weight[o, k]·x[n, k, i·s_h, j·s_w] + residual[n, o, i, j])``

    Parameters
    ----------
    x : array_like, shape (..., C_in, H, W) for "NCHW", (..., H, W, C_in) for "NHWC"
        Any number of batch axes, none included. Views of any strides are read where they lie. Real numbers of at most 64
        bits, as ml_dtypes' bfloat16; what is not of the type of the result is converted block by block.
    weight : array_like, shape (C_out, C_in / groups) or (C_out, C_in / groups, 1, 1)
        In both layouts.
    bias : array_like, shape (C_out,), optional
    stride : int or (int, int)
        Steps down and across; the output has ``(H - 1) // stride + 1`` rows, and columns likewise.
    groups : int
        Group g of the output channels sees group g of the input channels alone.
    layout : {"NCHW", "NHWC"}
    activation : None, "relu", "relu6" or (low, high)
        Bounds of the result; None for no bound. NaN passes.
    residual : array_like, the shape of the output, optional
        Added before the activation.
    dtype : {float32, float64}, optional
        What to compute in and return; by default `numpy.result_type` of the arrays, within these two.
    out : ndarray, optional
        Where the result goes: its exact shape and dtype, any strides, apart from every input.
    num_threads : int, optional
        Threads for this call; by default `get_num_threads`. Small calls use one. The bits do not depend on it.

    Returns
    -------
    ndarray, shape (..., C_out, H_out, W_out) or (..., H_out, W_out, C_out)
        `out` if it was given.

    Raises
    ------
    ValueError
        If a shape, size or bound is wrong, or if `out` overlaps an input, itself, or is read-only.
    TypeError
        If an argument is of a wrong type: complex numbers, objects, masked values, lazy arrays.
    MemoryError
        If the result or the packed weights do not fit into memory.

    See Also
    --------
    Conv1x1 : packs the weights once.

    Notes
    -----
    Each output is one chain of fused multiply-adds over k = 0 … K-1, started from the bias. So the bits are the same for
    every number of threads, layout, view and place in the batch, and for every instruction set that has fused
    multiply-adds. The error is at most γ(K+1)·(Σ|w||x| + \\|b\\|), γ(n) = n·u/(1 - n·u) [2]_.

    References
    ----------
    .. [1] M. Lin, Q. Chen and S. Yan, Network in network, ICLR 2014.
    .. [2] N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., SIAM 2002, section 3.1.

    Examples
    --------
    >>> import numpy as np
    >>> from pwconv import conv1x1
    >>> x = np.arange(12, dtype=np.float32).reshape(3, 2, 2)
    >>> conv1x1(x, [[1, 0, 0], [0, 0, 2]], [0.5, -20], activation="relu", dtype="float32")
    array([[[0.5, 1.5],
            [2.5, 3.5]],
    <BLANKLINE>
           [[0. , 0. ],
            [0. , 2. ]]], dtype=float32)
    """
    x, weight = as_array("x", x), as_weight(weight)
    bias = None if bias is None else as_array("bias", bias)
    residual = None if residual is None else as_array("residual", residual)
    layer = Conv1x1(
        weight,
        bias,
        stride=stride,
        groups=groups,
        layout=layout,
        activation=activation,
        dtype=real_type(dtype, x, weight, bias, residual),
    )
    if isinstance(out, np.ndarray):
        check_apart(out, weight=weight, bias=bias)
    return layer(x, residual=residual, out=out, num_threads=num_threads)
