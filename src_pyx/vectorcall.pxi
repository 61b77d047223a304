# Calls that make no tuple and no dictionary of their arguments (PEP 590): 0.17 of the 0.47 us that the smallest one takes.

cdef extern from "Python.h":
    ctypedef object (*vectorcallfunc)(object, PyObject *const *, size_t, PyObject *)
    ctypedef object (*ternaryfunc)(object, PyObject *, PyObject *)
    ctypedef struct PyTypeObject:
        ternaryfunc tp_call
        Py_ssize_t tp_vectorcall_offset
        unsigned long tp_flags
    PyTypeObject *Py_TYPE(object)
    const unsigned long Py_TPFLAGS_HAVE_VECTORCALL
    Py_ssize_t PyVectorcall_NARGS(size_t)
    Py_ssize_t PyTuple_GET_SIZE(PyObject *)
    PyObject *PyTuple_GET_ITEM(PyObject *, Py_ssize_t)


cdef void take_vectorcalls(Layer layer) noexcept:
    """Have calls of a layer go through `call_layer`, unless its class has a `__call__` of its own."""
    cdef PyTypeObject *cls = Py_TYPE(layer)
    layer.vectorcall = call_layer
    if not cls.tp_flags & Py_TPFLAGS_HAVE_VECTORCALL and cls.tp_call == (<PyTypeObject *> Layer).tp_call:
        cls.tp_vectorcall_offset = <char *> &layer.vectorcall - <char *> <void *> layer
        cls.tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL


cdef object call_layer(object layer, PyObject *const *arguments, size_t flags, PyObject *names):
    """`Layer.__call__` with arguments as the interpreter has them, the last of them named; or what its class has by now."""
    cdef PyTypeObject *cls = Py_TYPE(layer)
    cdef Py_ssize_t count = PyVectorcall_NARGS(flags), named = 0 if names == NULL else PyTuple_GET_SIZE(names), i
    cdef PyObject *name
    residual = out = num_threads = None
    if count == 1 and cls.tp_call == (<PyTypeObject *> Layer).tp_call:
        for i in range(named):       # names in a call are interned, as those here are
            name = PyTuple_GET_ITEM(names, i)
            if name == <PyObject *> "out":
                out = <object> arguments[1 + i]
            elif name == <PyObject *> "residual":
                residual = <object> arguments[1 + i]
            elif name == <PyObject *> "num_threads":
                num_threads = <object> arguments[1 + i]
            else:
                break
        else:
            return call(<Layer> layer, <object> arguments[0], residual, out, num_threads)
    positional = tuple([<object> arguments[i] for i in range(count)])
    keywords = {<object> PyTuple_GET_ITEM(names, i): <object> arguments[count + i] for i in range(named)}
    return cls.tp_call(layer, <PyObject *> positional, <PyObject *> keywords)
