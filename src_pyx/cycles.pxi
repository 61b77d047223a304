# What a plan costs: an estimate in cycles of tiles, copies, caches that evict and pages that are missed.

# Cycles of a copy: for an element that is transposed (the store misses the cache), where the second level holds x and where
# it does not; for one that is picked from a row, and for each row; for one that is moved alone; and for a line that is moved
# as it lies, where rows share a page and where each has pages of its own: 96 to 96 channels on 54×54 pixels, NCHW, take 1.07
# times as long packed as in place. With strides the estimate so chooses plans of 40 layers in NCHW that take 1.03 times as
# long as the best; 1.05 times with 1.5 for an element picked and nothing for a row (Xeon with 1 MiB).
cdef double TRANSPOSE_CYCLES = 0.8
cdef double FAR_TRANSPOSE_CYCLES = 1.6
cdef double PICKED_CYCLES = 1.0
cdef double PICKED_ROW_CYCLES = 10
cdef double ELEMENT_CYCLES = 2
cdef double STRAIGHT_CYCLES = 5.0
cdef double FAR_STRAIGHT_CYCLES = 10.0

# A first-level cache has ways of 4 KiB. Lines that lie a multiple of that apart evict each other.
cdef enum:
    WAY_BYTES = 4096
# Stretches of pixels in place that make low tiles, which wait for more than sums: 1024 to 512 channels on 14×14 pixels,
# stride 2, NHWC, run at 80 % of the limit in place, seven rows being four and three, and at 85 % when packed.
cdef double LOW_SHARE = 0.75  # of the tallest tile
cdef double LOW_TILES = 1.08
# Rows of a tile whose elements lie a plane apart cost a line for each step: 512 to 2048 channels on 7×7 pixels, NCHW, run at
# 65 % of the limit in place and at 71 % when packed, 480 to 192 on 14×14 at 79 % either way. Not if one tile has all pixels:
# 27 layers of 2 to 9 pixels, NCHW, are 1.05 times as fast in place; 2048 to 2048 on 2×2, whose weights are in memory, would
# be 0.84 times (Zen 4).
cdef double APART = 1.12
cdef double PAGES_APART = 2  # 200 to 16 on 145×145: 34 %, and 56 % with channels as rows; so too where x is in memory
# Planes a multiple of so many KiB apart that the second level holds few rows of a strip: 256 to 256 channels on 64×64
# pixels, NCHW, take 1.05 to 1.4 times as long in place as packed, as pages fall; 200 to 84 on 256×256 run at 31 % of the
# FMA rate in place and at 52 % when packed.
cdef enum:
    FAR_WAYS = 16
cdef double COLLISION = 1.35
cdef double MANY_COLLISIONS = 3
# Vectors of outputs that lie across two lines: with channels as rows, 256 to 1024 channels on 14×14 pixels take 1.04 times
# as long so. The longer the sums the fewer such stores: 42 layers of 320 to 2048 channels on 10×10 to 15×15 pixels are 1.01
# times as fast with plans that know this, 1024 to 512 and 768 to 512 on 14×14 1.03 times (Zen 4).
cdef double UNALIGNED = 1.04
cdef enum:
    UNALIGNED_TERMS = 256
