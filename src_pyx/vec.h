/* The vector vocabulary of one instruction set for one element type.
 *
 * Included by kernels.h once for REAL = float and once for REAL = double; the compiler's flags pick the instruction set.
 *
 *   vec, LANES            a register and the number of elements in it
 *   VREGS                 registers that the set has
 *   SIDE                  elements in 16 bytes, within which shuffles are cheap
 *   vload, vstore         a whole register, any address
 *   vload_n, vstore_n     its first n lanes, 0 <= n <= LANES; no byte beyond them is touched, lanes not loaded are zero
 *   vlanes, vlanes_of(n)  the first n lanes, 0 <= n <= LANES, for loads of as many lanes from several places
 *   vload_of(p, lanes)    vload_n of these lanes
 *   vload_last            vload_n for an n that is mostly LANES
 *   vwith_part(x, parts, i, p)  x with the i-th of so many parts from p; the first comes first, and leaves nothing of x
 *   vwith_part_n(…, n)    likewise the first n lanes of the part; the first makes the others zero
 *   vfirst_halves(a, b)   the first half of a, then that of b; vlast_halves the second ones
 *   vset1                 every lane from the element at an address
 *   vfma(a, b, c)         a·b + c, rounded once where the set has FMA
 *   vfma_at(p, b, c)      vfma of the element at an address, in one instruction; where HAS_FMA_AT says that there is such a one
 *   v…_half               vload, vstore, vstore_n, vfma, vfma_at, vabove and vbelow of the first half of the lanes, and vadd;
 *                         others are loaded as zero, else count for nothing; where HAS_HALF says that these are instructions of
 *                         their own, half the work for a Zen 4
 *   vstore_parts          of each 16 bytes, up to `parts`, the first n lanes, n a constant, `row` bytes apart; where HAS_PICK says so
 *   vstay(x)              x is in its register from here on: gcc else loads it anew for each row of tiles of up to three
 *   vfirst(x, p)          what is read from p, also by a prefetch, comes after x in the code
 *   veven, vodd(a, b)     of each 16 bytes the even lanes of a, then those of b; the odd ones
 *   veven_part, vodd_part the even parts of 16 bytes of a, then those of b; the odd ones
 *   vpick(a, b, pick)     lane i is number pick[i] of a0 a1 … b0 b1 …; where HAS_PICK says that there is such an instruction
 *   vspread(x, at)        lane i is number at[i], a lane_index, of x; likewise
 *   vmerge(a, b)          the first half of a, the second of b; where HAS_HALVES says that halves are 16 bytes
 *   vabove(x, low)        max(low, x); NaN stays NaN, and a zero has either sign
 *   vbelow(x, high)       min(high, x) likewise
 *   vrelu(x)              max(+0, x) where zero is +0, in one instruction; where HAS_RELU says that there is such a one
 */
#undef NAME
#undef VREGS
#undef HAS_PICK
#undef HAS_HALVES
#undef HAS_FMA_AT
#undef HAS_RELU
#undef HAS_HALF
#undef SIDE
#undef vstay
#undef vfirst
#ifdef REAL_IS_DOUBLE
#define NAME(x) PASTE(x, ISA, f64)
#else
#define NAME(x) PASTE(x, ISA, f32)
#endif
#ifndef LANES
#define vec NAME(vec)
#define vload NAME(vload)
#define vstore NAME(vstore)
#define vload_n NAME(vload_n)
#define vstore_n NAME(vstore_n)
#define vlanes NAME(vlanes)
#define vlanes_of NAME(vlanes_of)
#define vwith_part NAME(vwith_part)
#define vwith_part_n NAME(vwith_part_n)
#define vfirst_halves NAME(vfirst_halves)
#define vlast_halves NAME(vlast_halves)
#define vload_of NAME(vload_of)
#define vload_last NAME(vload_last)
#define vset1 NAME(vset1)
#define veven NAME(veven)
#define vodd NAME(vodd)
#define veven_part NAME(veven_part)
#define vodd_part NAME(vodd_part)
#define vpick NAME(vpick)
#define vspread NAME(vspread)
#define vstore_parts NAME(vstore_parts)
#define vmerge NAME(vmerge)
#define lane_index NAME(lane_index)
#define vfma NAME(vfma)
#define vfma_at NAME(vfma_at)
#define vload_half NAME(vload_half)
#define vstore_half NAME(vstore_half)
#define vstore_n_half NAME(vstore_n_half)
#define vfma_half NAME(vfma_half)
#define vfma_at_half NAME(vfma_at_half)
#define vabove_half NAME(vabove_half)
#define vbelow_half NAME(vbelow_half)
#define vadd_half NAME(vadd_half)
#define vabove NAME(vabove)
#define vbelow NAME(vbelow)
#define LANES ((int)(sizeof(vec) / sizeof(REAL)))
#define vrelu NAME(vrelu)
#define INLINE static inline __attribute__((always_inline))
#endif
#undef RELU_ANSWERS

