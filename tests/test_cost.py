"""The counts are exact.

Reference: loops that count one multiplication and mark one pixel at a time, and numbers worked out by hand.
Tolerance: none.
"""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

from pwconv.cost import Cost, cost


def by_hand(batch, c_in, height, width, c_out, groups, kernel, stride, itemsize):
    """Count what the formula of a padded convolution does to one image, then multiply by the images."""
    products, used, pixels_out = 0, set(), 0
    for i, j in itertools.product(range(0, height, stride[0]), range(0, width, stride[1])):
        pixels_out += 1
        for di, dj in itertools.product(range(kernel[0]), range(kernel[1])):
            products += c_out * (c_in // groups)
            row, column = i + di - kernel[0] // 2, j + dj - kernel[1] // 2
            if 0 <= row < height and 0 <= column < width:
                used.add((row, column))
    parameters = c_out * (c_in // groups) * kernel[0] * kernel[1]
    moved = batch * len(used) * c_in + parameters + batch * pixels_out * c_out
    return Cost(parameters, batch * products, moved * itemsize)


@pytest.mark.parametrize("layout", ("NCHW", "NHWC"))
@pytest.mark.parametrize("kernel", ((1, 1), (3, 3), (1, 5)))
@pytest.mark.parametrize("groups", (1, 2))
@pytest.mark.parametrize(
    "batch, dtype, itemsize",
    (
        ((), "float32", 4),
        ((2,), np.float64, 8),
        ((3, 2), "float16", 2),
    ),
)
def test_equals_the_loops(layout, kernel, groups, batch, dtype, itemsize):
    for height, width, stride in itertools.product((0, 1, 2, 7), (1, 6), ((1, 1), (2, 2), (3, 1), (4, 9))):
        shape = (*batch, 4, height, width) if layout == "NCHW" else (*batch, height, width, 4)
        images = int(np.prod(batch, dtype=int))
        expected = by_hand(images, 4, height, width, 6, groups, kernel, stride, itemsize)
        options = {"stride": stride, "groups": groups, "layout": layout, "dtype": dtype}
        assert cost(shape, (6, 4 // groups, *kernel), **options) == expected
        if kernel == (1, 1):
            assert cost(shape, (6, 4 // groups), **options) == expected


def test_a_layer_of_resnet_by_hand():
    c = cost((8, 64, 56, 56), (256, 64))
    assert c == Cost(16_384, 8 * 3_136 * 16_384, 4 * (8 * 3_136 * (64 + 256) + 16_384))
    assert c.intensity == 2 * c.multiply_adds / c.bytes_moved
    assert 25 < c.intensity < 26


def test_one_number_strides_both_axes():
    pair = cost((4, 9, 7), (2, 4), stride=(2, 2))
    assert cost((4, 9, 7), (2, 4), stride=2) == pair == cost((4, 5, 4), (2, 4))


def test_the_bottleneck_is_eight_and_a_half_times_less_arithmetic():
    direct = cost((256, 56, 56), (256, 256, 3, 3))
    layers = (
        cost((256, 56, 56), (64, 256)),
        cost((64, 56, 56), (64, 64, 3, 3)),
        cost((64, 56, 56), (256, 64)),
    )
    bottleneck = sum(layers, Cost())
    assert direct.multiply_adds * 17 == bottleneck.multiply_adds * 144  # 144 / 17 = 8.47
    assert direct.parameters * 17 == bottleneck.parameters * 144
    assert bottleneck.bytes_moved == sum(layer.bytes_moved for layer in layers)


def test_counts_are_python_integers_beyond_64_bits():
    c = cost(tuple(np.array((2**20, 2**20, 2**20, 2**20))), np.array((2**20, 2**20)))
    assert c.multiply_adds == 2**100
    assert all(type(value) is int for value in dataclasses.astuple(c))


def test_nothing_has_intensity_zero():
    assert Cost().intensity == cost((0, 0, 0), (0, 0)).intensity == 0.0


def test_a_cost_is_a_value():
    assert len({cost((1, 2, 2), (1, 1)), cost((1, 2, 2), (1, 1, 1, 1))}) == 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        Cost().parameters = 1
    with pytest.raises(TypeError):
        Cost() + 1


@pytest.mark.parametrize(
    "x_shape, weight_shape, options, error, words",
    (
        ((4, 5), (2, 4), {}, ValueError, ("x_shape", "(4, 5)", "(..., C_in, H, W)")),
        ((4, 5), (2, 4), {"layout": "NHWC"}, ValueError, ("x_shape", "(4, 5)", "(..., H, W, C_in)")),
        ((4, -5, 5), (2, 4), {}, ValueError, ("x_shape", "(4, -5, 5)", "negative")),
        ((4, 5.0, 5), (2, 4), {}, TypeError, ("x_shape", "5.0", "integer")),
        (4, (2, 4), {}, TypeError, ("x_shape", "4", "sequence")),
        ("455", (2, 4), {}, TypeError, ("x_shape", "'455'", "sequence")),
        ((4, 5, 5), (2, 4, 1), {}, ValueError, ("weight_shape", "(2, 4, 1)", "(C_out, C_in/groups)")),
        ((4, 5, 5), (2, -4), {}, ValueError, ("weight_shape", "(2, -4)", "negative")),
        ((4, 5, 5), (2, 3), {}, ValueError, ("weight_shape", "(2, 3)", "x_shape", "(4, 5, 5)", "has 4")),
        ((4, 5, 5), (2, 4), {"layout": "NHWC"}, ValueError, ("weight_shape", "NHWC", "has 5")),
        ((4, 5, 5), (2, 4), {"groups": 2}, ValueError, ("weight_shape", "4 × 2 (groups)", "has 4")),
        ((4, 5, 5), (3, 2), {"groups": 2}, ValueError, ("groups", "2", "divisor of the 3 output channels")),
        ((4, 5, 5), (2, 4), {"groups": 0}, ValueError, ("groups", "0", "at least 1")),
        ((4, 5, 5), (2, 4), {"groups": 1.5}, TypeError, ("groups", "float", "integer")),
        ((4, 5, 5), (2, 4), {"stride": 0}, ValueError, ("stride", "0", "at least 1")),
        ((4, 5, 5), (2, 4), {"stride": (1, -1)}, ValueError, ("stride", "-1", "at least 1")),
        ((4, 5, 5), (2, 4), {"stride": (1, 2, 3)}, ValueError, ("stride", "(1, 2, 3)", "pair")),
        ((4, 5, 5), (2, 4), {"stride": "2"}, TypeError, ("stride", "str", "integer")),
        ((4, 5, 5), (2, 4), {"stride": 1.0}, TypeError, ("stride", "float", "integer")),
        ((4, 5, 5), (2, 4, 2, 2), {}, ValueError, ("weight_shape", "(2, 4, 2, 2)", "odd")),
        ((4, 5, 5), (2, 4, 2, 3), {}, ValueError, ("weight_shape", "(2, 4, 2, 3)", "2×3")),
        ((4, 5, 5), (2, 4, 3, 2), {}, ValueError, ("weight_shape", "(2, 4, 3, 2)", "3×2")),
        ((4, 5, 5), (2, 4), {"layout": "CHW"}, ValueError, ("layout", "'CHW'", "'NCHW' or 'NHWC'")),
        ((4, 5, 5), (2, 4), {"layout": 3}, TypeError, ("layout", "int", "'NCHW' or 'NHWC'")),
    ),
)
def test_errors_name_what_was_and_what_should_be(x_shape, weight_shape, options, error, words):
    with pytest.raises(error) as caught:
        cost(x_shape, weight_shape, **options)
    assert all(word in str(caught.value) for word in words), caught.value
