"""No byte outside the elements that shape and strides address is touched.

Reference: sums of products of whole numbers in float64, which are exact; tolerance: none. Each operand lies with its
last byte, then with its first, against a page that may be neither read nor written: a touch ends the process, and the
test with the name of the case. The bytes between the elements of inputs are NaN, those of `out` a canary.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

GUARDED = Path(__file__).with_name("guarded.py")


def run(program, isa, dtype):
    """Run a program of guarded.py; a failure shows its last case and where it was."""
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", GUARDED, program, isa, dtype],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    end = "\n".join(done.stderr.splitlines()[-14:])
    assert done.returncode == 0, f"exit {done.returncode}\n{end}"


@pytest.fixture(autouse=True)
def linux():
    if not sys.platform.startswith("linux"):
        pytest.skip("mprotect is called as on Linux")


@pytest.mark.parametrize("side", ("float32", "float64"), ids=("before", "behind"))
def test_a_touch_is_seen(isa, side):
    with pytest.raises(AssertionError, match=r"exit -11\s+the guard itself\s+Fatal Python error: Segmentation fault"):
        run("touch", isa, side)


@pytest.mark.parametrize("program", ("tiles", "pictures", "copies", "mixtures", "conversions", "blocks"))
def test_no_touch(isa, dtype, program):
    run(program, isa, dtype)
