"""The same numbers give the same bits, whatever the threads, the layout, the addresses and the call.

Reference: the result of another way to ask for the same numbers, and the chain of fused multiply-adds
computed exactly. Tolerance: none, bit patterns are compared. The set without FMA promises the bound alone
across sets, and is held to the rest like the others, since its chain has the same order.
"""

from __future__ import annotations

import mmap
from fractions import Fraction

import numpy as np
import pytest
from support import FMA_ISAS, arrange, at_offset, canonical, convolve, same_bits

from pwconv import Conv1x1, _core, conv1x1

# batch, c_in, c_out, height, width: one pixel block or many, deep or flat, split over pixels or channels.
SHAPES = {
    "6x6": (1, 32, 32, 6, 6),
    "2x2 deep": (1, 512, 512, 2, 2),
    "7x7 wide": (1, 320, 1280, 7, 7),
    "56x56": (1, 64, 64, 56, 56),
    "batch of 14x14": (9, 96, 40, 14, 14),
    "one pixel": (1, 700, 1000, 1, 1),
    "odd": (3, 37, 53, 19, 23),
    "flat": (1, 3, 3, 200, 130),
}
THREADS = (1, 2, 3, 7)


@pytest.fixture(params=SHAPES)
def shape(request):
    return SHAPES[request.param]


def operands(rng, shape, dtype):
    """x, weight, bias and residual, in canonical order."""
    batch, c_in, c_out, height, width = shape
    sizes = ((batch, c_in, height, width), (c_out, c_in), (c_out,), (batch, c_out, height, width))
    return tuple(rng.standard_normal(size).astype(dtype) for size in sizes)


def fused(a, b, c):
    """The correctly rounded a·b + c of float32 arrays: float64 holds the product, rounding to odd the sum."""
    product, c = a.astype(np.float64) * b, c.astype(np.float64)
    total = product + c
    part = total - product
    lost = (product - (total - part)) + (c - part)
    even = total.view(np.int64) % 2 == 0
    odd = np.nextafter(total, np.where(lost > 0, np.inf, -np.inf))
    return np.where((lost != 0) & even, odd, total).astype(np.float32)


def fused_exactly(a, b, c):
    """The correctly rounded a·b + c of float64 scalars."""
    return float(Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c)))


def chain(x, weight, bias):
    """One fused multiply-add after another over the input channels, started from the bias."""
    fma = fused if x.dtype == np.float32 else np.vectorize(fused_exactly, otypes=[np.float64])
    y = np.broadcast_to(bias[:, None, None], (len(weight), *x.shape[1:]))
    for k in range(weight.shape[1]):
        y = fma(weight[:, k, None, None], x[None, k], y)
    return y


@pytest.mark.parametrize("size", ((5, 3, 2, 3), (40, 19, 1, 9), (33, 9, 5, 7)))
def test_each_output_is_one_chain_in_order(isa, layout, dtype, rng, size):
    if isa not in FMA_ISAS:
        pytest.skip(f"{isa} has no fused multiply-add")
    c_in, c_out, height, width = size
    x, weight, bias, residual = (
        a[0] if a.ndim == 4 else a for a in operands(rng, (1, c_in, c_out, height, width), dtype)
    )
    expected = chain(x, weight, bias)
    assert same_bits(convolve(x, weight, bias, layout=layout), expected)
    y = convolve(x, weight, bias, layout=layout, residual=residual, activation="relu")
    assert same_bits(y, np.maximum(expected + residual, 0))


@pytest.mark.parametrize("c_in", (700, 9000))
def test_deep_chains_are_not_split(isa, layout, rng, c_in):
    if isa not in FMA_ISAS:
        pytest.skip(f"{isa} has no fused multiply-add")
    x, weight, bias, _ = operands(rng, (1, c_in, 70, 3, 7), "float32")
    for threads in THREADS:
        y = convolve(x[0], weight, bias, layout=layout, num_threads=threads)
        assert same_bits(y, chain(x[0], weight, bias)), threads


