# A layer: packed weights and what else a call needs but the arrays.

# Weights lie in pages of this size, if the system has them, but for an end of less than half of one: layers with 2 to 9 MB
# of weights run 1.05 times as fast in NCHW and 1.04 times in NHWC, with 1 to 2 MB 1.01 times (Xeon, a virtual machine).
cdef Py_ssize_t HUGE_PAGE = 2 << 20
# Bytes behind them that tiles prefetch, WEIGHTS_AHEAD steps or the shorter ROWS_AHEAD: where nothing is mapped each takes
# 40 ns. And of which they load the first ones, half a vector at most, with lone pixels and AVX2 (tile.h).
cdef enum:
    BEHIND_WEIGHTS = WEIGHTS_AHEAD * MAX_VECTORS * LINE_BYTES


cdef class Layer:
    """Weights packed for one instruction set, with all that a call needs but the arrays. Never changes.

    weight: (c_out, c_in / groups), bias: (c_out,) or None, both native and of the dtype to compute in.
    A subclass has `_checked_call(x, residual, out, num_threads)`, which checks the arguments and calls `_run`.
    Methods are not bound by Cython, whose unbound ones take any object for `self`.
    """
    cdef const isa *isa
    cdef copy_kernel copy
    cdef int typenum
    cdef Py_ssize_t unit                 # bytes of an element
    cdef Py_ssize_t groups, c_in, c_out  # channels in a group
    cdef Py_ssize_t stride_h, stride_w
    cdef bint channels_last
    cdef Packing packings[4]             # by form, each made by the first call that needs it; until then AS_GIVEN
    cdef int packers                     # threads that read one to make another
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
        PyObject_GC_UnTrack(<void *> self)  # nobody sees it half made: other threads run while weights are copied
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
        self.bounded = (LOW if low > -INFINITY else 0) | (HIGH if high < INFINITY else 0)
        if self.bounded == LOW and low == 0:
            self.bounded = selected.relu
        set_clamp(self, low, high)

        cdef const kernels *kernels = selected.real[self.unit == 8]
        cdef Py_ssize_t lanes = kernels.lanes
        cdef double size = <double> self.c_in * self.c_out * self.unit
        self.packings[BY_BANDS].lanes = 1
        self.packings[BY_BANDS].bands = bands_for_rows(selected, kernels, self.c_in, self.c_out)
        self.packings[BY_PANELS].lanes = self.packings[REST_ALONE].lanes = lanes
        self.packings[BY_PANELS].bands = bands_for_columns(selected, lanes, self.c_out, size)
        self.packings[REST_ALONE].bands = bands_for_columns(selected, lanes, self.c_out - self.c_out % lanes, size) + 1
        self.packings[REST_ALONE].alone = True
        self.packings[AS_GIVEN] = plain(<char *> allocate(groups, self.c_out, self.c_in, self.unit))
        cdef char *far = cnp.PyArray_BYTES(weight)
        cdef Py_ssize_t row = cnp.PyArray_STRIDE(weight, 0), element = cnp.PyArray_STRIDE(weight, 1)
        with nogil:
            self.copy(self.packings[AS_GIVEN].data, self.c_in * self.unit, self.unit, far, row, element,
                      groups * self.c_out, self.c_in)
        self.biases = <char *> allocate(groups, padded(self.c_out, lanes), 1, self.unit)
        if bias is not None:
            move_biases(self, cnp.PyArray_BYTES(bias), cnp.PyArray_STRIDE(bias, 0), False)
        take_vectorcalls(self)
        PyObject_GC_Track(<void *> self)

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
        if known is None or known.plan.tasks == 0:
            raise ValueError("there was no call yet, or one with nothing to compute")
        p = &known.plan
        return {
            "vectors": p.isa.name.decode(),
            "rows": "pixels" if p.pixels_are_rows else "channels",
            "packed": [name for name, packed in (("x", p.x.packed), ("out", p.out.packed),
                       ("residual", p.has_residual and p.residual.packed)) if packed],
            "kept": p.kept, "block": p.block, "blocks": p.blocks, "segment": p.segment, "cuts": p.cuts, "shares": p.shares,
            "panel": p.panel_width, "strip": p.strip_vectors * p.kernels.lanes, "lone": p.lone,
            "scratch": p.scratch, "tasks": p.tasks, "threads": p.threads,
        }

    @property
    def _shape(self):
        return self.groups * self.c_out, self.groups * self.c_in

    @property
    def _is_double(self):
        return self.typenum == cnp.NPY_FLOAT64


