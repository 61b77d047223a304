"""Empty axes give empty results, and no input channels give the bias alone.

Reference: the formula, whose sum over no channels is zero; tolerance: none. `out` is full of NaN beforehand,
so an element that nobody wrote is seen.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from support import shaped

from pwconv import Conv1x1, conv1x1


@pytest.mark.parametrize("with_out", (False, True))
@pytest.mark.parametrize("stride", (1, (2, 3)))
@pytest.mark.parametrize("groups", (1, 2))
def test_every_combination_of_empty_axes(isa, layout, dtype, with_out, stride, groups):
    rows, columns = (stride, stride) if isinstance(stride, int) else stride
    for batch, c_in, c_out, height, width in itertools.product((0, 3), (0, 4), (0, 6), (0, 5), (0, 4)):
        x = np.ones(shaped((batch,), c_in, height, width, layout), dtype)
        weight = np.ones((c_out, c_in // groups), dtype)
        shape = shaped((batch,), c_out, (height - 1) // rows + 1, (width - 1) // columns + 1, layout)
        out = np.full(shape, np.nan, dtype) if with_out else None
        options = {"stride": stride, "groups": groups, "layout": layout}
        for y in (conv1x1(x, weight, out=out, **options), Conv1x1(weight, **options)(x, out=out)):
            assert y.shape == shape and y.dtype == dtype
            assert (y == c_in // groups).all()


@pytest.mark.parametrize(
    "activation, expected",
    (
        (None, (-3, 0.5, 9)),
        ("relu", (0, 0.5, 9)),
        ("relu6", (0, 0.5, 6)),
        ((1, None), (1, 1, 9)),
    ),
)
def test_no_input_channels_give_the_activated_bias(isa, layout, dtype, activation, expected):
    bias = np.array((-3, 0.5, 9), dtype)
    for pixels in (1, 7, 33, 97):
        x = np.empty(shaped((2,), 0, 1, pixels, layout), dtype)
        out = np.full(shaped((2,), 3, 1, pixels, layout), np.nan, dtype)
        conv1x1(x, np.empty((3, 0), dtype), bias, layout=layout, activation=activation, out=out)
        channels_last = out if layout == "NHWC" else np.moveaxis(out, 1, -1)
        assert np.array_equal(channels_last, np.broadcast_to(np.array(expected, dtype), channels_last.shape))


def test_no_input_channels_and_no_bias_give_zero_and_the_residual(isa, layout, dtype):
    x, weight = np.empty(shaped((), 0, 5, 7, layout), dtype), np.empty((3, 0), dtype)
    y = conv1x1(x, weight, layout=layout)
    assert (y == 0).all() and not np.signbit(y).any()
    residual = np.arange(105, dtype=dtype).reshape(shaped((), 3, 5, 7, layout))
    assert np.array_equal(conv1x1(x, weight, layout=layout, residual=residual), residual)


def test_any_number_of_groups_without_channels(layout):
    """None of them is gone through: 2**40 would take an hour."""
    layer = Conv1x1(np.empty((0, 0), "f4"), np.empty(0, "f4"), groups=2**40, layout=layout)
    assert layer.bias.shape == (0,)
    x = np.empty(shaped((), 0, 2, 2, layout))
    assert layer(x).shape == x.shape


@pytest.mark.parametrize("batch", ((0,), (3, 0), (0, 2, 2)))
def test_empty_batch_axes(isa, layout, dtype, batch):
    x = np.empty(shaped(batch, 4, 5, 6, layout), dtype)
    y = conv1x1(x, np.ones((2, 4), dtype), np.ones(2, dtype), layout=layout, num_threads=2)
    assert y.shape == shaped(batch, 2, 5, 6, layout) and y.dtype == dtype
