"""Mutants of what vectors compute and copy: tiles, mixing, packing, conversion."""

from __future__ import annotations

from .mutant import CHAIN, GUARDS, KEPT, LARGE, LONE, RESTS, SPECIAL, STRIDES, VIEWS, Mutant

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
                "next[j + SIDE / 2] = vodd(",
                "next[j + SIDE / 2] = veven(",
            ),
        ),
        VIEWS,
    ),
    Mutant(
        "16-byte parts of the transposing copy",
        "copy.h",
        (("next[j + ROWS / 2] = vodd_part(", "next[j + ROWS / 2] = veven_part("),),
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
        "lanes left of few channels",
        "pick.h",
        (("left < LANES ? (int)left : LANES", "left < LANES ? (int)left + 1 : LANES"),),
        GUARDS,
        isa="avx512",
    ),
    Mutant(
        "bound below, few channels",
        "bounds.h",
        (("if (bounded & LOW)", "if (0)"),),
        GUARDS,
        isa="avx2",
    ),
    Mutant("order of one output", "mix.h", (("if (PARTS && C_OUT == 1)", "if (0)"),), GUARDS, isa="avx512"),
    Mutant("pixels beyond the last", "spread.h", (("left * C_IN >= loaded", "left >= LANES"),), GUARDS, isa="avx512"),
    Mutant("load of spread terms", "spread.h", (("WHOLE ? vload(p) :", "1 ? vload(p) :"),), GUARDS, isa="avx2"),
    Mutant("store of spread pixels", "spread.h", (("left * C_OUT, v)", "LANES * C_OUT, v)"),), GUARDS, isa="avx512"),
    Mutant("channels of spread pixels", "spread.h", (("output % C_OUT;", "i % C_OUT;"),), GUARDS, isa="avx2"),
    Mutant(
        "terms of spread pixels",
        "spread.h",
        (("FIRST_PIXEL(v, C_OUT) + k;", "FIRST_PIXEL(v, C_OUT);"),),
        GUARDS,
        isa="avx512",
    ),
    Mutant("order of pixels in parts", "few.h", (("LANE_PIXEL(j, PARTS_OF(C_OUT))", "j"),), GUARDS, isa="avx512"),
    Mutant("bound above, few channels", "bounds.h", (("if (bounded & HIGH)", "if (0)"),), GUARDS, isa="avx2"),
    Mutant("zero, few channels", "bounds.h", (("if (bounded) y = HALF ?", "if (0) y = HALF ?"),), SPECIAL, isa="avx2"),
    Mutant(
        "relu, few channels",
        "bounds.h",
        (("if (HAS_RELU && bounded == RELU)", "if (0)"),),
        SPECIAL,
        isa="avx512",
        vendor="GenuineIntel",
    ),
    Mutant(
        "bfloat16",
        "convert.c",
        (("(uint32_t)h << 16;", "(uint32_t)h << 15;"),),
        ("test_inputs.py::test_every_value_of_bfloat16",),
    ),
    Mutant("subnormal halves", "convert.c", (("bits < 0x400u << 13", "0"),), SPECIAL),
    Mutant("byte order", "convert.c", (("bits = SWAP(bits);", ""),), VIEWS),
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
    Mutant(
        "row of an element in memory", "tile.h", (("FMA_AT(v, p, (b)[v]", "FMA_AT(v, p, (b)[0]"),), CHAIN, isa="avx512"
    ),
    Mutant("strips kept by tiles", "real.h", (("if (keep) keep += t->keep_tile;", ""),), KEPT, isa="avx512"),
    Mutant("last steps of a strip", "tile.h", (("if (k == 0) break;", "break;"),), KEPT, isa="avx512"),
    Mutant("terms kept", "tile.h", (("*keep += (V + (LONE > 0 && !HALF)) * sizeof(vec);", ""),), KEPT),
    Mutant("whole vectors of x in place", "tile.h", (("t->b_whole ? FULL : last", "FULL"),), GUARDS, isa="avx512"),
    Mutant("second of two terms", "tile.h", (("LOAD(v, weights + i * b_k", "LOAD(v, weights"),), CHAIN, isa="avx512"),
    Mutant(
        "term of a row", "tile.h", (("NAME(row)(&at->a, r) + i * a_k", "NAME(row)(&at->a, r)"),), CHAIN, isa="avx512"
    ),
    Mutant(
        "columns that end in half a vector",
        "plan.pxi",
        (("- columns) >= p.kernels.lanes", "- columns) > 0"),),
        GUARDS,
        isa="avx512",
    ),
    Mutant(
        "half of the last vector", "tile.h", (("(HALF && (v) == V - 1)", "(HALF && (v) == 0)"),), GUARDS, isa="avx512"
    ),
    Mutant(
        "tail of half a vector", "vec.h", (("__mmask8)vlanes_of(n), half", "__mmask8)-1, half"),), GUARDS, isa="avx512"
    ),
    Mutant(
        "lone columns", "tile.h", (("*b + WHOLE_BYTES + j * sizeof(REAL);", "*b + WHOLE_BYTES;"),), LONE, isa="avx512"
    ),
    Mutant("lone columns kept", "tile.h", (("*b + WHOLE_BYTES, LONE * sizeof(REAL)", "*b, 0"),), LONE, isa="avx512"),
    Mutant(
        "vector of lone columns kept", "tile.h", (("V + (LONE > 0 && !HALF)", "V + (LONE > 0)"),), LONE, isa="avx512"
    ),
    Mutant(
        "rows of lone columns", "tile.h", (("each[i] + r, sizeof(REAL)", "each[i], sizeof(REAL)"),), LONE, isa="avx512"
    ),
    Mutant(
        "lone columns in cuts",
        "tile.h",
        (("start + WHOLE_BYTES + i * unit", "start + WHOLE_BYTES"),),
        LONE,
        isa="avx512",
    ),
    Mutant(
        "residual of lone columns",
        "tile.h",
        (("residual + i * sizeof(REAL), t->residual_row", "residual, t->residual_row"),),
        LONE,
        isa="avx512",
    ),
    Mutant(
        "bounds of lone columns",
        "tile.h",
        (("NAME(within)(0, t->bounded, &bounds, lone[i])", "lone[i]"),),
        LONE,
        isa="avx512",
    ),
    Mutant("pointer to the sixth row", "tile.h", (("at->a.p5 += STEPS * a_k, ", ""),), CHAIN, isa="avx512"),
    Mutant("bound below", "tile.h", (("if (t->bounded & LOW)", "if (0)"),), SPECIAL),
    Mutant("bound above", "tile.h", (("if (t->bounded & HIGH)", "if (0)"),), SPECIAL),
    Mutant("bound below of whole tiles", "tile.h", (("vabove(acc[r][v], low) + zero)", "acc[r][v] + zero)"),), SPECIAL),
    Mutant("zero of whole tiles", "tile.h", (("vabove(acc[r][v], low) + zero)", "vabove(acc[r][v], low))"),), SPECIAL),
    Mutant("zero of a tail", "tile.h", (("EACH acc[r][v] += zero;", ""),), SPECIAL),
    Mutant(
        "relu of whole tiles",
        "tile.h",
        (("c + v * sizeof(vec), vrelu(acc[r][v]))", "c + v * sizeof(vec), acc[r][v])"),),
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
    Mutant(
        "last pixels of the rest",
        "few.h",
        (("left >= LANES ? LANES / SIDE :", "1 ? LANES / SIDE :"),),
        GUARDS,
        isa="avx512",
    ),
    Mutant(
        "pixels of the rest", "few.h", (("const int first = j * row;", "const int first = j;"),), RESTS, isa="avx512"
    ),
    Mutant("pixels of more outputs", "few.h", (("row[i], C_OUT);", "row[i], LANES);"),), GUARDS, isa="avx512"),
    Mutant(
        "pixels from memory", "few.h", (("SECOND, t, a, LANES", "SECOND, t, a + t->a_row, LANES"),), LARGE, isa="avx512"
    ),
    Mutant(
        "bounds of few outputs",
        "few.h",
        (("NAME(within)(0, t->bounded, bounds, sum[o * V + v]);", "sum[o * V + v];"),),
        GUARDS,
        isa="avx512",
    ),
    Mutant("weights of few outputs", "few.h", (("vfma_at(b + o *", "vfma_at(b + 0 *"),), GUARDS, isa="avx2"),
    Mutant("two pixels in a vector", "few.h", (("(j) / SIDE * 2 * SIDE", "(j) / SIDE * SIDE"),), GUARDS, isa="avx512"),
    Mutant("second half of terms", "few.h", (("vlast_halves(", "vfirst_halves("),), GUARDS, isa="avx512"),
    Mutant("whole halves", "few.h", (("vhalves(p, q)", "vhalves(p, p)"),), GUARDS, isa="avx2"),
    Mutant("pixels side by side", "few.h", (("bounds, sum[o * V + v]", "bounds, sum[o * V]"),), GUARDS, isa="avx512"),
    Mutant("second pixels of vectors", "few.h", (("second < count ?", "1 ?"),), GUARDS, isa="avx2"),
    Mutant(
        "last pixels' second halves",
        "vec.h",
        (("vlanes_of(m) << LANES / 2", "vlanes_of(m) << 1"),),
        GUARDS,
        isa="avx512",
    ),
    Mutant("last pixels of few outputs", "few.h", (("pixel < last ?", "1 ?"),), GUARDS, isa="avx2"),
    Mutant("one output in cuts", "few.h", (("t->start_row ? ", "0 ? "),), GUARDS, isa="avx512"),
    Mutant("residual of one output", "few.h", (("t->residual + offset", "t->residual"),), GUARDS, isa="avx2"),
    Mutant("weights of short sums", "short.h", (("t->b + k * t->b_k", "t->b + 0 * t->b_k"),), GUARDS, isa="avx512"),
    Mutant("last vector of short sums", "short.h", (("if (v < V - 1 || last == FULL)", "if (1)"),), GUARDS, isa="avx2"),
    Mutant(
        "last pixels of short sums", "short.h", (("for (; left > 0; left--", "for (; 0; left--"),), GUARDS, isa="avx2"
    ),
    Mutant(
        "bounds of short sums",
        "short.h",
        (("NAME(within)(IS_HALF(v), BOUNDED, bounds, y[i][v])", "y[i][v]"),),
        GUARDS,
        isa="avx2",
    ),
    Mutant("weights of planes", "planes.h", (("FMA_AT, a + k * a_k", "FMA_AT, a + 0 * a_k"),), GUARDS, isa="avx2"),
    Mutant("term of short sums", "short.h", (("weight + k * V, y[i]", "weight, y[i]"),), GUARDS, isa="avx2"),
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
    Mutant("bounds of planes", "planes.h", (("NAME(within)(0, BOUNDED, bounds, y[v])", "y[v]"),), GUARDS, isa="avx2"),
    Mutant(
        "three channels apart",
        "pick.h",
        (("EACH_HALF(first, r, 1, 3, 8, 11)", "EACH_HALF(first, r, 1, 3, 8, 10)"),),
        GUARDS,
        isa="avx2",
    ),
    Mutant("three channels together", "pick.h", (("y[1] = vmerge(r, p)", "y[1] = vmerge(p, r)"),), GUARDS, isa="avx2"),
    Mutant("four channels beside three", "mix.h", (("if (!PARTS) NAME(fours_apart)(in);", ""),), GUARDS, isa="avx2"),
    Mutant("outputs of lines side by side", "real.h", ((", c += t->c_line", ""),), LARGE, isa="avx2"),
    Mutant(
        "residual of lines side by side",
        "real.h",
        (("residual += t->residual_line", "residual += 0"),),
        LARGE,
        isa="avx2",
    ),
    Mutant("start of lines side by side", "real.h", ((", start += t->start_line", ""),), LARGE, isa="avx2"),
)
