/* Streams and formatted input and output. */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <sys/cdefs.h>
#include <sys/types.h>

__BEGIN_DECLS

typedef struct __sFILE FILE;
typedef off_t fpos_t;

extern FILE *__stdinp;
extern FILE *__stdoutp;
extern FILE *__stderrp;
#define stdin  __stdinp
#define stdout __stdoutp
#define stderr __stderrp

#define EOF          (-1)
#define BUFSIZ       1024
#define FILENAME_MAX 1024
#define FOPEN_MAX    20
#define _IOFBF       0
#define _IOLBF       1
#define _IONBF       2
#ifndef SEEK_SET
#define SEEK_SET 0
#define SEEK_CUR 1
#define SEEK_END 2
#endif

#define __PRINTF(f, a) __attribute__((format(printf, f, a)))
#define __SCANF(f, a)  __attribute__((format(scanf, f, a)))

FILE *fopen(const char *__restrict path, const char *__restrict mode);
FILE *freopen(const char *__restrict path, const char *__restrict mode, FILE *__restrict fp);
FILE *fdopen(int fd, const char *mode);
int fclose(FILE *fp);
int fflush(FILE *fp);
int fileno(FILE *fp);
int feof(FILE *fp);
int ferror(FILE *fp);
void clearerr(FILE *fp);
void setbuf(FILE *__restrict fp, char *__restrict buf);
int setlinebuf(FILE *fp);
int setvbuf(FILE *__restrict fp, char *__restrict buf, int mode, size_t size);
int fseek(FILE *fp, long offset, int whence);
int fseeko(FILE *fp, off_t offset, int whence);
long ftell(FILE *fp);
off_t ftello(FILE *fp);
void rewind(FILE *fp);
size_t fread(void *__restrict buf, size_t size, size_t count, FILE *__restrict fp);
size_t fwrite(const void *__restrict buf, size_t size, size_t count, FILE *__restrict fp);
int fgetc(FILE *fp);
int getc(FILE *fp);
int getchar(void);
int ungetc(int c, FILE *fp);
char *fgets(char *__restrict buf, int size, FILE *__restrict fp);
ssize_t getline(char **__restrict line, size_t *__restrict cap, FILE *__restrict fp);
ssize_t getdelim(char **__restrict line, size_t *__restrict cap, int delim, FILE *__restrict fp);
int fputc(int c, FILE *fp);
int putc(int c, FILE *fp);
int putchar(int c);
int fputs(const char *__restrict s, FILE *__restrict fp);
int puts(const char *s);
void perror(const char *s);
int remove(const char *path);
int rename(const char *from, const char *to);

int printf(const char *__restrict format, ...) __PRINTF(1, 2);
int fprintf(FILE *__restrict fp, const char *__restrict format, ...) __PRINTF(2, 3);
int sprintf(char *__restrict buf, const char *__restrict format, ...) __PRINTF(2, 3);
int snprintf(char *__restrict buf, size_t size, const char *__restrict format, ...) __PRINTF(3, 4);
int asprintf(char **__restrict out, const char *__restrict format, ...) __PRINTF(2, 3);
int vprintf(const char *__restrict format, va_list ap) __PRINTF(1, 0);
int vfprintf(FILE *__restrict fp, const char *__restrict format, va_list ap) __PRINTF(2, 0);
int vsprintf(char *__restrict buf, const char *__restrict format, va_list ap) __PRINTF(2, 0);
int vsnprintf(char *__restrict buf, size_t size, const char *__restrict format, va_list ap) __PRINTF(3, 0);
int vasprintf(char **__restrict out, const char *__restrict format, va_list ap) __PRINTF(2, 0);
int sscanf(const char *__restrict s, const char *__restrict format, ...) __SCANF(2, 3);
int vsscanf(const char *__restrict s, const char *__restrict format, va_list ap) __SCANF(2, 0);

__END_DECLS
