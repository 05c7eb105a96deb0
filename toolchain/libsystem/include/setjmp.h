/* Non-local jumps. Only sigsetjmp saves the signal mask, if it is told to. */
#pragma once

#include <sys/cdefs.h>

__BEGIN_DECLS

typedef long long jmp_buf[24];
typedef jmp_buf sigjmp_buf;

int setjmp(jmp_buf env) __attribute__((returns_twice));
_Noreturn void longjmp(jmp_buf env, int value);
int _setjmp(jmp_buf env) __attribute__((returns_twice));
_Noreturn void _longjmp(jmp_buf env, int value);
int sigsetjmp(sigjmp_buf env, int save_mask) __attribute__((returns_twice));
_Noreturn void siglongjmp(sigjmp_buf env, int value);

__END_DECLS
