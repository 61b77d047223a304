# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: freethreading_compatible=True, auto_pickle=False, autotestdict=False
"""The compiled core: packed weights, the plan of a call, the loops over blocks.

Arrays that arrive here are already checked, but for one comparison: a call whose arrays are laid out as in the call
before needs no second check (`Layer.__call__`).
"""
cimport cython
from cpython.exc cimport PyErr_CheckSignals
from cpython.object cimport PyObject
from cpython.pyport cimport PY_SSIZE_T_MAX
from libc.math cimport INFINITY
from libc.stdlib cimport free
from libc.string cimport memcmp, memcpy, memset

cimport numpy as cnp

cdef extern from "<stdlib.h>" nogil:
    void *aligned_alloc(size_t alignment, size_t size)

cdef extern from "isa.h" nogil:
    enum:
        MAX_ROWS, MAX_VECTORS, FEW, MOST_FEW, LOW_SUMS, MOST_SHORT, MOST_PLANES, MOST_LONE, LINE_BYTES, LOW, HIGH
        NOTHING, STRIP, FAR_STRIP, BLOCK, STRIP_AND_BLOCK, PIXELS, PANEL, PANELS, WEIGHTS_AHEAD
    ctypedef struct walk "struct walk":
        const char *at
        const char *end
        Py_ssize_t step, next, jump, runs
    ctypedef struct tile_run "struct tile_run":
        Py_ssize_t tiles, depth, columns
        Py_ssize_t lines, a_line, b_line, start_line, c_line, residual_line
        const char *a
        Py_ssize_t a_row, a_k, a_tile
        const char *b
        Py_ssize_t b_k, b_tile
        const char *start
        Py_ssize_t start_row, start_tile
        int start_by_row
        Py_ssize_t a_ahead, a_ahead_k
        const char *a_end
        int b_whole
        char *keep
        Py_ssize_t keep_tile
        int pixel_vectors
        Py_ssize_t ahead_lines
        int ahead
        const char *b_ahead
        Py_ssize_t b_ahead_k, b_ahead_tile, b_ahead_line
        walk *walk
        char *c
        Py_ssize_t c_row, c_tile
        const char *residual
        Py_ssize_t residual_row, residual_tile
        const void *clamp
        int bounded
    ctypedef void (*tile_kernel)(const tile_run *) noexcept nogil
    ctypedef void (*copy_kernel)(char *dst, Py_ssize_t d0, Py_ssize_t d1, const char *src, Py_ssize_t s0,
                                 Py_ssize_t s1, Py_ssize_t n0, Py_ssize_t n1) noexcept nogil
    ctypedef struct kernels "struct kernels":
        int lanes
        int max_rows[5]
        tile_kernel tile[2][2][17][5]
        tile_kernel lone[2][2][17][5]
        tile_kernel mix[5][5]
        tile_kernel few[13]
        tile_kernel rest[5]
        tile_kernel shorts[2][15][5]
        tile_kernel planes[8]
        copy_kernel copy
    ctypedef struct isa "struct isa":
        const char *name
        int fma
        int panel_vectors
        int strip_vectors
        double fma_cycles
        int relu
        const kernels *real[2]
    Py_ssize_t first_level()
    Py_ssize_t second_level()
    Py_ssize_t far_streams()
    const char *KNOWN_ISAS
    const isa *const *available_isas_c "available_isas"()
    copy_kernel converter(char kind, int size, int swapped, int to_double)
    double peak_flops_c "peak_flops"(const isa *, double seconds)
    double copy_bandwidth_c "copy_bandwidth"(const isa *, size_t bytes, double seconds)

cdef extern from "threads.h" nogil:
    const int OPENMP_VERSION
    int openmp_limit()
    int affinity()
    int obtainable_threads(int wanted)

cdef extern from "team.h" nogil:
    ctypedef void (*team_task)(void *context, int member, Py_ssize_t number) noexcept
    void run_team(int members, int small, Py_ssize_t first, Py_ssize_t last, team_task task, void *context)
    int init_team()

cdef extern from "Python.h":
    void PyObject_GC_Track(void *)
    void PyObject_GC_UnTrack(void *)

cdef extern from *:
    """
    #ifdef __linux__
    #include <sys/mman.h>
    #define advise_huge_pages(data, bytes) madvise(data, bytes, MADV_HUGEPAGE)
    #else
    #define advise_huge_pages(data, bytes)
    #endif
    """
    void advise_huge_pages(void *data, size_t bytes) nogil

cdef extern from *:
    """
    #ifdef __clang__
    #define COMPILER __VERSION__
    #else
    #define COMPILER "gcc " __VERSION__
    #endif
    """
    const char *COMPILER
    const char *PWCONV_VERSION
    const char *PWCONV_FLAGS

include "config.pxi"
include "peak.pxi"
include "parts.pxi"
include "packing.pxi"
include "plan.pxi"
include "untiled.pxi"
include "cycles.pxi"
include "blocks.pxi"
include "near.pxi"
include "loops.pxi"
include "limits.pxi"
include "call.pxi"
include "vectorcall.pxi"
include "layer.pxi"
include "fits.pxi"

cnp.import_array()
if init_team():
    raise MemoryError("cannot register the handlers that keep threads working after a fork")
