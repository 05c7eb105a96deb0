/*
 * ARM PL011 UART: receives by interrupt.
 *
 * The FIFO's interrupt comes when it is half full or when bytes have waited for 32 bit times. Without a
 * receiver nothing is enabled, so what was typed stays in the FIFO. Transmission is the early console's: the
 * two touch different registers, and the interrupt mask is this driver's alone.
 */
#include <Families/serial.h>

#include <Kernel/io_platform.h>
#include <os/atomic.h>

/* Register offsets: PL011 manual (ARM DDI 0183), chapter 3. */
#define UART_DR   0x000 /* data; bits 8-11 are errors of the byte */
#define UART_FR   0x018 /* flags */
#define UART_IMSC 0x038 /* interrupt mask: 1 lets through */
#define UART_ICR  0x044 /* interrupt clear */

#define UART_FR_RXFE 0x10 /* receive FIFO is empty */
#define UART_INT_RX  0x10 /* FIFO has reached its mark */
#define UART_INT_RT  0x40 /* receive time-out */

#define UART_SIZE 0x1000

/* Bytes handed on at a time: the FIFO's depth is 16, of some 32. */
#define UART_BATCH 32

struct pl011 {
	struct io_service service;
	volatile uint8_t *registers;       /* constant after start */
	struct io_platform_device *device; /* constant; the provider, which outlives its client */
	io_serial_receiver_t receiver;     /* set once, before the interrupt is enabled */
	void *receiver_arg;
};

/* The first port that started. Written once; [C] release, with the acquire in io_serial_console_receive. */
static struct pl011 *console_port;

static uint32_t
read_register(const struct pl011 *port, unsigned offset)
{
	return *(volatile uint32_t *)(port->registers + offset);
}

static void
write_register(const struct pl011 *port, unsigned offset, uint32_t value)
{
	*(volatile uint32_t *)(port->registers + offset) = value;
}

static void
pl011_interrupt(void *arg)
{
	struct pl011 *port = arg;
	uint8_t batch[UART_BATCH];
	size_t len = 0;

	write_register(port, UART_ICR, UART_INT_RX | UART_INT_RT);
	while (len < sizeof(batch) && (read_register(port, UART_FR) & UART_FR_RXFE) == 0) {
		batch[len++] = (uint8_t)read_register(port, UART_DR);
	}
	if (len != 0) {
		port->receiver(port->receiver_arg, batch, len);
	}
}

static IOReturn
pl011_start(struct io_service *service, struct io_service *provider)
{
	struct pl011 *port = os_containerof(service, struct pl011, service);
	size_t size;

	port->device = io_platform_device_of(provider);
	if (port->device == NULL) {
		return kIOReturnUnsupported;
	}
	port->registers = io_platform_device_map(port->device, 0, &size);
	if (port->registers == NULL || size < UART_SIZE) {
		return kIOReturnNoResources;
	}
	write_register(port, UART_IMSC, 0);
	if (console_port == NULL) {
		os_atomic_store(&console_port, port, release); /* [C] */
	}
	return kIOReturnSuccess;
}

IOReturn
io_serial_console_receive(io_serial_receiver_t receiver, void *arg)
{
	struct pl011 *port = os_atomic_load(&console_port, acquire); /* [C] */
	IOReturn result;

	if (port == NULL) {
		return kIOReturnNoDevice;
	}
	if (!os_atomic_cmpxchg(&port->receiver, NULL, receiver, relaxed)) {
		return kIOReturnNoResources;
	}
	port->receiver_arg = arg;
	result = io_platform_device_enable_interrupt(port->device, 0, pl011_interrupt, port);
	if (result == kIOReturnSuccess) {
		write_register(port, UART_IMSC, UART_INT_RX | UART_INT_RT);
	}
	return result;
}

static const char *const pl011_compatible[] = { "arm,pl011", NULL };

const struct io_driver pl011_driver = {
	.iod_class = { "ArmPL011", &io_service_class, NULL },
	.iod_size = sizeof(struct pl011),
	.iod_compatible = pl011_compatible,
	.iod_score = 0,
	.iod_start = pl011_start,
};
