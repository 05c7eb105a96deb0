/* processor_info and processor_set_info: flavors and structures. */
#pragma once

#include <mach/machine.h>
#include <mach/message.h>

typedef integer_t processor_flavor_t;
typedef integer_t *processor_info_t;
typedef integer_t *processor_info_array_t;
typedef integer_t processor_set_flavor_t;
typedef integer_t *processor_set_info_t;

#define PROCESSOR_BASIC_INFO           1
#define PROCESSOR_CPU_LOAD_INFO        2
#define PROCESSOR_SET_BASIC_INFO       5
#define PROCESSOR_SET_LOAD_INFO        4
#define PROCESSOR_BASIC_INFO_COUNT     5
#define PROCESSOR_CPU_LOAD_INFO_COUNT  4
#define PROCESSOR_SET_BASIC_INFO_COUNT 2
#define PROCESSOR_SET_LOAD_INFO_COUNT  4

typedef struct processor_basic_info {
	cpu_type_t cpu_type;
	cpu_subtype_t cpu_subtype;
	boolean_t running;
	int slot_num;
	boolean_t is_master;
} processor_basic_info_data_t;

typedef struct processor_cpu_load_info {
	unsigned int cpu_ticks[CPU_STATE_MAX];
} processor_cpu_load_info_data_t;

_Static_assert(sizeof(processor_basic_info_data_t) == 20, "processor_basic_info");
