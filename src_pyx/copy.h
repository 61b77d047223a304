/* The copy between a strided block and a packed one (isa.h: copy_kernel): straight, transposing or element by element. */
#define QUAD (16 / (int)sizeof(REAL)) /* transposes go by squares of 16-byte vectors */
typedef REAL NAME(quad) __attribute__((vector_size(16), aligned(1), may_alias));

INLINE void NAME(transpose_square)(char *dst, ptrdiff_t d0, const char *src, ptrdiff_t s1) {
    typedef NAME(quad) quad;
#ifdef REAL_IS_DOUBLE
    const quad a = *(const quad *)src, b = *(const quad *)(src + s1);
    *(quad *)dst = __builtin_shufflevector(a, b, 0, 2);
    *(quad *)(dst + d0) = __builtin_shufflevector(a, b, 1, 3);
#else
    const quad a = *(const quad *)src, b = *(const quad *)(src + s1);
    const quad c = *(const quad *)(src + 2 * s1), d = *(const quad *)(src + 3 * s1);
    const quad ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
    const quad AB = __builtin_shufflevector(a, b, 2, 6, 3, 7), CD = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    *(quad *)dst = __builtin_shufflevector(ab, cd, 0, 1, 4, 5);
    *(quad *)(dst + d0) = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
    *(quad *)(dst + 2 * d0) = __builtin_shufflevector(AB, CD, 0, 1, 4, 5);
    *(quad *)(dst + 3 * d0) = __builtin_shufflevector(AB, CD, 2, 3, 6, 7);
#endif
}

INLINE void NAME(copy_elements)(char *dst, ptrdiff_t d0, ptrdiff_t d1, const char *src, ptrdiff_t s0, ptrdiff_t s1,
                                ptrdiff_t n0, ptrdiff_t n1) {
    for (ptrdiff_t i = 0; i < n0; i++)
        for (ptrdiff_t j = 0; j < n1; j++) __builtin_memcpy(dst + i * d0 + j * d1, src + i * s0 + j * s1, sizeof(REAL));
}

static void NAME(copy)(char *dst, ptrdiff_t d0, ptrdiff_t d1, const char *src, ptrdiff_t s0, ptrdiff_t s1, ptrdiff_t n0,
                       ptrdiff_t n1) {
    const ptrdiff_t unit = sizeof(REAL);
    if (d1 != unit && d0 == unit) { /* the destination's unit axis, if it has one, comes last */
        ptrdiff_t t;
        t = d0, d0 = d1, d1 = t;
        t = s0, s0 = s1, s1 = t;
        t = n0, n0 = n1, n1 = t;
    }
    if (d1 == unit && s1 == unit) {
        for (ptrdiff_t i = 0; i < n0; i++, dst += d0, src += s0) {
            ptrdiff_t j = 0;
            for (; j + LANES <= n1; j += LANES) vstore(dst + j * unit, vload(src + j * unit));
            if (j < n1) vstore_n(dst + j * unit, vload_n(src + j * unit, (int)(n1 - j)), (int)(n1 - j));
        }
    } else if (d1 == unit && s0 == unit) {
        const ptrdiff_t m0 = n0 / QUAD * QUAD, m1 = n1 / QUAD * QUAD;
        for (ptrdiff_t j = 0; j < m1; j += QUAD)
            for (ptrdiff_t i = 0; i < m0; i += QUAD)
                NAME(transpose_square)(dst + i * d0 + j * unit, d0, src + i * unit + j * s1, s1);
        NAME(copy_elements)(dst + m1 * unit, d0, unit, src + m1 * s1, unit, s1, m0, n1 - m1);
        NAME(copy_elements)(dst + m0 * d0, d0, unit, src + m0 * unit, unit, s1, n0 - m0, n1);
    } else if (d1 == unit)
        NAME(copy_elements)(dst, d0, unit, src, s0, s1, n0, n1);
    else
        NAME(copy_elements)(dst, d0, d1, src, s0, s1, n0, n1);
}
#undef QUAD
