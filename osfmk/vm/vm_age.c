/*
 * The ages of pages: see vm_age.h.
 */
#include <vm/vm_age.h>

/* Until the first lap is over, what it has found. */
static uint64_t
pages_known(const struct vm_age_hand *hand)
{
	return hand->vah_pages > hand->vah_lap_pages ? hand->vah_pages : hand->vah_lap_pages;
}

static enum vm_age
age_after_use(const struct vm_age_hand *hand, enum vm_age age)
{
	switch (age) {
	case VM_AGE_NEW:
		return VM_AGE_SEEN;
	case VM_AGE_RETURNED:
		return hand->vah_active < pages_known(hand) / VM_AGE_ACTIVE_SHARE ? VM_AGE_ACTIVE_RETURNED
										  : VM_AGE_SEEN;
	case VM_AGE_ACTIVE_MOST:
		return VM_AGE_ACTIVE_MOST;
	default:
		return age + 1;
	}
}

bool
vm_age_look(struct vm_age_hand *hand, enum vm_age *age, bool used)
{
	enum vm_age before = *age;

	hand->vah_lap_pages++;
	if (!used && !vm_age_is_active(before)) {
		return true;
	}
	*age = used ? age_after_use(hand, before) : before - 1;
	hand->vah_lap_active += vm_age_is_active(*age);
	hand->vah_active += vm_age_is_active(*age);
	hand->vah_activations += vm_age_is_active(*age) && !vm_age_is_active(before);
	if (vm_age_is_active(before) && hand->vah_active != 0) {
		hand->vah_active--;
	}
	return false;
}

void
vm_age_lap(struct vm_age_hand *hand)
{
	hand->vah_active = hand->vah_lap_active;
	hand->vah_pages = hand->vah_lap_pages;
	hand->vah_lap_active = 0;
	hand->vah_lap_pages = 0;
}

uint64_t
vm_age_memory(const struct vm_age_hand *hand)
{
	return pages_known(hand);
}
