/* Runs the C core without Python, so that sanitizers and valgrind see nothing else.
 *
 *     driver [heap|start|end|team] ...     where blocks lie, and teams; no argument: all of them
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "check.h"

enum place place;

void fail(const char *file, int line, const char *condition, const char *format, ...) {
    va_list arguments;
    fprintf(stderr, "%s:%d: not so: %s: ", file, line, condition);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    _exit(1);
}

static char *guarded(int slot, size_t bytes) {
    enum { PAGE = 4096, SIZE = 1 << 21 };
    static char *memory[SLOTS];
    CHECK(bytes <= SIZE, "%zu bytes", bytes);
    if (!memory[slot]) {
        memory[slot] = mmap(NULL, SIZE + 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(memory[slot] != MAP_FAILED, "no memory");
        CHECK(mprotect(memory[slot], PAGE, PROT_NONE) == 0 && mprotect(memory[slot] + PAGE + SIZE, PAGE, PROT_NONE) == 0,
              "no guard");
    }
    return memory[slot] + PAGE + (place == AT_START ? 0 : SIZE - bytes);
}

static char *heap(int slot, size_t bytes) {
    static char *memory[SLOTS];
    free(memory[slot]);
    memory[slot] = malloc(bytes);
    CHECK(memory[slot] || !bytes, "no memory");
    return memory[slot];
}

char *block(int slot, size_t bytes) {
    char *memory = place == HEAP ? heap(slot, bytes) : guarded(slot, bytes);
    if (bytes) memset(memory, CANARY, bytes);
    return memory;
}

static uint64_t state;

uint32_t any(uint32_t below) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((state >> 33) % below);
}

double any_real(void) { return (double)any(1u << 30) / (1u << 28) - 2; }

static void check_kernels(void) {
    static const char *const names[] = {"heap", "start", "end"};
    const struct isa *const *isa = available_isas();
    state = 0;
    printf("kernels, %s:", names[place]);
    for (; *isa; isa++) {
        printf(" %s", (*isa)->name);
        fflush(stdout);
        check_tiles(*isa), check_mixes(*isa), check_copies(*isa), check_peak(*isa);
    }
    printf(" converters\n");
    check_converters();
}

static void say_what_is_missing(void) {
    char known[] = KNOWN_ISAS;
    for (char *name = strtok(known, " "); name; name = strtok(NULL, " ")) {
        const struct isa *const *isa = available_isas();
        while (*isa && strcmp((*isa)->name, name)) isa++;
        if (!*isa) printf("SKIPPED: this processor, or what imitates it, has no %s\n", name);
    }
}

int main(int count, char **arguments) {
    int asked[5] = {count == 1, count == 1, count == 1, count == 1};
    static const char *const what[] = {"heap", "start", "end", "team"};
    for (int i = 1; i < count; i++)
        for (int j = 0; j < 4; j++) asked[j] |= strcmp(arguments[i], what[j]) == 0;
    if (asked[0] || asked[1] || asked[2]) say_what_is_missing();
    for (int i = 0; i < 3; i++)
        if (asked[i]) place = (enum place)i, check_kernels();
    if (asked[3]) {
        printf("team\n");
        fflush(stdout);
        check_team();
    }
    return 0;
}
