"""Run one layer and nothing else for some seconds, for a profiler: python hot.py LAYER LAYOUT [SECONDS]."""

from __future__ import annotations

import sys
import time

from pwconv._bench import by_pwconv
from pwconv._layers import Layer, Operands


def main(shape, layout, seconds="3"):
    call = by_pwconv(Operands.draw(Layer.parse(shape), layout))
    end = time.perf_counter() + float(seconds)
    while time.perf_counter() < end:
        call()


if __name__ == "__main__":
    main(*sys.argv[1:])
