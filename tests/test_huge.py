"""Offsets and lengths beyond 32 bits are counted right.

Reference: the result for contiguous copies; tolerance: none, bits are compared. The memory is reserved and not
backed: only the pages of the few elements are ever touched.
"""

from __future__ import annotations

import mmap

import numpy as np
import pytest
from mangle import plain
from support import arrange, same_bits, shaped

from pwconv import conv1x1

NO_RESERVE = 0x4000  # MAP_NORESERVE of Linux, which the module does not name
STEPS = (2**31 + 64, 2**32 + 64, 2**33 + 192)  # bytes; the last is more than 2^31 elements of 4


@pytest.fixture(scope="module")
def memory():
    """Reserved address space for four steps of the largest kind."""
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | NO_RESERVE
    try:
        return np.frombuffer(mmap.mmap(-1, 4 * max(STEPS) + 2**20, flags=flags), np.uint8)
    except OSError as error:
        pytest.skip(f"no address space: {error}")


def spread(memory, values, axis, step):
    """`values` with a distance of `step` bytes along one axis, from the far end for a negative one."""
    strides = list(np.empty_like(values).strides)
    strides[axis] = step
    start = memory if step > 0 else memory[-step * (values.shape[axis] - 1) :]
    view = np.lib.stride_tricks.as_strided(start.view(values.dtype), values.shape, strides)
    view[...] = values
    return view


@pytest.fixture
def arrays(rng, layout):
    return {
        "x": arrange(rng.standard_normal((3, 4, 2, 3)).astype("f4"), layout),
        "weight": rng.standard_normal((3, 4)).astype("f4"),
        "bias": rng.standard_normal(3).astype("f4"),
        "residual": arrange(rng.standard_normal((3, 3, 2, 3)).astype("f4"), layout),
    }


@pytest.mark.parametrize("sign", (1, -1))
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("operand", ("x", "weight", "bias", "residual", "out"))
def test_distances_between_elements(isa, layout, memory, arrays, operand, step, sign):
    expected = conv1x1(**arrays, layout=layout)
    arrays["out"] = np.empty_like(expected)
    for axis in range(arrays[operand].ndim):
        view = spread(memory, arrays[operand], axis, sign * step)
        y = conv1x1(**arrays | {operand: view}, layout=layout, num_threads=2)
        assert same_bits(plain(y), expected), axis


@pytest.mark.parametrize("stride", ((1, 2**30), (1, 2**31 + 1), (2**30, 1), (2**31 + 1, 1)))
def test_long_rows_and_columns(isa, layout, memory, stride):
    """Billions of pixels, of which the stride takes a few."""
    length = 2**33
    places = np.arange(0, length, max(stride))
    memory[places], weight = 1 + np.arange(len(places)), np.full((1, 1), 2, "f4")
    x = memory[:length].reshape(shaped((), 1, *((1, length) if stride[0] == 1 else (length, 1)), layout))
    y = conv1x1(x, weight, stride=stride, layout=layout)
    memory[places] = 0
    assert np.array_equal(y.ravel(), 2 + 2 * np.arange(len(places)))


def test_no_outputs_for_billions_of_pixels(isa, layout):
    x = np.broadcast_to(np.float32(1), shaped((2**20, 2**12), 1, 2**10, 2**10, layout))
    assert conv1x1(x, np.empty((0, 1), "f4"), layout=layout).size == 0
