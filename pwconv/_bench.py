"""How fast layers of known networks run here, beside NumPy and against what this machine can do at most.

All contenders run in turn, round after round, so that drift of the machine hits all alike; a contender's time is the
median of its rounds. The limit is measured in the same rounds: the time that a layer's operations take as multiply-adds
in registers, or that its bytes take as a copy of the same size, whichever is longer (the roofline of Williams, Waterman
and Patterson, CACM 2009). The limit takes the best round, so no contender's share of it is flattered by noise.
"""

from __future__ import annotations

import gc
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from typing import TypeAlias

import numpy as np

import pwconv
from pwconv import _core
from pwconv._layers import LAYOUTS, TOLERANCE, Array, BenchError, Layer, Layout, Operands

Call: TypeAlias = Callable[[], object]

NETWORKS = {
    "resnet50": "64-256@56 256-512@56/2 512-2048@7 8x256-64@56",
    "googlenet": "480-192@14",
    "mobilenet_v1": "512-512@14",
    "mobilenet_v2": "144-24@56",
    "squeezenet1.1": "16-64@55",
    "nin": "96-96@54",
    "colour": "3-3@512x768",
    "hyperspectral": "200-16@145",
    "small": "32-32@6",
}
ROUNDS, SLOT = 15, 0.01  # of each contender, and the seconds of one
ROW_SECONDS = 1.0  # after which a row of the table ends early: 24 rows stay below half a minute
# Read by BLAS and OpenMP when they are loaded.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def by_pwconv(data: Operands) -> Call:
    """`Conv1x1` into an output of its own."""
    layer, out, x = data.layer, data.out(), data.x
    conv = pwconv.Conv1x1(data.weight, data.bias, stride=layer.stride, layout=data.layout, activation="relu")
    return lambda: conv(x, out=out)


def by_matmul(data: Operands) -> Call:
    """`np.matmul`, bias and ReLU, all into one output."""
    layer, x, out = data.layer, data.taken(), data.out()
    channels_first = data.layout == "NCHW"
    shape, bias = (
        ((layer.batch, layer.c_in, -1), data.bias[:, None]) if channels_first else ((-1, layer.c_in), data.bias)
    )
    y = out.reshape(layer.batch, layer.c_out, -1) if channels_first else out.reshape(-1, layer.c_out)
    weight = data.weight if channels_first else np.ascontiguousarray(data.weight.T)

    def call() -> Array:
        pixels = x.reshape(shape)  # a copy where the stride is not 1
        if channels_first:
            np.matmul(weight, pixels, out=y)
        else:
            np.matmul(pixels, weight, out=y)
        np.add(y, bias, out=y)
        np.maximum(y, 0, out=y)
        return out

    return call


class Limit:
    """What this machine can do at most on some threads, float32: the best that was seen so far."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.flops = 0.0
        self.copy: dict[int, float] = {}  # bytes per second, read and written, for each working set
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None

    def measure(self, size: int, seconds: float = 0.004) -> None:
        """Look again: at multiply-adds in registers, and at copies within a working set of `size` bytes."""
        self.flops = max(self.flops, self._together(_core.peak_flops, seconds))
        rate = self._together(_core.copy_bandwidth, size // self.threads, seconds)
        self.copy[size] = max(self.copy.get(size, 0.0), rate)

    def _together(self, measure: Callable[..., float], *arguments: float) -> float:
        """The sum of the rates of all threads, measured at the same time."""
        if not self._pool:
            return measure(*arguments)
        return sum(self._pool.map(measure, *(repeat(argument, self.threads) for argument in arguments)))

    def seconds(self, flops: int, size: int) -> float:
        """The least time for a layer of so many operations and bytes."""
        return max(flops / self.flops, size / self.copy[size])


def race(
    calls: Mapping[str, Call],
    limit: Limit,
    size: int,
    rounds: int = ROUNDS,
    slot: float = SLOT,
    most: float = math.inf,
) -> dict[str, list[float]]:
    """Seconds per call of each contender in each round; the limit for `size` bytes is measured in the same rounds.

    A round gives each contender a slot of about `slot` seconds. After `most` seconds the rounds end, but not before 3.
    """
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    collecting = gc.isenabled()
    gc.disable()
    try:
        counts = {name: _calls_in(slot, call) for name, call in calls.items()}
        begin = time.perf_counter()
        for index in range(rounds):
            if index >= 3 and time.perf_counter() - begin > most:
                break
            for name, call in calls.items():
                _settle(limit.threads)
                _time(call, counts[name] // 4 + 1)  # its data back into the caches
                seconds[name].append(_time(call, counts[name]) / counts[name])
            _settle(limit.threads)
            limit.measure(size)
    finally:
        if collecting:
            gc.enable()
    return seconds


def _calls_in(slot: float, call: Call) -> int:
    _time(call, 2)
    count = 1
    while (took := _time(call, count)) < slot / 4:
        count *= 2
    return max(1, round(count * slot / took))


def _time(call: Call, count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        call()
    return time.perf_counter() - start


def _settle(threads: int) -> None:
    """Wait until the workers of the contender before have stopped spinning; libraries let them for up to 0.1 s."""
    for _ in range(100 if threads > 1 else 0):
        before = time.process_time()
        time.sleep(0.003)
        if time.process_time() - before < 0.0005:
            return


def processors() -> int:
    """How many this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def choose(names: Sequence[str]) -> list[Layer]:
    """The layers that are meant: each name is that of a network in the table, or a shape; without any, the table."""
    table = [Layer.parse(text, network) for network, texts in NETWORKS.items() for text in texts.split()]
    chosen = [layer for name in names for layer in table if name == layer.network]
    chosen += [Layer.parse(name) for name in names if "@" in name]
    unknown = [name for name in names if "@" not in name and name not in NETWORKS]
    if unknown:
        raise BenchError(f"no network {', '.join(unknown)}; there are {', '.join(NETWORKS)}, or a shape like 256-64@56")
    return chosen if names else table


