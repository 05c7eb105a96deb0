/* What stands in C++ tables for functions without a body: C++ programs have it although there is no C++ library. */
#include <stdio.h>
#include <stdlib.h>

_Noreturn void __cxa_pure_virtual(void);

void
__cxa_pure_virtual(void)
{
	(void)fputs("pure virtual function called\n", stderr);
	abort();
}
