/*
 * Rows of the sysctl table and what their handlers use. See kern_sysctl.c.
 */
#pragma once

#include <os/base.h>
#include <vm/vm_types.h>

#define SYSCTL_RD   0x1U
#define SYSCTL_WR   0x2U
#define SYSCTL_NODE 0x4U /* the handler knows what is below the name */

/* One call: user addresses, 0 where the caller gave none. */
struct sysctl_request {
	user_addr_t old;
	size_t old_room; /* bytes at old */
	size_t old_size; /* out: bytes that the whole value has */
	user_addr_t new;
	size_t new_size; /* bytes */
	const int *rest; /* numeric names of SYSCTL_NODE rows: what follows the row's own two numbers */
	uint32_t rest_count;
};

struct sysctl_row {
	const char *name; /* dotted */
	int ctl;          /* numeric name; 0: none */
	int id;
	unsigned access;                                                          /* SYSCTL_RD, SYSCTL_WR */
	int (*handler)(const struct sysctl_row *row, struct sysctl_request *req); /* errno */
	const void *arg;
};

/* bsd_init, before the first process. */
void sysctl_init(void);

/* ENOMEM: did not fit; what fits has been copied. */
OS_WARN_RESULT int sysctl_out(struct sysctl_request *req, const void *value, size_t size);
OS_WARN_RESULT int sysctl_out_string(struct sysctl_request *req, const char *value);
OS_WARN_RESULT int sysctl_out_int(struct sysctl_request *req, int32_t value);
OS_WARN_RESULT int sysctl_out_quad(struct sysctl_request *req, uint64_t value);
/* The trace's control, kern_kdebug.c. */
int sysctl_kdebug(const struct sysctl_row *row, struct sysctl_request *req);
int sysctl_kdebug_lost(const struct sysctl_row *row, struct sysctl_request *req);

/* Counters and the profiler, kern_kpc.c. */
int sysctl_kpc_classes(const struct sysctl_row *row, struct sysctl_request *req);
int sysctl_kpc_counting(const struct sysctl_row *row, struct sysctl_request *req);
int sysctl_kpc_count(const struct sysctl_row *row, struct sysctl_request *req);
int sysctl_kpc_config(const struct sysctl_row *row, struct sysctl_request *req);
int sysctl_kpc_counters(const struct sysctl_row *row, struct sysctl_request *req);
int sysctl_kpc_cpu_events(const struct sysctl_row *row, struct sysctl_request *req);
int sysctl_kperf_action(const struct sysctl_row *row, struct sysctl_request *req);
int sysctl_kperf_action_count(const struct sysctl_row *row, struct sysctl_request *req);
int sysctl_kperf_period(const struct sysctl_row *row, struct sysctl_request *req);
int sysctl_kperf_reset(const struct sysctl_row *row, struct sysctl_request *req);
int sysctl_kperf_sampling(const struct sysctl_row *row, struct sysctl_request *req);
int sysctl_kperf_samples(const struct sysctl_row *row, struct sysctl_request *req);
int sysctl_kperf_lost(const struct sysctl_row *row, struct sysctl_request *req);

/* EINVAL unless the caller gave exactly `size` bytes. */
OS_WARN_RESULT int sysctl_in(struct sysctl_request *req, void *value, size_t size);
