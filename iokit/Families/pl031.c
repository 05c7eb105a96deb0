/*
 * ARM PL031 real-time clock: a counter of seconds since 1970. It is read once, when it starts, to set the
 * calendar; from then on the calendar runs on the generic timer, which is finer.
 */
#include <Families/rtc.h>

#include <Kernel/io_platform.h>
#include <kern/clock.h>

/* Register offsets: PL031 manual (ARM DDI 0224), chapter 3. */
#define RTC_DR 0x000 /* the counter */
#define RTC_CR 0x00c /* bit 0: runs */

#define RTC_SIZE 0x1000

static IOReturn
pl031_start(struct io_service *service, struct io_service *provider)
{
	struct io_platform_device *device = io_platform_device_of(provider);
	volatile uint8_t *registers;
	uint32_t seconds;
	size_t size;

	if (device == NULL) {
		return kIOReturnUnsupported;
	}
	registers = io_platform_device_map(device, 0, &size);
	if (registers == NULL || size < RTC_SIZE) {
		return kIOReturnNoResources;
	}
	*(volatile uint32_t *)(registers + RTC_CR) = 1;
	seconds = *(volatile uint32_t *)(registers + RTC_DR);
	clock_set_calendar_ns(seconds, 0);
	return io_entry_set_number(&service->ios_entry, "IORTCSecondsAtStart", seconds);
}

static const char *const pl031_compatible[] = { "arm,pl031", NULL };

const struct io_driver pl031_driver = {
	.iod_class = { "ArmPL031", &io_service_class, NULL },
	.iod_size = sizeof(struct io_service),
	.iod_compatible = pl031_compatible,
	.iod_score = 0,
	.iod_start = pl031_start,
};
