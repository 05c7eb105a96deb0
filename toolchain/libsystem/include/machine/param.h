/* Alignment on this machine. */
#pragma once

#define ALIGNBYTES (sizeof(unsigned long) - 1)
#define ALIGN(p)   (((unsigned long)(p) + ALIGNBYTES) & ~ALIGNBYTES)
