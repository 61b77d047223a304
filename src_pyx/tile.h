/* What follows the sums of a tile. In the common cases the last three arguments are constants of the caller, so that
 * nothing is asked for each vector. acc has a constant size: gcc keeps an array of size [R][V] in memory. */
INLINE void NAME(finish)(const int R, const int V, const struct tile_run *t, vec acc[MAX_ROWS][MAX_VECTORS], char *c, const char *residual, int last,
                         const int bounded) {
    const REAL *clamp = t->clamp;
    const vec low = vset1((const char *)clamp), high = vset1((const char *)(clamp + 1)), zero = vset1((const char *)(clamp + 2));
    UNROLL for (int r = 0; r < R; r++) UNROLL for (int v = 0; v < V; v++) {
        const int whole = v < V - 1 || last == LANES;
        char *to = c + r * t->c_row + v * sizeof(vec);
        vec y = acc[r][v];
        if (residual) {
            const char *p = residual + r * t->residual_row + v * sizeof(vec);
            y += whole ? vload(p) : vload_n(p, last);
        }
        if (bounded & RELU) y = vrelu(y);
        if (bounded & LOW) y = vabove(y, low, zero);
        if (bounded & HIGH) y = vbelow(y, high, zero);
        if (whole) vstore(to, y);
        else vstore_n(to, y, last);
    }
}

/* THE register tile: R rows × V vectors of outputs, each the chain of fused multiply-adds over k = 0 … depth-1 in order,
 *
 *     c[r][v] = clamp(start[r][v] + Σ_k a[r][k]·b[k][v] + residual[r][v])
 *
 * R and V are constants of the caller, so that acc and bk are registers. A_ROWS_UNIT: the rows of a lie side by side. */
INLINE void NAME(tile)(const int R, const int V, const int A_ROWS_UNIT, const struct tile_run *t, const char *a,
                       const char *b, const char *start, char *c, const char *residual, const char *x_ahead, const char *weights_ahead) {
    const ptrdiff_t unit = sizeof(REAL), a_row = A_ROWS_UNIT ? unit : t->a_row, a_k = A_ROWS_UNIT ? t->a_k : unit;
    const int last = (int)t->columns - (V - 1) * LANES; /* lanes of the last vector that count */
    vec acc[MAX_ROWS][MAX_VECTORS], bk[MAX_VECTORS];

    if (t->start_by_row)
        UNROLL for (int r = 0; r < R; r++) UNROLL for (int v = 0; v < V; v++) acc[r][v] = vset1(start + r * unit);
    else
        UNROLL for (int r = 0; r < R; r++) UNROLL for (int v = 0; v < V; v++) {
            const char *p = start + r * t->start_row + v * sizeof(vec);
            acc[r][v] = v < V - 1 || last == LANES ? vload(p) : vload_n(p, last);
        }

    /* Rows are reached from three pointers and the strides ·1, ·2, ·3, ·4: x86 has too few registers for one each. */
    const char *a5 = a + 5 * a_row, *a10 = a + 10 * a_row;
    const ptrdiff_t a_row3 = 3 * a_row;
    /* What is soon to be read comes nearer while this tile computes: x of a later tile, weights of the next panel.
     * Columns: the line of each vector's last byte; that of the first came with the tile before, aligned or not. */
    for (ptrdiff_t k = t->depth; k > 0; k--) {
        if (A_ROWS_UNIT) {
            UNROLL for (int v = 0; v < V; v++) if (v * sizeof(vec) % 64 == 0) __builtin_prefetch(x_ahead + v * t->x_ahead_vector + 63, 0, 2);
            x_ahead += t->b_k, weights_ahead += t->a_k;
        } else {
            __builtin_prefetch(x_ahead, 0, 2);
            x_ahead += 64, weights_ahead += t->b_k;
        }
        __builtin_prefetch(weights_ahead, 0, 2);
        UNROLL for (int v = 0; v < V - 1; v++) bk[v] = vload(b + v * sizeof(vec));
        bk[V - 1] = vload_last(b + (V - 1) * sizeof(vec), last);
        UNROLL for (int r = 0; r < R; r++) {
            const char *from = r < 5 || A_ROWS_UNIT ? a : r < 10 ? a5 : r < 15 ? a10 : a10 + 5 * a_row;
            const int step = A_ROWS_UNIT ? r : r % 5;
            const vec ar = vset1(from + (step == 3 ? a_row3 : step * a_row));
            UNROLL for (int v = 0; v < V; v++) acc[r][v] = vfma(ar, bk[v], acc[r][v]);
        }
        a += a_k, a5 += a_k, a10 += a_k, b += t->b_k;
    }

    if (!residual && last == LANES && t->bounded == RELU)
        NAME(finish)(R, V, t, acc, c, NULL, LANES, RELU);
    else if (!residual && last == LANES && !t->bounded)
        NAME(finish)(R, V, t, acc, c, NULL, LANES, 0);
    else
        NAME(finish)(R, V, t, acc, c, residual, last, t->bounded);
}
