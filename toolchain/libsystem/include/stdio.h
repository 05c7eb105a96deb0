/* Streams and formatted input and output. */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <sys/types.h>

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

FILE *fopen(const char *restrict path, const char *restrict mode);
FILE *freopen(const char *restrict path, const char *restrict mode, FILE *restrict fp);
FILE *fdopen(int fd, const char *mode);
int fclose(FILE *fp);
int fflush(FILE *fp);
int fileno(FILE *fp);
int feof(FILE *fp);
int ferror(FILE *fp);
void clearerr(FILE *fp);
void setbuf(FILE *restrict fp, char *restrict buf);
int setlinebuf(FILE *fp);
int setvbuf(FILE *restrict fp, char *restrict buf, int mode, size_t size);
int fseek(FILE *fp, long offset, int whence);
int fseeko(FILE *fp, off_t offset, int whence);
long ftell(FILE *fp);
off_t ftello(FILE *fp);
void rewind(FILE *fp);
size_t fread(void *restrict buf, size_t size, size_t count, FILE *restrict fp);
size_t fwrite(const void *restrict buf, size_t size, size_t count, FILE *restrict fp);
int fgetc(FILE *fp);
int getc(FILE *fp);
int getchar(void);
int ungetc(int c, FILE *fp);
char *fgets(char *restrict buf, int size, FILE *restrict fp);
ssize_t getline(char **restrict line, size_t *restrict cap, FILE *restrict fp);
ssize_t getdelim(char **restrict line, size_t *restrict cap, int delim, FILE *restrict fp);
int fputc(int c, FILE *fp);
int putc(int c, FILE *fp);
int putchar(int c);
int fputs(const char *restrict s, FILE *restrict fp);
int puts(const char *s);
void perror(const char *s);
int remove(const char *path);
int rename(const char *from, const char *to);

int printf(const char *restrict format, ...) __PRINTF(1, 2);
int fprintf(FILE *restrict fp, const char *restrict format, ...) __PRINTF(2, 3);
int sprintf(char *restrict buf, const char *restrict format, ...) __PRINTF(2, 3);
int snprintf(char *restrict buf, size_t size, const char *restrict format, ...) __PRINTF(3, 4);
int asprintf(char **restrict out, const char *restrict format, ...) __PRINTF(2, 3);
int vprintf(const char *restrict format, va_list ap) __PRINTF(1, 0);
int vfprintf(FILE *restrict fp, const char *restrict format, va_list ap) __PRINTF(2, 0);
int vsprintf(char *restrict buf, const char *restrict format, va_list ap) __PRINTF(2, 0);
int vsnprintf(char *restrict buf, size_t size, const char *restrict format, va_list ap) __PRINTF(3, 0);
int vasprintf(char **restrict out, const char *restrict format, va_list ap) __PRINTF(2, 0);
int sscanf(const char *restrict s, const char *restrict format, ...) __SCANF(2, 3);
int vsscanf(const char *restrict s, const char *restrict format, va_list ap) __SCANF(2, 0);
