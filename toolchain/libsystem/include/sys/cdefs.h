/* Spellings of attributes and of language differences that system headers and BSD sources use. */
#pragma once

#if defined(__cplusplus)
#define __BEGIN_DECLS extern "C" {
#define __END_DECLS   }
#else
#define __BEGIN_DECLS
#define __END_DECLS
#endif

#define __P(protos)    protos
#define __CONCAT(x, y) x##y
#define __STRING(x)    #x

#define __const    const
#define __signed   signed
#define __volatile volatile

#define __dead                 __attribute__((__noreturn__))
#define __dead2                __attribute__((__noreturn__))
#define __pure                 __attribute__((__pure__))
#define __pure2                __attribute__((__const__))
#define __unused               __attribute__((__unused__))
#define __used                 __attribute__((__used__))
#define __cold                 __attribute__((__cold__))
#define __deprecated           __attribute__((__deprecated__))
#define __deprecated_msg(m)    __attribute__((__deprecated__(m)))
#define __unavailable          __attribute__((__unavailable__))
#define __packed               __attribute__((__packed__))
#define __aligned(n)           __attribute__((__aligned__(n)))
#define __section(name)        __attribute__((__section__(name)))
#define __weak_import          __attribute__((__weak_import__))
#define __exported             __attribute__((__visibility__("default")))
#define __not_tail_called      __attribute__((__not_tail_called__))
#define __result_use_check     __attribute__((__warn_unused_result__))
#define __header_inline        static __inline__
#define __header_always_inline static __inline__ __attribute__((__always_inline__))

#define __printflike(format, first) __attribute__((__format__(__printf__, format, first)))
#define __scanflike(format, first)  __attribute__((__format__(__scanf__, format, first)))
#define __printf0like(format, first)

#define __offsetof(type, field) __builtin_offsetof(type, field)

#define __containerof(x, s, m)  ((s *)(void *)((char *)(x) - __offsetof(s, m)))
#define __DECONST(type, var)    ((type)(__UINTPTR_TYPE__)(const void *)(var))
#define __DEVOLATILE(type, var) ((type)(__UINTPTR_TYPE__)(volatile void *)(var))

#define __IDSTRING(name, string)
#define __FBSDID(s)
#define __RCSID(s)
#define __COPYRIGHT(s)

#define __DARWIN_ALIAS(symbol)
#define __DARWIN_ALIAS_C(symbol)
#define __DARWIN_NULL         ((void *)0)
#define __DARWIN_UNIX03       1
#define __DARWIN_64_BIT_INO_T 1
