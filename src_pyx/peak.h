/* The two things that bound every layer, each as a loop that does nothing else: multiply-adds in registers, and a copy.
 * Included by kernels.h once, for float. */
#define CHAINS (VREGS == 32 ? 16 : 12) /* more than latency × units of any processor; two registers stay for x and y */

static float NAME(multiply_adds)(ptrdiff_t steps) {
    const float near_one = 0.999f, small = 1e-4f;
    const vec x = vset1((const char *)&near_one), y = vset1((const char *)&small);
    vec chain[CHAINS];
    UNROLL for (int j = 0; j < CHAINS; j++) chain[j] = x * (float)j; /* all different: equal chains would become one */
    for (ptrdiff_t i = 0; i < steps; i++) {
        UNROLL for (int j = 0; j < CHAINS; j++) chain[j] = vfma(x, y, chain[j]);
    }
    UNROLL for (int j = 1; j < CHAINS; j++) chain[0] += chain[j]; /* so that no chain is dead code */
    float sum[LANES];
    vstore((char *)sum, chain[0]);
    return sum[0];
}

#ifdef __AVX512F__
#define STREAM(p, x) _mm512_stream_ps((float *)(p), x)
#elif defined(__AVX__)
#define STREAM(p, x) _mm256_stream_ps((float *)(p), x)
#elif defined(__SSE__)
#define STREAM(p, x) _mm_stream_ps((float *)(p), x)
#else
#define STREAM(p, x) vstore(p, x)
#endif
#define COPY(name, STORE)                                                                   \
    static void NAME(name)(char *to, const char *from, size_t bytes) {                      \
        for (size_t i = 0; i < bytes; i += 4 * sizeof(vec)) {                               \
            vec x[4];                                                                       \
            UNROLL for (size_t j = 0; j < 4; j++) x[j] = vload(from + i + j * sizeof(vec)); \
            UNROLL for (size_t j = 0; j < 4; j++) STORE(to + i + j * sizeof(vec), x[j]);    \
        }                                                                                   \
    }
COPY(copy_cached, vstore)
COPY(copy_past_caches, STREAM)

static const struct peak NAME(peak) = {
    .flops = 2 * CHAINS * LANES,
    .multiply_adds = NAME(multiply_adds),
    .copy = {NAME(copy_cached), NAME(copy_past_caches)},
};
