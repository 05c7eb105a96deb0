/* One bucket of a hash table. */
#pragma once

#include <mach/vm_types.h>

typedef struct hash_info_bucket {
	natural_t hib_count; /* records in it */
} hash_info_bucket_t;

typedef hash_info_bucket_t *hash_info_bucket_array_t;
