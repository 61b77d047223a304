/* Every tile of an instruction set, with tails, in lines of tiles, every mixing of a few channels and every sum of a few planes,
 * against the same chain in plain C: bits are compared. */
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

static void set_bounds(const struct isa *isa, struct tile_run *t) {
    const int kinds[] = {0, LOW, HIGH, LOW | HIGH, isa->relu};
    const ptrdiff_t unit = is_double ? 8 : 4;
    const int zero_below = any(2);
    char *clamp = block(5, 3 * (size_t)unit);
    t->clamp = clamp, t->bounded = kinds[any(sizeof kinds / sizeof *kinds)];
    put(clamp, zero_below ? 0.0 : -1.5), put(clamp + unit, zero_below ? 6.0 : 0.0), put(clamp + 2 * unit, t->bounded ? 0.0 : -0.0);
}

static double bounded(const struct tile_run *t, double y) {
    const char *clamp = t->clamp;
    const ptrdiff_t unit = is_double ? 8 : 4;
    const double low = get(clamp), high = get(clamp + unit), zero = get(clamp + 2 * unit);
    if (t->bounded == RELU) return (y < 0 ? 0 : y) + 0.0;
    if (t->bounded & LOW) y = y < low ? low : y;
    if (t->bounded & HIGH) y = y > high ? high : y;
    return y + zero;
}

/* Has the tiles keep b, looks at what they kept, and lets them read that from then on. Lanes that are cut off are kept as 0, but
 * for those of a vector that is there for lone columns alone. */
static void keep_strips(tile_kernel tile, struct tile_run *t, ptrdiff_t columns, ptrdiff_t vectors, ptrdiff_t width) {
    const ptrdiff_t unit = is_double ? 8 : 4, row = width * unit, lines = t->lines, ahead_lines = t->ahead_lines;
    const int ahead = t->ahead;
    t->keep_tile = t->depth * row;
    t->keep = block(6, (size_t)(t->tiles * t->keep_tile));
    t->lines = t->ahead_lines = 1, t->ahead = STRIP;
    tile(t);
    for (ptrdiff_t i = 0; i < t->tiles; i++)
        for (ptrdiff_t k = 0; k < t->depth; k++)
            for (ptrdiff_t v = 0; v < (columns > vectors ? columns : vectors); v++) {
                const double kept = get(t->keep + i * t->keep_tile + k * row + v * unit);
                const double x = v < columns ? get(t->b + i * t->b_tile + k * t->b_k + v * unit) : 0;
                CHECK(isnan(x) ? isnan(kept) : kept == x, "kept %g, not %g", kept, x);
            }
    t->b = t->b_ahead = t->keep, t->b_k = row, t->b_tile = t->keep_tile, t->b_whole = 1;
    t->keep = NULL, t->lines = lines, t->ahead_lines = ahead_lines, t->ahead = ahead;
}

/* Has the walk gone on, if it had to, and is it at one of its lines? */
static void check_walk(const struct tile_run *t, const struct walk *way) {
    const struct walk *walk = t->walk;
    const ptrdiff_t into = walk->at - (way->at + (way->runs - walk->runs) * way->next);
    const int fetches = t->ahead_lines > 0 && (t->ahead == BLOCK || t->ahead == STRIP_AND_BLOCK);
    CHECK(into % LINE_BYTES == 0 && into >= 0 && into < way->end - way->at, "at %td", into);
    CHECK(walk->step == way->step || (fetches && walk->step == 0 && walk->runs == 0), "step %td", walk->step);
    if (fetches && t->b_whole && t->depth > 1) CHECK(walk->at != way->at, "%td terms", t->depth);
    if (!fetches) CHECK(walk->at == way->at, "at %td", into);
}

