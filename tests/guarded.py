"""Calls whose operands lie between forbidden pages: a program, which `test_guard_pages.py` starts.

Each case stands on stderr before it runs, so that the last one is the culprit when a signal ends the process.
"""

from __future__ import annotations

import ctypes
import mmap
import random
import sys
from itertools import product
from typing import NamedTuple

import numpy as np
from support import CANARY, LAYOUTS, arrange, canonical, shaped

from pwconv import _core, conv1x1

VECTOR_BYTES = {"avx512": 64, "avx2": 32}  # 16 elsewhere
NARROW = ("bool", "i1", "u1", "i2", "u2", "f2", "i4", "u4", "i8", "u8", "f4", "f8")
PROT_NONE = 0  # which the module mmap does not name
BESIDE = 256  # bytes on either side of a view that hold what nobody may use, where they are not forbidden anyway
POISON = 0xFF  # NaN in every floating-point type


class View(NamedTuple):
    """The axes from the slowest to the fastest, and how many elements of the parent a step along each takes.

    A step of 0 repeats one element, a negative one goes backwards. `shift` bytes lie between the view and the
    forbidden page.
    """

    order: tuple[int, ...] = (0, 1, 2)
    steps: tuple[int, ...] = (1, 1, 1)
    shift: int = 0

    def strides(self, shape, itemsize):
        strides, distance = [0] * len(shape), itemsize
        for axis in reversed(self.order):
            strides[axis] = distance * self.steps[axis]
            distance *= max(abs(self.steps[axis]), 1) * shape[axis]
        return tuple(strides)


MAP, MATRIX, LINE = View(), View((0, 1), (1, 1)), View((0,), (1,))
OUTPUTS = (
    *(View(steps=(1, 1, step)) for step in (2, 3, 4, 5, -1, -2)),
    *(View(steps=steps) for steps in ((1, 2, 1), (2, 1, 1), (-1, -1, -1), (-2, 3, 1))),
    *(View(order) for order in ((2, 1, 0), (1, 2, 0), (2, 0, 1), (0, 2, 1))),
    View((1, 2, 0), (-2, 1, 3)),
    View(shift=1),
    View(shift=4),
)
INPUTS = (*OUTPUTS, *(View(steps=steps) for steps in ((1, 1, 0), (1, 0, 1), (0, 1, 1), (0, 0, 0))))
MATRICES = (
    *(View((0, 1), steps) for steps in ((1, 2), (1, -1), (2, 3), (-1, 1), (0, 1), (1, 0))),
    *(View((1, 0), steps) for steps in ((1, 1), (-2, 1))),
    View((0, 1), (1, 1), 1),
)
LINES = (*(View((0,), (step,)) for step in (2, -1, -3, 0)), View((0,), (1,), 1))
STRIDES = tuple(product((1, 2, 3), repeat=2))
BOUNDS = ((None, None), (0, None), (None, 30), (-20, 30))


class Case(NamedTuple):
    c_in: int  # of a group, as c_out
    c_out: int
    height: int
    width: int
    groups: int = 1
    stride: tuple[int, int] = (1, 1)
    bounds: tuple[int | None, int | None] = (None, None)
    kind: str | None = None  # dtype of x and of the residual; None for the one to compute in
    x: View = MAP
    weight: View = MATRIX
    bias: View = LINE
    residual: View | None = None
    out: View = MAP


class Memory:
    """Bytes between two pages that may be neither read nor written."""

    def __init__(self, size=1 << 20):
        page, whole = mmap.PAGESIZE, np.frombuffer(mmap.mmap(-1, size + 2 * mmap.PAGESIZE), np.uint8)
        self.forbidden = whole[:page], whole[-page:]
        self.bytes = whole[page:-page]
        for end in self.forbidden:
            assert ctypes.CDLL(None).mprotect(ctypes.c_void_p(end.ctypes.data), ctypes.c_size_t(page), PROT_NONE) == 0

    def lay(self, shape, dtype, view, at_end):
        """An array of which the last, or the first, byte is the last, or the first, allowed; and the bytes around it."""
        strides = view.strides(shape, dtype.itemsize)
        reach = [(size - 1) * stride for size, stride in zip(shape, strides, strict=True)]
        low, high = sum(min(r, 0) for r in reach), sum(max(r, 0) for r in reach) + dtype.itemsize
        start = self.bytes.size - view.shift - high if at_end else view.shift - low
        around = slice(max(start + low - BESIDE, 0), start + high + BESIDE)
        return np.ndarray(shape, dtype, self.bytes, start, strides), self.bytes[around]


