"""The oracle itself is right.

Reference: loops over single numbers written out below, in `fractions.Fraction`, which does not round.
Tolerance: none on whole numbers; elsewhere the bound γ(K+1)·(Σ|w||x| + |b|) of float64, in Fractions too.
"""

from __future__ import annotations

import itertools
import warnings
from fractions import Fraction

import numpy as np
import pytest

from pwconv._reference import conv1x1, error_bound

LAYOUTS = ("NCHW", "NHWC")


def arrange(x, layout):
    return x if layout == "NCHW" else np.moveaxis(x, -3, -1)


def canonical(y, layout):
    return y if layout == "NCHW" else np.moveaxis(y, -1, -3)


def by_hand(x, weight, bias, stride, groups):
    """One image (C, H, W) of whole or rational numbers, one output at a time."""
    c_out, depth = weight.shape
    _, height, width = x.shape
    rows, columns = range(0, height, stride[0]), range(0, width, stride[1])
    y = np.empty((c_out, len(rows), len(columns)), object)
    for o in range(c_out):
        group = o // (c_out // groups)
        for i, row in enumerate(rows):
            for j, column in enumerate(columns):
                total = bias[o]
                for k in range(depth):
                    total += weight[o, k] * x[group * depth + k, row, column]
                y[o, i, j] = total
    return y


def rational(a):
    return np.vectorize(Fraction, otypes=[object])(a)


@pytest.fixture
def draw():
    rng = np.random.default_rng(7)
    return lambda *shape: rng.integers(-9, 10, shape)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", (np.float32, np.float64, np.longdouble))
