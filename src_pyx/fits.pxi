# Whether weights make a layer, and whether the loops stay within the arrays of a call: for callers below the checked face.

cdef inline bint is_native(cnp.ndarray array, int typenum) noexcept:
    return cnp.PyArray_TYPE(array) == typenum and cnp.PyArray_ISNOTSWAPPED(array)


cdef bint is_packable(cnp.ndarray weight, cnp.ndarray bias, Py_ssize_t groups) noexcept:
    cdef int typenum = cnp.PyArray_TYPE(weight)
    if groups < 1 or cnp.PyArray_NDIM(weight) != 2 or not is_native(weight, typenum) or (
            typenum != cnp.NPY_FLOAT32 and typenum != cnp.NPY_FLOAT64):
        return False
    if cnp.PyArray_DIM(weight, 0) % groups or cnp.PyArray_DIM(weight, 1) > PY_SSIZE_T_MAX // groups:
        return False
    return bias is None or (is_native(bias, typenum) and cnp.PyArray_NDIM(bias) == 1
                            and cnp.PyArray_DIM(bias, 0) == cnp.PyArray_DIM(weight, 0))


cdef bint is_readable(Layer layer, cnp.ndarray array):
    cdef cnp.dtype dtype = array.dtype
    return converter(dtype.kind, <int> cnp.PyArray_ITEMSIZE(array), False, layer.typenum == cnp.NPY_FLOAT64) != NULL


cdef bint fits(Layer layer, cnp.ndarray x, cnp.ndarray residual, cnp.ndarray out):
    """Whether the loops stay within these arrays."""
    cdef int axes = cnp.PyArray_NDIM(out), channel = axes - (1 if layer.channels_last else 3), a
    cdef int row = axes - (3 if layer.channels_last else 2)
    cdef Py_ssize_t step, size
    if axes < 3 or cnp.PyArray_NDIM(x) != axes or not is_readable(layer, x):
        return False
    if not is_native(out, layer.typenum) or not cnp.PyArray_ISWRITEABLE(out):
        return False
    if cnp.PyArray_DIM(x, channel) != layer.groups * layer.c_in or (
            cnp.PyArray_DIM(out, channel) != layer.groups * layer.c_out):
        return False
    for a in range(axes):
        step = layer.stride_h if a == row else layer.stride_w if a == row + 1 else 1
        size = cnp.PyArray_DIM(x, a)
        if a != channel and cnp.PyArray_DIM(out, a) != (0 if size == 0 else (size - 1) // step + 1):
            return False
    if residual is None:
        return True
    return cnp.PyArray_NDIM(residual) == axes and is_readable(layer, residual) and (
        memcmp(cnp.PyArray_DIMS(residual), cnp.PyArray_DIMS(out), axes * sizeof(Py_ssize_t)) == 0)
