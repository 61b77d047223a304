"""Every layer, in both layouts, by every contender. Run it with `make bench`; README.md says how to read it.

pytest-benchmark times one contender to the end and then the next, and a drift of the machine between them would decide
who wins. So the first test of a group races all its contenders in interleaved rounds, and each test then hands the times
of its own to the fixture, through a clock that replays them.

Reference: NumPy in float64. Tolerance: `pwconv._layers.TOLERANCE` times sqrt(c_in), the size of a result.
"""

from __future__ import annotations

import math
import statistics
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pytest
from contenders import CONTENDERS, Unfit
from layers import DOZEN, LAYERS

import pwconv
from pwconv import _core
from pwconv._bench import Limit, race
from pwconv._layers import LAYOUTS, TOLERANCE, Operands


class Replay:
    """A clock that moves by recorded times alone."""

    def __init__(self):
        self.time = 0.0

    def replayed(self):
        return self.time

    def advance(self, seconds):
        self.time += seconds


CLOCK = Replay()


class Group(NamedTuple):
    """What a race of one layer in one layout gave, for each contender."""

    seconds: dict[str, list[float]]
    errors: dict[str, float]
    failures: dict[str, Exception]
    limit: Limit  # the same for all groups


def pytest_generate_tests(metafunc):
    cases = [
        pytest.param(layer, layout, name, id=f"{layer.network}:{layer.shape}-{layout}-{name}")
        for layer in (LAYERS if metafunc.config.getoption("--full") else DOZEN)
        for layout in LAYOUTS
        for name in CONTENDERS
    ]
    metafunc.parametrize("layer, layout, contender", cases)


@pytest.fixture(scope="session")
def run_group(request):
    """Race the selected contenders of a layer and a layout, once for all tests of the group."""
    limit = Limit(pwconv.get_num_threads())
    options = request.config.option

    @lru_cache(maxsize=1)
    def run(layer, layout):
        cases = [item.callspec.params for item in request.session.items]
        names = [case["contender"] for case in cases if (case["layer"], case["layout"]) == (layer, layout)]
        return race_group(layer, layout, names, limit, options.rounds, options.slot_ms / 1e3)

    return run


def race_group(layer, layout, names, limit, rounds, slot):
    data = Operands.draw(layer, layout)
    ready, failures = {}, {}
    for name in names:
        try:
            ready[name] = CONTENDERS[name](data)
            ready[name].call()
        except Exception as error:  # noqa: BLE001 - raised again by the test of this contender
            ready.pop(name, None)
            failures[name] = error
    calls = {name: contender.call for name, contender in ready.items()}
    seconds = race(calls, limit, layer.bytes(layout), rounds, slot)
    expected = reference(data)
    errors = {name: np.abs(one.view(one.call()) - expected).max() for name, one in ready.items()}
    return Group(seconds, errors, failures, limit)


def reference(data):
    x, weight = data.taken().astype(np.float64), data.weight.astype(np.float64)
    if data.layout == "NCHW":
        n, _, h, w = data.layer.y_shape("NCHW")
        product = (weight @ x.reshape(n, data.layer.c_in, h * w)).reshape(n, -1, h, w) + data.bias[:, None, None]
    else:
        product = x @ weight.T + data.bias
    return np.maximum(product, 0)


@pytest.mark.benchmark(timer=CLOCK.replayed)
def test_layer(benchmark, run_group, layer, layout, contender):
    benchmark.group = f"{layer} {layout}"
    group = run_group(layer, layout)
    failure = group.failures.get(contender)
    if isinstance(failure, ModuleNotFoundError | Unfit):
        pytest.skip(str(failure))
    if failure:
        raise failure
    assert group.errors[contender] <= TOLERANCE * math.sqrt(layer.c_in)

    seconds = group.seconds[contender]
    recorded = iter(seconds)
    benchmark.pedantic(lambda: CLOCK.advance(next(recorded)), rounds=len(seconds))
    benchmark.extra_info.update(describe(layer, layout, contender, statistics.median(seconds), group.limit))


def describe(layer, layout, contender, seconds, limit):
    """What plots.py reads, in units that say themselves."""
    size = layer.bytes(layout)
    return {
        "network": layer.network,
        "shape": layer.shape,
        "layout": layout,
        "contender": contender,
        "threads": limit.threads,
        "isa": _core.selected_isa(),
        "flops": layer.flops,
        "bytes": size,
        "gflops": layer.flops / seconds / 1e9,
        "gbytes_per_s": size / seconds / 1e9,
        "peak_gflops": limit.flops / 1e9,
        "copy_gbytes_per_s": limit.copy.get(size, 0) / 1e9,
        "share_of_limit": limit.seconds(layer.flops, size) / seconds,
    }
