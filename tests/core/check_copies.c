/* Every way through the strided copy, and every conversion, against one element at a time. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "check.h"

struct view {
    char *data; /* of element 0, 0: within the block if a stride is negative */
    ptrdiff_t step[2];
};

/* A view of n0 × n1 elements of `unit` bytes that fills its block from the first byte to the last, but for `odd` bytes
 * before it. */
static struct view view(int slot, const ptrdiff_t step[2], ptrdiff_t n0, ptrdiff_t n1, ptrdiff_t unit, ptrdiff_t odd) {
    const ptrdiff_t n[2] = {n0, n1};
    ptrdiff_t first = odd, bytes = unit + odd;
    for (int axis = 0; axis < 2; axis++) {
        const ptrdiff_t far = n[axis] > 0 ? (n[axis] - 1) * step[axis] : 0;
        if (far < 0) first -= far;
        bytes += far < 0 ? -far : far;
    }
    char *data = block(slot, n0 && n1 ? (size_t)bytes : 0);
    return (struct view){n0 && n1 ? data + first : data, {step[0], step[1]}};
}

static void fill(char *data, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) data[i] = (char)any(256);
}

/* Copies and looks at every byte: the elements are the source's, the gaps as they were. */
static void check_copy(const struct isa *isa, const ptrdiff_t d[2], const ptrdiff_t s[2], ptrdiff_t n0, ptrdiff_t n1,
                       int is_double, ptrdiff_t odd) {
    static unsigned char expected[1 << 20];
    const ptrdiff_t unit = is_double ? 8 : 4;
    const struct view from = view(0, s, n0, n1, unit, odd), to = view(1, d, n0, n1, unit, odd ? odd + 1 : 0);
    ptrdiff_t low = 0, high = 0;
    for (ptrdiff_t i = 0; i < n0; i++)
        for (ptrdiff_t j = 0; j < n1; j++) {
            fill(from.data + i * s[0] + j * s[1], (size_t)unit);
            const ptrdiff_t at = i * d[0] + j * d[1];
            low = at < low ? at : low, high = at + unit > high ? at + unit : high;
        }
    CHECK(high - low <= (ptrdiff_t)sizeof expected, "%td bytes", high - low);
    memset(expected, CANARY, (size_t)(high - low));
    for (ptrdiff_t i = 0; i < n0; i++)
        for (ptrdiff_t j = 0; j < n1; j++)
            memcpy(expected + i * d[0] + j * d[1] - low, from.data + i * s[0] + j * s[1], (size_t)unit);
    isa->real[is_double]->copy(to.data, d[0], d[1], from.data, s[0], s[1], n0, n1);
    CHECK(n0 == 0 || n1 == 0 || memcmp(to.data + low, expected, (size_t)(high - low)) == 0,
          "%s, %td-byte copy of %td x %td, strides %td %td from %td %td", isa->name, unit, n0, n1, d[0], d[1], s[0], s[1]);
}

void check_copies(const struct isa *isa) {
    static const ptrdiff_t steps[] = {-1, 1, 2, 3, 4, 5};
    for (int is_double = 0; is_double < 2; is_double++) {
        const ptrdiff_t unit = is_double ? 8 : 4, lanes = isa->real[is_double]->lanes;
        const ptrdiff_t sizes[] = {0, 1, 2, 3, 4, 5, lanes - 1, lanes, lanes + 1, 2 * lanes - 1, 2 * lanes + 2};
        enum { SIZES = sizeof sizes / sizeof *sizes };
        for (int i = 0; i < SIZES; i++)
            for (int j = 0; j < SIZES; j++) {
                const ptrdiff_t n0 = sizes[i], n1 = sizes[j], gap = any(3) * unit;
                /* to: along j, with and without gaps; along i; neither */
                const ptrdiff_t to[][2] = {{n1 * unit, unit}, {n1 * unit + gap, unit}, {unit, n0 * unit + gap},
                                           {-(2 * n1 + 1) * unit, 2 * unit}};
                for (int d = 0; d < 4; d++)
                    for (int step = 0; step < 6; step++)
                        for (int across = 0; across < 2; across++) {
                            const ptrdiff_t inner = steps[step] * unit, n = across ? n0 : n1;
                            const ptrdiff_t outer = (n > 1 ? n : 1) * (inner < 0 ? -inner : inner) + gap;
                            const ptrdiff_t from[2] = {across ? inner : outer, across ? outer : inner};
                            check_copy(isa, to[d], from, n0, n1, is_double, any(4) ? 0 : 1 + any(3));
                        }
                const ptrdiff_t one_value[2] = {0, 0}, negative[2] = {-unit, -(n0 + 1) * unit};
                check_copy(isa, to[0], one_value, n0, n1, is_double, 0);
                check_copy(isa, to[1], negative, n0, n1, is_double, 0);
            }
    }
}

