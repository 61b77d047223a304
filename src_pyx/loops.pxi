# The loop nest: threads over tasks, blocks of pixels, panels of output channels, cuts of the sums, lines of tiles.

cdef enum:
    AHEAD_BYTES = 4096               # of rows of x, at least, between what is read and what is prefetched
    TRACKED_ROWS = 32                # of x that the processor's own prefetcher follows
    CROWDED_TERMS = 4                # of sums that outputs hold up
    CROWDED_BYTES = 1152             # of a page, from CROWDED_BEHIND before x on, where outputs begin that evict it
    CROWDED_BEHIND = 512

cdef struct Call:
    const Plan *plan
    const char *weight               # packed for the plan's orientation (packing.pxi)
    const char *bias                 # padded: [group][channels, to a whole vector]
    const void *clamp                # low, high, zero
    int bounded                      # which of the bounds there are
    const char *x
    const char *residual
    char *out
    char *scratch                    # for each thread

# Some pixels of one group.
cdef struct Block:
    Py_ssize_t group
    Py_ssize_t first, count          # pixels
    char *x                          # in the arrays: the group's first channel
    char *out
    char *residual
    Py_ssize_t x_at, out_at, residual_at  # and from there to the first pixel
    char *x_scratch
    char *out_scratch
    char *residual_scratch
    walk walk                        # through the next one, which the second level fetches
    Py_ssize_t loaded                # the cut of the sums for which x has been read, or is in scratch


cdef void line(const Plan *p, tile_run *t, Py_ssize_t term, Py_ssize_t rows, Py_ssize_t vectors, Py_ssize_t tiles,
               Py_ssize_t lone=0) noexcept nogil:
    """Tiles in a line, down the pixels or along the strips; leaves the operands behind it. term: the first of the sums."""
    cdef Py_ssize_t width = vectors * p.kernels.lanes * p.unit, row
    cdef bint half = ends_in_half(p, t.columns, vectors)
    cdef const char *a = t.a
    if tiles == 0:
        return
    t.tiles = tiles
    if p.pixels_are_rows:
        t.a_tile, t.b_tile = rows * t.a_row, 0
        t.c_tile, t.start_tile, t.residual_tile = rows * t.c_row, rows * t.start_row, rows * t.residual_row
        t.b_ahead_tile = t.lines * t.b_ahead_line
        t.a_ahead = LINE_BYTES
        if t.a_row != p.unit:        # the rows of the next tile, evenly, or what is further (AHEAD_BYTES), if they are whole
            # of tiles one vector wide, which are soon done, twice as far and into the second level (tile.h)
            t.a_ahead = max(t.a_line or t.a_tile, AHEAD_BYTES) * (2 if vectors == 1 else 1)
            t.a_ahead_k = quotient(t.a_tile, max(t.depth, 1)) if t.ahead_lines and t.a_row < 2 * t.depth * p.unit else 0
    else:
        t.a_tile, t.b_tile = 0, width
        row = width if half or not lone else width + p.kernels.lanes * p.unit  # of x that is kept: lone pixels add a vector
        t.keep_tile = t.depth * row
        if t.b_whole:
            t.b_k, t.b_tile = row, t.keep_tile
        t.c_tile, t.start_tile, t.residual_tile = width, 0 if t.start_by_row else width, width
        t.a_k = rows * p.unit        # each a band of weights
        t.a += term * t.a_k
    if lone:
        p.kernels.lone[half][lone > 1][rows][vectors](t)
    else:
        p.kernels.tile[half][t.a_row == p.unit][rows][vectors](t)
    t.a = a + tiles * t.a_tile
    t.b += tiles * t.b_tile
    t.b_ahead += tiles * t.b_ahead_tile
    if t.keep != NULL:
        t.keep += tiles * t.keep_tile
    t.c += tiles * t.c_tile
    t.start += tiles * t.start_tile
    if t.residual != NULL:
        t.residual += tiles * t.residual_tile


cdef inline void move_down(const Plan *p, tile_run *t, Py_ssize_t rows) noexcept nogil:
    """So many rows, whole bands, down the output channels."""
    t.a += rows * p.c_in * p.unit
    t.c += rows * t.c_row
    t.start += rows * t.start_row
    if t.residual != NULL:
        t.residual += rows * t.residual_row


