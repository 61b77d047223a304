/* Threads in a process that forks or that may start no more of them. */
#include "threads.h"
#include <pthread.h>

#ifdef _OPENMP
/* Threads in the team that this thread has last led: OpenMP keeps them for the next call. */
static __thread int team = 1;
static int pause_failed, serial_child;

/* A child inherits OpenMP's books but not its threads, and would wait for them for ever (GCC bug 52303). So the parent
 * gives them back before it forks; where OpenMP refuses, the child computes on one thread. */
static void before_fork(void) {
    pause_failed = omp_pause_resource_all(omp_pause_soft);
    team = 1;
}

static void in_child(void) { serial_child = pause_failed != 0; }

int init_threads(void) { return pthread_atfork(before_fork, NULL, in_child); }

static void *pass(void *gate) {
    pthread_mutex_lock(gate);
    pthread_mutex_unlock(gate);
    return NULL;
}

/* How many threads can be had now, the caller included: libgomp ends the process with exit(1) when it gets fewer than
 * it asks for. All of them wait at one gate, so that they exist at once. */
static int probe(int wanted) {
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    pthread_t *threads = malloc(sizeof *threads * (size_t)wanted);
    int got = 0;
    if (!threads) return 1;
    pthread_mutex_lock(&gate);
    while (got < wanted - 1 && pthread_create(&threads[got], NULL, pass, &gate) == 0) got++;
    pthread_mutex_unlock(&gate);
    for (int i = 0; i < got; i++) pthread_join(threads[i], NULL);
    free(threads);
    return got + 1;
}

int obtainable_threads(int wanted) {
    if (serial_child || omp_in_parallel()) return 1;
    const int limit = omp_get_thread_limit();
    if (wanted > limit) wanted = limit;
    if (wanted > team) wanted = probe(wanted);
    return team = wanted;
}

int openmp_limit(void) {
    const int most = omp_get_max_threads(), limit = omp_get_thread_limit();
    return most < limit ? most : limit;
}
#else
int init_threads(void) { return 0; }
int obtainable_threads(int wanted) { return wanted < 1 ? wanted : 1; }
int openmp_limit(void) { return 1; }
#endif

int affinity(void) {
#ifdef CPU_COUNT
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
    return 0;
}