@pytest.mark.parametrize("groups", (1, 2, 3))
@pytest.mark.parametrize("stride", ((1, 1), (2, 2), (1, 3), (5, 2)))
def test_equals_the_loops(draw, layout, dtype, groups, stride):
    x, weight, bias = draw(6, 5, 4), draw(12, 6 // groups), draw(12)
    expected = by_hand(x, weight, bias, stride, groups)
    options = {"stride": stride, "groups": groups, "layout": layout, "dtype": dtype}
    for form in (weight, weight[:, :, None, None]):
        y = conv1x1(arrange(x, layout), form, bias, **options)
        assert y.dtype == dtype
        assert np.array_equal(canonical(y, layout), expected)


def test_float64_is_the_default():
    assert conv1x1(np.ones((1, 1, 1), np.float32), np.ones((1, 1), np.float32)).dtype == np.float64


@pytest.mark.parametrize("layout", LAYOUTS)
def test_one_number_strides_both_axes(draw, layout):
    x, weight = arrange(draw(3, 7, 5), layout), draw(2, 3)
    pair = conv1x1(x, weight, stride=(2, 2), layout=layout)
    assert canonical(pair, layout).shape == (2, 4, 3)
    assert np.array_equal(conv1x1(x, weight, stride=2, layout=layout), pair)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("batch", ((), (1,), (3,), (2, 1, 3), (0,), (2, 0)))
def test_batch_axes_are_images_apart(draw, layout, batch):
    x, weight, bias = draw(*batch, 2, 3, 4), draw(5, 2), draw(5)
    y = canonical(conv1x1(arrange(x, layout), weight, bias, layout=layout), layout)
    assert y.shape == (*batch, 5, 3, 4)
    for index in np.ndindex(*batch):
        assert np.array_equal(y[index], by_hand(x[index], weight, bias, (1, 1), 1))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_empty_axes(layout):
    for batch, c_in, c_out, height, width in itertools.product((0, 2), (0, 4), (0, 6), (0, 3), (0, 5)):
        x = arrange(np.ones((batch, c_in, height, width)), layout)
        y = conv1x1(x, np.ones((c_out, c_in // 2)), np.full(c_out, 7.0), groups=2, stride=2, layout=layout)
        assert canonical(y, layout).shape == (batch, c_out, (height + 1) // 2, (width + 1) // 2)
        assert (y == 7 + c_in // 2).all()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    "activation, low, high",
    (
        (None, None, None),
        ("relu", 0, None),
        ("relu6", 0, 6),
        ((None, None), None, None),
        ((-20, 30), -20, 30),
        ((None, 5), None, 5),
        ((5, None), 5, None),
        ((4, 4), 4, 4),
    ),
)
def test_residual_comes_before_the_activation(draw, layout, activation, low, high):
    x, weight, bias, residual = draw(3, 4, 5), draw(2, 3), draw(2), draw(2, 2, 5)
    options = {"stride": (2, 1), "layout": layout}
    options |= {"residual": arrange(residual, layout), "activation": activation}
    y = canonical(conv1x1(arrange(x, layout), weight, bias, **options), layout)
    before = by_hand(x, weight, bias, (2, 1), 1) + residual
    for got, plain in zip(y.flat, before.flat, strict=True):
        at_least = plain if low is None else max(plain, low)
        assert got == (at_least if high is None else min(at_least, high))


def test_activation_at_and_around_its_bounds():
    x = np.array([-np.inf, -2, -1, -0.5, 0, 0.5, 5.5, 6, 6.5, 7, np.inf]).reshape(1, 1, -1)
    bounds = {"relu": (0, np.inf), "relu6": (0, 6), (-1, 5.5): (-1, 5.5), (None, 6): (-np.inf, 6)}
    for activation, (low, high) in bounds.items():
        y = conv1x1(x, [[1]], activation=activation)
        assert np.array_equal(y.flat, [min(max(value, low), high) for value in x.flat])


@pytest.mark.parametrize("activation", ("relu", "relu6", (0, None), (0, 1), (-1, 1), (None, 1)))
def test_nan_passes_the_activation_in_silence(activation):
    x = np.array([np.nan, np.inf, 0.25]).reshape(1, 1, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y = conv1x1(x, [[1.0], [0.0]], activation=activation)
    assert np.isnan(y[0, 0, 0]) and y[0, 0, 2] == 0.25
    assert np.isnan(y[1, 0, :2]).all()  # 0·NaN and 0·inf


def test_sign_of_zero():
    minus = np.full((1, 1, 1), -0.0)
    assert np.signbit(conv1x1(minus, [[1.0]], [-0.0]))
    assert not np.signbit(conv1x1(minus, [[1.0]]))
    for activation in ("relu", "relu6", (0, None)):
        assert not np.signbit(conv1x1(minus, [[1.0]], [-0.0], activation=activation))


@pytest.mark.parametrize("dtype, total", ((np.float32, 0), (np.float64, 1)))
def test_dtype_is_that_of_the_arithmetic(dtype, total):
    """2^24 + 1 has no float32."""
    x = np.array([2.0**24, 1, -(2.0**24)]).reshape(3, 1, 1)
    assert conv1x1(x, np.ones((1, 3)), dtype=dtype).item() == total


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("groups, stride", ((1, (1, 1)), (2, (2, 1))))
@pytest.mark.parametrize("dtype, unit", (("float32", Fraction(1, 2**24)), (np.float64, Fraction(1, 2**53))))
def test_error_bound_equals_its_formula(layout, groups, stride, dtype, unit):
    rng = np.random.default_rng(8)
    x, weight, bias = rng.normal(size=(4, 3, 2)), rng.normal(size=(4, 4 // groups)), rng.normal(size=4)
    options = {"stride": stride, "groups": groups, "layout": layout, "dtype": dtype}
    n = 4 // groups + 1
    gamma = n * unit / (1 - n * unit)
    for b in (bias, None):
        parts = (rational(np.abs(a)) for a in (x, weight, np.zeros(4) if b is None else b))
        magnitudes = by_hand(*parts, stride, groups)
        got = canonical(error_bound(arrange(x, layout), weight, b, **options), layout)
        for bound, magnitude in zip(got.flat, magnitudes.flat, strict=True):
            # The bound itself is rounded: K + 1 times in the sum, a few times in γ.
            assert abs(Fraction(bound) - gamma * magnitude) <= 10 * Fraction(1, 2**53) * gamma * magnitude


@pytest.mark.parametrize("make", ("normal", "cancelling", "growing"))
@pytest.mark.parametrize("dtype", ("float32", "float64"))
@pytest.mark.parametrize("depth", (1, 2, 30))
def test_error_bound_holds_and_is_not_slack(make, dtype, depth):
    rng = np.random.default_rng(9)
    x, weight, bias = rng.normal(size=(depth, 2, 5)), rng.normal(size=(7, depth)), rng.normal(size=7)
    if make == "cancelling":
        half = depth // 2
        x[half : 2 * half], weight[:, half : 2 * half] = x[:half], -weight[:, :half]
    if make == "growing":
        x, weight, bias = np.abs(x), np.abs(weight), np.abs(bias)
    x, weight, bias = (a.astype(dtype) for a in (x, weight, bias))
    true = by_hand(*(rational(a.astype(float)) for a in (x, weight, bias)), (1, 1), 1)
    error = np.abs(rational(conv1x1(x, weight, bias, dtype=dtype).astype(float)) - true)
    bound = rational(error_bound(x, weight, bias, dtype=dtype))
    assert (error <= bound).all()
    assert (error > bound / 200).any()
