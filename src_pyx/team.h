/* Work shared out to threads: a small pool that belongs to this module. */
#ifndef PWCONV_TEAM_H
#define PWCONV_TEAM_H
#include <stddef.h>

enum { MAX_TEAM = 256 };

/* Task `number` done by member 0 … team-1 of the team; every member is one thread. */
typedef void (*team_task)(void *context, int member, ptrdiff_t number);

/* Tasks first … last-1 done by a team of at most `members` threads, the caller among them: all done on return. small: they
 * take no longer than it takes to wake a thread. */
void run_team(int members, int small, ptrdiff_t first, ptrdiff_t last, team_task task, void *context);

/* Once, before the first fork: 0 if all is well. */
int init_team(void);
#endif
