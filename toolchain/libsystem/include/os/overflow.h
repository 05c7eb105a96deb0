/* Arithmetic that says when it overflowed: true, and *res holds the wrapped value. */
#pragma once

#include <os/base.h>

#define os_add_overflow(a, b, res) __builtin_add_overflow((a), (b), (res))
#define os_sub_overflow(a, b, res) __builtin_sub_overflow((a), (b), (res))
#define os_mul_overflow(a, b, res) __builtin_mul_overflow((a), (b), (res))
#define os_add3_overflow(a, b, c, res)                           \
	__extension__({                                          \
		__typeof__(*(res)) _sum;                         \
		int _first = os_add_overflow((a), (b), &_sum);   \
		int _second = os_add_overflow(_sum, (c), (res)); \
		_first | _second;                                \
	})
#define os_mul_and_add_overflow(a, x, b, res)                        \
	__extension__({                                              \
		__typeof__(*(res)) _product;                         \
		int _first = os_mul_overflow((a), (x), &_product);   \
		int _second = os_add_overflow(_product, (b), (res)); \
		_first | _second;                                    \
	})
#define os_convert_overflow(a, res) os_add_overflow((a), 0, (res))