static uint64_t load_bits(const char *p, int size, int swapped) {
    uint64_t bits = 0;
    for (int i = 0; i < size; i++) bits |= (uint64_t)(unsigned char)p[swapped ? size - 1 - i : i] << 8 * i;
    return bits;
}

/* The number that these bits are, and the same again as float: a float64 or a long integer is rounded once. */
static double value_of(char kind, int size, uint64_t bits, float *narrow) {
    double wide;
    if (kind == 'f' && size == 2) {
        const int exponent = (int)(bits >> 10 & 31), fraction = (int)(bits & 1023);
        wide = exponent == 31 ? fraction ? NAN : INFINITY : ldexp(exponent ? 1024 + fraction : fraction, (exponent ? exponent : 1) - 25);
        wide = bits >> 15 ? -wide : wide;
        *narrow = (float)wide;
    } else if (kind == 'f' && size == 4) {
        const uint32_t word = (uint32_t)bits;
        memcpy(narrow, &word, sizeof *narrow);
        wide = *narrow;
    } else if (kind == 'f') {
        memcpy(&wide, &bits, sizeof wide);
        *narrow = (float)wide;
    } else if (kind == 'i') {
        const int64_t sign = (int64_t)(bits << (64 - 8 * size)) >> (64 - 8 * size);
        wide = (double)sign, *narrow = (float)sign;
    } else {
        wide = (double)bits, *narrow = (float)bits;
    }
    return wide;
}

static void check_converter(char kind, int size, int swapped, int to_double) {
    const copy_kernel convert = converter(kind, size, swapped, to_double);
    const ptrdiff_t unit = to_double ? 8 : 4, rows = 7, columns = size == 2 ? 65536 / 7 + 1 : 97, odd = any(2);
    const ptrdiff_t s[2] = {-(columns * 2 + 1) * size, 2 * size}, d[2] = {columns * unit, unit};
    CHECK(convert, "no conversion from %c%d", kind, size);
    const struct view from = view(0, s, rows, columns, size, odd), to = view(1, d, rows, columns, unit, odd);
    for (ptrdiff_t i = 0; i < rows; i++)
        for (ptrdiff_t j = 0; j < columns; j++) {
            const uint16_t every = (uint16_t)(i * columns + j);
            char *p = from.data + i * s[0] + j * s[1];
            fill(p, (size_t)size);
            if (size == 2) memcpy(p, &every, 2);
            if (kind == 'b') *p &= 1;
        }
    convert(to.data, d[0], d[1], from.data, s[0], s[1], rows, columns);
    for (ptrdiff_t i = 0; i < rows; i++)
        for (ptrdiff_t j = 0; j < columns; j++) {
            float narrow, got_narrow;
            const double wide = value_of(kind, size, load_bits(from.data + i * s[0] + j * s[1], size, swapped), &narrow);
            double got;
            memcpy(to_double ? (void *)&got : (void *)&got_narrow, to.data + i * d[0] + j * d[1], (size_t)unit);
            if (!to_double) got = got_narrow;
            const double expected = to_double ? wide : narrow;
            CHECK(isnan(expected) ? isnan(got) : memcmp(&expected, &got, sizeof got) == 0, "%c%d%s: %g, not %g", kind, size,
                  swapped ? " swapped" : "", got, expected);
        }
}

void check_converters(void) {
    static const struct {
        char kind;
        int size;
    } types[] = {{'b', 1}, {'i', 1}, {'i', 2}, {'i', 4}, {'i', 8}, {'u', 1}, {'u', 2}, {'u', 4}, {'u', 8}, {'f', 2}, {'f', 4}, {'f', 8}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        for (int which = 0; which < 4; which++) check_converter(types[i].kind, types[i].size, which & 1, which >> 1);
    CHECK(!converter('c', 8, 0, 0) && !converter('f', 16, 0, 1), "a conversion of complex or long numbers");
}

void check_peak(const struct isa *isa) {
    CHECK(peak_flops(isa, 1e-4) > 0, "%s", isa->name);
    for (size_t bytes = 0; bytes < 1 << 17; bytes = 40 * bytes + 1)
        CHECK(copy_bandwidth(isa, bytes, 1e-4) > 0, "%s, %zu bytes", isa->name, bytes);
    CHECK(copy_bandwidth(isa, SIZE_MAX, 1e-4) == -1, "%s: a copy of all there is", isa->name);
}