# What tiles take that read x in place, over those that read it as a band keeps it: on aligned rows 1.05 to 1.07 times as
# long in caches, the third level among them (FROM_AFAR), 1.06 to 1.31 times in memory; no longer where strips are short
# and the second level holds x and outputs, but not what is kept as well; and where vectors lie across lines. And cycles
# for each line that is kept: a band of 8×3 that keeps takes 19 cycles for a step, not 12, since lines leave the first
# level for those that come in (Xeon with 32 KiB). With the others of these figures the estimate chooses plans of 69
# layers in NCHW that take 1.005 times as long as the best of four; NEAR_IN_PLACE makes 19 layers of short sums 1.03 times
# as fast. Where loads are hidden (loads_are_hidden), x in place is read as fast, unless it is far, and keeping costs twice
# as many cycles: 192 to 64 and 512 to 64 channels on 14×14 and 256 to 64 on 28×28 pixels, NCHW, are 1.02 to 1.03
# times as fast in place, 256 to 1024 and 512 to 512 on 14×14 1.00; 1280 to 256 on 33×33, far, 0.97 times, and 96 to 576 on
# 14×14, low, 0.96 to 0.98 times (Zen 4).
cdef double IN_PLACE = 1.06
cdef double NEAR_IN_PLACE = 1.01
cdef double LOW_IN_PLACE = 0.99    # low tiles, if the first level holds a strip
cdef double FROM_AFAR = 1.01
cdef double FROM_MEMORY = 1.15
cdef double X_UNALIGNED = 1.08
cdef double NEAR_UNALIGNED = 1.02  # if the first level holds two strips
cdef double KEEP_CYCLES = 2
# And vectors of many rows, more than so many pages apart, that no near cache holds: 192 to 128 channels on 63×63 pixels,
# NCHW, run as fast in place as packed, on 69×69 they take 1.14 times as long, 512 to 256 on 94×94 1.3 times; aligned ones,
# 192 to 384 on 80×80, 1.1 times.
cdef double FAR_UNALIGNED = 1.3
cdef double FAR_ALIGNED = 1.07
cdef enum:
    FAR_ROW_PAGES = 4
# Cycles for each line of x and outputs if stretches of x in place are short (stretches_are_short): 24 to 96 channels on
# 112×112 pixels, stride (2, 1), eight of them, NCHW, take 1.27 times as long in place as packed.
cdef double SHORT_STRETCH_CYCLES = 4.5
# Strips that the one costs more whose last vector is loaded by a mask, which takes a port from the multiply-adds.
cdef double MASKED = 0.15

# Bytes of weights in a cycle that the third level gives; memory, to panels that tiles prefetch; and to bands, which they do
# not: 1024 to 4096 and 9216 to 1024 channels on 4×4 pixels, NCHW, are 1.5 and 1.6 times as fast as panels (Zen 4).
cdef double FAR_BYTES_PER_CYCLE = 8
cdef double MEMORY_BYTES_PER_CYCLE = 3
cdef double BAND_BYTES_PER_CYCLE = 1.5

# Pages that the two levels of a TLB hold, 64 to 96 and 1024 to 3072 today, and what a step costs whose page they do not
# have: 2048 to 256 channels on 33×33 pixels, NCHW, take 1.2 times as long in place as packed, if the sums are not cut.
cdef enum:
    TLB_PAGES = 64
    FAR_TLB_PAGES = 1024
cdef double PAGE_CYCLES = 2
cdef double FAR_PAGE_CYCLES = 4


cdef double copy_cycles(const Plan *p, const Operand *operand, Py_ssize_t channels, bint by_channel) noexcept nogil:
    """Cycles to pack an operand to scratch that is contiguous along the channels, or else along the pixels."""
    cdef Py_ssize_t inner = operand.channel if by_channel else operand.pixel[p.axes - 1]
    cdef Py_ssize_t other = operand.pixel[p.axes - 1] if by_channel else operand.channel
    cdef double each = ELEMENT_CYCLES
    if not operand.packed:
        return 0
    if operand.load == p.copy:
        if other == p.unit:
            each = FAR_TRANSPOSE_CYCLES if are_far(p, channels) else TRANSPOSE_CYCLES
        if 0 < inner <= FEW * p.unit:
            each = PICKED_CYCLES + PICKED_ROW_CYCLES / (channels if by_channel else p.count[p.axes - 1])
        if inner == p.unit:
            each = (STRAIGHT_CYCLES if other < PAGE_BYTES else FAR_STRAIGHT_CYCLES) * p.unit / LINE_BYTES
    return each * p.pixels * channels


cdef Py_ssize_t rows_held(Py_ssize_t stride, Py_ssize_t rows, Py_ssize_t way, Py_ssize_t ways) noexcept nogil:
    """Of so many rows that lie `stride` bytes apart those that a cache of so many ways of `way` bytes holds, at the same
    place of each."""
    cdef Py_ssize_t sets = 1
    while sets < rows and stride * sets % way:
        sets *= 2
    return ways * sets