/* So many lone columns, if any, follow the last vector. */
static void check_tile(const struct isa *isa, int R, int V, int a_rows_unit, int last, int lone) {
    const struct kernels *kernels = isa->real[is_double];
    const ptrdiff_t unit = is_double ? 8 : 4, vectors = V * kernels->lanes, columns = vectors - kernels->lanes + last + lone;
    const ptrdiff_t width = columns > vectors ? vectors + kernels->lanes : vectors;
    const ptrdiff_t tiles = 1 + any(3), depth = any(2) ? any(10) : any(3 * STEPS_AHEAD);
    const int down = any(2), by_row = any(2), has_residual = any(2), half = 2 * last <= kernels->lanes;
    const tile_kernel tile = lone ? kernels->lone[half][lone > 1][R][V] : kernels->tile[half][a_rows_unit][R][V];
    struct tile_run t = {.tiles = tiles, .depth = depth, .columns = columns - lone, .start_by_row = by_row};
    if (!tile) return;
    t.lines = 1 + any(2); /* at no distance, so that another line is the first once more */
    struct walk walk = {0};
    t.ahead_lines = any(3), t.ahead = a_rows_unit && any(5) ? STRIP + any(4) : a_rows_unit ? PANELS : PIXELS + any(3);
    t.walk = &walk;
    struct strided a, b, start, c, residual = {0};
    set_bounds(isa, &t);

    if (a_rows_unit) { /* [k][rows]; beside lone columns AVX2 loads a whole vector of them, which goes into the next step's */
        const int more = lone && kernels->lanes * unit < LINE_BYTES;
        a = grids(0, down ? tiles : 1, depth + more, R, R, 1 + (int)any(3), 0, 1);
        t.a_row = unit, t.a_k = a.row;
    } else { /* [rows][k] */
        a = grids(0, down ? tiles : 1, R, depth, depth, 1 + (int)any(3), 1, 1);
        t.a_row = a.row, t.a_k = unit;
    }
    if (a_rows_unit) b = grids(1, down ? 1 : tiles, depth, columns, width, (int)any(3), 0, 1);
    else b = grids(1, down ? 1 : tiles, depth, width, width, 0, 1, 1); /* panels, in whole vectors */
    if (by_row) start = grids(2, down ? tiles : 1, 1, R, R, 0, 0, 1);
    else start = grids(2, tiles, R, columns, width, (int)any(3), down, 1);
    c = grids(3, tiles, R, columns, width, (int)any(3), down, 0);
    if (has_residual) residual = grids(4, tiles, R, columns, width, (int)any(3), down, 1);
    t.a = a.data, t.a_tile = down ? a.tile : 0, t.a_end = t.a + (down ? tiles : 1) * R * t.a_row;
    t.b = t.b_ahead = b.data, t.b_k = b.row, t.b_tile = down ? 0 : b.tile;
    t.start = start.data, t.start_row = start.row, t.start_tile = by_row && !down ? 0 : start.tile;
    t.c = c.data, t.c_row = c.row, t.c_tile = c.tile;
    t.residual = residual.data, t.residual_row = residual.row, t.residual_tile = residual.tile;

    const struct walk way = {t.b, t.b + 3 * LINE_BYTES, LINE_BYTES, 8 * LINE_BYTES, 5 * LINE_BYTES, any(9)};
    walk = way;
    if (a_rows_unit && !down && any(2)) keep_strips(tile, &t, columns, vectors, width);
    tile(&t);
    check_walk(&t, &way);

    for (ptrdiff_t i = 0; i < tiles; i++)
        for (ptrdiff_t r = 0; r < R; r++) {
            for (ptrdiff_t v = 0; v < columns; v++) {
                const char *first = t.start + i * t.start_tile;
                double y = get(first + (by_row ? r * unit : r * t.start_row + v * unit));
                for (ptrdiff_t k = 0; k < depth; k++)
                    y = multiply_add(isa, get(t.a + i * t.a_tile + r * t.a_row + k * t.a_k),
                                     get(t.b + i * t.b_tile + k * t.b_k + v * unit), y);
                if (has_residual) y = rounded(y + get(t.residual + i * t.residual_tile + r * t.residual_row + v * unit));
                y = bounded(&t, y);
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

/* Weights are `width` wide; from pixel to pixel there are gaps of x_gap and out_gap elements. */
static void check_mix(const struct isa *isa, tile_kernel mix, int c_in, int c_out, ptrdiff_t pixels, ptrdiff_t width, int x_gap,
                      int out_gap) {
    const ptrdiff_t unit = is_double ? 8 : 4;
    const struct strided a = grids(0, 1, pixels, c_in, c_in, x_gap, 1, 1), b = grids(1, 1, c_in, width, width, (int)any(3), 1, 1),
                         start = grids(2, 1, 1, c_out, c_out, 0, 1, 1), c = grids(3, 1, pixels, c_out, c_out, out_gap, 1, 0);
    struct tile_run t = {.tiles = pixels, .depth = c_in, .columns = c_out, .a = a.data, .b = b.data, .b_k = b.row};
    t.start = start.data, t.c = c.data, t.c_row = c.row;
    t.a_row = a.row, t.a_end = t.a + pixels * a.row, t.ahead_lines = any(3), t.pixel_vectors = 1 + (int)any(2);
    set_bounds(isa, &t);
    mix(&t);
    for (ptrdiff_t i = 0; i < pixels; i++) {
        const char *end = t.c + i * c.row + c_out * unit, *const next = i < pixels - 1 ? t.c + (i + 1) * c.row : end;
        for (ptrdiff_t o = 0; o < c_out; o++) {
            double y = get(t.start + o * unit);
            for (ptrdiff_t k = 0; k < c_in; k++) y = multiply_add(isa, get(t.b + k * t.b_k + o * unit), get(t.a + i * a.row + k * unit), y);
            y = bounded(&t, y);
            const double got = get(t.c + i * c.row + o * unit);
            CHECK(isnan(y) ? isnan(got) : memcmp(&y, &got, sizeof y) == 0, "%s, %d channels to %d, pixel %td of %td: %g, not %g",
                  isa->name, c_in, c_out, i, pixels, got, y);
        }
        for (; end < next; end++) CHECK(*(const unsigned char *)end == CANARY, "%s: a gap was written to", isa->name);
    }
}

/* c_in planes of `pixels`, in `lines` bands of as many outputs each, of which two calls take a part each. */
static void check_planes(const struct isa *isa, int c_in, ptrdiff_t lines, ptrdiff_t rows, ptrdiff_t pixels) {
    const ptrdiff_t unit = is_double ? 8 : 4;
    const struct strided a = grids(0, lines, c_in, rows, rows, 0, 1, 1), b = grids(1, 1, c_in, pixels, pixels, (int)any(3), 1, 1),
                         start = grids(2, 1, 1, lines * rows, lines * rows, 0, 1, 1),
                         c = grids(3, lines, rows, pixels, pixels, (int)any(3), 1, 0),
                         residual = grids(4, lines, rows, pixels, pixels, (int)any(3), 1, 1);
    const ptrdiff_t first = 1 + any((int)rows);
    struct tile_run t = {.tiles = first, .lines = lines, .depth = c_in, .columns = pixels, .start_by_row = 1};
    t.a = a.data, t.a_row = unit, t.a_k = a.row, t.a_line = a.tile, t.b = b.data, t.b_k = b.row;
    t.start = start.data, t.start_row = unit, t.start_line = rows * unit, t.c = c.data, t.c_row = c.row, t.c_line = c.tile;
    if (any(2)) t.residual = residual.data, t.residual_row = residual.row, t.residual_line = residual.tile;
    set_bounds(isa, &t);
    isa->real[is_double]->planes[c_in](&t);
    struct tile_run rest = t;
    rest.tiles = rows - first, rest.a += first * unit, rest.start += first * unit, rest.c += first * c.row;
    if (t.residual) rest.residual += first * residual.row;
    isa->real[is_double]->planes[c_in](&rest);
    for (ptrdiff_t line = 0; line < lines; line++)
        for (ptrdiff_t r = 0; r < rows; r++) {
            const char *at = t.c + line * t.c_line + r * t.c_row, *end = at + pixels * unit;
            const char *const next = line == lines - 1 && r == rows - 1 ? end : at + t.c_row;
            for (ptrdiff_t i = 0; i < pixels; i++) {
                double y = get(t.start + line * t.start_line + r * unit);
                for (ptrdiff_t k = 0; k < c_in; k++)
                    y = multiply_add(isa, get(t.a + line * t.a_line + k * t.a_k + r * unit), get(t.b + k * t.b_k + i * unit), y);
                if (t.residual) y = rounded(y + get(t.residual + line * t.residual_line + r * t.residual_row + i * unit));
                y = bounded(&t, y);
                const double got = get(at + i * unit);
                CHECK(isnan(y) ? isnan(got) : memcmp(&y, &got, sizeof y) == 0,
                      "%s, %d planes, row %td of band %td, pixel %td of %td: %g, not %g", isa->name, c_in, r, line, i, pixels, got, y);
            }
            for (; end < next; end++) CHECK(*(const unsigned char *)end == CANARY, "%s: a gap was written to", isa->name);
        }
}

/* Every count of pixels up to two whole rounds and every tail; and of channels where there are few outputs, short sums or planes. */
void check_mixes(const struct isa *isa) {
    enum { ROUNDS = 6 }; /* each with other bounds */
    for (is_double = 0; is_double < 2; is_double++) {
        const struct kernels *kernels = isa->real[is_double];
        for (ptrdiff_t pixels = 1; pixels < 2 * MAX_VECTORS * kernels->lanes; pixels++)
            for (int c_in = 1; c_in <= MOST_PLANES; c_in++)
                for (int i = 0; i < 2 && kernels->planes[c_in]; i++)
                    check_planes(isa, c_in, 1 + any(3), 1 + any(6), pixels);
        for (ptrdiff_t pixels = 0; pixels < 5 * kernels->lanes; pixels++) { /* two tiles of two vectors, and a tail */
            for (int c_in = 1; c_in <= FEW; c_in++)
                for (int c_out = 1; c_out <= FEW; c_out++)
                    for (int i = 0; i < ROUNDS && kernels->mix[c_in][c_out]; i++)
                        check_mix(isa, kernels->mix[c_in][c_out], c_in, c_out, pixels, c_out, 0, 0);
            for (int c_in = 1; c_in < 3 * kernels->lanes; c_in++)
                for (int c_out = 1; c_out <= MOST_FEW; c_out++)
                    if (kernels->few[c_out])
                        check_mix(isa, kernels->few[c_out], c_in, c_out, pixels, c_out, (int)any(3), 0);
            for (int c_in = 1; c_in < 3 * kernels->lanes; c_in++)
                for (int c_out = 1; c_out <= FEW; c_out++)
                    if (kernels->rest[c_out])
                        check_mix(isa, kernels->rest[c_out], c_in, c_out, pixels, c_out, (int)any(3), (int)any(9));
            for (int c_in = 1; c_in <= MOST_SHORT && pixels < 10; c_in++)
                for (int c_out = 1; c_out <= MAX_VECTORS * kernels->lanes; c_out++) {
                    const int V = (c_out + kernels->lanes - 1) / kernels->lanes;
                    const int half = 2 * (V * kernels->lanes - c_out) >= kernels->lanes;
                    if (kernels->shorts[half][c_in][V])
                        check_mix(isa, kernels->shorts[half][c_in][V], c_in, c_out, pixels, V * kernels->lanes, (int)any(3),
                                  (int)any(3));
                }
        }
    }
}

void check_tiles(const struct isa *isa) {
    enum { ROUNDS = 4 }; /* each with other depths, gaps and epilogues */
    for (is_double = 0; is_double < 2; is_double++) {
        const struct kernels *kernels = isa->real[is_double];
        for (int V = 1; V <= MAX_VECTORS; V++)
            for (int R = 1; R <= kernels->max_rows[V]; R++)
                for (int last = 1; last <= kernels->lanes; last++)
                    for (int i = 0; i < 2 * ROUNDS; i++) {
                        check_tile(isa, R, V, i % 2, last, 0);
                        if (last % (kernels->lanes / 2) == 0) check_tile(isa, R, V, 1, last, i % 2 ? 1 : MOST_LONE);
                    }
    }
}
