/*
 * Services: what a device or a driver offers, and how drivers find devices.
 *
 * A nub is a service that stands for a device found by its parent (the platform, a bus). Registering a
 * service offers it to the drivers of the catalogue: of those whose names the device's "compatible" lists,
 * the one with the highest score starts first; the first one that starts wins. A driver is itself a service,
 * the nub's client in the IOService plane, and may register itself or nubs of its own in turn.
 *
 * Until StartIOKitMatching services only queue up; from then on matching happens in the registering thread.
 * A start function may block and may be called on any CPU, once for a provider at a time.
 */
#pragma once

#include <Kernel/io_registry.h>

struct io_service;

/* A driver: constant, listed in Families/catalogue.c. */
struct io_driver {
	struct io_class iod_class;         /* of the services it makes */
	size_t iod_size;                   /* of their structure, which starts with struct io_service */
	const char *const *iod_compatible; /* device tree names, ended by NULL, best first */
	int32_t iod_score;                 /* among drivers that match */
	/* The service is attached to its provider. Anything but kIOReturnSuccess undoes what it did. */
	IOReturn (*iod_start)(struct io_service *service, struct io_service *provider);
};

/* [R] io_registry_lock  [M] the matching thread of the provider */
struct io_service {
	struct io_entry ios_entry;
	const struct io_driver *ios_driver; /* constant; NULL for nubs */
	struct list_node ios_waiting; /* queue of services registered before matching started; its own lock */
	uint32_t ios_state;           /* IOS_*; atomic, written [M] */
};

#define IOS_REGISTERED 0x1
#define IOS_MATCHED    0x2 /* a driver has started on it */
#define IOS_STARTED    0x4 /* a driver: its start function has succeeded */

extern const struct io_class io_service_class;
extern const struct io_driver *const io_catalogue[];
extern const uint32_t io_catalogue_count;

void io_service_init(struct io_service *service, const struct io_class *class, const char *name);

/* Offers the service to drivers. */
void io_service_register(struct io_service *service);
/* Matches what has been registered so far; what comes later is matched as it comes. Once, at start-up. */
void io_service_start_matching(void);

OS_INLINE struct io_service *
io_service_of_entry(struct io_entry *entry)
{
	return os_containerof(entry, struct io_service, ios_entry);
}