#ifdef __AVX512F__
#define VREGS 32
#ifdef REAL_IS_DOUBLE
typedef __m512d vec;
#define OP(name) _mm512_##name##_pd
#define RELU_ANSWERS _mm512_set1_epi64
#else
typedef __m512 vec;
#define OP(name) _mm512_##name##_ps
#define RELU_ANSWERS _mm512_set1_epi32
#endif

#elif defined(__AVX2__)
#define VREGS 16
typedef __m256i vlanes;
#ifdef REAL_IS_DOUBLE
typedef __m256d vec;
#define OP(name) _mm256_##name##_pd
INLINE vlanes vlanes_of(int n) { return _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3)); }
#else
typedef __m256 vec;
#define OP(name) _mm256_##name##_ps
INLINE vlanes vlanes_of(int n) { return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)); }
#endif
INLINE vec vload_of(const char *p, vlanes lanes) { return OP(maskload)((const REAL *)p, lanes); }
/* In parts, as a masked store takes a Zen 4 a dozen cycles: 5 to 7 channels, NHWC, are 3 times as fast. */
INLINE void vstore_n(char *p, vec x, int n) {
    const __m256i all = (__m256i)x;
    __m128i rest = _mm256_castsi256_si128(all);
    const int bytes = n * (int)sizeof(REAL);
    if (bytes == 32) {
        _mm256_storeu_si256((__m256i *)p, all);
        return;
    }
    if (bytes & 16) {
        _mm_storeu_si128((__m128i *)p, rest);
        rest = _mm256_extracti128_si256(all, 1);
        p += 16;
    }
    if (bytes & 8) {
        _mm_storel_epi64((__m128i *)p, rest);
        rest = _mm_unpackhi_epi64(rest, rest);
        p += 8;
    }
    if (bytes & 4) {
        const int last = _mm_cvtsi128_si32(rest);
        __builtin_memcpy(p, &last, sizeof last);
    }
}

#else /* 16-byte vectors of the compiler: SSE2, NEON and others */
#ifdef __x86_64__
#define VREGS 16
#else
#define VREGS 32
#endif
typedef REAL vec __attribute__((vector_size(16)));
typedef REAL NAME(misaligned) __attribute__((aligned(1)));
typedef int vlanes;
INLINE vlanes vlanes_of(int n) { return n; }
INLINE vec vload_of(const char *p, vlanes lanes) {
    vec x = {0};
    for (int i = 0; i < LANES; i++)
        if (i < lanes) x[i] = ((const NAME(misaligned) *)p)[i];
    return x;
}
INLINE void vstore_n(char *p, vec x, int n) {
    for (int i = 0; i < LANES; i++)
        if (i < n) ((NAME(misaligned) *)p)[i] = x[i];
}
#endif

#ifdef REAL_IS_DOUBLE
#define SUFFIX "pd"
#else
#define SUFFIX "ps"
#endif
#ifdef __AVX512F__
#ifdef REAL_IS_DOUBLE
typedef __mmask8 vlanes;
#else
typedef __mmask16 vlanes;
#endif
INLINE vlanes vlanes_of(int n) { return (1u << n) - 1; }
INLINE vec vload_of(const char *p, vlanes lanes) { return OP(maskz_loadu)(lanes, p); }
INLINE void vstore_n(char *p, vec x, int n) { OP(mask_storeu)(p, vlanes_of(n), x); }
#endif
INLINE vec vload_n(const char *p, int n) { return vload_of(p, vlanes_of(n)); }
#ifdef OP
INLINE vec vload(const char *p) { return OP(loadu)((const REAL *)p); }
INLINE void vstore(char *p, vec x) { OP(storeu)((REAL *)p, x); }
INLINE vec vset1(const char *p) { return OP(set1)(*(const REAL *)p); }
/* In assembly, as its result belongs into the register of c: gcc 12 else keeps what it loads there, and the sums of large tiles
 * on the stack. */
