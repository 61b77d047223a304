/* The kernels for one element type: tiles of every height up to the registers' limit, R·V accumulators + V + 1 in all. */
#include "vec.h"
#include "tile.h"
#include "pick.h"
#include "copy.h"
#include "mix.h"

#define TILE(R, V)                                                                                              \
    static void NAME(tile_##R##x##V##_rows)(const struct tile_run *t) { NAME(tiles)(R, V, 1, t); }              \
    static void NAME(tile_##R##x##V##_depth)(const struct tile_run *t) { NAME(tiles)(R, V, 0, t); }

INLINE void NAME(tiles)(const int R, const int V, const int A_ROWS_UNIT, const struct tile_run *t) {
    const char *a = t->a, *b = t->b, *start = t->start, *residual = t->residual;
    const char *b_ahead = t->b_ahead;
    char *c = t->c;
    for (ptrdiff_t i = 0; i < t->tiles; i++) {
        for (ptrdiff_t j = 0; j < t->lines; j++)
            NAME(tile)(R, V, A_ROWS_UNIT, t, a + j * t->a_line, b + j * t->b_line, start + j * t->start_line, c + j * t->c_line,
                       residual ? residual + j * t->residual_line : NULL, b_ahead + j * t->b_ahead_line);
        a += t->a_tile, b += t->b_tile, b_ahead += t->b_ahead_tile, start += t->start_tile, c += t->c_tile;
        if (residual) residual += t->residual_tile;
    }
}

#define UP_TO_2(X, V) X(1, V) X(2, V)
#define UP_TO_4(X, V) UP_TO_2(X, V) X(3, V) X(4, V)
#define UP_TO_6(X, V) UP_TO_4(X, V) X(5, V) X(6, V)
#define UP_TO_9(X, V) UP_TO_6(X, V) X(7, V) X(8, V) X(9, V)
#define UP_TO_12(X, V) UP_TO_9(X, V) X(10, V) X(11, V) X(12, V)
#define UP_TO_14(X, V) UP_TO_12(X, V) X(13, V) X(14, V)
#define UP_TO_16(X, V) UP_TO_14(X, V) X(15, V) X(16, V)
#if VREGS == 32
#define TILES(X) UP_TO_16(X, 1) UP_TO_14(X, 2) UP_TO_9(X, 3) UP_TO_6(X, 4)
#define TALLEST {0, 16, 14, 9, 6}
#else
#define TILES(X) UP_TO_12(X, 1) UP_TO_6(X, 2) UP_TO_4(X, 3) UP_TO_2(X, 4)
#define TALLEST {0, 12, 6, 4, 2}
#endif
TILES(TILE)

#define BY_ROWS(R, V) [R][V] = NAME(tile_##R##x##V##_rows),
#define BY_DEPTH(R, V) [R][V] = NAME(tile_##R##x##V##_depth),
static const struct kernels NAME(kernels) = {
    .lanes = LANES,
    .max_rows = TALLEST,
    .tile = {[0] = {TILES(BY_DEPTH)}, [1] = {TILES(BY_ROWS)}},
#ifdef HAS_PICK
    .mix = {MIXES(MIX_ENTRY)},
#endif
    .copy = NAME(copy),
};
