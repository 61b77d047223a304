/* Threads that wait for work, and the teams that callers form of them.
 *
 * Why not OpenMP's own teams: at the end of a region all threads have to arrive, also those that have no processor because
 * another library's threads spin there. On two processors beside OpenBLAS a call of 0.4 ms then takes 8 ms, a slice of the
 * scheduler. Here a caller waits for nobody but those who are in the middle of a task: it does itself what a late thread has
 * not begun. Nor does a child of fork wait for threads that it does not have (GCC bug 52303), and where no thread is to be had
 * there are fewer, while libgomp ends the process (it calls exit).
 */
#define _GNU_SOURCE
#include "team.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <time.h>

#ifdef __SSE__
#include <xmmintrin.h>
#define PAUSE() _mm_pause()
/* Flush-to-zero and rounding are a thread's own: a worker takes the caller's for the call. */
static unsigned float_mode(void) { return _mm_getcsr(); }
static void set_float_mode(unsigned mode) { _mm_setcsr(mode); }
#else
#define PAUSE() ((void)0)
static unsigned float_mode(void) { return 0; }
static void set_float_mode(unsigned mode) { (void)mode; }
#endif

/* Each member begins with its own share of the tasks, the same at each call, for what it has in its caches; then it helps the
 * others. Which thread does a task changes no bit of it. */
struct share {
    ptrdiff_t next, end;
};