cdef Py_ssize_t lines_held(Py_ssize_t stride, Py_ssize_t lines) noexcept nogil:
    """Of so many lines that lie `stride` bytes apart those that the first level holds."""
    return rows_held(stride, lines, WAY_BYTES, first_level() // WAY_BYTES)


cdef bint conflict(Py_ssize_t stride, Py_ssize_t lines) noexcept nogil:
    """Whether so many lines, `stride` bytes apart, need more than half of the ways of the first level's sets for them."""
    return lines * 2 > lines_held(stride, lines)


cdef Py_ssize_t rows_near(Py_ssize_t stride, Py_ssize_t rows) noexcept nogil:
    """Of so many rows that lie `stride` bytes apart those that the second level holds, at the same place of each."""
    return rows_held(stride, rows, second_level() // FAR_WAYS, FAR_WAYS)


cdef double collisions(Py_ssize_t stride, Py_ssize_t rows) noexcept nogil:
    """What it costs if rows lie so many bytes apart that the second level does not hold them, or not what is prefetched."""
    cdef Py_ssize_t held = rows_near(stride, rows)
    return MANY_COLLISIONS if rows > 4 * held else COLLISION if rows > held else 1


cdef double page_cycles(const Plan *p, Py_ssize_t depth) noexcept nogil:
    """What a step costs more when each is in another page of x, and a level of the TLB does not have them all."""
    cdef double share = min(1.0, <double> p.x.channel / PAGE_BYTES)  # of a page, from row to row
    if p.x_by_depth or p.x.packed or depth * share <= TLB_PAGES:
        return 0
    return share * (PAGE_CYCLES if depth * share <= FAR_TLB_PAGES else FAR_PAGE_CYCLES)


cdef inline double slower(const Plan *p, double factor) noexcept nogil:
    """Factors of memory are measured with two lines of multiply-adds in a cycle; with fewer sums take longer, and memory
    does not."""
    return 1 + (factor - 1) * p.kernels.lanes * p.unit / (2 * LINE_BYTES * p.isa.fma_cycles)


cdef double tile_cycles(const isa *isa, double rows, double vectors, Py_ssize_t depth, double more) noexcept nogil:
    """A step loads rows + vectors, two in a cycle, and waits four cycles for the sums of the step before, and `more`."""
    cdef double fmas = rows * vectors * isa.fma_cycles
    return depth * (max(fmas, (rows + vectors) / 2, 4.0) + more) + 4 * fmas + 40


cdef inline bint loads_are_hidden(const Plan *p) noexcept nogil:
    """Sums leave time for loads across lines: the processor computes vectors in halves, and tiles are not low."""
    return in_halves(p.isa) and not tiles_are_low(p.isa, p.c_in)


cdef double in_place_factor(const Plan *p, Py_ssize_t depth) noexcept nogil:
    """What tiles whose rows are channels take that read x in place, over those that read it as a band keeps it."""
    cdef double distance = FROM_MEMORY if x_is_far(p, MEMORY) else FROM_AFAR if x_is_far(p, 1) else 1
    cdef double factor = IN_PLACE
    if loads_are_hidden(p):
        factor = slower(p, IN_PLACE) if x_is_far(p, 1) else 1
    elif tiles_are_low(p.isa, p.c_in):
        if depth <= lines_held(p.x.channel, depth) and not are_far(p, p.c_in + p.c_out, MEMORY):
            factor = LOW_IN_PLACE
    elif not (are_far(p, p.c_in + p.c_out) or strips_are_deep(p, depth, 4) or conflict(p.x.channel, depth)):
        factor = NEAR_IN_PLACE
    if few_bands_read_memory(p) and p.c_in <= FAR_STREAMS:  # a strip for all bands at once: nothing has to stay near
        return factor * slower(p, distance)
    factor *= slower(p, distance * collisions(p.x.channel, depth))
    if depth >= TLB_PAGES and p.x.channel > FAR_ROW_PAGES * PAGE_BYTES and x_is_far(p, p.threads):
        return factor * slower(p, FAR_UNALIGNED if p.x.channel % LINE_BYTES else FAR_ALIGNED)
    if p.x.channel % LINE_BYTES and not loads_are_hidden(p):
        return factor * (X_UNALIGNED if strips_are_deep(p, depth, 2) else NEAR_UNALIGNED)
    return factor


cdef inline bint stretches_are_short(const Plan *p) noexcept nogil:
    """Stretches of x in place are shorter than those of the outputs and than a page, and the second level holds neither."""
    return (first_of_stretch(p, &p.x) > first_of_stretch(p, &p.out) and p.stretch * p.unit < PAGE_BYTES
            and are_far(p, p.c_in + p.c_out))


cdef inline double vectors_of(const Plan *p, Py_ssize_t columns) noexcept nogil:
    """Vectors of sums, the last one half or whole, that so many columns take the time of."""
    return <double> padded(columns, least_lanes(p.isa, p.kernels.lanes)) / p.kernels.lanes


cdef double cycles(const Plan *p) noexcept nogil:
    """What a group costs."""
    cdef Py_ssize_t unit = p.unit, lanes = p.kernels.lanes, columns, wide, tall
    cdef Py_ssize_t depth = ceil_div(max(p.c_in, 1), p.cuts)
    cdef bint masked
    cdef double more = page_cycles(p, depth), tiles, rows, vectors, each, speed = FAR_BYTES_PER_CYCLE
    # threads that share the output channels pack or keep x each for itself: 960 to 160 channels on 7×7 pixels, eight of
    # them, NCHW, take two threads 1.3 times as long packed as in place
    cdef int copies = p.threads if p.threads > 1 and by_channels(p, p.threads) else 1
    # columns in vectors; lines of tiles across and down
    if p.pixels_are_rows:
        wide = p.bands[p.form]
        tall = ceil_div(p.stretch, tallest(p, p.panel_width // lanes))
        each = wide * tall * tile_cycles(p.isa, <double> p.stretch / tall, vectors_of(p, p.c_out) / wide, depth, more)
        if p.stretch < p.pixels and p.stretch < LOW_SHARE * tall * tallest(p, p.panel_width // lanes):
            each *= LOW_TILES
        if not p.x_by_depth:
            if tall > 1 or weights_come_from_memory(p):
                each *= slower(p, PAGES_APART if p.x.channel >= PAGE_BYTES and (more or x_is_far(p, MEMORY)) else APART)
            if not p.x.packed:
                each *= slower(p, collisions(p.x.channel, depth))
    else:
        columns = ceil_div(p.stretch - p.lone, lanes)
        wide = strips_of(p, columns, p.lone)
        masked = (p.stretch - p.lone) % least_lanes(p.isa, lanes) and not p.kept
        tiles = (wide + (MASKED if masked else 0)) * p.bands[BY_BANDS]
        rows = <double> p.c_out / p.bands[BY_BANDS]
        vectors = vectors_of(p, p.stretch - p.lone) + p.lone * vectors_of(p, <Py_ssize_t> rows) / rows
        each = tiles * tile_cycles(p.isa, rows, vectors / wide, depth, 0)
        if p.kept:
            each += copies * KEEP_CYCLES * (2 if loads_are_hidden(p) else 1) * columns * depth * lanes * unit / LINE_BYTES
        elif not p.x.packed:
            each *= in_place_factor(p, depth)
        if p.out.channel % LINE_BYTES:
            each *= slower(p, 1 + (UNALIGNED - 1) * min(1.0, UNALIGNED_TERMS * LINE_BYTES / <double> (depth * lanes * unit)))
    each *= p.pixels // p.stretch * p.cuts
    if not p.pixels_are_rows and stretches_are_short(p):
        each += SHORT_STRETCH_CYCLES * (p.c_in + p.c_out) * p.pixels * unit / LINE_BYTES
    each += copies * copy_cycles(p, &p.x, p.c_in, p.x_by_depth) + copy_cycles(p, &p.out, p.c_out, p.pixels_are_rows)
    if p.has_residual:
        each += copy_cycles(p, &p.residual, p.c_out, p.pixels_are_rows)
    # each block reads all weights; those that the second level does not keep come from afar
    if weights_are_far(p):
        if weights_come_from_memory(p):
            speed = MEMORY_BYTES_PER_CYCLE if p.pixels_are_rows else BAND_BYTES_PER_CYCLE
        each += (ceil_div(p.pixels, min(p.stretch * stretches_in_line(p, p.threads), ceil_div(x_bytes(p), depth * unit)))
                 * weight_bytes(p) / speed)
    return each
