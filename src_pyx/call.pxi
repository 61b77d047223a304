# A call: from NumPy arrays to pointers, strides and counts.

# Multiply-adds below which a call stays on its thread, wakes no other for itself, and those between two looks for signals:
# about 0.004, 0.02 and 100 ms.
cdef double SERIAL_WORK = 2.5e5
cdef double WAKING_WORK = 1e6
cdef double SIGNAL_WORK = 2e9
# And below which it keeps the GIL, for 3 us with AVX-512: to give it away and take it again is 8 % of the time that 32 to 32
# channels on 6×6 pixels take.
cdef double HELD_WORK = 2e5
# Scratch up to so many bytes lies on the stack: to allocate and free it is a seventh of the time that 64 to 32 channels on
# 6×6 pixels take, NCHW.
cdef enum:
    SMALL_SCRATCH = 16 << 10
# Multiply-adds that take the time of moving one element of x, of the output or of the weights through the caches.
cdef double WORK_TO_MOVE = 8


# What a call's arrays looked like: equal views need no second check.
cdef struct View:
    int axes
    Py_ssize_t shape[MAX_AXES]
    Py_ssize_t strides[MAX_AXES]
    void *dtype                          # NumPy has one object for each native type
    int flags
    Py_ssize_t low, high                 # bytes from the data pointer to the first and past the last byte


cdef int FLAGS = cnp.NPY_ARRAY_ALIGNED | cnp.NPY_ARRAY_WRITEABLE


cdef void look(View *view, cnp.ndarray array) noexcept:
    cdef int a
    view.axes = cnp.PyArray_NDIM(array)
    view.dtype = <void *> cnp.PyArray_DESCR(array)
    view.flags = cnp.PyArray_FLAGS(array) & FLAGS
    view.low = 0
    view.high = cnp.PyArray_ITEMSIZE(array)
    for a in range(view.axes):
        view.shape[a] = cnp.PyArray_DIM(array, a)
        view.strides[a] = cnp.PyArray_STRIDE(array, a)
        if view.shape[a] > 1 and view.strides[a] > 0:
            view.high += (view.shape[a] - 1) * view.strides[a]
        elif view.shape[a] > 1:
            view.low += (view.shape[a] - 1) * view.strides[a]


cdef inline bint looks_like(const View *view, cnp.ndarray array) noexcept:
    cdef int axes = view.axes
    return (cnp.PyArray_NDIM(array) == axes and <void *> cnp.PyArray_DESCR(array) == view.dtype
            and (cnp.PyArray_FLAGS(array) & FLAGS) == view.flags
            and memcmp(cnp.PyArray_DIMS(array), view.shape, axes * sizeof(Py_ssize_t)) == 0
            and memcmp(cnp.PyArray_STRIDES(array), view.strides, axes * sizeof(Py_ssize_t)) == 0)


cdef inline bint apart(const View *a_view, cnp.ndarray a, const View *b_view, cnp.ndarray b) noexcept:
    cdef char *a_data = cnp.PyArray_BYTES(a)
    cdef char *b_data = cnp.PyArray_BYTES(b)
    return a_data + a_view.high <= b_data + b_view.low or b_data + b_view.high <= a_data + a_view.low


@cython.final
cdef class Geometry:
    """The plan of a call, and the arrays that it is right for."""
    cdef View x, out, residual
    cdef Plan plan
    cdef tuple dtypes                    # keeps alive what the views' dtypes point to
    cdef int typenum
    cdef bint out_is_plain               # laid out as a result that is allocated here
    cdef int asked                       # threads that the caller asked for; 0: left to the default
    cdef double work                     # multiply-adds, or what moving the elements costs if that is more


cdef object call(Layer layer, x, residual, out, num_threads):
    cdef Geometry known
    with cython.critical_section(layer):
        known = layer.last
    if known is None or not is_known(known, x, residual, out, num_threads):
        return layer._checked_call(x, residual, out, num_threads)
    if out is None:
        out = empty_like(known)
    run(layer, known, x, residual, out)
    return out


cdef bint is_known(Geometry known, x, residual, out, num_threads) noexcept:
    """Whether a call with these arguments is one that was checked before, but for the addresses."""
    if type(x) is not cnp.ndarray or not looks_like(&known.x, x):
        return False
    if num_threads is None:
        if known.asked:
            return False
    elif not known.asked or type(num_threads) is not int or num_threads != known.asked:
        return False
    if (residual is not None) != known.plan.has_residual:
        return False
    if residual is not None and not (type(residual) is cnp.ndarray and looks_like(&known.residual, residual)):
        return False
    if out is None:
        return known.out_is_plain
    if type(out) is not cnp.ndarray or not looks_like(&known.out, out):
        return False
    return apart(&known.out, out, &known.x, x) and (
        residual is None or apart(&known.out, out, &known.residual, residual))


cdef object empty_like(Geometry known):
    return cnp.PyArray_EMPTY(known.out.axes, <cnp.npy_intp *> known.out.shape, known.typenum, 0)


