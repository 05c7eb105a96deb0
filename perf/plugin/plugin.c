/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The plugin: options, the guest's marks, the report.
 *
 *	-plugin pluot_plugin.so,mode=MODE,out=FILE[,skip=N][,OPTION=VALUE...]
 *
 *	mode   counts   instructions, by CPU and batch            (mode_counts.c)
 *	       model    TLBs and caches as well                   (mode_model.c)
 *	       profile  instructions, by address                  (mode_profile.c)
 *	       stacks   instructions, under each chain of calls   (mode_stacks.c)
 *	       sharing  lines written by one CPU, touched by another (mode_sharing.c)
 *	       stale    uses of translations that the page tables no longer hold (mode_stale.c)
 *	out    where the report goes
 *	skip   batches of each row that only warm the guest up (default 1)
 *
 * Further options belong to the mode.
 */
#include "mode.h"

#include "guest.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_API;

QEMU_PLUGIN_EXPORT int qemu_plugin_install(
    qemu_plugin_id_t id, const struct qemu_info *info, int argc, char **argv);

static const struct mode *const modes[] = { &mode_counts, &mode_model, &mode_profile, &mode_stacks,
	&mode_sharing, &mode_stale };

#define MODES (sizeof(modes) / sizeof(modes[0]))

struct region region = { .skip = 1 };

static const struct mode *mode;
static FILE *out;
static unsigned rows;

uint32_t
insn_word(const struct qemu_plugin_insn *insn)
{
	uint32_t word;

	memcpy(&word, qemu_plugin_insn_data(insn), sizeof(word));
	return word;
}

int
insn_hint(const struct qemu_plugin_insn *insn)
{
	uint32_t word = insn_word(insn);

	return (word & 0xfffff01fU) == 0xd503201fU ? (int)(word >> 5 & 0x7f) : -1;
}

/* --- marks --- */

static void
before_mark(unsigned cpu)
{
	if (mode->before_mark != NULL) {
		mode->before_mark(cpu);
	}
}

static void
on_begin(unsigned cpu, void *data)
{
	before_mark(cpu);
	region_begin(&region, cpu);
}

static void
on_end(unsigned cpu, void *data)
{
	before_mark(cpu);
	if (region_end(&region, cpu) == REGION_CLOSED && mode->end_batch != NULL) {
		mode->end_batch(out);
	}
}

static void
close_row(void)
{
	if (!region.in_row || region.calibrates) {
		return;
	}
	if (mode->row_end != NULL) {
		mode->row_end(out);
	}
	fprintf(out, "batches %u\n", region.looked_at);
}

static void
on_row(unsigned cpu, void *data)
{
	uint64_t workers = guest_register(cpu, 0), operations = guest_register(cpu, 1);

	before_mark(cpu);
	close_row();
	region_row(&region, workers <= REGION_CPUS_MAX ? (unsigned)workers : REGION_CPUS_MAX, operations);
	if (!region.calibrates) {
		fprintf(out, "row %u %" PRIu64 " %" PRIu64 "\n", rows++, workers, operations);
	}
	if (mode->row_begin != NULL) {
		mode->row_begin();
	}
}

static void
instrument_mark(struct qemu_plugin_insn *insn)
{
	static const struct {
		int hint;
		qemu_plugin_insn_cb callback;
	} marks[] = { { REGION_HINT_BEGIN, on_begin }, { REGION_HINT_END, on_end },
		{ REGION_HINT_ROW, on_row } };
	int hint = insn_hint(insn);

	for (size_t i = 0; hint >= 0 && i < sizeof(marks) / sizeof(marks[0]); i++) {
		if (marks[i].hint == hint) {
			qemu_plugin_register_vcpu_insn_exec_cb(
			    insn, marks[i].callback, QEMU_PLUGIN_CB_R_REGS, NULL);
		}
	}
}

static void
on_translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t n = qemu_plugin_tb_n_insns(tb);

	for (size_t i = 0; i < n; i++) {
		instrument_mark(qemu_plugin_tb_get_insn(tb, i));
	}
	mode->translate(tb);
}

static void
on_end_of_run(qemu_plugin_id_t id, void *data)
{
	close_row();
	if (mode->end_of_run != NULL) {
		mode->end_of_run(out);
	}
	fputs("end\n", out);
	fclose(out);
}

/* --- installation --- */

bool
option_number(const char *text, unsigned long min, unsigned long max, unsigned long *value)
{
	char *end;
	unsigned long number = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end != '\0' || number < min || number > max) {
		return false;
	}
	*value = number;
	return true;
}

static bool
choose_mode(const char *name)
{
	for (size_t i = 0; i < MODES; i++) {
		if (strcmp(modes[i]->name, name) == 0) {
			mode = modes[i];
			return true;
		}
	}
	return false;
}

static bool
parse_option(const char *key, const char *value)
{
	unsigned long number;

	if (strcmp(key, "mode") == 0) {
		return choose_mode(value);
	}
	if (strcmp(key, "out") == 0) {
		out = fopen(value, "w");
		return out != NULL;
	}
	if (strcmp(key, "skip") == 0 && option_number(value, 0, 1000, &number)) {
		region.skip = (unsigned)number;
		return true;
	}
	return mode != NULL && mode->option != NULL && mode->option(key, value);
}

static bool
parse_word(const char *word)
{
	char key[32];
	const char *value = strchr(word, '=');

	if (value == NULL || (size_t)(value - word) >= sizeof(key)) {
		return false;
	}
	memcpy(key, word, (size_t)(value - word));
	key[value - word] = '\0';
	return parse_option(key, value + 1);
}

static int
refuse(const char *why)
{
	fprintf(stderr, "pluot plugin: %s\n", why);
	return 1;
}

int
qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		if (!parse_word(argv[i])) {
			fprintf(stderr, "pluot plugin: cannot use option '%s'\n", argv[i]);
			return 1;
		}
	}
	if (mode == NULL || out == NULL) {
		return refuse(
		    "mode=counts|model|profile|stacks|sharing|stale and out=FILE are needed, mode first");
	}
	if (info->system.max_vcpus > REGION_CPUS_MAX) {
		return refuse("too many CPUs");
	}
	if (!guest_find()) {
		return refuse("this QEMU does not let a plugin read registers");
	}
	if (!mode->init((unsigned)info->system.max_vcpus)) {
		return refuse("the options do not fit together");
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
	qemu_plugin_register_atexit_cb(id, on_end_of_run, NULL);
	return 0;
}
