/* How many threads a call may have. */
#ifndef PWCONV_THREADS_H
#define PWCONV_THREADS_H

#ifdef _OPENMP
#include <omp.h>
#define OPENMP_VERSION _OPENMP
#else
#define OPENMP_VERSION 0
#endif

/* What OpenMP allows by default, and the processors that this process may run on (0 where the system does not tell). */
int openmp_limit(void);
int affinity(void);

/* Threads that a call of this thread may have, at most `wanted`; one inside a parallel region of OpenMP. */
int obtainable_threads(int wanted);
#endif
