/*
 * sysctl kpc.* and kperf.*: counters and the sampling profiler, as <mach/kpc.h> and <mach/kperf.h> document them.
 */
#include <bsd/kern/sysctl_internal.h>

#include <arm64/copyio.h>
#include <arm64/cpu_data.h>
#include <arm64/machine_routines.h>
#include <kdebug/kpc.h>
#include <kdebug/sampling.h>
#include <kern/zalloc.h>
#include <sys/errno.h>

static int
errno_of(kern_return_t kr)
{
	switch (kr) {
	case KERN_SUCCESS:
		return 0;
	case KERN_NOT_SUPPORTED:
		return ENOTSUP;
	case KERN_RESOURCE_SHORTAGE:
		return ENOMEM;
	case KERN_INVALID_ADDRESS:
		return EFAULT;
	default:
		return EINVAL;
	}
}

/* ---- kpc ---- */

int
sysctl_kpc_classes(const struct sysctl_row *row, struct sysctl_request *req)
{
	return sysctl_out_int(req, (int32_t)kpc_classes());
}

/* Counters never stop: other programs read them without a call. */
int
sysctl_kpc_counting(const struct sysctl_row *row, struct sysctl_request *req)
{
	int32_t wanted;
	int error;

	if (req->new != 0) {
		error = sysctl_in(req, &wanted, sizeof(wanted));
		if (error != 0 || (uint32_t)wanted != kpc_classes()) {
			return error != 0 ? error : EINVAL;
		}
	}
	return sysctl_out_int(req, (int32_t)kpc_classes());
}

/* row->arg: how the classes that the caller writes are counted. */
int
sysctl_kpc_count(const struct sysctl_row *row, struct sysctl_request *req)
{
	unsigned (*count)(uint32_t mask) = (unsigned (*)(uint32_t))(uintptr_t)row->arg;
	int32_t mask;
	int error = sysctl_in(req, &mask, sizeof(mask));

	if (error == 0 && ((uint32_t)mask & ~kpc_classes()) != 0) {
		error = EINVAL;
	}
	return error != 0 ? error : sysctl_out_int(req, (int32_t)count((uint32_t)mask));
}

/* The mask that heads what the caller wrote. */
static int
mask_in(struct sysctl_request *req, uint64_t *mask, uint64_t flags)
{
	if (req->new_size < sizeof(*mask) || req->new_size % sizeof(*mask) != 0) {
		return EINVAL;
	}
	if (copyin(req->new, mask, sizeof(*mask)) != 0) {
		return EFAULT;
	}
	return (*mask & ~(kpc_classes() | flags)) != 0 ? EINVAL : 0;
}

int
sysctl_kpc_config(const struct sysctl_row *row, struct sysctl_request *req)
{
	uint64_t mask, events[KPC_CONFIGURABLE_MAX];
	int error = mask_in(req, &mask, 0);
	size_t given = error == 0 ? req->new_size / sizeof(mask) - 1 : 0;

	if (error != 0) {
		return error;
	}
	if (given != 0) {
		if (given != kpc_config_count((uint32_t)mask)) {
			return EINVAL;
		}
		if (copyin(req->new + sizeof(mask), events, given * sizeof(events[0])) != 0) {
			return EFAULT;
		}
		error = errno_of(kpc_set_config(events, (unsigned)given));
	}
	if (error == 0) {
		kpc_get_config(events);
		error = sysctl_out(req, events, kpc_config_count((uint32_t)mask) * sizeof(events[0]));
	}
	return error;
}

int
sysctl_kpc_counters(const struct sysctl_row *row, struct sysctl_request *req)
{
	uint64_t mask, *values;
	int error = req->new_size == sizeof(mask) ? mask_in(req, &mask, KPC_ALL_CPUS) : EINVAL;
	size_t count;

	if (error != 0) {
		return error;
	}
	count = kpc_counter_count((uint32_t)mask);
	if (count == 0) {
		return sysctl_out(req, &mask, 0);
	}
	values = kalloc_flags(cpu_count * count * sizeof(*values), Z_WAIT);
	if (values == NULL) {
		return ENOMEM;
	}
	kpc_read((uint32_t)mask, values);
	if ((mask & KPC_ALL_CPUS) != 0) {
		error = sysctl_out(req, values, cpu_count * count * sizeof(*values));
	} else {
		error = sysctl_out(req, values + ml_get_cpu_number() * count, count * sizeof(*values));
	}
	kfree(values, cpu_count * count * sizeof(*values));
	return error;
}

int
sysctl_kpc_cpu_events(const struct sysctl_row *row, struct sysctl_request *req)
{
	struct kpc_cpu_events *events = kalloc_flags(cpu_count * sizeof(*events), Z_WAIT);
	int error;

	if (events == NULL) {
		return ENOMEM;
	}
	for (unsigned cpu = 0; cpu < cpu_count; cpu++) {
		kpc_read_cpu_events(cpu, &events[cpu]);
	}
	error = sysctl_out(req, events, cpu_count * sizeof(*events));
	kfree(events, cpu_count * sizeof(*events));
	return error;
}

/* ---- kperf ---- */

int
sysctl_kperf_period(const struct sysctl_row *row, struct sysctl_request *req)
{
	uint64_t period;
	int error = sysctl_out_quad(req, sampling_period());

	if (error == 0 && req->new != 0) {
		error = sysctl_in(req, &period, sizeof(period));
		if (error == 0) {
			error = errno_of(sampling_set_period(period));
		}
	}
	return error;
}

/* {action, value}: there is one action, number 1. row->arg: which of its settings. */
int
sysctl_kperf_action(const struct sysctl_row *row, struct sysctl_request *req)
{
	enum sampling_setting setting = (enum sampling_setting)(uintptr_t)row->arg;
	uint64_t pair[2] = { 1, sampling_setting(setting) };
	int error = sysctl_out(req, pair, sizeof(pair));

	if (error == 0 && req->new != 0) {
		error = sysctl_in(req, pair, sizeof(pair));
		if (error == 0) {
			error = pair[0] == 1 ? errno_of(sampling_set(setting, pair[1])) : EINVAL;
		}
	}
	return error;
}

/* There is one, and there is no more to have. */
int
sysctl_kperf_action_count(const struct sysctl_row *row, struct sysctl_request *req)
{
	uint32_t count;
	int error = sysctl_out_int(req, 1);

	if (error == 0 && req->new != 0) {
		error = sysctl_in(req, &count, sizeof(count));
		if (error == 0 && count != 1) {
			error = EINVAL;
		}
	}
	return error;
}

/* Starts with the period that was set last, or stops. */
int
sysctl_kperf_sampling(const struct sysctl_row *row, struct sysctl_request *req)
{
	uint32_t on;
	int error = sysctl_out_int(req, sampling_is_on());

	if (error == 0 && req->new != 0) {
		error = sysctl_in(req, &on, sizeof(on));
		if (error == 0) {
			error = on <= 1 ? errno_of(sampling_switch(on != 0)) : EINVAL;
		}
	}
	return error;
}

int
sysctl_kperf_reset(const struct sysctl_row *row, struct sysctl_request *req)
{
	return req->new != 0 ? errno_of(sampling_reset()) : 0;
}

int
sysctl_kperf_samples(const struct sysctl_row *row, struct sysctl_request *req)
{
	return errno_of(sampling_read(req->old, req->old_room, &req->old_size));
}

int
sysctl_kperf_lost(const struct sysctl_row *row, struct sysctl_request *req)
{
	return sysctl_out_quad(req, sampling_lost());
}
