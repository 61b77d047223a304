/* What the loops know of an instruction set: one record, and the types of the two kernels in it. */
#ifndef PWCONV_ISA_H
#define PWCONV_ISA_H
#include <stddef.h>

enum { MAX_ROWS = 16, MAX_VECTORS = 4 };
enum { LOW = 1, HIGH = 2, RELU = 4 }; /* bounds: a low and a high one; or a low one of 0 alone, by vrelu (vec.h) */
enum { MOST_LONE = 4 };   /* columns beyond the vectors that a tile takes along: one or so many */
enum { FEW = 4 };       /* channels that mix.h takes, vectors that pick.h does */
enum { MOST_FEW = 12 };   /* outputs that few.h gives */
enum { MOST_BY_VECTORS = 6 }; /* of these that leave registers for whole vectors of x */
enum { LOW_SUMS = 16 };   /* vectors of sums in a low tile */
enum { MOST_SHORT = 14 }; /* terms of the sums of short.h */
enum { MOST_PLANES = 7 }; /* and of planes.h */

enum { LINE_BYTES = 64 };
/* Have the second-level cache fetch a line; the first level. */
#define PREFETCH(p) __builtin_prefetch(p, 0, 2)
#define PREFETCH_NEAR(p) __builtin_prefetch(p, 0, 3)
enum { NOWHERE, INTO_FIRST, INTO_SECOND }; /* where few.h prefetches to */
/* Pixels that lie a multiple of so many bytes apart evict each other from the first level (few.h). */
enum { EVICTING_BYTES = 2048 };
/* What the steps of a tile prefetch, if anything. STRIP: of x, into the first level, what comes STEPS_AHEAD later, also the
 * first rows of the strip that the next tile reads: nineteen layers in NCHW whose x is in the third level take 1.07 times as
 * long with a whole strip ahead and into the second level, 1.00 to 1.01 times with 8, 24 or 32 steps. BLOCK: a line of a walk
 * through the block after this one. Both, alone or together, also the weights that come ROWS_AHEAD later. FAR_STRIP: of x in
 * memory, each row, as much as a strip from FAR_AHEAD bytes behind it on, into the second level: 60 to 20 channels on 300×300
 * pixels take 1.2 times as long with STRIP; 25 layers of few outputs, NCHW, are 1.04 times as fast with 256 bytes as with none,
 * 103 to 9 channels on 293×293, whose rows lie across lines, 1.4 to 2.2 times (Zen 4). PIXELS: rows of x, into the first level,
 * of tiles one vector wide into the second. PANEL: these, and there the weights that come WEIGHTS_AHEAD later: thirteen layers
 * in NHWC whose panels are 48 KiB and more are 1.05 times as fast, 256 to 64 channels on 56×56 pixels 1.13 times; in a small
 * program 2 to 12 steps are within 2 %, and every second line gives a third of it. PANELS: these, and the next panel into the
 * second level, all of it, for as few as two tiles: 4096 channels on 5×5 pixels, NHWC, are 1.3 times as fast as with a line in
 * two steps, 2048 on ten pixels 1.3 to 1.6 times (Zen 4). Where x lies by rows, as slices of panels stay in the first level,
 * only x and the next panel. */
enum { NOTHING, STRIP, FAR_STRIP, BLOCK, STRIP_AND_BLOCK, PIXELS, PANEL, PANELS };
enum { FAR_AHEAD = 256 }; /* bytes */
enum { STEPS_AHEAD = 16, WEIGHTS_AHEAD = 4 };
enum { ROWS_AHEAD = 256 }; /* bytes; four layers with deep strips in place are 1.02 times as fast, nine others 1.00 */

/* Lines that the second level fetches beside a tile's own work: from `at` on, `step` bytes apart, up to `end`, then `runs` more
 * such runs, `next` bytes apart; `jump` leads from the end of one to the begin of another. Tiles go on with it one after the
 * other; at the last line step becomes 0. */
struct walk {
    const char *at, *end;
    ptrdiff_t step, next, jump, runs;
};

