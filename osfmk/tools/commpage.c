/*
 * commpage: every field of the page that the kernel shows in all programs, by name.
 *
 *	commpage		all of them
 *	commpage FIELD		the value of one
 *
 * What the kernel never writes after boot is read from the page that it cannot write either (RO). Fields that this kernel
 * does not keep are 0. Words that belong together are read one by one: the protocols are in <mach/arm/commpage.h>.
 */
#include <mach/arm/commpage.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum kind { NUMBER, HEX, TEXT, CAPABILITIES, PRESSURE, TIMEBASE, CLUSTERS };

struct field {
	const char *name;
	uint16_t offset;
	uint8_t bytes;
	uint8_t kind;
	bool ro;
};

#define TIMEOFDAY_WORD(i) (COMMPAGE_TIMEOFDAY + 8 * (i))

/* In the order of the page. */
static const struct field fields[] = {
	{ "SIGNATURE", 0, 16, TEXT, false },
	{ "CPU_CAPABILITIES64", COMMPAGE_CPU_CAPABILITIES64, 8, CAPABILITIES, false },
	{ "VERSION", COMMPAGE_VERSION_FIELD, 2, NUMBER, false },
	{ "CPU_CAPABILITIES", COMMPAGE_CPU_CAPABILITIES, 4, HEX, false },
	{ "NCPUS", COMMPAGE_NCPUS, 1, NUMBER, false },
	{ "USER_PAGE_SHIFT_32", COMMPAGE_USER_PAGE_SHIFT_32, 1, NUMBER, true },
	{ "USER_PAGE_SHIFT_64", COMMPAGE_USER_PAGE_SHIFT_64, 1, NUMBER, true },
	{ "CACHE_LINESIZE", COMMPAGE_CACHE_LINESIZE, 2, NUMBER, false },
	{ "CPU_CLUSTERS", COMMPAGE_CPU_CLUSTERS, 1, NUMBER, false },
	{ "MEMORY_PRESSURE", COMMPAGE_MEMORY_PRESSURE, 4, PRESSURE, false },
	{ "ACTIVE_CPUS", COMMPAGE_ACTIVE_CPUS, 1, NUMBER, false },
	{ "PHYSICAL_CPUS", COMMPAGE_PHYSICAL_CPUS, 1, NUMBER, false },
	{ "LOGICAL_CPUS", COMMPAGE_LOGICAL_CPUS, 1, NUMBER, false },
	{ "KERNEL_PAGE_SHIFT", COMMPAGE_KERNEL_PAGE_SHIFT, 1, NUMBER, true },
	{ "MEMORY_SIZE", COMMPAGE_MEMORY_SIZE, 8, NUMBER, false },
	{ "OLD_TIMEOFDAY.timebase", COMMPAGE_OLD_TIMEOFDAY, 8, NUMBER, false },
	{ "OLD_TIMEOFDAY.sec", COMMPAGE_OLD_TIMEOFDAY + 8, 4, NUMBER, false },
	{ "OLD_TIMEOFDAY.usec", COMMPAGE_OLD_TIMEOFDAY + 12, 4, NUMBER, false },
	{ "OLD_TIMEOFDAY.ticks_per_sec", COMMPAGE_OLD_TIMEOFDAY + 16, 4, NUMBER, false },
	{ "OLD_TIMEOFDAY.ticks_per_usec", COMMPAGE_OLD_TIMEOFDAY + 20, 4, NUMBER, false },
	{ "OLD_TIMEOFDAY.magic", COMMPAGE_OLD_TIMEOFDAY + 24, 8, HEX, false },
	{ "OLD_TIMEOFDAY.add", COMMPAGE_OLD_TIMEOFDAY + 32, 4, NUMBER, false },
	{ "OLD_TIMEOFDAY.shift", COMMPAGE_OLD_TIMEOFDAY + 36, 4, NUMBER, false },
	{ "CPUFAMILY", COMMPAGE_CPUFAMILY, 4, HEX, false },
	{ "DEV_FIRM", COMMPAGE_DEV_FIRM, 4, NUMBER, true },
	{ "TIMEBASE_OFFSET", COMMPAGE_TIMEBASE_OFFSET, 8, NUMBER, false },
	{ "USER_TIMEBASE", COMMPAGE_USER_TIMEBASE, 1, TIMEBASE, false },
	{ "CONT_HWCLOCK", COMMPAGE_CONT_HWCLOCK, 1, NUMBER, false },
	{ "DTRACE_DOF_ENABLED", COMMPAGE_DTRACE_DOF_ENABLED, 1, NUMBER, false },
	{ "CONT_TIMEBASE", COMMPAGE_CONT_TIMEBASE, 8, NUMBER, false },
	{ "BOOTTIME_USEC", COMMPAGE_BOOTTIME_USEC, 8, NUMBER, false },
	{ "CONT_HW_TIMEBASE", COMMPAGE_CONT_HW_TIMEBASE, 8, NUMBER, false },
	{ "APPROX_TIME", COMMPAGE_APPROX_TIME, 8, NUMBER, false },
	{ "APPROX_TIME_SUPPORTED", COMMPAGE_APPROX_TIME_OK, 1, NUMBER, false },
	{ "KDEBUG_ENABLE", COMMPAGE_KDEBUG_ENABLE, 4, HEX, false },
	{ "ATM_DIAGNOSTIC_CONFIG", COMMPAGE_ATM_DIAGNOSTIC_CONFIG, 4, HEX, false },
	{ "MULTIUSER_CONFIG", COMMPAGE_MULTIUSER_CONFIG, 4, HEX, false },
	{ "TIMEOFDAY.tick", TIMEOFDAY_WORD(0), 8, NUMBER, false },
	{ "TIMEOFDAY.sec", TIMEOFDAY_WORD(1), 8, NUMBER, false },
	{ "TIMEOFDAY.frac", TIMEOFDAY_WORD(2), 8, HEX, false },
	{ "TIMEOFDAY.ticks_scale", TIMEOFDAY_WORD(3), 8, HEX, false },
	{ "TIMEOFDAY.ticks_per_sec", TIMEOFDAY_WORD(4), 8, NUMBER, false },
	{ "REMOTETIME_PARAMS.0", COMMPAGE_REMOTETIME_PARAMS, 8, HEX, false },
	{ "REMOTETIME_PARAMS.1", COMMPAGE_REMOTETIME_PARAMS + 8, 8, HEX, false },
	{ "REMOTETIME_PARAMS.2", COMMPAGE_REMOTETIME_PARAMS + 16, 8, HEX, false },
	{ "DYLD_FLAGS", COMMPAGE_DYLD_FLAGS, 8, HEX, false },
	{ "CPU_QUIESCENT_COUNTER", COMMPAGE_CPU_QUIESCENT_COUNTER, 8, NUMBER, false },
	{ "CPU_TO_CLUSTER", COMMPAGE_CPU_TO_CLUSTER, 0, CLUSTERS, false },
	{ "ASB_TARGET_VALUE", COMMPAGE_ASB, 8, HEX, false },
	{ "ASB_TARGET_ADDRESS", COMMPAGE_ASB + 8, 8, HEX, false },
	{ "ASB_TARGET_KERN_VALUE", COMMPAGE_ASB + 16, 8, HEX, false },
	{ "ASB_TARGET_KERN_ADDRESS", COMMPAGE_ASB + 24, 8, HEX, false },
	{ "APT_MSG_POLICY", COMMPAGE_APT_MSG_POLICY, 1, NUMBER, false },
	{ "APT_ACTIVE", COMMPAGE_APT_ACTIVE, 1, NUMBER, false },
};

