/* Byte order; nothing here depends on the machine. */
#pragma once

#include <libkern/OSByteOrder.h>
