"""What a mutant is, and the tests that more than one of them needs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    name: str
    file: str
    edits: tuple[tuple[str, str], ...]  # what stands in the file exactly once, and what replaces it
    tests: tuple[str, ...]  # some of which have to fail
    isa: str = "baseline"  # with this instruction set, so that no time goes to the others; "" where tests name none
    vendor: str = ""  # of the processors that run what is broken; "" for all


GUARDS = ("test_guard_pages.py::test_no_touch",)
VIEWS = ("test_views.py::test_large_inputs", "test_views.py::test_large_outputs")
CHAIN = ("test_reproducible.py::test_each_output_is_one_chain_in_order",)
CUTS = ("test_reproducible.py::test_residual_and_bounds_come_after_a_sum_in_parts",)
DEEP = (
    "test_reproducible.py::test_deep_chains_are_not_split",
    "test_numbers.py::test_depth_beyond_every_block",
)
FEW = (
    "test_reproducible.py::test_few_outputs",
    "test_reproducible.py::test_few_outputs_of_pixels_beyond_near_caches",
)
RESTS = ("test_reproducible.py::test_last_outputs_apart_from_tiles",)
KEPT = ("test_reproducible.py::test_kept_x",)
LONE = ("test_reproducible.py::test_pixels_beyond_whole_and_half_vectors",)
LARGE = ("test_reproducible.py::test_corners_of_planes_beyond_every_cache",)
PAGES = ("test_reproducible.py::test_outputs_at_the_same_place_of_their_pages_as_x",)
STRIDES = ("test_reproducible.py::test_stride_by_view_and_by_argument", "test_reproducible.py::test_cuts_of_stretches")
SLICES = ("test_reproducible.py::test_weights_beyond_every_cache",)
FORKS = (
    "test_processes.py::test_fork_after_a_threaded_call",
    "test_processes.py::test_fork_in_a_forked_child",
    "test_processes.py::test_a_child_has_threads_of_its_own",
)
PACKED = (
    "test_layer.py::test_weights_stay_the_same_however_calls_pack_them",
    "test_reproducible.py::test_groups_one_by_one",
)
REPEATS = ("test_repeats.py", "test_out.py")
SPECIAL = ("test_special_values.py",)
