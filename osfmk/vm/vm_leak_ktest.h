/*
 * For in-kernel tests of what must leave nothing behind: an exact account of memory, before and after.
 *
 * Every page of RAM that is not free is a slab of a zone or is used as a page (memory of programs, page tables, kernel
 * ranges). The account is the number of elements in use of every zone, and of pages that are neither free nor slabs.
 * Caches need not be drained for it: an element in a magazine, or one that waits for its grace period, is not in use, a
 * slab is a slab however many of its elements are, and the pages that CPUs keep count as free. One thing is kept by
 * nobody's intention: the address space that a CPU has loaded, which stays until it loads another; all CPUs are made to.
 *
 * The magazines themselves are left out, but not the pages they take: they are what the caches are made of, and stay.
 */
#pragma once

#include <os/base.h>

/*
 * Does `body` leave anything behind? It runs a few times first, in which what is made once is made; then often, between
 * two accounts. Others who take memory meanwhile (a thread that starts and keeps its stack) would be blamed on it, so
 * that is repeated if need be: a leak is there every time, be it one element in all the runs. May block.
 */
OS_WARN_RESULT bool vm_leaks(void (*body)(void));
