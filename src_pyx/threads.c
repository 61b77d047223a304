/* How many threads there may be. OpenMP is asked for its settings, so that what limits other libraries limits this one:
 * OMP_NUM_THREADS, OMP_THREAD_LIMIT, threadpoolctl, and regions of a caller that is parallel already. */
#define _GNU_SOURCE
#include "threads.h"
#include "team.h"
#include <sched.h>
#include <unistd.h>

int openmp_limit(void) {
#ifdef _OPENMP
    const int most = omp_get_max_threads(), limit = omp_get_thread_limit();
    return most < limit ? most : limit;
#else
    return (int)sysconf(_SC_NPROCESSORS_ONLN);
#endif
}

int obtainable_threads(int wanted) {
#ifdef _OPENMP
    if (omp_in_parallel()) return 1;
    if (wanted > omp_get_thread_limit()) wanted = omp_get_thread_limit();
#endif
    return wanted < MAX_TEAM ? wanted : MAX_TEAM;
}

int affinity(void) {
#ifdef CPU_COUNT
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
    return 0;
}
