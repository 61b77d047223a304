"""The places where mutants.py breaks the core: what it replaces there, and the tests that have to see it."""

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
KEPT = ("test_reproducible.py::test_kept_x",)
LARGE = ("test_reproducible.py::test_corners_of_planes_beyond_every_cache",)
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

MUTANTS = (
    Mutant(
        "load mask of AVX2",
        "vec.h",
        (
            (
                "vload_n(const char *p, int n) { return vload_of(p, vlanes_of(n)); }",
                "vload_n(const char *p, int n) { return vload_of(p, vlanes_of(n + 1)); }",
            ),
        ),
        GUARDS,
        isa="avx2",
    ),
    Mutant(
        "store in parts of AVX2",
        "vec.h",
        (("if (bytes & 4) {", "if (1) {"),),
        GUARDS,
        isa="avx2",
    ),
    Mutant(
        "load mask of AVX-512",
        "vec.h",
        (("vlanes_of(int n) { return (1u << n) - 1; }", "vlanes_of(int n) { return (2u << n) - 1; }"),),
        GUARDS,
        isa="avx512",
    ),
    Mutant(
        "store mask of AVX-512",
        "vec.h",
        (("mask_storeu)(p, vlanes_of(n)", "mask_storeu)(p, vlanes_of(n + 1)"),),
        GUARDS,
        isa="avx512",
    ),
    Mutant("load of a tail, baseline", "vec.h", (("if (i < lanes) x[i] =", "if (i <= lanes) x[i] ="),), GUARDS),
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
        (("(int)n0, (int)n1);", "(int)n0, LANES);"),),
        (*GUARDS, *VIEWS),
    ),
    Mutant(
        "halves of the transposing copy",
        "copy.h",
        (
            (
                "next[to + SIDE / 2] = vodd(row[2 * j], row[2 * j + 1]);",
                "next[to + SIDE / 2] = veven(row[2 * j], row[2 * j + 1]);",
            ),
        ),
        VIEWS,
    ),
    Mutant(
        "16-byte parts of the transposing copy",
        "copy.h",
        (("next[j + half] = vodd_part(", "next[j + half] = veven_part("),),
        VIEWS,
        isa="avx2",
    ),
    Mutant(
        "last vector of the picking copy",
        "copy.h",
        (("NAME(lanes_left)(step * (n - 1) + 1, v)", "LANES"),),
        (*GUARDS, *VIEWS),
        isa="avx2",
    ),
    Mutant(
        "squares of picked pixels",
        "copy.h",
        (("NAME(rows_from)(src + j * s1, s1)", "NAME(rows_from)(src + j * s1, 0)"),),
        (*VIEWS, *STRIDES),
        isa="avx512",
    ),
    Mutant(
        "load of few channels",
        "mix.h",
        (("vload_n(a + v * sizeof(vec), NAME(lanes_left)(left * C_IN, v))", "vload(a + v * sizeof(vec))"),),
        GUARDS,
        isa="avx2",
    ),
    Mutant(
        "last vector of interleaved rows",
        "copy.h",
        (("else vstore_n(dst, x, NAME(lanes_left)(left * n1, v));", "else vstore(dst, x);"),),
        GUARDS,
        isa="avx512",
    ),
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
        "lanes left of few channels",
        "pick.h",
        (("left < LANES ? (int)left : LANES", "left < LANES ? (int)left + 1 : LANES"),),
        GUARDS,
        isa="avx512",
    ),
    Mutant(
        "bound below, few channels",
        "mix.h",
        (("if (bounded & LOW)", "if (0)"),),
        GUARDS,
        isa="avx2",
    ),
    Mutant("order of one output", "mix.h", (("if (PARTS && C_OUT == 1)", "if (0)"),), GUARDS, isa="avx512"),
    Mutant("order of one channel", "mix.h", (("if (PARTS && C_IN == 1)", "if (0)"),), GUARDS, isa="avx2"),
    Mutant("order of pixels in parts", "few.h", (("LANE_PIXEL(j, PARTS_OF(C_OUT))", "j"),), GUARDS, isa="avx512"),
    Mutant("bound above, few channels", "mix.h", (("if (bounded & HIGH)", "if (0)"),), GUARDS, isa="avx2"),
    Mutant("zero, few channels", "mix.h", (("if (bounded) y += bounds->zero;", ""),), SPECIAL, isa="avx2"),
    Mutant(
        "relu, few channels",
        "mix.h",
        (("if (HAS_RELU && bounded == RELU)", "if (0)"),),
        SPECIAL,
        isa="avx512",
        vendor="GenuineIntel",
    ),
    Mutant("byte order", "convert.c", (("bits = SWAP(bits);", ""),), VIEWS),
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
    Mutant(
        "order of the sum",
        "tile.h",
        (
            (
                "a_ahead : a_last, b_ahead};",
                "a_ahead : a_last, b_ahead};\n"
                + "        const ptrdiff_t end = (k ? k - 1 : 0) * unit;\n"
                + "        at.a.p += end, at.a.p5 += end, at.a.p10 += end, at.b += end * V * LANES;",
            ),
            (
                "at->a.p += STEPS * a_k, at->a.p5 += STEPS * a_k, at->a.p10 += STEPS * a_k, at->b = weights + STEPS * b_k;",
                "at->a.p -= STEPS * a_k, at->a.p5 -= STEPS * a_k, at->a.p10 -= STEPS * a_k, at->b -= STEPS * b_k;",
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
        (("if (residual) residual += residual_next;", ""),),
        ("test_numbers.py",),
    ),
    Mutant("next terms, rows side by side", "tile.h", ((", *b += b_k;", ";"),), CHAIN, isa="avx512"),
    Mutant("row of an element in memory", "tile.h", (("vfma_at(ar, bk[v]", "vfma_at(*a, bk[v]"),), CHAIN, isa="avx512"),
    Mutant("strips kept by tiles", "real.h", (("if (keep) keep += t->keep_tile;", ""),), KEPT, isa="avx512"),
    Mutant("strips kept by lines", "loops.pxi", (("t.keep += tiles * t.keep_tile", "t.keep += 0"),), KEPT),
    Mutant("strips kept, read", "loops.pxi", (("width, t.keep_tile", "width, width"),), KEPT, isa="avx2"),
    Mutant("last steps of a strip", "tile.h", (("if (k == 0) break;", "break;"),), KEPT, isa="avx512"),
    Mutant("terms kept", "tile.h", (("*keep += V * sizeof(vec);", ""),), KEPT),
    Mutant("whole vectors of x in place", "tile.h", (("t->b_whole ? LANES : last", "LANES"),), GUARDS, isa="avx512"),
    Mutant("second of two terms", "tile.h", (("vload(weights + i * b_k", "vload(weights"),), CHAIN, isa="avx512"),
    Mutant(
        "row of one vector in memory",
        "tile.h",
        (("vfma_at(NAME(row)(a, r) + offset", "vfma_at(a->p + offset"),),
        CHAIN,
        isa="avx512",
    ),
    Mutant("second of two rows", "tile.h", (("r + j) + offset", "r) + offset"),), CHAIN, isa="avx512"),
    Mutant("pointer to the sixth row", "tile.h", (("at->a.p5 += STEPS * a_k, ", ""),), CHAIN, isa="avx512"),
    Mutant("x of some pixels, rows", "loops.pxi", (("t.a = x.data + begin * x.pixel", "t.a = x.data"),), VIEWS),
    Mutant("x of some pixels, columns", "loops.pxi", (("t.b = x.data + begin * x.pixel", "t.b = x.data"),), VIEWS),
    Mutant("bound below", "tile.h", (("if (t->bounded & LOW)", "if (0)"),), SPECIAL),
    Mutant("bound above", "tile.h", (("if (t->bounded & HIGH)", "if (0)"),), SPECIAL),
    Mutant("bound below of whole tiles", "tile.h", (("vabove(acc[r][v], low) + zero)", "acc[r][v] + zero)"),), SPECIAL),
    Mutant("zero of whole tiles", "tile.h", (("vabove(acc[r][v], low) + zero)", "vabove(acc[r][v], low))"),), SPECIAL),
    Mutant("zero of a tail", "tile.h", (("EACH acc[r][v] += zero;", ""),), SPECIAL),
    Mutant(
        "relu of whole tiles",
        "tile.h",
        (("vstore(c + v * sizeof(vec), vrelu(acc[r][v]))", "vstore(c + v * sizeof(vec), acc[r][v])"),),
        SPECIAL,
        isa="avx512",
        vendor="GenuineIntel",
    ),
    Mutant(
        "relu of a tail",
        "tile.h",
        (("EACH acc[r][v] = vrelu(acc[r][v]);", ""),),
        SPECIAL,
        isa="avx512",
        vendor="GenuineIntel",
    ),
    Mutant("NaN at the bound below", "vec.h", (("OP(max)(low, x)", "OP(max)(x, low)"),), SPECIAL, isa="avx2"),
    Mutant("NaN at the bound above", "vec.h", (("OP(min)(high, x)", "OP(min)(x, high)"),), SPECIAL, isa="avx2"),
    Mutant(
        "zero bound above", "layer.pxi", (("zero = 0.0 if low == 0 or high == 0 else -0.0", "zero = -0.0"),), SPECIAL
    ),
    Mutant("bounds other than zero", "layer.pxi", (("low == 0 or high == 0 else -0.0", "True else -0.0"),), SPECIAL),
    Mutant(
        "NaN in the table of relu",
        "vec.h",
        (("0x18181821", "0x18181828"),),
        SPECIAL,
        isa="avx512",
        vendor="GenuineIntel",
    ),
    Mutant(
        "zero in the table of relu",
        "vec.h",
        (("0x18181821", "0x18181121"),),
        SPECIAL,
        isa="avx512",
        vendor="GenuineIntel",
    ),
    Mutant(
        "infinity in the table of relu",
        "vec.h",
        (("0x18181821", "0x18111821"),),
        SPECIAL,
        isa="avx512",
        vendor="GenuineIntel",
    ),
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
        "last terms of few outputs",
        "few.h",
        (
            (
                "NAME(terms_of_pixels)(C_OUT, V, AHEAD, t, a, b, last, ahead, (int)k",
                "NAME(terms_of_pixels)(C_OUT, V, AHEAD, t, a, b, last, ahead, LANES",
            ),
        ),
        GUARDS,
        isa="avx512",
    ),
    Mutant("pixels of more outputs", "few.h", (("row[i], C_OUT);", "row[i], LANES);"),), GUARDS, isa="avx512"),
    Mutant(
        "pixels from memory", "few.h", (("SECOND, t, a, last", "SECOND, t, a + t->a_row, last"),), LARGE, isa="avx512"
    ),
    Mutant(
        "bounds of few outputs",
        "few.h",
        (("y[o] = NAME(within)(t->bounded, &bounds, y[o]);", ""),),
        GUARDS,
        isa="avx512",
    ),
    Mutant("weights of few outputs", "few.h", (("b + k * t->b_k + o *", "b + k * t->b_k + 0 *"),), GUARDS, isa="avx2"),
    Mutant("two pixels in a vector", "few.h", (("j / SIDE * 2 * SIDE", "j / SIDE * SIDE"),), GUARDS, isa="avx512"),
    Mutant("second pixels of vectors", "few.h", (("second < pixels ?", "1 ?"),), GUARDS, isa="avx2"),
    Mutant(
        "last pixels' second halves",
        "vec.h",
        (("vlanes_of(m) << LANES / 2", "vlanes_of(m) << 1"),),
        GUARDS,
        isa="avx512",
    ),
    Mutant(
        "few outputs in cuts",
        "plan.pxi",
        ((" and p.c_in * MAX_ROWS * p.unit <= PACKED_BYTES", ""),),
        DEEP,
        isa="avx512",
    ),
    Mutant("last pixels of few outputs", "few.h", (("pixel < pixels ?", "1 ?"),), GUARDS, isa="avx2"),
    Mutant("one output in cuts", "few.h", (("t->start_row ? ", "0 ? "),), GUARDS, isa="avx512"),
    Mutant("residual of one output", "few.h", (("t->residual + offset", "t->residual"),), GUARDS, isa="avx2"),
    Mutant("weights of short sums", "short.h", (("t->b + k * t->b_k", "t->b + 0 * t->b_k"),), GUARDS, isa="avx512"),
    Mutant(
        "last vector of short sums", "short.h", (("if (v < V - 1 || last == LANES)", "if (1)"),), GUARDS, isa="avx2"
    ),
    Mutant(
        "last pixels of short sums", "short.h", (("for (; left > 0; left--", "for (; 0; left--"),), GUARDS, isa="avx2"
    ),
    Mutant(
        "bounds of short sums", "short.h", (("NAME(within)(BOUNDED, bounds, y[i][v])", "y[i][v]"),), GUARDS, isa="avx2"
    ),
    Mutant(
        "weights of planes",
        "planes.h",
        (
            (
                "UNROLL for (int v = 0; v < V; v++) y[v] = vfma_at(a + k * a_k",
                "UNROLL for (int v = 0; v < V; v++) y[v] = vfma_at(a + 0 * a_k",
            ),
        ),
        GUARDS,
        isa="avx512",
    ),
    Mutant(
        "weights of planes, broadcast", "planes.h", (("vset1(a + k * a_k)", "vset1(a + 0 * a_k)"),), GUARDS, isa="avx2"
    ),
    Mutant("last pixels of planes", "planes.h", (("left < LANES ? (int)left : LANES", "LANES"),), GUARDS, isa="avx2"),
    Mutant(
        "last store of planes",
        "planes.h",
        (("if (v < V - 1 || last == LANES) vstore(c", "if (1) vstore(c"),),
        GUARDS,
        isa="avx2",
    ),
    Mutant("residual of planes", "planes.h", (("residual += residual_row", ""),), GUARDS, isa="avx2"),
    Mutant(
        "bands of planes' residual",
        "planes.h",
        (("line * t->residual_line", "0 * t->residual_line"),),
        GUARDS,
        isa="avx512",
    ),
    Mutant("bands of planes' sums", "planes.h", (("line * t->start_line", "0 * t->start_line"),), GUARDS, isa="avx2"),
    Mutant("bands of planes' weights", "planes.h", (("line * t->a_line", "0 * t->a_line"),), GUARDS, isa="avx512"),
    Mutant("bounds of planes", "planes.h", (("NAME(within)(BOUNDED, bounds, y[v])", "y[v]"),), GUARDS, isa="avx2"),
    Mutant(
        "height of a band of planes",
        "loops.pxi",
        (("t.a_k = tall * p.unit", "t.a_k = height * p.unit"),),
        GUARDS,
        isa="avx2",
    ),
    Mutant(
        "three channels apart",
        "pick.h",
        (("EACH_HALF(first, r, 1, 3, 8, 11)", "EACH_HALF(first, r, 1, 3, 8, 10)"),),
        GUARDS,
        isa="avx2",
    ),
    Mutant("three channels together", "pick.h", (("y[1] = vmerge(r, p)", "y[1] = vmerge(p, r)"),), GUARDS, isa="avx2"),
    Mutant("four channels beside three", "mix.h", (("if (!PARTS) NAME(fours_apart)(in);", ""),), GUARDS, isa="avx2"),
    Mutant(
        "three channels beside four",
        "mix.h",
        (("if (FOURS) NAME(fours_together)(y);", ""),),
        GUARDS,
        isa="avx2",
    ),
    Mutant("residual and short sums", "plan.pxi", ((" or p.has_residual or p.out", " or p.out"),), GUARDS, isa="avx2"),
    Mutant("panels of short sums", "plan.pxi", (("p.bands[1] > 1", "p.bands[1] > 2"),), GUARDS, isa="avx2"),
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
    Mutant("outputs of lines side by side", "real.h", ((", c += t->c_line", ""),), LARGE, isa="avx2"),
    Mutant(
        "residual of lines side by side",
        "real.h",
        (("residual += t->residual_line", "residual += 0"),),
        LARGE,
        isa="avx2",
    ),
    Mutant("start of lines side by side", "real.h", ((", start += t->start_line", ""),), LARGE, isa="avx2"),
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
