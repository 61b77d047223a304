"""Options of the benchmarks, the threads of every library, and what is saved about machine and versions."""

from __future__ import annotations

import ctypes
import os
import platform
import re
from importlib import metadata
from pathlib import Path

import pytest

# Working sets whose copies draw the slopes of the roofline: levels one to three of most caches, and memory.
WORKING_SETS = (1 << 14, 1 << 18, 1 << 22, 1 << 28)


def pytest_addoption(parser):
    group = parser.getgroup("pwconv")
    group.addoption("--threads", type=int, default=1, help="threads of every contender (default: 1)")
    group.addoption("--full", action="store_true", help="all layers, in place of a dozen")
    group.addoption("--rounds", type=int, default=15, help="interleaved rounds (default: 15)")
    group.addoption("--slot-ms", type=float, default=20, help="time of a contender in a round (default: 20)")


def pytest_configure(config):
    """Fix the number of threads before any library that reads it is imported."""
    threads = config.getoption("--threads")
    if hasattr(os, "sched_setaffinity"):
        processors = sorted(os.sched_getaffinity(0))
        if not 1 <= threads <= len(processors):
            raise pytest.UsageError(f"--threads is {threads}; this process may use 1 to {len(processors)}")
        os.sched_setaffinity(0, processors[-threads:])
    os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads)))
    os.environ.update(JAX_PLATFORMS="cpu", XLA_FLAGS=f"--xla_cpu_multi_thread_eigen={str(threads > 1).lower()}")
    _keep_pages()


def _keep_pages():
    """Let malloc reuse the pages of large outputs, for contenders that allocate theirs in each call."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return  # not glibc
    trim_threshold, mmap_threshold = -1, -3
    mallopt(mmap_threshold, 32 << 20)  # the most that glibc takes
    mallopt(trim_threshold, 2**31 - 1)


def pytest_benchmark_generate_machine_info(config):
    """What the times depend on, and nothing that tells whose machine it is."""
    from contenders import CONTENDERS

    import pwconv
    from pwconv import _core
    from pwconv._bench import Limit

    limit = Limit(pwconv.get_num_threads())
    for size in WORKING_SETS * 3:
        limit.measure(size)
    others = ("numpy", *(name for name in CONTENDERS if not name.startswith(("pwconv", "numpy."))))
    return {
        "cpu": _cpu(),
        "processors": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {"pwconv": pwconv.__version__} | {name: _version(name) for name in others},
        "threads": limit.threads,
        "isa": _core.selected_isa(),
        "compiler": _core.compiler(),
        "peak_gflops": limit.flops / 1e9,
        "copy_gbytes_per_s": {str(size): rate / 1e9 for size, rate in limit.copy.items()},
    }


def pytest_benchmark_update_json(output_json):
    """Leave out the options of a calibration that did not take place, and what extra_info says already."""
    for row in output_json["benchmarks"]:
        del row["options"], row["params"]


def _cpu():
    try:
        found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    return found[1] if found else platform.processor()


def _version(name):
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
