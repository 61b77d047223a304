/* Keeps a pointer or an offset in its register: gcc else makes more of them than there are registers. Sums stay in theirs between
 * steps (vstay): gcc 12 else moves one in ten of them to another and back. */
#define STAY(p) __asm__ volatile("" : "+r"(p))

#define EACH UNROLL for (int r = 0; r < R; r++) UNROLL for (int v = 0; v < V; v++)
/* The same where p leads along the rows. */
#define EACH_FROM(p, row) UNROLL for (int r = 0; r < R; r++, p = NAME(row_after)(p, row)) UNROLL for (int v = 0; v < V; v++)

INLINE char *NAME(row_after)(const char *p, ptrdiff_t row) {
    p += row;
    STAY(p);
    return (char *)p;
}

/* Up to 16 rows, as pointers and strides that stay in registers: gcc else computes the address of each anew. x86 has too few
 * registers for a pointer to each: those to row 0, 5 and 10, and the strides ·1 to ·4. */
struct NAME(rows) {
    const char *p, *p5, *p10;
    ptrdiff_t row, row3;
};
INLINE struct NAME(rows) NAME(rows_from)(const char *p, ptrdiff_t row) {
    struct NAME(rows) rows = {p, p + 5 * row, p + 10 * row, row, 3 * row};
    STAY(rows.p5);
    STAY(rows.p10);
    STAY(rows.row3);
    return rows;
}
INLINE const char *NAME(row)(const struct NAME(rows) *rows, int r) {
    const char *from = r < 5 ? rows->p : r < 10 ? rows->p5 : r < 15 ? rows->p10 : rows->p10 + 5 * rows->row;
    return from + (r % 5 == 3 ? rows->row3 : r % 5 * rows->row);
}

/* Outputs of up to half the lanes of the last of V vectors (HALF) are computed in as many: what is done with vector v, of which
 * there are FULL lanes if it is the last. */
#define IS_HALF(v) (HALF && (v) == V - 1)
#define FULL (HALF ? LANES / 2 : LANES)
#define LOAD(v, p) (IS_HALF(v) ? vload_half(p) : vload(p))
#define FMA(v, a, b, c) (IS_HALF(v) ? vfma_half(a, b, c) : vfma(a, b, c))
#define FMA_AT(v, p, b, c) (IS_HALF(v) ? vfma_at_half(p, b, c) : vfma_at(p, b, c))
#define STORE(v, p, x) (IS_HALF(v) ? vstore_half(p, x) : vstore(p, x))
#define WHOLE_BYTES ((V * LANES - (HALF ? LANES / 2 : 0)) * (int)sizeof(REAL)) /* of a row of outputs */
#define STORE_N(p, x, n) (HALF ? vstore_n_half(p, x, n) : vstore_n(p, x, n))

/* A term of a row: sum[v] += the element at p · b[v], where AT says so for each v from memory. A macro, as gcc 12 leaves sums that
 * a function gets in memory, or moves them about. */
#define ADD_TERM(AT, p, b, sum)                                                            \
    do {                                                                                   \
        if (AT) {                                                                          \
            UNROLL for (int v = 0; v < V; v++) sum[v] = FMA_AT(v, p, (b)[v], sum[v]);      \
        } else {                                                                           \
            const vec each = vset1(p);                                                     \
            UNROLL for (int v = 0; v < V; v++) sum[v] = FMA(v, each, (b)[v], sum[v]);      \
        }                                                                                  \
    } while (0)

/* Elements of R rows as the first lanes of a vector. */
INLINE vec NAME(gather)(const int R, const char *p, ptrdiff_t row) {
    REAL each[LANES] = {0};
    UNROLL for (int r = 0; r < R; r++) __builtin_memcpy(each + r, p + r * row, sizeof(REAL));
    return vload((const char *)each);
}

/* What follows the sums of lone columns, a lane for each row. */
INLINE void NAME(finish_lone)(const int R, const int LONE, const struct tile_run *t, vec *lone, char *c, const char *residual) {
    const struct NAME(bounds) bounds = NAME(bounds_of)(t);
    REAL each[MOST_LONE][LANES];
    UNROLL for (int i = 0; i < LONE; i++) {
        if (residual) lone[i] += NAME(gather)(R, residual + i * sizeof(REAL), t->residual_row);
        vstore((char *)each[i], NAME(within)(0, t->bounded, &bounds, lone[i]));
    }
    UNROLL for (int r = 0; r < R; r++, c += t->c_row)
        UNROLL for (int i = 0; i < LONE; i++) __builtin_memcpy(c + i * sizeof(REAL), each[i] + r, sizeof(REAL));
}

