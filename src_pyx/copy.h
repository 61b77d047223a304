/* The copy between a strided block and a packed one (isa.h: copy_kernel). After the axes are put in order, the destination
 * is contiguous along j if it is contiguous at all. Then the source decides: straight, transposing, every few elements
 * (the channel of a picture, a strided convolution), both of these, or element by element. */

INLINE void NAME(copy_elements)(char *dst, ptrdiff_t d0, ptrdiff_t d1, const char *src, ptrdiff_t s0, ptrdiff_t s1,
                                ptrdiff_t n0, ptrdiff_t n1) {
    for (ptrdiff_t i = 0; i < n0; i++)
        for (ptrdiff_t j = 0; j < n1; j++) __builtin_memcpy(dst + i * d0 + j * d1, src + i * s0 + j * s1, sizeof(REAL));
}

/* Rows that lie far apart are streams that no prefetcher of a processor follows, so each fetches the next one: a loop like
 * this alone takes 7.5 bytes a cycle from the third level in place of 6 (Xeon). */
static void NAME(copy_straight)(char *dst, ptrdiff_t d0, const char *src, ptrdiff_t s0, ptrdiff_t n0, ptrdiff_t n1) {
    for (ptrdiff_t i = 0; i < n0; i++, dst += d0, src += s0) {
        ptrdiff_t j = 0;
        for (; j + LANES <= n1; j += LANES) {
            PREFETCH_NEAR(src + s0 + j * sizeof(REAL));
            vstore(dst + j * sizeof(REAL), vload(src + j * sizeof(REAL)));
        }
        if (j < n1) vstore_n(dst + j * sizeof(REAL), vload_n(src + j * sizeof(REAL), (int)(n1 - j)), (int)(n1 - j));
    }
}

/* Lane j of row i becomes lane i of row j. To deal 2^n rows into those of the even and those of the odd lanes, n times over,
 * transposes them: first the lanes' parts of 16 bytes, then the lanes within these, SIDE rows after SIDE rows, for the first terms
 * of few.h to begin: it is 1.03 times as fast so, forty layers. Fewer ROWS take fewer times, which transposes each of as many
 * parts of the lanes. */
INLINE void NAME(transpose)(const int ROWS, vec *row) {
    vec next[LANES];
    UNROLL for (int stage = SIDE; stage < ROWS; stage *= 2) {
        UNROLL for (int j = 0; j < ROWS / 2; j++) {
            const int from = j / SIDE * 2 * SIDE + j % SIDE;
            next[j] = veven_part(row[from], row[from + SIDE]);
            next[j + ROWS / 2] = vodd_part(row[from], row[from + SIDE]);
        }
        UNROLL for (int j = 0; j < ROWS; j++) row[j] = next[j];
    }
    UNROLL for (int i = 0; i < ROWS; i += SIDE)
        UNROLL for (int stage = 1; stage < SIDE; stage *= 2) {
            UNROLL for (int j = 0; j < SIDE / 2; j++) {
                next[j] = veven(row[i + 2 * j], row[i + 2 * j + 1]);
                next[j + SIDE / 2] = vodd(row[i + 2 * j], row[i + 2 * j + 1]);
            }
            UNROLL for (int j = 0; j < SIDE; j++) row[i + j] = next[j];
        }
}

/* A square of at most LANES × LANES elements: dst[i·d0 + j] = lane i of row j. */
INLINE void NAME(store_transposed)(char *dst, ptrdiff_t d0, vec row[LANES], int n0, int n1) {
    const struct NAME(rows) to = NAME(rows_from)(dst, d0);
    NAME(transpose)(LANES, row);
    UNROLL for (int i = 0; i < LANES; i++)
        if (i < n0) {
            char *const there = (char *)NAME(row)(&to, i);
            if (n1 == LANES) vstore(there, row[i]);
            else vstore_n(there, row[i], n1);
        }
}

/* dst[i·d0 + j] = src[i + j·s1]. */
INLINE void NAME(transpose_square)(char *dst, ptrdiff_t d0, const char *src, ptrdiff_t s1, int n0, int n1) {
    const struct NAME(rows) from = NAME(rows_from)(src, s1);
    vec row[LANES];
    UNROLL for (int j = 0; j < LANES; j++) row[j] = j < n1 ? vload_last(NAME(row)(&from, j), n0) : (vec){0};
    NAME(store_transposed)(dst, d0, row, n0, n1);
}

