"""NaN, infinities and the sign of zero behave as IEEE 754 says, in every lane and every tail.

Reference: the rules themselves; tolerance: none. Sizes cover whole tiles, tails and single pixels.
"""

from __future__ import annotations

import platform

import numpy as np
import pytest
from support import convolve, integers, run_python

from pwconv import conv1x1

PIXELS = (1, 7, 16, 33, 50, 97)
CLAMPS = (None, "relu", "relu6", (0.0, None), (None, 1.0), (-1.0, 1.0))
NAN, INF = np.nan, np.inf


def ones(c_out, c_in, pixels, dtype):
    return np.ones((c_in, 1, pixels), dtype), np.ones((c_out, c_in), dtype)


@pytest.mark.parametrize("activation", CLAMPS)
def test_nan_of_one_pixel_reaches_that_pixel_alone(isa, layout, dtype, activation):
    for pixels in PIXELS:
        x, weight = ones(19, 5, pixels, dtype)
        clean = convolve(x, weight, activation=activation, layout=layout)
        for place in range(pixels):
            x[place % 5, 0, place] = NAN
            y = convolve(x, weight, activation=activation, layout=layout)
            x[place % 5, 0, place] = 1
            assert np.isnan(y[..., place]).all(), (pixels, place)
            assert np.array_equal(np.delete(y, place, -1), np.delete(clean, place, -1)), (pixels, place)


@pytest.mark.parametrize("activation", CLAMPS)
def test_nan_of_one_weight_reaches_that_channel_alone(isa, layout, dtype, activation):
    for c_out in PIXELS:
        x, weight = ones(c_out, 3, 19, dtype)
        clean = convolve(x, weight, activation=activation, layout=layout)
        for place in range(c_out):
            weight[place, place % 3] = NAN
            y = convolve(x, weight, activation=activation, layout=layout)
            weight[place, place % 3] = 1
            assert np.isnan(y[place]).all(), (c_out, place)
            assert np.array_equal(np.delete(y, place, 0), np.delete(clean, place, 0)), (c_out, place)


@pytest.mark.parametrize("activation", CLAMPS)
@pytest.mark.parametrize("source", ("bias", "residual"))
def test_nan_of_bias_and_residual(isa, layout, dtype, activation, source):
    for pixels in PIXELS:
        x, weight = ones(5, 3, pixels, dtype)
        bias, residual = np.zeros(5, dtype), np.zeros((5, 1, pixels), dtype)
        hit = (2,) if source == "bias" else (2, 0, pixels - 1)
        (bias if source == "bias" else residual)[hit] = NAN
        y = convolve(x, weight, bias, residual=residual, activation=activation, layout=layout)
        expected = np.zeros(y.shape, bool)
        expected[hit] = True
        assert np.array_equal(np.isnan(y), expected)