INLINE vec vfma(vec a, vec b, vec c) {
    __asm__("vfmadd231" SUFFIX " %2, %1, %0" : "+v"(c) : "v"(a), "v"(b));
    return c;
}
#define vstay(x) __asm__("" : "+v"(x))
#define vfirst(x, p) __asm__("" : "+v"(x), "+r"(p))
/* max and min give their second operand where one is NaN or both are zero */
INLINE vec vabove(vec x, vec low) { return OP(max)(low, x); }
INLINE vec vbelow(vec x, vec high) { return OP(min)(high, x); }
#else
INLINE vec vload(const char *p) {
    vec x;
    __builtin_memcpy(&x, p, sizeof x);
    return x;
}
INLINE void vstore(char *p, vec x) { __builtin_memcpy(p, &x, sizeof x); }
#define vstay(x) (void)(x)
#define vfirst(x, p) (void)(x)
INLINE vec vset1(const char *p) { return *(const REAL *)p - (vec){0}; }
INLINE vec vfma(vec a, vec b, vec c) {
#ifdef __FP_FAST_FMA
    for (int i = 0; i < LANES; i++) c[i] = sizeof(REAL) == 8 ? __builtin_fma(a[i], b[i], c[i]) : __builtin_fmaf(a[i], b[i], c[i]);
    return c;
#else
    return a * b + c;
#endif
}
INLINE vec vabove(vec x, vec low) {
    __typeof__(x < low) below = x < low;
    return (vec)((below & (__typeof__(below))low) | (~below & (__typeof__(below))x));
}
INLINE vec vbelow(vec x, vec high) {
    __typeof__(x > high) above = x > high;
    return (vec)((above & (__typeof__(above))high) | (~above & (__typeof__(above))x));
}
#endif
#ifdef __AVX512F__
/* One instruction gives each class of numbers its answer: +0 for zeros and what is negative, the number itself for what is
 * positive, and NaN, quiet, for NaN. Its codes: 1 the number, 2 the same as quiet NaN, 8 +0; its classes, from the last digit on:
 * quiet NaN, signalling NaN, zero, 1, -inf, inf, negative, positive. */
#define HAS_RELU 1
INLINE vec vrelu(vec x) { return OP(fixupimm)(x, x, RELU_ANSWERS(0x18181821), 0); }
INLINE vec vload_last(const char *p, int n) { return vload_n(p, n); }
#define HAS_FMA_AT 1
INLINE vec vfma_at(const char *p, vec b, vec c) {
    __asm__("vfmadd231" SUFFIX " %1%{1to%c3%}, %2, %0" : "+v"(c) : "m"(*(const REAL *)p), "v"(b), "i"(LANES));
    return c;
}
#define HAS_HALF 1
#ifdef REAL_IS_DOUBLE
#define OF_HALF(name) _mm256_##name##_pd
#define HALF_OF _mm512_castpd512_pd256
#define WITH_HALF _mm512_castpd256_pd512
#else
#define OF_HALF(name) _mm256_##name##_ps
#define HALF_OF _mm512_castps512_ps256
#define WITH_HALF _mm512_castps256_ps512
#endif
INLINE vec vload_half(const char *p) { return (vec)_mm512_zextsi256_si512(_mm256_loadu_si256((const __m256i *)p)); }
INLINE void vstore_half(char *p, vec x) { OF_HALF(storeu)((REAL *)p, HALF_OF(x)); }
INLINE void vstore_n_half(char *p, vec x, int n) {
    __typeof__(HALF_OF(x)) half = HALF_OF(x);
    vstay(half); /* gcc else extracts it into memory, which faults also where the mask stores nothing */
    OF_HALF(mask_storeu)(p, (__mmask8)vlanes_of(n), half);
}
INLINE vec vfma_half(vec a, vec b, vec c) {
    __asm__("vfmadd231" SUFFIX " %t2, %t1, %t0" : "+v"(c) : "v"(a), "v"(b));
    return c;
}
INLINE vec vfma_at_half(const char *p, vec b, vec c) {
    __asm__("vfmadd231" SUFFIX " %1%{1to%c3%}, %t2, %t0" : "+v"(c) : "m"(*(const REAL *)p), "v"(b), "i"(LANES / 2));
    return c;
}
INLINE vec vabove_half(vec x, vec low) { return WITH_HALF(OF_HALF(max)(HALF_OF(low), HALF_OF(x))); }
INLINE vec vbelow_half(vec x, vec high) { return WITH_HALF(OF_HALF(min)(HALF_OF(high), HALF_OF(x))); }
INLINE vec vadd_half(vec x, vec y) { return WITH_HALF(OF_HALF(add)(HALF_OF(x), HALF_OF(y))); }
#undef OF_HALF
#undef HALF_OF
#undef WITH_HALF
#else
#define HAS_RELU 0
INLINE vec vrelu(vec x) { return x; } /* never called */
INLINE vec vload_last(const char *p, int n) { return n == LANES ? vload(p) : vload_n(p, n); }
#define HAS_FMA_AT 0
INLINE vec vfma_at(const char *p, vec b, vec c) { return vfma(vset1(p), b, c); }
#define HAS_HALF 0 /* none of these is called */
INLINE vec vload_half(const char *p) { return vload(p); }
INLINE void vstore_half(char *p, vec x) { vstore(p, x); }
INLINE void vstore_n_half(char *p, vec x, int n) { vstore_n(p, x, n); }
INLINE vec vfma_half(vec a, vec b, vec c) { return vfma(a, b, c); }
INLINE vec vfma_at_half(const char *p, vec b, vec c) { return vfma_at(p, b, c); }
INLINE vec vabove_half(vec x, vec low) { return vabove(x, low); }
INLINE vec vbelow_half(vec x, vec high) { return vbelow(x, high); }
INLINE vec vadd_half(vec x, vec y) { return x + y; }
#endif

