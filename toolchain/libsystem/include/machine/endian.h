/* Byte order of this machine, and of networks. */
#pragma once

#include <stdint.h>

#define _QUAD_HIGHWORD 1
#define _QUAD_LOWWORD  0
#define LITTLE_ENDIAN  1234
#define BIG_ENDIAN     4321
#define PDP_ENDIAN     3412
#define BYTE_ORDER     LITTLE_ENDIAN

#define ntohs(x)  ((uint16_t)__builtin_bswap16((uint16_t)(x)))
#define htons(x)  ((uint16_t)__builtin_bswap16((uint16_t)(x)))
#define ntohl(x)  ((uint32_t)__builtin_bswap32((uint32_t)(x)))
#define htonl(x)  ((uint32_t)__builtin_bswap32((uint32_t)(x)))
#define ntohll(x) ((uint64_t)__builtin_bswap64((uint64_t)(x)))
#define htonll(x) ((uint64_t)__builtin_bswap64((uint64_t)(x)))
