/* What the loops ask of the process: OpenMP's limits, the processors allowed, the floating-point mode of a thread. */
#ifndef PWCONV_THREADS_H
#define PWCONV_THREADS_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <sched.h>
#include <stdlib.h>

#ifdef _OPENMP
#include <omp.h>
#else
static inline int omp_get_max_threads(void) { return 1; }
static inline int omp_get_thread_num(void) { return 0; }
static inline int omp_get_num_threads(void) { return 1; }
static inline int omp_in_parallel(void) { return 0; }
#endif

static inline int openmp_version(void) {
#ifdef _OPENMP
    return _OPENMP;
#else
    return 0;
#endif
}

/* Processors that this process may run on; 0 where the system does not tell. */
static inline int affinity(void) {
#ifdef CPU_COUNT
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
    return 0;
}

/* Flush-to-zero and rounding are a thread's own: a worker takes the caller's for the call. */
#ifdef __SSE__
#include <xmmintrin.h>
static inline unsigned get_float_mode(void) { return _mm_getcsr(); }
static inline void set_float_mode(unsigned mode) { _mm_setcsr(mode); }
#else
static inline unsigned get_float_mode(void) { return 0; }
static inline void set_float_mode(unsigned mode) { (void)mode; }
#endif
#endif
