# How many threads a call uses unless told otherwise.

cdef int thread_limit = 0                # set_num_threads; 0: not set
cdef int quota = 0                       # processors that the cgroup grants, rounded up; 0: no limit


def set_thread_limits(int limit, int cgroup_quota):
    """Numbers of threads, 0 for none: the one set by the user, and the cgroup's."""
    global thread_limit, quota
    if limit < 0 or cgroup_quota < 0:
        raise ValueError(f"limits must not be negative, got {limit} and {cgroup_quota}")
    thread_limit = limit
    quota = cgroup_quota


def default_threads():
    """Threads that a call uses unless told otherwise: at most OpenMP's, the affinity's and the quota's."""
    return default_threads_c()


cdef int default_threads_c() noexcept nogil:
    cdef int threads, allowed
    if thread_limit:
        return thread_limit
    threads = openmp_limit()
    allowed = affinity()
    if allowed and allowed < threads:
        threads = allowed
    if quota and quota < threads:
        threads = quota
    return threads