@pytest.mark.parametrize("pixels", (7, 97))
def test_residual_and_bounds_come_after_a_sum_in_parts(isa, layout, dtype, rng, pixels):
    """So deep that no tile's x fits into scratch: the sum goes on from the output itself."""
    x, weight, bias, residual = operands(rng, (1, 70_000, 5, 1, pixels), dtype)
    layer = Conv1x1(weight, bias, layout=layout)
    plain = canonical(layer(arrange(x, layout)), layout)
    assert layer._last_plan()["cuts"] > 1
    expected = np.clip(plain + residual, -20, 20)
    for threads in (1, 2):
        y = convolve(x, weight, bias, layout=layout, residual=residual, activation=(-20, 20), num_threads=threads)
        assert same_bits(y, expected), threads


@pytest.mark.parametrize(
    "size", ((64, 12, 140, 141), (64, 70, 140, 144), (20, 96, 140, 141), (300, 40, 60, 61), (40, 1, 290, 301))
)
def test_corners_of_planes_beyond_every_cache(isa, layout, rng, size):
    """Such planes are read some channels at a time or written all channels at a time, those of a corner alone are not."""
    x, weight, bias, residual = operands(rng, (1, *size), "float32")
    options = {"layout": layout, "activation": (-8, 8)}
    y = convolve(x, weight, bias, residual=residual, **options)
    for corner in ((..., slice(7), slice(9)), (..., slice(-7, None), slice(-9, None))):
        assert same_bits(y[corner], convolve(x[corner], weight, bias, residual=residual[corner], **options))


@pytest.mark.parametrize("away", (0, 2048))
def test_outputs_at_the_same_place_of_their_pages_as_x(isa, dtype, rng, away):
    """Planes of whole pages evict each other: short sums take fewer rows at a time where those of x are among them."""
    x, weight, bias, residual = operands(rng, (1, 3, 35, 32, 32), dtype)
    pages = mmap.mmap(-1, x.nbytes + away + residual.nbytes)
    near = np.frombuffer(pages, dtype, x.size).reshape(x.shape)
    near[...] = x
    out = np.frombuffer(pages, dtype, residual.size, x.nbytes + away).reshape(residual.shape)
    for shortcut in (None, residual):
        options = {"residual": shortcut, "activation": (-3, 3)}
        expected = convolve(x, weight, bias, layout="NHWC", **options)
        assert same_bits(conv1x1(near, weight, bias, out=out, **options), expected)


@pytest.mark.parametrize("size", ((120, 90, 57, 59), (110, 300, 75, 31), (128, 50, 13, 14), (9000, 40, 9, 9)))
def test_kept_x(isa, dtype, rng, size):
    """Where the first band keeps x for the others: blocks, cuts of the sum and tails as where there is nothing to keep."""
    x, weight, bias, residual = operands(rng, (2, *size), dtype)
    layer = Conv1x1(weight, bias, activation=(-9, 9))
    expected = convolve(x, weight, bias, layout="NHWC", residual=residual, activation=(-9, 9))
    for threads in (1, 2):
        assert same_bits(layer(x, residual=residual, num_threads=threads), expected), threads
    plan = layer._last_plan()
    if size[0] < 2000:
        assert plan["kept"]
    elif isa == "avx512":  # the others do not keep so many channels
        assert plan["kept"] and plan["cuts"] > 1


@pytest.mark.parametrize("c_in, c_out", ((40, 70), (110, 300), (300, 100), (9000, 40)))
def test_pixels_beyond_whole_and_half_vectors(isa, dtype, rng, c_in, c_out):
    """Squares have one or four, 6×10 four behind a half, which are lanes of no vector of pixels."""
    lone, kept, cut = set(), set(), set()
    for size in ((7, 7), (10, 10), (6, 10), (13, 13), (15, 15), (18, 18)):
        x, weight, bias, residual = operands(rng, (2, c_in, c_out, *size), dtype)
        layer = Conv1x1(weight, bias, activation=(-9, 9))
        for shortcut in (None, residual):
            expected = convolve(x, weight, bias, layout="NHWC", residual=shortcut, activation=(-9, 9))
            for given, threads in ((x.astype(x.dtype.newbyteorder()), 1), (x, 1), (x, 2)):  # packed, in place or kept
                out = np.full(expected.shape, np.nan, dtype)  # a result would lie where an earlier one was
                layer(given, residual=shortcut, out=out, num_threads=threads)
                assert same_bits(out, expected), (size, threads, given.dtype)
                plan = layer._last_plan()
                if plan["lone"]:
                    lone.add(plan["lone"])
                    kept.add(plan["kept"])
                    cut.add(plan["cuts"] > 1)
    if isa == "avx512":
        assert lone == ({1, 4} if dtype == "float32" else {1})
        assert cut == {c_in == 9000}
        if c_in != 300:  # some processors keep it
            assert (c_in > 100) in kept
    if isa == "avx2" and c_in < 1000:  # the second level is to hold half of the weights
        assert lone == ({1} if dtype == "float32" else set())


