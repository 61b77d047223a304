/* What one thread of this machine can do at most, measured: the limit that a layer's time is held against. */
#define _GNU_SOURCE
#include "isa.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double peak_flops(const struct isa *isa, double seconds) {
    enum { STEPS = 10000 }; /* some 30 µs, so that the clock costs nothing */
    static volatile float sink;
    double steps = 0, begin, end;
    sink = isa->peak->multiply_adds(STEPS);
    begin = now();
    do {
        sink = isa->peak->multiply_adds(STEPS);
        steps += STEPS;
        end = now();
    } while (end - begin < seconds);
    (void)sink;
    return steps * isa->peak->flops / (end - begin);
}

double copy_bandwidth(const struct isa *isa, size_t bytes, double seconds) {
    enum { BLOCK = 4096, APART = 1088 }; /* the same place in two pages would look like one address to the load unit */
    const size_t half = (bytes ? (bytes - 1) / (2 * BLOCK) + 1 : 1) * BLOCK;
    const size_t calls = 1 + 65536 / half; /* so that the clock costs nothing */
    char *const from = bytes < PTRDIFF_MAX / 2 ? aligned_alloc(BLOCK, 2 * half + BLOCK) : NULL;
    double best = 0;
    if (!from) return -1;
    char *const to = from + half + APART;
    memset(from, 1, 2 * half + BLOCK);
    for (int kind = 0; kind < 2; kind++) {
        double moved = 0, begin, end;
        isa->peak->copy[kind](to, from, half);
        begin = now();
        do {
            for (size_t call = 0; call < calls; call++) isa->peak->copy[kind](to, from, half);
            moved += 2.0 * (double)half * (double)calls;
            end = now();
        } while (end - begin < seconds / 2);
        if (moved / (end - begin) > best) best = moved / (end - begin);
    }
    free(from);
    return best;
}
