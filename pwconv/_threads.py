"""How many threads a call uses: the limits that are read once, and the number that the user sets."""

from __future__ import annotations

import math
import os
from typing import SupportsIndex

from . import _core
from ._checks import thread_count


def cgroup_quota(root: str | os.PathLike[str] = "/") -> float | None:
    """Processors that the control groups of this process grant, the tightest of them; None for no limit.

    Reads version 2 (`cpu.max`) and version 1 (`cpu.cfs_quota_us`) of the interface below `root`.
    """
    tightest = math.inf
    mount = os.path.join(root, "sys/fs/cgroup")
    for line in _read(os.path.join(root, "proc/self/cgroup")).splitlines():
        controllers, _, path = line.partition(":")[2].partition(":")
        if controllers == "":
            for folder in _with_parents(mount, path):
                quota, _, period = _read(folder + "/cpu.max").partition(" ")
                tightest = min(tightest, _processors(quota, period))
        elif "cpu" in controllers.split(","):
            for name in (controllers, "cpu"):
                for folder in _with_parents(f"{mount}/{name}", path):
                    quota, period = (_read(f"{folder}/cpu.cfs_{end}_us") for end in ("quota", "period"))
                    tightest = min(tightest, _processors(quota, period))
    return None if tightest == math.inf else tightest


def _with_parents(mount: str, path: str) -> list[str]:
    """The group's folder and all above it; a container sees its own group at the mount."""
    parts = [part for part in path.split("/") if part not in ("", "..")]
    return ["/".join([mount, *parts[:depth]]) for depth in range(len(parts), -1, -1)]


def _read(file: str) -> str:
    try:
        with open(file, errors="surrogateescape") as lines:
            return lines.read().strip()
    except OSError:
        return ""


def _processors(quota: str, period: str) -> float:
    """Quota over period; infinite where there is none (`max`, `-1`) or the text is no such pair."""
    try:
        granted = int(quota) / int(period)
    except (ValueError, ZeroDivisionError):
        return math.inf
    return granted if granted > 0 else math.inf


# OpenMP has read OMP_NUM_THREADS already; set by the user, it stands above the cgroup's quota.
_quota = None if os.environ.get("OMP_NUM_THREADS") else cgroup_quota()
_set_by_user = 0


def _tell_core() -> None:
    _core.set_thread_limits(_set_by_user, 0 if _quota is None else math.ceil(_quota))


_tell_core()


def get_num_threads() -> int:
    """Number of threads that a large call uses by default.

    Returns
    -------
    int
        What `set_num_threads` set, or else the least of OpenMP's maximum, the processors that this process may run
        on, and the quota of its control group, rounded up. `OMP_NUM_THREADS` overrides the quota.

    Examples
    --------
    >>> import pwconv
    >>> pwconv.get_num_threads() >= 1
    True
    """
    return _core.default_threads()


def set_num_threads(n: SupportsIndex) -> None:
    """Set the number of threads that a large call uses by default, in this process.

    Parameters
    ----------
    n : int
        At least 1. ``num_threads=`` of a call stands above it. Results are the same bits for any number.

    Raises
    ------
    ValueError, TypeError
        If `n` is less than 1, or not an integer.

    Examples
    --------
    >>> import pwconv
    >>> before = pwconv.get_num_threads()
    >>> pwconv.set_num_threads(1)
    >>> pwconv.get_num_threads()
    1
    >>> pwconv.set_num_threads(before)
    """
    global _set_by_user
    _set_by_user = thread_count("n", n)
    _tell_core()


def reason_for_number() -> str:
    """What decided the number that `get_num_threads` gives."""
    if _set_by_user:
        return "set by set_num_threads"
    if os.environ.get("OMP_NUM_THREADS"):
        return f"OMP_NUM_THREADS={os.environ['OMP_NUM_THREADS']}, and the processors allowed"
    quota = "no cgroup quota" if _quota is None else f"a cgroup quota of {_quota:g}"
    return f"least of OpenMP's maximum, the processors allowed, and {quota}"
