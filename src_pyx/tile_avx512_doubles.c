/* Its kernels for doubles: each of the two files takes a minute to compile. */
#define ISA avx512
#define DOUBLES_ALONE
#include "kernels.h"