INLINE void NAME(copy_square)(char *dst, ptrdiff_t d0, const char *src, ptrdiff_t s1, ptrdiff_t i, ptrdiff_t j, ptrdiff_t n0,
                              ptrdiff_t n1) {
    char *to = dst + i * d0 + j * sizeof(REAL);
    const char *from = src + i * sizeof(REAL) + j * s1;
    n0 = n0 - i < LANES ? n0 - i : LANES;
    n1 = n1 - j < LANES ? n1 - j : LANES;
    if (n0 == LANES && n1 == LANES) NAME(transpose_square)(to, d0, from, s1, LANES, LANES);
    else NAME(transpose_square)(to, d0, from, s1, (int)n0, (int)n1);
}

/* The side whose rows lie closer together is gone through from end to end. */
static void NAME(copy_transposed)(char *dst, ptrdiff_t d0, const char *src, ptrdiff_t s1, ptrdiff_t n0, ptrdiff_t n1) {
    if (s1 < d0)
        for (ptrdiff_t j = 0; j < n1; j += LANES)
            for (ptrdiff_t i = 0; i < n0; i += LANES) NAME(copy_square)(dst, d0, src, s1, i, j, n0, n1);
    else
        for (ptrdiff_t i = 0; i < n0; i += LANES)
            for (ptrdiff_t j = 0; j < n1; j += LANES) NAME(copy_square)(dst, d0, src, s1, i, j, n0, n1);
}

#ifdef HAS_PICK
/* Every `step`-th of elements as they lie, n times: the vectors that hold them, and which of their lanes, up to the last one that
 * counts. Others are not loaded: a load of no lanes would fetch a line. */
struct NAME(every) {
    int vectors;
    vlanes lanes[FEW];
};
INLINE struct NAME(every) NAME(every_of)(const int step, int n) {
    struct NAME(every) every;
    UNROLL for (int v = 0; v < step; v++) every.lanes[v] = vlanes_of(NAME(lanes_left)(step * (n - 1) + 1, v));
    every.vectors = (step * (n - 1) + LANES) / LANES;
    return every;
}

INLINE vec NAME(load_every)(const char *from, const int step, const struct NAME(every) *every, lane_index pick[FEW][LANES]) {
    vec x[FEW];
    UNROLL for (int v = 0; v < step; v++)
        x[v] = v < every->vectors ? vload_of(from + v * sizeof(vec), every->lanes[v]) : (vec){0};
    return NAME(pick_lanes)(step, x, pick);
}

/* Which lanes these are. */
INLINE void NAME(set_step)(lane_index pick[FEW][LANES], const int step) {
    UNROLL for (int i = 0; i < LANES; i++) NAME(set_pick)(pick, step, i, step * i / LANES, step * i % LANES);
}

/* dst[i·d0 + j] = src[i·s0 + step·j], step elements. */
INLINE void NAME(copy_every)(char *dst, ptrdiff_t d0, const char *src, ptrdiff_t s0, const int step, ptrdiff_t n0, ptrdiff_t n1) {
    lane_index pick[FEW][LANES];
    NAME(set_step)(pick, step);
    const int rest = (int)(n1 % LANES);
    const struct NAME(every) whole = NAME(every_of)(step, LANES), last = NAME(every_of)(step, rest);
    for (ptrdiff_t i = 0; i < n0; i++, dst += d0, src += s0) {
        char *to = dst;
        const char *from = src;
        for (ptrdiff_t left = n1; left >= LANES; left -= LANES, to += sizeof(vec), from += step * sizeof(vec))
            vstore(to, NAME(load_every)(from, step, &whole, pick));
        if (rest) vstore_n(to, NAME(load_every)(from, step, &last, pick), rest);
    }
}

