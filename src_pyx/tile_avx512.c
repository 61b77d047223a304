/* AVX-512 F, BW, DQ, VL: 32 registers of 64 bytes. */
#define ISA avx512
#define DOUBLES_APART
#include "kernels.h"
