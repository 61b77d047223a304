"""Mutants of what leads to the kernels: calls, plans, blocks, the loop nest, threads."""

from __future__ import annotations

from .mutant import CUTS, DEEP, FORKS, GUARDS, KEPT, LARGE, PACKED, REPEATS, SLICES, SPECIAL, STRIDES, VIEWS, Mutant

MUTANTS = (
    Mutant(
        "planes of a copy",
        "near.pxi",
        (("there + channel * operand.channel,", "there,"),),
        VIEWS,
    ),
    Mutant(
        "rows of a plane in a copy",
        "near.pxi",
        (("min(count // run, p.count[p.axes - 2] - first // run % p.count[p.axes - 2])", "count // run"),),
        VIEWS,
    ),
    Mutant(
        "offsets of 32 bits",
        "near.pxi",
        (("there = far + pixel_offset(p, operand, first)", "there = far + <int> pixel_offset(p, operand, first)"),),
        ("test_huge.py",),
    ),
    Mutant(
        "offsets of 32 bits, in place",
        "loops.pxi",
        (("block.x_at = pixel", "block.x_at = <int> pixel"),),
        ("test_huge.py",),
    ),
    Mutant("strips kept by lines", "loops.pxi", (("t.keep += tiles * t.keep_tile", "t.keep += 0"),), KEPT),
    Mutant("strips kept, read", "loops.pxi", (("width, t.keep_tile", "width, width"),), KEPT, isa="avx2"),
    Mutant("x of some pixels, rows", "loops.pxi", (("t.a = x.data + begin * x.pixel", "t.a = x.data"),), VIEWS),
    Mutant("x of some pixels, columns", "loops.pxi", (("t.b = x.data + begin * x.pixel", "t.b = x.data"),), VIEWS),
    Mutant(
        "zero bound above", "layer.pxi", (("zero = 0.0 if low == 0 or high == 0 else -0.0", "zero = -0.0"),), SPECIAL
    ),
    Mutant("bounds other than zero", "layer.pxi", (("low == 0 or high == 0 else -0.0", "True else -0.0"),), SPECIAL),
    Mutant(
        "bounds at a cut of the sum",
        "loops.pxi",
        (("t.bounded = call.bounded if last else 0", "t.bounded = call.bounded"),),
        CUTS,
    ),
    Mutant(
        "bounds at a slice of the sum",
        "loops.pxi",
        (("here.bounded, here.residual = 0, NULL", "here.residual = NULL"),),
        CUTS,
        isa="avx2",
    ),
    Mutant(
        "residual at a slice of the sum",
        "loops.pxi",
        (("here.bounded, here.residual = 0, NULL", "here.bounded = 0"),),
        CUTS,
        isa="avx2",
    ),
    Mutant("bias at each slice", "loops.pxi", (("        if i > 0:\n", "        if False:\n"),), DEEP, isa="avx2"),
    Mutant(
        "bias at each cut",
        "loops.pxi",
        (("t.start = bias if cut == 0 else out.data", "t.start = bias"),),
        DEEP,
        isa="avx2",
    ),
    Mutant(
        "x of a slice",
        "loops.pxi",
        (("        here.a += first * t.a_k\n", ""),),
        ("test_numbers.py::test_width_beyond_every_block",),
        isa="avx2",
    ),
    Mutant(
        "weights of a slice",
        "loops.pxi",
        (("here.b += first * t.b_k", "here.b += 0"),),
        SLICES,
        isa="avx2",
    ),
    Mutant(
        "weights of lines side by side",
        "loops.pxi",
        (("t.b_line = t.b_k * p.c_in", "t.b_line = 0"),),
        LARGE,
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
        "few outputs in cuts",
        "untiled.pxi",
        ((" and p.c_in * MAX_ROWS * p.unit <= PACKED_BYTES", ""),),
        DEEP,
        isa="avx512",
    ),
    Mutant(
        "height of a band of planes",
        "loops.pxi",
        (("t.a_k = tall * p.unit", "t.a_k = height * p.unit"),),
        GUARDS,
        isa="avx2",
    ),
    Mutant(
        "residual and short sums", "untiled.pxi", ((" or p.has_residual or p.out", " or p.out"),), GUARDS, isa="avx2"
    ),
    Mutant("panels of short sums", "untiled.pxi", (("p.bands[1] > 1", "p.bands[1] > 2"),), GUARDS, isa="avx2"),
    Mutant("outputs of rows of few channels", "loops.pxi", (("t.c += t.c_line\n", "pass\n"),), GUARDS, isa="avx512"),
    Mutant("pixels of rows of few channels", "loops.pxi", (("t.a += t.a_line\n", "pass\n"),), GUARDS, isa="avx512"),
    Mutant(
        "sums of rows of few channels", "loops.pxi", (("t.start += t.start_line\n", "pass\n"),), GUARDS, isa="avx512"
    ),
    Mutant(
        "residual of rows of few channels",
        "loops.pxi",
        (("t.residual += t.residual_line\n", "pass\n"),),
        GUARDS,
        isa="avx512",
    ),
    Mutant("x of stretches", "loops.pxi", (("t.a_line = x.stretch", "t.a_line = 0"),), STRIDES),
    Mutant("outputs of stretches", "loops.pxi", (("t.c_line = out.stretch", "t.c_line = 0"),), STRIDES),
    Mutant("residual of stretches", "loops.pxi", (("residual.stretch if t.residual", "0 if t.residual"),), STRIDES),
    Mutant("sums in slices of stretches", "loops.pxi", (("False, t.c_line", "False, 0"),), SLICES, isa="avx512"),
    Mutant(
        "sums in cuts of stretches",
        "loops.pxi",
        (("out.stretch if t.start_row", "0 if t.start_row"),),
        STRIDES,
        isa="avx512",
    ),
    Mutant("packed stretches", "near.pxi", (("near.stretch = p.stretch * near.pixel", "near.stretch = 0"),), STRIDES),
    Mutant("weights of a slice of bands", "loops.pxi", (("&here, term + first,", "&here, term,"),), LARGE, isa="avx2"),
    Mutant(
        "bands after the first",
        "loops.pxi",
        (("move_down(p, &t, rows)", "move_down(p, &t, 0)"),),
        LARGE,
        isa="avx2",
    ),
    Mutant(
        "weights of a later cut, channels as rows",
        "loops.pxi",
        (("        t.a += term * t.a_k\n", ""),),
        DEEP,
        isa="avx2",
    ),
    Mutant(
        "weights of a later cut, pixels as rows",
        "loops.pxi",
        (("t.b = weight + k * width * p.unit", "t.b = weight"),),
        DEEP,
        isa="avx2",
    ),
    Mutant("from band to band", "loops.pxi", (("t.a += rows * p.c_in", "t.a += rows * p.c_out"),), PACKED),
    Mutant("weights of bands together", "loops.pxi", (("a_line = tall * p.c_in * p.unit", "a_line = 0"),), PACKED),
    Mutant("outputs of bands together", "loops.pxi", (("c_line = tall * t.c_row", "c_line = 0"),), PACKED),
    Mutant("biases of bands together", "loops.pxi", (("start_line = tall * t.start_row", "start_line = 0"),), PACKED),
    Mutant(
        "residuals of bands together",
        "loops.pxi",
        (("residual_line = tall * t.residual_row", "residual_line = 0"),),
        LARGE,
    ),
    Mutant("bands that go together", "loops.pxi", (("        i += t.lines", "        i += t.lines + 1"),), PACKED),
    Mutant(
        "bands of panels",
        "loops.pxi",
        (("bands = first_band(p, number + 1)", "bands = part(p.bands[0], p.panels, number + 1)"),),
        KEPT,
        isa="avx512",
    ),
    Mutant("band of a group", "packing.pxi", (("(group * units * packing.lanes + here.first)", "here.first"),), PACKED),
    Mutant("bands that end together", "packing.pxi", (("                j += 1", "                j += 2"),), PACKED),
    Mutant(
        "weights in their other form",
        "call.pxi",
        (("call.weight = layer.packings[p.pixels_are_rows].data", "call.weight = any_form(layer).data"),),
        PACKED,
    ),
    Mutant(
        "bias of a group",
        "loops.pxi",
        (("call.bias + block.group * p.bias_group + channel", "call.bias + channel"),),
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
        "call of a class of its own",
        "vectorcall.pxi",
        (("count == 1 and cls.tp_call == (<PyTypeObject *> Layer).tp_call", "count == 1"),),
        ("test_layer.py::test_a_class_may_have_a_call_of_its_own",),
        isa="",
    ),
    Mutant(
        "names in a call",
        "vectorcall.pxi",
        (("residual = <object> arguments[1 + i]", "residual = <object> arguments[1]"),),
        ("test_layer.py::test_every_form_of_a_call",),
        isa="",
    ),
    Mutant(
        "small call alone",
        "team.c",
        (("if (is_left_alone(small)) members = 1;", ""),),
        ("test_threads.py::test_a_small_call_has_a_second_thread_only_after_another_one",),
        isa="",
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
        "call.pxi",
        (("return a_data + a_view.high <= b_data + b_view.low or", "return True or"),),
        REPEATS,
    ),
    Mutant(
        "strides of a known call",
        "call.pxi",
        (("and memcmp(cnp.PyArray_STRIDES(array), view.strides, axes * sizeof(Py_ssize_t)) == 0)", ")"),),
        REPEATS,
    ),
    Mutant(
        "dtype of a known call",
        "call.pxi",
        (
            (
                "cnp.PyArray_NDIM(array) == axes and <void *> cnp.PyArray_DESCR(array) == view.dtype",
                "cnp.PyArray_NDIM(array) == axes",
            ),
        ),
        REPEATS,
    ),
    Mutant(
        "threads of a packed form",
        "blocks.pxi",
        (("p.mix = mix_of", "p.threads = threads; p.mix = mix_of"),),
        REPEATS,
        isa="avx512",
    ),
    Mutant(
        "flags of a known call", "call.pxi", (("and (cnp.PyArray_FLAGS(array) & FLAGS) == view.flags", ""),), REPEATS
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
        "call.pxi",
        (("PyErr_CheckSignals()", "pass"),),
        ("test_processes.py::test_interrupt_ends_a_long_call",),
    ),
)