def run(names: Sequence[str], threads: int | None) -> int:
    """Measure layers on a number of threads, and print a table.

    BLAS reads its number of threads when NumPy is imported, so unless the environment has it, a new process measures.

    Parameters
    ----------
    names : sequence of str
        Names of networks, or shapes as `Layer.parse` reads them; empty for one layer of each kind.
    threads : int or None
        By default what `pwconv.get_num_threads` gives.

    Returns
    -------
    int
        The exit code.

    Raises
    ------
    BenchError
        If a name means no layer, there are fewer processors than threads, or a result is wrong.
    """
    layers = choose(names)
    threads = pwconv.get_num_threads() if threads is None else threads
    if not 1 <= threads <= processors():
        raise BenchError(f"--threads is {threads}; this process may use 1 to {processors()}")
    wanted = dict.fromkeys(THREAD_VARIABLES, str(threads))
    if wanted.items() <= os.environ.items():
        print_table(layers)
        return 0
    command = [sys.executable, "-m", "pwconv", "bench", "--threads", str(threads)]
    if names:
        command += ["--layers", *names]
    return subprocess.run(command, env={**os.environ, **wanted}, check=False).returncode


def print_table(layers: Sequence[Layer], rounds: int = ROUNDS, slot: float = SLOT) -> None:
    """Measure layers in both layouts with the threads of this process, and print a row for each."""
    limit = Limit(pwconv.get_num_threads())
    print(f"pwconv {pwconv.__version__}, {_core.selected_isa()}, threads: {limit.threads}; NumPy {np.__version__}")
    print("float32 with bias and ReLU; a layer is [batch x] c_in-c_out @ height [x width] [/stride]\n")
    width = max(len(str(layer)) for layer in layers)
    print(f"{'layer':{width}}  layout  pwconv ms  GFLOP/s  NumPy ms  NumPy / pwconv  of the limit")
    ratios, shares = [], []
    for layer in layers:
        for layout in LAYOUTS:
            own, other, least = _measure(layer, layout, limit, rounds, slot)
            ratios.append(other / own)
            shares.append(least / own)
            print(
                f"{layer!s:{width}}  {layout:6}  {own * 1e3:9.4f}  {layer.flops / own / 1e9:7.1f}  {other * 1e3:8.4f}"
                f"  {ratios[-1]:14.2f}  {shares[-1]:>12.0%}",
                flush=True,
            )
    print(
        f"{'geometric mean':{width + 37}}{statistics.geometric_mean(ratios):14.2f}  {statistics.geometric_mean(shares):>12.0%}"
    )
    print(
        f"\nLimit: {limit.flops / 1e9:.0f} GFLOP/s in registers, or a copy of the layer's bytes, here at "
        f"{min(limit.copy.values()) / 1e9:.0f} to {max(limit.copy.values()) / 1e9:.0f} GB/s"
    )


def _measure(layer: Layer, layout: Layout, limit: Limit, rounds: int, slot: float) -> tuple[float, float, float]:
    """Seconds of pwconv and of NumPy, and the least that the machine needs."""
    data = Operands.draw(layer, layout)
    calls = {"pwconv": by_pwconv(data), "NumPy": by_matmul(data)}
    own, other = (np.asarray(call()) for call in calls.values())
    error = float(np.abs(own - other).max())
    if not error <= TOLERANCE * math.sqrt(layer.c_in):
        raise BenchError(f"{layer} {layout}: pwconv and NumPy differ by {error:.2g}")
    seconds = race(calls, limit, layer.bytes(layout), rounds, slot, ROW_SECONDS)
    least = limit.seconds(layer.flops, layer.bytes(layout))
    return statistics.median(seconds["pwconv"]), statistics.median(seconds["NumPy"]), least
