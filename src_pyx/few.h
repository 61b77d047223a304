/* Few outputs of pixels whose channels lie side by side: rows of x are transposed in registers, so that a vector holds a channel of
 * as many pixels. Tiles whose rows are pixels would compute a vector of outputs for each of them, and use some lanes. */

/* Channels that are transposed in one go, at most: as many as half a vector has lanes, if that is whole parts of 16 bytes, so that
 * shuffles run beside the multiply-adds of those before. */
#define MOST_ROWS (LANES > SIDE ? LANES / 2 : LANES)

/* Whether a vector holds pixels in the order of parts of 16 bytes (mix.h): transposed within these, SIDE outputs at a time, they
 * then lie in order. 12 to 4 channels are 1.15 times as fast so, with doubles 8 to 2 would be 0.95 times. */
#define PARTS_OF(C_OUT) ((C_OUT) > FEW || ((C_OUT) == SIDE && SIDE > 2))

/* The lane that part i of row j, of ROWS rows, is for: from part to part SIDE further, so that parts of 16 bytes are in order when
 * the rows have been transposed. */
#define LANE_OF(j, i, ROWS) ((j) / SIDE * (LANES / (ROWS) * SIDE) + (j) % SIDE + (i) * SIDE)

/* Whether each vector of x is loaded once, as a whole, and not by halves: for one output, which has few multiply-adds beside the
 * shuffles; where pixels evict each other from the first level (1024 to 4 channels are 1.5 times as fast so); and where they are
 * prefetched into the second, if sums leave registers for it. */
INLINE int NAME(by_vectors)(const int C_OUT, const struct tile_run *t) {
    if (MOST_ROWS == LANES) return 0;
    return C_OUT == 1 || t->a_row % EVICTING_BYTES == 0 || (C_OUT <= MOST_BY_VECTORS && t->ahead_lines > t->pixel_vectors);
}

/* Prefetch what later tiles read, `ahead` bytes further, if AHEAD tells where to: the second level has more lines under way. A
 * constant, which makes six layers 1.1 times as fast. */
INLINE void NAME(fetch_ahead)(const int AHEAD, const struct NAME(rows) *pixels, ptrdiff_t ahead) {
    if (AHEAD == NOWHERE || ahead == 0) return;
    UNROLL for (int j = 0; j < LANES; j++) {
        if (AHEAD == INTO_SECOND) PREFETCH(NAME(row)(pixels, j) + ahead);
        else PREFETCH_NEAR(NAME(row)(pixels, j) + ahead);
    }
}

/* Add `terms` terms, up to ROWS, of rows of x to the sums of a vector of pixels, which lie V vectors apart. b is a pointer that goes
 * along: addresses made at once would not stay in registers, and leave a core less to look ahead in. */
INLINE void NAME(add_terms)(const int C_OUT, const int V, const int ROWS, vec *row, const char *b, ptrdiff_t b_k, int terms,
                            vec *sum) {
    NAME(transpose)(ROWS, row);
    UNROLL for (int k = 0; k < ROWS; k++, b += b_k) {
        STAY(b);
        if (k < terms)
            UNROLL for (int o = 0; o < C_OUT; o++) sum[o * V] = vfma_at(b + o * sizeof(REAL), row[k], sum[o * V]);
    }
}

/* The next terms, up to ROWS, of the sums of V vectors of pixels, `last` pixels in the last vector: side by side, so that none
 * waits for its chain. WHOLE: ROWS of LANES pixels. By halves, or parts of 16 bytes, which loads bring to their places (README.md). */
