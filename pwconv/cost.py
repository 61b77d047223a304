"""What a convolution costs: parameters, multiply-adds and memory traffic, counted exactly."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import DTypeLike

from ._checks import check_layout, positive, stride_pair


@dataclass(frozen=True)
class Cost:
    """The cost of a layer, or of several: costs add, and ``sum(costs, Cost())`` is that of a whole network.

    Attributes
    ----------
    parameters : int
        Weights. A bias adds C_out.
    multiply_adds : int
        Multiplications each followed by an addition; one of them is two floating-point operations.
    bytes_moved : int
        Input pixels that are used, weights and output, each moved once: the least that any cache can do.
    """

    parameters: int = 0
    multiply_adds: int = 0
    bytes_moved: int = 0

    @property
    def intensity(self) -> float:
        """Floating-point operations per byte, two for each multiply-add; 0 where nothing is moved.

        A layer whose intensity lies below the machine's operations per second / bytes per second is bound by
        memory, not by arithmetic: the roofline of Williams, Waterman and Patterson (CACM 2009).
        """
        return 2 * self.multiply_adds / self.bytes_moved if self.bytes_moved else 0.0

    def __add__(self, other: Cost) -> Cost:
        if not isinstance(other, Cost):
            return NotImplemented
        return Cost(
            self.parameters + other.parameters,
            self.multiply_adds + other.multiply_adds,
            self.bytes_moved + other.bytes_moved,
        )


def cost(
    x_shape: Sequence[int],
    weight_shape: Sequence[int],
    *,
    stride: int | tuple[int, int] = 1,
    groups: int = 1,
    layout: Literal["NCHW", "NHWC"] = "NCHW",
    dtype: DTypeLike = "float32",
) -> Cost:
    """Count what a convolution costs, without computing it.

    Pointwise weights are what pwconv runs. A k×k kernel is counted too, so that the two can be compared: k
    odd, the image padded with (k - 1) / 2 zeros on each side, a product with padding counted like any other.

    Parameters
    ----------
    x_shape : sequence of int, (..., C_in, H, W) for NCHW, (..., H, W, C_in) for NHWC
        Shape of the image; any number of batch axes.
    weight_shape : sequence of int, (C_out, C_in / groups) or (C_out, C_in / groups, k_h, k_w)
        Shape of the weights, in either layout.
    stride : int or (int, int)
        Rows and columns from one output pixel to the next.
    groups : int
        Number of groups of channels.
    layout : {"NCHW", "NHWC"}
        Where the channels of `x_shape` are.
    dtype : dtype
        Type of image, weights and output; it sets the bytes of an element.

    Returns
    -------
    Cost
        Exact Python integers, and `Cost.intensity` in operations per byte.

    Raises
    ------
    ValueError
        If a shape has a wrong number of axes or a negative one, if the channels of image and weights differ,
        if a kernel is even, if `stride` or `groups` is below 1, or if `groups` does not divide the channels.
    TypeError
        If a size, `stride` or `groups` is not an integer.

    References
    ----------
    K. He, X. Zhang, S. Ren and J. Sun, Deep residual learning for image recognition, CVPR 2016 (figure 5).

    Examples
    --------
    ResNet's bottleneck against what it replaces. A 3×3 convolution of 256 channels works on 64 channels
    instead, between two pointwise convolutions that reduce and restore them:

    >>> direct = cost((256, 56, 56), (256, 256, 3, 3))
    >>> bottleneck = sum((
    ...     cost((256, 56, 56), (64, 256)),
    ...     cost((64, 56, 56), (64, 64, 3, 3)),
    ...     cost((64, 56, 56), (256, 64)),
    ... ), Cost())
    >>> direct.multiply_adds, bottleneck.multiply_adds
    (1849688064, 218365952)

    That is 8.5 times less arithmetic, and as many times fewer weights ("about ten times", as it is told):

    >>> round(direct.multiply_adds / bottleneck.multiply_adds, 2)
    8.47
    >>> round(direct.parameters / bottleneck.parameters, 2)
    8.47

    The price is fewer operations for each byte, so memory matters more:

    >>> round(direct.intensity), round(bottleneck.intensity)
    (421, 44)
    """
    shape = _sizes("x_shape", x_shape)
    weights = _sizes("weight_shape", weight_shape)
    s_h, s_w = stride_pair(stride)
    groups = positive("groups", groups)
    check_layout(layout)
    if len(shape) < 3:
        raise ValueError(f"x_shape is {shape}; expected at least 3 axes: {_axes(layout)}")
    if len(weights) not in (2, 4):
        raise ValueError(f"weight_shape is {weights}; expected (C_out, C_in/groups) or (C_out, C_in/groups, k_h, k_w)")

    *batch, c_in, height, width = shape if layout == "NCHW" else (*shape[:-3], shape[-1], *shape[-3:-1])
    c_out, depth = weights[:2]
    k_h, k_w = weights[2:] or (1, 1)
    if depth * groups != c_in:
        raise ValueError(
            f"weight_shape is {weights}, which takes {depth} × {groups} (groups) input channels; "
            f"x_shape {shape} in {layout} has {c_in}"
        )
    if c_out % groups:
        raise ValueError(f"groups is {groups}; expected a divisor of the {c_out} output channels")
    if not (k_h % 2 and k_w % 2):
        raise ValueError(f"weight_shape is {weights}; expected an odd kernel, it is {k_h}×{k_w}")

    images = math.prod(batch)
    pixels_in = images * _taken(height, k_h, s_h) * _taken(width, k_w, s_w)
    pixels_out = images * _outputs(height, s_h) * _outputs(width, s_w)
    parameters = math.prod(weights)
    elements = pixels_in * c_in + parameters + pixels_out * c_out
    return Cost(parameters, parameters * pixels_out, elements * np.dtype(dtype).itemsize)


def _outputs(size: int, stride: int) -> int:
    return (size - 1) // stride + 1


def _taken(size: int, kernel: int, stride: int) -> int:
    """Rows of the image under some window: up to the end of the last window, less the gaps between them."""
    if size == 0:
        return 0
    last = (_outputs(size, stride) - 1) * stride
    gaps = (_outputs(size, stride) - 1) * max(0, stride - kernel)
    return min(size, last + kernel // 2 + 1) - gaps


def _axes(layout: str) -> str:
    return "(..., C_in, H, W)" if layout == "NCHW" else "(..., H, W, C_in)"


def _index(name: str, value: object) -> int:
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{name} is {value!r}; expected an integer") from None


def _sizes(name: str, shape: Sequence[int]) -> tuple[int, ...]:
    if not hasattr(shape, "__iter__") or isinstance(shape, str):
        raise TypeError(f"{name} is {shape!r}; expected a sequence of integers")
    sizes = tuple(_index(f"an axis of {name}", size) for size in shape)
    if any(size < 0 for size in sizes):
        raise ValueError(f"{name} is {sizes}; expected no negative size")
    return sizes
