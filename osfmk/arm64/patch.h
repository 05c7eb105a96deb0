/*
 * Branches that are patched: a condition that is nearly always false costs one NOP where it is asked.
 *
 *	if (os_unlikely(patch_branch(KEY))) {
 *		...
 *	}
 *
 * compiles to a NOP, and notes in a table where it is and where the body begins. patch_branches() makes the NOP of
 * every site whose key is wanted a branch to its body, and back. The architecture lets other CPUs execute an
 * instruction while it changes between NOP and B: each takes the old or the new one. When patch_branches returns, no
 * CPU takes the old one any more. That says nothing of CPUs that took it before and are still in the body.
 *
 * On machines that do not patch (host unit tests) the answer is always false.
 */
#pragma once

#include <os/base.h>

/* One site, in the section patch_sites. */
struct patch_site {
	int32_t ps_insn; /* the NOP, relative to this field */
	int32_t ps_body; /* relative to this field */
	uint32_t ps_key;
};

/* `key` is a constant expression. */
OS_INLINE bool
patch_branch(const uint32_t key)
{
#if defined(__aarch64__)
	__asm__ goto("1:\tnop\n\t"
		     ".pushsection patch_sites, \"a\"\n\t"
		     ".balign 4\n\t"
		     ".long 1b - ., %l[body] - ., %c[k]\n\t"
		     ".popsection"
	    :
	    : [k] "i"(key)
	    :
	    : body);
	return false;
body:
	return true;
#else
	(void)key;
	return false;
#endif
}

/*
 * Makes every site what wanted(its key) says. Thread context, no spin locks; may block; callers serialise.
 */
void patch_branches(bool (*wanted)(uint32_t key));
