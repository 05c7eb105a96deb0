/*
 * From the kernel's hand-over to main.
 *
 * Order: pointers in data, thread data of the first thread, Mach ports, data that is now final made read-only,
 * constructors, main.
 */
#include <mach-o/loader.h>
#include <mach/mach.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../mach/internal.h"
#include "../pthread/internal.h"
#include "rebase.h"
#include "start.h"

extern const struct mach_header_64 _mh_execute_header;

int main(int argc, char **argv, char **envp, char **apple);
_Noreturn void _libsystem_start(const uintptr_t *stack, const struct mach_header_64 *header);

char **environ;
static int start_argc;
static char **start_argv;
static const char *program_name = "";
uintptr_t __stack_chk_guard;

const char *
_apple_value(const char *const *apple, const char *key)
{
	size_t len = strlen(key);

	for (; *apple != NULL; apple++) {
		if (strncmp(*apple, key, len) == 0 && (*apple)[len] == '=') {
			return *apple + len + 1;
		}
	}
	return NULL;
}

/* A hexadecimal number, with or without 0x; *text is left behind it. */
static uint64_t
take_hex(const char **text)
{
	const char *p = *text;
	uint64_t value = 0;

	if (p[0] == '0' && p[1] == 'x') {
		p += 2;
	}
	for (;; p++) {
		unsigned digit = (unsigned)*p - '0';

		if (digit > 9) {
			digit = ((unsigned)*p | 0x20) - 'a' + 10;
			if (digit - 10 > 5) {
				break;
			}
		}
		value = value << 4 | digit;
	}
	*text = p;
	return value;
}

bool
_apple_numbers(const char *const *apple, const char *key, uint64_t *numbers, unsigned count)
{
	const char *text = _apple_value(apple, key);

	for (unsigned i = 0; i < count; i++) {
		if (text == NULL || *text == '\0') {
			return false;
		}
		numbers[i] = take_hex(&text);
		text += *text == ',';
	}
	return true;
}

static void
set_program_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	program_name = slash != NULL ? slash + 1 : path;
}

const char *
getprogname(void)
{
	return program_name;
}

typedef void (*segment_fn_t)(const struct segment_command_64 *segment, uint64_t slide);

static void
for_each_segment(segment_fn_t fn)
{
	const struct mach_header_64 *header = &_mh_execute_header;
	const struct load_command *command = (const void *)(header + 1);
	uint64_t slide = 0;

	for (uint32_t i = 0; i < header->ncmds; i++) {
		const struct segment_command_64 *segment = (const void *)command;

		if (command->cmd == LC_SEGMENT_64) {
			if (segment->fileoff == 0 && segment->filesize != 0) {
				slide = (uint64_t)header - segment->vmaddr;
			}
			if (segment->filesize != 0) {
				fn(segment, slide); /* __TEXT comes before every segment with data */
			}
		}
		command = (const void *)((const uint8_t *)command + command->cmdsize);
	}
}

static void
protect_final_data(const struct segment_command_64 *segment, uint64_t slide)
{
	if (segment->flags & SG_READ_ONLY) {
		(void)mach_vm_protect(
		    mach_task_self(), segment->vmaddr + slide, segment->vmsize, FALSE, VM_PROT_READ);
	}
}

typedef void (*constructor_t)(int, char **, char **);

static void
run_constructors(const struct segment_command_64 *segment, uint64_t slide)
{
	const struct section_64 *section = (const void *)(segment + 1);

	for (uint32_t i = 0; i < segment->nsects; i++, section++) {
		uint32_t type = section->flags & SECTION_TYPE;

		if (type == S_MOD_INIT_FUNC_POINTERS) {
			const constructor_t *fn = (const void *)(section->addr + slide);
			for (uint64_t n = section->size / sizeof(*fn); n != 0; n--, fn++) {
				(*fn)(start_argc, start_argv, environ);
			}
		} else if (type == S_INIT_FUNC_OFFSETS) {
			const uint32_t *offset = (const void *)(section->addr + slide);
			for (uint64_t n = section->size / sizeof(*offset); n != 0; n--, offset++) {
				((constructor_t)((uintptr_t)&_mh_execute_header + *offset))(
				    start_argc, start_argv, environ);
			}
		}
	}
}

_Noreturn void
_libsystem_start(const uintptr_t *stack, const struct mach_header_64 *header)
{
	int argc = (int)stack[0];
	char **argv = (char **)(uintptr_t)(stack + 1);
	char **envp = argv + argc + 1;
	char **apple = envp;
	uint64_t guard = 0;

	if (!_image_rebase(header)) {
		_exit(127);
	}
	while (*apple++ != NULL) {}
	start_argc = argc;
	start_argv = argv;
	environ = envp;
	_pthread_main_thread_init((const char *const *)apple);
	_mach_init();
	if (_apple_numbers((const char *const *)apple, "stack_guard", &guard, 1)) {
		__stack_chk_guard = guard;
	}
	set_program_name(argc > 0 ? argv[0] : "");
	for_each_segment(protect_final_data);
	for_each_segment(run_constructors);
	exit(main(argc, argv, envp, apple));
}
