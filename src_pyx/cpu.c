/* Which instruction sets run here. GCC's and clang's check reads CPUID, and XGETBV for what the system saves. */
#include "isa.h"
#include <unistd.h>

extern struct isa isa_baseline;
#ifdef __x86_64__
#include <cpuid.h>
extern struct isa isa_avx512, isa_avx2;

/* AMD's leaf of performance hints: bit 3 says that the floating-point units are 512 bits wide, as from Zen 5 on. */
static int halves_512(void) {
    unsigned a, b, c, d;
    return __builtin_cpu_is("amd") && __get_cpuid(0x8000001a, &a, &b, &c, &d) && !(a & 1u << 3);
}
#endif

const struct isa *const *available_isas(void) {
    static const struct isa *found[4];
    int n = 0;
#ifdef __x86_64__
    __builtin_cpu_init();
    isa_avx512.fma_cycles = halves_512() ? 1 : 0.5;
    isa_avx512.relu = halves_512() ? LOW : RELU;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
            found[n++] = &isa_avx512;
        found[n++] = &isa_avx2;
    }
#endif
    found[n++] = &isa_baseline;
    found[n] = NULL;
    return found;
}

/* Intel's prefetcher follows about as many: 103 to 9 channels on 610×340 pixels, NCHW, take 1.75 times as long with 34, 200 to 16
 * on 145×145 1.3 times with 33, 60 to 20 on 300×300 1.38 times with all 60 and AVX2 (Xeon with 1 MiB). AMD's processors need no
 * limit: fourteen such layers are 1.36 times as fast with all rows, 103 to 9 channels 1.67 times (Zen 4). */
ptrdiff_t far_streams(void) {
#ifdef __x86_64__
    __builtin_cpu_init();
    if (__builtin_cpu_is("amd")) return 1 << 30;
#endif
    return 20;
}

#ifdef _SC_LEVEL1_DCACHE_SIZE
static ptrdiff_t cache(int name, ptrdiff_t least) {
    const long bytes = sysconf(name);
    return bytes > least ? bytes : least;
}
#else
#define cache(name, least) (least)
#endif

ptrdiff_t first_level(void) {
    static ptrdiff_t bytes;
    return bytes ? bytes : (bytes = cache(_SC_LEVEL1_DCACHE_SIZE, 32 << 10));
}

ptrdiff_t second_level(void) {
    static ptrdiff_t bytes;
    return bytes ? bytes : (bytes = cache(_SC_LEVEL2_CACHE_SIZE, 512 << 10));
}