/* What follows the sums of a tile: one thing after the other for all vectors, so that nothing is asked for each. */
INLINE void NAME(finish)(const int R, const int V, const int HALF, const struct tile_run *t, vec acc[MAX_ROWS][MAX_VECTORS],
                         char *c, const char *residual, int last) {
    const ptrdiff_t c_row = t->c_row, residual_row = t->residual_row;
    if (residual)
        EACH_FROM(residual, residual_row) {
            const char *p = residual + v * sizeof(vec);
            acc[r][v] += v < V - 1 || last == FULL ? LOAD(v, p) : vload_n(p, last);
        }
    if (HAS_RELU && t->bounded == RELU) {
        if (last == FULL) { /* at once: 16 terms are 1.01 times as fast, 1.04 times with AVX2 */
            EACH_FROM(c, c_row) STORE(v, c + v * sizeof(vec), vrelu(acc[r][v]));
            return;
        }
        EACH acc[r][v] = vrelu(acc[r][v]);
    }
    if (t->bounded & (LOW | HIGH)) {
        const REAL *clamp = t->clamp;
        const vec low = vset1((const char *)clamp), high = vset1((const char *)(clamp + 1));
        const vec zero = vset1((const char *)(clamp + 2)); /* +0 turns -0 into +0, -0 changes nothing */
        if (t->bounded == LOW && last == FULL) {
            EACH_FROM(c, c_row) STORE(v, c + v * sizeof(vec), vabove(acc[r][v], low) + zero);
            return;
        }
        if (t->bounded & LOW) EACH acc[r][v] = vabove(acc[r][v], low);
        if (t->bounded & HIGH) EACH acc[r][v] = vbelow(acc[r][v], high);
        EACH acc[r][v] += zero;
    }
    if (last == FULL)
        EACH_FROM(c, c_row) STORE(v, c + v * sizeof(vec), acc[r][v]);
    else
        EACH_FROM(c, c_row) {
            char *p = c + v * sizeof(vec);
            if (v < V - 1) vstore(p, acc[r][v]);
            else STORE_N(p, acc[r][v], last);
        }
}

/* Whether step i of STEPS is one of n spread evenly over them; how many of n are its own. */
#define AMONG(i, n, STEPS) ((i) * (n) % (STEPS) < (n))
#define SHARE(i, n, STEPS) ((n) / (STEPS) + AMONG(i, (n) % (STEPS), STEPS))
/* Lines that so many elements make. */
#define LINES(n) (((n) * (int)sizeof(REAL) + LINE_BYTES - 1) / LINE_BYTES)

/* At the end of a run of a walk: to the next one; from the last one it goes no further. */
INLINE void NAME(turn)(struct walk *walk, const char **at) {
    if (walk->runs == 0) {
        *at -= walk->step;
        walk->step = 0;
    } else {
        walk->runs--;
        *at += walk->jump;
        walk->end += walk->next;
    }
}

/* Rows whose element each multiply-add takes from memory: beside as many multiply-adds to broadcast it to a register takes a third
 * of one, and beside two and more nothing, but a load for each vector would take as long as they do. So all rows of tiles of one
 * vector, every second one of a vector and a half (24 outputs in NHWC run at 98 % of the multiply-adds so, else at 88 %), and
 * some OTHERS (Zen 4). */
#define AT_ONCE(r, OTHERS) (HAS_FMA_AT && (V == 1 || (HALF && V == 2 && (r) % 2) || (OTHERS)))

/* The next STEPS terms of each sum, acc[r][v] += a[r]·b[v], where the rows of a lie side by side. KEEP: b is copied to `keep`, lone
 * columns as they lie there, in a vector of their own or the second half of the last. */
