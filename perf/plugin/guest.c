/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest.h"

#include <dlfcn.h>
#include <string.h>

#define REGISTER_ZERO     31
#define REGISTER_PSTATE   33 /* as gdb numbers them: 32 bits */
#define PSTATE_EL(pstate) ((pstate) >> 2 & 3)

/* GLib's, as its documentation has it. */
struct byte_array {
	uint8_t *data;
	unsigned length;
};

static void *(*get_cpu)(int index);
static int (*read_register)(void *cpu, struct byte_array *into, int number);
static struct byte_array *(*array_new)(void);
static struct byte_array *(*array_set_size)(struct byte_array *array, unsigned length);
static void *(*memory_map)(uint64_t address, uint64_t *length, bool is_write);

static struct byte_array *scratch;
static const uint8_t *ram;
static uint64_t ram_size;

bool
guest_find(void)
{
	get_cpu = dlsym(RTLD_DEFAULT, "qemu_get_cpu");
	read_register = dlsym(RTLD_DEFAULT, "aarch64_cpu_gdb_read_register");
	array_new = dlsym(RTLD_DEFAULT, "g_byte_array_new");
	array_set_size = dlsym(RTLD_DEFAULT, "g_byte_array_set_size");
	memory_map = dlsym(RTLD_DEFAULT, "cpu_physical_memory_map");
	if (get_cpu == NULL || read_register == NULL || array_new == NULL || array_set_size == NULL) {
		return false;
	}
	scratch = array_new();
	return true;
}

uint64_t
guest_register(unsigned cpu, unsigned number)
{
	uint64_t value = 0;

	if (number == REGISTER_ZERO) {
		return 0;
	}
	array_set_size(scratch, 0);
	if (read_register(get_cpu((int)cpu), scratch, (int)number) == sizeof(value)) {
		memcpy(&value, scratch->data, sizeof(value));
	}
	return value;
}

unsigned
guest_exception_level(unsigned cpu)
{
	uint32_t pstate = 0;

	array_set_size(scratch, 0);
	if (read_register(get_cpu((int)cpu), scratch, REGISTER_PSTATE) == sizeof(pstate)) {
		memcpy(&pstate, scratch->data, sizeof(pstate));
	}
	return PSTATE_EL(pstate);
}

const uint8_t *
guest_ram(uint64_t *size)
{
	if (ram == NULL && memory_map != NULL) {
		/* never unmapped: RAM stays where it is; QEMU cuts the length to what there is */
		ram_size = 1ULL << 40;
		ram = memory_map(GUEST_RAM_BASE, &ram_size, false);
		ram_size = ram != NULL ? ram_size : 0;
	}
	*size = ram_size;
	return ram;
}

bool
guest_read(uint64_t address, uint64_t *value)
{
	uint64_t size;
	const uint8_t *memory = guest_ram(&size);

	if (address < GUEST_RAM_BASE || size < sizeof(*value) ||
	    address - GUEST_RAM_BASE > size - sizeof(*value)) {
		return false;
	}
	memcpy(value, memory + (address - GUEST_RAM_BASE), sizeof(*value));
	return true;
}

uint64_t
guest_physical(const void *pointer)
{
	uint64_t size;
	uintptr_t base = (uintptr_t)guest_ram(&size), at = (uintptr_t)pointer;

	return at - base < size ? at - base + GUEST_RAM_BASE : 0;
}
