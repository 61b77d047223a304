/* What the loops ask of the process: how many threads there may be, and the floating-point mode of one. */
#ifndef PWCONV_THREADS_H
#define PWCONV_THREADS_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <sched.h>
#include <stdlib.h>

#ifdef _OPENMP
#include <omp.h>
#define OPENMP_VERSION _OPENMP
#else
#define OPENMP_VERSION 0
static inline int omp_get_thread_num(void) { return 0; }
static inline int omp_get_num_threads(void) { return 1; }
#endif

/* Once, before any other: 0 if all is well. */
int init_threads(void);

/* What OpenMP allows by default, and the processors that this process may run on (0 where the system does not tell). */
int openmp_limit(void);
int affinity(void);

/* Threads that a team led by this thread can have now, at most `wanted`; one inside a parallel region. */
int obtainable_threads(int wanted);

/* Wait for the others of a team; `arrived` starts at 0. OpenMP's own barrier spins, for milliseconds where two threads were
 * put on one processor: giving up the turn lets the other come. */
static inline void meet(int *arrived, int team) {
    enum { SPINS = 2000 }; /* a few microseconds */
    __atomic_add_fetch(arrived, 1, __ATOMIC_ACQ_REL);
    for (int turn = 0; __atomic_load_n(arrived, __ATOMIC_ACQUIRE) < team; turn++)
        if (turn >= SPINS) sched_yield();
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
