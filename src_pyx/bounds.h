/* The bounds of outputs, for kernels that apply them to a vector at a time; tiles have an end of their own (tile.h: finish). */
struct NAME(bounds) {
    vec low, high, zero;
};
INLINE struct NAME(bounds) NAME(bounds_of)(const struct tile_run *t) {
    const REAL *clamp = t->clamp;
    return (struct NAME(bounds)){vset1((const char *)clamp), vset1((const char *)(clamp + 1)), vset1((const char *)(clamp + 2))};
}
INLINE vec NAME(within)(int bounded, const struct NAME(bounds) *bounds, vec y) {
    if (HAS_RELU && bounded == RELU) return vrelu(y);
    if (bounded & LOW) y = vabove(y, bounds->low);
    if (bounded & HIGH) y = vbelow(y, bounds->high);
    if (bounded) y += bounds->zero;
    return y;
}
/* The code for t's bounds. */
#undef BY_BOUNDS
#define BY_BOUNDS(CODE) \
    if (t->bounded == 0) CODE(0); \
    else if (t->bounded == LOW) CODE(LOW); \
    else if (HAS_RELU && t->bounded == RELU) CODE(RELU); \
    else CODE(t->bounded);
