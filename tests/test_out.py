"""`out` is written in place, exactly when that is safe.

Reference: the call without `out`; tolerance: none. A refused `out` keeps its canary, and so does the memory
around it.
"""

from __future__ import annotations

import numpy as np
import pytest
from support import arrange, same_bits, shaped

from pwconv import Conv1x1, conv1x1


@pytest.fixture(params=(False, True), ids=("conv1x1", "Conv1x1"))
def call(request, layout):
    """(x, weight, bias=..., residual=..., out=...) through the function or the object."""

    def run(x, weight, bias=None, **options):
        if request.param:
            return Conv1x1(weight, bias, layout=layout)(x, **options)
        return conv1x1(x, weight, bias, layout=layout, **options)

    return run


@pytest.fixture
def arrays(rng, layout):
    """Square channels, so that every operand could be taken for the result."""
    return {
        "x": arrange(rng.standard_normal((2, 8, 3, 8)), layout),
        "weight": rng.standard_normal((8, 8)),
        "bias": rng.standard_normal(8),
        "residual": arrange(rng.standard_normal((2, 8, 3, 8)), layout),
    }


def refused(call, arrays, out, pattern=r"\bout\b"):
    before = out.copy()
    with pytest.raises(ValueError, match=pattern):
        call(**arrays, out=out)
    assert np.array_equal(out, before)


def test_out_is_returned(isa, call, arrays):
    out = np.full_like(arrays["x"], np.nan)
    assert call(**arrays, out=out) is out
    assert same_bits(out, call(**arrays))


def test_read_only(call, arrays):
    out = np.full_like(arrays["x"], 7)
    out.flags.writeable = False
    refused(call, arrays, out, r"\bout\b.*(read-only|writ)")


@pytest.mark.parametrize("shape", ((2, 8, 8, 8), (8, 8, 3), (1, 2, 8, 3, 8), (2, 384), (), (0,)))
def test_wrong_shape(call, arrays, shape):
    refused(call, arrays, np.full(shape, 7.0), r"\bout\b.*shape|shape.*\bout\b")


@pytest.mark.parametrize("dtype", ("f4", "f2", "i8", "c16", "O", "?", ">f8", "V8"))
def test_wrong_dtype(call, arrays, dtype):
    refused(call, arrays, np.zeros(arrays["x"].shape, dtype), r"\bout\b.*dtype|dtype.*\bout\b|\bout\b.*float64")


@pytest.mark.parametrize(
    "strides",
    (
        (0, 192, 64, 8),
        (1536, 192, 64, 0),
        (1536, 192, 64, 4),
        (1536, 192, 8, 8),
        (192, 192, 64, 8),
        (1536, -1536, 64, 8),
        (-8, 8, 64, 512),
        (0, 0, 0, 0),
    ),
)
def test_overlapping_itself(call, arrays, strides):
    store = np.full(10_000, 7.0)
    out = np.lib.stride_tricks.as_strided(store[5000:], arrays["x"].shape, strides)
    refused(call, arrays, out, r"\bout\b.*overlap")
    assert (store == 7).all()


def test_strides_that_do_not_nest(isa, call, arrays, layout):
    """Images 3 rows apart and rows 2 apart fall beside each other: 0, 2, 4 and 3, 5, 7."""
    strides = (192, 512, 128, 8) if layout == "NCHW" else (192, 128, 512, 8)
    store = np.full(8 * 8 * 8, np.nan)
    out = np.lib.stride_tricks.as_strided(store, arrays["x"].shape, strides)
    assert call(**arrays, out=out) is out
    assert same_bits(out.copy(), call(**arrays))
    assert np.isnan(store).sum() == store.size - out.size


