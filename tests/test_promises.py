"""Each promise names its proofs, and the proofs exist.

Reference: the test files, read but not run, and the Makefile; tolerance: none.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROMISES = (ROOT / "docs" / "promises.md").read_text(encoding="utf-8")
TESTS = sorted(set(re.findall(r"`tests/(test_\w+\.py)::([\w:]+)`", PROMISES)))
FILES = set(re.findall(r"`tests/(test_\w+\.py)\b", PROMISES))
COMMANDS = sorted(set(re.findall(r"`make ([\w-]+)", PROMISES)))


@cache
def names_in(file):
    """The names of a file's tests, Class::test for those of a class."""
    names = set()
    for node in ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.ClassDef):
            names |= {f"{node.name}::{method.name}" for method in node.body if isinstance(method, ast.FunctionDef)}
    return {name for name in names if name.rpartition("::")[2].startswith("test_")}


@pytest.mark.parametrize("file, name", TESTS)
def test_named_tests_exist(file, name):
    assert name in names_in(file)


def test_every_file_is_named_and_has_tests():
    assert {file.name for file in (ROOT / "tests").glob("test_*.py")} == FILES
    assert all(map(names_in, FILES))


@pytest.mark.parametrize("command", COMMANDS)
def test_named_commands_exist(command):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{command}( [\w-]+)*:(?!=)", makefile, re.MULTILINE)


def test_every_promise_has_a_proof():
    rows = [
        line.split(" | ") for line in PROMISES.splitlines() if line.startswith("| ") and not line.startswith("| fault ")
    ]
    assert rows
    for row in rows:
        assert len(row) == 3 and re.search(r"`tests/test_\w+\.py", row[-1]), row
