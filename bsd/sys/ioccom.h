/* How an ioctl request is put together: direction, size of the argument, group, number. */
#pragma once

#include <sys/types.h>

#define IOCPARM_MASK         0x1fff
#define IOCPARM_LEN(request) (((request) >> 16) & IOCPARM_MASK)
#define IOCGROUP(request)    (((request) >> 8) & 0xff)
#define IOC_VOID             0x20000000U
#define IOC_OUT              0x40000000U
#define IOC_IN               0x80000000U
#define IOC_INOUT            (IOC_IN | IOC_OUT)

#define _IOC(dir, group, num, len) ((dir) | (((uint32_t)(len) & IOCPARM_MASK) << 16) | ((group) << 8) | (num))
#define _IO(group, num)            _IOC(IOC_VOID, (group), (num), 0)
#define _IOR(group, num, type)     _IOC(IOC_OUT, (group), (num), sizeof(type))
#define _IOW(group, num, type)     _IOC(IOC_IN, (group), (num), sizeof(type))
#define _IOWR(group, num, type)    _IOC(IOC_INOUT, (group), (num), sizeof(type))
