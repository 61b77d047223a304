"""`show_config` tells what a report of a fault needs to say.

Reference: the values that the process itself reports; tolerance: none.
"""

from __future__ import annotations

import os
import re

import numpy as np
import pytest
from support import run_python

import pwconv
from pwconv import _core


def test_everything_is_shown(isa, capsys):
    assert pwconv.show_config() is None
    text = capsys.readouterr().out
    assert pwconv.__version__ in text
    assert re.search(rf"instruction set.*\b{isa}\b", text)
    for name in _core.available_isas():
        assert name in text
    assert re.search(rf"threads.*\b{pwconv.get_num_threads()}\b", text)
    assert re.search("OpenMP", text)
    assert re.search(r"(?i)compiler.*(gcc|clang)", text)
    assert re.search(r"-O[23]", text)
    assert "fast-math" not in text.replace("no-fast-math", "")


@pytest.mark.parametrize(
    "reason, code, env",
    (
        ("set_num_threads", "pwconv.set_num_threads(3)", {}),
        ("OMP_NUM_THREADS", "", {"OMP_NUM_THREADS": "1"}),
    ),
)
def test_reason_for_the_number_of_threads(reason, code, env):
    text = run_python(f"import pwconv\n{code}\npwconv.show_config()", env={"OMP_NUM_THREADS": None} | env)
    assert re.search(rf"threads.*{reason}", text)


def test_names_of_mapped_files_may_be_any_bytes(tmp_path):
    file = os.fsencode(tmp_path / "weights") + b"\xff"
    with open(file, "wb") as weights:
        weights.write(bytes(64))
    mapped = np.memmap(os.fsdecode(file), "f4", "r")
    pwconv.show_config()
    assert len(mapped) == 16


def test_info_command_prints_it():
    text = run_python("import runpy, sys; sys.argv[1:] = ['info']; runpy.run_module('pwconv', run_name='__main__')")
    assert pwconv.__version__ in text and "OpenMP" in text
