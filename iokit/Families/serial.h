/*
 * Serial ports. The driver owns what comes in; what goes out to the console stays with the platform's early
 * console (<pexpert/pexpert.h>), which panics must be able to use.
 */
#pragma once

#include <Kernel/io_service.h>

extern const struct io_driver pl011_driver;

/* Received bytes; in interrupt context: may wake threads, may not block. */
typedef void (*io_serial_receiver_t)(void *arg, const uint8_t *bytes, size_t len);

/* Directs what the console's port receives to `receiver`, for ever. kIOReturnNoDevice: no port has started;
 * kIOReturnNoResources: it has a receiver. */
IOReturn io_serial_console_receive(io_serial_receiver_t receiver, void *arg);
