/* Few outputs of pixels whose channels lie side by side: rows of x are transposed in registers, so that a vector holds a channel of
 * as many pixels. Tiles whose rows are pixels would compute a vector of outputs for each of them, and use some lanes. */

#define HALVES (LANES > SIDE ? LANES / 2 : 0) /* channels in half a vector, if that is whole parts of 16 bytes */

/* Whether outputs are picked together by parts of 16 bytes (mix.h), for which pixels are loaded in their order: 12 to 4
 * channels are 1.15 times as fast so, with doubles 8 to 2 would be 0.95 times. */
#define PARTS_OF(C_OUT) ((C_OUT) == SIDE && SIDE > 2)

/* The pixel whose half comes first in the j-th vector of halves. That of the pixel SIDE further comes second, as the parts of 16
 * bytes are then in order. */
#define SHARED_LANE(j) ((j) / SIDE * 2 * SIDE + (j) % SIDE)

/* Prefetch what later tiles read, `ahead` bytes further, if AHEAD tells where to: the second level has more lines under way. A
 * constant, which makes six layers 1.1 times as fast. */
INLINE void NAME(fetch_ahead)(const int AHEAD, const struct NAME(rows) *pixels, ptrdiff_t ahead) {
    if (AHEAD == NOWHERE) return;
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

/* The next terms, up to LANES, of the sums of V vectors of pixels, `last` pixels in the last vector: side by side, so that none
 * waits for its chain. By halves, so that shuffles run beside the multiply-adds of the half before: 27 layers of 8 to 224
 * channels to 2 to 4, x in the second level, are 1.13 times as fast as by whole squares and one vector, with AVX2 1.2 times
 * (Zen 4). */
INLINE void NAME(terms_of_pixels)(const int C_OUT, const int V, const int AHEAD, const struct tile_run *t, const char *a,
                                  const char *b, int last, ptrdiff_t ahead, int terms, vec *sum) {
    UNROLL for (int v = 0; v < V; v++, a += LANES * t->a_row) {
        const struct NAME(rows) pixels = NAME(rows_from)(a, t->a_row);
        vec row[LANES], half[LANES];
        UNROLL for (int j = 0; j < LANES; j++) {
            const int pixel = LANE_PIXEL(j, PARTS_OF(C_OUT));
            row[j] = v < V - 1 || pixel < last ? vload_last(NAME(row)(&pixels, pixel), terms) : (vec){0};
        }
        NAME(fetch_ahead)(AHEAD, &pixels, ahead);
        if (HALVES == 0) NAME(add_terms)(C_OUT, V, LANES, row, b, t->b_k, terms, sum + v);
        UNROLL for (int k = 0; HALVES && k < LANES; k += HALVES) {
            UNROLL for (int j = 0; j < HALVES; j++) {
                const vec *pair = row + SHARED_LANE(j);
                half[j] = k == 0 ? vfirst_halves(pair[0], pair[SIDE]) : vlast_halves(pair[0], pair[SIDE]);
            }
            NAME(add_terms)(C_OUT, V, HALVES, half, b + k * t->b_k, t->b_k, terms - k, sum + v);
        }
    }
}

/* The last terms, up to HALVES, of which the halves are read: a square would be half empty, 8 to 3 channels are 1.21 times as
 * fast so (AVX-512). WHOLE: HALVES of LANES pixels, for which 8 to 1 are another 1.16 times as fast, with AVX2 12 to 4 1.25
 * times. */
INLINE void NAME(last_terms_of_pixels)(const int WHOLE, const int C_OUT, const int V, const int AHEAD, const struct tile_run *t,
                                       const char *a, const char *b, int last, ptrdiff_t ahead, int terms, vec *sum) {
    UNROLL for (int v = 0; v < V; v++, a += LANES * t->a_row) {
        const struct NAME(rows) pixels = NAME(rows_from)(a, t->a_row);
        const int count = v < V - 1 ? LANES : last;
        vec half[LANES];
        UNROLL for (int j = 0; j < HALVES; j++) {
            const int first = LANE_PIXEL(SHARED_LANE(j), PARTS_OF(C_OUT)), second = LANE_PIXEL(SHARED_LANE(j) + SIDE, PARTS_OF(C_OUT));
            const char *p = NAME(row)(&pixels, first), *q = NAME(row)(&pixels, second);
            half[j] = WHOLE ? vhalves(p, q) : vhalves_n(p, first < count ? terms : 0, q, second < count ? terms : 0);
        }
        NAME(fetch_ahead)(AHEAD, &pixels, ahead);
        NAME(add_terms)(C_OUT, V, HALVES, half, b, t->b_k, terms, sum + v);
    }
}

/* All terms; last: a constant where it is LANES. */
INLINE void NAME(all_terms_of_pixels)(const int C_OUT, const int V, const int AHEAD, const struct tile_run *t, const char *a,
                                      int last, ptrdiff_t ahead, vec *sum) {
    const char *b = t->b;
    ptrdiff_t k = t->depth;
    for (; k >= LANES; k -= LANES, a += sizeof(vec), b += LANES * t->b_k)
        NAME(terms_of_pixels)(C_OUT, V, AHEAD, t, a, b, last, ahead, LANES, sum);
#define LAST_TERMS(WHOLE, terms) NAME(last_terms_of_pixels)(WHOLE, C_OUT, V, AHEAD, t, a, b, last, ahead, terms, sum)
    if (k > HALVES) NAME(terms_of_pixels)(C_OUT, V, AHEAD, t, a, b, last, ahead, (int)k, sum);
    else if (HALVES && k == HALVES && last == LANES) LAST_TERMS(1, HALVES);
    else if (HALVES && k > 0) LAST_TERMS(0, (int)k);
}

/* Those of V vectors of pixels, `last` of them in the last one. */
INLINE void NAME(sums_of_pixels)(const int C_OUT, const int V, const struct tile_run *t, const char *a, int last, vec *sum) {
    const ptrdiff_t tile = V * LANES * t->a_row;
    ptrdiff_t ahead = t->ahead_lines * LANES * t->a_row;
    if (last < LANES) {
        NAME(all_terms_of_pixels)(C_OUT, V, NOWHERE, t, a, last, 0, sum);
        return;
    }
    if (a + ahead + tile > t->a_end) ahead = 0; /* no whole tile is there */
    if (ahead == 0) NAME(all_terms_of_pixels)(C_OUT, V, NOWHERE, t, a, LANES, 0, sum);
    else if (ahead == tile) NAME(all_terms_of_pixels)(C_OUT, V, INTO_FIRST, t, a, LANES, ahead, sum);
    else NAME(all_terms_of_pixels)(C_OUT, V, INTO_SECOND, t, a, LANES, ahead, sum);
}

/* One output: a tile of one row and V vectors, from pixel `first` on. */
INLINE void NAME(one_tile)(const int V, const struct tile_run *t, ptrdiff_t first, int last) {
    const ptrdiff_t offset = first * (ptrdiff_t)sizeof(REAL);
    vec acc[MAX_ROWS][MAX_VECTORS];
    UNROLL for (int v = 0; v < V; v++)
        acc[0][v] = t->start_row ? vload_n(t->start + offset + v * sizeof(vec), v < V - 1 ? LANES : last) : vset1(t->start);
    NAME(sums_of_pixels)(1, V, t, t->a + first * t->a_row, last, acc[0]);
    NAME(finish)(1, V, 0, t, acc, t->c + offset, t->residual ? t->residual + offset : NULL, last);
}

/* t: `tiles` pixels at a, a_row apart; a weight for each term, b_k apart; outputs, and what is added to them, side by side. */
static void NAME(few_1)(const struct tile_run *t) {
    ptrdiff_t i = 0;
    for (; t->pixel_vectors == 2 && i + 2 * LANES <= t->tiles; i += 2 * LANES) NAME(one_tile)(2, t, i, LANES);
    for (; i < t->tiles; i += LANES) NAME(one_tile)(1, t, i, t->tiles - i < LANES ? (int)(t->tiles - i) : LANES);
}

#ifdef HAS_PICK
/* A vector for each output channel becomes pixels side by side, the `left` first of them. */
INLINE void NAME(store_pixels)(const int C_OUT, const vec *y, char *c, ptrdiff_t left) {
    vec row[LANES];
    UNROLL for (int o = 0; o < LANES; o++) row[o] = o < C_OUT ? y[o] : (vec){0};
    NAME(transpose)(LANES, row);
    UNROLL for (int i = 0; i < LANES; i++)
        if (i < left) vstore_n(c + i * C_OUT * sizeof(REAL), row[i], C_OUT);
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
INLINE void NAME(few_tile)(const int C_OUT, const int APART, const int V, const struct tile_run *t, const char *a, char *c,
                           ptrdiff_t vector, int last, const struct NAME(bounds) *bounds, lane_index together[FEW][FEW][LANES]) {
    vec sum[MOST_FEW * 2];
    UNROLL for (int o = 0; o < C_OUT; o++) UNROLL for (int v = 0; v < V; v++) sum[o * V + v] = vset1(t->start + o * sizeof(REAL));
    NAME(sums_of_pixels)(C_OUT, V, t, a, last, sum);
    UNROLL for (int v = 0; v < V; v++, c += vector) {
        const int pixels = v < V - 1 ? LANES : last;
        vec y[MOST_FEW];
        UNROLL for (int o = 0; o < C_OUT; o++) y[o] = NAME(within)(0, t->bounded, bounds, sum[o * V + v]);
        if (APART) NAME(store_apart)(C_OUT, y, c, t->c_row, pixels);
        else if (C_OUT <= FEW) NAME(store_together)(C_OUT, PARTS_OF(C_OUT), y, together, c, pixels);
        else NAME(store_pixels)(C_OUT, y, c, pixels);
    }
}

/* t: the same with weights b[k·b_k + channel], outputs of a pixel side by side at c, and nothing to add. */
INLINE void NAME(few)(const int C_OUT, const int APART, const struct tile_run *t) {
    const ptrdiff_t vector = APART ? LANES * t->c_row : C_OUT * (ptrdiff_t)sizeof(vec);
    const int V = C_OUT <= 6 ? 2 : 1; /* as long as registers hold the sums of both */
    const struct NAME(bounds) bounds = NAME(bounds_of)(t);
    const char *a = t->a;
    char *c = t->c;
    ptrdiff_t left = t->tiles;
    lane_index together[FEW][FEW][LANES];
    if (!APART && C_OUT <= FEW) NAME(set_together)(C_OUT, PARTS_OF(C_OUT), together);
    for (; t->pixel_vectors >= V && left >= V * LANES; left -= V * LANES, a += V * LANES * t->a_row, c += V * vector)
        NAME(few_tile)(C_OUT, APART, V, t, a, c, vector, LANES, &bounds, together);
    for (; left > 0; left -= LANES, a += LANES * t->a_row, c += vector)
        NAME(few_tile)(C_OUT, APART, 1, t, a, c, vector, left < LANES ? (int)left : LANES, &bounds, together);
}

/* More than FEW outputs where they leave a vector of tiles half empty, need no more registers than there are, and 100
 * channels are more than 1.04 times as fast so, to 9 outputs 1.3 times; not 7 or 8, for which tiles have half vectors. */
#undef FEWS
#if VREGS != 32
#define FEWS(X) X(2) X(3) X(4)
#elif defined(REAL_IS_DOUBLE)
#define FEWS(X) X(2) X(3) X(5) X(6) /* not 4: thirteen layers are 1.09 times as fast in tiles */
#else
#define FEWS(X) X(2) X(3) X(4) X(5) X(6) X(9) X(10) X(11) X(12)
#endif
#define FEW_OUTPUTS(C_OUT) \
    static void NAME(few_##C_OUT)(const struct tile_run *t) { NAME(few)(C_OUT, 0, t); }
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
#define REST_OUTPUTS(C_OUT) \
    static void NAME(rest_##C_OUT)(const struct tile_run *t) { NAME(few)(C_OUT, 1, t); }
#define REST_ENTRY(C_OUT) [C_OUT] = NAME(rest_##C_OUT),
RESTS(REST_OUTPUTS)
#endif