/* Tiles in a line, each R rows × V vectors of outputs (tile.h), or in lines side by side. Every stride is in bytes. */
struct tile_run {
    ptrdiff_t tiles; /* in a line; from one to the next the operands move by their *_tile */
    ptrdiff_t lines; /* the first tiles of all come first, then the second ones; from line to line operands move by *_line */
    ptrdiff_t a_line, b_line, start_line, c_line, residual_line;
    ptrdiff_t depth;   /* terms of each sum */
    ptrdiff_t columns; /* columns of a tile that are stored: (V-1)·lanes < columns <= V·lanes; lone ones come on top */
    const char *a;     /* row operand, broadcast; either a_row or a_k is the size of an element (which: a_rows_unit) */
    ptrdiff_t a_row, a_k, a_tile;
    const char *b; /* column operand */
    ptrdiff_t b_k, b_tile;
    int b_whole; /* its vectors are whole, also where columns are not */
    char *keep;  /* where tiles of one line that prefetches STRIP copy b to, in whole vectors, lone columns behind them; or NULL */
    ptrdiff_t keep_tile;
    /* what the sums start from: an element for each row, side by side, or rows of columns (start_row 0: alike) */
    const char *start;
    ptrdiff_t start_row, start_tile;
    int start_by_row;
    int pixel_vectors;     /* that few.h takes side by side, at most */
    ptrdiff_t ahead_lines; /* lines whose steps prefetch, the first ones; vectors of pixels ahead that few.h does */
    int ahead;             /* what */
    /* and where: rows of a from a_ahead bytes after the tile's own on, a_ahead_k further at each (where rows lie side by side,
     * as a moves), but none of x behind a_end; a panel from b_ahead on, b_ahead_k further in a step; a block as `walk` says. A
     * prefetch where nothing is mapped takes 40 ns: 480 to 16 channels on 14×14 pixels, NHWC, take 1.1 times as long where such
     * memory follows x. */
    ptrdiff_t a_ahead, a_ahead_k;
    const char *a_end;
    const char *b_ahead;
    ptrdiff_t b_ahead_k, b_ahead_tile, b_ahead_line;
    struct walk *walk;
    char *c;
    ptrdiff_t c_row, c_tile;
    const char *residual; /* added after the sum; NULL for none */
    ptrdiff_t residual_row, residual_tile;
    const void *clamp; /* low, high, zero as elements (vec.h) */
    int bounded;       /* which bounds there are */
};
typedef void (*tile_kernel)(const struct tile_run *);

/* dst[i·d0 + j·d1] = src[i·s0 + j·s1] for i < n0, j < n1: strides in bytes, any alignment. */
typedef void (*copy_kernel)(char *dst, ptrdiff_t d0, ptrdiff_t d1, const char *src, ptrdiff_t s0, ptrdiff_t s1,
                            ptrdiff_t n0, ptrdiff_t n1);

struct kernels {
    int lanes;
    int max_rows[MAX_VECTORS + 1]; /* the tallest tile for a number of vectors */
    /* [up to half of the last vector counts][a_rows_unit][R][V] */
    tile_kernel tile[2][2][MAX_ROWS + 1][MAX_VECTORS + 1];
    /* [half of the last vector][MOST_LONE beyond it, or one][R][V] where a's rows lie side by side (tile.h: LONE), or NULL */
    tile_kernel lone[2][2][MAX_ROWS + 1][MAX_VECTORS + 1];
    tile_kernel mix[FEW + 1][FEW + 1]; /* [c_in][c_out] of pixels in a row (mix.h), or NULL */
    tile_kernel few[MOST_FEW + 1];     /* [c_out] of pixels whose channels lie side by side (few.h), or NULL */
    tile_kernel rest[FEW + 1];         /* [c_out] of these, the last of more (few.h), or NULL */
    tile_kernel shorts[2][MOST_SHORT + 1][MAX_VECTORS + 1]; /* [up to half…][c_in][V] (short.h), or NULL */
    tile_kernel planes[MOST_PLANES + 1]; /* [c_in] of channels that are planes (planes.h) */
    copy_kernel copy;
};

/* What an instruction set can do at most (peak.h). */
struct peak {
    int flops; /* of one step of multiply_adds */
    float (*multiply_adds)(ptrdiff_t steps);
    void (*copy[2])(char *to, const char *from, size_t bytes); /* stores through the caches, and past them */
};

struct isa {
    const char *name;
    int fma;                       /* sums are chains of fused multiply-adds */
    int panel_vectors;             /* widest weight panel, in vectors */
    int strip_vectors;             /* strip of pixels that the bands of weights are made for, in vectors */
    double fma_cycles;             /* of a vector FMA, when many are under way; cpu.c corrects it for this processor */
    int relu;                      /* the code for a low bound of 0 alone: RELU or LOW; cpu.c corrects it likewise */
    const struct kernels *real[2]; /* float32, float64 */
    const struct peak *peak;
};

/* The sets that this processor and its operating system run, best first; NULL ends them. */
const struct isa *const *available_isas(void);

/* Bytes of the caches that a core has to itself: this machine's, or where it does not tell, those of a small one. */
ptrdiff_t first_level(void);
ptrdiff_t second_level(void);

/* Rows of x, each in pages of its own, that few bands read from memory at a time, at most. */
ptrdiff_t far_streams(void);

#define KNOWN_ISAS "avx512 avx2 baseline"

/* A copy that converts from NumPy's numbers of a kind ('b', 'i', 'u', 'f') and size in bytes, swapped or not, at any
 * address, to float32 or float64; NULL if there is none. */
copy_kernel converter(char kind, int size, int swapped, int to_double);

/* What one thread reaches within some seconds: float32 operations per second, two for a multiply-add; and bytes read and
 * written per second by copies within a working set, -1 for want of memory. */
double peak_flops(const struct isa *, double seconds);
double copy_bandwidth(const struct isa *, size_t bytes, double seconds);

#endif