INLINE void NAME(steps_side_by_side)(const int STEPS, const int R, const int V, const int HALF, const int LONE, const int AHEAD,
                                     const int KEEP, const char **a, ptrdiff_t a_k, ptrdiff_t a_ahead, const char **b,
                                     ptrdiff_t b_k, const char **strip, const char **b_ahead, ptrdiff_t b_ahead_k,
                                     struct walk *walk, char **keep, int last, vec acc[MAX_ROWS][MAX_VECTORS], vec *lone) {
    const int OF_STRIP = AHEAD == STRIP || AHEAD == STRIP_AND_BLOCK, OF_BLOCK = AHEAD == BLOCK || AHEAD == STRIP_AND_BLOCK;
    UNROLL for (int i = 0; i < STEPS; i++) {
        vec bk[MAX_VECTORS];
        if (AHEAD == PANELS) PREFETCH(*a + a_ahead);
        if (OF_STRIP || AHEAD == FAR_STRIP) {
            UNROLL for (int v = 0; v < V; v++) {
                if (v * sizeof(vec) % LINE_BYTES) continue;
                if (OF_STRIP) PREFETCH_NEAR(*strip + v * sizeof(vec));
                else PREFETCH(*strip + v * sizeof(vec));
            }
            *strip += b_k;
            STAY(*strip);
        }
        if (AHEAD == PANELS) {
            PREFETCH(*b_ahead);
            *b_ahead += b_ahead_k;
            STAY(*b_ahead);
        }
        if (OF_BLOCK && i == 0) {
            PREFETCH(*b_ahead);
            *b_ahead += walk->step;
            STAY(*b_ahead);
            if (*b_ahead == walk->end) NAME(turn)(walk, b_ahead);
        }
        if (VREGS == 32 && (OF_STRIP || OF_BLOCK) && AMONG(i, LINES(STEPS * R), STEPS))
            PREFETCH_NEAR(*a + ROWS_AHEAD); /* no gain with AVX2 */
        UNROLL for (int v = 0; v < V - 1; v++) bk[v] = vload(*b + v * sizeof(vec));
        const char *const end = *b + (V - 1) * sizeof(vec);
        bk[V - 1] = HALF && last == FULL ? vload_half(end) : vload_last(end, last);
        UNROLL for (int v = 0; v < V; v++) vstay(bk[v]);
        if (KEEP) {
            UNROLL for (int v = 0; v < V; v++) vstore(*keep + v * sizeof(vec), bk[v]);
            __builtin_memcpy(*keep + WHOLE_BYTES, *b + WHOLE_BYTES, LONE * sizeof(REAL));
            *keep += (V + (LONE > 0 && !HALF)) * sizeof(vec);
        }
        UNROLL for (int r = 0; r < R; r++)
            ADD_TERM(AT_ONCE(r, r % 3 == 1), *a + r * sizeof(REAL), bk, acc[r]);
        if (LONE) {
            /* whole with AVX2, where a mask takes a register: 1.02 times as fast; there is room behind all weights (layer.pxi) */
            const vec rows = VREGS == 16 ? vload(*a) : R == LANES / 2 ? vload_half(*a) : vload_n(*a, R);
            UNROLL for (int j = 0; j < LONE; j++) {
                const char *const p = *b + WHOLE_BYTES + j * sizeof(REAL);
                lone[j] = HAS_HALF && R <= LANES / 2 ? vfma_at_half(p, rows, lone[j]) : vfma_at(p, rows, lone[j]);
                vstay(lone[j]);
            }
        }
        if (VREGS == 32) EACH vstay(acc[r][v]);
        *a += a_k, *b += b_k;
        STAY(*a);
        STAY(*b);
    }
}

/* Where a tile is in operands whose rows of a are apart. */
struct NAME(place) {
    struct NAME(rows) a;
    const char *b, *a_ahead, *b_ahead;
};

