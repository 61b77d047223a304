/* AVX-512 VL: 32 registers of 32 bytes, for few outputs, and for processors that compute 64 bytes in two halves. */
#define ISA avx512_narrow
#define NARROW
#include "kernels.h"
