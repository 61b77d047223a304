"""Mutants of what tiles compute, and of copies: packing, conversion."""

from __future__ import annotations

from .mutant import CHAIN, GUARDS, KEPT, LARGE, LONE, SPECIAL, STRIDES, VIEWS, Mutant

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
        "last vector of interleaved rows",
        "copy.h",
        (("else vstore_n(dst, x, NAME(lanes_left)(left * n1, v));", "else vstore(dst, x);"),),
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
        "rows beside lone columns",
        "tile.h",
        (("VREGS == 16 ? vload(*a)", "VREGS == 16 ? vload(*b)"),),
        LONE,
        isa="avx2",
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
    Mutant("whole halves", "vec.h", (("(__m256)x, part, 1)", "(__m256)x, part, 0)"),), GUARDS, isa="avx2"),
    Mutant(
        "last pixels' second halves",
        "vec.h",
        (("vlanes_of(n) << i * lanes", "vlanes_of(n + 1) << i * lanes"),),
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
)