#ifdef __AVX512F__
#define VECTOR_BYTES 64
#elif defined(__AVX2__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif
#ifdef REAL_IS_DOUBLE
#define SIDE 2
typedef long long lane_index;
#else
#define SIDE 4
typedef int lane_index;
#endif
#define LANE_COUNT (VECTOR_BYTES / 16 * SIDE)
#if LANE_COUNT == 16
#define EACH_LANE(X) X(0), X(1), X(2), X(3), X(4), X(5), X(6), X(7), X(8), X(9), X(10), X(11), X(12), X(13), X(14), X(15)
#elif LANE_COUNT == 8
#define EACH_LANE(X) X(0), X(1), X(2), X(3), X(4), X(5), X(6), X(7)
#elif LANE_COUNT == 4
#define EACH_LANE(X) X(0), X(1), X(2), X(3)
#else
#define EACH_LANE(X) X(0), X(1)
#endif
#define EVEN(i) ((i) / SIDE * SIDE + (i) % SIDE * 2 + ((i) % SIDE < SIDE / 2 ? 0 : LANE_COUNT - SIDE))
#define ODD(i) (EVEN(i) + 1)
#define EVEN_PART(i) ((i) / SIDE * 2 * SIDE + (i) % SIDE)
#define ODD_PART(i) (EVEN_PART(i) + SIDE)
INLINE vec veven(vec a, vec b) { return __builtin_shufflevector(a, b, EACH_LANE(EVEN)); }
INLINE vec vodd(vec a, vec b) { return __builtin_shufflevector(a, b, EACH_LANE(ODD)); }
#define FIRST_HALVES(i) ((i) < LANE_COUNT / 2 ? (i) : (i) + LANE_COUNT / 2)
#define LAST_HALVES(i) (FIRST_HALVES(i) + LANE_COUNT / 2)
INLINE vec vfirst_halves(vec a, vec b) { return __builtin_shufflevector(a, b, EACH_LANE(FIRST_HALVES)); }
INLINE vec vlast_halves(vec a, vec b) { return __builtin_shufflevector(a, b, EACH_LANE(LAST_HALVES)); }
#if VECTOR_BYTES > 16
INLINE vec veven_part(vec a, vec b) { return __builtin_shufflevector(a, b, EACH_LANE(EVEN_PART)); }
INLINE vec vodd_part(vec a, vec b) { return __builtin_shufflevector(a, b, EACH_LANE(ODD_PART)); }
#else /* one part: never called */
INLINE vec veven_part(vec a, vec b) { return (void)b, a; }
INLINE vec vodd_part(vec a, vec b) { return (void)a, b; }
#endif

