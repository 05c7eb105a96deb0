/* The kernel's zones, as mach_zone_info tells them. */
#pragma once

#include <stdint.h>

#define ZONE_NAME_MAX_LEN 80

typedef struct mach_zone_name {
	char mzn_name[ZONE_NAME_MAX_LEN];
} mach_zone_name_t;

typedef mach_zone_name_t *mach_zone_name_array_t;

typedef struct mach_zone_info_data {
	uint64_t mzi_count;       /* elements in use */
	uint64_t mzi_cur_size;    /* bytes of memory */
	uint64_t mzi_max_size;    /* 0: no limit */
	uint64_t mzi_elem_size;   /* bytes of an element */
	uint64_t mzi_alloc_size;  /* bytes by which it grows */
	uint64_t mzi_sum_size;    /* bytes of all elements ever handed out */
	uint64_t mzi_exhaustible; /* allocation fails at the limit */
	uint64_t mzi_collectable; /* memory goes back */
} mach_zone_info_t;

typedef mach_zone_info_t *mach_zone_info_array_t;
