/*
 * The harness on Pluot. Memory comes from mach_vm_allocate, the rest from sysctl.
 */
#include <harness/platform.h>
#include <mach/mach.h>
#include <mach/mach_vm.h>
#include <sys/mman.h>
#include <sys/sysctl.h>

/* The linker defines it at the start of the image. */
extern const char _mh_execute_header[];

#define PMU_INST_RETIRED 0x08 /* architected event number */

static bool
read_sysctl(const char *name, void *value, size_t size)
{
	size_t got = size;

	return sysctlbyname(name, value, &got, NULL, 0) == 0 && got == size;
}

bool
platform_counts_instructions(void)
{
	int event = 0;

	return read_sysctl("kpc.counter0_event", &event, sizeof(event)) && event == PMU_INST_RETIRED;
}

unsigned
platform_cpus(void)
{
	int cpus = 1;

	return read_sysctl("hw.activecpu", &cpus, sizeof(cpus)) && cpus > 0 ? (unsigned)cpus : 1;
}

bool
platform_pin(unsigned cpu)
{
	int number = (int)cpu;

	return sysctlbyname("kern.sched_thread_bind_cpu", NULL, NULL, &number, sizeof(number)) == 0;
}

void
platform_yield(void)
{
	/* Unlike swtch, which only an equal or better thread profits from: timeshare decay may have made the peer
	 * worse. */
	swtch_pri(0);
}

bool
platform_strict_turns(void)
{
	return true;
}

void
platform_settle(void)
{
}

void *
platform_map(size_t size)
{
	mach_vm_address_t address = 0;

	if (mach_vm_allocate(mach_task_self(), &address, size, VM_FLAGS_ANYWHERE) != KERN_SUCCESS) {
		return NULL;
	}
	return (void *)address;
}

void *
platform_map_native(size_t size)
{
	return platform_map(size);
}

bool
platform_unmap(void *address, size_t size)
{
	return mach_vm_deallocate(mach_task_self(), (mach_vm_address_t)address, size) == KERN_SUCCESS;
}

bool
platform_boot_cost(bool instructions, uint64_t *figure)
{
	const char *name = instructions ? "kern.boot_to_init_instructions" : "kern.boot_to_init_ticks";

	return read_sysctl(name, figure, sizeof(*figure)) && *figure != 0;
}

void *
platform_shared(size_t size)
{
	void *address = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANON, -1, 0);

	return address == MAP_FAILED ? NULL : address;
}

bool
platform_locks_taken(uint64_t *count)
{
	return read_sysctl("debug.locks_taken", count, sizeof(*count));
}

bool
platform_sample_every(uint64_t period)
{
	return sysctlbyname("kperf.period", NULL, NULL, &period, sizeof(period)) == 0;
}

size_t
platform_samples_take(void *buffer, size_t size)
{
	return sysctlbyname("kperf.samples", buffer, &size, NULL, 0) == 0 ? size : 0;
}

uint64_t
platform_samples_lost(void)
{
	static uint64_t seen;
	uint64_t lost = 0, before = seen;

	if (!read_sysctl("kperf.lost", &lost, sizeof(lost))) {
		return 0;
	}
	seen = lost;
	return lost - before;
}

const void *
platform_image(void)
{
	return _mh_execute_header;
}
