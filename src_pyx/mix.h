/* Pixels whose few channels lie side by side (pictures in NHWC), from memory to memory: vectors of whole pixels are picked
 * apart into one vector for each channel, mixed, and picked together again. The sums are those of tile.h.
 *
 * SIDE channels are picked apart or together by transposing each 16 bytes of as many vectors, as shuffles within them are
 * cheap: 4 to 4 are 1.9 times as fast as with picks, 4 to 3 1.6 times (with AVX2 3.1 and 1.8). The vectors of both sides then
 * hold pixels in that order: PARTS. */
#define LANE_PIXEL(lane, PARTS) ((PARTS) ? (lane) % SIDE * (LANES / SIDE) + (lane) / SIDE : (lane))
#define PIXEL_LANE(pixel, PARTS) ((PARTS) ? (pixel) % (LANES / SIDE) * SIDE + (pixel) / (LANES / SIDE) : (pixel))

/* Not beside three outputs where those have a way of their own (pick.h), which keeps the order. */
#define IN_PARTS(C_IN, C_OUT) (((C_IN) == SIDE || (C_OUT) == SIDE) && !(HAS_HALVES && (C_OUT) == 3))

#ifdef HAS_PICK

/* Picks for store_together. */
INLINE void NAME(set_together)(const int C_OUT, const int PARTS, lane_index together[FEW][FEW][LANES]) {
    UNROLL for (int v = 0; v < C_OUT; v++)
        for (int i = 0; i < LANES; i++) {
            const int at = v * LANES + i;
            NAME(set_pick)(together[v], C_OUT, i, at % C_OUT, PIXEL_LANE(at / C_OUT, PARTS));
        }
}

/* A vector for each output channel becomes pixels side by side, the `left` first of them. */
INLINE void NAME(store_together)(const int C_OUT, const int PARTS, vec *y, lane_index together[FEW][FEW][LANES], char *c,
                                 ptrdiff_t left) {
    const int SQUARE = PARTS && C_OUT == SIDE, THREES = HAS_HALVES && C_OUT == 3;
    if (PARTS && C_OUT == 1) y[0] = NAME(reorder)(y[0], together[0]);
    if (SQUARE) NAME(transpose)(SIDE, y);
    if (THREES) NAME(threes_together)(y);
    UNROLL for (int v = 0; v < C_OUT; v++) {
        const vec out = SQUARE || THREES ? y[v] : NAME(pick_lanes)(C_OUT, y, together[v]);
        if (left >= LANES) vstore(c + v * sizeof(vec), out);
        else vstore_n(c + v * sizeof(vec), out, NAME(lanes_left)(left * C_OUT, v));
    }
}

/* What mixes pixels. */
struct NAME(mixer) {
    lane_index apart[FEW][FEW][LANES], together[FEW][FEW][LANES];
    vec weight[FEW][FEW], bias[FEW];
    struct NAME(bounds) bounds;
};

/* The next `left` pixels, up to LANES. */
INLINE void NAME(mix_pixels)(const int C_IN, const int C_OUT, const int BOUNDED, struct NAME(mixer) *mixer, const char *a,
                             char *c, ptrdiff_t left) {
    const int PARTS = IN_PARTS(C_IN, C_OUT);
    vec in[FEW], x[FEW], y[FEW];
    UNROLL for (int v = 0; v < C_IN; v++)
        in[v] = left >= LANES ? vload(a + v * sizeof(vec)) : vload_n(a + v * sizeof(vec), NAME(lanes_left)(left * C_IN, v));
    UNROLL for (int v = 0; v < C_IN; v++) vstay(in[v]); /* gcc else loads them for each pick: 3 to 1 0.7 times as fast */
    if (C_IN == SIDE) {
        if (!PARTS) NAME(fours_apart)(in);
        NAME(transpose)(SIDE, in);
    }
    if (HAS_HALVES && C_IN == 3) NAME(threes_apart)(in, x);
    else UNROLL for (int k = 0; k < C_IN; k++) x[k] = C_IN == SIDE ? in[k] : NAME(pick_lanes)(C_IN, in, mixer->apart[k]);
    UNROLL for (int o = 0; o < C_OUT; o++) {
        y[o] = mixer->bias[o];
        UNROLL for (int k = 0; k < C_IN; k++) y[o] = vfma(mixer->weight[k][o], x[k], y[o]);
        y[o] = NAME(within)(0, BOUNDED, &mixer->bounds, y[o]);
    }
    NAME(store_together)(C_OUT, PARTS, y, mixer->together, c, left);
}

/* BOUNDED: a constant, which makes 3 to 3 channels on 512×512 pixels 1.08 times as fast. */
INLINE void NAME(mix_all)(const int C_IN, const int C_OUT, const int BOUNDED, struct NAME(mixer) *mixer,
                          const struct tile_run *t) {
    const char *a = t->a;
    char *c = t->c;
    ptrdiff_t left = t->tiles;
    for (; left >= LANES; left -= LANES, a += C_IN * sizeof(vec), c += C_OUT * sizeof(vec))
        NAME(mix_pixels)(C_IN, C_OUT, BOUNDED, mixer, a, c, LANES);
    if (left > 0) NAME(mix_pixels)(C_IN, C_OUT, BOUNDED, mixer, a, c, left);
}

/* t: `tiles` pixels at a, c_in side by side; weights b[k·b_k + channel]; outputs at c. */
INLINE void NAME(mix)(const int C_IN, const int C_OUT, const struct tile_run *t) {
    if (SPREADS(C_IN, C_OUT)) {
        NAME(spread)(C_IN, C_OUT, t);
        return;
    }
    const int PARTS = IN_PARTS(C_IN, C_OUT);
    struct NAME(mixer) mixer;
    mixer.bounds = NAME(bounds_of)(t);
    UNROLL for (int k = 0; k < C_IN; k++)
        for (int i = 0; i < LANES; i++) {
            const int at = LANE_PIXEL(i, PARTS) * C_IN + k;
            NAME(set_pick)(mixer.apart[k], C_IN, i, at / LANES, at % LANES);
        }
    NAME(set_together)(C_OUT, PARTS, mixer.together);
    UNROLL for (int o = 0; o < C_OUT; o++) {
        mixer.bias[o] = vset1(t->start + o * sizeof(REAL));
        UNROLL for (int k = 0; k < C_IN; k++) mixer.weight[k][o] = vset1(t->b + k * t->b_k + o * sizeof(REAL));
    }
#define MIX_ALL(BOUNDED) NAME(mix_all)(C_IN, C_OUT, BOUNDED, &mixer, t)
    BY_BOUNDS(MIX_ALL)
}

#define MIX(C_IN, C_OUT) \
    static void NAME(mix_##C_IN##x##C_OUT)(const struct tile_run *t) { NAME(mix)(C_IN, C_OUT, t); }
#define MIXES(X) \
    X(1, 1) X(1, 2) X(1, 3) X(1, 4) X(2, 1) X(2, 2) X(2, 3) X(2, 4) X(3, 1) X(3, 2) X(3, 3) X(3, 4) X(4, 1) X(4, 2) X(4, 3) X(4, 4)
#define MIX_ENTRY(C_IN, C_OUT) [C_IN][C_OUT] = NAME(mix_##C_IN##x##C_OUT),
MIXES(MIX)
#endif