@pytest.mark.parametrize("activation", (None, "relu"))
@pytest.mark.parametrize("depth", (1, 2, 9, 300))
def test_zero_times_infinity_is_nan(isa, layout, dtype, activation, depth):
    """No term is skipped, whichever factor is the zero: whole zero weights, zero images, single zeros."""
    for zero_weight in (True, False):
        for place in {0, depth // 2, depth - 1}:
            x, weight = ones(17, depth, 33, dtype)
            (weight if zero_weight else x)[...] = 0
            if zero_weight:
                x[place, 0, 20] = INF
            else:
                weight[11, place] = -INF
            y = convolve(x, weight, activation=activation, layout=layout)
            hit = np.isnan(y)
            assert hit[:, 0, 20].all() if zero_weight else hit[11].all()
            assert hit.sum() == (17 if zero_weight else 33)


def test_infinities_of_both_signs_meet_in_nan(isa, layout, dtype):
    x, weight = ones(5, 2, 33, dtype)
    x[0], x[1, 0, 7] = INF, -INF
    y = convolve(x, weight, activation="relu", layout=layout)
    assert np.isnan(y[..., 7]).all()
    assert np.isposinf(np.delete(y, 7, -1)).all()


@pytest.mark.parametrize(
    "activation, top, bottom",
    (
        (None, INF, -INF),
        ("relu", INF, 0),
        ("relu6", 6, 0),
        ((-2, None), INF, -2),
        ((None, 3), 3, -INF),
    ),
)
def test_activation_bounds_infinities(isa, layout, dtype, activation, top, bottom):
    for pixels in PIXELS:
        x, weight = ones(6, 1, pixels, dtype)
        x[...], weight[3:] = INF, -1
        y = convolve(x, weight, activation=activation, layout=layout)
        assert (y[:3] == top).all() and (y[3:] == bottom).all()


@pytest.mark.parametrize("activation", ("relu", "relu6", (0, None), (0, 1), (None, 0), (-1, 0)))
def test_relu_of_minus_zero_is_plus_zero(isa, layout, dtype, activation):
    for pixels in PIXELS:
        for c_out in (1, 19, 50):
            x, weight = ones(c_out, 3, pixels, dtype)
            x[...] = -0.0
            minus = np.full(c_out, -0.0, dtype)
            assert np.signbit(convolve(x, weight, minus, layout=layout)).all()
            assert not np.signbit(convolve(x, weight, minus, activation=activation, layout=layout)).any()
            assert not np.signbit(convolve(-x, -weight, minus, activation=activation, layout=layout)).any()
            residual = np.full((c_out, 1, pixels), -0.0, dtype)
            y = convolve(x, weight, minus, residual=residual, activation=activation, layout=layout)
            assert not np.signbit(y).any()


@pytest.mark.parametrize("activation", (None, (-1, 1), (None, 1), (-1, None)))
def test_bounds_other_than_zero_leave_minus_zero(isa, layout, dtype, activation):
    for pixels in PIXELS:
        x, weight = ones(19, 3, pixels, dtype)
        y = convolve(-0.0 * x, weight, np.full(19, -0.0, dtype), activation=activation, layout=layout)
        assert np.signbit(y).all()


def test_subnormals_are_kept(isa, layout, dtype):
    """Nothing is flushed to zero, neither on the way in nor on the way out."""
    tiny = np.finfo(dtype).smallest_subnormal
    for pixels in PIXELS:
        x, weight = ones(19, 1, pixels, dtype)
        x[...] = tiny
        assert (convolve(x, weight, layout=layout) == tiny).all()
        assert (convolve(x, weight * 3, activation="relu", layout=layout) == 3 * tiny).all()
        x[...] = np.finfo(dtype).tiny
        assert (convolve(x, weight / 2, layout=layout) == np.finfo(dtype).tiny / 2).all()


def test_a_bound_that_float32_takes_for_zero(isa, layout):
    """It is zero, so that -0 becomes +0."""
    for pixels in PIXELS:
        x, weight = ones(19, 3, pixels, "f4")
        for activation in ((1e-50, None), (None, -1e-50), (-1e-50, 1e-50)):
            y = convolve(-0.0 * x, weight, np.full(19, -0.0, "f4"), activation=activation, layout=layout)
            assert (y == 0).all() and not np.signbit(y).any()


MXCSR = """
    import ctypes, mmap
    import numpy as np
    from pwconv import conv1x1

    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code[:16] = bytes.fromhex("0fae1fc3 00000000 0fae17c3 00000000")  # stmxcsr [rdi]; ret -- ldmxcsr [rdi]; ret
    start = ctypes.addressof(ctypes.c_char.from_buffer(code))
    store, load = (ctypes.CFUNCTYPE(None, ctypes.POINTER(ctypes.c_uint))(start + offset) for offset in (0, 8))
    EXCEPTIONS = 0x3F  # flags that every operation may raise

    def mode():
        word = ctypes.c_uint()
        store(word)
        return word.value & ~EXCEPTIONS
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the register is that of x86-64")
@pytest.mark.parametrize("bits", (0x1F80, 0x9FC0, 0x7F80), ids=("as usual", "subnormals are zero", "rounds to zero"))
def test_the_mode_of_the_caller_is_kept_and_holds_in_every_thread(isa, bits):
    """What becomes of subnormals, and where numbers are rounded to, is what the caller has set, for as long as it is set."""
    run_python(
        f"""{MXCSR}
    rng = np.random.default_rng(0)
    x, weight = rng.random((64, 32, 32), "f4") * np.float32(1e-19), rng.random((65, 64), "f4") * np.float32(1e-20)
    usual = mode()
    outside = conv1x1(x, weight, num_threads=1)
    load(ctypes.c_uint({bits}))
    assert mode() == {bits}
    results = []
    for threads in (1, 2, 3):
        results.append(conv1x1(x, weight, num_threads=threads).view("u4"))
        assert mode() == {bits}
    load(ctypes.c_uint(usual))
    assert all((y == results[0]).all() for y in results)
    assert ((results[0] != outside.view("u4")).any()) == ({bits} != usual)
    for threads in (1, 2, 3):
        assert (conv1x1(x, weight, num_threads=threads) == outside).all()
        assert mode() == usual
    """,
        env={"PWCONV_ISA": isa},
    )


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the register is that of x86-64")
def test_float16_is_read_whole_where_subnormals_are_zero(isa):
    """Its own subnormals are normal numbers of float32."""
    run_python(
        f"""{MXCSR}
    x = np.array([2.0**-24, 2.0**-15, 3 * 2.0**-16, 2.0**-14, 1, 65504], "f2").reshape(6, 1, 1)
    for x in (x, x.astype(">f2")):
        load(ctypes.c_uint(0x9FC0))
        y = conv1x1(x, np.eye(6, dtype="f4"))
        load(ctypes.c_uint(0x1F80))
        assert (y == x.astype("f4")).all(), y
    """,
        env={"PWCONV_ISA": isa},
    )


def test_garbage_around_the_arrays_never_leaks(isa, layout, dtype, rng):
    """NaN next to every operand, within the same allocation: the padding of a tail must not let it in."""
    for c_in, c_out, pixels in ((1, 1, 1), (3, 3, 7), (17, 33, 19), (50, 5, 97)):
        big = [
            np.full(np.prod(shape) + 256, NAN, dtype)
            for shape in ((c_in, pixels), (c_out, c_in), (c_out,), (c_out, pixels), (c_out, pixels))
        ]
        x, weight, bias, residual, out = (
            store[128:-128].reshape(shape)
            for store, shape in zip(
                big,
                (
                    (c_in, 1, pixels) if layout == "NCHW" else (1, pixels, c_in),
                    (c_out, c_in),
                    (c_out,),
                    *[(c_out, 1, pixels) if layout == "NCHW" else (1, pixels, c_out)] * 2,
                ),
                strict=True,
            )
        )
        for operand in (x, weight, bias, residual):
            operand[...] = integers(rng, operand.shape, dtype, 9)
        conv1x1(x, weight, bias, residual=residual, layout=layout, out=out)
        assert np.isfinite(out).all()
        assert np.isnan(big[-1][:128]).all() and np.isnan(big[-1][-128:]).all()
