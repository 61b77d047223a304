/* Every kernel of the instruction set that the compiler's flags name. Define ISA, include this: see tile_<isa>.c. */
#if defined(__x86_64__)
#include <immintrin.h>
#endif
#include "isa.h"

#define PASTE3(a, b, c) a##_##b##_##c
#define PASTE(a, b, c) PASTE3(a, b, c)

#ifdef __clang__
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

/* Doubles may be compiled in a file of their own, beside the other. */
#ifndef DOUBLES_ALONE
#define REAL float
#include "real.h"
#include "peak.h"
#undef REAL
#endif
#ifdef DOUBLES_APART
extern const struct kernels PASTE(kernels, ISA, f64);
#else
#define REAL double
#define REAL_IS_DOUBLE
#include "real.h"
#endif

#ifndef DOUBLES_ALONE
#define ISA_RECORD(isa) isa_##isa
#define RECORD(isa) ISA_RECORD(isa)
#define TEXT(x) #x
#define QUOTE(x) TEXT(x)
struct isa RECORD(ISA) = {
    .name = QUOTE(ISA),
#if defined(__FMA__) || defined(__FP_FAST_FMA)
    .fma = 1,
#endif
    .panel_vectors = VREGS == 32 ? 4 : 3,
    .strip_vectors = VREGS == 32 ? 3 : 2,
#ifdef __AVX512F__
    .fma_cycles = 1,
#else
    .fma_cycles = 0.5,
#endif
    .relu = HAS_RELU ? RELU : LOW,
    .real = {&PASTE(kernels, ISA, f32), &PASTE(kernels, ISA, f64)},
    .peak = &PASTE(peak, ISA, f32),
};
#endif
