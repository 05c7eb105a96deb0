/*
 * Every driver the kernel is built with. A driver is one constant and a line here.
 */
#include <Families/rtc.h>
#include <Families/serial.h>

const struct io_driver *const io_catalogue[] = {
	&pl011_driver,
	&pl031_driver,
};

const uint32_t io_catalogue_count = os_countof(io_catalogue);