INLINE void NAME(terms_of_pixels)(const int C_OUT, const int V, const int ROWS, const int WHOLE, const int AHEAD,
                                  const struct tile_run *t, const char *a, const char *b, int last, ptrdiff_t ahead, int terms,
                                  vec *sum) {
    UNROLL for (int v = 0; v < V; v++, a += LANES * t->a_row) {
        const struct NAME(rows) pixels = NAME(rows_from)(a, t->a_row);
        const int count = v < V - 1 ? LANES : last;
        vec row[MOST_ROWS];
        UNROLL for (int j = 0; j < ROWS; j++) {
            row[j] = (vec){0};
            UNROLL for (int i = 0; i < LANES / ROWS; i++) {
                const int pixel = LANE_PIXEL(LANE_OF(j, i, ROWS), PARTS_OF(C_OUT));
                const char *p = NAME(row)(&pixels, pixel);
                row[j] = WHOLE ? vwith_part(row[j], LANES / ROWS, i, p)
                               : vwith_part_n(row[j], LANES / ROWS, i, p, pixel < count ? terms : 0);
            }
        }
        NAME(fetch_ahead)(AHEAD, &pixels, ahead);
        NAME(add_terms)(C_OUT, V, ROWS, row, b, t->b_k, terms, sum + v);
    }
}

/* The next terms, more than MOST_ROWS and up to LANES, of V·LANES pixels. */
INLINE void NAME(vectors_of_pixels)(const int C_OUT, const int V, const int AHEAD, const struct tile_run *t, const char *a,
                                    const char *b, ptrdiff_t ahead, int terms, vec *sum) {
    UNROLL for (int v = 0; v < V; v++, a += LANES * t->a_row) {
        const struct NAME(rows) pixels = NAME(rows_from)(a, t->a_row);
        vec x[LANES], row[MOST_ROWS];
        UNROLL for (int i = 0; i < LANES; i++) x[i] = vload_last(NAME(row)(&pixels, LANE_PIXEL(i, PARTS_OF(C_OUT))), terms);
        NAME(fetch_ahead)(AHEAD, &pixels, ahead);
        UNROLL for (int half = 0; half < 2; half++) {
            UNROLL for (int j = 0; j < MOST_ROWS; j++) {
                const vec *pair = x + LANE_OF(j, 0, MOST_ROWS);
                row[j] = half == 0 ? vfirst_halves(pair[0], pair[SIDE]) : vlast_halves(pair[0], pair[SIDE]);
            }
            NAME(add_terms)(C_OUT, V, MOST_ROWS, row, b + half * MOST_ROWS * t->b_k, t->b_k, terms - half * MOST_ROWS, sum + v);
        }
    }
}

/* All terms; last: a constant where it is LANES. */
INLINE void NAME(all_terms_of_pixels)(const int C_OUT, const int V, const int BY_VECTORS, const int AHEAD, const struct tile_run *t,
                                      const char *a, int last, ptrdiff_t ahead, vec *sum) {
    const char *b = t->b;
    ptrdiff_t k = t->depth;
#define GO_ON(terms) k -= terms, a += terms * sizeof(REAL), b += terms * t->b_k
#define ADD(ROWS, WHOLE, ahead, terms) NAME(terms_of_pixels)(C_OUT, V, ROWS, WHOLE, AHEAD, t, a, b, last, ahead, terms, sum)
#define ADD_VECTORS(terms) NAME(vectors_of_pixels)(C_OUT, V, AHEAD, t, a, b, ahead, terms, sum)
    for (; BY_VECTORS && k >= LANES; GO_ON(LANES)) ADD_VECTORS(LANES);
    if (BY_VECTORS && k > MOST_ROWS) {
        ADD_VECTORS((int)k);
        return;
    }
    if (last == LANES)
        for (; k >= MOST_ROWS; GO_ON(MOST_ROWS)) ADD(MOST_ROWS, 1, (t->depth - k) % LANES ? 0 : ahead, MOST_ROWS);
    if (MOST_ROWS > SIDE && last == LANES && k == SIDE) ADD(SIDE, 1, ahead, SIDE);
    else
        for (; k > 0; GO_ON(MOST_ROWS)) ADD(MOST_ROWS, 0, ahead, k < MOST_ROWS ? (int)k : MOST_ROWS);
#undef ADD_VECTORS
#undef ADD
#undef GO_ON
}

