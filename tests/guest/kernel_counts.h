/*
 * What a test has in the kernel: names of its own space, elements of zones. For tests that leave things as they found
 * them. Other CPUs give elements back a moment later: counts of zones are waited for, up to COUNT_SETTLE_MS.
 */
#pragma once

#include <mach/mach.h>
#include <mach_debug/ipc_info.h>
#include <mach_debug/zone_info.h>
#include <string.h>

#include "ktap.h"

#define COUNT_SETTLE_MS 10000

static inline uint32_t
names_in_use(void)
{
	ipc_info_space_basic_t info = { 0 };

	EXPECT_EQ(mach_port_space_basic_info(mach_task_self(), &info), KERN_SUCCESS);
	return info.iisb_table_inuse;
}

static inline uint64_t
elements_in_use(const char *zone)
{
	mach_zone_name_array_t names = NULL;
	mach_zone_info_array_t info = NULL;
	mach_msg_type_number_t count = 0, info_count = 0;
	mach_port_t host = mach_host_self();
	uint64_t in_use = UINT64_MAX;

	EXPECT_EQ(mach_zone_info(host, &names, &count, &info, &info_count), KERN_SUCCESS);
	for (mach_msg_type_number_t i = 0; i < count; i++) {
		if (strcmp(names[i].mzn_name, zone) == 0) {
			in_use = info[i].mzi_count;
		}
	}
	EXPECT(in_use != UINT64_MAX);
	(void)vm_deallocate(mach_task_self(), (vm_address_t)names, count * sizeof(*names));
	(void)vm_deallocate(mach_task_self(), (vm_address_t)info, info_count * sizeof(*info));
	(void)mach_port_deallocate(mach_task_self(), host);
	return in_use;
}

static inline void
count_pause(void)
{
	mach_timebase_info_data_t base;

	(void)mach_timebase_info(&base);
	(void)mach_wait_until(mach_absolute_time() + 10000000ULL * base.denom / base.numer);
}

/* True once no more than `limit` names are in use: those of an ended thread go a moment after it was joined. */
static inline bool
names_settle(uint32_t limit)
{
	for (int ms = 0; ms < COUNT_SETTLE_MS && names_in_use() > limit; ms += 10) {
		count_pause();
	}
	return names_in_use() <= limit;
}

/* True once no more than `limit` elements of the zone are in use. */
static inline bool
elements_settle(const char *zone, uint64_t limit)
{
	for (int ms = 0; ms < COUNT_SETTLE_MS; ms += 10) {
		if (elements_in_use(zone) <= limit) {
			return true;
		}
		count_pause();
	}
	return false;
}
