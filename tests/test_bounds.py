"""No byte outside the elements of an operand is touched.

Reference: the same call on memory of its own, bits compared. Each operand lies against a page that may be neither
read nor written, with its last byte or with its first one; a touch ends the process, and so the test.
"""

from __future__ import annotations

import sys

import pytest
from support import SIZES, run_python

PROGRAM = """
    import ctypes, mmap
    import numpy as np
    from pwconv import _core, conv1x1

    class Guarded:
        '''Memory between two forbidden pages.'''
        def __init__(self, size):
            self.size = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
            pages = mmap.mmap(-1, self.size + 2 * mmap.PAGESIZE)
            self.bytes = np.frombuffer(pages, np.uint8)
            protect = ctypes.CDLL(None, use_errno=True).mprotect
            for start in (0, mmap.PAGESIZE + self.size):
                address = ctypes.c_void_p(self.bytes.ctypes.data + start)
                assert protect(address, ctypes.c_size_t(mmap.PAGESIZE), 0) == 0

        def put(self, values, at_end):
            '''A copy of values whose last, or first, byte is the last, or first, that is allowed.'''
            start = mmap.PAGESIZE + (self.size - values.nbytes if at_end else 0)
            view = self.bytes[start : start + values.nbytes].view(values.dtype).reshape(values.shape)
            view[...] = values
            return view

    layout, sizes = {layout!r}, {sizes}
    _core.select_isa({isa!r})
    rng = np.random.default_rng(0)
    memory = [Guarded(1 << 19) for _ in range(5)]

    def maps(c, h, w):
        return (c, h, w) if layout == "NCHW" else (h, w, c)

    def check(c_in, c_out, height, width, dtype, view=lambda x: x, **options):
        x = rng.standard_normal(maps(c_in, height, width)).astype(dtype)
        weight, bias = rng.standard_normal((c_out, c_in)).astype(dtype), rng.standard_normal(c_out).astype(dtype)
        options |= dict(layout=layout, num_threads=1)
        expected = conv1x1(view(x), weight, bias, **options)
        residual = np.zeros_like(expected)
        for at_end in (True, False):
            a = [m.put(v, at_end) for m, v in zip(memory, (x, weight, bias, residual, residual), strict=True)]
            for r in (None, a[3]):
                y = conv1x1(view(a[0]), a[1], a[2], residual=r, out=a[4], **options)
                assert (y == expected).all(), (c_in, c_out, height, width, dtype, options)
"""
FAST = [n for n in SIZES if n < 20 or n in (31, 32, 33, 47, 49, 64, 65, 97)]


def run(isa, layout, code):
    run_python(PROGRAM.format(isa=isa, layout=layout, sizes=FAST) + code, timeout=120)


@pytest.fixture(autouse=True)
def linux():
    if not sys.platform.startswith("linux"):
        pytest.skip("mprotect is called as on Linux")


def test_a_touch_is_seen(isa, layout):
    """The guard itself: a byte beyond either end cannot be read."""
    for place in ("memory[0].bytes[0]", "memory[0].bytes[-1]"):
        with pytest.raises(AssertionError, match="exit -11"):
            run(isa, layout, f"\n    {place}")


@pytest.mark.parametrize("c_in", (1, 2, 5, 33))
def test_every_tail(isa, layout, dtype, c_in):
    run(
        isa,
        layout,
        f"""
    for c_out in sizes:
        for pixels in sizes:
            check({c_in}, c_out, 1, pixels, {dtype!r})
    """,
    )


def test_strides_and_odd_views(isa, layout, dtype):
    run(
        isa,
        layout,
        f"""
    odd = (lambda x: x, lambda x: x[::-1, ::-1, ::-1], lambda x: x[..., ::2] if layout == "NCHW" else x[:, ::2])
    for view in odd:
        for c_in, c_out in ((1, 1), (3, 3), (17, 9), (33, 50)):
            for height, width in ((1, 1), (2, 9), (5, 7), (3, 17), (7, 33)):
                for stride in ((1, 1), (1, 2), (2, 1), (3, 3)):
                    check(c_in, c_out, height, width, {dtype!r}, view, stride=stride)
    """,
    )


def test_blocks(isa, layout, dtype):
    run(
        isa,
        layout,
        f"""
    for c_in, c_out, height, width in ((130, 97, 13, 17), (3, 3, 90, 91), (300, 7, 7, 7), (7, 300, 7, 7),
                                       (400, 96, 1, 33), (24, 50, 31, 33)):
        check(c_in, c_out, height, width, {dtype!r})
    """,
    )