/* Those of V vectors of pixels, `last` of them in the last one. */
INLINE void NAME(sums_of_pixels)(const int C_OUT, const int V, const int BY_VECTORS, const struct tile_run *t, const char *a,
                                 int last, vec *sum) {
    const ptrdiff_t tile = V * LANES * t->a_row;
    ptrdiff_t ahead = t->ahead_lines * LANES * t->a_row;
#define ALL_TERMS(BY_VECTORS, AHEAD, last, ahead) \
    NAME(all_terms_of_pixels)(C_OUT, V, BY_VECTORS, AHEAD, t, a, last, ahead, sum)
    if (a + ahead + tile > t->a_end) ahead = 0; /* no whole tile is there */
    if (last < LANES) ALL_TERMS(0, NOWHERE, last, 0);
    else if (ahead == 0) ALL_TERMS(BY_VECTORS, NOWHERE, LANES, 0);
    else if (ahead == tile) ALL_TERMS(BY_VECTORS, INTO_FIRST, LANES, ahead);
    else ALL_TERMS(BY_VECTORS, INTO_SECOND, LANES, ahead);
#undef ALL_TERMS
}

/* One output: a tile of one row and V vectors, from pixel `first` on. */
INLINE void NAME(one_tile)(const int V, const int BY_VECTORS, const struct tile_run *t, ptrdiff_t first, int last) {
    const ptrdiff_t offset = first * (ptrdiff_t)sizeof(REAL);
    vec acc[MAX_ROWS][MAX_VECTORS];
    UNROLL for (int v = 0; v < V; v++)
        acc[0][v] = t->start_row ? vload_n(t->start + offset + v * sizeof(vec), v < V - 1 ? LANES : last) : vset1(t->start);
    NAME(sums_of_pixels)(1, V, BY_VECTORS, t, t->a + first * t->a_row, last, acc[0]);
    NAME(finish)(1, V, 0, t, acc, t->c + offset, t->residual ? t->residual + offset : NULL, last);
}

INLINE void NAME(one)(const int BY_VECTORS, const struct tile_run *t) {
    ptrdiff_t i = 0;
    for (; t->pixel_vectors == 2 && i + 2 * LANES <= t->tiles; i += 2 * LANES) NAME(one_tile)(2, BY_VECTORS, t, i, LANES);
    for (; i < t->tiles; i += LANES) NAME(one_tile)(1, BY_VECTORS, t, i, t->tiles - i < LANES ? (int)(t->tiles - i) : LANES);
}

/* A kernel that makes the CALL, BY_VECTORS or not. The one that does is a function of its own: in the same as the other it makes
 * gcc's code for 8 to 3 channels 0.9 times as fast. */
