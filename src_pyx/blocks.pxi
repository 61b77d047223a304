# What a plan is cut into: panels, blocks of pixels, slices of the sums, tasks for threads, and the scratch that each needs.

cdef enum:
    ROWS_TOGETHER = 28  # of bands that go along a strip side by side, at most
    FEW_TOGETHER = 10   # of low bands, or of those that write to memory

# Bytes of outputs in a block where the second level does not hold all, and panels write parts of wide rows or tiles go
# through several stretches side by side. 64 to 1024 channels on 96×96 pixels, NHWC, run at 48 % of the limit in blocks as
# large as x allows, at 71, 78 and 61 % with 32, 48 and 64 pages of outputs; 3 to 64 on 224×224, stride 2, 1.3 times as fast.
cdef Py_ssize_t FAR_OUT_BYTES = 48 * PAGE_BYTES
# Bytes of a panel of outputs in scratch: half of the first level.
cdef Py_ssize_t OUT_BYTES = 16 << 10
# And of residuals alone, where panels write their outputs in place: packed x has that much less.
cdef Py_ssize_t RESIDUAL_BYTES = 128 << 10


cdef inline Py_ssize_t first_band(const Plan *p, Py_ssize_t panel) noexcept nogil:
    """The number of a panel's first band; of the panel after the last, how many bands there are."""
    return fair_part(p.bands[p.form], p.panels, panel)


cdef inline Py_ssize_t panel_begin(const Plan *p, Py_ssize_t number) noexcept nogil:
    """The first output channel of a panel; of the one after the last, where the last ends, with its padding."""
    cdef Py_ssize_t lanes = p.lanes[p.form], bands = p.bands[p.form]
    if number == 0:
        return 0
    return band_begin(ceil_div(p.c_out, lanes), lanes, bands, p.form == REST_ALONE, first_band(p, number))


cdef inline Py_ssize_t panels_abreast(const Plan *p, Py_ssize_t number, Py_ssize_t end) noexcept nogil:
    """Panels up to number `end` to be computed with this one, itself among them: those as wide, without padding."""
    cdef bint alone = p.form == REST_ALONE
    cdef Py_ssize_t lanes = p.kernels.lanes, panels = p.panels - alone, vectors, larger, last
    if not p.abreast:
        return 1
    end = min(end, panels)
    vectors = ceil_div(p.c_out, lanes) - alone
    larger = vectors - panels * over(vectors, panels)
    last = larger_last(larger, panels)
    if number < larger - last:
        end = min(end, larger - last)
    elif number < panels - last:
        end = min(end, panels - last)
    if end == panels and vectors * lanes > p.c_out:
        end -= 1
    return max(1, end - number)


cdef inline Py_ssize_t padded_row(Py_ssize_t size) noexcept nogil:
    """Whole cache lines, an odd number of them: rows that lie a power of two apart compete for the same sets."""
    return (ceil_div(size, LINE_BYTES) | 1) * LINE_BYTES


