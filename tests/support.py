"""What the tests share: data in either layout, comparison of bits, and runs in a process of their own."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import textwrap

import numpy as np

from pwconv import conv1x1

LAYOUTS = ("NCHW", "NHWC")
DTYPES = ("float32", "float64")
KNOWN_ISAS = ("avx512", "avx2", "baseline")
FMA_ISAS = ("avx512", "avx2")
CANARY = 0xA5
# What starts an interpreter in a process of its own; under an emulator that is the emulator with its options.
INTERPRETER = shlex.split(os.environ.get("PWCONV_INTERPRETER", "")) or [sys.executable]

# One past every width of tile and vector that the instruction sets have, and the sizes around twice that.
SIZES = (*range(1, 36), *range(47, 51), *range(63, 66), 97)


def arrange(x, layout):
    """The array (..., C, H, W) as contiguous memory of `layout`."""
    return np.ascontiguousarray(x if layout == "NCHW" else np.moveaxis(x, -3, -1))


def canonical(y, layout):
    """An array of `layout` seen as (..., C, H, W)."""
    return y if layout == "NCHW" else np.moveaxis(y, -1, -3)


def shaped(batch, channels, height, width, layout):
    """The shape of a map in `layout`; `batch` is a tuple of any length."""
    return (*batch, channels, height, width) if layout == "NCHW" else (*batch, height, width, channels)


def convolve(x, weight, bias=None, *, layout, residual=None, **options):
    """`conv1x1` for arrays given, and returned, as (..., C, H, W) whatever the layout."""
    if residual is not None:
        options["residual"] = arrange(residual, layout)
    return canonical(conv1x1(arrange(x, layout), weight, bias, layout=layout, **options), layout)


def integers(rng, shape, dtype, bound):
    """Whole numbers of magnitude up to `bound`, so that sums stay exact."""
    return rng.integers(-bound, bound, shape, endpoint=True).astype(dtype)


def bits(a):
    """The bit patterns of an array, in C order: tells -0 from +0."""
    a = np.ascontiguousarray(a)
    return a.view(f"u{a.dtype.itemsize}")


def same_bits(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and np.array_equal(bits(a), bits(b))


def at_offset(a, offset):
    """A copy of `a` whose first byte lies `offset` bytes after a multiple of 64."""
    store = np.empty(a.nbytes + 64 + offset, np.uint8)
    start = -store.ctypes.data % 64 + offset
    view = np.ndarray(a.shape, a.dtype, store, start)
    view[...] = a
    return view


def run_python(code, *, timeout=60, env=None, **options):
    """Run `code` in a new interpreter; a signal, a hang or an exception there fails the test."""
    done = try_python(code, timeout=timeout, env=env, **options)
    assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def try_python(code, *, timeout=60, env=None, **options):
    """As `run_python`, but the caller judges the exit code. A value None in `env` removes the variable."""
    merged = {name: value for name, value in {**os.environ, **(env or {})}.items() if value is not None}
    return subprocess.run(
        [*INTERPRETER, "-c", textwrap.dedent(code)],
        env=merged,
        timeout=timeout,
        capture_output=True,
        text=True,
        check=False,
        **options,
    )