cdef void set_clamp(Layer layer, double low, double high) noexcept:
    """Where a bound is 0, in the type of the sums, the zero is +0, which turns -0 into +0; else -0, which leaves every sum
    as it is (vec.h)."""
    cdef double[3] wide = [low, high, 0.0 if low == 0 or high == 0 else -0.0]
    cdef float[3] narrow = [<float> low, <float> high, -0.0]
    if narrow[0] == 0 or narrow[1] == 0:
        narrow[2] = 0.0
    if layer.typenum == cnp.NPY_FLOAT64:
        memcpy(layer.clamp, wide, sizeof(wide))
    else:
        memcpy(layer.clamp, narrow, sizeof(narrow))


cdef void *allocate(Py_ssize_t groups, Py_ssize_t channels, Py_ssize_t c_in, Py_ssize_t unit) except NULL:
    """Zeros, for weights; behind them as much memory as tiles prefetch and load beyond their panel."""
    cdef void *data = NULL
    cdef Py_ssize_t alignment, size
    needed = int(groups) * int(channels) * int(c_in) * int(unit)  # of any size
    huge = (needed + HUGE_PAGE // 2) // HUGE_PAGE * HUGE_PAGE
    alignment = HUGE_PAGE if huge else LINE_BYTES
    if needed < PY_SSIZE_T_MAX - 3 * HUGE_PAGE:
        data = aligned_alloc(alignment, ceil_div(needed + BEHIND_WEIGHTS, alignment) * alignment)
    if data == NULL:
        raise MemoryError(f"cannot allocate {needed} bytes for the packed weights")
    if huge:
        advise_huge_pages(data, huge)
    size = needed + BEHIND_WEIGHTS
    with nogil:
        memset(data, 0, size)
    return data


cdef const Packing *any_form(Layer layer) noexcept:
    """The weights, in a form that they are in by now."""
    cdef const Packing *packing = layer.packings
    while packing.data == NULL:
        packing += 1
    return packing


cdef int pack(Layer layer, int form) except -1:
    """Make a form of the weights, unless an earlier call has. Meanwhile other threads run; of those that make the same form
    the first one's stays."""
    cdef Packing *packing = &layer.packings[form]
    cdef const Packing *source = NULL
    cdef Packing made
    with cython.critical_section(layer):
        made = packing[0]
        if made.data == NULL:
            source = any_form(layer)
            layer.packers += 1
    if source == NULL:
        return 0
    try:
        made.data = <char *> allocate(layer.groups, padded(layer.c_out, made.lanes), layer.c_in, layer.unit)
        with nogil:
            repack(layer.copy, &made, source, layer.groups, layer.c_out, layer.c_in, layer.unit)
    except MemoryError:
        if packing.data == NULL:
            raise
    finally:
        with cython.critical_section(layer):
            layer.packers -= 1
            if packing.data == NULL:
                packing[0] = made
            else:
                free(made.data)
            if any_form(layer) != &layer.packings[AS_GIVEN] and layer.packers == 0:
                free(layer.packings[AS_GIVEN].data)
                layer.packings[AS_GIVEN].data = NULL
    return 0


cdef void move_biases(Layer layer, char *far, Py_ssize_t stride, bint out) noexcept nogil:
    if layer.c_out == 0:  # of any number of groups
        return
    cdef Py_ssize_t row = padded(layer.c_out, layer.packings[BY_PANELS].lanes) * layer.unit
    cdef Py_ssize_t far_row = layer.c_out * stride
    if out:
        layer.copy(far, far_row, stride, layer.biases, row, layer.unit, layer.groups, layer.c_out)
    else:
        layer.copy(layer.biases, row, layer.unit, far, far_row, stride, layer.groups, layer.c_out)
