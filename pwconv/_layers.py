"""The layers of a benchmark: their shapes, what they cost, and their arrays."""

from __future__ import annotations

import math
import re
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float32]
Layout: TypeAlias = Literal["NCHW", "NHWC"]

LAYOUTS: tuple[Layout, ...] = ("NCHW", "NHWC")
# Results are of the size sqrt(c_in). Single precision errs by some 1e-5 of that, narrower formats by more than 1e-3.
TOLERANCE = 1e-4


class BenchError(Exception):
    """What stopped the benchmark, in words for its user."""


class Layer(NamedTuple):
    """A layer of a network, float32, with bias and ReLU."""

    network: str
    c_in: int
    c_out: int
    height: int
    width: int
    stride: int = 1
    batch: int = 1

    @classmethod
    def parse(cls, text: str, network: str = "given") -> Layer:
        """The layer that `[batch x] c_in - c_out @ height [x width] [/ stride]` describes, written without spaces."""
        match = re.fullmatch(r"(?:(\d+)x)?(\d+)-(\d+)@(\d+)(?:x(\d+))?(?:/(\d+))?", text)
        batch, c_in, c_out, height, width, stride = (int(n or 1) for n in match.groups()) if match else [0] * 6
        if not match or min(batch, c_in, c_out, height, width, stride) < 1:
            raise BenchError(f"{text!r} is no layer; expected one like 256-64@56 or, with all parts, 8x256-64@56x48/2")
        return cls(network, c_in, c_out, height, width if match[5] else height, stride, batch)

    @property
    def shape(self) -> str:
        """What `parse` reads."""
        batch = f"{self.batch}x" if self.batch > 1 else ""
        width = f"x{self.width}" if self.width != self.height else ""
        stride = f"/{self.stride}" if self.stride > 1 else ""
        return f"{batch}{self.c_in}-{self.c_out}@{self.height}{width}{stride}"

    def __str__(self) -> str:
        return f"{self.network} {self.shape}"

    @property
    def flops(self) -> int:
        """Operations, two for each multiply-add."""
        return 2 * self.c_in * math.prod(self.y_shape("NCHW"))

    def bytes(self, layout: Layout) -> int:
        """What has to move at least: weights, bias, output, and each cache line of the input that the stride touches."""
        batch, c_out, rows, columns = self.y_shape("NCHW")
        # A stride skips whole lines where it skips rows, or pixels of a line or more.
        columns_read = columns if layout == "NHWC" and 4 * self.c_in >= 64 else self.width
        return 4 * (batch * rows * (self.c_in * columns_read + c_out * columns) + c_out * (self.c_in + 1))

    def x_shape(self, layout: Layout) -> tuple[int, int, int, int]:
        return _in_order(layout, self.batch, self.c_in, self.height, self.width)

    def y_shape(self, layout: Layout) -> tuple[int, int, int, int]:
        rows, columns = ((size - 1) // self.stride + 1 for size in (self.height, self.width))
        return _in_order(layout, self.batch, self.c_out, rows, columns)


def _in_order(layout: Layout, n: int, c: int, h: int, w: int) -> tuple[int, int, int, int]:
    return (n, c, h, w) if layout == "NCHW" else (n, h, w, c)


class Operands(NamedTuple):
    """The arrays of one layer in one layout."""

    layer: Layer
    layout: Layout
    x: Array
    weight: Array
    bias: Array

    @classmethod
    def draw(cls, layer: Layer, layout: Layout) -> Operands:
        """Normally distributed numbers, always the same."""
        rng = np.random.default_rng(1)
        shapes = (layer.x_shape(layout), (layer.c_out, layer.c_in), (layer.c_out,))
        x, weight, bias = (rng.standard_normal(out=aligned(shape), dtype=np.float32) for shape in shapes)
        return cls(layer, layout, x, weight, bias)

    def taken(self) -> Array:
        """The pixels of x that the stride takes, as a view."""
        step = slice(None, None, self.layer.stride)
        return self.x[:, :, step, step] if self.layout == "NCHW" else self.x[:, step, step]

    def out(self) -> Array:
        """Memory for the output, filled with NaN."""
        out = aligned(self.layer.y_shape(self.layout))
        out.fill(np.nan)
        return out


def aligned(shape: tuple[int, ...]) -> Array:
    """Memory at the start of a cache line, which some libraries demand and all like."""
    store = np.empty(4 * math.prod(shape) + 64, np.uint8)
    return np.ndarray(shape, np.float32, store, -store.ctypes.data % 64)
