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

/* How many of so many elements are in vector v. */
INLINE int NAME(lanes_left)(ptrdiff_t elements, int v) {
    const ptrdiff_t left = elements - v * LANES;
    return left < 0 ? 0 : left < LANES ? (int)left : LANES;
}
#endif
