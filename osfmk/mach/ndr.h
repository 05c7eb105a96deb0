/* The eight bytes that describe the data of a MIG message: little-endian, ASCII, IEEE. */
#pragma once

typedef struct {
	unsigned char mig_vers;
	unsigned char if_vers;
	unsigned char reserved1;
	unsigned char mig_encoding;
	unsigned char int_rep;
	unsigned char char_rep;
	unsigned char float_rep;
	unsigned char reserved2;
} NDR_record_t;

#define NDR_RECORD_INIT { .int_rep = 1 }

_Static_assert(sizeof(NDR_record_t) == 8, "NDR_record_t");

#ifndef KERNEL
extern const NDR_record_t NDR_record;
#endif
