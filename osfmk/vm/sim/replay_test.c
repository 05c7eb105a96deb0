/*
 * The policies on strings short enough to do by hand; the kernel's keeps the bounds of every workload, what it would be
 * without one of its parts breaks one; a replay is a function of its seed.
 */
#include "workload.h"

#include <kern/assert.h>
#include <os/base.h>
#include <stdio.h>
#include <string.h>
#include <vm/vm_age.h>

/* --- ages --- */

static void
test_ages(void)
{
	struct vm_age_hand hand = { .vah_pages = 100 };
	enum vm_age age = VM_AGE_NEW;

	release_assert(vm_age_look(&hand, &age, false));
	release_assert(!vm_age_look(&hand, &age, true) && age == VM_AGE_SEEN);
	for (unsigned i = 0; i < 5; i++) {
		release_assert(!vm_age_look(&hand, &age, true));
	}
	release_assert(age == VM_AGE_ACTIVE_MOST && hand.vah_active == 1);
	for (unsigned i = 0; i < VM_AGE_LAPS - 2; i++) {
		release_assert(!vm_age_look(&hand, &age, false));
	}
	release_assert(age == VM_AGE_SEEN && hand.vah_active == 0);
	release_assert(vm_age_look(&hand, &age, false));
}

static void
test_returned(void)
{
	struct vm_age_hand hand = { .vah_pages = 10 };
	enum vm_age age;

	for (unsigned i = 0; i < 10; i++) {
		age = VM_AGE_RETURNED;
		release_assert(!vm_age_look(&hand, &age, true));
		release_assert(age == (i < 5 ? VM_AGE_ACTIVE_RETURNED : VM_AGE_SEEN));
	}
	age = VM_AGE_RETURNED;
	release_assert(vm_age_look(&hand, &age, false));
	vm_age_lap(&hand);
	release_assert(hand.vah_active == 5 && vm_age_memory(&hand) == 11);
	vm_age_lap(&hand);
	release_assert(hand.vah_active == 0 && vm_age_memory(&hand) == 0);
}

/* --- policies --- */

/* Belady's own example: three frames bring 9 pages under FIFO, four bring 10. Five pages come for the first time. */
static void
test_textbook(void)
{
	uint32_t refs[] = { 0, 1, 2, 3, 0, 1, 4, 0, 1, 2, 3, 4 };
	struct trace trace = { refs, os_countof(refs), os_countof(refs), 5 };

	release_assert(replay(&trace, REPLAY_FIFO, 3).returns == 9 - 5);
	release_assert(replay(&trace, REPLAY_FIFO, 4).returns == 10 - 5);
	release_assert(replay(&trace, REPLAY_LRU, 3).returns == 10 - 5);
	release_assert(replay(&trace, REPLAY_LRU, 4).returns == 8 - 5);
	release_assert(replay(&trace, REPLAY_OPT, 3).returns == 7 - 5);
	release_assert(replay(&trace, REPLAY_OPT, 4).returns == 6 - 5);
}

static void
test_all_fits(void)
{
	uint32_t refs[256];
	struct trace trace = { refs, os_countof(refs), os_countof(refs), 64 };

	for (uint32_t i = 0; i < os_countof(refs); i++) {
		refs[i] = i * 7 % 64;
	}
	for (unsigned policy = 0; policy < REPLAY_POLICIES; policy++) {
		release_assert(replay(&trace, policy, 64).returns == 0);
	}
}

/* --- workloads --- */

static void
test_bounds(const struct workload *workload, const struct workload_outcome *outcome)
{
	struct workload_outcome out = *outcome;
	const struct workload_metric *fault = workload_fault(workload, &out, REPLAY_VM);

	if (fault != NULL) {
		panic("%s: %s is %g, the bound is %g", workload->name, fault->name, fault->value,
		    fault->at_most);
	}
	for (unsigned policy = 0; policy < REPLAY_POLICIES; policy++) {
		for (unsigned i = 0; i < WORKLOAD_SIZES; i++) {
			release_assert(out.share[policy][i] >= out.share[REPLAY_OPT][i]);
		}
	}
}

static void
test_twin(const struct workload *workload, const struct workload_outcome *outcome)
{
	struct workload_outcome out = *outcome;

	if (workload->twin != REPLAY_OPT && workload_fault(workload, &out, workload->twin) == NULL) {
		panic("%s: nobody notices the twin", workload->name);
	}
}

int
main(void)
{
	struct workload_outcome first, again;

	test_ages();
	test_returned();
	test_textbook();
	test_all_fits();
	for (unsigned i = 0; i < nworkloads; i++) {
		workload_run(&workloads[i], 1, &first);
		test_bounds(&workloads[i], &first);
		test_twin(&workloads[i], &first);
	}
	workload_run(&workloads[0], 7, &first);
	workload_run(&workloads[0], 7, &again);
	release_assert(memcmp(first.share, again.share, sizeof(first.share)) == 0);
	puts("ok");
	return 0;
}
