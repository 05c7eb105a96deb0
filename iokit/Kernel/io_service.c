/*
 * Matching drivers to services. See io_service.h.
 */
#include <Kernel/io_service.h>

#include <IOKit/IOKitKeys.h>
#include <kern/assert.h>
#include <kern/locks.h>
#include <kern/zalloc.h>
#include <os/atomic.h>
#include <string.h>

/* The longest "compatible" list that is looked at, in bytes; the machine's longest has about 60. */
#define IO_COMPATIBLE_MAX 256

static void io_service_free(struct io_object *object);

const struct io_class io_service_class = { "IOService", &io_entry_class, io_service_free };

static LCK_CLASS_DECLARE(io_matching_lock_class, "io_matching", LCK_RANK_IO_SERVICE);
static LCK_MTX_DECLARE(io_matching_lock, &io_matching_lock_class);

/* Both guarded by io_matching_lock. */
static struct list_node io_waiting = LIST_HEAD_INIT(io_waiting);
static bool io_matching_started;

void
io_service_init(struct io_service *service, const struct io_class *class, const char *name)
{
	io_entry_init(&service->ios_entry, class, name);
	service->ios_driver = NULL;
	list_init(&service->ios_waiting);
	service->ios_state = 0;
}

/* Services of drivers; nubs have classes with free functions of their own. */
static void
io_service_free(struct io_object *object)
{
	struct io_service *service = os_containerof(object, struct io_service, ios_entry.ie_object);

	io_entry_destroy(&service->ios_entry);
	kfree(service, service->ios_driver != NULL ? service->ios_driver->iod_size : sizeof(*service));
}

/* ---- which driver ---- */

/* The string of `list` (len bytes of NUL-ended strings) that the driver knows, or NULL. */
static const char *
matched_name(const struct io_driver *driver, const char *list, size_t len)
{
	for (const char *name = list; name < list + len; name += strlen(name) + 1) {
		for (const char *const *known = driver->iod_compatible; *known != NULL; known++) {
			if (strcmp(name, *known) == 0) {
				return name;
			}
		}
	}
	return NULL;
}

/* The matching driver next in order behind `after` (NULL: from the start): by score, then as listed. */
static const struct io_driver *
next_driver(const struct io_driver *after, const char *list, size_t len)
{
	const struct io_driver *best = NULL;
	bool passed = after == NULL;

	for (uint32_t i = 0; i < io_catalogue_count; i++) {
		const struct io_driver *driver = io_catalogue[i];
		bool behind = after == NULL || driver->iod_score < after->iod_score ||
			      (driver->iod_score == after->iod_score && passed);

		passed = passed || driver == after;
		if (driver != after && behind && (best == NULL || driver->iod_score > best->iod_score) &&
		    matched_name(driver, list, len) != NULL) {
			best = driver;
		}
	}
	return best;
}

/* ---- starting it ---- */

static struct io_service *
driver_create(const struct io_driver *driver, const char *matched)
{
	struct io_service *service = kalloc_flags(driver->iod_size, Z_ZERO);

	if (service == NULL) {
		return NULL;
	}
	io_service_init(service, &driver->iod_class, driver->iod_class.ioc_name);
	service->ios_driver = driver;
	if (io_entry_set_string(&service->ios_entry, kIOClassKey, driver->iod_class.ioc_name) !=
		kIOReturnSuccess ||
	    io_entry_set_string(&service->ios_entry, kIONameMatchedKey, matched) != kIOReturnSuccess ||
	    io_entry_set_number(&service->ios_entry, kIOProbeScoreKey, (uint64_t)driver->iod_score) !=
		kIOReturnSuccess) {
		io_object_release(&service->ios_entry.ie_object);
		return NULL;
	}
	return service;
}

static IOReturn
driver_start(const struct io_driver *driver, const char *matched, struct io_service *provider)
{
	struct io_service *service = driver_create(driver, matched);
	IOReturn result;

	if (service == NULL) {
		return kIOReturnNoMemory;
	}
	io_entry_attach(&service->ios_entry, &provider->ios_entry, IO_PLANE_SERVICE);
	result = driver->iod_start(service, provider);
	if (result == kIOReturnSuccess) {
		os_atomic_or(&service->ios_state, IOS_STARTED, relaxed);
	} else {
		io_entry_detach(&service->ios_entry, IO_PLANE_SERVICE);
	}
	io_object_release(&service->ios_entry.ie_object);
	return result;
}

static void
match(struct io_service *service)
{
	char list[IO_COMPATIBLE_MAX];
	size_t len = sizeof(list) - 1;
	const struct io_driver *driver = NULL;

	if (io_entry_copy_property(&service->ios_entry, "compatible", list, &len) != kIOReturnSuccess) {
		return;
	}
	list[len] = '\0'; /* the firmware owes us the last NUL */
	while ((driver = next_driver(driver, list, len)) != NULL) {
		if (driver_start(driver, matched_name(driver, list, len), service) == kIOReturnSuccess) {
			os_atomic_or(&service->ios_state, IOS_MATCHED, relaxed);
			return;
		}
	}
}

/* ---- registering ---- */

void
io_service_register(struct io_service *service)
{
	bool now;

	lck_mtx_lock(&io_matching_lock);
	now = io_matching_started;
	os_atomic_or(&service->ios_state, IOS_REGISTERED, relaxed);
	if (!now) {
		io_object_retain(&service->ios_entry.ie_object);
		list_push_back(&io_waiting, &service->ios_waiting);
	}
	lck_mtx_unlock(&io_matching_lock);
	if (now) {
		match(service);
	}
}

void
io_service_start_matching(void)
{
	struct list_node waiting = LIST_HEAD_INIT(waiting);
	struct list_node *link;

	lck_mtx_lock(&io_matching_lock);
	io_matching_started = true;
	list_splice_back(&waiting, &io_waiting);
	lck_mtx_unlock(&io_matching_lock);
	while ((link = list_pop_front(&waiting)) != NULL) {
		struct io_service *service = os_containerof(link, struct io_service, ios_waiting);

		match(service);
		io_object_release(&service->ios_entry.ie_object);
	}
}