cdef void size_scratch(Plan *p) noexcept nogil:
    """Rows and bytes of what a thread packs."""
    cdef Py_ssize_t lanes = p.kernels.lanes, depth = ceil_div(max(p.c_in, 1), p.cuts)
    cdef Py_ssize_t panel_channels = min(p.panel_width, p.c_out), panel_bytes = p.panel_width * p.unit
    p.out_block = p.block
    if p.out.packed:
        p.out_block = min(p.block, max(1, OUT_BYTES // (panel_channels * p.unit * lanes)) * lanes)
    p.x_row = p.x_bytes = 0
    if p.x.packed and p.x_by_depth:
        p.x_row = padded_row(depth * p.unit)
        p.x_bytes = p.x_row * p.block
    elif p.kept:
        p.x_bytes = padded(p.block, lanes) * depth * p.unit
    elif p.x.packed:
        p.x_row = padded_row(p.block * p.unit)
        p.x_bytes = p.x_row * depth
    if p.pixels_are_rows:
        p.out_row = panel_bytes
        p.out_bytes = p.out_row * p.out_block
    else:
        p.out_row = padded_row(p.out_block * p.unit)
        p.out_bytes = p.out_row * panel_channels
    p.scratch = ceil_div(p.x_bytes, 64) * 64 + (p.out_bytes if p.out.packed else 0) + (
        p.out_bytes if p.has_residual and p.residual.packed else 0)


cdef Py_ssize_t slice_terms(const Plan *p) noexcept nogil:
    """Terms of the sums that tiles whose rows are pixels add in one go. All if a tile has all pixels: 512 to 128 and 960 to
    160 channels on 2×2, NCHW, are 1.1 and 1.15 times as fast as in slices, 2048 to 1000 on one, 1.05 times (Zen 4). If each
    row is a line of x of its own, as many as leave these lines and a panel of weights in the first level for the next tile
    (1024 to 256 channels on 14×14, NCHW, 1.06 times as fast; 672 to 112 1.15 times with AVX2). Else all, or of weights that
    the second level does not hold as many as leave a panel and the next one there: with a sixth of it for each 16 layers in
    NHWC are 1.09 times as fast as with panels in the first level (Xeon with 1 MiB), 3072 to 768 on 7×7 1.4 times as fast as
    in one go."""
    if p.stretch <= tallest(p, p.panel_width // p.kernels.lanes):
        return max(1, p.c_in)
    if not p.x_by_depth:
        return max(1, first_level() * 2 // 3 // (p.panel_width * p.unit + LINE_BYTES))
    if weight_bytes(p) > second_level():
        return max(1, second_level() // 6 // (p.panel_width * p.unit))
    return max(1, p.c_in)


cdef inline Py_ssize_t pixels_of(Py_ssize_t size, Py_ssize_t pixel_bytes, Py_ssize_t least) noexcept nogil:
    """Pixels that make `size` bytes: whole tiles, one at least."""
    return max(1, size // (pixel_bytes * least)) * least


cdef inline Py_ssize_t rows_together(const Plan *p, Py_ssize_t depth) noexcept nogil:
    """Rows of bands that go along a strip side by side: one band where sums are short and the lines that more of them write
    would evict each other. 1 to 64 channels on 128×128 pixels, NCHW, are 1.47 times as fast so, 3 to 16 on 512×512 1.2, 32
    to 32 on 256×256 1.09, four others with 4 to 32 terms 1.00. Few where planes go to memory, which takes a few streams
    faster than many: 1 to 64 channels on 300×300 pixels are 2.3 times as fast so, 10 to 30 on 500×500 1.3, 64 to 128 on
    202×202 1.14, 200 to 400 on 100×100 1.04. Of sums that planes.h takes as many as the first level holds lines of: 3
    to 64 on 112×112 1.1 (Zen 4)."""
    if p.planes != NULL:
        return min(FEW_TOGETHER, lines_held(p.out.channel, FEW_TOGETHER))
    if conflict(p.out.channel, ROWS_TOGETHER) and not strips_are_deep(p, depth, 4):
        return 0
    return FEW_TOGETHER if tiles_are_low(p.isa, p.c_in) or are_far(p, p.c_out, MEMORY) else ROWS_TOGETHER


cdef inline bint weights_go_by(const Plan *p, Py_ssize_t rows) noexcept nogil:
    """Whether tiles read all weights for so many pixels, then for the next, as outputs are far, or panels of all pixels not
    near: weights that the first level keeps; or those of the second, if a core makes no more than a line of multiply-adds
    in a cycle (with two, more did not pay) and the first level holds the pixels: 32 to 1024 channels on 28×28, 64 to 768 on
    56×56 and 128 to 768 on 40×40 pixels, NHWC, are 1.07, 1.13 and 1.09 times as fast so, fifty layers 1.02 times, on two
    threads 1.01 times; 320 and more channels, up to 1.00; 160 to 960 and 192 to 1152 on 7×7, whose outputs are near, 1.015
    times (Zen 4)."""
    if not are_far(p, p.c_in + p.c_out) and (p.outer >= 0 or 2 * p.c_in * p.panel_width * p.unit <= first_level()):
        return False
    if p.kernels.lanes * p.unit > LINE_BYTES * p.isa.fma_cycles:
        return 2 * weight_bytes(p) <= first_level()
    return weight_bytes(p) <= second_level() and 3 * rows * p.c_in * p.unit <= first_level()


cdef void choose_plan(Plan *p, int threads) noexcept nogil:
    """From shapes and strides to blocks and scratch."""
    cdef Py_ssize_t lanes, least, stretches, tasks, fewest
    p.mix = mix_of(p)
    p.planes = planes_of(p)
    if p.mix != NULL:
        orient(p, True, False)
    elif p.planes != NULL:
        orient(p, False, False)
        if stretches_are_short(p):
            orient(p, False, True)
    else:
        choose_tiles(p)

    p.weight_group = padded(p.c_out, p.lanes[p.form]) * p.c_in * p.unit
    p.bias_group = padded(p.c_out, p.kernels.lanes) * p.unit
    lanes = p.kernels.lanes
    if p.pixels_are_rows:
        p.granule = 1
        least = tallest(p, p.panel_width // lanes)
    else:
        least = p.strip_vectors * lanes
        # whole strips, where threads get nearly equal shares of them: twelve layers in NCHW are 1.004 times as fast; for one
        # thread 576 to 96 channels on 14×14 pixels 1.06 times with AVX2, in thirteen strips and not fifteen (Zen 4)
        p.granule = least if threads == 1 or p.stretch >= 16 * threads * least else lanes
    p.slice = slice_terms(p)
    cdef Py_ssize_t depth = ceil_div(max(p.c_in, 1), p.cuts)
    p.block = pixels_of(x_bytes(p), padded_row(depth * p.unit) if p.x.packed and p.x_by_depth else depth * p.unit, least)
    if p.has_residual and p.residual.packed and not p.out.packed:
        p.block = min(p.block, pixels_of(RESIDUAL_BYTES, min(p.panel_width, p.c_out) * p.unit, least))
    p.together = rows_together(p, depth)
    stretches = stretches_in_line(p, threads)
    cdef bint plain = p.pixels_are_rows and not p.out.packed and not (p.has_residual and p.residual.packed)
    p.abreast = plain and stretches == 1 and p.stretch <= least  # a tile holds all pixels: the same order, and fewer calls
    if p.pixels_are_rows and p.panels > 1:
        # Panels write parts of a pixel's outputs. 16 to 96 channels on 112×112 pixels, NHWC, take 1.12 times as long in one
        # block as in blocks whose outputs stay in the second level; and those 1.14 to 1.2 times as long as a tile of each
        # panel for some pixels, then for the next (32 to 192 channels: 1.4 times).
        if plain and weights_go_by(p, least):
            p.abreast = True
        elif weight_bytes(p) <= first_level():
            p.block = min(p.block, pixels_of(X_BYTES, (p.c_in + p.c_out) * p.unit, least))
    if (p.pixels_are_rows and not p.abreast and not p.out.packed and not weights_are_far(p)
            and (stretches > 1 or p.panels > 1 and 2 * p.c_out * p.unit >= PAGE_BYTES) and are_far(p, p.c_out)):
        p.block = min(p.block, pixels_of(FAR_OUT_BYTES, p.c_out * p.unit, least))
    p.segment = p.stretch
    if stretches > 1 and p.block >= 2 * p.stretch and not p.abreast:
        p.segment *= stretches
        p.granule = least = p.stretch
        p.block -= p.block % p.stretch
    # lone pixels go with the block before, which may so have a vector more than is meant to stay near, but no strip: 684 to
    # 100 and 960 to 120 channels on 7×7 pixels, NCHW, are 1.06 and 1.03 times as fast as in blocks of 32 and 17 (Zen 4)
    p.blocks = ceil_div(p.segment - p.lone, p.block)
    tasks = p.pixels // p.segment * p.groups
    p.shares = 1
    if threads > 1 and by_channels(p, threads):
        p.shares = threads
    elif threads > 1 and tasks * p.blocks < (32 if p.blocks > 1 else 8) * threads:
        # as many blocks as make the threads' parts equal, as long as each has a full tile: 768 to 128 channels on 56×56
        # pixels, NHWC, in 20 parts in place of 19, take two threads 0.93 times as long; no fewer where a strip fills the
        # scratch
        fewest = p.blocks if p.block == least and (p.x.packed or p.kept) else 1
        p.blocks = max(fewest, min(ceil_div(ceil_div(tasks * p.blocks, threads) * threads, tasks), p.segment // least))
        p.shares = min(p.panels, max(1, ceil_div(threads, tasks * p.blocks)))
    p.block = min(ceil_div(ceil_div(p.segment - p.lone, p.granule), p.blocks) * p.granule + p.lone, p.segment)
    # signals are looked for between tasks: 4096 to 128256 channels would else be more than a second each
    fewest = <Py_ssize_t> (<double> p.block * p.c_in * p.c_out / SIGNAL_WORK)
    if fewest > p.shares:            # whole parts of what each thread has
        p.shares = min(p.panels, ceil_div(fewest, p.shares) * p.shares)
    p.tasks = tasks * p.blocks * p.shares

    size_scratch(p)