#ifdef __AVX512F__
#define HAS_PICK
#define HAS_HALVES 0
INLINE vec vspread(vec x, vec at) { return OP(permutexvar)((__m512i)at, x); }
typedef long long NAME(lane_bits) __attribute__((vector_size(sizeof(vec))));
INLINE vec vpick(vec a, vec b, const lane_index *pick) {
    NAME(lane_bits) i;
    __builtin_memcpy(&i, pick, sizeof i);
    return OP(permutex2var)(a, (__typeof__(i))i, b);
}
#define STORE_PART(i)                                                \
    if (parts > i) {                                                 \
        __m128i part = _mm512_extracti32x4_epi32((__m512i)x, i);     \
        vstay(part); /* as in vstore_n_half */                       \
        _mm_mask_storeu_epi32(p + (i) * row, lanes, part);           \
    }
INLINE void vstore_parts(char *p, ptrdiff_t row, vec x, int n, int parts) {
    const __mmask8 lanes = (__mmask8)((1u << n * 4 / SIDE) - 1); /* of 4 bytes */
    STORE_PART(0)
    STORE_PART(1)
    STORE_PART(2)
    STORE_PART(3)
}
#undef STORE_PART
#elif defined(__AVX2__) && !defined(__AVX512F__) && !defined(REAL_IS_DOUBLE)
#define HAS_PICK
#define HAS_HALVES 1
INLINE vec vspread(vec x, vec at) { return _mm256_permutevar8x32_ps(x, (__m256i)at); }
INLINE vec vmerge(vec a, vec b) { return _mm256_blend_ps(a, b, 0xf0); }
INLINE void vstore_parts(char *p, ptrdiff_t row, vec x, int n, int parts) {
    if (parts > 0) vstore_n(p, x, n);
    if (parts > 1) vstore_n(p + row, vlast_halves(x, x), n);
}
INLINE vec vpick(vec a, vec b, const lane_index *pick) {
    const __m256i i = _mm256_loadu_si256((const __m256i *)pick);
    const vec of_b = (vec)_mm256_slli_epi32(i, 28); /* bit 3 becomes the sign, which blendv reads */
    return _mm256_blendv_ps(_mm256_permutevar8x32_ps(a, i), _mm256_permutevar8x32_ps(b, i), of_b);
}
#endif
#ifdef __AVX512F__
/* A load that leaves the other lanes as they are takes no unit of multiply-adds, as an insertion does; of doubles, which have fewer
 * shuffles beside, insertions are as fast or faster. */
INLINE vec vwith_part(vec x, int parts, int i, const char *p) {
    const int lanes = LANES / parts;
    if (i == 0) return parts == 2 ? vload_half(p) : (vec)_mm512_zextsi128_si512(_mm_loadu_si128((const __m128i *)p));
#ifdef REAL_IS_DOUBLE
    if (parts == 2) return (vec)_mm512_insertf32x8((__m512)x, _mm256_loadu_ps((const float *)p), 1);
#endif
    return OP(mask_loadu)(x, vlanes_of(lanes) << i * lanes, p - i * lanes * sizeof(REAL));
}
INLINE vec vwith_part_n(vec x, int parts, int i, const char *p, int n) {
    const int lanes = LANES / parts;
    return i == 0 ? vload_n(p, n) : OP(mask_loadu)(x, vlanes_of(n) << i * lanes, p - i * lanes * sizeof(REAL));
}
#elif defined(__AVX2__)
INLINE vec vwith_part(vec x, int parts, int i, const char *p) {
    const __m128 part = _mm_loadu_ps((const float *)p);
    return (vec)(i == 0 ? _mm256_castps128_ps256(part) : _mm256_insertf128_ps((__m256)x, part, 1));
}
INLINE vec vwith_part_n(vec x, int parts, int i, const char *p, int n) {
    if (i == 0) return vload_n(p, n);
    const vlanes second = _mm256_andnot_si256(vlanes_of(LANES / 2), vlanes_of(LANES / 2 + n));
    return OP(or)(x, vload_of(p - sizeof(vec) / 2, second));
}
#else
INLINE vec vwith_part(vec x, int parts, int i, const char *p) { return vload(p); }
INLINE vec vwith_part_n(vec x, int parts, int i, const char *p, int n) { return vload_n(p, n); }
#endif
#undef OP
#undef SUFFIX
#undef VECTOR_BYTES
#undef LANE_COUNT
#undef EACH_LANE
#undef EVEN
#undef ODD
#undef EVEN_PART
#undef ODD_PART
#undef FIRST_HALVES
#undef LAST_HALVES
