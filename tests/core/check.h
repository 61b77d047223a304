/* What the parts of the driver share: memory whose edges are watched, numbers, and failures. */
#ifndef PWCONV_CHECK_H
#define PWCONV_CHECK_H
#include <stddef.h>
#include <stdint.h>
#include "isa.h"

/* Ends the process with a message, as a sanitizer does. */
#define CHECK(condition, ...) ((condition) ? (void)0 : fail(__FILE__, __LINE__, #condition, __VA_ARGS__))
_Noreturn void fail(const char *file, int line, const char *condition, const char *format, ...);

/* Where blocks of memory lie. HEAP: in blocks of their exact size, for sanitizers and valgrind. AT_START and AT_END: their
 * first or last byte against a page that may not be touched, for masked loads and stores, which gcc's sanitizers do not see. */
enum place { HEAP, AT_START, AT_END };
extern enum place place;

/* `bytes` bytes as number `slot` of a handful, all CANARY; what the slot held before is given back. */
enum { SLOTS = 7, CANARY = 0xA5 };
char *block(int slot, size_t bytes);

uint32_t any(uint32_t below); /* the same sequence in every run */
double any_real(void);        /* between -2 and 2 */

void check_tiles(const struct isa *);
void check_mixes(const struct isa *);
void check_copies(const struct isa *);
void check_converters(void);
void check_peak(const struct isa *);
void check_team(void);
#endif
