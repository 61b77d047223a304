/* Pixels whose few channels lie side by side (pictures in NHWC), from memory to memory: vectors of whole pixels are picked
 * apart into one vector for each channel, mixed, and picked together again. The sums are those of tile.h. */
#ifdef HAS_PICK

struct NAME(bounds) {
    int which;
    vec low, high, zero;
};
INLINE struct NAME(bounds) NAME(bounds_of)(const struct tile_run *t) {
    const REAL *clamp = t->clamp;
    return (struct NAME(bounds)){t->bounded, vset1((const char *)clamp), vset1((const char *)(clamp + 1)),
                                 vset1((const char *)(clamp + 2))};
}
INLINE vec NAME(within)(const struct NAME(bounds) *bounds, vec y) {
    if (HAS_RELU && bounds->which == RELU) y = vrelu(y);
    if (bounds->which & LOW) y = vabove(y, bounds->low);
    if (bounds->which & HIGH) y = vbelow(y, bounds->high);
    return y + bounds->zero;
}

/* Picks for store_together. */
INLINE void NAME(set_together)(const int C_OUT, lane_index together[FEW][FEW][LANES]) {
    UNROLL for (int v = 0; v < C_OUT; v++)
        for (int i = 0; i < LANES; i++) {
            const int at = v * LANES + i;
            NAME(set_pick)(together[v], C_OUT, i, at % C_OUT, at / C_OUT);
        }
}

/* A vector for each output channel becomes pixels side by side, the `left` first of them. */
INLINE void NAME(store_together)(const int C_OUT, const vec *y, lane_index together[FEW][FEW][LANES], char *c, ptrdiff_t left) {
    UNROLL for (int v = 0; v < C_OUT; v++) {
        const vec out = NAME(pick_lanes)(C_OUT, y, together[v]);
        if (left >= LANES) vstore(c + v * sizeof(vec), out);
        else vstore_n(c + v * sizeof(vec), out, NAME(lanes_left)(left * C_OUT, v));
    }
}

/* t: `tiles` pixels at a, c_in side by side; weights b[k·b_k + channel]; outputs at c. */
INLINE void NAME(mix)(const int C_IN, const int C_OUT, const struct tile_run *t) {
    const struct NAME(bounds) bounds = NAME(bounds_of)(t);
    lane_index apart[FEW][FEW][LANES], together[FEW][FEW][LANES];
    vec weight[FEW][FEW], bias[FEW];
    const char *a = t->a;
    char *c = t->c;
    UNROLL for (int k = 0; k < C_IN; k++)
        for (int i = 0; i < LANES; i++) NAME(set_pick)(apart[k], C_IN, i, (i * C_IN + k) / LANES, (i * C_IN + k) % LANES);
    NAME(set_together)(C_OUT, together);
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
            y[o] = NAME(within)(&bounds, y[o]);
        }
        NAME(store_together)(C_OUT, y, together, c, left);
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
