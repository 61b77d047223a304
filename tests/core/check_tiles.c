/* Every tile of an instruction set, with tails, in lines of tiles, against the same chain in plain C: bits are compared. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "check.h"

struct strided {
    char *data;
    ptrdiff_t row, column, tile; /* bytes from one to the next */
};

static int is_double;

static double get(const char *p) {
    float narrow;
    double wide;
    if (is_double) return memcpy(&wide, p, sizeof wide), wide;
    return memcpy(&narrow, p, sizeof narrow), narrow;
}

static void put(char *p, double value) {
    const float narrow = (float)value;
    if (is_double) memcpy(p, &value, sizeof value);
    else memcpy(p, &narrow, sizeof narrow);
}

static double rounded(double value) { return is_double ? value : (float)value; }

static double multiply_add(const struct isa *isa, double a, double b, double c) {
    if (!isa->fma) return rounded(rounded(a * b) + c);
    return is_double ? fma(a, b, c) : fmaf((float)a, (float)b, (float)c);
}

/* `tiles` grids of rows × columns elements in one block that ends with the last element. Gaps of `gap` elements from row to
 * row, and from tile to tile along `down`, the rows, or else along the columns, `width` of them in a tile. */
static struct strided grids(int slot, ptrdiff_t tiles, ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t width, int gap, int down,
                            int filled) {
    const ptrdiff_t unit = is_double ? 8 : 4, line = down ? width : tiles * width;
    struct strided s = {NULL, (line + gap) * unit, unit, 0};
    s.tile = down ? rows * s.row : width * unit;
    const int empty = tiles == 0 || rows == 0 || columns == 0;
    s.data = block(slot, empty ? 0 : (size_t)((tiles - 1) * s.tile + (rows - 1) * s.row + columns * unit));
    for (ptrdiff_t t = 0; t < tiles && filled; t++)
        for (ptrdiff_t r = 0; r < rows; r++)
            for (ptrdiff_t c = 0; c < columns; c++) {
                static const double special[] = {0.0, -0.0, INFINITY, -INFINITY, NAN, 1e-40, 1e-310};
                const double value = any(40) ? any_real() : special[any(7)];
                put(s.data + t * s.tile + r * s.row + c * unit, value);
            }
    return s;
}

static void check_tile(const struct isa *isa, int R, int V, int a_rows_unit, int last) {
    const struct kernels *kernels = isa->real[is_double];
    const ptrdiff_t unit = is_double ? 8 : 4, columns = (V - 1) * kernels->lanes + last, width = V * kernels->lanes;
    const ptrdiff_t tiles = 1 + any(3), depth = any(6);
    const int down = any(2), by_row = any(2), has_residual = any(2), bounded = any(4), zero_bound = any(2);
    const double low = zero_bound ? 0.0 : -1.5, high = zero_bound ? 6.0 : 0.0, zero = bounded ? 0.0 : -0.0;
    struct tile_run t = {.tiles = tiles, .depth = depth, .columns = columns, .start_by_row = by_row, .bounded = bounded};
    struct strided a, b, start, c, residual = {0};
    char *clamp = block(5, 3 * (size_t)unit);
    put(clamp, low), put(clamp + unit, high), put(clamp + 2 * unit, zero);

    if (a_rows_unit) { /* [k][rows] */
        a = grids(0, down ? tiles : 1, depth, R, R, 1 + (int)any(3), 0, 1);
        t.a_row = unit, t.a_k = a.row;
    } else { /* [rows][k] */
        a = grids(0, down ? tiles : 1, R, depth, depth, 1 + (int)any(3), 1, 1);
        t.a_row = a.row, t.a_k = unit;
    }
    b = grids(1, down ? 1 : tiles, depth, columns, width, (int)any(3), 0, 1);
    if (by_row) start = grids(2, down ? tiles : 1, 1, R, R, 0, 0, 1);
    else start = grids(2, tiles, R, columns, width, (int)any(3), down, 1);
    c = grids(3, tiles, R, columns, width, (int)any(3), down, 0);
    if (has_residual) residual = grids(4, tiles, R, columns, width, (int)any(3), down, 1);
    t.a = a.data, t.a_tile = down ? a.tile : 0;
    t.b = b.data, t.b_k = b.row, t.b_tile = down ? 0 : b.tile;
    t.start = start.data, t.start_row = start.row, t.start_tile = by_row && !down ? 0 : start.tile;
    t.c = c.data, t.c_row = c.row, t.c_tile = c.tile;
    t.residual = residual.data, t.residual_row = residual.row, t.residual_tile = residual.tile;
    t.clamp = clamp;

    kernels->tile[t.a_row == unit][R][V](&t);

    for (ptrdiff_t i = 0; i < tiles; i++)
        for (ptrdiff_t r = 0; r < R; r++) {
            for (ptrdiff_t v = 0; v < columns; v++) {
                const char *first = t.start + i * t.start_tile;
                double y = get(first + (by_row ? r * unit : r * t.start_row + v * unit));
                for (ptrdiff_t k = 0; k < depth; k++)
                    y = multiply_add(isa, get(t.a + i * t.a_tile + r * t.a_row + k * t.a_k),
                                     get(t.b + i * t.b_tile + k * t.b_k + v * unit), y);
                if (has_residual) y = rounded(y + get(t.residual + i * t.residual_tile + r * t.residual_row + v * unit));
                if (bounded & 1) y = (y < low ? low : y) + zero;
                if (bounded & 2) y = (y > high ? high : y) + zero;
                const double got = get(t.c + i * t.c_tile + r * t.c_row + v * unit);
                CHECK(isnan(y) ? isnan(got) : memcmp(&y, &got, sizeof y) == 0,
                      "%s, tile %d x %d, row %td, column %td of %td, depth %td: %g, not %g", isa->name, R, V, r, v, columns,
                      depth, got, y);
            }
            /* what lies between the rows, and between the tiles, is not the tile's */
            const char *end = t.c + i * t.c_tile + r * t.c_row + columns * unit;
            const char *next = i == tiles - 1 && r == R - 1 ? end : down || i == tiles - 1 ? end + t.c_row - columns * unit
                                                                                       : end + (width - columns) * unit;
            if (!down && i == tiles - 1 && r < R - 1) next = t.c + (r + 1) * t.c_row;
            for (; end < next; end++) CHECK(*(const unsigned char *)end == CANARY, "%s: a gap was written to", isa->name);
        }
}

void check_tiles(const struct isa *isa) {
    enum { ROUNDS = 4 }; /* each with other depths, gaps and epilogues */
    for (is_double = 0; is_double < 2; is_double++) {
        const struct kernels *kernels = isa->real[is_double];
        for (int V = 1; V <= MAX_VECTORS; V++)
            for (int R = 1; R <= kernels->max_rows[V]; R++)
                for (int last = 1; last <= kernels->lanes; last++)
                    for (int i = 0; i < 2 * ROUNDS; i++) check_tile(isa, R, V, i % 2, last);
    }
}
