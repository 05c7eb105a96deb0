/*
 * Unit test of the priority list: random inserts and removals against a plain model.
 */
#include <kern/pri_list.h>

#include <kern/assert.h>
#include <stdio.h>
#include <stdlib.h>

#define NNODES 300
#define NPRIS  12

static struct list_node head;
static struct pri_node nodes[NNODES];
static unsigned inserted[NNODES]; /* order of insertion, 0: not on the list */

/* Highest priority, then first in. */
static int
model_first(void)
{
	int best = -1;

	for (int i = 0; i < NNODES; i++) {
		if (inserted[i] == 0) {
			continue;
		}
		if (best < 0 || nodes[i].pn_pri > nodes[best].pn_pri ||
		    (nodes[i].pn_pri == nodes[best].pn_pri && inserted[i] < inserted[best])) {
			best = i;
		}
	}
	return best;
}

static void
check_first(void)
{
	int best = model_first();

	release_assert(pri_list_check(&head));
	if (best < 0) {
		release_assert(pri_list_first(&head) == NULL && pri_list_highest(&head) == -1);
	} else {
		release_assert(pri_list_first(&head) == &nodes[best]);
		release_assert(pri_list_highest(&head) == nodes[best].pn_pri);
	}
}

static void
step(unsigned now)
{
	int i = rand() % NNODES;

	if (inserted[i] == 0) {
		pri_list_insert(&head, &nodes[i], rand() % NPRIS);
		inserted[i] = now;
	} else {
		pri_list_remove(&head, &nodes[i]);
		inserted[i] = 0;
	}
	check_first();
}

/* Everything comes out in order, whatever went in. */
static void
drain(void)
{
	struct pri_node *node;

	while ((node = pri_list_first(&head)) != NULL) {
		pri_list_remove(&head, node);
		inserted[node - nodes] = 0;
		check_first();
	}
}

int
main(void)
{
	list_init(&head);
	for (int i = 0; i < NNODES; i++) {
		pri_node_init(&nodes[i]);
	}
	srand(1);
	printf("1..1\n");
	for (unsigned now = 1; now < 20000; now++) {
		step(now);
		if (now % 5000 == 0) {
			drain();
		}
	}
	drain();
	printf("ok 1 - the first is the highest, then the oldest\n");
	return 0;
}
