/* The kernels for one element type: tiles of every height up to the registers' limit, R·V accumulators + V + 1 in all; and some
 * that take columns along. */
#include "vec.h"
#include "bounds.h"
#include "tile.h"
#include "pick.h"
#include "copy.h"
#include "spread.h"
#include "mix.h"
#include "few.h"
#include "short.h"
#include "planes.h"

#define TILE_OF(R, V, KIND, HALF)                                                                               \
    static void NAME(tile_##R##x##V##KIND##_rows)(const struct tile_run *t) { NAME(tiles)(R, V, HALF, 0, 1, t); } \
    static void NAME(tile_##R##x##V##KIND##_depth)(const struct tile_run *t) { NAME(tiles)(R, V, HALF, 0, 0, t); }
#define TILE(R, V) TILE_OF(R, V, , 0)
#define HALF_TILE(R, V) TILE_OF(R, V, _half, 1)

INLINE void NAME(tiles)(const int R, const int V, const int HALF, const int LONE, const int A_ROWS_UNIT, const struct tile_run *t) {
    const char *a = t->a, *b = t->b, *b_ahead = t->b_ahead, *start = t->start, *residual = t->residual;
    char *c = t->c, *keep = t->keep;
    /* from a tile of the last line to the next one of the first; added up anew for each tile it costs 2 % with 16 channels */
    const ptrdiff_t back = t->lines - 1, a_next = t->a_tile - back * t->a_line, b_next = t->b_tile - back * t->b_line,
                    b_ahead_next = t->b_ahead_tile - back * t->b_ahead_line, start_next = t->start_tile - back * t->start_line,
                    c_next = t->c_tile - back * t->c_line, residual_next = t->residual_tile - back * t->residual_line;
    /* lines before which the next tile to read what this one prefetches goes along the same strip */
    const ptrdiff_t same_strip = (t->ahead_lines < t->lines ? t->ahead_lines : t->lines) - 1;
    for (ptrdiff_t i = 0, line = 0; i < t->tiles;) {
        NAME(tile)(R, V, HALF, LONE, A_ROWS_UNIT, t, a, b, start, c, residual, line < same_strip ? b : b + t->b_tile, b_ahead,
                   line < t->ahead_lines ? t->ahead : NOTHING, keep);
        if (line < back) {
            line++;
            a += t->a_line, b += t->b_line, b_ahead += t->b_ahead_line, start += t->start_line, c += t->c_line;
            if (residual) residual += t->residual_line;
        } else {
            line = 0, i++;
            a += a_next, b += b_next, b_ahead += b_ahead_next, start += start_next, c += c_next;
            if (residual) residual += residual_next;
            if (keep) keep += t->keep_tile;
        }
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
#undef HALF_BY_ROWS
#undef HALF_BY_DEPTH
#if HAS_HALF
TILES(HALF_TILE)
#define HALF_BY_ROWS(R, V) [R][V] = NAME(tile_##R##x##V##_half_rows),
#define HALF_BY_DEPTH(R, V) [R][V] = NAME(tile_##R##x##V##_half_depth),
#else
#define HALF_BY_ROWS BY_ROWS
#define HALF_BY_DEPTH BY_DEPTH
#endif

/* Those that take one column along beyond their vectors, or four: squares exceed multiples of 8 by as many (of 4, the half of a
 * vector of doubles, by one). As high as many bands are; a vector holds the rows, and sums leave registers for it. */
#undef LONES
#undef LONES_OF_4
#define FROM_4_TO_6(X, V) X(4, V) X(5, V) X(6, V)
#define FROM_4_TO_8(X, V) FROM_4_TO_6(X, V) X(7, V) X(8, V)
#if HAS_HALF
#define LONES(X) FROM_4_TO_8(X, 1) FROM_4_TO_8(X, 2) FROM_4_TO_8(X, 3) FROM_4_TO_6(X, 4)
#elif defined(__AVX2__) && !defined(REAL_IS_DOUBLE)
#define LONES(X) FROM_4_TO_6(X, 1) FROM_4_TO_6(X, 2)
#else
#define LONES(X)
#endif
#if HAS_HALF && !defined(REAL_IS_DOUBLE)
#define LONES_OF_4(X) FROM_4_TO_8(X, 1) FROM_4_TO_8(X, 2) FROM_4_TO_6(X, 3)
#else
#define LONES_OF_4(X)
#endif
#define LONE_OF(R, V, KIND, HALF, N) \
    static void NAME(tile_##R##x##V##KIND##_lone##N)(const struct tile_run *t) { NAME(tiles)(R, V, HALF, N, 1, t); }
#define LONE_1(R, V) LONE_OF(R, V, , 0, 1)
#define LONE_4(R, V) LONE_OF(R, V, , 0, 4)
LONES(LONE_1)
LONES_OF_4(LONE_4)
#define LONE_1_ENTRY(R, V) [R][V] = NAME(tile_##R##x##V##_lone1),
#define LONE_4_ENTRY(R, V) [R][V] = NAME(tile_##R##x##V##_lone4),
#if HAS_HALF
#define HALF_LONE_1(R, V) LONE_OF(R, V, _half, 1, 1)
#define HALF_LONE_4(R, V) LONE_OF(R, V, _half, 1, 4)
LONES(HALF_LONE_1)
LONES_OF_4(HALF_LONE_4)
#define HALF_LONE_1_ENTRY(R, V) [R][V] = NAME(tile_##R##x##V##_half_lone1),
#define HALF_LONE_4_ENTRY(R, V) [R][V] = NAME(tile_##R##x##V##_half_lone4),
#else /* the plan has none: a vector is no cheaper in part */
#define HALF_LONE_1_ENTRY(R, V)
#define HALF_LONE_4_ENTRY(R, V)
#endif

const struct kernels NAME(kernels) = {
    .lanes = LANES,
    .max_rows = TALLEST,
    .tile = {{{TILES(BY_DEPTH)}, {TILES(BY_ROWS)}}, {{TILES(HALF_BY_DEPTH)}, {TILES(HALF_BY_ROWS)}}},
    .lone = {{{LONES(LONE_1_ENTRY)}, {LONES_OF_4(LONE_4_ENTRY)}}, {{LONES(HALF_LONE_1_ENTRY)}, {LONES_OF_4(HALF_LONE_4_ENTRY)}}},
#ifdef HAS_PICK
    .mix = {MIXES(MIX_ENTRY)},
    .few = {[1] = NAME(few_1), FEWS(FEW_ENTRY)},
    .rest = {RESTS(REST_ENTRY)},
#else
    .few = {[1] = NAME(few_1)},
#endif
    .shorts = {{SHORTS(SHORT_ENTRY)}, {SHORTS(HALF_SHORT_ENTRY)}},
    .planes = {PLANES(PLANES_ENTRY)},
    .copy = NAME(copy),
};
