/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the unit tests of this folder are made of: a condition that ends the program when it does not hold. */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                                \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			exit(1);                                                        \
		}                                                                       \
	} while (0)
