# A call as a plan: its pixel axes, which operand is rows and which columns, what is read in place and what is packed.

cdef enum:
    MAX_AXES = 66  # NumPy's 64, at most two of them not pixel axes, and a margin
    PAGE_BYTES = 4096
    PANEL_CHANNELS = 64  # of bands that are rows of tiles; 14 to 256 are as fast

# Bytes of x that a block keeps near: a quarter of the second-level cache, and twice that where each block reads weights that
# it does not hold: twelve such layers, NHWC, run 1.004 times as fast as with 1.5 times as much, 2048 to 512 channels on
# 7×7 pixels 1.03 times. With channels as rows and vectors of half a line, half: twenty layers with AVX2 are 1.03 times as
# fast; and with far weights as much as of packed x at most, which nine layers run 1.01 times as fast with.
cdef Py_ssize_t X_BYTES = min(max(second_level() // 4, 256 << 10), 512 << 10)
cdef Py_ssize_t LARGE_X_BYTES = X_BYTES * 2
cdef Py_ssize_t PACKED_BYTES = 512 << 10
# And where each reads weights from memory, which should be few: what the third level holds beside them. 6144 to 1536 and
# 8192 to 1024 channels on 7×7 pixels, NHWC, are 1.28 and 1.45 times as fast in one block as in three, 4096 to 2048 on 10×10
# 1.33 times; fifteen such layers 1.13 times, in NCHW 1.12 times (Zen 4).
cdef Py_ssize_t FAR_X_BYTES = 2 * second_level()
cdef Py_ssize_t SCRATCH_BYTES = 960 << 10  # of packed x, at most: with outputs and residuals a thread has less than 1 MiB
# Bytes of a channel's plane below which threads do not share it: 160 to 960 channels on 7×7 pixels took two threads 77 us
# with half of the pixels each, 58 us with half of the channels.
cdef Py_ssize_t PLANE_BYTES = 2 << 10
# Cycles that a line of outputs costs which two threads write. Twelve layers with strides, NCHW, are 1.05 times as fast on
# two threads with half of the pixels each, as x is packed once, 200 to 100 channels on 62×62 pixels with a stride of 3 1.17
# times; 832 to 128 channels on 7×7 pixels, 0.96 times, and 160 to 960, 0.72 times, share the channels (Zen 4).
cdef double SHARED_LINE_CYCLES = 128
cdef Py_ssize_t FAR_STREAMS = far_streams()
cdef enum:
    MEMORY = 8                        # second levels that hold less than what comes from memory
    THIRD_LEVEL = 32                  # and that hold as much as the third level of a Zen 4

# Rows of x, each at the same place of a page of its own, that are at work at a time if there are more than FAR_PAGES of
# them, half as many as the second level has pages: blocks of such rows fill only a part of its sets. 512 to 256 channels on
# 32×32 pixels, NCHW, run at 48 % of the limit uncut, at 85 % in three or four parts and at 72 % packed.
cdef Py_ssize_t FAR_PAGES = second_level() // PAGE_BYTES // 2
cdef Py_ssize_t ROWS_AT_WORK = second_level() // PAGE_BYTES // 3

# Rows that a strip reads and fetches ahead: with one output or two, for which the third level gives them in time, no more
# than the first level holds at the same place of a page. 64 to 1 channels on 160×160 pixels, NCHW, whose planes are 25
# pages, are 1.6 times as fast in eight parts as in one, 1.2 times on 224×224, 16 to 1 there 1.24 times, 32 to 2 1.1; with
# AVX2 2.3, 1.15, 1.3 and 1.4 times. 64 to 3 on 224×224 would be 0.99 times as fast, 9 to 2 0.88, and 64 to 1 on 40×64,
# which are near, with AVX2 0.78 (Zen 4).
cdef enum:
    ROWS_FETCHED = 32
    EVICTING_ROWS = 8

# And rows from memory that evict each other from the second level, where tiles wait for a line each: 200 to 16 channels on
# 256×256 pixels, NCHW, are 1.6 times as fast in five parts as in one with AVX2, 65 to 12 on 512×512 1.5 times (Zen 4).
cdef enum:
    COLLIDING_ROWS = 48

# Vectors of a stretch so few that it counts if the last strip has one in place of two, and so waits for its sums: with lone
# pixels 512 to 512 channels on 5×5 pixels, NCHW, would be 0.91 times as fast with AVX2, 128 to 128 0.97; thirteen layers of
# 121 to 625 pixels are 1.015 times as fast so (Zen 4).
cdef enum:
    FEW_VECTORS = 8

# Pages of rows in place that a cut of the sums takes at most: half of what the second TLB has, as the next block has as
# many. 1024 to 24 channels on 28×28 pixels, NCHW, are 1.07 times as fast uncut as in 16 parts, 600 to 24 on 56×56 1.28
# times; 2048 to 24 on 28×28 run as fast in three parts as in 32, and take 1.03 and 1.24 times as long in two and uncut (Xeon
# with 1 MiB).
cdef Py_ssize_t TLB_BYTES = 768 * PAGE_BYTES

# One array as the loops see it. Strides are in bytes.
cdef struct Operand:
    Py_ssize_t channel                # from a channel to the next
    Py_ssize_t pixel[MAX_AXES]        # along the pixel axes, innermost last
    copy_kernel load                  # how it is packed
    bint packed                       # tiles reach it through scratch, not in place

cdef struct Plan:
    const isa *isa
    const kernels *kernels
    copy_kernel copy
    Py_ssize_t unit                   # bytes of an element
    Py_ssize_t groups, c_in, c_out    # channels in a group
    Py_ssize_t lanes[3]               # of the weights' forms (packing.pxi)
    Py_ssize_t bands[3]
    int threads                       # that it was first made for; another number changes nothing that is packed
    int axes
    Py_ssize_t count[MAX_AXES]        # pixels along each axis, innermost last
    Py_ssize_t pixels
    Py_ssize_t x_end                  # bytes from the first pixel to where one after the last would be
    Operand x, out, residual
    bint has_residual

    tile_kernel mix                   # takes all channels of pixels in a row, in place of tiles; or NULL
    Py_ssize_t rest                   # output channels of the last panel, the last ones, that few.h takes in place of tiles
    tile_kernel planes                # takes bands of short sums where channels are rows, in place of tiles; or NULL
    bint pixels_are_rows
    int form                          # of the weights
    bint x_by_depth                   # of x as tiles read it, the channels of a pixel lie side by side
    Py_ssize_t pixels_together        # that are rows of a tile, at most, so that their lines do not evict each other
    bint kept                         # x is read in place by the first band, which keeps it in scratch strip by strip
    Py_ssize_t stretch                # pixels in a row with one stride between them wherever tiles read or write in place
    int outer                         # the axis along which stretches follow each other; -1: there is one
    Py_ssize_t segment                # stretches one stride apart, or one stretch: blocks do not cross it
    Py_ssize_t granule                # pixels to whose multiples it is cut into blocks
    Py_ssize_t blocks                 # blocks in a segment
    Py_ssize_t block                  # pixels in a block, at most
    Py_ssize_t out_block              # and of it, with outputs in scratch at a time
    Py_ssize_t weight_group           # bytes from a group's packed weights to the next's
    Py_ssize_t bias_group
    Py_ssize_t panels, panel_width    # panels of output channels, whole bands: in all, and channels in the widest
    Py_ssize_t strip_vectors          # the widest strip of pixels
    Py_ssize_t lone                   # pixels of a stretch beyond whole or half vectors that tiles take along: 0, 1 or 4
    Py_ssize_t together               # rows of bands that go along a strip side by side, at most; one band if it is taller
    bint abreast                      # the tiles of panels as wide as each other are computed side by side
    Py_ssize_t shares                 # parts of the panels that are tasks of their own
    Py_ssize_t cuts                   # parts of the sums
    Py_ssize_t slice                  # terms of a sum that are added in one go, where pixels are rows
    Py_ssize_t x_row                  # bytes from row to row of packed x
    Py_ssize_t out_row                # and of a packed panel of outputs
    Py_ssize_t x_bytes, out_bytes     # scratch for each
    Py_ssize_t scratch                # bytes for a thread
    Py_ssize_t tasks


cdef inline bint follows(const Operand *operand, int outer, int inner, Py_ssize_t count) noexcept nogil:
    """Two neighbouring pixel axes are one: the outer step is `count` inner ones."""
    return operand.pixel[outer] == count * operand.pixel[inner]


cdef void merge_axes(Plan *p) noexcept nogil:
    """Pixel axes that are one in every operand become one; axes of length 1 vanish, whatever their strides."""
    cdef int a, last = -1
    for a in range(p.axes):
        if p.count[a] == 1:
            continue
        if last >= 0 and follows(&p.x, last, a, p.count[a]) and follows(&p.out, last, a, p.count[a]) and (
                not p.has_residual or follows(&p.residual, last, a, p.count[a])):
            p.count[last] *= p.count[a]
        else:
            last += 1
            p.count[last] = p.count[a]
        p.x.pixel[last] = p.x.pixel[a]
        p.out.pixel[last] = p.out.pixel[a]
        p.residual.pixel[last] = p.residual.pixel[a]
    if last < 0:
        last = 0
        p.count[0] = 1
        p.x.pixel[0] = p.out.pixel[0] = p.residual.pixel[0] = p.unit
    p.axes = last + 1
    p.pixels = 1
    p.x_end = p.x.pixel[p.axes - 1]
    for a in range(p.axes):
        p.pixels *= p.count[a]
        p.x_end += (p.count[a] - 1) * p.x.pixel[a]


cdef inline Py_ssize_t pixel_offset(const Plan *p, const Operand *operand, Py_ssize_t pixel) noexcept nogil:
    cdef Py_ssize_t offset = 0, rest
    cdef int a
    for a in range(p.axes - 1, 0, -1):
        rest = over(pixel, p.count[a])
        offset += (pixel - rest * p.count[a]) * operand.pixel[a]
        pixel = rest
    return offset + pixel * operand.pixel[0]


cdef int first_of_stretch(const Plan *p, const Operand *operand) noexcept nogil:
    """The axis from which on pixels lie one stride apart; the outermost where tiles see the operand through scratch."""
    cdef int a = p.axes - 1
    while a > 0 and (operand.packed or follows(operand, a - 1, a, p.count[a])):
        a -= 1
    return a


cdef inline Py_ssize_t stretches_in_line(const Plan *p, int threads) noexcept nogil:
    """Stretches that a block may hold: where channels are rows, strips of others would take the place of those at work, with
    outputs in scratch nothing is gained, and threads should get equal shares of them."""
    cdef Py_ssize_t stretches = p.count[p.outer] if p.pixels_are_rows and not p.out.packed and p.outer >= 0 else 1
    return stretches if stretches % threads == 0 or stretches >= 8 * threads else 1


cdef inline Py_ssize_t weight_bytes(const Plan *p) noexcept nogil:
    return p.c_in * p.c_out * p.unit


cdef inline bint ends_in_half(const Plan *p, Py_ssize_t columns, Py_ssize_t vectors) noexcept nogil:
    """Of so many vectors that hold so many columns the last one counts in its first half alone."""
    return 2 * (vectors * p.kernels.lanes - columns) >= p.kernels.lanes


cdef inline bint weights_are_far(const Plan *p) noexcept nogil:
    return weight_bytes(p) > second_level() // 2


cdef inline bint weights_come_from_memory(const Plan *p) noexcept nogil:
    return weight_bytes(p) > MEMORY * second_level()


cdef inline bint are_far(const Plan *p, Py_ssize_t channels, int caches=1) noexcept nogil:
    """So many channels of all pixels are more than so many second levels hold."""
    return channels * p.pixels * p.unit > caches * second_level()


cdef inline bint x_is_far(const Plan *p, int caches) noexcept nogil:
    return are_far(p, p.c_in, caches)


cdef inline bint comes_in_time(const Plan *p) noexcept nogil:
    """The second level holds x, in place, and weights, and gives them in time where vectors are computed in halves: nothing
    is to be prefetched (README.md)."""
    return in_halves(p.isa) and not p.x.packed and (p.pixels + p.c_out) * p.c_in * p.unit <= second_level()


cdef inline bint rows_are_far(const Plan *p) noexcept nogil:
    """x in place, a row for each channel in pages of its own, which the near caches of all threads do not hold."""
    return not (p.x.packed or p.kept) and p.x.channel >= PAGE_BYTES and x_is_far(p, p.threads)


cdef inline bint few_bands_read_memory(const Plan *p) noexcept nogil:
    return p.bands[BY_BANDS] <= FEW_BANDS and rows_are_far(p) and x_is_far(p, MEMORY)


cdef inline bint one_band_streams(const Plan *p) noexcept nogil:
    """All outputs are one band, which reads x from memory, uncut: two lines of each row at a time. Fifteen layers, NCHW,
    are 1.09 times as fast so as with up to four, on two threads 1.05 times; of them 8 to 3 channels on 700×700 pixels, whose
    tiles are soon done, 0.8 times (Zen 4)."""
    return (p.bands[BY_BANDS] == 1 and 2 * FEW < p.c_in <= FAR_STREAMS and few_bands_read_memory(p)
            and collisions(p.x.channel, p.c_in) == 1)


cdef inline Py_ssize_t x_bytes(const Plan *p) noexcept nogil:
    cdef Py_ssize_t size
    if p.pixels_are_rows:
        size = FAR_X_BYTES if weights_come_from_memory(p) else LARGE_X_BYTES if weights_are_far(p) else X_BYTES
        if p.x.packed:
            size = min(size, SCRATCH_BYTES - (RESIDUAL_BYTES if p.has_residual and p.residual.packed else 0))
        return size
    return (PACKED_BYTES if weights_are_far(p) else X_BYTES) * p.kernels.lanes * p.unit // LINE_BYTES


cdef Py_ssize_t cuts_of(const Plan *p) noexcept nogil:
    """Parts of the sums: few enough terms for the scratch of packed or kept x; of x in place, for the second level to hold
    the rows, for rows from afar to be followed and for a TLB to have their pages. To part the sums of more than a few
    outputs, which are read again each time, costs as much as rows that evict each other."""
    cdef Py_ssize_t strip = p.strip_vectors * p.kernels.lanes, near, lines = lines_held(p.x.channel, p.c_in)
    cdef Py_ssize_t row = 0           # that a term takes in scratch, where x is packed along the pixels
    if p.pixels_are_rows:
        strip = p.kernels.max_rows[p.panel_width // p.kernels.lanes]
    if p.pixels_are_rows or p.out.packed or p.x.packed or p.kept:
        if p.x.packed and not p.x_by_depth:
            row = padded_row((strip + p.lone) * p.unit)
        return max(1, ceil_div(p.c_in * row, SCRATCH_BYTES), ceil_div(p.c_in * strip * p.unit, PACKED_BYTES))
    near = rows_near(p.x.channel, p.c_in)
    if p.c_out <= FEW // 2 and lines <= ROWS_FETCHED and 2 * p.c_in >= 3 * lines and x_is_far(p, p.threads):
        near = lines
    if p.c_out <= FEW and p.c_in > near:
        return ceil_div(p.c_in, max(EVICTING_ROWS, near // 2))
    if few_bands_read_memory(p) and strip * p.unit <= LINE_BYTES and collisions(p.x.channel, p.c_in) == MANY_COLLISIONS:
        return ceil_div(p.c_in, min(COLLIDING_ROWS, FAR_STREAMS))
    if few_bands_read_memory(p) and (p.c_in > FAR_STREAMS or x_is_far(p, THIRD_LEVEL)
                                     or collisions(p.x.channel, p.c_in) < MANY_COLLISIONS):
        return ceil_div(p.c_in, FAR_STREAMS)
    if p.x.channel % PAGE_BYTES == 0 and p.c_in > FAR_PAGES:
        return ceil_div(p.c_in, ROWS_AT_WORK)
    return max(1, ceil_div(p.c_in * min(p.x.channel, PAGE_BYTES), TLB_BYTES))


cdef inline bint strips_are_deep(const Plan *p, Py_ssize_t depth, Py_ssize_t part_of_first) noexcept nogil:
    """A strip of x is more than such a part of the first level, so that bands that go along it do not find it there."""
    return depth * p.strip_vectors * p.kernels.lanes * p.unit * part_of_first > first_level()


cdef inline bint few_bands_wait(const Plan *p) noexcept nogil:
    """Bands are so few that all of them wait for far rows, kept or not. But in the third level keeping rows across lines, if
    they are not many, pays for three bands and four: 64 to 28 channels on 131×131 pixels, NCHW, are 1.07 to 1.15 times as
    fast so, six such layers 1.07 times (Xeon with 1 MiB)."""
    if p.bands[BY_BANDS] > 2 and p.x.channel % LINE_BYTES and not (strips_are_deep(p, p.c_in, 2) or x_is_far(p, MEMORY)):
        return False
    return p.bands[BY_BANDS] <= FEW_BANDS and rows_are_far(p)


cdef inline Py_ssize_t tallest(const Plan *p, Py_ssize_t vectors) noexcept nogil:
    """The tallest tile so wide, where pixels are rows."""
    return min(p.kernels.max_rows[vectors], p.pixels_together)


cdef inline Py_ssize_t height(const Plan *p, Py_ssize_t vectors) noexcept nogil:
    """Rows of a tile so wide, where pixels are rows. Fourteen layers of 16 to 128 terms, NHWC, are 1.009 times as fast with
    low tiles, 24 to 144 and 16 to 96 channels 1.02 and 1.03 times (Zen 4)."""
    return min(tallest(p, vectors), LOW_SUMS // vectors if tiles_are_low(p.isa, p.c_in) else MAX_ROWS)


cdef inline Py_ssize_t lone_pixels(const Plan *p) noexcept nogil:
    """Pixels of a stretch that tiles compute as vectors of channels beside those of pixels, not as a vector or half of one
    that is mostly empty (README.md). None if they are as many as the rows, four, for which half a vector is as fast. With
    vectors of half a line none if the weights come from far, or if a strip of one vector is left and it is one of few."""
    cdef Py_ssize_t lone = p.stretch % least_lanes(p.isa, p.kernels.lanes), vectors = p.strip_vectors - (lone > 1)
    cdef Py_ssize_t rows = over(p.c_out, p.bands[BY_BANDS]), whole = p.stretch // p.kernels.lanes
    cdef bint taller = p.c_out > rows * p.bands[BY_BANDS]
    if p.planes != NULL or p.stretch <= lone or lone != 1 and lone != MOST_LONE or lone >= rows + taller:
        return 0
    if p.kernels.lone[0][lone > 1][rows][vectors] == NULL:
        return 0
    if taller and p.kernels.lone[0][lone > 1][rows + 1][vectors] == NULL:
        return 0
    if p.kernels.lanes * p.unit < LINE_BYTES and (weight_bytes(p) > 2 * second_level()
                                                  or whole % p.strip_vectors and whole < FEW_VECTORS):
        return 0
    return lone


cdef inline Py_ssize_t strips_of(const Plan *p, Py_ssize_t vectors, Py_ssize_t lone) noexcept nogil:
    """Strips that so many vectors make; four lone pixels take the place of one more."""
    return ceil_div(vectors + (lone > 1), p.strip_vectors)


cdef void orient(Plan *p, bint pixels_are_rows, bint pack_x) noexcept nogil:
    """Set the orientation and what is packed."""
    cdef Py_ssize_t unit = p.unit, lanes, bands
    cdef bint alone
    cdef int inner = p.axes - 1, axis
    p.x.packed = p.x.load != p.copy or not (p.x.pixel[inner] == unit or pixels_are_rows and p.x.channel == unit)
    p.strip_vectors = MAX_VECTORS
    while p.kernels.max_rows[p.strip_vectors] * p.bands[BY_BANDS] < p.c_out:
        p.strip_vectors -= 1
    p.pixels_are_rows = pixels_are_rows
    p.x_by_depth = pixels_are_rows and (p.x.channel == unit or pack_x)
    p.out.packed = (p.out.channel if pixels_are_rows else p.out.pixel[inner]) != unit
    p.residual.packed = p.residual.load != p.copy or (
        p.residual.channel if pixels_are_rows else p.residual.pixel[inner]) != unit
    # Not where bands are so few that all of them wait for far rows, or stretches short, or the first level holds x.
    p.kept = False
    p.kept = pack_x and not (p.x.packed or pixels_are_rows or p.out.packed or few_bands_wait(p)
                             or p.c_in * p.count[inner] * unit <= first_level()
                             or first_of_stretch(p, &p.x) > first_of_stretch(p, &p.out))
    p.x.packed |= pack_x and not p.kept
    # One way is left to weights. 1024 to 16 channels on 28×28 pixels, NHWC, run 1.95 times as fast with seven rows as with
    # 16, 1024 to 256 on 14×14 1.02 times as fast as packed (Zen 4, 8 ways).
    p.pixels_together = MAX_ROWS
    if p.x_by_depth and not p.x.packed:
        p.pixels_together = min(p.pixels_together, lines_held(p.x.pixel[inner], MAX_ROWS) - 1)
    if not p.out.packed:
        p.pixels_together = min(p.pixels_together, lines_held(p.out.pixel[inner], MAX_ROWS) - 1)
    p.outer = max(first_of_stretch(p, &p.x), first_of_stretch(p, &p.out)) - 1
    if p.has_residual:
        p.outer = max(p.outer, first_of_stretch(p, &p.residual) - 1)
    p.stretch = 1
    for axis in range(p.outer + 1, p.axes):
        p.stretch *= p.count[axis]

    p.rest = rest_apart(p) if pixels_are_rows else 0
    alone = p.rest and p.c_out % p.kernels.lanes == p.rest
    p.form = REST_ALONE if alone else BY_PANELS if pixels_are_rows else BY_BANDS
    lanes, bands = p.lanes[p.form], p.bands[p.form]
    # channels as rows: as many for each thread, so that small planes can be shared out by channels (eleven layers of 49 to
    # 256 pixels, two threads: 1.1 times as fast)
    p.panels = bands if pixels_are_rows else min(bands, ceil_div(ceil_div(p.c_out, PANEL_CHANNELS), p.threads) * p.threads)
    p.panel_width = ceil_div(bands, p.panels) * ceil_div(ceil_div(p.c_out, lanes) - alone, bands - alone) * lanes
    if not pixels_are_rows and one_band_streams(p):
        p.strip_vectors = min(p.strip_vectors, 2 * LINE_BYTES // (p.kernels.lanes * unit))
    p.lone = 0 if pixels_are_rows else lone_pixels(p)
    p.cuts = cuts_of(p)


cdef bint by_channels(const Plan *p, int threads) noexcept nogil:
    """Whether threads share out the output channels rather than the pixels: planes so small that most channels would have a
    cache line that two threads write, unless that costs less than to pack x in each thread. And where the channels of a
    pixel lie side by side, far weights, if they are more than x: 1536 to 6144 and 6144 to 1536 channels on 7×7 pixels, NHWC,
    are 1.35 times as fast so, 256 to 1024 on 14×14 1.08 times. But not with parts as unequal as six panels and five: 2048
    to 512 channels on 7×7 would run 0.96 times as fast (Zen 4)."""
    if p.pixels // p.stretch * p.groups % threads == 0 or p.panels % threads and p.panels < 16 * threads:
        return False
    if p.out.pixel[p.axes - 1] != p.unit:
        return p.out.channel == p.unit and weights_are_far(p) and weight_bytes(p) > p.c_in * p.pixels * p.unit
    return (p.stretch * p.unit < threads * PLANE_BYTES
            and copy_cycles(p, &p.x, p.c_in, p.x_by_depth) * (threads - 1) <= threads * SHARED_LINE_CYCLES * p.c_out)


cdef void choose_tiles(Plan *p) noexcept nogil:
    """The orientation and packing that are estimated to take the fewest cycles."""
    cdef double best = INFINITY, estimate
    cdef bint best_rows = False, best_pack = False
    cdef int rows, pack
    for rows in range(2):
        for pack in range(2):
            orient(p, rows, pack)
            estimate = cycles(p)
            if estimate < best:
                best, best_rows, best_pack = estimate, rows, pack
    orient(p, best_rows, best_pack)
