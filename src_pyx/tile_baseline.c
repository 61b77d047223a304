/* What every processor of the target has: SSE2 on x86-64, NEON on aarch64. */
#define ISA baseline
#include "kernels.h"
