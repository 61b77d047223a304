/* One output of pixels whose channels lie side by side: their rows are transposed in registers, so that a vector holds a
 * channel of as many pixels. Tiles whose rows are pixels would compute a vector of outputs for each of them, and use a lane. */

/* The next terms, up to LANES, of the sums of V vectors of pixels, `last` pixels in the last vector: side by side, so that none
 * waits for its chain. AHEAD: those `ahead` bytes further are prefetched; a constant, which makes six layers 1.1 times as fast. */
INLINE void NAME(terms_of_pixels)(const int V, const int AHEAD, const struct tile_run *t, const char *a, const char *b, int last,
                                  ptrdiff_t ahead, int terms, vec *sum) {
    const ptrdiff_t a_row = t->a_row, b_k = t->b_k;
    UNROLL for (int v = 0; v < V; v++, a += LANES * a_row) {
        const int pixels = v < V - 1 ? LANES : last;
        vec row[LANES];
        UNROLL for (int j = 0; j < LANES; j++) row[j] = j < pixels ? vload_last(a + j * a_row, terms) : (vec){0};
        if (AHEAD)
            UNROLL for (int j = 0; j < LANES; j++) PREFETCH_NEAR(a + j * a_row + ahead);
        NAME(transpose)(row);
        UNROLL for (int k = 0; k < LANES; k++)
            if (k < terms) sum[v] = vfma(vset1(b + k * b_k), row[k], sum[v]);
    }
}

/* A tile of one row and V vectors, from pixel `first` on. */
INLINE void NAME(one_tile)(const int V, const struct tile_run *t, ptrdiff_t first, int last) {
    const ptrdiff_t offset = first * (ptrdiff_t)sizeof(REAL), tile = V * LANES * t->a_row;
    const char *a = t->a + first * t->a_row, *b = t->b;
    const ptrdiff_t ahead = t->ahead_lines && a + 2 * tile <= t->a_end ? tile : 0; /* if there is a whole one */
    vec acc[MAX_ROWS][MAX_VECTORS];
    ptrdiff_t k = t->depth;
    UNROLL for (int v = 0; v < V; v++)
        acc[0][v] = t->start_row ? vload_n(t->start + offset + v * sizeof(vec), v < V - 1 ? LANES : last) : vset1(t->start);
    if (ahead)
        for (; k >= LANES; k -= LANES, a += sizeof(vec), b += LANES * t->b_k)
            NAME(terms_of_pixels)(V, 1, t, a, b, last, ahead, LANES, acc[0]);
    for (; k >= LANES; k -= LANES, a += sizeof(vec), b += LANES * t->b_k)
        NAME(terms_of_pixels)(V, 0, t, a, b, last, 0, LANES, acc[0]);
    if (k > 0) NAME(terms_of_pixels)(V, 0, t, a, b, last, 0, (int)k, acc[0]);
    NAME(finish)(1, V, t, acc, t->c + offset, t->residual ? t->residual + offset : NULL, last);
}

/* t: `tiles` pixels at a, a_row apart; a weight for each term, b_k apart; outputs, and what is added to them, side by side. */
static void NAME(one)(const struct tile_run *t) {
    ptrdiff_t i = 0;
    for (; i + 2 * LANES <= t->tiles; i += 2 * LANES) NAME(one_tile)(2, t, i, LANES);
    for (; i < t->tiles; i += LANES) NAME(one_tile)(1, t, i, t->tiles - i < LANES ? (int)(t->tiles - i) : LANES);
}
