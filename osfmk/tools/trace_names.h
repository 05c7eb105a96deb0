/*
 * Names by number, generated from the ABI tables; each array ends with a NULL name.
 */
#pragma once

struct trace_name {
	unsigned number;
	const char *name;
};

extern const struct trace_name trace_trap_names[];
extern const struct trace_name trace_call_names[];
extern const struct trace_name trace_routine_names[];
