/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory that is there: a plugin that runs out of it cannot go on. */
#pragma once

#include <stdio.h>
#include <stdlib.h>

/* Zeroed. */
static inline void *
memory_get(size_t count, size_t size)
{
	void *memory = calloc(count, size);

	if (memory == NULL) {
		fputs("pluot plugin: out of memory\n", stderr);
		abort();
	}
	return memory;
}
