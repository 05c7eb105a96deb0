/*
 * Real-time clocks.
 */
#pragma once

#include <Kernel/io_service.h>

extern const struct io_driver pl031_driver;
