/*
 * Unit test of the epochs: a writer replaces an object that readers look at and frees the old one after a
 * grace period. A reader that was not waited for reads freed memory, which AddressSanitizer reports, or finds
 * the object marked dead.
 */
#include <kern/smr_epoch.h>
#include <os/panic.h>

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#define NREADERS 3
#define NREPLACE 1000

#define ALIVE 0x600d600dU
#define DEAD  0xdeaddeadU

struct object {
	uint32_t state; /* atomic */
	uint32_t serial;
};

static smr_epoch_t epoch = (smr_epoch_t)0 - 15; /* passes the wrap-around early */
static struct smr_cpu cpus[NREADERS];
static struct object *current;        /* atomic */
static bool done;                     /* atomic */
static unsigned long reads[NREADERS]; /* atomic; written by its reader */

static struct object *
object_create(uint32_t serial)
{
	struct object *object = malloc(sizeof(*object));

	object->state = ALIVE;
	object->serial = serial;
	return object;
}

static void *
reader(void *arg)
{
	unsigned id = (unsigned)(uintptr_t)arg;
	uint32_t last = 0;

	while (!os_atomic_load(&done, relaxed)) {
		struct object *object;

		smr_epoch_enter(&cpus[id], &epoch);
		smr_epoch_enter(&cpus[id], &epoch); /* sections nest */
		object = os_atomic_load(&current, acquire);
		smr_epoch_leave(&cpus[id]);
		if (os_atomic_load(&object->state, relaxed) != ALIVE || object->serial < last) {
			panic("reader %u met object %u after its death", id, object->serial);
		}
		last = object->serial;
		smr_epoch_leave(&cpus[id]);
		os_counter_add(&reads[id], 1);
	}
	return NULL;
}

static void
wait_for_readers(smr_epoch_t goal)
{
	for (unsigned i = 0; i < NREADERS; i++) {
		while (!smr_epoch_passed(&cpus[i], goal)) {
			sched_yield(); /* there may be more readers than CPUs */
		}
	}
}

static void
test_rules(void)
{
	smr_epoch_t global = SMR_EPOCH_FIRST, goal;
	struct smr_cpu cpu = { 0 };

	goal = smr_epoch_advance(&global);
	if (!smr_epoch_passed(&cpu, goal)) {
		panic("a CPU outside holds up a grace period");
	}
	smr_epoch_enter(&cpu, &global);
	if (!smr_epoch_passed(&cpu, goal)) {
		panic("a reader that entered later holds up a grace period");
	}
	goal = smr_epoch_advance(&global);
	if (smr_epoch_passed(&cpu, goal)) {
		panic("a reader was not waited for");
	}
	smr_epoch_leave(&cpu);
	if (!smr_epoch_passed(&cpu, goal)) {
		panic("a reader that left is waited for");
	}
}

int
main(void)
{
	pthread_t threads[NREADERS];

	test_rules();
	current = object_create(0);
	for (uintptr_t i = 0; i < NREADERS; i++) {
		pthread_create(&threads[i], NULL, reader, (void *)i);
	}
	for (unsigned i = 0; i < NREADERS; i++) {
		while (os_atomic_load(&reads[i], relaxed) == 0) {
			sched_yield();
		}
	}
	for (uint32_t serial = 1; serial <= NREPLACE; serial++) {
		struct object *old = os_atomic_xchg(&current, object_create(serial), acq_rel);

		wait_for_readers(smr_epoch_advance(&epoch));
		os_atomic_store(&old->state, DEAD, relaxed);
		free(old);
	}
	os_atomic_store(&done, true, relaxed);
	for (unsigned i = 0; i < NREADERS; i++) {
		pthread_join(threads[i], NULL);
	}
	free(current);
	return 0;
}
