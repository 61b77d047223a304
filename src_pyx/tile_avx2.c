/* AVX2 with FMA: 16 registers of 32 bytes. */
#define ISA avx2
#include "kernels.h"
