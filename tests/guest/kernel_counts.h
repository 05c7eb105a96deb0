/*
 * What a test has in the kernel: names of its own space, elements of zones, all memory. For tests that leave things as
 * they found them. Other CPUs give elements back a moment later: counts of zones are waited for, up to COUNT_SETTLE_MS.
 */
#pragma once

#include <mach/mach.h>
#include <mach_debug/ipc_info.h>
#include <mach_debug/zone_info.h>
#include <stddef.h>
#include <string.h>
#include <sys/sysctl.h>
#include <unistd.h>

#include "ktap.h"

#define COUNT_SETTLE_MS 10000

static inline uint32_t
names_in_use(void)
{
	ipc_info_space_basic_t info = { 0 };

	EXPECT_EQ(mach_port_space_basic_info(mach_task_self(), &info), KERN_SUCCESS);
	return info.iisb_table_inuse;
}

/* What the kernel says of all zones; for zone_list_drop to give back. */
struct zone_list {
	mach_zone_name_t *names;
	mach_zone_info_t *info;
	mach_msg_type_number_t count;
};

static inline struct zone_list
zone_list_take(void)
{
	struct zone_list list = { .names = NULL };
	mach_msg_type_number_t info_count = 0;
	mach_port_t host = mach_host_self();

	EXPECT_EQ(mach_zone_info(host, &list.names, &list.count, &list.info, &info_count), KERN_SUCCESS);
	EXPECT_EQ(info_count, list.count);
	EXPECT_EQ(mach_port_deallocate(mach_task_self(), host), KERN_SUCCESS);
	return list;
}

static inline void
zone_list_drop(struct zone_list list)
{
	EXPECT_EQ(vm_deallocate(mach_task_self(), (vm_address_t)list.names, list.count * sizeof(*list.names)),
	    KERN_SUCCESS);
	EXPECT_EQ(vm_deallocate(mach_task_self(), (vm_address_t)list.info, list.count * sizeof(*list.info)),
	    KERN_SUCCESS);
}

static inline uint64_t
elements_in_use(const char *zone)
{
	struct zone_list list = zone_list_take();
	uint64_t in_use = UINT64_MAX;

	for (mach_msg_type_number_t i = 0; i < list.count; i++) {
		if (strcmp(list.names[i].mzn_name, zone) == 0) {
			in_use = list.info[i].mzi_count;
		}
	}
	EXPECT(in_use != UINT64_MAX);
	zone_list_drop(list);
	return in_use;
}

static inline vm_statistics64_data_t
vm_statistics_now(void)
{
	vm_statistics64_data_t stat = { 0 };
	mach_msg_type_number_t count = HOST_VM_INFO64_COUNT;
	mach_port_t host = mach_host_self();

	EXPECT_EQ(host_statistics64(host, HOST_VM_INFO64, (host_info64_t)&stat, &count), KERN_SUCCESS);
	EXPECT_EQ(mach_port_deallocate(mach_task_self(), host), KERN_SUCCESS);
	return stat;
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

/*
 * All memory of the machine, by kind: elements in use of every zone, and, as one more kind, pages that are neither free
 * nor a zone's. What caches keep is in use nowhere, so that this is exact when nobody else works.
 */
#define MEMORY_KINDS 256

struct memory_use {
	unsigned count;
	struct {
		mach_zone_name_t name;
		uint64_t in_use;
	} kinds[MEMORY_KINDS];
};

static inline uint64_t
memory_pages_not_free(void)
{
	uint64_t memory = 0;
	size_t size = sizeof(memory);

	EXPECT_EQ(sysctlbyname("hw.memsize", &memory, &size, NULL, 0), 0);
	return memory / vm_page_size - vm_statistics_now().free_count;
}

static inline void
memory_use_take(struct memory_use *use)
{
	struct zone_list list = zone_list_take();
	mach_msg_type_number_t count = list.count;
	uint64_t zone_pages = 0;

	EXPECT(count < MEMORY_KINDS);
	for (mach_msg_type_number_t i = 0; i < count; i++) {
		use->kinds[i].name = list.names[i];
		use->kinds[i].in_use = list.info[i].mzi_count;
		zone_pages += list.info[i].mzi_cur_size / vm_page_size;
	}
	zone_list_drop(list);
	strcpy(use->kinds[count].name.mzn_name, "pages");
	use->kinds[count].in_use = memory_pages_not_free() - zone_pages;
	use->count = count + 1;
}

/* A kind that there is more of, or NULL. Magazines do not count: they are what caches are made of. */
static inline const char *
memory_use_grown(const struct memory_use *before, const struct memory_use *now)
{
	for (unsigned i = 0; i < now->count; i++) {
		const char *name = now->kinds[i].name.mzn_name;

		if ((i >= before->count || now->kinds[i].in_use > before->kinds[i].in_use) &&
		    strcmp(name, "zone magazines") != 0) {
			return name;
		}
	}
	return NULL;
}
