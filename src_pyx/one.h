/* One output of pixels whose channels lie side by side: their rows are transposed in registers, so that a vector holds a
 * channel of as many pixels. Tiles whose rows are pixels would compute a vector of outputs for each of them, and use a lane. */

/* Up to LANES terms of the sums of up to LANES pixels; those `ahead` bytes further are prefetched, unless it is 0. */
INLINE vec NAME(terms_of_pixels)(const char *a, ptrdiff_t a_row, int pixels, ptrdiff_t ahead, const char *b, ptrdiff_t b_k,
                                 int terms, vec sum) {
    vec row[LANES];
    UNROLL for (int j = 0; j < LANES; j++) row[j] = j < pixels ? vload_last(a + j * a_row, terms) : (vec){0};
    if (ahead && terms == LANES)
        UNROLL for (int j = 0; j < LANES; j++) PREFETCH(a + j * a_row + ahead);
    NAME(transpose)(row);
    UNROLL for (int k = 0; k < LANES; k++)
        if (k < terms) sum = vfma(vset1(b + k * b_k), row[k], sum);
    return sum;
}

/* A tile of one row and V vectors, side by side so that none waits for its chain; `last`: pixels of the last one. */
INLINE void NAME(one_tile)(const int V, const struct tile_run *t, ptrdiff_t first, int last) {
    const ptrdiff_t a_row = t->a_row, offset = first * (ptrdiff_t)sizeof(REAL), tile = V * LANES * a_row;
    const char *a = t->a + first * a_row, *b = t->b;
    /* the next tile, if there is a whole one */
    const ptrdiff_t ahead = t->ahead_lines && a + 2 * tile <= t->a_end ? tile : 0;
    const int step = LANES * (int)sizeof(REAL);
    vec acc[MAX_ROWS][MAX_VECTORS];
    ptrdiff_t k = t->depth;
    UNROLL for (int v = 0; v < V; v++)
        acc[0][v] = t->start_row ? vload_n(t->start + offset + v * sizeof(vec), v < V - 1 ? LANES : last) : vset1(t->start);
#define MORE_TERMS(terms) \
    UNROLL for (int v = 0; v < V; v++) \
        acc[0][v] = NAME(terms_of_pixels)(a + v * LANES * a_row, a_row, v < V - 1 ? LANES : last, ahead, b, t->b_k, \
                                          terms, acc[0][v])
    for (; k >= LANES; k -= LANES, a += step, b += LANES * t->b_k) MORE_TERMS(LANES);
    if (k > 0) MORE_TERMS((int)k);
#undef MORE_TERMS
    NAME(finish)(1, V, t, acc, t->c + offset, t->residual ? t->residual + offset : NULL, last);
}

/* t: `tiles` pixels at a, a_row apart; a weight for each term, b_k apart; outputs, and what is added to them, side by side. */
static void NAME(one)(const struct tile_run *t) {
    ptrdiff_t i = 0;
    for (; i + 2 * LANES <= t->tiles; i += 2 * LANES) NAME(one_tile)(2, t, i, LANES);
    for (; i < t->tiles; i += LANES) NAME(one_tile)(1, t, i, t->tiles - i < LANES ? (int)(t->tiles - i) : LANES);
}