#define FIELDS (sizeof(fields) / sizeof(fields[0]))

/* By bit; bits 16 to 23 are the number of CPUs. */
static const char *const capabilities[64] = {
	[3] = "FP16",
	[4] = "CACHE_32",
	[5] = "CACHE_64",
	[6] = "CACHE_128",
	[7] = "FAST_TLS",
	[8] = "ADVSIMD",
	[9] = "ADVSIMD_HP",
	[10] = "VFP",
	[11] = "UNCACHED",
	[12] = "EVENT_STREAM",
	[13] = "FMA",
	[14] = "FHM",
	[15] = "UNIPROCESSOR",
	[24] = "CRYPTO",
	[25] = "LSE",
	[26] = "CRC32",
	[31] = "SHA512",
	[32] = "SHA3",
	[33] = "FCMA",
	[34] = "AFP",
	[40] = "FLAGM",
	[41] = "FLAGM2",
	[42] = "DOTPROD",
	[43] = "RDM",
	[44] = "SPECRES",
	[45] = "SB",
	[46] = "FRINTTS",
	[47] = "GPI",
	[48] = "LRCPC",
	[49] = "LRCPC2",
	[50] = "JSCVT",
	[51] = "PAUTH",
	[52] = "DPB",
	[53] = "DPB2",
	[54] = "LSE2",
	[55] = "CSV2",
	[56] = "CSV3",
	[57] = "DIT",
	[58] = "FP_SYNC",
	[59] = "SME",
	[60] = "SME2",
};

