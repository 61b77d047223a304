"""Gives every test of the core every instruction set of the machine and both layouts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from support import DTYPES, KNOWN_ISAS, LAYOUTS

from pwconv import _core, get_num_threads, set_num_threads

# The fixtures below choose a kernel and hold no state that an example could spoil.
COMMON = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}
settings.register_profile("ci", max_examples=60, derandomize=True, database=None, **COMMON)
settings.register_profile("soak", max_examples=2_000, **COMMON)
settings.load_profile("ci")

WORST = pytest.StashKey[dict[str, float]]()


def pytest_configure(config):
    config.addinivalue_line("markers", "soak: takes minutes; runs only when asked for with -m soak")
    config.stash[WORST] = {}


def pytest_collection_modifyitems(config, items):
    if "soak" in config.option.markexpr:
        return
    for item in items:
        if item.get_closest_marker("soak"):
            item.add_marker(pytest.mark.skip(reason="takes minutes: run with -m soak"))


def pytest_terminal_summary(terminalreporter, config):
    for dtype, ratio in sorted(config.stash[WORST].items()):
        terminalreporter.write_line(f"largest error / bound, {dtype}: {ratio:.3f}")


@pytest.fixture(params=tuple(dict.fromkeys(KNOWN_ISAS + _core.available_isas())))
def isa(request):
    """Each known instruction set in turn; one that the machine lacks is a skip that can be seen."""
    if request.param not in _core.available_isas():
        pytest.skip(f"this machine has no {request.param}")
    before = _core.select_isa(request.param)
    yield request.param
    _core.select_isa(before)


@pytest.fixture
def keep_threads():
    before = get_num_threads()
    yield before
    set_num_threads(before)


@pytest.fixture(params=LAYOUTS)
def layout(request):
    return request.param


@pytest.fixture(params=DTYPES)
def dtype(request):
    return request.param


@pytest.fixture
def rng():
    return np.random.default_rng(20_25)


@pytest.fixture
def record_ratio(request):
    """Keeps the largest error/bound of each dtype for the summary."""
    worst = request.config.stash[WORST]

    def record(dtype, ratio):
        worst[dtype] = max(worst.get(dtype, 0.0), float(ratio))

    return record
