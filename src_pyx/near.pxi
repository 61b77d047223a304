# Where tiles find an operand of a block: in place, or in scratch, to which and from which it is copied.

cdef struct Near:
    char *data
    Py_ssize_t pixel, stretch, channel  # from one to the next


cdef void copy_block(const Plan *p, const Operand *operand, char *far, Near *near, Py_ssize_t first, Py_ssize_t count,
                     Py_ssize_t channels, bint out) noexcept nogil:
    """Copy `count` pixels from number `first` on: from the array (`far`: its first channel) to scratch, or back."""
    cdef Py_ssize_t run = p.count[p.axes - 1], stride = operand.pixel[p.axes - 1], length, rows, channel
    cdef char *there
    cdef char *here = near.data
    while count > 0:
        length = min(count, run - first % run)
        there = far + pixel_offset(p, operand, first)
        rows = 1
        if length == run and p.axes > 1 and operand.channel >= PAGE_BYTES and near.pixel == p.unit and not out:
            # a plane after the other, which prefetchers follow
            rows = min(count // run, p.count[p.axes - 2] - first // run % p.count[p.axes - 2])
            for channel in range(channels):
                operand.load(here + channel * near.channel, run * p.unit, p.unit, there + channel * operand.channel,
                             operand.pixel[p.axes - 2], stride, rows, run)
        elif out:
            p.copy(there, stride, operand.channel, here, near.pixel, near.channel, length, channels)
        else:
            operand.load(here, near.pixel, near.channel, there, stride, operand.channel, length, channels)
        length *= rows
        here += length * near.pixel
        first += length
        count -= length


cdef inline Near in_place(const Plan *p, const Operand *operand, char *data) noexcept nogil:
    cdef Near near
    near.data = data
    near.pixel = operand.pixel[p.axes - 1]
    near.stretch = operand.pixel[p.outer] if p.outer >= 0 else 0
    near.channel = operand.channel
    return near


cdef inline Near in_scratch(const Plan *p, char *scratch, Py_ssize_t row, bint by_channel) noexcept nogil:
    cdef Near near
    near.data = scratch
    near.pixel = row if by_channel else p.unit
    near.stretch = p.stretch * near.pixel
    near.channel = p.unit if by_channel else row
    return near
