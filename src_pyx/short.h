/* Short sums of pixels whose channels lie side by side: all weights stay in registers. Tiles begin and end after a few steps: 4
 * to 8 channels take 4.3 cycles for a pixel in them and 2.5 here, 3 to 31 channels 11.4 and 8.3 (Zen 4). */

/* The next N pixels, side by side, so that none waits for its chain: 4 to 8 channels one by one take 3.9 cycles. */
INLINE void NAME(short_pixels)(const int N, const int K, const int V, const int HALF, const int BOUNDED, const vec *weight,
                               const vec *bias, const struct NAME(bounds) *bounds, const char *a, ptrdiff_t a_row, char *c,
                               ptrdiff_t c_row, int last) {
    vec y[4][MAX_VECTORS];
    UNROLL for (int i = 0; i < N; i++) UNROLL for (int v = 0; v < V; v++) y[i][v] = bias[v];
    UNROLL for (int k = 0; k < K; k++) {
        const char *ak = a + k * sizeof(REAL);
        UNROLL for (int i = 0; i < N; i++, ak += a_row) ADD_TERM(HAS_FMA_AT, ak, weight + k * V, y[i]);
    }
    UNROLL for (int i = 0; i < N; i++, c += c_row) UNROLL for (int v = 0; v < V; v++) {
        const vec out = NAME(within)(IS_HALF(v), BOUNDED, bounds, y[i][v]);
        if (v < V - 1 || last == FULL) STORE(v, c + v * sizeof(vec), out);
        else STORE_N(c + v * sizeof(vec), out, last);
    }
}

/* All. BOUNDED: a constant, as in mix.h. */
INLINE void NAME(short_all)(const int K, const int V, const int HALF, const int BOUNDED, const struct tile_run *t,
                            const vec *weight, const vec *bias, const struct NAME(bounds) *bounds) {
    const int N = V == 1 ? 4 : V == 2 ? 2 : 1;
    const ptrdiff_t a_row = t->a_row, c_row = t->c_row;
    const int last = (int)t->columns - (V - 1) * LANES;
    const char *a = t->a;
    char *c = t->c;
    ptrdiff_t left = t->tiles;
    for (; left >= N; left -= N, a += N * a_row, c += N * c_row)
        NAME(short_pixels)(N, K, V, HALF, BOUNDED, weight, bias, bounds, a, a_row, c, c_row, last);
    for (; left > 0; left--, a += a_row, c += c_row)
        NAME(short_pixels)(1, K, V, HALF, BOUNDED, weight, bias, bounds, a, a_row, c, c_row, last);
}

/* t: `tiles` pixels at a, a_row apart; weights b[k·b_k + channel] in whole vectors, `columns` of which count; outputs at c. */
INLINE void NAME(short_sums)(const int K, const int V, const int HALF, const struct tile_run *t) {
    const struct NAME(bounds) bounds = NAME(bounds_of)(t);
    vec weight[MOST_SHORT * MAX_VECTORS], bias[MAX_VECTORS];
    const int last = (int)t->columns - (V - 1) * LANES;
    UNROLL for (int v = 0; v < V; v++) {
        const char *p = t->start + v * sizeof(vec);
        bias[v] = v < V - 1 ? vload(p) : vload_n(p, last);
        UNROLL for (int k = 0; k < K; k++) weight[k * V + v] = vload(t->b + k * t->b_k + v * sizeof(vec));
    }
#define SHORT_ALL(BOUNDED) NAME(short_all)(K, V, HALF, BOUNDED, t, weight, bias, &bounds)
    BY_BOUNDS(SHORT_ALL)
}

/* As many terms as leave registers for weights and are worth it: 16 to 16 channels would be as fast in tiles, 8 to 8 with AVX2
 * 0.98 times. Elements come from memory for each vector of sums: with one register for all 3 to 32 channels at 224×224 take 1.3
 * times as long, 21 layers of 1 to 10 terms and 32, 48 or 64 outputs 1.07 times, near (AVX-512, Zen 4). */
#undef SHORT_1
#undef SHORTS
#define SHORT_1(X) X(1, 1) X(2, 1) X(3, 1) X(4, 1) X(5, 1) X(6, 1) X(7, 1)
#if VREGS == 32
#define SHORTS(X) \
    SHORT_1(X) X(8, 1) X(9, 1) X(10, 1) X(11, 1) X(12, 1) X(13, 1) X(14, 1) \
    X(1, 2) X(2, 2) X(3, 2) X(4, 2) X(5, 2) X(6, 2) X(7, 2) X(8, 2) X(9, 2) X(10, 2) \
    X(1, 3) X(2, 3) X(3, 3) X(4, 3) X(5, 3) X(6, 3) X(7, 3) X(1, 4) X(2, 4) X(3, 4) X(4, 4) X(5, 4)
#else
#define SHORTS(X) SHORT_1(X) X(1, 2) X(2, 2) X(3, 2) X(4, 2) X(1, 3) X(2, 3)
#endif
#define SHORT_SUMS(K, V) \
    static void NAME(short_##K##x##V)(const struct tile_run *t) { NAME(short_sums)(K, V, 0, t); }
#define HALF_SHORT_SUMS(K, V) \
    static void NAME(short_##K##x##V##_half)(const struct tile_run *t) { NAME(short_sums)(K, V, 1, t); }
#define SHORT_ENTRY(K, V) [K][V] = NAME(short_##K##x##V),
SHORTS(SHORT_SUMS)
#undef HALF_SHORT_ENTRY
#if HAS_HALF
SHORTS(HALF_SHORT_SUMS)
#define HALF_SHORT_ENTRY(K, V) [K][V] = NAME(short_##K##x##V##_half),
#else
#define HALF_SHORT_ENTRY SHORT_ENTRY
#endif
