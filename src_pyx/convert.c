/* Copies that convert on the way: any NumPy number of either byte order, at any address, to float32 or float64. */
#include <stdint.h>
#include <string.h>
#include "isa.h"

/* IEEE 754 binary16, by exact arithmetic in float: the exponent is moved by a product with a power of two. No operand is
 * subnormal, as a caller's mode may take it for zero. */
static float from_half(uint16_t h) {
    uint32_t bits = (uint32_t)(h & 0x7fff) << 13;
    float x;
    if (bits >= 0x7c00u << 13) {
        bits |= 0x7f800000u; /* infinity and NaN */
        memcpy(&x, &bits, sizeof x);
    } else if (bits < 0x400u << 13) {
        x = (float)(h & 0x3ff) * 0x1p-24f;
    } else {
        memcpy(&x, &bits, sizeof x);
        x *= 0x1p112f;
    }
    return h & 0x8000 ? -x : x;
}
/* The upper half of a float32. */
static float from_bfloat16(uint16_t h) {
    const uint32_t bits = (uint32_t)h << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}
#define SAME(x) (x)
#define SWAP8(x) (x)
#define SWAP16 __builtin_bswap16
#define SWAP32 __builtin_bswap32
#define SWAP64 __builtin_bswap64

/* Reads through memcpy: the address may be misaligned. */
#define COPY(NAME, TYPE, BITS, SWAP, VALUE, REAL)                                                                 \
    static void NAME(char *dst, ptrdiff_t d0, ptrdiff_t d1, const char *src, ptrdiff_t s0, ptrdiff_t s1,          \
                     ptrdiff_t n0, ptrdiff_t n1) {                                                                \
        for (ptrdiff_t i = 0; i < n0; i++)                                                                        \
            for (ptrdiff_t j = 0; j < n1; j++) {                                                                  \
                uint##BITS##_t bits;                                                                              \
                TYPE x;                                                                                           \
                memcpy(&bits, src + i * s0 + j * s1, sizeof bits);                                                \
                bits = SWAP(bits);                                                                                \
                memcpy(&x, &bits, sizeof x);                                                                      \
                const REAL y = (REAL)VALUE(x);                                                                    \
                memcpy(dst + i * d0 + j * d1, &y, sizeof y);                                                      \
            }                                                                                                     \
    }

/* X(NumPy's kind, name, C type, bits, value of what was read) */
#define TYPES(X)                                                                                                  \
    X('b', bool8, uint8_t, 8, SAME)                                                                               \
    X('i', int8, int8_t, 8, SAME)                                                                                 \
    X('i', int16, int16_t, 16, SAME)                                                                              \
    X('i', int32, int32_t, 32, SAME)                                                                              \
    X('i', int64, int64_t, 64, SAME)                                                                              \
    X('u', uint8, uint8_t, 8, SAME)                                                                               \
    X('u', uint16, uint16_t, 16, SAME)                                                                            \
    X('u', uint32, uint32_t, 32, SAME)                                                                            \
    X('u', uint64, uint64_t, 64, SAME)                                                                            \
    X('f', float16, uint16_t, 16, from_half)                                                                      \
    X('V', bfloat16, uint16_t, 16, from_bfloat16)                                                                 \
    X('f', float32, float, 32, SAME)                                                                              \
    X('f', float64, double, 64, SAME)

#define COPIES(KIND, NAME, TYPE, BITS, VALUE)                                                                     \
    COPY(NAME##_to_f32, TYPE, BITS, SAME, VALUE, float)                                                           \
    COPY(NAME##_to_f64, TYPE, BITS, SAME, VALUE, double)                                                          \
    COPY(swapped_##NAME##_to_f32, TYPE, BITS, SWAP##BITS, VALUE, float)                                           \
    COPY(swapped_##NAME##_to_f64, TYPE, BITS, SWAP##BITS, VALUE, double)
TYPES(COPIES)

copy_kernel converter(char kind, int size, int swapped, int to_double) {
#define ENTRY(KIND, NAME, TYPE, BITS, VALUE)                                                                      \
    if (kind == KIND && size * 8 == BITS) {                                                                       \
        const copy_kernel found[] = {NAME##_to_f32, NAME##_to_f64, swapped_##NAME##_to_f32,                       \
                                     swapped_##NAME##_to_f64};                                                    \
        return found[2 * !!swapped + !!to_double];                                                                \
    }
    TYPES(ENTRY)
    return NULL;
}
