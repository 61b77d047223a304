/* Teams: many callers at once, forks in the midst of it, no thread to be had, and the caller's float mode. Each task and each
 * member writes memory of its own without a lock, so that ThreadSanitizer sees a task done twice or a seat taken twice. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "check.h"
#include "team.h"
#include "threads.h"
#ifdef __SSE__
#include <xmmintrin.h>
#else
#define _MM_GET_ROUNDING_MODE() 0u
#define _MM_SET_ROUNDING_MODE(mode) ((void)(mode))
#endif

enum { TASKS = 300, CALLERS = 6, CALLS = 60, FORKS = 8, SECONDS = 60 };

/* The linker puts this in the place of pthread_create (--wrap). */
static int threads_left = -1; /* to be had; -1: as many as the system gives */
static int threads_made;      /* in this process */
int __real_pthread_create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument) {
    if (threads_left == 0) return EAGAIN;
    if (threads_left > 0) threads_left--;
    __atomic_add_fetch(&threads_made, 1, __ATOMIC_RELAXED);
    return __real_pthread_create(thread, attributes, run, argument);
}

struct sheet {
    int done[TASKS];  /* how often each task */
    int by[MAX_TEAM]; /* how many each member */
    unsigned rounding[MAX_TEAM]; /* the mode that each member found */
};

/* Workers are slow, so that callers have to wait for them. */
static void mark(void *context, int member, ptrdiff_t number) {
    struct sheet *sheet = context;
    if (member) sched_yield();
    sheet->done[number]++;
    sheet->by[member]++;
    sheet->rounding[member] = _MM_GET_ROUNDING_MODE();
}

static void check_call(int members, int small, ptrdiff_t first, ptrdiff_t last) {
    struct sheet sheet = {0};
    const unsigned rounding = _MM_GET_ROUNDING_MODE();
    int total = 0;
    run_team(members, small, first, last, mark, &sheet);
    for (ptrdiff_t i = 0; i < TASKS; i++)
        CHECK(sheet.done[i] == (i >= first && i < last), "%d members: task %td was done %d times", members, i, sheet.done[i]);
    for (int i = 0; i < MAX_TEAM; i++) {
        CHECK(i < members || !sheet.by[i], "%d members: there is a member %d", members, i);
        CHECK(!sheet.by[i] || sheet.rounding[i] == rounding, "member %d has another float mode", i);
        total += sheet.by[i];
    }
    CHECK(total == last - first, "%d tasks of %td", total, last - first);
}

static void *call_often(void *seed) {
    uint32_t n = (uint32_t)(uintptr_t)seed;
    for (int i = 0; i < CALLS; i++) {
        n = n * 1103515245u + 12345u;
        const ptrdiff_t first = n >> 16 & 15, last = first + (n >> 8 & 255);
        _MM_SET_ROUNDING_MODE((n >> 30) << 13); /* the two bits of MXCSR that say how to round */
        check_call(1 + (n >> 28 & 7), n >> 27 & 1, first, last);
    }
    return NULL;
}

/* What a child does first. ThreadSanitizer knows threads by addresses, which those of the parent keep: a child has none. */
static void begin_child(int threads) {
    alarm(SECONDS);
#ifdef __SANITIZE_THREAD__
    threads = 0;
#endif
    threads_left = threads;
    threads_made = 0;
}

/* Waits for a child that is to end within SECONDS; what ends it otherwise is the alarm's signal. */
static void check_child(pid_t child) {
    int status;
    CHECK(child > 0, "fork: %s", strerror(errno));
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0, "a child ended with status %x",
          status);
}

static void check_fork(int nested) {
    const pid_t child = fork();
    if (child == 0) {
        begin_child(-1);
        check_call(3, 0, 0, TASKS);
        CHECK(threads_left == 0 || threads_made == 2, "a child has %d workers, not 2", threads_made);
        if (nested) check_fork(nested - 1);
        check_call(5, 0, 7, TASKS);
        _exit(0);
    }
    check_child(child);
}

static void check_callers(int forks) {
    pthread_t callers[CALLERS];
    for (uintptr_t i = 0; i < CALLERS; i++)
        CHECK(pthread_create(&callers[i], NULL, call_often, (void *)(i + 1)) == 0, "no thread");
    for (int i = 0; i < forks; i++) check_fork(i % 3);
    for (int i = 0; i < CALLERS; i++) pthread_join(callers[i], NULL);
}

/* In a child, so that no worker exists yet: 0, 1 and 2 threads to be had for teams of five. */
static void check_shortage(void) {
    for (int threads = 0; threads < 3; threads++) {
        const pid_t child = fork();
        if (child == 0) {
            begin_child(threads);
            for (int i = 0; i < 20; i++) check_call(5, 0, 0, TASKS);
            begin_child(-1);
            check_call(5, 0, 0, TASKS);
            _exit(0);
        }
        check_child(child);
    }
}

void check_team(void) {
    CHECK(init_team() == 0 && init_team() == 0, "no handlers of fork");
    CHECK(openmp_limit() >= 1 && affinity() >= 0, "%d threads, %d processors", openmp_limit(), affinity());
    CHECK(obtainable_threads(1) == 1 && obtainable_threads(1 << 30) <= MAX_TEAM, "%d threads", obtainable_threads(1 << 30));
    for (int members = 1; members < 9; members++)
        for (ptrdiff_t tasks = 0; tasks < 20; tasks++) check_call(members, 0, tasks % 3, tasks % 3 + tasks);
    check_fork(2);
    check_shortage();
    check_callers(0);
    check_callers(FORKS);
    check_call(MAX_TEAM, 0, 0, TASKS);
    check_fork(1);
}
