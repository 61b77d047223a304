# Packed weights and the call: from NumPy arrays to pointers, strides and counts.

# Multiply-adds below which a call stays on its thread, wakes no other for itself, and those between two looks for signals:
# about 0.004, 0.02 and 100 ms.
cdef double SERIAL_WORK = 2.5e5
cdef double WAKING_WORK = 1e6
cdef double SIGNAL_WORK = 2e9
# And below which it keeps the GIL, for 3 us with AVX-512: to give it away and take it again is 8 % of the time that 32 to 32
# channels on 6×6 pixels take.
cdef double HELD_WORK = 2e5
# Weights lie in pages of this size, if the system has them, but for an end of less than half of one: layers with 2 to 9 MB
# of weights run 1.05 times as fast in NCHW and 1.04 times in NHWC, with 1 to 2 MB 1.01 times (Xeon, a virtual machine).
cdef Py_ssize_t HUGE_PAGE = 2 << 20
# Bytes behind them that tiles prefetch, WEIGHTS_AHEAD steps or the shorter ROWS_AHEAD: where nothing is mapped each takes
# 40 ns.
cdef enum:
    BEHIND_WEIGHTS = WEIGHTS_AHEAD * MAX_VECTORS * LINE_BYTES
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


cdef class Layer:
    """Weights packed for one instruction set, with all that a call needs but the arrays. Never changes.

    weight: (c_out, c_in / groups), bias: (c_out,) or None, both native and of the dtype to compute in.
    A subclass has `_checked_call(x, residual, out, num_threads)`, which checks the arguments and calls `_run`.
    Methods are not bound by Cython, whose unbound ones take any object for `self`.
    """
    cdef const isa *isa
    cdef const isa *narrow               # its narrow vectors, or NULL
    cdef const isa *of_panels            # that of the two whose vectors the output channels fill better
    cdef copy_kernel copy
    cdef int typenum
    cdef Py_ssize_t unit                 # bytes of an element
    cdef Py_ssize_t groups, c_in, c_out  # channels in a group
    cdef Py_ssize_t stride_h, stride_w
    cdef bint channels_last
    cdef Packing packings[3]             # [pixels_are_rows], made by the first call that needs it; until then [AS_GIVEN]
    cdef char *biases                    # [group][channels, padded as where pixels are rows]
    cdef char clamp[3 * 8]               # low, high, zero as elements (tile.h)
    cdef int bounded                     # which bounds there are
    cdef readonly bint _has_bias
    cdef readonly dict _config           # what the subclass was made with
    cdef Geometry last                   # of the last call that was checked
    cdef vectorcallfunc vectorcall       # where the interpreter looks for it (vectorcall.pxi)

    def __cinit__(self, cnp.ndarray weight not None, cnp.ndarray bias, tuple stride not None, Py_ssize_t groups,
                  bint channels_last, tuple bounds not None, dict config not None):
        cdef double low, high
        low, high = bounds
        self.stride_h, self.stride_w = (min(step, PY_SSIZE_T_MAX) for step in stride)
        if not is_packable(weight, bias, groups) or min(self.stride_h, self.stride_w) < 1:
            raise ValueError("weight, bias, stride and groups do not make a layer")
        self._config = config
        self._has_bias = bias is not None
        self.isa = selected
        self.typenum = cnp.PyArray_TYPE(weight)
        self.unit = cnp.PyArray_ITEMSIZE(weight)
        self.copy = selected.real[self.unit == 8].copy
        self.groups = groups
        self.c_out = cnp.PyArray_DIM(weight, 0) // groups
        self.c_in = cnp.PyArray_DIM(weight, 1)
        self.channels_last = channels_last
        self.bounded = (RELU if low == 0 else LOW if low > -INFINITY else 0) | (HIGH if high < INFINITY else 0)
        set_clamp(self, low, high)

        cdef const kernels *wide = selected.real[self.unit == 8]
        cdef Py_ssize_t lanes = wide.lanes
        self.narrow = narrower(selected, self.c_out <= lanes // 2)
        self.of_panels = selected
        if self.narrow != NULL and padded(self.c_out, lanes // 2) < padded(self.c_out, lanes):
            self.of_panels = self.narrow
            lanes //= 2
        self.packings[0].lanes, self.packings[0].bands = 1, bands_for_rows(selected, wide, self.c_out)
        self.packings[1].lanes, self.packings[1].bands = lanes, bands_for_columns(
            self.of_panels, lanes, self.c_out, <double> self.c_in * self.c_out * self.unit)
        self.packings[AS_GIVEN] = plain(<char *> allocate(groups, self.c_out, self.c_in, self.unit))
        self.copy(self.packings[AS_GIVEN].data, self.c_in * self.unit, self.unit, cnp.PyArray_BYTES(weight),
                  cnp.PyArray_STRIDE(weight, 0), cnp.PyArray_STRIDE(weight, 1), groups * self.c_out, self.c_in)
        self.biases = <char *> allocate(groups, padded(self.c_out, lanes), 1, self.unit)
        if bias is not None:
            move_biases(self, cnp.PyArray_BYTES(bias), cnp.PyArray_STRIDE(bias, 0), False)
        take_vectorcalls(self)

    def __dealloc__(self):
        for packing in self.packings:
            free(packing.data)
        free(self.biases)

    def __call__(self, x, *, residual=None, out=None, num_threads=None):
        """Convolve; `x`, `residual`, `out` and `num_threads` as in `conv1x1`."""
        return call(self, x, residual, out, num_threads)

    @cython.binding(False)
    def _run(self, cnp.ndarray x not None, cnp.ndarray residual, cnp.ndarray out not None, num_threads):
        """Convolve arrays that are checked, and remember how they were laid out.

        Whoever calls it, with whatever arrays, gets an exception and never a signal; that they lie apart is up to them.
        """
        cdef Geometry known
        cdef int threads = 1
        if num_threads is not None:
            threads = num_threads
            num_threads = threads
        if threads < 1 or not fits(self, x, residual, out):
            raise ValueError("the arrays do not fit the layer, or each other")
        known = geometry(self, x, residual, out, num_threads)
        with cython.critical_section(self):
            self.last = known
        run(self, known, x, residual, out)
        return out

    @cython.binding(False)
    def _weight(self):
        cdef cnp.npy_intp[2] shape = [self.groups * self.c_out, self.c_in]
        cdef cnp.ndarray weight = cnp.PyArray_EMPTY(2, shape, self.typenum, 0)
        cdef Packing to = plain(cnp.PyArray_BYTES(weight))
        with cython.critical_section(self):
            repack(self.copy, &to, any_form(self), self.groups, self.c_out, self.c_in, self.unit)
        weight.flags.writeable = False
        return weight

    @cython.binding(False)
    def _bias(self):
        cdef cnp.npy_intp[1] shape = [self.groups * self.c_out]
        cdef cnp.ndarray bias
        if not self._has_bias:
            return None
        bias = cnp.PyArray_EMPTY(1, shape, self.typenum, 0)
        move_biases(self, cnp.PyArray_BYTES(bias), self.unit, True)
        bias.flags.writeable = False
        return bias

    @cython.binding(False)
    def _last_plan(self):
        """How the last call was cut into blocks, for tests and for measuring."""
        cdef Geometry known = self.last
        cdef const Plan *p
        if known is None or known.plan.isa == NULL:
            raise ValueError("there was no call yet, or one with nothing to compute")
        p = &known.plan
        return {
            "vectors": p.isa.name.decode(),
            "rows": "pixels" if p.pixels_are_rows else "channels",
            "packed": [name for name, packed in (("x", p.x.packed), ("out", p.out.packed),
                       ("residual", p.has_residual and p.residual.packed)) if packed],
            "kept": p.kept, "block": p.block, "blocks": p.blocks, "segment": p.segment, "cuts": p.cuts, "shares": p.shares,
            "panel": p.panel_width, "strip": p.strip_vectors * p.kernels.lanes, "scratch": p.scratch,
            "tasks": p.tasks, "threads": p.threads,
        }

    @property
    def _shape(self):
        return self.groups * self.c_out, self.groups * self.c_in

    @property
    def _is_double(self):
        return self.typenum == cnp.NPY_FLOAT64


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


cdef void set_clamp(Layer layer, double low, double high) noexcept:
    """Where a bound is 0 the zero is +0, which turns -0 into +0; else -0, which leaves every sum as it is (vec.h)."""
    cdef double zero = 0.0 if low == 0 or high == 0 else -0.0
    cdef double[3] wide = [low, high, zero]
    cdef float[3] narrow = [<float> low, <float> high, <float> zero]
    if layer.typenum == cnp.NPY_FLOAT64:
        memcpy(layer.clamp, wide, sizeof(wide))
    else:
        memcpy(layer.clamp, narrow, sizeof(narrow))


cdef void *allocate(Py_ssize_t groups, Py_ssize_t channels, Py_ssize_t c_in, Py_ssize_t unit) except NULL:
    """Zeros, for weights; behind them as much memory as tiles prefetch beyond their panel."""
    cdef void *data = NULL
    cdef Py_ssize_t alignment
    needed = int(groups) * int(channels) * int(c_in) * int(unit)  # of any size
    huge = (needed + HUGE_PAGE // 2) // HUGE_PAGE * HUGE_PAGE
    alignment = HUGE_PAGE if huge else LINE_BYTES
    if needed < PY_SSIZE_T_MAX - 3 * HUGE_PAGE:
        data = aligned_alloc(alignment, ceil_div(needed + BEHIND_WEIGHTS, alignment) * alignment)
    if data == NULL:
        raise MemoryError(f"cannot allocate {needed} bytes for the packed weights")
    if huge:
        advise_huge_pages(data, huge)
    memset(data, 0, needed + BEHIND_WEIGHTS)
    return data


cdef const Packing *any_form(Layer layer) noexcept:
    """The weights, in a form that they are in by now."""
    cdef const Packing *packing = layer.packings
    while packing.data == NULL:
        packing += 1
    return packing


cdef int pack(Layer layer, bint pixels_are_rows) except -1:
    """Make the weights' form for an orientation, unless an earlier call has."""
    cdef Packing *packing = &layer.packings[pixels_are_rows]
    cdef Packing made = packing[0]
    with cython.critical_section(layer):
        if packing.data == NULL:
            made.data = <char *> allocate(layer.groups, padded(layer.c_out, made.lanes), layer.c_in, layer.unit)
            repack(layer.copy, &made, any_form(layer), layer.groups, layer.c_out, layer.c_in, layer.unit)
            packing[0] = made
            free(layer.packings[AS_GIVEN].data)
            layer.packings[AS_GIVEN].data = NULL
    return 0


cdef void move_biases(Layer layer, char *far, Py_ssize_t stride, bint out) noexcept nogil:
    cdef Py_ssize_t row = padded(layer.c_out, layer.packings[1].lanes) * layer.unit
    cdef Py_ssize_t far_row = layer.c_out * stride
    if out:
        layer.copy(far, far_row, stride, layer.biases, row, layer.unit, layer.groups, layer.c_out)
    else:
        layer.copy(layer.biases, row, layer.unit, far, far_row, stride, layer.groups, layer.c_out)


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
    p.wide = layer.isa
    p.narrow = layer.narrow
    p.of_panels = layer.of_panels
    p.copy = layer.copy
    p.unit = layer.unit
    p.groups = layer.groups
    p.c_in = layer.c_in
    p.c_out = layer.c_out
    for a in range(2):
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
        pack(layer, p.pixels_are_rows)
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
    call.weight = layer.packings[p.pixels_are_rows].data
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
