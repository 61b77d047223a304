"""Views of every kind that NumPy can make, with canaries in the bytes that they do not address."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import repeat

import numpy as np
from hypothesis import strategies as st
from support import CANARY

ABSURD = 2**62  # a stride that must never be used: that of an axis of length 1


@dataclass(frozen=True)
class Plan:
    """How an array lies in memory. Shorter tuples leave the remaining axes plain."""

    order: tuple[int, ...] = ()  # the axes from the slowest to the fastest; () is C order
    steps: tuple[int, ...] = ()  # how many elements of the parent one step along the axis takes
    reverse: tuple[bool, ...] = ()
    repeats: tuple[bool, ...] = ()  # stride 0: every element along the axis is the same
    shift: int = 0  # bytes before the first element
    swapped: bool = False
    frozen: bool = False
    absurd: bool = False  # axes of length 1 get an absurd stride

    def place(self, shape, dtype):
        """An empty array of `shape` laid out so, and the bytes that hold it."""
        dtype = np.dtype(dtype).newbyteorder() if self.swapped else np.dtype(dtype)
        strides, distance, start = [0] * len(shape), dtype.itemsize, self.shift
        for axis in reversed(self.order or range(len(shape))):
            if pick(self.repeats, axis, False):
                continue
            strides[axis] = distance * pick(self.steps, axis, 1)
            distance = strides[axis] * max(shape[axis], 1)
            if pick(self.reverse, axis, False) and shape[axis]:
                start += strides[axis] * (shape[axis] - 1)
                strides[axis] = -strides[axis]
        store = np.full(self.shift + distance + 64, CANARY, np.uint8)
        view = np.ndarray(shape, dtype, store, start, strides)
        if self.absurd:
            strides = [ABSURD if size == 1 else stride for size, stride in zip(shape, strides, strict=True)]
            view = np.lib.stride_tricks.as_strided(view, shape, strides)
        return view, store

    def of(self, values):
        """`values` in a view of this kind; along repeated axes the last of them wins."""
        view, _ = self.place(values.shape, values.dtype)
        view[...] = values
        if self.frozen:
            view.flags.writeable = False
        return view


def pick(sequence, index, default):
    return sequence[index] if index < len(sequence) else default


def plain(view):
    """A contiguous, aligned, native copy."""
    return np.array(view, dtype=view.dtype.newbyteorder("="), order="C")


def gaps(view, store):
    """The bytes of `store` that `view` does not address."""
    copy = store.copy()
    start = view.__array_interface__["data"][0] - store.__array_interface__["data"][0]
    strides = [0 if size == 1 else stride for size, stride in zip(view.shape, view.strides, strict=True)]
    addressed = np.ndarray((*view.shape, view.itemsize), np.uint8, copy, start, (*strides, 1))
    addressed[...] = CANARY
    return copy


@st.composite
def plans(draw, ndim, *, output=False):
    """Any view of `ndim` axes; as an output one that is writable, native and does not overlap itself."""
    flags = st.tuples(*repeat(st.booleans(), ndim))
    rarely = st.tuples(*repeat(st.integers(0, 7).map(lambda n: n == 7), ndim))
    return Plan(
        order=tuple(draw(st.permutations(range(ndim)))) if draw(st.booleans()) else (),
        steps=draw(st.tuples(*repeat(st.sampled_from((1, 1, 1, 2, 3)), ndim))),
        reverse=draw(flags),
        repeats=() if output else draw(rarely),
        shift=draw(st.sampled_from((0, 0, 4, 8, 1, 3, 6))),
        swapped=False if output else draw(st.booleans()),
        frozen=False if output else draw(st.booleans()),
        absurd=draw(st.booleans()),
    )


# One trouble at a time, for arrays too large to leave to chance; axes count as in the layout.
NAMED = {
    "reversed": Plan(reverse=(True,) * 5),
    "stepped": Plan(steps=(2,) * 5),
    "stepped and reversed": Plan(steps=(3, 2, 1, 2), reverse=(False, True, True, True)),
    "Fortran": Plan(order=(3, 2, 1, 0)),
    "pixels slowest": Plan(order=(2, 3, 0, 1)),
    "middle axes exchanged": Plan(order=(0, 2, 1, 3)),
    "width slowest": Plan(order=(3, 0, 1, 2)),
    "rows with gaps": Plan(steps=(1, 1, 2, 1)),
    "misaligned": Plan(shift=1),
    "half aligned": Plan(shift=4),
    "absurd strides": Plan(absurd=True),
}
INPUTS = NAMED | {
    "byte-swapped": Plan(swapped=True),
    "byte-swapped, stepped, misaligned": Plan(swapped=True, steps=(1, 2, 1, 3), shift=5),
    "read-only": Plan(frozen=True),
    "one image": Plan(repeats=(True,)),
    "second axis repeated": Plan(repeats=(False, True)),
    "third axis repeated": Plan(repeats=(False, False, True)),
    "last axis repeated": Plan(repeats=(False, False, False, True)),
    "one value": Plan(repeats=(True,) * 5),
}
