# Weights as tiles read them: [group][band][c_in][channels of the band], in a form for each orientation.

cdef enum:                           # forms: channels are rows; pixels are; pixels, the last vector a band of its own
    BY_BANDS, BY_PANELS, REST_ALONE, AS_GIVEN
cdef enum:
    MANY_ROWS = 8                    # of bands, at most, if they are many
    FEW_BANDS = 4                    # so few that tiles wait for x
    SHORT_TERMS = 128                # of sums whose tiles are low
    LOW_ROWS = 5                     # of bands that are rows of such tiles
    FAR_PANEL_VECTORS = 3            # fifteen layers in NHWC are 1.03 times as fast as with 4

cdef struct Packing:
    char *data                       # NULL: not made
    Py_ssize_t lanes                 # channels to whose multiples bands are padded
    Py_ssize_t bands                 # in a group, nearly equal
    bint alone                       # but for the last, which is one vector
    bint plain                       # not packed: a matrix, [group][channel][c_in]


# Some output channels of a group; strides in bytes.
cdef struct Band:
    Py_ssize_t first, count
    char *data
    Py_ssize_t channel, term


cdef inline bint in_halves(const isa *isa) noexcept nogil:
    """Whether this processor computes the vectors in two halves, one after the other."""
    return isa.fma and isa.fma_cycles == 1


cdef inline bint tiles_are_low(const isa *isa, Py_ssize_t c_in) noexcept nogil:
    """Sixteen to twenty vectors of sums keep a processor busy that computes vectors in halves; with more it does not get
    over the end of a tile ahead of time, which short sums feel."""
    return in_halves(isa) and c_in <= SHORT_TERMS


cdef inline Py_ssize_t bands_for_rows(const isa *isa, const kernels *kernels, Py_ssize_t c_in,
                                      Py_ssize_t c_out) noexcept nogil:
    """Bands that are the rows of a tile, of at most the height for which a strip leaves registers: with AVX-512 nine rows of
    three vectors, 1.02 times as fast as 14×2 (twelve layers); with AVX2 six of two, up to 1.1 times as fast as 4×3. With
    AVX-512 tiles of eight rows are as fast as those of nine and take lone pixels along, so many bands have eight at most:
    nine layers of 136 to 1000 outputs whose number is no multiple of 16, NCHW, are 1.03 times as fast so, on two threads
    1.045 times (Zen 4). And they are an even number, so that halves are equal: 480 to 192, 192 to 96 and 256 to 128 channels
    on 14×14 and 28×28 pixels take two threads 0.91 times as long. With AVX2 five rows take 1.03 times as long as six. Low
    bands of five, whose strips are four vectors: 29 layers of 16 to 128 terms are 1.014 times as fast so, 16 to 96 and 24
    to 144 channels 1.03 times; on two threads 23 layers 1.05 times (Zen 4)."""
    cdef Py_ssize_t rows = kernels.max_rows[isa.strip_vectors], bands = ceil_div(c_out, rows)
    if rows <= MANY_ROWS or bands <= FEW_BANDS:
        return bands
    bands = ceil_div(c_out, LOW_ROWS if tiles_are_low(isa, c_in) else MANY_ROWS)
    return bands + bands % 2


cdef inline Py_ssize_t least_lanes(const isa *isa, Py_ssize_t lanes) noexcept nogil:
    """Lanes for whose multiples sums take time: half of a vector's, where half of the last one takes half the time."""
    return lanes // 2 if in_halves(isa) else lanes


cdef inline Py_ssize_t rest_of(const isa *isa, const kernels *kernels, Py_ssize_t c_in, Py_ssize_t c_out) noexcept nogil:
    """Of many channels the last ones, if few.h computes them faster than tiles, whose last vectors they leave mostly empty:
    256 to 19 channels on 128×128 pixels, NHWC, are 1.12 times as fast so, 64 to 17 on 56×56 1.24, 37 to 41 on 53×53 1.04;
    6 to 18 would be 0.85 times (Zen 4). Else 0."""
    cdef Py_ssize_t rest = c_out % least_lanes(isa, kernels.lanes)
    if c_out <= kernels.lanes or 2 * c_in < kernels.lanes or rest > FEW or kernels.rest[rest] == NULL:
        return 0
    return rest


cdef inline Py_ssize_t bands_for_columns(const isa *isa, Py_ssize_t lanes, Py_ssize_t c_out, double size) noexcept nogil:
    """Bands whose vectors are the columns of a tile: panels; less wide ones for weights (`size` bytes) that come from afar,
    since taller tiles read them less often."""
    cdef Py_ssize_t vectors = isa.panel_vectors
    if size > second_level() // 2:
        vectors = min(vectors, FAR_PANEL_VECTORS)
    return max(1, ceil_div(ceil_div(c_out, lanes), vectors))


cdef inline Packing plain(char *data) noexcept nogil:
    """Weights as a matrix."""
    cdef Packing matrix
    matrix.data = data
    matrix.lanes = matrix.bands = matrix.plain = 1
    matrix.alone = False
    return matrix


cdef inline Py_ssize_t band_begin(Py_ssize_t units, Py_ssize_t lanes, Py_ssize_t bands, bint alone,
                                  Py_ssize_t number) noexcept nogil:
    """The first channel of a band, of so many units of `lanes` channels, the last of them alone or not. Panels are larger at
    both ends: 1024 to 256 and to 512 channels on 14×14 pixels, NCHW, take two threads 1.1 and 1.06 times as long with the
    larger ones first."""
    if lanes == 1:
        return part(units, bands, number)
    return (units if number == bands else fair_part(units - alone, bands - alone, number)) * lanes


cdef Band band(const Packing *packing, Py_ssize_t group, Py_ssize_t number, Py_ssize_t c_out, Py_ssize_t c_in,
               Py_ssize_t unit) noexcept nogil:
    cdef Py_ssize_t units = ceil_div(c_out, packing.lanes), width
    cdef Band here
    here.first = band_begin(units, packing.lanes, packing.bands, packing.alone, number)
    width = band_begin(units, packing.lanes, packing.bands, packing.alone, number + 1) - here.first
    here.count = min(width, c_out - here.first)
    here.data = packing.data + (group * units * packing.lanes + here.first) * c_in * unit
    here.channel = c_in * unit if packing.plain else unit
    here.term = unit if packing.plain else width * unit
    return here


cdef void repack(copy_kernel copy, const Packing *to, const Packing *source, Py_ssize_t groups, Py_ssize_t c_out,
                 Py_ssize_t c_in, Py_ssize_t unit) noexcept nogil:
    """Copy all weights; the padding stays as it is."""
    cdef Py_ssize_t group, i, j, first, count
    cdef Band here, there
    for group in range(groups if c_out * c_in else 0):
        j = 0
        for i in range(to.bands):
            here = band(to, group, i, c_out, c_in, unit)
            while True:
                there = band(source, group, j, c_out, c_in, unit)
                first = max(here.first, there.first)
                count = min(here.first + here.count, there.first + there.count) - first
                if count > 0:
                    copy(here.data + (first - here.first) * here.channel, here.channel, here.term,
                         there.data + (first - there.first) * there.channel, there.channel, there.term, count, c_in)
                if there.first + there.count >= here.first + here.count:
                    break
                j += 1