struct job {
    team_task task;
    void *context;
    unsigned float_mode;
    int members, seated; /* seats in the team, and those taken; the caller has seat 0 */
    int busy;            /* workers that have a seat and have not left */
    struct job *below;
    struct share share[MAX_TEAM];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards all of these: */
static pthread_cond_t posted = PTHREAD_COND_INITIALIZER, left = PTHREAD_COND_INITIALIZER;
static struct job *jobs; /* that have seats free, the newest first */
static int workers, asleep, waiting;
static pthread_t worker[MAX_TEAM];
static int kept_off = -1; /* the processor that workers stay away from */
static long long small_call; /* when the last one began */
static int seats; /* free in all jobs; also read without the lock, to know whether it is worth taking */

/* Waiting without sleep: as long as a wake-up takes, so that at worst it doubles the wait. The turn is given up often, for who
 * waits may hold the very processor that the other needs. */
enum { SPIN_NS = 100000, PAUSES = 32 };

static long long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int load(const int *value) { return __atomic_load_n(value, __ATOMIC_ACQUIRE); }
static void add(int *value, int by) { __atomic_add_fetch(value, by, __ATOMIC_ACQ_REL); }

/* Until *value is zero (or until it is not, if `zero` says so): 1; or the time is up: 0. */
static int spin(const int *value, int zero) {
    const long long end = now() + SPIN_NS;
    do {
        for (int i = 0; i < PAUSES; i++) {
            if ((load(value) == 0) == zero) return 1;
            PAUSE();
        }
        sched_yield();
    } while (now() < end);
    return 0;
}

static void do_tasks(struct job *job, int member) {
    for (int i = 0; i < job->members; i++) {
        struct share *share = &job->share[(member + i) % job->members];
        ptrdiff_t number;
        while ((number = __atomic_fetch_add(&share->next, 1, __ATOMIC_RELAXED)) < share->end)
            job->task(job->context, member, number);
    }
}

static void unlink_job(struct job *job) {
    for (struct job **at = &jobs; *at; at = &(*at)->below)
        if (*at == job) {
            *at = job->below;
            return;
        }
}

static void *work(void *unused) {
    for (;;) {
        const int saw = spin(&seats, 0);
        pthread_mutex_lock(&lock);
        if (saw && !jobs) { /* too late for that one */
            pthread_mutex_unlock(&lock);
            continue;
        }
        asleep++;
        while (!jobs) pthread_cond_wait(&posted, &lock);
        asleep--;
        struct job *const job = jobs;
        const int member = job->seated++;
        add(&job->busy, 1);
        add(&seats, -1);
        if (job->seated == job->members) jobs = job->below;
        pthread_mutex_unlock(&lock);

        set_float_mode(job->float_mode);
        do_tasks(job, member);

        pthread_mutex_lock(&lock);
        add(&job->busy, -1); /* the caller may return now: nothing of the job is touched after this */
        if (waiting) pthread_cond_broadcast(&left);
        pthread_mutex_unlock(&lock);
    }
    return unused;
}

/* As many workers as a job wants, or fewer if no more threads are to be had. Signals are left to the other threads. */
static void hire(int wanted) {
    sigset_t all, before;
    pthread_t thread;
    if (workers >= wanted) return;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (workers < wanted && pthread_create(&thread, NULL, work, NULL) == 0) {
        pthread_detach(thread);
        worker[workers++] = thread;
        kept_off = -1;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* Workers run on any processor that the caller may use but the one that it is on. Left to itself the system puts a worker that
 * wakes onto the caller's processor, for milliseconds, where threads of another library spin on all others: beside ONNX Runtime
 * and PyTorch a third of the layers of a benchmark then ran as if on one thread. */
static void keep_off_own_processor(void) {
#ifdef __linux__
    const int own = sched_getcpu();
    cpu_set_t others;
    if (own == kept_off || own < 0 || own >= CPU_SETSIZE) return;
    kept_off = own;
    if (sched_getaffinity(0, sizeof others, &others)) return;
    CPU_CLR(own, &others);
    if (CPU_COUNT(&others) == 0) return;
    for (int i = 0; i < workers; i++) pthread_setaffinity_np(worker[i], sizeof others, &others);
#endif
}

/* A small call does not wake a thread, which takes as long as the call does, but where another such call came just before it:
 * then more will follow, for which the thread stays awake. */
static int is_left_alone(int small) {
    const long long before = small_call;
    if (!small) return 0;
    small_call = now();
    return asleep == workers && small_call - before > SPIN_NS;
}

void run_team(int members, int small, ptrdiff_t first, ptrdiff_t last, team_task task, void *context) {
    struct job job;
    job.task = task;
    job.context = context;
    job.float_mode = float_mode();
    job.seated = 1;
    job.busy = 0;

    pthread_mutex_lock(&lock);
    if (is_left_alone(small)) members = 1;
    hire(members - 1);
    if (!jobs) keep_off_own_processor();
    job.members = members = members <= workers ? members : workers + 1;
    for (int i = 0; i < members; i++) {
        job.share[i].next = first + (last - first) * i / members;
        job.share[i].end = first + (last - first) * (i + 1) / members;
    }
    if (members > 1) {
        job.below = jobs;
        jobs = &job;
        add(&seats, members - 1);
        for (int i = 1; i < members && i <= asleep; i++) pthread_cond_signal(&posted);
    }
    pthread_mutex_unlock(&lock);

    do_tasks(&job, 0);
    if (members == 1) return;

    pthread_mutex_lock(&lock);
    if (job.seated < members) {
        add(&seats, job.seated - members);
        unlink_job(&job);
    }
    pthread_mutex_unlock(&lock);
    if (!spin(&job.busy, 1)) {
        pthread_mutex_lock(&lock);
        waiting++;
        while (job.busy) pthread_cond_wait(&left, &lock);
        waiting--;
        pthread_mutex_unlock(&lock);
    }
}

/* A child of fork has this thread alone: it begins with no workers. The lock is held across the fork, so that the books are
 * in order. */
static void before_fork(void) { pthread_mutex_lock(&lock); }
static void in_parent(void) { pthread_mutex_unlock(&lock); }
static void in_child(void) {
    pthread_mutex_init(&lock, NULL);
    pthread_cond_init(&posted, NULL);
    pthread_cond_init(&left, NULL);
    jobs = NULL;
    workers = asleep = waiting = seats = 0;
    kept_off = -1;
}

static int registered;
static void once(void) { registered = pthread_atfork(before_fork, in_parent, in_child); }

int init_team(void) {
    static pthread_once_t control = PTHREAD_ONCE_INIT;
    pthread_once(&control, once);
    return registered;
}