cdef inline void move_to(tile_run *t, const tile_run *there) noexcept nogil:
    """To where the other is, with what it prefetches. To copy all of it each time took 0.1 us of 32 to 32 channels on 6×6
    pixels, NCHW."""
    t.a, t.b, t.c = there.a, there.b, there.c
    t.start, t.residual, t.keep = there.start, there.residual, there.keep
    t.ahead, t.ahead_lines = there.ahead, there.ahead_lines


cdef inline Py_ssize_t rows_at_once(const Plan *p, const tile_run *t) noexcept nogil:
    """Rows of bands that go along a strip side by side; of short sums fewer where x lies at the same place of its pages as
    the outputs, or a little before it, so that the lines of both evict each other: 3 to 32 channels on 128×128 pixels and 1
    to 16 on 256×256, NCHW, whose planes are whole pages, are 1.2 and 1.3 times as fast with four rows as with eight, which
    are 1.17 times as fast elsewhere (Zen 4)."""
    if p.planes != NULL and p.c_in <= CROWDED_TERMS and <size_t> (t.c - t.b + CROWDED_BEHIND) % WAY_BYTES < CROWDED_BYTES:
        return min(p.together, lines_held(p.out.channel, FEW_TOGETHER) * 3 // 4)
    return p.together


cdef void grid(const Plan *p, tile_run *t, Py_ssize_t term, Py_ssize_t rows, Py_ssize_t tiles,
               Py_ssize_t columns) noexcept nogil:
    """Outputs as a grid of tiles of nearly equal height and width, `tiles` down: a panel down its pixels, or bands along
    their strips. Some bands go together, so that a strip comes into the first level once for all: sixteen layers in NCHW
    are 1.02 times as fast as band after band, twelve with AVX2 1.05 times. A panel moves t, bands leave it where it is."""
    cdef Py_ssize_t lanes = p.kernels.lanes, total, cut_off, lone = 0
    cdef Py_ssize_t height = over(rows, tiles), taller = rows - tiles * height, i = 0, j, tall, parts, strips, vectors, wider
    cdef Py_ssize_t together
    cdef bint apart
    cdef tile_run begin
    if p.lone and columns > p.lone and columns % least_lanes(p.isa, lanes) == p.lone:  # the last block of a stretch
        lone = p.lone
        columns -= lone
    total = ceil_div(columns, lanes)
    cut_off = total * lanes - columns
    if p.pixels_are_rows:            # tiles as wide as the panel
        # What b_ahead points to is spread evenly over the tiles. In a burst, a line in each step of the first tiles, weights
        # of 2 to 4 MB take 1.06 times as long (six layers, NHWC; 1.07 times in NCHW).
        t.b_ahead_k = ceil_div(t.b_k, tiles * t.lines) if weight_bytes(p) > first_level() else 0
        t.b_ahead_line = t.depth * t.b_ahead_k
        t.columns = columns
        line(p, t, term, height + 1, total, taller)
        line(p, t, term, height, total, tiles - taller)
        return
    move_to(&begin, t)
    together = rows_at_once(p, t)
    strips = strips_of(p, total, lone)
    apart = cut_off > 0 or lone > 0  # the last strip
    vectors = over(total, strips)
    wider = total - strips * vectors
    while i < tiles:
        tall = height + (i < taller)
        move_to(t, &begin)
        move_down(p, t, i * height + min(i, taller))
        t.lines = min((taller if i < taller else tiles) - i, max(1, over(together, tall)))
        t.a_line = tall * p.c_in * p.unit
        t.c_line = tall * t.c_row
        t.start_line = tall * t.start_row
        t.residual_line = tall * t.residual_row
        t.ahead_lines -= i
        if t.walk.step:
            if t.ahead_lines <= 0:
                t.ahead = BLOCK
                t.ahead_lines = t.lines
            elif t.ahead == STRIP:
                t.ahead = STRIP_AND_BLOCK
        if p.planes != NULL:
            t.columns = columns
            t.a_k = tall * p.unit
            parts = ceil_div(tall, together)
            for j in range(parts):
                t.tiles = part(tall, parts, j + 1) - part(tall, parts, j)
                p.planes(t)
                t.a += t.tiles * p.unit
                t.start += t.tiles * t.start_row
                t.c += t.tiles * t.c_row
                if t.residual != NULL:
                    t.residual += t.tiles * t.residual_row
        else:
            t.columns = (vectors + 1) * lanes
            line(p, t, term, tall, vectors + 1, wider)
            t.columns = vectors * lanes
            line(p, t, term, tall, vectors, strips - wider - apart)
            t.columns -= cut_off
            line(p, t, term, tall, vectors, apart, lone)
        i += t.lines
    move_to(t, &begin)


cdef void slices(const Plan *p, tile_run *t, Py_ssize_t term, Py_ssize_t number, Py_ssize_t rows, Py_ssize_t tiles,
                 Py_ssize_t columns) noexcept nogil:
    """A panel down its pixels whose sums are added in so many slices, between which they wait in the outputs."""
    cdef Py_ssize_t i, first
    cdef tile_run here
    if number == 1:                  # 4 % of a small call
        grid(p, t, term, rows, tiles, columns)
        return
    for i in range(number):
        first = part(t.depth, number, i)
        here = t[0]
        here.depth = part(t.depth, number, i + 1) - first
        here.b += first * t.b_k
        here.a += first * t.a_k
        if i > 0:
            here.start, here.start_row, here.start_by_row, here.start_line = t.c, t.c_row, False, t.c_line
        if i < number - 1:
            here.bounded, here.residual = 0, NULL
            here.b_ahead = here.b + here.depth * t.b_k
        grid(p, &here, term + first, rows, tiles, columns)


cdef Near load_x(const Plan *p, Block *block, Py_ssize_t cut, Py_ssize_t channel, Py_ssize_t depth) noexcept nogil:
    """Where the tiles read x; packs what they can't read in place."""
    cdef char *far = block.x + channel * p.x.channel
    cdef Near near
    if p.x.packed:
        near = in_scratch(p, block.x_scratch, p.x_row, p.x_by_depth)
        if block.loaded != cut:
            copy_block(p, &p.x, far, &near, block.first, block.count, depth, False)
    else:
        near = in_place(p, &p.x, far + block.x_at)
    block.loaded = cut
    return near


cdef void set_walk(const Plan *p, const Block *block, Py_ssize_t cut, Py_ssize_t channel, Py_ssize_t depth,
                   walk *walk) noexcept nogil:
    """Through the x in place that comes after this one, if the second level is to fetch it: the next cut of these pixels,
    from this channel on, or the next pixels. Where x is kept plane after plane, which the processor's own prefetcher
    follows as tiles then read few other pages; else line after line of all planes, in a small program 1.09 times as fast
    there (64 to 32 channels on 150×150 pixels)."""
    cdef Py_ssize_t lines = ceil_div(block.count * p.unit, LINE_BYTES)
    if p.x.packed or p.out.packed or not x_is_far(p, p.threads) or not (
            depth >= TRACKED_ROWS if p.kept else strips_are_deep(p, depth, 2)):
        return
    if cut < p.cuts - 1:
        walk.at = block.x + block.x_at + channel * p.x.channel + LINE_BYTES - 1
    elif block.first + block.count < p.pixels:
        walk.at = block.x + pixel_offset(p, &p.x, block.first + block.count) + LINE_BYTES - 1
        lines = ceil_div(min(block.count, p.pixels - block.first - block.count) * p.unit, LINE_BYTES)
    else:
        return
    if p.kept:
        walk.step, walk.next, walk.runs = LINE_BYTES, p.x.channel, depth - 1
        walk.end = walk.at + lines * LINE_BYTES
    else:
        walk.step, walk.next, walk.runs = p.x.channel, LINE_BYTES, lines - 1
        walk.end = walk.at + depth * p.x.channel
    walk.jump = walk.next - (walk.end - walk.at)


cdef void panel(const Call *call, Block *block, Py_ssize_t number, Py_ssize_t lines, Py_ssize_t cut, Py_ssize_t begin,
                Py_ssize_t count) noexcept nogil:
    """A panel of output channels, or some side by side, of some pixels of a block, a cut of their sums."""
    cdef const Plan *p = call.plan
    cdef Py_ssize_t channel = panel_begin(p, number), width = panel_begin(p, number + 1) - channel
    cdef Py_ssize_t channels = min(width, p.c_out - channel)
    cdef Py_ssize_t k = part(p.c_in, p.cuts, cut), depth = part(p.c_in, p.cuts, cut + 1) - k
    cdef bint last = cut == p.cuts - 1
    cdef const char *bias = call.bias + block.group * p.bias_group + channel * p.unit
    cdef const char *weight = call.weight + block.group * p.weight_group + channel * p.c_in * p.unit
    cdef char *far_out = block.out + channel * p.out.channel
    cdef char *far_residual = block.residual + channel * p.residual.channel
    cdef Py_ssize_t vectors, bands, rows
    cdef bint afresh = block.loaded != cut, deep
    cdef Near x, out, residual
    cdef tile_run t, apart

    x = load_x(p, block, cut, k, depth)
    if p.out.packed:
        out = in_scratch(p, block.out_scratch, p.out_row, p.pixels_are_rows)
    else:
        out = in_place(p, &p.out, far_out + block.out_at)  # all pixels: begin is 0
    if last and p.has_residual:
        if p.residual.packed:
            residual = in_scratch(p, block.residual_scratch, p.out_row, p.pixels_are_rows)
            copy_block(p, &p.residual, far_residual, &residual, block.first + begin, count, channels, False)
        else:
            residual = in_place(p, &p.residual, far_residual + block.residual_at + begin * p.residual.pixel[p.axes - 1])

    t.depth = depth
    t.c = out.data
    t.c_row = out.pixel if p.pixels_are_rows else out.channel
    t.start = bias if cut == 0 else out.data
    t.start_by_row = cut == 0 and not p.pixels_are_rows
    t.start_row = p.unit if t.start_by_row else 0 if cut == 0 else t.c_row
    t.clamp = call.clamp
    t.bounded = call.bounded if last else 0
    t.residual = residual.data if last and p.has_residual else NULL
    t.residual_row = (residual.pixel if p.pixels_are_rows else residual.channel) if t.residual else 0
    t.lines = 1                      # or panels, or stretches
    t.b_whole = False
    t.keep = NULL
    # Lines that prefetch: of tiles that do not find x or weights in the first level. A prefetch takes a turn of the decoder
    # and one of a load: with all in the first level tiles of 6×4 make 87 % of the multiply-adds with two in each step and
    # 91 % without, 55 and 65 % beside another busy thread of the core (Xeon with 32 KiB).
    t.ahead_lines = 0
    t.b_ahead, t.b_ahead_k, t.b_ahead_line, t.b_ahead_tile = NULL, 0, 0, 0
    t.a_line = t.b_line = t.start_line = t.c_line = t.residual_line = 0
    if p.pixels_are_rows:
        t.a = x.data + begin * x.pixel
        t.a_row = x.pixel
        t.a_k = x.channel
        t.a_end = x.data + block.count * x.pixel if p.x.packed else block.x + k * p.x.channel + p.x_end
        t.b = weight + k * width * p.unit
        t.b_k = width * p.unit
        t.b_ahead = weight + width * p.c_in * p.unit if number + 1 < p.panels else call.weight + block.group * p.weight_group
        vectors = over(width, p.kernels.lanes)
        if weights_are_far(p) or not p.x_by_depth:
            t.ahead = PANELS
        elif 2 * depth * width * p.unit > first_level():
            t.ahead = PANEL
        else:
            # Low tiles of pixels of up to two lines are rather followed by the processor's own prefetcher: 16 to 16 channels
            # on 512×512 pixels are 1.15 times as fast so, fourteen such layers 1.04 times (Zen 4). With AVX2 32 to 16 on
            # 400×400 would take 1.15 times as long.
            t.ahead = NOTHING
            if afresh and not (p.x.packed or tiles_are_low(p.isa, p.c_in) and x.pixel <= 2 * LINE_BYTES):
                t.ahead = PIXELS
        # one tile reads each weight once, in a row
        if count > tallest(p, vectors) and not comes_in_time(p):
            t.ahead_lines = PY_SSIZE_T_MAX
        if lines > 1:
            t.lines = lines
            t.b_line = t.b_k * p.c_in
            t.start_line = t.c_line = t.residual_line = t.b_k
        elif count > p.stretch:
            t.lines = over(count, p.stretch)
            count = p.stretch
            t.a_line = x.stretch
            t.c_line = out.stretch
            t.start_line = out.stretch if t.start_row else 0
            t.residual_line = residual.stretch if t.residual else 0
        if p.mix != NULL:
            untiled(p, p.mix, &t, pixels_ahead(p), count, channels)
        else:
            if p.rest and number == p.panels - 1:  # before the tiles, which leave t behind them
                channels -= p.rest
                apart = t
                apart.b += channels * p.unit
                apart.start += channels * p.unit
                apart.c += channels * p.unit
                untiled(p, p.kernels.rest[p.rest], &apart, 0, count, p.rest)
            if channels:
                slices(p, &t, k, max(1, ceil_div(depth, p.slice)), count, ceil_div(count, height(p, vectors)), channels)
    else:
        t.a = weight
        t.a_row = p.unit
        t.b = x.data + begin * x.pixel
        t.b_k = x.channel
        t.ahead = FAR_STRIP if x_is_far(p, MEMORY) and afresh and not (p.kept or p.x.packed) else STRIP
        deep = strips_are_deep(p, depth, 2 if p.x.packed else 4)
        if deep or afresh and not p.x.packed:
            # all bands: four layers whose strips the first level loses are 1.07 times as fast as with the first one alone,
            # five whose x is packed, of 128 to 256 channels with strides, 1.05 to 1.13 times as fast as without
            t.ahead_lines = PY_SSIZE_T_MAX if deep or t.ahead == FAR_STRIP else 1
        t.walk = &block.walk
        if afresh:
            block.walk.step = 0
        bands = first_band(p, number + 1) - first_band(p, number)
        if afresh and p.kept:
            rows = ceil_div(channels, bands)
            t.keep = block.x_scratch
            grid(p, &t, k, rows, 1, count)
            move_down(p, &t, rows)
            t.keep = NULL
            channels -= rows
            bands -= 1
        if p.kept:
            t.b = block.x_scratch
            t.b_whole = True
            # 1024 to 256, 512 to 112 and 480 to 192 channels on 14×14 pixels are 1.03 to 1.04 times as fast; 96 to 576,
            # whose strips the first level holds, would be 0.98 times
            t.ahead_lines = PY_SSIZE_T_MAX if strips_are_deep(p, depth, 1) else 0
        if afresh:
            set_walk(p, block, cut, k + depth, depth, &block.walk)
        if bands:
            grid(p, &t, k, channels, bands, count)
    if last and p.out.packed:
        copy_block(p, &p.out, far_out, &out, block.first + begin, count, channels, True)


cdef void task(const Call *call, char *scratch, Py_ssize_t number) noexcept nogil:
    """A block of pixels of a group, for a share of the panels of output channels."""
    cdef const Plan *p = call.plan
    cdef Py_ssize_t segments = over(p.pixels, p.segment), blocks = p.blocks * segments * p.groups
    cdef Py_ssize_t share = over(number, blocks), segment = over(number - share * blocks, p.blocks)
    cdef Py_ssize_t i = number - share * blocks - segment * p.blocks
    cdef Py_ssize_t grains = ceil_div(p.segment - p.lone, p.granule), begin = fair_part(grains, p.blocks, i) * p.granule
    cdef Py_ssize_t low = part(p.panels, p.shares, share), high = part(p.panels, p.shares, share + 1)
    cdef Block block
    block.group = over(segment, segments)
    block.first = (segment - block.group * segments) * p.segment + begin
    block.count = (p.segment if i + 1 == p.blocks else fair_part(grains, p.blocks, i + 1) * p.granule) - begin
    block.x = <char *> call.x + block.group * p.c_in * p.x.channel
    block.out = call.out + block.group * p.c_out * p.out.channel
    block.residual = <char *> call.residual
    if p.has_residual:
        block.residual += block.group * p.c_out * p.residual.channel
    block.x_at = pixel_offset(p, &p.x, block.first)
    block.out_at = pixel_offset(p, &p.out, block.first)
    block.residual_at = pixel_offset(p, &p.residual, block.first) if p.has_residual else 0
    block.x_scratch = scratch
    block.out_scratch = scratch + p.x_bytes
    block.residual_scratch = block.out_scratch + (p.out_bytes if p.out.packed else 0)
    block.loaded = -1
    # Outputs in place: x is packed once for each cut. In scratch: some pixels of a panel are finished before the next.
    cdef Py_ssize_t at, cut, lines
    if p.out.packed:
        for number in range(low, high):
            for at in range(ceil_div(block.count, p.out_block)):
                for cut in range(p.cuts):
                    panel(call, &block, number, 1, cut, at * p.out_block, min(p.out_block, block.count - at * p.out_block))
        return
    for cut in range(p.cuts):
        number = low
        while number < high:
            lines = panels_abreast(p, number, high)
            panel(call, &block, number, lines, cut, 0, block.count)
            number += lines


cdef void member_task(void *context, int member, Py_ssize_t number) noexcept nogil:
    cdef const Call *call = <const Call *> context
    task(call, call.scratch + member * call.plan.scratch, number)


cdef void run_tasks(Call *call, Py_ssize_t first, Py_ssize_t last, int threads, bint small) noexcept nogil:
    cdef Py_ssize_t number
    if threads > 1:
        run_team(threads, small, first, last, member_task, call)
        return
    for number in range(first, last):
        task(call, call.scratch, number)
