"""A call makes no copy of an array: it takes at most 1 MiB a thread and the packed weights. Without memory it says so.

Reference: the peak of the resident set around one call in a process of its own, after a small call of the
same kind has loaded code and started threads. Tolerance: 512 KiB for the allocator and the threads' stacks.
Where memory fails, `MemoryError` or the right bits; tolerance: none.
"""

from __future__ import annotations

import os
import shutil
import subprocess

import numpy as np
import pytest
from support import run_python

from pwconv import Conv1x1

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


# Makes the n-th allocation from now on fail, in whichever thread.
ALLOCATOR = """
#include <errno.h>
#include <stddef.h>
static long left = -1;
static int fails(void) {
    if (__atomic_load_n(&left, __ATOMIC_SEQ_CST) < 0 || __atomic_fetch_sub(&left, 1, __ATOMIC_SEQ_CST) != 0) return 0;
    errno = ENOMEM;
    return 1;
}
long fail_after(long n) { return __atomic_exchange_n(&left, n, __ATOMIC_SEQ_CST); }
void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);
void *malloc(size_t n) { return fails() ? NULL : __libc_malloc(n); }
void *calloc(size_t n, size_t size) { return fails() ? NULL : __libc_calloc(n, size); }
void *realloc(void *p, size_t n) { return fails() ? NULL : __libc_realloc(p, n); }
void *aligned_alloc(size_t a, size_t n) { return fails() ? NULL : __libc_memalign(a, n); }
"""


@pytest.fixture(scope="module")
def allocator(tmp_path_factory):
    compiler = os.environ.get("CC") or shutil.which("gcc") or shutil.which("cc")
    if compiler is None or not hasattr(os, "confstr") or "glibc" not in os.confstr("CS_GNU_LIBC_VERSION"):
        pytest.skip("needs a C compiler and the GNU C library")
    source = tmp_path_factory.mktemp("allocator") / "allocator.c"
    source.write_text(ALLOCATOR)
    library = source.with_suffix(".so")
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", library, source], check=True)
    return library


@pytest.mark.parametrize("form", ("conv1x1(x, weight, bias{})", "Conv1x1(weight, bias)(x{})", "layer(x{})"))
@pytest.mark.parametrize("threads", (1, 2))
def test_every_allocation_may_fail(isa, layout, allocator, form, threads):
    """The first, the second … allocation fails, until a call needs no more: each gives MemoryError or the right bits."""
    call = form.format(f", num_threads={threads}" + (f", layout={layout!r}" if form.startswith("conv") else ""))
    call = call.replace("bias)", f"bias, layout={layout!r})")
    out = run_python(
        f"""
        import ctypes
        import numpy as np
        from pwconv import Conv1x1, conv1x1

        fail_after = ctypes.CDLL(None).fail_after
        fail_after.argtypes, fail_after.restype = [ctypes.c_long], ctypes.c_long
        rng = np.random.default_rng(0)
        shape = (70, 60, 61) if {layout!r} == "NCHW" else (60, 61, 70)
        x, weight = rng.standard_normal(shape)[:, ::-1].astype(">f4"), rng.standard_normal((50, 70)).astype("f4")
        bias = np.ones(50, "f4")
        layer = Conv1x1(weight, bias, layout={layout!r})
        expected = {call}
        failed = 0
        for n in range(10_000):
            if n % 2:
                layer = Conv1x1(weight, bias, layout={layout!r})  # one that remembers no call
            fail_after(n)
            try:
                y = {call}
                left = fail_after(-1)
            except MemoryError:
                fail_after(-1)
                failed += 1
                y = expected
            else:
                if left >= 0:
                    break
            assert (y == expected).all()
        assert left >= 0
        assert ({call} == expected).all()
        print(failed)
        """,
        env={"PWCONV_ISA": isa, "LD_PRELOAD": str(allocator), "OPENBLAS_NUM_THREADS": "1"},
    )
    assert int(out) >= 2, "the result and the scratch at least"


@pytest.mark.parametrize("threads", (1, 2, 3))
def test_every_allocation_of_a_first_call_may_fail(isa, layout, allocator, threads):
    """As above, for a process that has made no call yet: what is set up once may fail too."""
    run_python(
        f"""
        import ctypes, os
        import numpy as np
        from pwconv import conv1x1

        fail_after = ctypes.CDLL(None).fail_after
        fail_after.argtypes, fail_after.restype = [ctypes.c_long], ctypes.c_long
        x = np.ones((70, 60, 61) if {layout!r} == "NCHW" else (60, 61, 70), ">f4")
        weight = np.ones((50, 70), "f4")

        def needs_fewer_than(n):
            fail_after(n)
            try:
                y = conv1x1(x, weight, layout={layout!r}, num_threads={threads})
            except MemoryError:
                return False
            finally:
                left = fail_after(-1)
            assert (y == 70).all()
            return left >= 0

        for n in range(1000):
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    code = 3 if needs_fewer_than(n) else 0
                finally:
                    os._exit(code)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            assert code in (0, 3), (n, code)
            if code == 3:
                break
        assert 2 <= n < 999, n
        """,
        env={"PWCONV_ISA": isa, "LD_PRELOAD": str(allocator), "OPENBLAS_NUM_THREADS": "1"},
    )


@pytest.mark.parametrize("threads", (1, 2))
def test_little_address_space(isa, layout, threads):
    """Whatever is left when a call begins, it computes or raises MemoryError, and the next one computes."""
    run_python(
        f"""
        import resource
        import numpy as np
        from pwconv import Conv1x1, conv1x1

        shape = (64, 64, 65) if {layout!r} == "NCHW" else (64, 65, 64)
        x, weight = np.ones(shape, "f4")[:, ::-1], np.ones((256, 64), "f4")
        options = dict(layout={layout!r}, num_threads={threads})
        expected = conv1x1(x, weight, **options)
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        failed = 0
        for spare in range(0, 12 << 20, 600_000):
            with open("/proc/self/statm") as line:
                pages = int(line.read().split()[0])
            resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + spare, hard))
            try:
                y = conv1x1(x, weight, **options)
            except MemoryError:
                failed += 1
                y = expected
            resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
            assert (y == expected).all()
            del y
        assert 0 < failed < 20, failed
        """,
        env={"PWCONV_ISA": isa, "OPENBLAS_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "65536"},
    )


@pytest.mark.parametrize(
    "size",
    (
        (1, 8, 400, 400),
        (2, 40, 300, 300),
        (17, 9, 200, 200),
        (2500, 900, 7, 7),
        (70_000, 5, 5, 7),
        (368, 6016, 18, 37),
        (8000, 6, 7, 7),
        (8000, 6, 5, 10),
        (16_384, 6, 4, 5),
        (32_000, 20, 1, 4),
    ),
)
def test_scratch_of_a_thread(isa, layout, dtype, size):
    """What a plan asks for, where all goes through scratch."""
    c_in, c_out, height, width = size
    x, y = ((c, height, width) if layout == "NCHW" else (height, width, c) for c in (c_in, c_out))
    layer = Conv1x1(np.ones((c_out, c_in), dtype), layout=layout)
    for threads in (1, 2):
        layer(np.ones(x, ">f4"), residual=np.ones(y, ">f4"), num_threads=threads)
        assert 0 < layer._last_plan()["scratch"] <= 1 << 20, threads