/* The next STEPS terms there, where b is weights. */
INLINE void NAME(steps_apart)(const int STEPS, const int R, const int V, const int HALF, const int AHEAD,
                              ptrdiff_t a_ahead_k, ptrdiff_t b_ahead_k, struct NAME(place) *at, vec acc[MAX_ROWS][MAX_VECTORS]) {
    const ptrdiff_t a_k = sizeof(REAL), b_k = V * sizeof(vec);
    const int a_lines = LINES(STEPS * R);
    const char *weights = at->b;
    UNROLL for (int i = 0; i < STEPS; i++) {
        vec bk[MAX_VECTORS];
        if (AHEAD)
            UNROLL for (int j = 0; j < SHARE(i, a_lines, STEPS); j++) {
                if (V == 1) PREFETCH(at->a_ahead);
                else PREFETCH_NEAR(at->a_ahead);
                at->a_ahead += a_ahead_k * STEPS / a_lines;
            }
        if (AHEAD == PANEL || AHEAD == PANELS)
            UNROLL for (int v = 0; v < V; v++)
                if (v * sizeof(vec) % LINE_BYTES == 0) PREFETCH_NEAR(weights + (i + WEIGHTS_AHEAD) * b_k + v * sizeof(vec));
        if (AHEAD == PANELS && V > 1) { /* all of it in two tiles; in each step alike, else gcc's code is 0.98 times as fast */
            PREFETCH(at->b_ahead);
            if (V * sizeof(vec) > 2 * LINE_BYTES) PREFETCH(at->b_ahead + b_ahead_k / 2);
            at->b_ahead += b_ahead_k;
        }
        UNROLL for (int v = 0; v < V; v++) bk[v] = LOAD(v, weights + i * b_k + v * sizeof(vec));
        UNROLL for (int v = 0; v < V; v++) vstay(bk[v]);
        /* in each step: gcc else adds i·a_k to the strides, for which there are no registers left */
        STAY(at->a.row);
        STAY(at->a.row3);
        /* of low tiles: 16 to 96 and 24 to 144 channels, NHWC, are 1.02 times as fast, fourteen layers 1.007 times (Zen 4) */
        UNROLL for (int r = 0; r < R; r++)
            ADD_TERM(AT_ONCE(r, R * V <= LOW_SUMS && r % 2), NAME(row)(&at->a, r) + i * a_k, bk, acc[r]);
        if (VREGS == 32) EACH vstay(acc[r][v]);
        /* in their step: gcc else puts all prefetches before the first one, and tiles take 1.1 times as long */
        if (STEPS > 1) vfirst(acc[R - 1][V - 1], weights);
        if (STEPS > 1 && AHEAD) vfirst(acc[R - 1][V - 1], at->a_ahead);
    }
    at->a.p += STEPS * a_k, at->a.p5 += STEPS * a_k, at->a.p10 += STEPS * a_k, at->b = weights + STEPS * b_k;
}

/* Steps in one go where rows lie side by side: two by two nine layers in NCHW are 1.02 times as fast; 16 registers do not
 * suffice for that, nor for vstay of all sums. */
#define STEPS_TOGETHER (VREGS == 16 ? 1 : 2)

/* THE register tile: R rows × V vectors of outputs, each the chain of fused multiply-adds over k = 0 … depth-1 in order,
 *
 *     c[r][v] = clamp(start[r][v] + Σ_k a[r][k]·b[k][v] + residual[r][v])
 *
 * R, V and HALF are constants of the caller, so that acc is registers. A_ROWS_UNIT: the rows of a lie side by side; else b is
 * weights, of a panel as wide as the tile, in whole vectors. LONE columns follow the vectors: each is computed the other way
 * round, as one vector whose lanes are the rows, lone[i] += a[0 … R-1][k]·b[k][i]. b_next: b of the next tile that prefetches. */
