"""Whole calls by chance, right ones and wrong ones: a program, which `test_fuzz.py` starts.

    python fuzz.py seed first count

The number of each call stands on stderr before it runs: when a signal ends the process, the last one is the culprit,
and `python fuzz.py seed number 1` repeats it alone.
"""

from __future__ import annotations

import math
import random
import sys

import numpy as np
from support import CANARY, LAYOUTS, canonical, shaped

from pwconv import Conv1x1, _core, conv1x1

REALS = (np.dtype("f4"), np.dtype("f8"))
NARROW = tuple(np.dtype(kind) for kind in ("?", "i1", "u1", "i2", "u2", "f2", "i4", "u4", "i8", "u8"))
SIZES = (0, 1, 1, 1, *range(2, 10), 12, 13, 15, 16, 17, 24, 31, 32, 33, 50, 65)
SPECIAL = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-310, -1e-40, 1e30, -1e38, 6e-8)
POOL = 1 << 18
ABSURD = (2**62, -(2**62), 2**63 - 1)  # strides that must never be used: of axes of length 1
ACTIVATIONS = (None, None, "relu", "relu6", (-1, 1), (None, 0.5), (0, None), (-0.0, math.inf))
JUNK = (
    *(None, 0, -1, 2, 3, 2**31, 2**63, -(2**70), 0.5, math.nan, math.inf, 1j, "", "relu", "f2", b"x", True, object()),
    *((), (1,), (1, 2), (0, 1), (2, 2, 2), (None, None), (1, 0), ("a", "b"), [], [[1]], {}, {1: 2}, int, len),
    *(np.float32(1), np.int64(2), np.datetime64("2000-01-01"), np.array(2), np.empty(0), np.ones((3, 3)), np.ones(5)),
    *(np.array([None, 1]), np.ones((2, 2), "c8"), np.ones((2, 2), "V3"), np.zeros((2, 3, 3, 3), "O"), np.array("text")),
    *(np.ma.masked_array([[1.0, 2.0]], mask=[[0, 1]]), memoryview(b"12"), range(4), slice(None), NotImplemented, ...),
    *(np.broadcast_to(np.float32(1), shape) for shape in ((2**60, 1, 1), (1, 2**50, 2**5), (2**20, 2**20, 2**20))),
)
ARGUMENTS = (
    "x",
    "weight",
    "bias",
    "residual",
    "stride",
    "groups",
    "layout",
    "activation",
    "dtype",
    "out",
    "num_threads",
)
BUILD = ("bias", "stride", "groups", "layout", "activation", "dtype")
ALLOWED = (ValueError, TypeError, MemoryError)


def make_pools():
    """For each dtype memory of small numbers, and some with special values among them."""
    rng = np.random.default_rng(0)
    pools = {}
    for dtype in (*REALS, *NARROW):
        size = POOL // dtype.itemsize
        tame = (
            rng.standard_normal(size) if dtype.kind == "f" else rng.integers(0, 2 if dtype.kind == "b" else 100, size)
        )
        wild = np.where(rng.random(size) < 0.02, rng.choice(SPECIAL, size), tame) if dtype.kind == "f" else tame
        pools[dtype] = [np.frombuffer(values.astype(dtype).tobytes(), np.uint8) for values in (tame, tame, wild)]
    return pools


def reach(shape, strides, itemsize):
    """Bytes from the first element to the lowest one, and past the highest one."""
    ends = [(size - 1) * stride for size, stride in zip(shape, strides, strict=True) if size > 1]
    return sum(end for end in ends if end < 0), sum(end for end in ends if end > 0) + itemsize