/* dst[i·d0 + j] = src[step·i + j·s1], step elements. */
INLINE void NAME(copy_every_transposed)(char *dst, ptrdiff_t d0, const char *src, ptrdiff_t s1, const int step, ptrdiff_t n0,
                                        ptrdiff_t n1) {
    lane_index pick[FEW][LANES];
    NAME(set_step)(pick, step);
    for (ptrdiff_t i = 0; i < n0; i += LANES, dst += LANES * d0, src += step * sizeof(vec)) {
        const int tall = n0 - i < LANES ? (int)(n0 - i) : LANES;
        const struct NAME(every) every = NAME(every_of)(step, tall);
        for (ptrdiff_t j = 0; j < n1; j += LANES) {
            const int wide = n1 - j < LANES ? (int)(n1 - j) : LANES;
            char *to = dst + j * sizeof(REAL);
            vec row[LANES];
            const struct NAME(rows) from = NAME(rows_from)(src + j * s1, s1);
            UNROLL for (int r = 0; r < LANES; r++)
                row[r] = r < wide ? NAME(load_every)(NAME(row)(&from, r), step, &every, pick) : (vec){0};
            NAME(store_transposed)(to, d0, row, tall, wide);
        }
    }
}

/* dst[i·n1 + j] = src[i + j·s1] for n1 from 2 to FEW: rows are riffled into each other. */
INLINE void NAME(copy_interleaved)(char *dst, const char *src, ptrdiff_t s1, ptrdiff_t n0, const int n1) {
    lane_index pick[FEW][FEW][LANES]; /* [vector of the result] */
    int of = 0, in = 0; /* lane `in` of row `of` is next: no division, for there are a hundred lanes and the block is small */
    for (int v = 0; v < n1; v++)
        for (int lane = 0; lane < LANES; lane++) {
            NAME(set_pick)(pick[v], n1, lane, of, in);
            if (++of == n1) of = 0, in++;
        }
    for (ptrdiff_t left = n0; left > 0; left -= LANES, src += sizeof(vec)) {
        vec row[FEW];
        UNROLL for (int j = 0; j < n1; j++) row[j] = left >= LANES ? vload(src + j * s1) : vload_n(src + j * s1, (int)left);
        UNROLL for (int v = 0; v < n1; v++, dst += sizeof(vec)) {
            const vec x = NAME(pick_lanes)(n1, row, pick[v]);
            if (left >= LANES) vstore(dst, x);
            else vstore_n(dst, x, NAME(lanes_left)(left * n1, v));
        }
    }
}
#endif

static void NAME(copy)(char *dst, ptrdiff_t d0, ptrdiff_t d1, const char *src, ptrdiff_t s0, ptrdiff_t s1, ptrdiff_t n0,
                       ptrdiff_t n1) {
    const ptrdiff_t unit = sizeof(REAL);
    if (d1 != unit && d0 == unit) {
        ptrdiff_t t;
        t = d0, d0 = d1, d1 = t;
        t = s0, s0 = s1, s1 = t;
        t = n0, n0 = n1, n1 = t;
    }
    if (d1 == unit && s1 == unit) {
        NAME(copy_straight)(dst, d0, src, s0, n0, n1);
        return;
    }
#ifdef HAS_PICK
    if (d1 == unit && s1 % unit == 0 && s1 / unit >= 2 && s1 / unit <= FEW) {
        if (s1 == 2 * unit) NAME(copy_every)(dst, d0, src, s0, 2, n0, n1);
        else if (s1 == 3 * unit) NAME(copy_every)(dst, d0, src, s0, 3, n0, n1);
        else NAME(copy_every)(dst, d0, src, s0, 4, n0, n1);
        return;
    }
    if (d1 == unit && s0 % unit == 0 && s0 / unit >= 2 && s0 / unit <= FEW) {
        if (s0 == 2 * unit) NAME(copy_every_transposed)(dst, d0, src, s1, 2, n0, n1);
        else if (s0 == 3 * unit) NAME(copy_every_transposed)(dst, d0, src, s1, 3, n0, n1);
        else NAME(copy_every_transposed)(dst, d0, src, s1, 4, n0, n1);
        return;
    }
    if (d1 == unit && s0 == unit && d0 == n1 * unit && n1 >= 2 && n1 <= FEW) {
        if (n1 == 2) NAME(copy_interleaved)(dst, src, s1, n0, 2);
        else if (n1 == 3) NAME(copy_interleaved)(dst, src, s1, n0, 3);
        else NAME(copy_interleaved)(dst, src, s1, n0, 4);
        return;
    }
#endif
    if (d1 == unit && s0 == unit)
        NAME(copy_transposed)(dst, d0, src, s1, n0, n1);
    else if (d1 == unit)
        NAME(copy_elements)(dst, d0, unit, src, s0, s1, n0, n1);
    else
        NAME(copy_elements)(dst, d0, d1, src, s0, s1, n0, n1);
}
