/*
 * The thread that writes dirty pages of files back, so that page-out does not wait for pagers: they may be slow, or hang.
 *
 * Page-out names pages here, one by one, and goes on; the thread has the pager write them (vm_object_clean), after which
 * they are clean and unused, and go the next time that page-out comes by.
 *
 * Lock: a spin lock (LCK_RANK_VM_PAGE_BUSY) for the list.
 */
#pragma once

#include <vm/vm_types.h>

void vm_launder_start(void);

/* A dirty page of a file, which the caller has a reference to. False: enough to do already. Does not block. */
bool vm_launder_page(vm_object_t file, uint64_t index);

/* Waits a moment for pages that are being written. False: there are none, or none got done. May block. */
bool vm_launder_wait(void);

/* Pages written back since boot. */
uint64_t vm_launder_count(void);
