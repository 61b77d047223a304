/* Lanes picked from up to FEW vectors, for pixels of few channels side by side and for every second, third or fourth pixel. */
#ifdef HAS_PICK

/* Lane i of a result is lane `lane` of vector `of`: vpick(…vpick(vpick(v0, v1, pick[1]), v2, pick[2])…); of one vector, of v0
 * twice. */
INLINE void NAME(set_pick)(lane_index pick[FEW][LANES], int n, int i, int of, int lane) {
    for (int v = 1; v == 1 || v < n; v++) pick[v][i] = of == v ? LANES + lane : v == 1 && of == 0 ? lane : i;
}

INLINE vec NAME(reorder)(vec x, lane_index pick[FEW][LANES]) { return vpick(x, x, pick[1]); }
INLINE vec NAME(pick_lanes)(const int n, const vec *from, lane_index pick[FEW][LANES]) {
    vec x = from[0];
    UNROLL for (int v = 1; v < n; v++) x = vpick(x, from[v], pick[v]);
    return x;
}

#if HAS_HALVES
/* Pixels of three channels, side by side in three vectors, to a vector for each channel, and back. Four pixels are three parts of
 * 16 bytes; with four pixels in a half of three vectors all other shuffles stay within 16 bytes. 3 to 3 channels are 1.95 times as
 * fast as with picks, 3 to 1 1.7 times (AVX2, Zen 4). */
#define EACH_HALF(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l, (i) + 4, (j) + 4, (k) + 4, (l) + 4)
INLINE void NAME(threes_apart)(const vec *in, vec *x) {
    const vec p = vmerge(in[0], in[1]), r = vmerge(in[1], in[2]);
    const vec q = __builtin_shufflevector(in[0], in[2], 4, 5, 6, 7, 8, 9, 10, 11);
    const vec first = EACH_HALF(p, q, 1, 2, 8, 9), last = EACH_HALF(q, r, 2, 3, 9, 10); /* channels 1 and 2, 0 and 1 */
    x[0] = EACH_HALF(p, last, 0, 3, 8, 10);
    x[1] = EACH_HALF(first, last, 0, 2, 9, 11);
    x[2] = EACH_HALF(first, r, 1, 3, 8, 11);
}
INLINE void NAME(threes_together)(vec *y) {
    const vec even = EACH_HALF(y[0], y[1], 0, 2, 8, 10), odd = EACH_HALF(y[1], y[2], 1, 3, 9, 11);
    const vec rest = EACH_HALF(y[2], y[0], 0, 2, 9, 11);
    const vec p = EACH_HALF(even, rest, 0, 2, 8, 10), q = EACH_HALF(odd, even, 0, 2, 9, 11), r = EACH_HALF(rest, odd, 1, 3, 9, 11);
    y[0] = veven_part(p, q);
    y[1] = vmerge(r, p);
    y[2] = vodd_part(q, r);
}
/* Pixels of four channels, two in a vector, to the order in which such halves have them. */
INLINE void NAME(fours_apart)(vec *in) {
    const vec p = veven_part(in[0], in[2]), q = vodd_part(in[0], in[2]), r = veven_part(in[1], in[3]), s = vodd_part(in[1], in[3]);
    in[0] = p, in[1] = q, in[2] = r, in[3] = s;
}
#else /* never called */
INLINE void NAME(threes_apart)(const vec *in, vec *x) { (void)in, (void)x; }
INLINE void NAME(threes_together)(vec *y) { (void)y; }
INLINE void NAME(fours_apart)(vec *in) { (void)in; }
#endif

/* How many of so many elements are in vector v. */
INLINE int NAME(lanes_left)(ptrdiff_t elements, int v) {
    const ptrdiff_t left = elements - v * LANES;
    return left < 0 ? 0 : left < LANES ? (int)left : LANES;
}
#endif
