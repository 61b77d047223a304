"""The numbers are right.

Reference: exact integer products, and `pwconv._reference` in a wider type than the one under test.
Tolerance: none where every partial sum is a whole number below 2^24; elsewhere the bound
|ŷ - y| <= gamma(K+1)·(Σ|w||x| + |b|), whose largest use the summary prints for each dtype.
"""

from __future__ import annotations

import numpy as np
import pytest
from support import SIZES, arrange, convolve, integers

from pwconv import _reference, conv1x1

WIDER = {"float32": np.float64, "float64": np.longdouble}


def exact(x, weight, bias, dtype):
    """The product of whole numbers: float64 holds it without error, and so does `dtype`."""
    y = np.tensordot(weight.astype(np.float64), x.astype(np.float64), axes=(1, 0)) + bias[:, None, None]
    assert np.abs(y).max(initial=0) < 2**24
    return y.astype(dtype)


@pytest.mark.parametrize("c_in", (1, 2, 5, 33))
def test_every_tail_of_channels_and_pixels(isa, layout, dtype, rng, c_in):
    weight = integers(rng, (max(SIZES), c_in), dtype, 31)
    bias = integers(rng, max(SIZES), dtype, 99)
    x = integers(rng, (c_in, 1, max(SIZES)), dtype, 31)
    expected = exact(x, weight, bias, dtype)
    for c_out in SIZES:
        for pixels in SIZES:
            y = convolve(x[..., :pixels], weight[:c_out], bias[:c_out], layout=layout)
            assert np.array_equal(y, expected[:c_out, :, :pixels]), (c_out, pixels)


@pytest.mark.parametrize("c_out, pixels", ((1, 1), (3, 50), (17, 9), (50, 35)))
def test_every_depth(isa, layout, dtype, rng, c_out, pixels):
    weight = integers(rng, (c_out, max(SIZES)), dtype, 31)
    bias = integers(rng, c_out, dtype, 99)
    x = integers(rng, (max(SIZES), pixels, 1), dtype, 31)
    for c_in in SIZES:
        y = convolve(x[:c_in], weight[:, :c_in], bias, layout=layout)
        assert np.array_equal(y, exact(x[:c_in], weight[:, :c_in], bias, dtype)), c_in


@pytest.mark.parametrize("c_in", (511, 1025, 3000, 9000, 140_000))
@pytest.mark.parametrize("c_out, pixels", ((1, 1), (3, 5), (33, 19)))
def test_depth_beyond_every_block(isa, layout, dtype, rng, c_in, c_out, pixels):
    """The partial sums cross the bounds many times; the activation and the residual come once, at the end."""
    weight = integers(rng, (c_out, c_in), dtype, 3)
    bias = integers(rng, c_out, dtype, 99)
    x = integers(rng, (c_in, 1, pixels), dtype, 9)
    expected = exact(x, weight, bias, dtype)
    assert np.array_equal(convolve(x, weight, bias, layout=layout), expected)
    residual = integers(rng, expected.shape, dtype, 99)
    y = convolve(x, weight, bias, residual=residual, activation=(-50, 50), layout=layout)
    assert np.array_equal(y, np.clip(expected + residual, -50, 50))


@pytest.mark.parametrize(
    "c_in, c_out, height, width",
    (
        (257, 300, 3, 5),
        (64, 700, 7, 7),
        (700, 64, 14, 14),
        (3, 3, 130, 70),
        (200, 16, 64, 33),
        (31, 33, 61, 67),
        (1500, 33, 20, 20),  # sums in slices, with pixels as columns
    ),
)
def test_width_beyond_every_block(isa, layout, dtype, rng, c_in, c_out, height, width):
    weight = integers(rng, (c_out, c_in), dtype, 15)
    bias = integers(rng, c_out, dtype, 99)
    x = integers(rng, (c_in, height, width), dtype, 15)
    y = convolve(x, weight, bias, layout=layout)
    assert np.array_equal(y, exact(x, weight, bias, dtype))