class Fuzzer:
    def __init__(self):
        np.seterr(all="ignore")
        self.pools = make_pools()
        self.isas = _core.available_isas()

    def strides(self, shape, itemsize, *, output=False):
        """Strides of any kind; those of an output let no two elements share a byte."""
        r, strides, distance = self.r, [0] * len(shape), itemsize
        kind = r.random()
        if kind < 0.2 and not output:
            return [r.randrange(-100, 100) * r.choice((1, itemsize)) for _ in shape]
        order = list(range(len(shape)))
        if kind > 0.6:
            r.shuffle(order)
        for axis in reversed(order):
            step = 1 if kind < 0.5 else r.choice((1, 1, 1, 2, 3, -1) if output else (1, 1, 1, 2, 3, 4, -1, -2, 0))
            strides[axis] = distance * step
            distance *= max(abs(step) * shape[axis], 1)
        return strides

    def with_absurd(self, shape, strides):
        if self.r.random() < 0.1:
            return [self.r.choice(ABSURD) if size == 1 else s for size, s in zip(shape, strides, strict=True)]
        return strides

    def view(self, shape, dtype):
        """A view of pooled memory: its elements may share bytes, and lie at any address."""
        r, strides = self.r, self.strides(shape, dtype.itemsize)
        low, high = reach(shape, strides, dtype.itemsize)
        if high - low > POOL - 64:
            strides = [0] * len(shape)
            low, high = 0, dtype.itemsize
        unit = 1 if r.random() < 0.1 else dtype.itemsize
        start = -low + unit * r.randrange((POOL - high + low) // unit)
        if r.random() < 0.1:
            dtype = dtype.newbyteorder()
        pool = r.choice(self.pools[dtype.newbyteorder("=")])
        return np.ndarray(shape, dtype, pool, start, self.with_absurd(shape, strides))

    def dtype(self, base):
        return base if self.r.random() < 0.8 else self.r.choice(NARROW + REALS)

    def arguments(self):
        """A call that is right."""
        r = self.r
        layout, groups, real = r.choice(LAYOUTS), r.choice((1, 1, 1, 1, 2, 3)), r.choice(REALS)
        batch = r.choice(((), (), (), (1,), (2,), (3,), (0,), (2, 1, 2)))
        c_in, c_out, height, width = (r.choice(SIZES) for _ in range(4))
        height = min(height, 9)
        if r.random() < 0.003:  # enough work for threads
            batch, groups, c_in, c_out, height, width = (), 1, 64, r.choice((64, 65, 200)), 28, r.choice((28, 56, 57))
        stride = r.choice((1, 1, 1, 2, 3, (1, 2), (3, 1), (2**40, 2)))
        steps = stride if isinstance(stride, tuple) else (stride, stride)
        outputs = [(n - 1) // step + 1 for n, step in zip((height, width), steps, strict=True)]
        shape = shaped(batch, c_out * groups, *outputs, layout)
        weight_shape = (c_out * groups, c_in, 1, 1)[: r.choice((2, 4))]
        if weight_shape == (1, 1, 1, 1):
            weight_shape = (1, 1)
        arguments = {
            "x": self.view(shaped(batch, c_in * groups, height, width, layout), self.dtype(real)),
            "weight": self.view(weight_shape, self.dtype(real)),
            "bias": r.choice((None, self.view(weight_shape[:1], self.dtype(real)))),
            "residual": self.view(shape, self.dtype(real)) if r.random() < 0.3 else None,
            "stride": stride,
            "groups": groups,
            "layout": layout,
            "activation": r.choice(ACTIVATIONS),
            "dtype": r.choice((None, None, *REALS)),
            "num_threads": r.choice((None, None, 1, 2, 3, 64, 2**40)),
        }
        operands = [arguments[name] for name in ("x", "weight", "bias", "residual") if arguments[name] is not None]
        return arguments, shape, arguments["dtype"] or np.result_type(np.float32, *operands)

    def output(self, shape, real):
        """A place for the result, the memory that it is in, and its elements as bytes."""
        strides = self.strides(shape, real.itemsize, output=True)
        low, high = reach(shape, strides, real.itemsize)
        shift = self.r.choice((0, 0, 0, 4, 1))
        store = np.full(high - low + shift + 64, CANARY, np.uint8)
        place = np.ndarray(shape, real, store, shift - low, self.with_absurd(shape, strides))
        return place, store

    def call(self, arguments):
        """Through the function or an object; a second call of the object is remembered."""
        arguments = dict(arguments)
        if self.r.random() < 0.5:
            return conv1x1(**arguments)
        build = {name: arguments.pop(name) for name in BUILD}
        layer = Conv1x1(arguments.pop("weight"), **build)
        if self.r.random() < 0.5:
            layer(**arguments)
        return layer(**arguments)

    def right(self):
        """A right call gives the bits of plain copies, within the bound, and writes to nothing else."""
        arguments, shape, real = self.arguments()
        copies = {
            name: None if arguments[name] is None else np.array(arguments[name], order="C").astype(real, copy=False)
            for name in ("x", "weight", "bias", "residual")
        }
        expected = conv1x1(**arguments | copies | {"dtype": real, "num_threads": 1})
        if self.r.random() < 0.5:
            y = self.call(arguments)
            assert y.flags.c_contiguous
        else:
            out, store = self.output(shape, real)
            assert self.call(arguments | {"out": out}) is out
            y = out.copy()
            out.fill(np.full(real.itemsize, CANARY, np.uint8).view(real)[0])
            assert (store == CANARY).all(), "written beside the elements of out"
        assert y.shape == shape and y.dtype == real, "another shape or dtype"
        different = y.view(f"u{real.itemsize}") != expected.view(f"u{real.itemsize}")
        assert np.isnan(y[different]).all() and np.isnan(expected[different]).all(), "other bits than plain copies"
        if y.size and self.r.random() < 0.25:
            self.check_bound(y, copies, arguments, real)

    def check_bound(self, y, copies, arguments, real):
        """The sums in float64, whose own error the bound has to hold too."""
        groups, layout, stride = (arguments[name] for name in ("groups", "layout", "stride"))
        s_h, s_w = stride if isinstance(stride, tuple) else (stride, stride)
        x = canonical(copies["x"], layout)[..., ::s_h, ::s_w].astype("f8")
        c_out, depth = copies["weight"].shape[:2]
        weight = copies["weight"].reshape(groups, c_out // groups, depth).astype("f8")
        x = x.reshape(*x.shape[:-3], groups, depth, math.prod(x.shape[-2:]))
        y = canonical(y, layout)
        bias = np.zeros(c_out) if copies["bias"] is None else copies["bias"].astype("f8")
        residual = 0.0 if copies["residual"] is None else canonical(copies["residual"], layout).astype("f8")
        exact = (weight @ x).reshape(y.shape) + bias[:, None, None] + residual
        size = (abs(weight) @ abs(x)).reshape(y.shape) + abs(bias)[:, None, None] + abs(residual)
        low, high = {None: (None, None), "relu": (0, None), "relu6": (0, 6)}.get(*[arguments["activation"]] * 2)
        if low is not None or high is not None:
            exact = np.clip(exact, low, high)
        limits = np.finfo(real)
        error = 2 * (depth + 3) * float(limits.eps) * size + (depth + 1) * float(limits.smallest_subnormal)
        checked = size < float(limits.max) / 4  # where nothing overflows on the way
        assert (abs(y.astype("f8") - exact)[checked] <= error[checked]).all(), "beyond the bound"
        # sums of products of float32 do not overflow in float64: NaN comes from the operands
        assert real == REALS[1] or np.isnan(y[np.isnan(exact)]).all(), "NaN was lost"

    def spoil(self, arguments, shape, real):
        """Change one thing, mostly for the worse."""
        r, out, kind = self.r, arguments["out"], self.r.random()
        if kind < 0.6:
            arguments[r.choice(ARGUMENTS)] = r.choice(JUNK)
        elif kind < 0.8:
            name = r.choice(("x", "weight", "bias", "residual", "out"))
            other = [max(0, n + r.choice((-1, 0, 0, 1))) for n in np.shape(arguments[name])]
            other = other[: r.choice((1, 2, 9, 9))] + r.choice(([], [], [1], [2]))
            arguments[name] = np.full(other, 7, real) if name == "out" else self.view(other, self.dtype(real))
        elif kind < 0.85:
            arguments["out"] = np.full(shape, 7, r.choice(NARROW + REALS).newbyteorder(r.choice("<>")))
        elif kind < 0.9:
            out.flags.writeable = False
        elif kind < 0.95:
            arguments["out"] = np.lib.stride_tricks.as_strided(
                np.full(POOL, 7, real), shape, [r.choice((0, 4, 8, 96)) for _ in shape]
            )
        else:
            x = np.full(arguments["x"].shape, 7, real)
            arguments |= {
                "x": x,
                "out": np.resize(x, shape) if x.size < out.size else x.reshape(-1)[: out.size].reshape(shape),
            }

    def wrong(self):
        """A call with something wrong raises what it may, and leaves `out` alone; or nothing was wrong."""
        arguments, shape, real = self.arguments()
        arguments["out"], _ = self.output(shape, real)
        arguments["out"].fill(7)
        self.spoil(arguments, shape, real)
        out = arguments["out"]
        before = out.copy() if isinstance(out, np.ndarray) and out.size < POOL else None
        try:
            y = self.call(arguments)
        except ALLOWED:
            assert before is None or np.array_equal(out, before), "a refused out was written to"
        else:
            assert y is out or (out is None and type(y) is np.ndarray)

    def run(self, seed, first, count):
        sums = [[int(pool.sum(dtype=np.int64)) for pool in pools] for pools in self.pools.values()]
        for number in range(first, first + count):
            print(number, file=sys.stderr)
            self.r = random.Random(seed << 40 | number)
            _core.select_isa(self.r.choice(self.isas))
            if self.r.random() < 0.75:
                self.right()
            else:
                self.wrong()
        assert sums == [[int(pool.sum(dtype=np.int64)) for pool in pools] for pools in self.pools.values()], (
            "inputs written to"
        )


if __name__ == "__main__":
    Fuzzer().run(*map(int, sys.argv[1:]))
