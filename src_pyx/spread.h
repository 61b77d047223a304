/* Pixels of up to three channels side by side, from memory to memory, without picking them apart: a vector holds outputs as they
 * are stored, and one permutation brings each term to the lanes of all outputs that have it, if as many neighbours hold it for
 * all pixels of the vector. 3 to 3 channels are 1.45 times as fast as in mix.h, 2 to 3 1.4, 1 to 3 1.3 times, with AVX2 2 to 2 1.7
 * and 3 to 4 1.45 times; 4 to 4 would be 0.93 times (Zen 4). */
#ifdef HAS_PICK

/* From a vector's first pixel to its last, at most. */
#define PIXELS_APART(C_OUT) (LANES % (C_OUT) == 0 ? LANES / (C_OUT) - 1 : (LANES + (C_OUT) - 2) / (C_OUT))
#define SPREADS(C_IN, C_OUT) ((C_OUT) > 1 && (C_IN) < SIDE && (C_IN) * PIXELS_APART(C_OUT) < LANES)
/* Of vector v of the C_OUT that LANES pixels take. */
#define FIRST_PIXEL(v, C_OUT) ((v) * LANES / (C_OUT))
/* The vector whose lanes hold the same channels: each in every C_OUT. */
#define ALIKE(v, C_OUT) (LANES % (C_OUT) == 0 ? 0 : (v))

struct NAME(spreader) {
    vec at[FEW], weight[FEW][FEW], bias[FEW]; /* of each vector of outputs; weights of each term before */
    struct NAME(bounds) bounds;
};

/* The next `left` pixels, up to LANES. WHOLE: as many, and what the loads take beyond them is x, too. */
INLINE void NAME(spread_pixels)(const int C_IN, const int C_OUT, const int BOUNDED, const int WHOLE,
                                const struct NAME(spreader) *spreader, const char *a, char *c, ptrdiff_t left) {
    UNROLL for (int v = 0; v < C_OUT; v++) {
        const int u = ALIKE(v, C_OUT);
        vec y = spreader->bias[u];
        UNROLL for (int k = 0; k < C_IN; k++) {
            const int first = C_IN * FIRST_PIXEL(v, C_OUT) + k;
            const char *p = a + first * sizeof(REAL);
            const vec x = WHOLE ? vload(p) : vload_n(p, NAME(lanes_left)(left * C_IN - first, 0));
            y = vfma(spreader->weight[k][u], vspread(x, spreader->at[u]), y);
        }
        y = NAME(within)(0, BOUNDED, &spreader->bounds, y);
        if (WHOLE) vstore(c + v * sizeof(vec), y);
        else vstore_n(c + v * sizeof(vec), y, NAME(lanes_left)(left * C_OUT, v));
    }
}

INLINE void NAME(spread_all)(const int C_IN, const int C_OUT, const int BOUNDED, const struct NAME(spreader) *spreader,
                             const struct tile_run *t) {
    const ptrdiff_t loaded = C_IN * FIRST_PIXEL(C_OUT - 1, C_OUT) + C_IN - 1 + LANES; /* elements, for LANES pixels */
    const char *a = t->a;
    char *c = t->c;
    ptrdiff_t left = t->tiles;
    for (; left * C_IN >= loaded; left -= LANES, a += C_IN * sizeof(vec), c += C_OUT * sizeof(vec))
        NAME(spread_pixels)(C_IN, C_OUT, BOUNDED, 1, spreader, a, c, LANES);
    for (; left > 0; left -= LANES, a += C_IN * sizeof(vec), c += C_OUT * sizeof(vec))
        NAME(spread_pixels)(C_IN, C_OUT, BOUNDED, 0, spreader, a, c, left < LANES ? left : LANES);
}

/* As mix. */
INLINE void NAME(spread)(const int C_IN, const int C_OUT, const struct tile_run *t) {
    struct NAME(spreader) spreader;
    spreader.bounds = NAME(bounds_of)(t);
    UNROLL for (int v = 0; v < C_OUT; v++) {
        lane_index at[LANES], channel[LANES];
        for (int i = 0; i < LANES; i++) {
            const int output = v * LANES + i;
            at[i] = C_IN * (output / C_OUT - FIRST_PIXEL(v, C_OUT));
            channel[i] = output % C_OUT;
        }
        const vec channels = vload((const char *)channel);
        spreader.at[v] = vload((const char *)at);
        spreader.bias[v] = vspread(vload_n(t->start, C_OUT), channels);
        UNROLL for (int k = 0; k < C_IN; k++)
            spreader.weight[k][v] = vspread(vload_n(t->b + k * t->b_k, C_OUT), channels);
    }
#define SPREAD_ALL(BOUNDED) NAME(spread_all)(C_IN, C_OUT, BOUNDED, &spreader, t)
    BY_BOUNDS(SPREAD_ALL)
}
#endif
