/*
 * The console: characters from the serial driver's interrupt to the line discipline. See console.h.
 */
#include <bsd/iokit_glue/console.h>

#include <Families/serial.h>
#include <bsd/dev/tty.h>
#include <os/panic.h>

static void
console_receive(void *arg, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		tty_input(arg, bytes[i]);
	}
}

void
console_attach(void)
{
	IOReturn result = io_serial_console_receive(console_receive, &console_tty);

	if (result != kIOReturnSuccess) {
		kprintf("console: no input (0x%x)\n", (unsigned)result);
	}
}
