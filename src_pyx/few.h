/* Few outputs of pixels whose channels lie side by side: rows of x are transposed in registers, so that a vector holds a channel of
 * as many pixels. Tiles whose rows are pixels would compute a vector of outputs for each of them, and use some lanes. */

#define HALVES (LANES > SIDE ? LANES / 2 : 0) /* channels in half a vector, if that is whole parts of 16 bytes */

/* Whether outputs are picked together by parts of 16 bytes (mix.h), for which pixels are loaded in their order: 12 to 4
 * channels are 1.15 times as fast so, with doubles 8 to 2 would be 0.95 times. */
#define PARTS_OF(C_OUT) ((C_OUT) == SIDE && SIDE > 2)

/* Add `terms` terms, up to ROWS, to the sums of a vector of pixels, which lie V vectors apart. */
INLINE void NAME(add_terms)(const int C_OUT, const int V, const int ROWS, const struct tile_run *t, const vec *row, const char *b,
                            int terms, vec *sum) {
    UNROLL for (int k = 0; k < ROWS; k++)
        if (k < terms)
            UNROLL for (int o = 0; o < C_OUT; o++)
                sum[o * V] = vfma_at(b + k * t->b_k + o * sizeof(REAL), row[k], sum[o * V]);
}

/* Prefetch what later tiles read, `ahead` bytes further, if AHEAD tells where to: the second level has more lines under way. A
 * constant, which makes six layers 1.1 times as fast. */
INLINE void NAME(fetch_ahead)(const int AHEAD, const char *a, ptrdiff_t a_row, ptrdiff_t ahead) {
    if (AHEAD == NOWHERE) return;
    UNROLL for (int j = 0; j < LANES; j++) {
        if (AHEAD == INTO_SECOND) PREFETCH(a + j * a_row + ahead);
        else PREFETCH_NEAR(a + j * a_row + ahead);
    }
}

/* The next terms, up to LANES, of the sums of V vectors of pixels, `last` pixels in the last vector: side by side, so that none
 * waits for its chain. */
INLINE void NAME(terms_of_pixels)(const int C_OUT, const int V, const int AHEAD, const struct tile_run *t, const char *a,
                                  const char *b, int last, ptrdiff_t ahead, int terms, vec *sum) {
    const ptrdiff_t a_row = t->a_row;
    UNROLL for (int v = 0; v < V; v++, a += LANES * a_row) {
        const int pixels = v < V - 1 ? LANES : last;
        vec row[LANES];
        UNROLL for (int j = 0; j < LANES; j++) {
            const int pixel = LANE_PIXEL(j, PARTS_OF(C_OUT));
            row[j] = pixel < pixels ? vload_last(a + pixel * a_row, terms) : (vec){0};
        }
        NAME(fetch_ahead)(AHEAD, a, a_row, ahead);
        NAME(transpose)(LANES, row);
        NAME(add_terms)(C_OUT, V, LANES, t, row, b, terms, sum + v);
    }
}

/* The last terms, up to HALVES: two pixels share a vector, SIDE apart, as that puts the parts of 16 bytes in order. Half of
 * the shuffles of a square, whose vectors would be half empty: 8 to 3 channels are 1.21 times as fast (AVX-512). */
INLINE void NAME(last_terms_of_pixels)(const int C_OUT, const int V, const int AHEAD, const struct tile_run *t, const char *a,
                                       const char *b, int last, ptrdiff_t ahead, int terms, vec *sum) {
    const ptrdiff_t a_row = t->a_row;
    UNROLL for (int v = 0; v < V; v++, a += LANES * a_row) {
        const int pixels = v < V - 1 ? LANES : last;
        vec row[LANES];
        UNROLL for (int j = 0; j < HALVES; j++) {
            const int lane = j / SIDE * 2 * SIDE + j % SIDE;
            const int first = LANE_PIXEL(lane, PARTS_OF(C_OUT)), second = LANE_PIXEL(lane + SIDE, PARTS_OF(C_OUT));
            row[j] = vhalves(a + first * a_row, first < pixels ? terms : 0, a + second * a_row, second < pixels ? terms : 0);
        }
        NAME(fetch_ahead)(AHEAD, a, a_row, ahead);
        NAME(transpose)(HALVES, row);
        NAME(add_terms)(C_OUT, V, HALVES, t, row, b, terms, sum + v);
    }
}