cdef void operand(Operand *op, Layer layer, cnp.ndarray array, Py_ssize_t channels, bint strided) noexcept:
    """An array (..., C, H, W) or (..., H, W, C) as the loops see it."""
    cdef int axes = cnp.PyArray_NDIM(array), channel = axes - (1 if layer.channels_last else 3), a, i = 0
    for a in range(axes):
        if a != channel:
            op.pixel[i] = cnp.PyArray_STRIDE(array, a)
            i += 1
    if strided:
        op.pixel[axes - 3] *= layer.stride_h
        op.pixel[axes - 2] *= layer.stride_w
    op.channel = cnp.PyArray_STRIDE(array, channel) if channels > 1 else layer.unit
    cdef cnp.dtype dtype = array.dtype
    cdef bint swapped = not cnp.PyArray_ISNOTSWAPPED(array)
    if cnp.PyArray_TYPE(array) == layer.typenum and not swapped and cnp.PyArray_ISALIGNED(array):
        op.load = layer.copy
    else:
        op.load = converter(dtype.kind, <int> cnp.PyArray_ITEMSIZE(array), swapped,
                            layer.typenum == cnp.NPY_FLOAT64)


cdef int threads_for(Geometry geometry) noexcept nogil:
    """Threads that are worth starting and can be had."""
    cdef double most = 1 + geometry.work / SERIAL_WORK
    cdef int threads
    if most < 2:
        return 1
    threads = geometry.asked if geometry.asked else default_threads_c()
    return obtainable_threads(<int> min(<double> threads, most))


cdef Geometry geometry(Layer layer, cnp.ndarray x, cnp.ndarray residual, cnp.ndarray out, num_threads):
    """Plan a call with these arrays."""
    cdef Geometry g = Geometry.__new__(Geometry)
    cdef Plan *p = &g.plan
    cdef int axes = cnp.PyArray_NDIM(out), channel = axes - (1 if layer.channels_last else 3), a
    g.dtypes = x.dtype, out.dtype, residual.dtype if residual is not None else None
    g.typenum = layer.typenum
    g.asked = 0 if num_threads is None else num_threads
    look(&g.x, x)
    look(&g.out, out)
    g.out_is_plain = cnp.PyArray_IS_C_CONTIGUOUS(out) and cnp.PyArray_ISALIGNED(out)
    p.isa = layer.isa
    p.kernels = layer.isa.real[layer.unit == 8]
    p.copy = layer.copy
    p.unit = layer.unit
    p.groups = layer.groups
    p.c_in = layer.c_in
    p.c_out = layer.c_out
    for a in range(AS_GIVEN):
        p.lanes[a], p.bands[a] = layer.packings[a].lanes, layer.packings[a].bands
    operand(&p.x, layer, x, layer.groups * layer.c_in, True)
    operand(&p.out, layer, out, layer.groups * layer.c_out, False)
    p.has_residual = residual is not None
    if p.has_residual:
        look(&g.residual, residual)
        operand(&p.residual, layer, residual, layer.groups * layer.c_out, False)
    p.axes = 0
    for a in range(axes):
        if a != channel:
            p.count[p.axes] = cnp.PyArray_DIM(out, a)
            p.axes += 1
    merge_axes(p)
    cdef double weights = <double> p.c_in * p.c_out, pixels = p.pixels
    g.work = max(weights * pixels, WORK_TO_MOVE * ((p.c_in + p.c_out) * pixels + weights)) * p.groups
    p.threads = threads_for(g)
    if p.pixels and p.c_out:
        choose_plan(p, p.threads)
        pack(layer, p.form)
    return g


cdef int run(Layer layer, Geometry known, cnp.ndarray x, cnp.ndarray residual, cnp.ndarray out) except -1:
    cdef Call call
    cdef char[SMALL_SCRATCH + LINE_BYTES] small
    cdef void *allocated = NULL
    cdef Plan replanned
    cdef const Plan *p = &known.plan
    cdef int threads = 1 if known.work < SERIAL_WORK else threads_for(known)
    cdef Py_ssize_t first = 0, last, slice_
    if p.pixels == 0 or p.c_out == 0:
        return 0
    if threads != p.threads:
        replanned = known.plan
        choose_plan(&replanned, threads)
        p = &replanned
    threads = <int> min(<Py_ssize_t> threads, p.tasks)
    call.plan = p
    call.weight = layer.packings[p.form].data
    call.bias = layer.biases
    call.clamp = layer.clamp
    call.bounded = layer.bounded
    call.x = cnp.PyArray_BYTES(x)
    call.residual = NULL if residual is None else cnp.PyArray_BYTES(residual)
    call.out = cnp.PyArray_BYTES(out)
    call.scratch = small + (-<Py_ssize_t> small & (LINE_BYTES - 1))
    if threads * p.scratch > SMALL_SCRATCH:
        allocated = aligned_alloc(LINE_BYTES, threads * p.scratch)
        if allocated == NULL:
            raise MemoryError(f"cannot allocate {threads * p.scratch} bytes of scratch")
        call.scratch = <char *> allocated
    slice_ = <Py_ssize_t> min(<double> p.tasks, max(<double> threads, p.tasks * (SIGNAL_WORK * threads / known.work)))
    try:
        while first < p.tasks:
            last = min(p.tasks, first + slice_)
            if known.work < HELD_WORK:
                run_tasks(&call, first, last, 1, True)
            else:
                with nogil:
                    run_tasks(&call, first, last, threads, known.work < WAKING_WORK)
            first = last
            if first < p.tasks:
                PyErr_CheckSignals()
    finally:
        free(allocated)
    return 0
