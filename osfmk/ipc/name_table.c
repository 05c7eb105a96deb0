/*
 * Growth and free list of the name table; the essay is in name_table.h. Callers hold the space's lock.
 */
#include <ipc/name_table.h>
#include <kern/assert.h>

size_t
nt_next_chunk_size(const struct name_table *nt, unsigned *chunk)
{
	unsigned next = nt->nt_size == 0 ? 0 : nt_chunk_of(nt->nt_size);

	if (next >= NT_CHUNKS) {
		return 0;
	}
	*chunk = next;
	return nt_chunk_entries(next) * sizeof(struct ipc_entry);
}

/* Index 0 is the null name: its entry exists and is never free. */
static uint32_t
nt_chunk_first_free(unsigned chunk)
{
	return chunk == 0 ? 1 : nt_chunk_base(chunk);
}

void
nt_prepare_chunk(struct ipc_entry *memory, unsigned chunk, struct ipc_space *space)
{
	uint32_t base = nt_chunk_base(chunk), end = base + nt_chunk_entries(chunk);

	for (uint32_t index = base; index < end; index++) {
		struct ipc_entry *entry = &memory[index - base];

		entry->ie_index = index;
		entry->ie_space = space;
		entry->ie_next = index + 1 < end ? index + 1 : 0;
		entry->ie_prev = index > nt_chunk_first_free(chunk) ? index - 1 : 0;
		list_init(&entry->ie_request.ipr_link);
	}
	if (chunk == 0) {
		memory[0].ie_prev = NT_NOT_FREE;
	}
}

bool
nt_add_chunk(struct name_table *nt, unsigned chunk, struct ipc_entry *memory)
{
	uint32_t base = nt_chunk_base(chunk), count = nt_chunk_entries(chunk);
	struct ipc_entry *last = &memory[count - 1];

	if (nt->nt_size != base) {
		return false;
	}
	if (nt->nt_free != 0) {
		last->ie_next = nt->nt_free;
		nt_entry(nt, nt->nt_free)->ie_prev = last->ie_index;
	}
	nt->nt_free = nt_chunk_first_free(chunk);
	os_atomic_store(&nt->nt_chunk[chunk], memory, release); /* pairs with nt_entry */
	nt->nt_size = base + count;
	return true;
}

/* Takes a free entry off the list. */
static struct ipc_entry *
nt_unlink(struct name_table *nt, struct ipc_entry *entry)
{
	assert(nt_rights(entry->ie_word) == 0 && entry->ie_prev != NT_NOT_FREE);
	if (entry->ie_prev == 0) {
		nt->nt_free = entry->ie_next;
	} else {
		nt_entry(nt, entry->ie_prev)->ie_next = entry->ie_next;
	}
	if (entry->ie_next != 0) {
		nt_entry(nt, entry->ie_next)->ie_prev = entry->ie_prev;
	}
	entry->ie_next = 0;
	entry->ie_prev = NT_NOT_FREE;
	nt->nt_used++;
	nt->nt_high = os_max(nt->nt_high, entry->ie_index + 1);
	return entry;
}

struct ipc_entry *
nt_alloc(struct name_table *nt)
{
	return nt->nt_free == 0 ? NULL : nt_unlink(nt, nt_entry(nt, nt->nt_free));
}

struct ipc_entry *
nt_alloc_index(struct name_table *nt, uint32_t index)
{
	struct ipc_entry *entry = index < nt->nt_size ? nt_entry(nt, index) : NULL;

	return entry == NULL || entry->ie_prev == NT_NOT_FREE ? NULL : nt_unlink(nt, entry);
}

void
nt_free(struct name_table *nt, struct ipc_entry *entry)
{
	assert(nt_rights(entry->ie_word) == 0 && nt->nt_used > 0 && entry->ie_prev == NT_NOT_FREE);
	entry->ie_urefs = 0;
	entry->ie_next = nt->nt_free;
	entry->ie_prev = 0;
	if (nt->nt_free != 0) {
		nt_entry(nt, nt->nt_free)->ie_prev = entry->ie_index;
	}
	nt->nt_free = entry->ie_index;
	nt->nt_used--;
}
