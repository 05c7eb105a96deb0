/*
 * Formatted output into memory: the conversions that a kernel prints. See printf.c for what is understood.
 */
#pragma once

#include <os/base.h>
#include <stdarg.h>

int snprintf(char *buf, size_t size, const char *fmt, ...) OS_FORMAT(3, 4);
int vsnprintf(char *buf, size_t size, const char *fmt, va_list ap) OS_FORMAT(3, 0);