INLINE void NAME(tile)(const int R, const int V, const int HALF, const int LONE, const int A_ROWS_UNIT, const struct tile_run *t,
                       const char *a, const char *b, const char *start, char *c, const char *residual, const char *b_next,
                       const char *b_ahead, int ahead, char *keep) {
    const ptrdiff_t unit = sizeof(REAL);
    const int last = LONE ? FULL : (int)t->columns - (V - 1) * LANES; /* lanes of the last vector that count */
    const int b_last = t->b_whole ? FULL : last;
    const int STEPS = A_ROWS_UNIT ? STEPS_TOGETHER : VREGS == 16 ? 1 : 4;
    vec acc[MAX_ROWS][MAX_VECTORS];
    vec lone[MOST_LONE];
    ptrdiff_t k = t->depth;

    UNROLL for (int i = 0; i < LONE; i++)
        lone[i] = t->start_by_row ? vload_n(start, R) : NAME(gather)(R, start + WHOLE_BYTES + i * unit, t->start_row);
    if (t->start_by_row)
        EACH acc[r][v] = vset1(start + r * unit);
    else if (t->start_row == 0) /* once for all rows: sums of 16 to 24 terms are 1.03 times as fast */
        UNROLL for (int v = 0; v < V; v++) {
            const char *p = start + v * sizeof(vec);
            vec first = v < V - 1 || last == FULL ? LOAD(v, p) : vload_n(p, last);
            vstay(first);
            UNROLL for (int r = 0; r < R; r++) acc[r][v] = first;
        }
    else
        EACH_FROM(start, t->start_row) {
            const char *p = start + v * sizeof(vec);
            acc[r][v] = v < V - 1 || last == FULL ? LOAD(v, p) : vload_n(p, last);
        }
    if (A_ROWS_UNIT) {
        struct walk *const walk = t->walk;
        ptrdiff_t a_ahead = 0;
        const char *strip = NULL;
#define STEPS_OF(STEPS, AHEAD, KEEP, last) \
    NAME(steps_side_by_side)(STEPS, R, V, HALF, LONE, AHEAD, KEEP, &a, t->a_k, a_ahead, &b, t->b_k, &strip, &b_ahead, \
                             t->b_ahead_k, walk, &keep, last, acc, lone)
        switch (ahead) {
        case NOTHING:
            if (b_last == FULL)
                for (; k >= STEPS; k -= STEPS) STEPS_OF(STEPS, NOTHING, 0, FULL);
            break;
        case BLOCK:
            b_ahead = walk->at;
            if (b_last == FULL)
                for (; k >= STEPS; k -= STEPS) STEPS_OF(STEPS, BLOCK, 0, FULL);
            walk->at = b_ahead;
            break;
        case PANELS:
            a_ahead = t->a_ahead;
            STAY(a_ahead);
            if (b_last == FULL)
                for (; k >= STEPS; k -= STEPS) STEPS_OF(STEPS, PANELS, 0, FULL);
            break;
        default: {
            /* the last bytes of vectors: the first line may be that of vectors before */
            const char *const next = b_next + LINE_BYTES - 1;
            ptrdiff_t n = k; /* steps until `strip` comes to the end of it */
            strip = ahead == FAR_STRIP ? b + V * sizeof(vec) + FAR_AHEAD + LINE_BYTES - 1 : next;
            if (n > 2 * STEPS_AHEAD && ahead != FAR_STRIP) {
                n -= STEPS_AHEAD;
                strip = b + STEPS_AHEAD * t->b_k + LINE_BYTES - 1;
            }
            if (ahead == STRIP_AND_BLOCK) b_ahead = walk->at;
            for (;;) {
                ptrdiff_t i = b_last == FULL ? n / STEPS : 0;
                k -= n;
                n -= i * STEPS;
                if (keep) {
                    for (; i > 0; i--) STEPS_OF(STEPS, STRIP, 1, FULL);
                    for (; n > 0; n--) STEPS_OF(1, STRIP, 1, b_last);
                } else {
                    if (ahead == STRIP)
                        for (; i > 0; i--) STEPS_OF(STEPS, STRIP, 0, FULL);
                    else if (ahead == STRIP_AND_BLOCK)
                        for (; i > 0; i--) STEPS_OF(STEPS, STRIP_AND_BLOCK, 0, FULL);
                    else
                        for (; i > 0; i--) STEPS_OF(STEPS, FAR_STRIP, 0, FULL);
                    for (; n > 0; n--) STEPS_OF(1, NOTHING, 0, b_last);
                }
                if (k == 0) break;
                n = k;
                strip = next;
            }
            if (ahead == STRIP_AND_BLOCK) walk->at = b_ahead;
        }
        }
        for (; k > 0; k--) STEPS_OF(1, NOTHING, 0, b_last);
    } else {
        const ptrdiff_t a_row = t->a_row, a_ahead_k = t->a_ahead_k, b_ahead_k = t->b_ahead_k;
        const char *a_last = t->a_end - R * a_row, *a_ahead = a + t->a_ahead;
        struct NAME(place) at = {NAME(rows_from)(a, a_row), b, a_ahead < a_last ? a_ahead : a_last, b_ahead};
#define STEPS_APART(STEPS, AHEAD) NAME(steps_apart)(STEPS, R, V, HALF, AHEAD, a_ahead_k, b_ahead_k, &at, acc)
        if (ahead == PIXELS)
            for (; k >= STEPS; k -= STEPS) STEPS_APART(STEPS, PIXELS);
        else if (ahead == PANEL)
            for (; k >= STEPS; k -= STEPS) STEPS_APART(STEPS, PANEL);
        else if (ahead == PANELS)
            for (; k >= STEPS; k -= STEPS) STEPS_APART(STEPS, PANELS);
        else
            for (; k >= STEPS; k -= STEPS) STEPS_APART(STEPS, NOTHING);
        for (; k > 0; k--) STEPS_APART(1, NOTHING);
    }
    NAME(finish)(R, V, HALF, t, acc, c, residual, last);
    if (LONE) NAME(finish_lone)(R, LONE, t, lone, c + WHOLE_BYTES, residual ? residual + WHOLE_BYTES : NULL);
}
