"""A call makes no copy of an array: it takes at most 1 MiB a thread and the packed weights.

Reference: the peak of the resident set around one call in a process of its own, after a small call of the
same kind has loaded code and started threads. Tolerance: 512 KiB for the allocator and the threads' stacks.
"""

from __future__ import annotations

import pytest
from support import run_python

PROGRAM = """
import tracemalloc
import numpy as np
from pwconv import _core, conv1x1

def status(name):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024

def parent(shape, dtype, offset=0):
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.ones(size + offset, np.uint8)
    return memory[offset:].view(dtype).reshape(shape)

def call(batch, side, channels):
    layout, threads = {layout!r}, {threads}
    def maps(c, h, w):
        return (batch, c, h, w) if layout == "NCHW" else (batch, h, w, c)
    x_axes = (slice(None), slice(None, None, 2), *[slice(None)] * 2)
    if layout == "NHWC":
        x_axes = (*[slice(None)] * 3, slice(None, None, 2))
    x, residual, stride = parent(maps(channels, side, side), "f4"), None, 1
    c_in, out_side, offset = channels, side, 0
    kind = {kind!r}
    if kind == "every other channel":
        x, c_in = x[x_axes], channels // 2
    elif kind == "reversed":
        x = x[..., ::-1, ::-1, ::-1]
    elif kind == "misaligned":
        x, offset = parent(maps(channels, side, side), "f4", 1), 3
    elif kind == "byte-swapped":
        x = x.astype(">f4")
    elif kind == "other layout":
        first, last = (1, 3) if layout == "NCHW" else (3, 1)
        x = np.moveaxis(parent(np.moveaxis(x, first, last).shape, "f4"), last, first)
    elif kind == "stride":
        stride, out_side = 2, side // 2
    elif kind == "uint8":
        x = parent(x.shape, "u1")
    elif kind == "residual":
        residual = parent(maps(c_in, side, side)[::-1], "f4", 1).T
    weight = parent((c_in, c_in), "f4")
    out = parent(maps(c_in, out_side, out_side), "f4", offset)
    out[...] = 0
    packed = 2 * weight.nbytes
    with open("/proc/self/clear_refs", "w") as peak:
        peak.write("5")
    tracemalloc.start()
    before = status("VmRSS")
    conv1x1(x, weight, layout=layout, stride=stride, residual=residual, out=out, num_threads=threads)
    taken, traced = status("VmHWM") - before, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return taken, traced, packed, 4 * x.size

_core.select_isa({isa!r})
call(1, 32, 32)
taken, traced, packed, whole = call({size})
limit = {threads} * 2**20 + packed + 2**19
assert limit < whole / 2
assert max(taken, traced) <= limit, (taken, traced, limit)
"""
KINDS = (
    "plain",
    "every other channel",
    "reversed",
    "misaligned",
    "byte-swapped",
    "other layout",
    "stride",
    "uint8",
    "residual",
)


@pytest.mark.parametrize("size, threads", (("2, 256, 64", 2), ("8, 28, 768", 1)))
@pytest.mark.parametrize("kind", KINDS)
def test_peak_of_one_call(isa, layout, kind, size, threads):
    run_python(PROGRAM.format(isa=isa, layout=layout, kind=kind, size=size, threads=threads))
