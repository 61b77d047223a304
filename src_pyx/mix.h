/* Pixels whose few channels lie side by side (pictures in NHWC), from memory to memory: vectors of whole pixels are picked
 * apart into one vector for each channel, mixed, and picked together again. The sums are those of tile.h. */
#ifdef HAS_PICK

/* t: `tiles` pixels at a, c_in side by side; weights b[k·b_k + channel]; outputs at c. */
INLINE void NAME(mix)(const int C_IN, const int C_OUT, const struct tile_run *t) {
    const REAL *clamp = t->clamp;
    const vec low = vset1((const char *)clamp), high = vset1((const char *)(clamp + 1)), zero = vset1((const char *)(clamp + 2));
    lane_index apart[FEW][FEW][LANES], together[FEW][FEW][LANES];
    vec weight[FEW][FEW], bias[FEW];
    const char *a = t->a;
    char *c = t->c;
    for (int i = 0; i < LANES; i++) {
        UNROLL for (int k = 0; k < C_IN; k++) NAME(set_pick)(apart[k], C_IN, i, (i * C_IN + k) / LANES, (i * C_IN + k) % LANES);
        UNROLL for (int v = 0; v < C_OUT; v++) NAME(set_pick)(together[v], C_OUT, i, (v * LANES + i) % C_OUT, (v * LANES + i) / C_OUT);
    }
    UNROLL for (int o = 0; o < C_OUT; o++) {
        bias[o] = vset1(t->start + o * sizeof(REAL));
        UNROLL for (int k = 0; k < C_IN; k++) weight[k][o] = vset1(t->b + k * t->b_k + o * sizeof(REAL));
    }
    for (ptrdiff_t left = t->tiles; left > 0; left -= LANES) {
        const int whole = left >= LANES;
        vec in[FEW], x[FEW], y[FEW];
        UNROLL for (int v = 0; v < C_IN; v++)
            in[v] = whole ? vload(a + v * sizeof(vec)) : vload_n(a + v * sizeof(vec), NAME(lanes_left)(left * C_IN, v));
        UNROLL for (int k = 0; k < C_IN; k++) x[k] = NAME(pick_lanes)(C_IN, in, apart[k]);
        UNROLL for (int o = 0; o < C_OUT; o++) {
            y[o] = bias[o];
            UNROLL for (int k = 0; k < C_IN; k++) y[o] = vfma(weight[k][o], x[k], y[o]);
            if (HAS_RELU && t->bounded == RELU) y[o] = vrelu(y[o]);
            if (t->bounded & LOW) y[o] = vabove(y[o], low);
            if (t->bounded & HIGH) y[o] = vbelow(y[o], high);
            y[o] += zero;
        }
        UNROLL for (int v = 0; v < C_OUT; v++) {
            const vec out = NAME(pick_lanes)(C_OUT, y, together[v]);
            if (whole) vstore(c + v * sizeof(vec), out);
            else vstore_n(c + v * sizeof(vec), out, NAME(lanes_left)(left * C_OUT, v));
        }
        a += C_IN * sizeof(vec), c += C_OUT * sizeof(vec);
    }
}

#define MIX(C_IN, C_OUT) \
    static void NAME(mix_##C_IN##x##C_OUT)(const struct tile_run *t) { NAME(mix)(C_IN, C_OUT, t); }
#define MIXES(X) \
    X(1, 1) X(1, 2) X(1, 3) X(1, 4) X(2, 1) X(2, 2) X(2, 3) X(2, 4) X(3, 1) X(3, 2) X(3, 3) X(3, 4) X(4, 1) X(4, 2) X(4, 3) X(4, 4)
#define MIX_ENTRY(C_IN, C_OUT) [C_IN][C_OUT] = NAME(mix_##C_IN##x##C_OUT),
MIXES(MIX)
#endif
