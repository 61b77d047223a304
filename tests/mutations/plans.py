"""Mutants of plans, blocks and packing: what tiles get to see."""

from __future__ import annotations

from .mutant import GUARDS, PACKED, REPEATS, RESTS, VIEWS, Mutant

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
        (("padded_row((strip + p.lone) * p.unit)", "padded_row(strip * p.unit)"),),
        ("test_memory.py::test_scratch_of_a_thread",),
        isa="avx2",
    ),
    Mutant(
        "room for rows of packed x",
        "plan.pxi",
        (("ceil_div(p.c_in * row, SCRATCH_BYTES), ", ""),),
        ("test_memory.py::test_scratch_of_a_thread",),
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