/* All terms. */
INLINE void NAME(all_terms_of_pixels)(const int C_OUT, const int V, const int AHEAD, const struct tile_run *t, const char *a,
                                      int last, ptrdiff_t ahead, vec *sum) {
    const char *b = t->b;
    ptrdiff_t k = t->depth;
    for (; k >= LANES; k -= LANES, a += sizeof(vec), b += LANES * t->b_k)
        NAME(terms_of_pixels)(C_OUT, V, AHEAD, t, a, b, last, ahead, LANES, sum);
    if (k > HALVES) NAME(terms_of_pixels)(C_OUT, V, AHEAD, t, a, b, last, ahead, (int)k, sum);
    else if (HALVES && k > 0) NAME(last_terms_of_pixels)(C_OUT, V, AHEAD, t, a, b, last, ahead, (int)k, sum);
}

/* Those of V vectors of pixels. */
INLINE void NAME(sums_of_pixels)(const int C_OUT, const int V, const struct tile_run *t, const char *a, int last, vec *sum) {
    const ptrdiff_t tile = V * LANES * t->a_row;
    ptrdiff_t ahead = t->ahead_lines * tile;
    if (a + ahead + tile > t->a_end) ahead = 0; /* no whole tile is there */
    if (ahead == 0) NAME(all_terms_of_pixels)(C_OUT, V, NOWHERE, t, a, last, 0, sum);
    else if (ahead == tile) NAME(all_terms_of_pixels)(C_OUT, V, INTO_FIRST, t, a, last, ahead, sum);
    else NAME(all_terms_of_pixels)(C_OUT, V, INTO_SECOND, t, a, last, ahead, sum);
}

/* One output: a tile of one row and V vectors, from pixel `first` on. */
INLINE void NAME(one_tile)(const int V, const struct tile_run *t, ptrdiff_t first, int last) {
    const ptrdiff_t offset = first * (ptrdiff_t)sizeof(REAL);
    vec acc[MAX_ROWS][MAX_VECTORS];
    UNROLL for (int v = 0; v < V; v++)
        acc[0][v] = t->start_row ? vload_n(t->start + offset + v * sizeof(vec), v < V - 1 ? LANES : last) : vset1(t->start);
    NAME(sums_of_pixels)(1, V, t, t->a + first * t->a_row, last, acc[0]);
    NAME(finish)(1, V, t, acc, t->c + offset, t->residual ? t->residual + offset : NULL, last);
}

/* t: `tiles` pixels at a, a_row apart; a weight for each term, b_k apart; outputs, and what is added to them, side by side. */
static void NAME(few_1)(const struct tile_run *t) {
    ptrdiff_t i = 0;
    for (; i + 2 * LANES <= t->tiles; i += 2 * LANES) NAME(one_tile)(2, t, i, LANES);
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

/* t: the same with weights b[k·b_k + channel], outputs of a pixel side by side at c, and nothing to add. */
INLINE void NAME(few)(const int C_OUT, const struct tile_run *t) {
    const char *a = t->a;
    char *c = t->c;
    const struct NAME(bounds) bounds = NAME(bounds_of)(t);
    lane_index together[FEW][FEW][LANES];
    if (C_OUT <= FEW) NAME(set_together)(C_OUT, PARTS_OF(C_OUT), together);
    for (ptrdiff_t left = t->tiles; left > 0; left -= LANES, a += LANES * t->a_row, c += C_OUT * sizeof(vec)) {
        vec y[MOST_FEW];
        UNROLL for (int o = 0; o < C_OUT; o++) y[o] = vset1(t->start + o * sizeof(REAL));
        NAME(sums_of_pixels)(C_OUT, 1, t, a, left < LANES ? (int)left : LANES, y);
        UNROLL for (int o = 0; o < C_OUT; o++) y[o] = NAME(within)(t->bounded, &bounds, y[o]);
        if (C_OUT <= FEW) NAME(store_together)(C_OUT, PARTS_OF(C_OUT), y, together, c, left);
        else NAME(store_pixels)(C_OUT, y, c, left);
    }
}

/* More than FEW outputs where they leave a vector of tiles half empty, need no more registers than there are, and 100
 * channels are more than 1.04 times as fast so, to 9 outputs 1.3 times; not 7 or 8, whose tiles have vectors of half a line. */
#undef FEWS
#if VREGS != 32
#define FEWS(X) X(2) X(3) X(4)
#elif defined(REAL_IS_DOUBLE)
#define FEWS(X) X(2) X(3) X(4) X(5) X(6)
#else
#define FEWS(X) X(2) X(3) X(4) X(5) X(6) X(9) X(10) X(11) X(12)
#endif
#define FEW_OUTPUTS(C_OUT) \
    static void NAME(few_##C_OUT)(const struct tile_run *t) { NAME(few)(C_OUT, t); }
#define FEW_ENTRY(C_OUT) [C_OUT] = NAME(few_##C_OUT),
FEWS(FEW_OUTPUTS)
#endif