static const volatile unsigned char *
field_at(const struct field *f)
{
	return (const volatile unsigned char *)(f->ro ? COMMPAGE_RO_ADDRESS : COMMPAGE_ADDRESS) + f->offset;
}

/* In one access. */
static uint64_t
field_value(const struct field *f)
{
	const volatile void *at = field_at(f);

	switch (f->bytes) {
	case 1:
		return *(const volatile uint8_t *)at;
	case 2:
		return *(const volatile uint16_t *)at;
	case 4:
		return *(const volatile uint32_t *)at;
	default:
		return *(const volatile uint64_t *)at;
	}
}

static void
print_capabilities(uint64_t value)
{
	printf("%#llx", (unsigned long long)value);
	for (unsigned bit = 0; bit < 64; bit++) {
		if (!(value >> bit & 1) || (bit >= 16 && bit < 24)) {
			continue;
		}
		if (capabilities[bit] != NULL) {
			printf(" %s", capabilities[bit]);
		} else {
			printf(" bit%u", bit);
		}
	}
	printf(" CPUS=%llu", (unsigned long long)(value >> COMMPAGE_CAP_NCPUS_SHIFT & 0xff));
}

static const char *
name_of(uint64_t value, const char *const *names, unsigned count)
{
	return value < count ? names[value] : "unknown";
}

static void
print_clusters(const struct field *f)
{
	unsigned cpus = *((const volatile uint8_t *)COMMPAGE_ADDRESS + COMMPAGE_NCPUS);

	for (unsigned cpu = 0; cpu < cpus; cpu++) {
		printf("%s%u", cpu == 0 ? "" : " ", field_at(f)[cpu]);
	}
}

static void
print_value(const struct field *f)
{
	static const char *const pressures[] = { "normal", "warning", "critical" };
	static const char *const timebases[] = { "none: ask the kernel", "CNTVCT_EL0 behind an ISB",
		"CNTVCTSS_EL0" };
	uint64_t value = field_value(f);

	switch (f->kind) {
	case TEXT:
		printf("%.*s", f->bytes, (const char *)(uintptr_t)field_at(f));
		break;
	case CAPABILITIES:
		print_capabilities(value);
		break;
	case PRESSURE:
		printf("%llu (%s)", (unsigned long long)value, name_of(value, pressures, 3));
		break;
	case TIMEBASE:
		printf("%llu (%s)", (unsigned long long)value, name_of(value, timebases, 3));
		break;
	case CLUSTERS:
		print_clusters(f);
		break;
	default:
		printf(f->kind == HEX ? "%#llx" : "%llu", (unsigned long long)value);
		break;
	}
	putchar('\n');
}

static int
show_all(void)
{
	printf("offset    field                         value\n");
	for (unsigned i = 0; i < FIELDS; i++) {
		printf("0x%03x %-4s%-30s", fields[i].offset, fields[i].ro ? "RO" : "", fields[i].name);
		print_value(&fields[i]);
	}
	return 0;
}

int
main(int argc, char **argv)
{
	if (argc == 1) {
		return show_all();
	}
	for (unsigned i = 0; argc == 2 && i < FIELDS; i++) {
		if (strcmp(argv[1], fields[i].name) == 0) {
			print_value(&fields[i]);
			return 0;
		}
	}
	fprintf(stderr, "usage: commpage [FIELD], where FIELD is a name that commpage prints\n");
	return 64;
}