@pytest.mark.parametrize("batch", ((), (0,), (1,), (3,), (2, 3), (2, 1, 3), (2, 0, 3), (1,) * 29))
def test_any_number_of_batch_axes(isa, layout, dtype, rng, batch):
    x = integers(rng, (*batch, 5, 4, 7), dtype, 31)
    weight = integers(rng, (6, 5), dtype, 31)
    y = convolve(x, weight, layout=layout)
    assert y.shape == (*batch, 6, 4, 7)
    for index in np.ndindex(*batch):
        assert np.array_equal(y[index], convolve(x[index], weight, layout=layout))


@pytest.mark.skipif(np.__version__ < "2", reason="NumPy 1 has at most 32 axes")
def test_most_axes_that_numpy_has(isa, layout, dtype, rng):
    batch = (*[1, 2, 1] * 3, *[1] * 52)
    x = integers(rng, (*batch, 5, 4, 7), dtype, 31)
    weight = integers(rng, (6, 5), dtype, 31)
    y = convolve(x, weight, layout=layout)
    assert y.ndim == 64
    assert np.array_equal(y.reshape(8, 6, 4, 7), convolve(x.reshape(8, 5, 4, 7), weight, layout=layout))


@pytest.mark.parametrize("height, width", ((1, 1), (2, 9), (7, 7), (13, 40), (35, 3)))
def test_stride_takes_every_nth_pixel(isa, layout, dtype, rng, height, width):
    x = integers(rng, (2, 9, height, width), dtype, 31)
    weight = integers(rng, (11, 9), dtype, 31)
    bias = integers(rng, 11, dtype, 99)
    whole = convolve(x, weight, bias, layout=layout)
    for rows in (1, 2, 3, 40):
        for columns in (1, 2, 3, 40):
            y = convolve(x, weight, bias, stride=(rows, columns), layout=layout)
            assert y.shape[-2:] == ((height - 1) // rows + 1, (width - 1) // columns + 1)
            assert np.array_equal(y, whole[..., ::rows, ::columns]), (rows, columns)
    assert np.array_equal(convolve(x, weight, bias, stride=2, layout=layout), whole[..., ::2, ::2])


@pytest.mark.parametrize("groups", (1, 2, 3, 8, 35))
@pytest.mark.parametrize("c_in, c_out", ((1, 1), (1, 3), (4, 1), (9, 17)))
def test_groups_are_convolutions_side_by_side(isa, layout, dtype, rng, groups, c_in, c_out):
    x = integers(rng, (2, groups * c_in, 3, 5), dtype, 31)
    weight = integers(rng, (groups * c_out, c_in), dtype, 31)
    bias = integers(rng, groups * c_out, dtype, 99)
    y = convolve(x, weight, bias, groups=groups, layout=layout)
    for g in range(groups):
        i, o = slice(g * c_in, (g + 1) * c_in), slice(g * c_out, (g + 1) * c_out)
        assert np.array_equal(y[:, o], convolve(x[:, i], weight[o], bias[o], layout=layout)), g


@pytest.mark.parametrize(
    "activation, low, high",
    (
        (None, None, None),
        ("relu", 0, None),
        ("relu6", 0, 6),
        ((0, None), 0, None),
        ((None, 5), None, 5),
        ((-20, 30.0), -20, 30),
        ((None, None), None, None),
        ((4, 4), 4, 4),
        ((-np.inf, np.inf), None, None),
    ),
)
@pytest.mark.parametrize("groups, stride", ((1, 1), (3, (2, 1))))
def test_bias_residual_and_activation(isa, layout, dtype, rng, activation, low, high, groups, stride):
    x = integers(rng, (2, 9, 9, 5), dtype, 5)
    weight = integers(rng, (12, 9 // groups), dtype, 3)
    bias = integers(rng, 12, dtype, 9)
    common = {"stride": stride, "groups": groups, "layout": layout}
    plain = convolve(x, weight, **common)
    residual = integers(rng, plain.shape, dtype, 9)
    for b, r in ((None, None), (bias, None), (None, residual), (bias, residual)):
        y = convolve(x, weight, b, residual=r, activation=activation, **common)
        expected = plain + (0 if b is None else b[:, None, None]) + (0 if r is None else r)
        if (low, high) != (None, None):
            expected = np.clip(expected, low, high)
        assert np.array_equal(y, expected)


@pytest.mark.parametrize("shape", ((4, 9), (4, 9, 1, 1)))
def test_both_forms_of_weight(isa, layout, dtype, rng, shape):
    x, weight = integers(rng, (9, 5, 5), dtype, 31), integers(rng, (4, 9), dtype, 31)
    y = convolve(x, weight.reshape(shape), layout=layout)
    assert np.array_equal(y, exact(x, weight, np.zeros(4), dtype))


def normal(rng, x_shape, w_shape):
    return rng.standard_normal(x_shape), rng.standard_normal(w_shape)


def cancelling(rng, x_shape, w_shape):
    """Terms that cancel in pairs lying far apart: the sum is tiny beside its parts."""
    (x, weight), depth = normal(rng, x_shape, w_shape), w_shape[1]
    order = rng.permutation(depth)
    half = depth // 2
    first, second = order[:half], order[half : 2 * half]
    x[:, second] = x[:, first]
    weight[:, second] = -weight[:, first]
    return x, weight


def wide(rng, x_shape, w_shape):
    """Exponents over 80 binades; no product comes near underflow, which the bound leaves out."""
    x, weight = normal(rng, x_shape, w_shape)
    return x * 2 ** rng.uniform(-40, 40, x_shape), weight * 2 ** rng.uniform(-20, 20, w_shape)


def growing(rng, x_shape, w_shape):
    """Equal signs: each rounding is that of a sum as large as the bound assumes."""
    x, weight = normal(rng, x_shape, w_shape)
    return np.abs(x), np.abs(weight)


@pytest.mark.parametrize("make", (normal, cancelling, wide, growing))
@pytest.mark.parametrize("c_in", (1, 2, 7, 64, 1000))
@pytest.mark.parametrize("activation", (None, "relu"))
def test_error_stays_below_the_bound(isa, layout, dtype, rng, record_ratio, make, c_in, activation):
    x, weight = make(rng, (2, c_in, 3, 11), (19, c_in))
    x, weight = arrange(x.astype(dtype), layout), weight.astype(dtype)
    bias = rng.standard_normal(19).astype(dtype)
    common = {"stride": 1, "groups": 1, "layout": layout}
    options = common | {"activation": activation}
    y = conv1x1(x, weight, bias, **options)
    true = _reference.conv1x1(x, weight, bias, residual=None, dtype=WIDER[dtype], **options)
    bound = _reference.error_bound(x, weight, bias, dtype=dtype, **common)
    error = np.abs(y - true)
    assert y.dtype == dtype
    assert np.all(error <= bound)
    record_ratio(dtype, (error[bound > 0] / bound[bound > 0]).max())


@pytest.mark.parametrize("stride, groups", ((1, 4), ((2, 3), 1), ((3, 1), 2)))
def test_bound_holds_with_strides_groups_and_residual(isa, layout, dtype, rng, record_ratio, stride, groups):
    x, weight = arrange(rng.standard_normal((2, 24, 7, 8)), layout), rng.standard_normal((12, 24 // groups))
    x, weight = x.astype(dtype), weight.astype(dtype)
    common = {"stride": stride, "groups": groups, "layout": layout}
    residual = conv1x1(x[..., ::-1, :, :] if layout == "NHWC" else x[..., ::-1, :], weight, **common)
    y = conv1x1(x, weight, residual=residual, **common)
    true = _reference.conv1x1(x, weight, None, activation=None, residual=residual, dtype=WIDER[dtype], **common)
    bound = _reference.error_bound(x, weight, None, dtype=dtype, **common)
    # Adding the residual rounds once more: half a unit in the last place of the result.
    bound = bound + np.finfo(dtype).eps / 2 * (np.abs(true) + bound)
    error = np.abs(y - true)
    assert np.all(error <= bound)
    record_ratio(dtype, (error / bound).max())


def test_float32_is_not_widened(isa, layout):
    """2^24 + 1 has no float32: a sum kept in float64 until the end would show it."""
    x = np.array([2.0**24, 1.0, -(2.0**24)], np.float32).reshape(3, 1, 1)
    weight = np.ones((1, 3), np.float32)
    assert convolve(x, weight, layout=layout).item() == 0.0
    assert convolve(x, weight, layout=layout, dtype="float64").item() == 1.0