class Program:
    """Runs cases in either layout, with one instruction set and one dtype to compute in."""

    def __init__(self, isa, real):
        _core.select_isa(isa)
        self.real = np.dtype(real)
        lanes = VECTOR_BYTES.get(isa, 16) // self.real.itemsize
        self.widths = range(1, 2 * 4 * lanes + 2)  # past twice the widest tile, four vectors
        self.sizes = range(1, max(2 * lanes, 8) + 2)  # past twice the square of vectors that a copy transposes
        self.canary = np.full(self.real.itemsize, CANARY, np.uint8).view(self.real)
        self.rng, self.choice = np.random.default_rng(0), random.Random(0).choice
        self.memory = {name: Memory() for name in ("x", "weight", "bias", "residual", "out")}

    def draw(self, shape, dtype, view):
        """Whole numbers, the same along repeated axes."""
        few = [1 if step == 0 else size for size, step in zip(shape, view.steps, strict=True)]
        low, high = {"b": (0, 2), "u": (0, 9)}.get(dtype.kind, (-8, 9))
        return np.broadcast_to(self.rng.integers(low, high, few).astype(dtype), shape)

    def put(self, name, values, view, at_end):
        array, around = self.memory[name].lay(values.shape, values.dtype, view, at_end)
        around[...] = POISON
        array[...] = values
        return array

    def expected(self, case, layout, x, weight, bias, residual=0):
        """The result, without rounding: sums of products of whole numbers."""
        rows, columns = (slice(None, None, step) for step in case.stride)
        x = canonical(x, layout)[:, rows, columns].astype("f8")
        weight = weight.astype("f8").reshape(case.groups, case.c_out, case.c_in)
        y = (weight @ x.reshape(case.groups, case.c_in, -1)).reshape(-1, *x.shape[1:]) + bias[:, None, None]
        return np.clip(arrange(y, layout) + residual, *case.bounds)

    def run(self, case):
        for layout in LAYOUTS:
            self.run_in(layout, case)

    def run_in(self, layout, case):
        print(layout, self.real, case, file=sys.stderr)
        c_in, c_out = case.c_in * case.groups, case.c_out * case.groups
        rows, columns = ((n - 1) // step + 1 for n, step in zip((case.height, case.width), case.stride, strict=True))
        out_shape, kind = shaped((), c_out, rows, columns, layout), np.dtype(case.kind or self.real)
        operands = {
            "x": (shaped((), c_in, case.height, case.width, layout), kind, case.x),
            "weight": ((c_out, case.c_in), self.real, case.weight),
            "bias": ((c_out,), self.real, case.bias),
        }
        if case.residual:
            operands["residual"] = out_shape, kind, case.residual
        values = {name: self.draw(*operand) for name, operand in operands.items()}
        expected = self.expected(case, layout, **values)
        options = {"layout": layout, "stride": case.stride, "groups": case.groups, "activation": case.bounds}
        for at_end in (True, False):
            views = {name: self.put(name, values[name], view, at_end) for name, (_, _, view) in operands.items()}
            out, around = self.memory["out"].lay(out_shape, self.real, case.out, at_end)
            around[...] = CANARY
            conv1x1(**views, **options, dtype=self.real, out=out, num_threads=1)
            assert np.array_equal(out, expected), f"another result, at_end={at_end}"
            out[...] = self.canary
            assert (around == CANARY).all(), f"written beside the elements of out, at_end={at_end}"


def tiles(program):
    """Every width of tiles with every height, in both orientations; depths as they come."""
    choice = program.choice
    pairs = {(wide, tall) for wide in program.widths for tall in range(1, 18)}
    pairs |= {(choice(program.widths), tall) for tall in range(18, 34)}  # past twice the tallest, 16 rows
    for wide, tall in sorted(pairs):
        for c_out, pixels in ((wide, tall), (tall, wide)):
            case = Case(choice(program.sizes), c_out, 1, pixels, bounds=choice(BOUNDS), residual=choice((None, MAP)))
            program.run_in(choice(LAYOUTS), case)
            program.run_in("NCHW" if c_out == tall else "NHWC", case)


def pictures(program):
    """Few channels, planes of every tail to outputs in one band or several, and side by side to as few."""
    choice = program.choice
    for c_in, width in product(range(1, 9), program.widths):
        bounds = choice(BOUNDS)
        for residual in (None, MAP):
            program.run_in("NCHW", Case(c_in, choice((1, 4, 11, 40)), 1, width, bounds=bounds, residual=residual))
        program.run_in("NHWC", Case(c_in, choice((1, 2, 3, 4)), 1, width, bounds=bounds))


def copies(program):
    """Every way of packing an operand, with every tail along both of the axes that it copies."""
    choice, sizes = program.choice, program.sizes
    kinds = [{"x": view} for view in INPUTS] + [{"out": view} for view in OUTPUTS]
    kinds += [{"residual": view} for view in INPUTS] + [{"stride": stride} for stride in STRIDES]
    kinds += [{"weight": view} for view in MATRICES] + [{"bias": view} for view in LINES]
    for kind, n in product(kinds, sizes):
        for channels, columns in ((n, choice(sizes)), (choice(sizes), n)):
            # behind the last pixel that a stride takes there may be others, or the end
            width = (columns - 1) * kind.get("stride", (1, 1))[1] + choice((1, 1, 2))
            program.run(Case(channels, channels, choice((1, 2, 3)), width, choice((1, 1, 1, 2, 3)), **kind))


def mixtures(program):
    """Everything at once, by chance."""
    choice = program.choice
    for _ in range(400):
        program.run(
            Case(
                choice(program.sizes),
                choice(program.sizes),
                choice((1, 2, 5)),
                choice(program.widths),
                groups=choice((1, 2)),
                stride=choice(STRIDES),
                bounds=choice(BOUNDS),
                x=choice(INPUTS),
                weight=choice(MATRICES),
                bias=choice(LINES),
                residual=choice((None, *INPUTS)),
                out=choice(OUTPUTS),
            )
        )


def conversions(program):
    """Every type that is converted on its way, of either byte order, aligned and not."""
    choice, sizes = program.choice, program.sizes
    views = (MAP, View(shift=1), View(steps=(1, 1, 2)), View(steps=(-1, 1, -1)))
    for kind, order, view in product(NARROW, "<>", views):
        kind = np.dtype(kind).newbyteorder(order).str
        for n in (*range(1, 6), sizes[-1]):
            program.run(Case(n, choice(sizes), 2, choice(sizes), kind=kind, x=view))
            program.run(Case(choice(sizes), choice(sizes), 2, n, kind=kind, x=view, residual=view))


def blocks(program):
    """Cut into several blocks of pixels, panels of channels and parts of sums."""
    shapes = (
        (130, 97, 13, 17),
        (3, 3, 90, 91),
        (300, 7, 7, 7),
        (7, 300, 7, 7),
        (400, 96, 1, 33),
        (9000, 3, 2, 3),
        (9000, 1, 2, 3),
        (40, 1, 9, 5),
    )
    views = (
        {},
        {"x": View((2, 1, 0))},
        {"out": View((2, 1, 0))},
        {"x": View(steps=(-1, -1, -1)), "residual": MAP},
        {"x": View((1, 2, 0), (1, 2, 1)), "residual": MAP},
    )
    for shape, view in product(shapes, views):
        program.run(Case(*shape, **view))


def touch(program):
    """What must end the process: the byte before the first one allowed, or the one behind the last."""
    print("the guard itself", file=sys.stderr)
    before, behind = Memory().forbidden
    print(before[-1] if program.real == np.float32 else behind[0])


if __name__ == "__main__":
    name, isa, real = sys.argv[1:]
    globals()[name](Program(isa, real))
