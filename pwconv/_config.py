"""What this build is and what it chose on this machine."""

from __future__ import annotations

import os
import re

from . import _core
from ._threads import get_num_threads, reason_for_number

__version__ = _core.version()


def select_isa_of_environment() -> None:
    """Take the machine's best instruction set, or the lower one that PWCONV_ISA names."""
    available, known = _core.available_isas(), _core.known_isas()
    name = os.environ.get("PWCONV_ISA") or available[0]
    if name not in known:
        raise ValueError(f"PWCONV_ISA must be one of {', '.join(known)}, got {name!r}")
    _core.select_isa(name if name in available else available[0])


select_isa_of_environment()


def show_config() -> None:
    """Print what a report of a fault or of a speed needs: version, instruction set, threads, OpenMP, compiler.

    Examples
    --------
    >>> import pwconv
    >>> pwconv.show_config()  # doctest: +ELLIPSIS
    pwconv ...
    """
    isa = _core.selected_isa()
    rows = {
        "instruction set": f"{isa}, of {', '.join(_core.available_isas())}",
        "same bits as others": "yes, sums are fused multiply-adds" if _core.has_fma() else "no: this set has no FMA",
        "threads": f"{get_num_threads()} ({reason_for_number()})",
        "OpenMP": _openmp(),
        "compiler": _core.compiler(),
        "flags": _core.flags(),
    }
    print(f"pwconv {__version__}")
    for name, value in rows.items():
        print(f"  {name + ':':21}{value}")


def _openmp() -> str:
    """The OpenMP runtimes that are loaded, as the system lists them, and the specification that the build follows."""
    if not _core.openmp_version():
        return "none: built without, its settings are not known"
    try:
        with open("/proc/self/maps", errors="replace") as lines:
            maps = lines.read()
    except OSError:
        maps = ""
    runtimes = sorted(set(re.findall(r"lib(?:g|i|)omp[\w.-]*", maps)))
    return f"{', '.join(runtimes) or 'runtime not known'} (specification {_core.openmp_version()})"