#define FEW_KERNEL(KERNEL, C_OUT, CALL)                                                          \
    static __attribute__((noinline)) void NAME(KERNEL##_by_vectors)(const struct tile_run *t) {  \
        enum { BY_VECTORS = MOST_ROWS < LANES };                                                 \
        CALL;                                                                                    \
    }                                                                                            \
    static void NAME(KERNEL)(const struct tile_run *t) {                                         \
        enum { BY_VECTORS = 0 };                                                                 \
        if (NAME(by_vectors)(C_OUT, t)) NAME(KERNEL##_by_vectors)(t);                            \
        else CALL;                                                                               \
    }

/* t: `tiles` pixels at a, a_row apart; a weight for each term, b_k apart; outputs, and what is added to them, side by side. */
FEW_KERNEL(few_1, 1, NAME(one)(BY_VECTORS, t))

#ifdef HAS_PICK
/* Squares of SIDE outputs, the last one perhaps not full; and vectors that LANES / SIDE pixels fill. */
#define SQUARES(C_OUT) (((C_OUT) + SIDE - 1) / SIDE)

/* Picks for store_pixels. */
INLINE void NAME(set_pixels)(const int C_OUT, lane_index together[FEW][FEW][LANES]) {
    UNROLL for (int v = 0; v < SQUARES(C_OUT); v++)
        for (int i = 0; i < LANES; i++) {
            const int at = v * LANES + i, o = at % C_OUT, pixel = at / C_OUT % (LANES / SIDE);
            NAME(set_pick)(together[v], SQUARES(C_OUT), i, o / SIDE, pixel * SIDE + o % SIDE);
        }
}

/* A vector for each output channel becomes pixels side by side, the `left` first of them. */
INLINE void NAME(store_pixels)(const int C_OUT, const vec *y, lane_index together[FEW][FEW][LANES], char *c, ptrdiff_t left) {
    const int PIXELS = LANES / SIDE;
    vec part[MOST_FEW];
    UNROLL for (int o = 0; o < SQUARES(C_OUT) * SIDE; o++) part[o] = o < C_OUT ? y[o] : (vec){0};
    UNROLL for (int g = 0; g < SQUARES(C_OUT); g++) NAME(transpose)(SIDE, part + g * SIDE);
    UNROLL for (int j = 0; j < SIDE; j++) {
        vec from[FEW];
        UNROLL for (int g = 0; g < SQUARES(C_OUT); g++) from[g] = part[g * SIDE + j];
        UNROLL for (int v = 0; v < SQUARES(C_OUT); v++) {
            const vec out = NAME(pick_lanes)(SQUARES(C_OUT), from, together[v]);
            char *const to = c + j * PIXELS * C_OUT * sizeof(REAL) + v * sizeof(vec);
            const int all = PIXELS * C_OUT - v * LANES;
            if (left >= LANES) {
                if (all >= LANES) vstore(to, out);
                else if (HAS_HALF && all <= LANES / 2) vstore_n_half(to, out, all);
                else vstore_n(to, out, all);
            } else {
                const ptrdiff_t here = left - j * PIXELS < PIXELS ? left - j * PIXELS : PIXELS;
                vstore_n(to, out, NAME(lanes_left)(here < 0 ? 0 : here * C_OUT, v));
            }
        }
    }
}

/* The same of up to SIDE channels, pixels c_row apart. */
INLINE void NAME(store_apart)(const int C_OUT, const vec *y, char *c, ptrdiff_t c_row, int left) {
    const int PARTS = PARTS_OF(C_OUT), part = LANE_PIXEL(SIDE, PARTS), row = LANE_PIXEL(1, PARTS);
    vec out[LANES];
    UNROLL for (int o = 0; o < SIDE; o++) out[o] = o < C_OUT ? y[o] : (vec){0};
    NAME(transpose)(SIDE, out);
    UNROLL for (int j = 0; j < SIDE; j++) {
        const int first = j * row;
        vstore_parts(c + first * c_row, part * c_row, out[j], C_OUT, left >= LANES ? LANES / SIDE : (left - first + part - 1) / part);
    }
}

/* V vectors of pixels, `last` pixels in the last one; a vector's outputs take `vector` bytes. APART: its pixels are c_row apart. */
INLINE void NAME(few_tile)(const int C_OUT, const int APART, const int V, const int BY_VECTORS, const struct tile_run *t,
                           const char *a, char *c, ptrdiff_t vector, int last, const struct NAME(bounds) *bounds,
                           lane_index together[FEW][FEW][LANES]) {
    vec sum[MOST_FEW * 2];
    UNROLL for (int o = 0; o < C_OUT; o++) UNROLL for (int v = 0; v < V; v++) sum[o * V + v] = vset1(t->start + o * sizeof(REAL));
    NAME(sums_of_pixels)(C_OUT, V, BY_VECTORS, t, a, last, sum);
    UNROLL for (int v = 0; v < V; v++, c += vector) {
        const int pixels = v < V - 1 ? LANES : last;
        vec y[MOST_FEW];
        UNROLL for (int o = 0; o < C_OUT; o++) y[o] = NAME(within)(0, t->bounded, bounds, sum[o * V + v]);
        if (APART) NAME(store_apart)(C_OUT, y, c, t->c_row, pixels);
        else if (C_OUT <= FEW) NAME(store_together)(C_OUT, PARTS_OF(C_OUT), y, together, c, pixels);
        else NAME(store_pixels)(C_OUT, y, together, c, pixels);
    }
}

/* t: the same with weights b[k·b_k + channel], outputs of a pixel side by side at c, and nothing to add. */
INLINE void NAME(few)(const int C_OUT, const int APART, const int BY_VECTORS, const struct tile_run *t) {
    const ptrdiff_t vector = APART ? LANES * t->c_row : C_OUT * (ptrdiff_t)sizeof(vec);
    const int V = BY_VECTORS && C_OUT > MOST_BY_VECTORS ? 1 : 2; /* as long as registers hold the sums of both */
    const struct NAME(bounds) bounds = NAME(bounds_of)(t);
    const char *a = t->a;
    char *c = t->c;
    ptrdiff_t left = t->tiles;
    lane_index together[FEW][FEW][LANES];
    if (!APART && C_OUT <= FEW) NAME(set_together)(C_OUT, PARTS_OF(C_OUT), together);
    if (C_OUT > FEW) NAME(set_pixels)(C_OUT, together);
    for (; t->pixel_vectors >= V && left >= V * LANES; left -= V * LANES, a += V * LANES * t->a_row, c += V * vector)
        NAME(few_tile)(C_OUT, APART, V, BY_VECTORS, t, a, c, vector, LANES, &bounds, together);
    for (; left > 0; left -= LANES, a += LANES * t->a_row, c += vector)
        NAME(few_tile)(C_OUT, APART, 1, BY_VECTORS, t, a, c, vector, left < LANES ? (int)left : LANES, &bounds, together);
}

/* More than FEW outputs where they leave a vector of tiles half empty, need no more registers than there are, and are faster so:
 * 24, 32 and 64 channels to 7 outputs 1.1 to 1.2 times, 100 to 9 1.3; not 8, for which tiles have half vectors (Zen 4). */
#undef FEWS
#if VREGS != 32
#define FEWS(X) X(2) X(3) X(4)
#elif defined(REAL_IS_DOUBLE)
#define FEWS(X) X(2) X(3) X(5) X(6) /* not 4: thirteen layers are 1.09 times as fast in tiles */
#else
#define FEWS(X) X(2) X(3) X(4) X(5) X(6) X(7) X(9) X(10) X(11) X(12)
#endif
#define FEW_OUTPUTS(C_OUT) FEW_KERNEL(few_##C_OUT, C_OUT, NAME(few)(C_OUT, 0, BY_VECTORS, t))
#define FEW_ENTRY(C_OUT) [C_OUT] = NAME(few_##C_OUT),
FEWS(FEW_OUTPUTS)

/* The last outputs of more, the others of which are tiles. As many as pay: with AVX2 64 to 12 channels would be 0.93 times as
 * fast, thirteen layers of doubles 1.00 times (Zen 4). */
#undef RESTS
#if defined(REAL_IS_DOUBLE)
#define RESTS(X)
#elif VREGS == 32
#define RESTS(X) X(1) X(2) X(3) X(4)
#else
#define RESTS(X) X(1) X(2)
#endif
#define REST_OUTPUTS(C_OUT) FEW_KERNEL(rest_##C_OUT, C_OUT, NAME(few)(C_OUT, 1, BY_VECTORS, t))
#define REST_ENTRY(C_OUT) [C_OUT] = NAME(rest_##C_OUT),
RESTS(REST_OUTPUTS)
#endif
