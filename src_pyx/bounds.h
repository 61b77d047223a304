/* The bounds of outputs, a vector at a time; the vectors of tiles have an end of their own (tile.h: finish). */
struct NAME(bounds) {
    vec low, high, zero;
};
INLINE struct NAME(bounds) NAME(bounds_of)(const struct tile_run *t) {
    const REAL *clamp = t->clamp;
    return (struct NAME(bounds)){vset1((const char *)clamp), vset1((const char *)(clamp + 1)), vset1((const char *)(clamp + 2))};
}
/* HALF: of the first half of the lanes. */
INLINE vec NAME(within)(const int HALF, int bounded, const struct NAME(bounds) *bounds, vec y) {
    if (HAS_RELU && bounded == RELU) return vrelu(y);
    if (bounded & LOW) y = HALF ? vabove_half(y, bounds->low) : vabove(y, bounds->low);
    if (bounded & HIGH) y = HALF ? vbelow_half(y, bounds->high) : vbelow(y, bounds->high);
    if (bounded) y = HALF ? vadd_half(y, bounds->zero) : (vec)(y + bounds->zero);
    return y;
}
/* The code for t's bounds. */
#undef BY_BOUNDS
#define BY_BOUNDS(CODE) \
    if (t->bounded == 0) CODE(0); \
    else if (t->bounded == LOW) CODE(LOW); \
    else if (HAS_RELU && t->bounded == RELU) CODE(RELU); \
    else CODE(t->bounded);
