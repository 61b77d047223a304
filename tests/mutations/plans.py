"""Mutants of plans, blocks and packing: what tiles get to see."""

from __future__ import annotations

from .mutant import (
    DEEP,
    GUARDS,
    PACKED,
    REPEATS,
    RESTS,
    VIEWS,
    Mutant,
)

MUTANTS = (
    Mutant(
        "tasks of many outputs",
        "blocks.pxi",
        (("if fewest > p.shares:", "if 0:"),),
        ("test_processes.py::test_many_outputs_are_several_tasks",),
        isa="avx2",
    ),
    Mutant(
        "tasks of many outputs, for each thread",
        "blocks.pxi",
        (("ceil_div(fewest, p.shares) * p.shares", "fewest"),),
        ("test_processes.py::test_many_outputs_are_several_tasks",),
        isa="avx2",
    ),
    Mutant(
        "room for residuals",
        "plan.pxi",
        (("SCRATCH_BYTES - (RESIDUAL_BYTES if", "SCRATCH_BYTES - (0 if"),),
        ("test_memory.py::test_scratch_of_a_thread",),
        isa="avx512",
    ),
    Mutant(
        "room for lone pixels",
        "plan.pxi",
        (("SCRATCH_BYTES) if p.lone and p.x.packed else 1", "SCRATCH_BYTES) if False else 1"),),
        ("test_memory.py::test_scratch_of_a_thread",),
        isa="avx2",
    ),
    Mutant(
        "room for the blocks of two threads",
        "blocks.pxi",
        (("p.blocks if p.block == least and", "p.blocks if p.cuts > 1 and"),),
        ("test_memory.py::test_scratch_of_a_thread",),
        isa="avx2",
    ),
    Mutant(
        "panels abreast that are less wide",
        "blocks.pxi",
        (("        end = min(end, larger - last)\n", "        pass\n"),),
        GUARDS,
        isa="avx512",
    ),
    Mutant(
        "padding of panels abreast",
        "blocks.pxi",
        (("        end -= 1\n", "        pass\n"),),
        GUARDS,
        isa="avx2",
    ),
    Mutant(
        "residual of the rest",
        "untiled.pxi",
        (("p.out.packed or p.has_residual or p.c_in", "p.out.packed or p.c_in"),),
        GUARDS,
        isa="avx2",
    ),
    Mutant(
        "band of the rest",
        "packing.pxi",
        (("fair_part(units - alone, bands", "fair_part(units, bands"),),
        RESTS,
        isa="avx512",
    ),
    Mutant(
        "panels beside the rest",
        "blocks.pxi",
        (("    end = min(end, panels)\n", ""),),
        RESTS,
        isa="avx512",
    ),
    Mutant(
        "few outputs in cuts",
        "untiled.pxi",
        ((" and p.c_in * MAX_ROWS * p.unit <= PACKED_BYTES", ""),),
        DEEP,
        isa="avx512",
    ),
    Mutant(
        "residual and short sums", "untiled.pxi", ((" or p.has_residual or p.out", " or p.out"),), GUARDS, isa="avx2"
    ),
    Mutant(
        "panels of short sums",
        "untiled.pxi",
        (("p.bands[BY_PANELS] > 1", "p.bands[BY_PANELS] > 2"),),
        GUARDS,
        isa="avx2",
    ),
    Mutant("outputs of rows of few channels", "untiled.pxi", (("t.c += t.c_line\n", "pass\n"),), GUARDS, isa="avx512"),
    Mutant("pixels of rows of few channels", "untiled.pxi", (("t.a += t.a_line\n", "pass\n"),), GUARDS, isa="avx512"),
    Mutant(
        "sums of rows of few channels", "untiled.pxi", (("t.start += t.start_line\n", "pass\n"),), GUARDS, isa="avx512"
    ),
    Mutant(
        "residual of rows of few channels",
        "untiled.pxi",
        (("t.residual += t.residual_line\n", "pass\n"),),
        GUARDS,
        isa="avx512",
    ),
    Mutant("band of a group", "packing.pxi", (("(group * units * packing.lanes + here.first)", "here.first"),), PACKED),
    Mutant("bands that end together", "packing.pxi", (("                j += 1", "                j += 2"),), PACKED),
    Mutant(
        "threads of a packed form",
        "blocks.pxi",
        (("p.mix = mix_of", "p.threads = threads; p.mix = mix_of"),),
        REPEATS,
        isa="avx512",
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
)