@pytest.mark.parametrize("operand", ("x", "residual"))
@pytest.mark.parametrize("shift", (0, 1, 7, 100, 383, -383, -1))
def test_overlapping_a_map(call, arrays, operand, shift):
    store = np.full(3 * 384, 7.0)
    size, shape = arrays["x"].size, arrays["x"].shape
    arrays[operand] = store[size : 2 * size].reshape(shape)
    refused(call, arrays, store[size + shift :][:size].reshape(shape), rf"\bout\b.*\b{operand}\b")


@pytest.mark.parametrize("operand", ("weight", "bias"))
@pytest.mark.parametrize("first", (0, 320, 383))
def test_overlapping_the_weights(arrays, layout, operand, first):
    """The function reads them as it writes. The object has copied them: `out` may lie where they were."""
    store = np.full(1000, 7.0)
    arrays[operand] = store[first:][: arrays[operand].size].reshape(arrays[operand].shape)
    out = store[:384].reshape(arrays["x"].shape)
    residual = arrays.pop("residual")
    with pytest.raises(ValueError, match=rf"\bout\b.*\b{operand}\b"):
        conv1x1(**arrays, residual=residual, layout=layout, out=out)
    assert (store == 7).all()
    x = arrays.pop("x")
    layer = Conv1x1(**arrays, layout=layout)
    expected = layer(x, residual=residual)
    assert same_bits(layer(x, residual=residual, out=out), expected)


@pytest.mark.parametrize("operand", ("x", "residual"))
def test_reversed_view_of_an_input(call, arrays, operand):
    refused(call, arrays, arrays[operand][..., ::-1], rf"\bout\b.*\b{operand}\b")


@pytest.mark.parametrize("axis", range(4))
@pytest.mark.parametrize("operand", ("x", "residual"))
def test_interleaved_but_disjoint(isa, call, arrays, axis, operand):
    """Every other image, channel, row or column: the extents overlap, the elements do not."""
    expected = call(**arrays)
    shape = list(arrays["x"].shape)
    shape[axis] *= 2
    store = np.full(shape, np.nan)
    even, odd = ([slice(None)] * 4 for _ in range(2))
    even[axis], odd[axis] = slice(0, None, 2), slice(1, None, 2)
    store[tuple(even)] = arrays[operand]
    arrays[operand] = store[tuple(even)]
    out = store[tuple(odd)]
    assert call(**arrays, out=out) is out
    assert same_bits(out.copy(), expected)
    assert same_bits(store[tuple(even)].copy(), arrays[operand].copy())


@pytest.mark.parametrize("axis", range(4))
def test_interleaved_and_touching(call, arrays, axis):
    shape = list(arrays["x"].shape)
    shape[axis] *= 3
    store = np.full(shape, 7.0)
    thirds, halves = ([slice(None)] * 4 for _ in range(2))
    size = arrays["x"].shape[axis]
    thirds[axis], halves[axis] = slice(0, 3 * size, 3), slice(1, 1 + 2 * size, 2)
    arrays["x"] = store[tuple(thirds)]
    refused(call, arrays, store[tuple(halves)], r"\bout\b.*\bx\b")


def test_halves_of_a_concatenation(isa, call, rng, layout):
    """The input in one half of the channels and the output in the other: DenseNet's memory."""
    store = rng.standard_normal(shaped((2,), 16, 3, 5, layout))
    channels = 1 if layout == "NCHW" else 3
    x, out = np.split(store, 2, axis=channels)
    weight = rng.standard_normal((8, 8))
    expected = call(x.copy(), weight)
    assert same_bits(call(x, weight, out=out).copy(), expected)


def test_empty_out_overlaps_nothing(call, arrays):
    arrays["x"] = arrays["x"][:0]
    arrays["residual"] = None
    assert call(**arrays, out=arrays["x"]).size == 0


def test_subclass_as_out_is_returned(call, arrays):
    class Mine(np.ndarray):
        pass

    out = np.empty(arrays["x"].shape).view(Mine)
    assert call(**arrays, out=out) is out
    assert same_bits(np.asarray(out), call(**arrays))
