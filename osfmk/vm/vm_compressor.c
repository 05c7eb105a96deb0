/*
 * The compressor: see vm_compressor.h.
 */
#include <vm/vm_compressor.h>

#include <kern/assert.h>
#include <kern/percpu.h>
#include <kern/preempt.h>
#include <kern/zalloc.h>
#include <os/atomic.h>
#include <string.h>
#include <vm/vm_age.h>
#include <vm/vm_page.h>
#include <vm/wk_coder.h>

struct vm_compressed {
	uint32_t vc_refs;   /* atomic: slots */
	uint32_t vc_length; /* bytes of the code */
	uint32_t vc_serial; /* pages that were compressed before */
	uint32_t vc_code[];
};

/* A code that takes more than a zone's largest element saves nothing: two of them fill a page. */
#define CODE_MAX (ZONE_MAX_SIZE - sizeof(struct vm_compressed))

static_assert(WK_PAGE_WORDS * 4 == PAGE_SIZE, "the coder's pages are ours");

/* Each CPU counts what it did; a code may be made on one and freed on another, so only the sums mean anything. */
struct compressor_cpu {
	uint64_t cc_compressions;
	uint64_t cc_decompressions;
	uint64_t cc_refused;
	uint64_t cc_pages;
	uint64_t cc_bytes;
} OS_CACHE_ALIGNED;

static PERCPU_DATA(struct compressor_cpu, compressor_cpu);

/* The one caller of vm_compressor_store: see there. */
static struct wk_scratch scratch;
static uint32_t code_buffer[CODE_MAX / 4];

static uint32_t stored;     /* atomic for readers: serial of the next code; wraps around */
static uint32_t remembered; /* atomic: codes that are younger are of pages that left a short while ago */

static struct vm_compressed *
compressed_of(vm_page_t word)
{
	assert(vm_page_is_compressed(word));
	return (struct vm_compressed *)((uintptr_t)word & ~VM_SLOT_COMPRESSED);
}

static size_t
compressed_size(size_t length)
{
	return sizeof(struct vm_compressed) + length;
}

/* Preemption off. */
static void
count_change(int64_t pages, int64_t bytes)
{
	struct compressor_cpu *cpu = PERCPU_GET(compressor_cpu);

	os_counter_add(&cpu->cc_pages, (uint64_t)pages);
	os_counter_add(&cpu->cc_bytes, (uint64_t)bytes);
}

vm_page_t
vm_compressor_store(vm_page_t page)
{
	size_t length = wk_encode(vm_page_kva(page), code_buffer, sizeof(code_buffer), &scratch);
	struct vm_compressed *compressed;

	if (length == 0) {
		os_atomic_or(&page->vmp_flags, VM_PAGE_INCOMPRESSIBLE, relaxed);
		os_counter_add(&PERCPU_GET(compressor_cpu)->cc_refused, 1);
		return NULL;
	}
	compressed = kalloc(compressed_size(length));
	if (compressed == NULL) {
		return NULL;
	}
	compressed->vc_refs = 1;
	compressed->vc_length = (uint32_t)length;
	compressed->vc_serial = stored;
	memcpy(compressed->vc_code, code_buffer, length);
	os_atomic_store(&stored, stored + 1, relaxed);
	os_counter_add(&PERCPU_GET(compressor_cpu)->cc_compressions, 1);
	count_change(1, (int64_t)compressed_size(length));
	return (vm_page_t)((uintptr_t)compressed | VM_SLOT_COMPRESSED);
}

void
vm_compressor_remember(uint64_t pages)
{
	os_atomic_store(&remembered, (uint32_t)os_min(pages, (uint64_t)INT32_MAX), relaxed);
}

vm_page_t
vm_compressor_load(vm_page_t word)
{
	struct vm_compressed *compressed = compressed_of(word);
	vm_page_t page = vm_page_grab_user();
	bool whole;

	if (page == NULL) {
		return NULL;
	}
	whole = wk_decode(compressed->vc_code, compressed->vc_length, vm_page_kva(page));
	release_assert(whole);
	if (os_atomic_load(&stored, relaxed) - compressed->vc_serial < os_atomic_load(&remembered, relaxed)) {
		page->vmp_flags = VM_AGE_RETURNED << VM_PAGE_AGE_SHIFT;
	}
	os_counter_add(&PERCPU_GET(compressor_cpu)->cc_decompressions, 1);
	return page;
}

void
vm_compressor_reference(vm_page_t word)
{
	os_atomic_inc(&compressed_of(word)->vc_refs, relaxed);
}

void
vm_compressor_release(vm_page_t word)
{
	struct vm_compressed *compressed = compressed_of(word);
	size_t size = compressed_size(compressed->vc_length);

	/* acq_rel: other slots' reads of the code come before it is freed. */
	if (os_atomic_dec(&compressed->vc_refs, acq_rel) != 0) {
		return;
	}
	disable_preemption();
	count_change(-1, -(int64_t)size);
	enable_preemption();
	kfree(compressed, size);
}

void
vm_compressor_get_counts(struct vm_compressor_counts *out)
{
	*out = (struct vm_compressor_counts){ .compressions = 0 };
	percpu_foreach_cpu(cpu)
	{
		const struct compressor_cpu *cc = PERCPU_GET_CPU(compressor_cpu, cpu);

		out->compressions += os_atomic_load(&cc->cc_compressions, relaxed);
		out->decompressions += os_atomic_load(&cc->cc_decompressions, relaxed);
		out->refused += os_atomic_load(&cc->cc_refused, relaxed);
		out->pages += os_atomic_load(&cc->cc_pages, relaxed);
		out->bytes += os_atomic_load(&cc->cc_bytes, relaxed);
	}
}
