/* Short sums of channels that are planes: some vectors of pixels of every channel stay in registers while the outputs go by, whose
 * weights are broadcast. Tiles begin and end after these few steps, and read x anew for each band: 224 layers in NCHW of 1 to 7
 * terms and 1 to 64 outputs are 1.2 times as fast as with them, 128 of 1 to 4 terms with AVX2 1.4 times (Zen 4). */

/* V vectors of pixels, the last of `last` lanes, `offset` bytes from where the planes begin. With `finish` of tile.h, which asks for
 * each row what follows its sums, thirteen layers are 0.93 times as fast, with AVX2 0.85 times (Zen 4). */
INLINE void NAME(plane_pixels)(const int K, const int V, const int BOUNDED, const struct tile_run *t,
                               const struct NAME(bounds) *bounds, ptrdiff_t offset, int last) {
    const ptrdiff_t a_k = t->a_k, c_row = t->c_row, residual_row = t->residual_row;
    const char *b = t->b + offset;
    enum { HALF = 0 };
    vec x[MOST_PLANES][MAX_VECTORS];
    UNROLL for (int k = 0; k < K; k++, b += t->b_k) UNROLL for (int v = 0; v < V; v++) {
        x[k][v] = v < V - 1 || last == LANES ? vload(b + v * sizeof(vec)) : vload_n(b + v * sizeof(vec), last);
        vstay(x[k][v]);
    }
    for (ptrdiff_t line = 0; line < t->lines; line++) {
        const char *a = t->a + line * t->a_line, *const end = a + t->tiles * sizeof(REAL);
        const char *start = t->start + line * t->start_line;
        const char *residual = t->residual ? t->residual + line * t->residual_line + offset : NULL;
        char *c = t->c + line * t->c_line + offset;
        for (; a < end; a += sizeof(REAL), start += sizeof(REAL), c += c_row) {
            vec y[MAX_VECTORS];
            UNROLL for (int v = 0; v < V; v++) y[v] = vset1(start);
            UNROLL for (int k = 0; k < K; k++) ADD_TERM(HAS_FMA_AT, a + k * a_k, x[k], y);
            if (residual) {
                UNROLL for (int v = 0; v < V; v++) {
                    const char *p = residual + v * sizeof(vec);
                    y[v] += v < V - 1 || last == LANES ? vload(p) : vload_n(p, last);
                }
                residual += residual_row;
            }
            UNROLL for (int v = 0; v < V; v++) {
                const vec out = NAME(within)(0, BOUNDED, bounds, y[v]);
                if (v < V - 1 || last == LANES) vstore(c + v * sizeof(vec), out);
                else vstore_n(c + v * sizeof(vec), out, last);
            }
        }
    }
}

/* All. BOUNDED: a constant, as in mix.h. */
INLINE void NAME(planes_all)(const int K, const int V, const int BOUNDED, const struct tile_run *t) {
    const struct NAME(bounds) bounds = NAME(bounds_of)(t);
    ptrdiff_t left = t->columns, offset = 0;
    for (; left >= V * LANES; left -= V * LANES, offset += V * sizeof(vec))
        NAME(plane_pixels)(K, V, BOUNDED, t, &bounds, offset, LANES);
    for (; left > 0; left -= LANES, offset += sizeof(vec))
        NAME(plane_pixels)(K, 1, BOUNDED, t, &bounds, offset, left < LANES ? (int)left : LANES);
}

/* t: `tiles` rows of bands of weights in lines; `columns` pixels. */
INLINE void NAME(planes)(const int K, const struct tile_run *t) {
    const int most = (VREGS - 2) / (K + 1); /* with registers for x, sums, a weight and a bound */
    const int V = most < MAX_VECTORS ? most : MAX_VECTORS;
#define PLANES_ALL(BOUNDED) NAME(planes_all)(K, V, BOUNDED, t)
    BY_BOUNDS(PLANES_ALL)
}

/* Of more terms some are slower than in tiles: 8 to 3 channels 0.95 times as fast, 14 to 3 0.8, with AVX2 6 to 4 0.87 times (Zen
 * 4). */
#undef PLANES
#if VREGS == 32
#define PLANES(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7)
#else
#define PLANES(X) X(1) X(2) X(3) X(4)
#endif
#define PLANES_OF(K) \
    static void NAME(planes_##K)(const struct tile_run *t) { NAME(planes)(K, t); }
#define PLANES_ENTRY(K) [K] = NAME(planes_##K),
PLANES(PLANES_OF)