def test_threads(isa, layout, dtype, rng, shape):
    x, weight, bias, residual = operands(rng, shape, dtype)
    results = [
        convolve(x, weight, bias, layout=layout, residual=residual, activation="relu6", num_threads=n) for n in THREADS
    ]
    assert all(same_bits(results[0], y) for y in results[1:])


@pytest.mark.parametrize("groups", (2, 8))
def test_threads_with_groups_and_stride(isa, layout, dtype, rng, groups):
    x, weight, bias, _ = operands(rng, (3, 64, 96, 31, 29), dtype)
    options = {"groups": groups, "stride": (1, 2), "layout": layout}
    results = [convolve(x, weight[:, : 64 // groups], bias, num_threads=n, **options) for n in THREADS]
    assert all(same_bits(results[0], y) for y in results[1:])


def test_layouts(isa, dtype, rng, shape):
    x, weight, bias, residual = operands(rng, shape, dtype)
    first, second = (convolve(x, weight, bias, residual=residual, layout=name) for name in ("NCHW", "NHWC"))
    assert same_bits(first, second)


def test_instruction_sets(layout, dtype, rng, shape):
    sets = [name for name in FMA_ISAS if name in _core.available_isas()]
    if len(sets) < 2:
        pytest.skip(f"this machine has no two sets with FMA, only {sets}")
    x, weight, bias, residual = operands(rng, shape, dtype)
    results = []
    for name in sets:
        before = _core.select_isa(name)
        results.append(convolve(x, weight, bias, residual=residual, layout=layout, activation="relu"))
        _core.select_isa(before)
    assert all(same_bits(results[0], y) for y in results[1:])


def test_runs(isa, layout, dtype, rng, shape):
    x, weight, bias, _ = operands(rng, shape, dtype)
    first = convolve(x, weight, bias, layout=layout, num_threads=2)
    assert all(same_bits(first, convolve(x, weight, bias, layout=layout, num_threads=2)) for _ in range(20))


@pytest.mark.parametrize("size", ("6x6", "odd", "2x2 deep"))
@pytest.mark.parametrize("operand", range(5), ids=("x", "weight", "bias", "residual", "out"))
def test_byte_offsets(isa, layout, dtype, rng, size, operand):
    x, weight, bias, residual = operands(rng, SHAPES[size], dtype)
    arrays = [arrange(x, layout), weight, bias, arrange(residual, layout)]
    arrays.append(np.empty_like(arrays[3]))
    expected = conv1x1(*arrays[:3], residual=arrays[3], layout=layout)
    for offset in (0, 1, 3, 4, 8, 12, 16, 20, 31, 32, 48, 60, 63):
        moved = list(arrays)
        moved[operand] = at_offset(arrays[operand], offset)
        y = conv1x1(*moved[:3], residual=moved[3], layout=layout, out=moved[4])
        assert y is moved[4]
        assert same_bits(y, expected), offset


def test_places_in_the_batch(isa, layout, dtype, rng):
    x, weight, bias, _ = operands(rng, (7, 24, 33, 5, 9), dtype)
    whole = convolve(x, weight, bias, layout=layout)
    for first in range(7):
        for last in range(first + 1, 8):
            y = convolve(x[first:last], weight, bias, layout=layout, num_threads=2)
            assert same_bits(y, whole[first:last]), (first, last)
    assert same_bits(convolve(x.reshape(7, 1, 24, 5, 9), weight, bias, layout=layout)[:, 0], whole)


@pytest.mark.parametrize("c_in, c_out", ((3, 3), (24, 50), (500, 97)))
def test_places_in_the_image(isa, layout, dtype, rng, c_in, c_out):
    """Equal pixels everywhere give equal outputs, in the middle of tiles and in their tails."""
    pixel = rng.standard_normal((c_in, 1, 1)).astype(dtype)
    weight = rng.standard_normal((c_out, c_in)).astype(dtype)
    expected = convolve(pixel, weight, layout=layout)
    for height, width in ((1, 2), (1, 17), (7, 7), (3, 33), (10, 10), (41, 53)):
        x = np.broadcast_to(pixel, (c_in, height, width)).copy()
        y = convolve(x, weight, layout=layout)
        assert same_bits(y, np.broadcast_to(expected, y.shape)), (height, width)


def test_rows_of_the_weight(isa, layout, dtype, rng):
    """An output channel does not depend on how many others there are."""
    x, weight, bias, _ = operands(rng, (1, 24, 97, 5, 9), dtype)
    whole = convolve(x, weight, bias, layout=layout)
    for first, last in ((0, 1), (0, 13), (13, 97), (40, 73), (96, 97)):
        y = convolve(x, weight[first:last], bias[first:last], layout=layout)
        assert same_bits(y, whole[:, first:last])


@pytest.mark.parametrize("c_in", (5, 8, 12, 17, 22, 23, 28, 36, 51, 512))
def test_few_outputs(isa, dtype, rng, c_in):
    """They have a kernel of their own where channels lie side by side, for every number of terms left over, of whole vectors of
    pixels and not, also where pixels evict each other from a cache."""
    for c_out in range(1, 13):
        x, weight, bias, _ = operands(rng, (1, c_in, c_out, 1, 53), dtype)
        apart = np.empty((1, 1, 53, 4096 // x.itemsize), dtype)[..., :c_in]
        apart[...] = np.moveaxis(x, 1, -1)
        for width in (53, 32, 16, 15):
            expected = convolve(x[..., :width], weight, bias, layout="NCHW", activation="relu")
            y = convolve(x[..., :width], weight, bias, layout="NHWC", activation="relu")
            assert same_bits(y, expected), (c_out, width)
            y = conv1x1(apart[..., :width, :], weight, bias, layout="NHWC", activation="relu")
            assert same_bits(canonical(y, "NHWC"), expected), (c_out, width)


@pytest.mark.parametrize("size", ((27, 4, 390, 401), (100, 9, 220, 230), (44, 3, 100, 110), (19, 10, 150, 160)))
def test_few_outputs_of_pixels_beyond_near_caches(isa, rng, size):
    """What later pixels need is prefetched, and pixels from memory are read by whole vectors."""
    x, weight, bias, _ = operands(rng, (1, *size), "float32")
    y = convolve(x, weight, bias, layout="NHWC")
    for corner in ((..., slice(7), slice(9)), (..., slice(-7, None), slice(-9, None))):
        assert same_bits(y[corner], convolve(x[corner], weight, bias, layout="NHWC"))


@pytest.mark.parametrize("c_in, c_out", ((9, 20), (33, 17), (40, 43), (70, 100), (130, 18), (30, 225)))
def test_last_outputs_apart_from_tiles(isa, dtype, rng, c_in, c_out):
    """The last one to four of many outputs have a kernel of their own, with as many pixels as it needs."""
    for height, width in ((1, 3), (7, 7), (5, 12), (57, 53)):
        x, weight, bias, _ = operands(rng, (1, c_in, c_out, height, width), dtype)
        for options in ({}, {"activation": "relu"}, {"activation": (-1, 2), "stride": (2, 1)}):
            y = convolve(x, weight, bias, layout="NHWC", **options)
            assert same_bits(y, convolve(x, weight, bias, layout="NCHW", **options))
    x, weight, bias, _ = operands(rng, (1, 2 * c_in, 2 * c_out, 7, 9), dtype)
    weight = weight[:, :c_in]
    y = convolve(x, weight, bias, groups=2, layout="NHWC")
    assert same_bits(y, convolve(x, weight, bias, groups=2, layout="NCHW"))


@pytest.mark.parametrize("stride", ((2, 2), (1, 3), (3, 1), (2, 5)))
def test_stride_by_view_and_by_argument(isa, layout, dtype, rng, stride):
    x, weight, bias, residual = (
        arrange(a, layout) if a.ndim == 4 else a for a in operands(rng, (2, 40, 70, 23, 31), dtype)
    )
    view, residual = (strided(a, layout, stride) for a in (x, residual))
    by_view = conv1x1(view, weight, bias, residual=residual, layout=layout)
    assert same_bits(by_view, conv1x1(x, weight, bias, residual=residual.copy(), stride=stride, layout=layout))
    assert same_bits(by_view, conv1x1(view.copy(), weight, bias, residual=residual.copy(), layout=layout))
    halves = view.astype("float16")
    converted = conv1x1(halves, weight, bias, residual=residual, layout=layout)
    assert same_bits(converted, conv1x1(halves.astype(dtype), weight, bias, residual=residual.copy(), layout=layout))


def test_cuts_of_stretches(isa, layout, dtype, rng):
    """Several rows of pixels in a block, with sums so deep that they are cut."""
    x, weight, bias, residual = operands(rng, (1, 70_000, 5, 5, 5), dtype)
    x, residual = (strided(arrange(a, layout), layout, (2, 2)) for a in (x, residual))
    y = conv1x1(x, weight, bias, residual=residual, layout=layout, num_threads=1)
    assert same_bits(y, conv1x1(x.copy(), weight, bias, residual=residual.copy(), layout=layout))


def test_weights_beyond_every_cache(isa, layout, dtype, rng):
    """They are read in slices of the sums, those of some outputs alone are not."""
    x, weight, bias, residual = operands(rng, (1, 2000, 900, 5, 11), dtype)
    x, residual = (strided(arrange(a, layout), layout, (2, 2)) for a in (x, residual))
    some = np.s_[:, 850:] if layout == "NCHW" else np.s_[..., 850:]
    y = conv1x1(x, weight, bias, residual=residual, layout=layout, num_threads=1)
    assert same_bits(y[some], conv1x1(x, weight[850:], bias[850:], residual=residual[some], layout=layout))


def strided(x, layout, stride):
    view = canonical(x, layout)[..., :: stride[0], :: stride[1]]
    return view if layout == "NCHW" else np.moveaxis(view, -3, -1)


def test_function_object_and_out(isa, layout, dtype, rng, shape):
    x, weight, bias, residual = operands(rng, shape, dtype)
    x, residual = arrange(x, layout), arrange(residual, layout)
    options = {"activation": (-0.5, 3.0), "layout": layout}
    expected = conv1x1(x, weight, bias, residual=residual, **options)
    layer = Conv1x1(weight, bias, **options)
    for y in (
        layer(x, residual=residual),
        layer(x, residual=residual, out=np.full_like(expected, np.nan)),
        layer(x, residual=residual, num_threads=3),
        conv1x1(x, weight, bias, residual=residual, out=np.full_like(expected, np.nan), **options),
        conv1x1(x, weight[..., None, None], bias, residual=residual, **options),
        conv1x1(x, np.asfortranarray(weight), bias, residual=residual, **options),
    ):
        assert same_bits(y, expected)


def test_groups_one_by_one(isa, layout, dtype, rng):
    x, weight, bias, _ = operands(rng, (2, 60, 48, 9, 7), dtype)
    weight = weight[:, :15]
    whole = convolve(x, weight, bias, groups=4, layout=layout)
    parts = []
    for g in range(4):
        outputs = slice(12 * g, 12 * g + 12)
        parts.append(convolve(x[:, 15 * g : 15 * g + 15], weight[outputs], bias[outputs], layout=layout))
    assert same_bits(whole, np.concatenate(parts, axis=1))
