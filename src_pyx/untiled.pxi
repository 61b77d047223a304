# The kernels that take a call in place of tiles, and what else they are told.

cdef enum:
    VECTORS_AHEAD = 4                # of pixels, that few.h prefetches into the second level; from memory so many pixels
    FAR_PIXELS = 128
    FAR_PIXEL_BYTES = 256 << 10      # of these, at most


cdef inline bint pixels_come_from_memory(const Plan *p) noexcept nogil:
    return x_is_far(p, MEMORY * 3 // 2)


cdef inline Py_ssize_t vector_of_pixels(const Plan *p) noexcept nogil:
    """Bytes of as many pixels as a vector has lanes."""
    return p.kernels.lanes * p.x.pixel[p.axes - 1]


cdef inline int pixel_vectors(const Plan *p) noexcept nogil:
    """Vectors of pixels that few.h takes side by side: two, where the first level holds four. 8 to 3 channels on 300×300
    pixels are 1.07 to 1.13 times as fast so, 100 to 2 on 200×200 with AVX2 1.17 times; 224 to 4 on 100×100 would be 0.92
    times (Zen 4)."""
    return 2 if 4 * vector_of_pixels(p) < first_level() else 1


cdef inline Py_ssize_t pixels_ahead(const Plan *p) noexcept nogil:
    """Vectors of pixels ahead that few.h prefetches, if x is not near: those of the next tile, into the first level, if that
    holds three tiles; else later ones into the second, if two, which eighteen layers of 88 to 248 channels to 1 to 4 outputs
    are 1.09 times as fast with, 248 to 1 on 64×64 pixels 1.18 times, with AVX2 eight of 176 to 500 1.04 times. None of
    longer pixels, which the processor's own prefetcher follows: 1024 to 1 channels on 28×28 pixels take 1.1 to 1.3 times as
    long with prefetches, 64 to 1 on 64×64, which are near, 1.1 times. From memory 128 pixels, which eleven layers are 1.11
    times as fast with as with 64, with AVX2 1.24 times with as with 32, 512 to 4 channels on 150×150 1.7 and 2.4 times as
    with none (Zen 4)."""
    cdef Py_ssize_t size = vector_of_pixels(p), tile = pixel_vectors(p)
    if pixels_come_from_memory(p):
        return min(FAR_PIXELS // p.kernels.lanes, max(1, FAR_PIXEL_BYTES // size))
    if not x_is_far(p, 1) or 2 * tile * size >= first_level():
        return 0
    return tile if 3 * tile * size < first_level() else VECTORS_AHEAD


cdef inline bint transpose_for(const Plan *p) noexcept nogil:
    """Whether few.h pays. For more than FEW outputs pixels are a square at least, and from memory six of them: 103 to 9
    channels on 350×350 pixels, NHWC, run 1.3 times as fast so, 48 to 9 on 512×512 would 0.94 times, 24 to 6 0.7 times. Near,
    17 to 5, 9 and 10 are 1.1 to 1.28 times as fast so, to 7 and 12 0.97 times (Zen 4)."""
    if p.c_out <= FEW:
        return True
    return p.c_in >= p.kernels.lanes * (6 if pixels_come_from_memory(p) else 1)


cdef inline tile_kernel short_of(const Plan *p) noexcept nogil:
    """The kernel for short sums whose weights fit into registers (short.h), or NULL."""
    cdef Py_ssize_t vectors
    if p.c_in > MOST_SHORT or p.c_out == 1 or p.bands[BY_PANELS] > 1 or p.has_residual or p.out.channel != p.unit:
        return NULL
    if rest_of(p.isa, p.kernels, p.c_in, p.c_out):  # 13 to 17 channels on 97×97 pixels, NHWC, are 1.2 times as fast so
        return NULL
    vectors = ceil_div(p.c_out, p.kernels.lanes)
    return p.kernels.shorts[ends_in_half(p, p.c_out, vectors)][p.c_in][vectors]


cdef tile_kernel mix_of(const Plan *p) noexcept nogil:
    """The kernel for pixels in a row whose few channels lie side by side, if x and outputs are such pixels; for their few
    outputs; or for short sums. These also where there are 1.5 channels of x for each output or less, or 5 with doubles: 5 to
    4 channels are 1.1 times as fast so, 7 to 4 and 7 to 3 would be 0.94 and 0.86, with AVX2 5 to 2 0.8; doubles 1.03 to 2
    times. And three or four outputs of up to four doubles: 3 to 3 and 4 to 4 channels are 1.4 and 2.6 times as fast (Zen
    4)."""
    cdef int inner = p.axes - 1
    cdef tile_kernel short_sums
    if p.groups > 1 or p.c_in < 1 or p.x.load != p.copy or p.c_in > 1 and p.x.channel != p.unit:
        return NULL
    if p.c_in <= FEW and p.c_out <= (FEW if p.unit == 4 else FEW // 2) and p.kernels.mix[p.c_in][p.c_out] != NULL and (
            p.x.pixel[inner] == p.c_in * p.unit and p.out.pixel[inner] == p.c_out * p.unit) and not p.has_residual and (
            p.c_out == 1 or p.out.channel == p.unit):
        return p.kernels.mix[p.c_in][p.c_out]
    if p.c_out == 1 and p.c_in > 1 and p.out.pixel[inner] == p.unit and (
            not p.has_residual or p.residual.load == p.copy and p.residual.pixel[inner] == p.unit):
        return p.kernels.few[1]
    short_sums = short_of(p)
    if short_sums != NULL and 2 * p.c_in <= (3 if p.unit == 4 else 10) * p.c_out:
        return short_sums
    if p.c_in > FEW and p.c_in * MAX_ROWS * p.unit <= PACKED_BYTES and 1 < p.c_out <= MOST_FEW and transpose_for(p) and (
            p.out.channel == p.unit and p.out.pixel[inner] == p.c_out * p.unit and not p.has_residual):
        return p.kernels.few[p.c_out]    # whose sums start from the bias alone: they are not cut (cuts_of)
    return short_sums


cdef Py_ssize_t rest_apart(const Plan *p) noexcept nogil:
    """The last output channels, if few.h takes them in place of tiles; else 0. They start from the bias alone, and end with
    the bounds; a quarter of its vectors of pixels may be empty."""
    if p.mix != NULL or not p.x_by_depth or p.out.packed or p.has_residual or p.c_in * MAX_ROWS * p.unit > PACKED_BYTES or (
            4 * p.stretch < 3 * padded(p.stretch, p.kernels.lanes)):
        return 0
    return rest_of(p.isa, p.kernels, p.c_in, p.c_out)


cdef inline tile_kernel planes_of(const Plan *p) noexcept nogil:
    """The kernel for short sums of channels that are planes (planes.h), or NULL. They start from the bias alone: so few
    terms are not cut (cuts_of)."""
    cdef int inner = p.axes - 1
    if p.mix != NULL or not 1 <= p.c_in <= MOST_PLANES or p.out.pixel[inner] != p.unit:
        return NULL
    if p.c_in > 1 and p.x.channel == p.unit:
        return NULL
    return p.kernels.planes[p.c_in]


cdef void untiled(const Plan *p, tile_kernel kernel, tile_run *t, Py_ssize_t ahead, Py_ssize_t pixels,
                  Py_ssize_t channels) noexcept nogil:
    """Lines of pixels by a kernel that takes all of one."""
    cdef Py_ssize_t i
    t.tiles = pixels
    t.columns = channels
    t.pixel_vectors = pixel_vectors(p)
    t.ahead_lines = ahead
    for i in range(t.lines):
        kernel(t)
        t.a += t.a_line
        t.c += t.c_line
        t.start += t.start_line
        if t.residual != NULL:
            t.residual += t.residual_line
