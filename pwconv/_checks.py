"""Arguments made plain, or the exception that names the argument, what it was and what it should be."""

from __future__ import annotations

import math
import operator
import sys
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array = NDArray[Any]
BOUNDS = {"relu": (0.0, math.inf), "relu6": (0.0, 6.0)}


def as_array(name: str, value: Any) -> Array:
    """An array of real numbers, as a plain ndarray, without a copy where NumPy needs none."""
    array: Array = value if type(value) is np.ndarray else _plain(name, value)
    dtype = array.dtype
    foreign = dtype.isbuiltin == 2  # another package's type, whatever kind it says it is
    if (dtype.kind not in "biuf" or dtype.itemsize > 8 or foreign) and dtype.name != "bfloat16":
        raise TypeError(f"{name} must hold real numbers of at most 64 bits, got dtype {dtype}")
    return array


def _plain(name: str, value: Any) -> Array:
    graph = getattr(value, "__dask_graph__", None)
    if callable(graph) and graph() is not None:  # None: xarray's and pint's arrays that hold numbers
        raise TypeError(
            f"{name} is a lazy {type(value).__module__}.{type(value).__name__}: map the convolution over its blocks "
            "with dask.array.map_blocks, or call its compute() first"
        )
    masked = sys.modules.get("numpy.ma")
    if masked is not None and isinstance(value, masked.MaskedArray) and masked.is_masked(value):
        raise TypeError(
            f"{name} has masked values, for which no sum is defined: fill them first, as with {name}.filled(0)"
        )
    try:
        return np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name} must be an array of numbers: {error}") from None


def real_type(dtype: DTypeLike | None, *arrays: Any) -> np.dtype[Any]:
    """The dtype to compute in: the one asked for, or what NumPy promotes the arrays to, within float32 and float64."""
    if dtype is None:
        types = [a if isinstance(a, np.dtype) else a.dtype for a in arrays if a is not None]
        return np.result_type(np.float32, *(t for t in types if t.kind != "V"))  # bfloat16, which knows few other types
    try:
        real = np.dtype(dtype)
    except TypeError:
        raise TypeError(f"dtype must be float32 or float64, got {dtype!r}") from None
    if real not in (np.float32, np.float64):
        raise TypeError(f"dtype must be float32 or float64, got {real}")
    return real


def as_weight(value: Any) -> Array:
    """The weights as a matrix (C_out, C_in / groups)."""
    weight = as_array("weight", value)
    if weight.ndim == 2:
        return weight
    if weight.ndim == 4 and weight.shape[2:] == (1, 1):
        return weight[:, :, 0, 0]
    hint = ""
    if weight.ndim == 4 and weight.shape[:2] == (1, 1):
        hint = "; this looks like TensorFlow's (1, 1, C_in, C_out): pass w[0, 0].T"
    raise ValueError(
        f"weight must have shape (C_out, C_in/groups) or (C_out, C_in/groups, 1, 1), got {weight.shape}{hint}"
    )


def positive(name: str, value: SupportsIndex) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {type(value).__name__}") from None
    if number < 1:
        raise ValueError(f"{name} must be at least 1, got {number}")
    return number


def thread_count(name: str, value: SupportsIndex) -> int:
    return min(positive(name, value), 2**31 - 1)  # the core counts threads in int


def stride_pair(stride: Any) -> tuple[int, int]:
    if isinstance(stride, (tuple, list, np.ndarray)) and np.ndim(stride) == 1:
        if len(stride) != 2:
            raise ValueError(f"stride must be an integer or a pair of them, got {stride!r}")
        return positive("stride", stride[0]), positive("stride", stride[1])
    step = positive("stride", stride)
    return step, step


def bounds(activation: Any) -> tuple[float, float]:
    """The least and the largest result."""
    if activation is None:
        return -math.inf, math.inf
    if isinstance(activation, str):
        if activation not in BOUNDS:
            raise ValueError(f"activation must be None, 'relu', 'relu6' or (low, high), got {activation!r}")
        return BOUNDS[activation]
    if not isinstance(activation, (tuple, list)):
        raise TypeError(f"activation must be None, 'relu', 'relu6' or (low, high), got {type(activation).__name__}")
    if len(activation) != 2:
        raise ValueError(f"activation must have two bounds, (low, high), got {len(activation)}: {activation!r}")
    ends = []
    for bound, none in zip(activation, (-math.inf, math.inf), strict=True):
        if isinstance(bound, (str, bytes)):
            raise TypeError(f"activation must have numbers as bounds, got {activation!r}")
        try:
            ends.append(none if bound is None else float(bound) + 0.0)
        except (TypeError, ValueError):
            raise TypeError(f"activation must have numbers as bounds, got {activation!r}") from None
        except OverflowError:
            raise ValueError(f"activation must have bounds that float64 holds, got {activation!r}") from None
    low, high = ends
    if not low <= high:
        raise ValueError(f"activation must have low <= high, got {activation!r}")
    return low, high


def check_layout(layout: Any) -> None:
    if not isinstance(layout, str):
        raise TypeError(f"layout must be 'NCHW' or 'NHWC', got {type(layout).__name__}")
    if layout not in ("NCHW", "NHWC"):
        raise ValueError(f"layout must be 'NCHW' or 'NHWC', got {layout!r}")


def checked_out(out: Any, shape: tuple[int, ...], dtype: np.dtype[Any], **inputs: Array | None) -> Array:
    """`out` as a plain ndarray, if a result of this shape and dtype may be written to it while the inputs are read."""
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out must be an ndarray, got {type(out).__name__}")
    plain: Array = np.asarray(out)  # a subclass may say what it likes of its shape
    if plain.shape != shape:
        raise ValueError(f"out must have the shape {shape}, got {plain.shape}")
    if plain.dtype != dtype:
        raise ValueError(f"out must have the dtype {dtype}, got {plain.dtype}")
    if not plain.flags.writeable:
        raise ValueError("out must be writeable, got a read-only array")
    if _overlaps_itself(plain):
        raise ValueError(f"out must not overlap itself, got strides {plain.strides} for the shape {plain.shape}")
    check_apart(plain, **inputs)
    return plain


def check_apart(out: Array, **inputs: Array | None) -> None:
    for name, array in inputs.items():
        if array is not None and np.may_share_memory(out, array) and _share_memory(out, array):
            raise ValueError(f"out must not overlap {name}")


def _share_memory(a: Array, b: Array) -> bool:
    try:
        return np.shares_memory(a, b, max_work=100_000)  # type: ignore[arg-type]  # NumPy's stub lists two of its values
    except np.exceptions.TooHardError:
        return True  # to decide it would take longer than to copy


def _overlaps_itself(array: Array) -> bool:
    """Whether two elements share bytes. Strides that nest, as those of every slice do, are told at once."""
    if array.size == 0:
        return False
    extent = array.itemsize
    axes = sorted((abs(step), length) for step, length in zip(array.strides, array.shape, strict=True) if length > 1)
    for step, length in axes:
        if step < extent:
            return _not_provably_apart(axes, array.itemsize)
        extent += step * (length - 1)
    return False


def _not_provably_apart(axes: list[tuple[int, int]], itemsize: int) -> bool:
    """Look at every address, if there are not too many."""
    if math.prod(length for _, length in axes) > 1_000_000:
        return True
    addresses = np.zeros(1, np.int64)
    for step, length in axes:
        addresses = np.add.outer(addresses, step * np.arange(length)).ravel()
    addresses.sort()
    return bool((np.diff(addresses) < itemsize).any())
