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
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 400  # after that a run counts as hanging, and so as red


@dataclass(frozen=True)
class Mutant:
    name: str
    file: str
    edits: tuple[tuple[str, str], ...]  # what stands in the file exactly once, and what replaces it
    tests: tuple[str, ...]  # some of which have to fail
    isa: str = "baseline"  # with this instruction set, so that no time goes to the others


GUARDS = ("test_guard_pages.py::test_no_touch",)
VIEWS = ("test_views.py::test_large_inputs", "test_views.py::test_large_outputs")
CHAIN = ("test_reproducible.py::test_each_output_is_one_chain_in_order",)
CUTS = ("test_reproducible.py::test_residual_and_bounds_come_after_a_sum_in_parts",)
DEEP = (
    "test_reproducible.py::test_deep_chains_are_not_split",
    "test_numbers.py::test_depth_beyond_every_block",
)
FORKS = (
    "test_processes.py::test_fork_after_a_threaded_call",
    "test_processes.py::test_fork_in_a_forked_child",
    "test_processes.py::test_a_child_has_threads_of_its_own",
)
REPEATS = ("test_repeats.py", "test_out.py")
SPECIAL = ("test_special_values.py",)

MUTANTS = (
    Mutant(
        "load mask of AVX2",
        "vec.h",
        (
            (
                "OP(maskload)((const REAL *)p, NAME(lane_mask)(n))",
                "OP(maskload)((const REAL *)p, NAME(lane_mask)(n + 1))",
            ),
        ),
        GUARDS,
        isa="avx2",
    ),
    Mutant(
        "store mask of AVX2",
        "vec.h",
        (("OP(maskstore)((REAL *)p, NAME(lane_mask)(n), x)", "OP(maskstore)((REAL *)p, NAME(lane_mask)(n + 1), x)"),),
        GUARDS,
        isa="avx2",
    ),
    Mutant(
        "load mask of AVX-512",
        "vec.h",
        (("maskz_loadu)((1u << n) - 1, p)", "maskz_loadu)((2u << n) - 1, p)"),),
        GUARDS,
        isa="avx512",
    ),
    Mutant(
        "store mask of AVX-512",
        "vec.h",
        (("mask_storeu)(p, (1u << n) - 1", "mask_storeu)(p, (2u << n) - 1"),),
        GUARDS,
        isa="avx512",
    ),
    Mutant("load of a tail, baseline", "vec.h", (("if (i < n) x[i] =", "if (i <= n) x[i] ="),), GUARDS),
    Mutant(
        "tail of the straight copy",
        "copy.h",
        (
            (
                "vload_n(src + j * sizeof(REAL), (int)(n1 - j)), (int)(n1 - j));",
                "vload(src + j * sizeof(REAL)), (int)(n1 - j));",
            ),
        ),
        GUARDS,
    ),
    Mutant(
        "tail of the transposing copy",
        "copy.h",
        (("(int)(n1 - j < LANES ? n1 - j : LANES));", "LANES);"),),
        (*GUARDS, *VIEWS),
    ),
    Mutant(
        "halves of the transposing copy",
        "copy.h",
        (
            (
                "next[2 * j + 1] = riffle_high(row[j], row[j + LANES / 2]);",
                "next[2 * j + 1] = riffle_low(row[j], row[j + LANES / 2]);",
            ),
        ),
        VIEWS,
    ),
    Mutant(
        "last vector of the picking copy",
        "copy.h",
        (("const int last = step * (LANES - 1) - LANES + 1;", "const int last = step * LANES - LANES;"),),
        (*GUARDS, *VIEWS),
        isa="avx2",
    ),
    Mutant(
        "load of few channels",
        "mix.h",
        (("vload_n(a + v * sizeof(vec), NAME(lanes_left)(left * C_IN, v))", "vload(a + v * sizeof(vec))"),),
        GUARDS,
        isa="avx2",
    ),
    Mutant(
        "lanes left of few channels",
        "mix.h",
        (("left < LANES ? (int)left : LANES", "left < LANES ? (int)left + 1 : LANES"),),
        GUARDS,
        isa="avx512",
    ),
    Mutant(
        "bound below, few channels",
        "mix.h",
        (("if (t->bounded & LOW)", "if (0)"),),
        GUARDS,
        isa="avx2",
    ),
    Mutant("bound above, few channels", "mix.h", (("if (t->bounded & HIGH)", "if (0)"),), GUARDS, isa="avx2"),
    Mutant("relu, few channels", "mix.h", (("if (t->bounded & RELU)", "if (0)"),), SPECIAL, isa="avx512"),
    Mutant("byte order", "convert.c", (("bits = SWAP(bits);", ""),), VIEWS),
    Mutant(
        "offsets of 32 bits",
        "loops.pxi",
        (("there = far + pixel_offset(p, operand, first)", "there = far + <int> pixel_offset(p, operand, first)"),),
        ("test_huge.py",),
    ),
    Mutant(
        "offsets of 32 bits, in place",
        "loops.pxi",
        (("block.x_at = pixel", "block.x_at = <int> pixel"),),
        ("test_huge.py",),
    ),
    Mutant(
        "order of the sum",
        "tile.h",
        (
            (
                "    ptrdiff_t k = t->depth;",
                "    ptrdiff_t k = t->depth, end = k ? k - 1 : 0;\n"
                + "    at.a += end * a_k, at.a5 += end * a_k, at.a10 += end * a_k, at.b += end * b_k;",
            ),
            (
                "at->a += STEPS * a_k, at->a5 += STEPS * a_k, at->a10 += STEPS * a_k, at->b += STEPS * b_k;",
                "at->a -= STEPS * a_k, at->a5 -= STEPS * a_k, at->a10 -= STEPS * a_k, at->b -= STEPS * b_k;",
            ),
        ),
        CHAIN,
        isa="avx2",
    ),
    Mutant(
        "two roundings",
        "vec.h",
        (
            (
                '__asm__("vfmadd231" SUFFIX " %2, %1, %0" : "+v"(c) : "v"(a), "v"(b));',
                "c = OP(add)(OP(mul)(a, b), c);",
            ),
        ),
        CHAIN,
        isa="avx2",
    ),
    Mutant(
        "residual of the next tile",
        "real.h",
        (("if (residual) residual += t->residual_tile;", ""),),
        ("test_numbers.py",),
    ),
    Mutant("second of two terms", "tile.h", (("*b = at->b + i * b_k,", "*b = at->b,"),), CHAIN, isa="avx512"),
    Mutant("x of some pixels", "loops.pxi", (("terms = x.data + begin * x.pixel", "terms = x.data"),), VIEWS),
    Mutant("bound below", "tile.h", (("if (t->bounded & LOW)", "if (0)"),), SPECIAL),
    Mutant("bound above", "tile.h", (("if (t->bounded & HIGH)", "if (0)"),), SPECIAL),
    Mutant("relu of a tail", "tile.h", (("if (t->bounded & RELU) EACH", "if (0) EACH"),), SPECIAL),
    Mutant("relu of whole tiles", "tile.h", (("vrelu(acc[r][v]));", "acc[r][v]);"),), SPECIAL),
    Mutant("relu of tiles", "tile.h", (("if (t->bounded & RELU) EACH", "if (0) EACH"),), SPECIAL, isa="avx512"),
    Mutant("NaN at the bound below", "vec.h", (("OP(max)(low, x)", "OP(max)(x, low)"),), SPECIAL, isa="avx2"),
    Mutant("NaN at the bound above", "vec.h", (("OP(min)(high, x)", "OP(min)(x, high)"),), SPECIAL, isa="avx2"),
    Mutant(
        "zero bound above", "layer.pxi", (("zero = 0.0 if low == 0 or high == 0 else -0.0", "zero = -0.0"),), SPECIAL
    ),
    Mutant("bounds other than zero", "layer.pxi", (("low == 0 or high == 0 else -0.0", "True else -0.0"),), SPECIAL),
    Mutant(
        "zero in relu",
        "vec.h",
        (("return vabove(x, (vec){0}, (vec){0});", "return vabove(x, (vec){0}, -(vec){0});"),),
        SPECIAL,
    ),
    Mutant("NaN in the table of relu", "vec.h", (("0x18181821", "0x18181828"),), SPECIAL, isa="avx512"),
    Mutant("zero in the table of relu", "vec.h", (("0x18181821", "0x18181121"),), SPECIAL, isa="avx512"),
    Mutant("infinity in the table of relu", "vec.h", (("0x18181821", "0x18111821"),), SPECIAL, isa="avx512"),
    Mutant(
        "bounds at a cut of the sum",
        "loops.pxi",
        (("t.bounded = call.bounded if ends else 0", "t.bounded = call.bounded if i == slices - 1 else 0"),),
        CUTS,
    ),
    Mutant(
        "bounds at a slice of the sum",
        "loops.pxi",
        (("t.bounded = call.bounded if ends else 0", "t.bounded = call.bounded if last else 0"),),
        CUTS,
    ),
    Mutant(
        "residual at a slice of the sum",
        "loops.pxi",
        (("residual.data if ends and p.has_residual", "residual.data if last and p.has_residual"),),
        CUTS,
    ),
    Mutant(
        "bias at each slice", "loops.pxi", (("starts = cut == 0 and i == 0", "starts = cut == 0"),), DEEP, isa="avx2"
    ),
    Mutant("bias at each cut", "loops.pxi", (("starts = cut == 0 and i == 0", "starts = i == 0"),), DEEP, isa="avx2"),
    Mutant(
        "x of a slice",
        "loops.pxi",
        (("terms += t.depth * x.channel", "terms += 0"),),
        ("test_numbers.py::test_width_beyond_every_block",),
        isa="avx2",
    ),
    Mutant(
        "weights of a slice",
        "loops.pxi",
        (("weight += t.depth * width * p.unit", "weight += 0"),),
        DEEP,
        isa="avx2",
    ),
    Mutant(
        "bias of a group",
        "loops.pxi",
        (("call.bias + (block.group * vectors + at) * lanes", "call.bias + at * lanes"),),
        ("test_reproducible.py::test_groups_one_by_one",),
    ),
    Mutant(
        "workers of a child",
        "team.c",
        (("workers = asleep = waiting = seats = 0;", "asleep = waiting = seats = 0;"),),
        FORKS,
    ),
    Mutant(
        "lock of a child",
        "team.c",
        (("static void in_parent(void) { pthread_mutex_unlock(&lock); }", "static void in_parent(void) {}"),),
        FORKS,
    ),
    Mutant(
        "float mode of a worker",
        "team.c",
        (("set_float_mode(job->float_mode);", ""),),
        ("test_processes.py::test_float_mode_of_the_caller_holds_in_every_thread",),
    ),
    Mutant(
        "last task of a share",
        "team.c",
        (("(last - first) * (i + 1) / members;", "(last - first) * (i + 1) / members - (i > 0);"),),
        ("test_reproducible.py::test_threads",),
    ),
    Mutant(
        "seat of a worker", "team.c", (("job->seated++;", "job->seated;"),), ("test_reproducible.py::test_threads",)
    ),
    Mutant(
        "wait for workers",
        "team.c",
        (("if (!spin(&job.busy, 1)) {", "if (0) {"),),
        ("test_reproducible.py::test_threads",),
    ),
    Mutant(
        "overlap",
        "layer.pxi",
        (("return a_data + a_view.high <= b_data + b_view.low or", "return True or"),),
        REPEATS,
    ),
    Mutant(
        "strides of a known call",
        "layer.pxi",
        (("and memcmp(cnp.PyArray_STRIDES(array), view.strides, axes * sizeof(Py_ssize_t)) == 0)", ")"),),
        REPEATS,
    ),
    Mutant(
        "dtype of a known call",
        "layer.pxi",
        (
            (
                "cnp.PyArray_NDIM(array) == axes and <void *> cnp.PyArray_DESCR(array) == view.dtype",
                "cnp.PyArray_NDIM(array) == axes",
            ),
        ),
        REPEATS,
    ),
    Mutant(
        "flags of a known call", "layer.pxi", (("and (cnp.PyArray_FLAGS(array) & FLAGS) == view.flags", ""),), REPEATS
    ),
    Mutant(
        "axes that follow each other",
        "plan.pxi",
        (
            (
                "operand.pixel[outer] == count * operand.pixel[inner]",
                "operand.pixel[outer] >= count * operand.pixel[inner]",
            ),
        ),
        VIEWS,
    ),
    Mutant(
        "signals",
        "layer.pxi",
        (("PyErr_CheckSignals()", "pass"),),
        ("test_processes.py::test_interrupt_ends_a_long_call",),
    ),
)


def available_isas():
    """Of those that the mutants name."""
    flags = Path("/proc/cpuinfo").read_text().split()
    return (
        {"baseline"}
        | ({"avx2"} if "avx2" in flags and "fma" in flags else set())
        | ({"avx512"} if {"avx512f", "avx512bw", "avx512dq", "avx512vl"} <= set(flags) else set())
    )


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


def fresh_copy(tree):
    """The tree as it is, with the times of its files, so that what was built of unchanged files stays valid."""
    for name in ("src_pyx", "tests", "pwconv", "setup.py", "pyproject.toml", "README.md", "LICENSE"):
        source, target = ROOT / name, tree / name
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
        else:
            shutil.copy2(source, target)


def main():
    asked = sys.argv[1:]
    chosen = [m for m in MUTANTS if not asked or any(word in m.name for word in asked)]
    for mutant in chosen:
        if mutant.isa not in available_isas():
            print(f"SKIPPED: this machine has no {mutant.isa}: {mutant.name}", flush=True)
    chosen = [m for m in chosen if m.isa in available_isas()]
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
