# What this machine can do at most, measured by the thread that asks: several threads at once share its memory.


def peak_flops(double seconds):
    """float32 operations in a second, two for a multiply-add, of the best instruction set; each is tried for `seconds`."""
    cdef const isa *const *sets = available_isas_c()
    cdef double best = 0
    with nogil:
        while sets[0] != NULL:
            best = max(best, peak_flops_c(sets[0], seconds))
            sets += 1
    return best


def copy_bandwidth(size_t bytes, double seconds):
    """Bytes read and written in a second by copies of one half of a working set of `bytes` to the other."""
    cdef double rate
    if bytes < 2 or bytes > PY_SSIZE_T_MAX:
        raise ValueError(f"a working set has at least 2 bytes and fits into memory, got {bytes}")
    with nogil:
        rate = copy_bandwidth_c(available_isas_c()[0], bytes, seconds)
    if rate < 0:
        raise MemoryError(f"cannot allocate {bytes} bytes to copy")
    return rate
