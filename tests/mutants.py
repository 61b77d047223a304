"""Breaks the core on purpose, one place at a time, and shows that the tests see it.

    python mutants.py [name ...]     all of them, or those whose names contain one of these words

Every mutant is built in a copy of the tree, without optimisation and through ccache, so that only what it changes is
compiled. The exit code is 1 if the tests stay green with one of them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mutations import MUTANTS

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 400  # after that a run counts as hanging, and so as red


def lacking(mutant):
    """What this machine does not have of what runs the broken lines, or ""."""
    info = Path("/proc/cpuinfo").read_text()
    needed = {"avx2": {"avx2", "fma"}, "avx512": {"avx512f", "avx512bw", "avx512dq", "avx512vl"}}
    if not needed.get(mutant.isa, set()) <= set(info.split()):
        return mutant.isa
    return mutant.vendor if mutant.vendor not in info else ""


def break_it(tree, mutant):
    path = tree / "src_pyx" / mutant.file
    text = path.read_text()
    for old, new in mutant.edits:
        if text.count(old) != 1:
            sys.exit(f"{mutant.name}: {mutant.file} has {text.count(old)} times, not once: {old}")
        text = text.replace(old, new)
    path.write_text(text)


def build(tree):
    """The extension, without optimisation: a third of the time, and wrong in the same places."""
    setup = tree / "setup.py"
    setup.write_text(setup.read_text().replace('"-O3"', '"-O0"'))
    command = [sys.executable, "setup.py", "--quiet", "build_ext", "--inplace", "--force"]
    environment = {
        **os.environ,
        "CC": "ccache gcc",
        "CCACHE_DIR": str(tree.parent / "ccache"),
        "CCACHE_BASEDIR": str(tree),
    }
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"the build failed\n{done.stdout}\n{done.stderr}")


def run_tests(tree, tests, isa):
    """Whether they pass, and what was seen first if not."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "--tb=no", "-p", "no:cacheprovider"]
    command += [*tests, "-k", isa]
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    try:
        done = subprocess.run(
            command, cwd=tree / "tests", env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return False, "hangs"
    if done.returncode < 0:
        return False, f"signal {-done.returncode}"
    if done.returncode > 1 or not re.search("passed|failed", done.stdout):
        sys.exit(f"pytest could not run {' '.join(tests)}\n{done.stdout}\n{done.stderr}")
    failures = [
        line.removeprefix("FAILED ").split(" - ")[0] for line in done.stdout.splitlines() if line.startswith("FAILED")
    ]
    return done.returncode == 0, failures[0] if failures else ""


def copy_changed(source, target):
    """With the time of now, newer than what was built of a broken file; others keep theirs, and what was built of them."""
    source, target = Path(source), Path(target)
    if not target.exists() or target.read_bytes() != source.read_bytes():
        shutil.copy(source, target)


def fresh_copy(tree):
    """The tree as it is."""
    for name in ("src_pyx", "tests", "pwconv", "setup.py", "pyproject.toml", "README.md", "LICENSE"):
        source, target = ROOT / name, tree / name
        if source.is_dir():
            ignore = shutil.ignore_patterns("*.so", "__pycache__")
            shutil.copytree(source, target, dirs_exist_ok=True, ignore=ignore, copy_function=copy_changed)
        else:
            copy_changed(source, target)


def main():
    asked = sys.argv[1:]
    chosen = [m for m in MUTANTS if not asked or any(word in m.name for word in asked)]
    missing = {mutant: what for mutant in chosen if (what := lacking(mutant))}
    for mutant, what in missing.items():
        print(f"SKIPPED: this machine has no {what}: {mutant.name}", flush=True)
    chosen = [mutant for mutant in chosen if mutant not in missing]
    survivors = []
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        tree = Path(folder, "tree")
        tree.mkdir()
        fresh_copy(tree)
        for mutant in chosen:
            break_it(tree, mutant)
            fresh_copy(tree)
        build(tree)
        for isa in dict.fromkeys(m.isa for m in chosen):
            tests = dict.fromkeys(test for m in chosen if m.isa == isa for test in m.tests)
            green, seen = run_tests(tree, tests, isa)
            if not green:
                sys.exit(f"the tests fail on the unbroken tree: {seen}")
        print(f"unbroken, all tests named here: green; {len(chosen)} mutants", flush=True)
        for mutant in chosen:
            begin = time.monotonic()
            break_it(tree, mutant)
            build(tree)
            green, seen = run_tests(tree, mutant.tests, mutant.isa)
            fresh_copy(tree)
            if green:
                survivors.append(mutant.name)
            verdict = "SURVIVES" if green else "seen"
            print(f"{verdict:8} {time.monotonic() - begin:4.0f} s  {mutant.name:30}  {seen}", flush=True)
    if survivors:
        sys.exit(f"no test sees: {', '.join(survivors)}")


if __name__ == "__main__":
    main()
