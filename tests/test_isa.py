"""The instruction set is the machine's best, may be lowered, and is never raised.

Reference: the list of sets that the machine has, best first, and the disassembled library; tolerance: none.
"""

from __future__ import annotations

import platform
import re
import shutil
import subprocess

import pytest
from support import KNOWN_ISAS, run_python, try_python

from pwconv import _core

ASK = "from pwconv import _core; print(_core.select_isa(_core.available_isas()[-1]), *_core.available_isas())"


def picked(name):
    """The set that a new process picks, and those it has, when PWCONV_ISA is `name`."""
    first, *available = run_python(ASK, env={"PWCONV_ISA": name}).split()
    return first, tuple(available)


def test_best_is_picked():
    first, available = picked(None)
    assert available == _core.available_isas()
    assert first == available[0]
    assert [name for name in KNOWN_ISAS if name in available] == [n for n in available if n in KNOWN_ISAS]


@pytest.mark.parametrize("name", KNOWN_ISAS)
def test_variable_lowers_and_never_raises(name):
    """A name above the machine gives the machine's best; any other gives what it says."""
    first, _ = picked(name)
    assert first == (name if name in _core.available_isas() else _core.available_isas()[0])


@pytest.mark.parametrize("name", ("sse9", "AVX2", "avx", "avx512,avx2", " "))
def test_unknown_name_lists_the_names(name):
    done = try_python("import pwconv", env={"PWCONV_ISA": name})
    assert done.returncode == 1
    assert "PWCONV_ISA" in done.stderr
    assert all(known in done.stderr for known in _core.available_isas())


def test_empty_variable_is_no_variable():
    assert picked("")[0] == _core.available_isas()[0]


def test_switching_within_a_process():
    first = _core.select_isa(_core.available_isas()[-1])
    try:
        for name in _core.available_isas():
            _core.select_isa(name)
            assert _core.select_isa(name) == name
        for unknown in ("sse9", ""):
            with pytest.raises(ValueError, match=re.escape(_core.available_isas()[0])):
                _core.select_isa(unknown)
    finally:
        _core.select_isa(first)


def objdump(*options):
    return subprocess.run(
        ["objdump", *options, _core.__file__], check=True, capture_output=True, text=True
    ).stdout.splitlines()


def source_files():
    """The C file of each local function of the library, by address."""
    files, current = {}, ""
    for line in objdump("--syms"):
        if " df *ABS*" in line:
            current = line.split()[-1]
        elif " l     F .text" in line:
            files[int(line.split()[0], 16)] = current
    return files


def files_with(pattern):
    """The C files with an instruction that `pattern` matches, mnemonic first."""
    files, found, current = source_files(), set(), ""
    for line in objdump("--disassemble", "--no-show-raw-insn"):
        if line.endswith(">:"):
            current = files.get(int(line.split()[0], 16), line.split()[1])
        elif re.search(rf":\t{pattern}", line):
            found.add(current)
    return found


@pytest.mark.skipif(shutil.which("objdump") is None, reason="objdump is not installed")
@pytest.mark.parametrize(
    "pattern, files",
    (
        (".*%zmm", {"tile_avx512.c", "tile_avx512_doubles.c"}),
        (".*%ymm", {"tile_avx512.c", "tile_avx512_doubles.c", "tile_avx2.c"}),
        ("v", {"tile_avx512.c", "tile_avx512_doubles.c", "tile_avx2.c"}),  # what AVX added starts so, at any width
    ),
)
def test_instructions_stay_in_their_files(pattern, files):
    if platform.machine() != "x86_64":
        pytest.skip("not an x86-64 build")
    if not source_files():
        pytest.skip("the library has no symbols: its code cannot be told apart")
    found = files_with(pattern)
    assert found, "the listing was not understood"
    assert found <= files
