/* Every kernel of the instruction set that the compiler's flags name. Define ISA, include this: see tile_<isa>.c. */
#if defined(__x86_64__)
#include <immintrin.h>
#endif
#include "isa.h"

#ifdef __clang__
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

#define REAL float
#include "real.h"
#undef REAL
#define REAL double
#define REAL_IS_DOUBLE
#include "real.h"

#define PASTE(a, b) a##b
#define RECORD(isa) PASTE(isa_, isa)
#define TEXT(x) #x
#define QUOTE(x) TEXT(x)
const struct isa RECORD(ISA) = {
    .name = QUOTE(ISA),
#if defined(__FMA__) || defined(__FP_FAST_FMA)
    .fma = 1,
#endif
    .panel_vectors = 2,
    .strip_vectors = 3,
    .real = {&kernels_f32, &kernels_f64},
};
