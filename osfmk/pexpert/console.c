/*
 * The early console: a polled PL011 (ARM DDI 0183), the one that /chosen/stdout-path names. It stays the
 * kernel's own output for life; the driver that gives user programs a terminal is IOKit's and shares the
 * transmit side with it, which needs no state beyond the FIFO.
 *
 * Output is serialised by console_lock, a leaf.
 */
#include <arm64/arm_vm.h>
#include <arm64/raw_lock.h>
#include <os/panic.h>
#include <pexpert/device_tree.h>
#include <pexpert/pexpert.h>
#include <stdio.h>
#include <string.h>

#define UART_DR   (0x00 / 4)
#define UART_FR   (0x18 / 4)
#define UART_CR   (0x30 / 4)
#define FR_RXFE   (1U << 4)
#define FR_TXFF   (1U << 5)
#define CR_ENABLE 0x301U /* UARTEN, TXE, RXE */

static volatile uint32_t *uart; /* NULL before pe_console_init: output is dropped */
static raw_lock_t console_lock;
static bool seized;

void
pe_console_init(void)
{
	dt_node_t chosen = dt_find_path("/chosen"), node = DT_NONE;
	const char *path = chosen != DT_NONE ? dt_string(chosen, "stdout-path") : NULL;
	uint64_t address, size;

	if (path != NULL) {
		node = dt_find_path(path);
	}
	if (node == DT_NONE || !dt_is_compatible(node, "arm,pl011")) {
		node = dt_find_compatible(DT_NONE, "arm,pl011");
	}
	if (node == DT_NONE || !dt_reg(node, 0, &address, &size)) {
		return;
	}
	uart = (volatile uint32_t *)ml_io_map(address, size);
	uart[UART_CR] = CR_ENABLE;
}

static void
put(char c)
{
	while ((uart[UART_FR] & FR_TXFF) != 0) {
		cpu_relax();
	}
	uart[UART_DR] = (unsigned char)c;
}

static void
write_unlocked(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\n') {
			put('\r');
		}
		put(text[i]);
	}
}

void
pe_console_write(const char *text, size_t len)
{
	bool irq;

	if (uart == NULL) {
		return;
	}
	if (os_atomic_load(&seized, relaxed)) {
		write_unlocked(text, len);
		return;
	}
	irq = raw_lock_irq(&console_lock);
	write_unlocked(text, len);
	raw_unlock_irq(&console_lock, irq);
}

int
pe_console_getc(void)
{
	if (uart == NULL || (uart[UART_FR] & FR_RXFE) != 0) {
		return -1;
	}
	return (int)(uart[UART_DR] & 0xff);
}

void
pe_console_seize(void)
{
	os_atomic_store(&seized, true, relaxed);
}

void
kvprintf(const char *fmt, va_list ap)
{
	char line[256];
	int len = vsnprintf(line, sizeof(line), fmt, ap);

	pe_console_write(line, os_min((size_t)len, sizeof(line) - 1));
}

void
kprintf(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	kvprintf(fmt, ap);
	va_end(ap);
}
