/*
 * Flags of zones and allocations; shared by the kernel interface (<kern/zalloc.h>) and the algorithm.
 */
#pragma once

/* Creation. */
#define ZC_NONE       0x0U
#define ZC_TYPESTABLE 0x1U /* memory never leaves the zone */
#define ZC_NOMAG      0x2U /* no magazines: few, large or early objects */
#define ZC_FRESH_ZERO 0x4U /* an element is zero before its first use: for what outlives the objects in it */

/* Allocation. */
#define Z_WAITOK 0x0U
#define Z_NOWAIT 0x1U /* NULL rather than wait */
#define Z_ZERO   0x2U /* element is cleared */
#define Z_NOFAIL 0x4U /* panics rather than return NULL: for objects without which nothing can go on */
#define Z_WAIT   0x8U /* waits while memory is short for a moment: see zalloc_wait */
