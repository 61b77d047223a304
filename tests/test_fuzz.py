"""No call, right or wrong, ends in a signal or in an exception that is not documented.

Reference: for right calls, the bits of the same call on plain copies of its operands, of the dtype of the result and on
one thread, with NaN equal to NaN; and the sums in float64, within the error bound. For wrong ones, the documented
exceptions, and an `out` that keeps what it held. `fuzz.py` makes the calls, in processes of their own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).with_name("fuzz.py")
CORES = len(os.sched_getaffinity(0))


@pytest.mark.parametrize("calls", (10_000, pytest.param(1_000_000, marks=pytest.mark.soak)))
def test_calls_by_chance(calls):
    share = -(-calls // CORES)
    processes = [
        subprocess.Popen(
            [sys.executable, "-X", "faulthandler", FUZZ, "0", str(core * share), str(share)],
            stderr=subprocess.PIPE,
            text=True,
        )
        for core in range(CORES)
    ]
    try:
        errors = [process.communicate(timeout=60 + calls / 500)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    for process, error in zip(processes, errors, strict=True):
        end = "\n".join(error.splitlines()[-14:])
        assert process.returncode == 0, f"exit {process.returncode}\n{end}"
