"""Prints a hash of results for each instruction set, to compare builds and processors.

    python bits.py [--quick]     the sets of this machine, or one with PWCONV_ISA

Each result is computed with 1, 2, 3 and 7 threads, in both layouts and at odd addresses; these have to agree before it is
hashed. The sets with FMA have one hash for all: the exit code is 1 if they differ. --quick computes each result once in each
layout, with two threads: the hash is the same.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import sys

import numpy as np
from support import DTYPES, LAYOUTS, arrange, at_offset, bits, canonical, same_bits

from pwconv import Conv1x1, _core

# batch, c_in, c_out, height, width, residual, options: tails in each direction, few channels, cut sums, slices, groups, strides.
CASES = (
    (2, 37, 53, 9, 13, True, {"activation": "relu"}),
    (1, 3, 3, 61, 35, True, {"activation": (None, 0.5)}),
    (1, 3, 4, 61, 35, False, {"activation": (-0.5, 0.5)}),
    (1, 24, 144, 19, 23, True, {"groups": 2}),
    (2, 130, 97, 15, 17, True, {"stride": (2, 1)}),
    (1, 9000, 33, 1, 7, True, {"activation": "relu6"}),
    (1, 1500, 33, 20, 20, True, {"activation": "relu"}),
    (3, 64, 64, 28, 28, False, {"activation": "relu"}),
)
THREADS = (1, 2, 3, 7)
OFFSETS = (0, 4, 8, 20, 33)
QUICK = "--quick" in sys.argv


def results(case, dtype):
    """The same result again and again: in each layout, for each number of threads, at several addresses."""
    batch, c_in, c_out, height, width, has_residual, options = case
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, c_in, height, width)).astype(dtype)
    weight = rng.standard_normal((c_out, c_in // options.get("groups", 1))).astype(dtype)
    bias = rng.standard_normal(c_out).astype(dtype)
    shape = Conv1x1(weight, **options)(x).shape
    residual = rng.standard_normal(shape).astype(dtype) if has_residual else None
    for layout in LAYOUTS:
        layer = Conv1x1(weight, bias, layout=layout, **options)
        memory, added = arrange(x, layout), arrange(residual, layout) if has_residual else None
        for threads in (2,) if QUICK else THREADS:
            yield canonical(layer(memory, residual=added, num_threads=threads), layout)
        for offset in () if QUICK else OFFSETS:
            out = at_offset(arrange(np.empty(shape, dtype), layout), offset)
            moved = at_offset(added, offset) if has_residual else None
            yield canonical(layer(at_offset(memory, offset), residual=moved, out=out), layout)


def hash_of_results():
    total = hashlib.sha256()
    for case, dtype in itertools.product(CASES, DTYPES):
        first, *others = results(case, dtype)
        if not all(same_bits(first, other) for other in others):
            sys.exit(f"{_core.selected_isa()}: {case} in {dtype} depends on threads, layout or addresses")
        total.update(bits(first).tobytes())
    return total.hexdigest()


def main():
    asked, with_fma = os.environ.get("PWCONV_ISA"), set()
    for name in (_core.selected_isa(),) if asked else _core.available_isas():
        _core.select_isa(name)
        digest = hash_of_results()
        if _core.has_fma():
            with_fma.add(digest)
        print(f"{'fma' if _core.has_fma() else name} {digest}  {name}, {_core.compiler()}", flush=True)
    if len(with_fma) > 1:
        sys.exit("the sets with FMA differ")


if __name__ == "__main__":
    main()
