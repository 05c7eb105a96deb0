/*
 * Call chains, see unwind.h.
 */
#include <arm64/copyio.h>
#include <arm64/unwind.h>
#include <arm64/vm_layout.h>

/* A frame record as compilers lay it out. */
struct frame_record {
	uint64_t previous;
	uint64_t return_address;
};

/* Is the record on the kernel stack that sp is in, at or above sp? A program's x29 in a chain ends it here. */
static bool
on_stack(uintptr_t fp, uintptr_t sp)
{
	uintptr_t slot = os_round_down(sp, KERNEL_STACK_SLOT);

	return fp % 8 == 0 && fp >= sp && fp >= slot + KERNEL_STACK_SLOT - KERNEL_STACK_SIZE &&
	       fp <= slot + KERNEL_STACK_SLOT - sizeof(struct frame_record);
}

unsigned
unwind_kernel(uintptr_t fp, uintptr_t sp, uint64_t *frames, unsigned max)
{
	unsigned n = 0;

	while (n < max && sp >= PHYSMAP_BASE && on_stack(fp, sp)) {
		const struct frame_record *record = (const struct frame_record *)fp;

		if (record->return_address == 0) {
			break;
		}
		frames[n++] = record->return_address;
		sp = fp + sizeof(*record);
		fp = record->previous;
	}
	return n;
}

unsigned
unwind_user(uint64_t fp, uint64_t *frames, unsigned max)
{
	struct frame_record record;
	unsigned n = 0;

	while (n < max && fp != 0 && fp % 8 == 0 && copyin_nofault(fp, &record, sizeof(record)) &&
	       record.return_address != 0) {
		frames[n++] = record.return_address;
		if (record.previous <= fp) {
			break;
		}
		fp = record.previous;
	}
	return n;
}
