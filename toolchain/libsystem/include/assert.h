/* assert; NDEBUG is looked at each time the header is included. */
#undef assert
#ifdef NDEBUG
#define assert(e) ((void)0)
#else
#ifdef __cplusplus
extern "C" {
#endif
_Noreturn void __assert_rtn(const char *func, const char *file, int line, const char *expression);
#ifdef __cplusplus
}
#endif
#define assert(e) (__builtin_expect(!(e), 0) ? __assert_rtn(__func__, __FILE__, __LINE__, #e) : (void)0)
#endif
#ifndef __cplusplus
#undef static_assert
#define static_assert _Static_assert
#endif
