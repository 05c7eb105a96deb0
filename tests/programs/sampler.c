/*
 * What tools like top, vmmap and sample read of a process: its threads and their states, its
 * memory, the host's figures.
 */
#include <mach/host_info.h>
#include <mach/mach.h>
#include <mach/mach_host.h>
#include <mach/mach_vm.h>
#include <mach/processor_info.h>
#include <mach/shared_region.h>
#include <mach/task_info.h>
#include <mach/thread_info.h>
#include <mach/vm_map.h>
#include <mach/vm_statistics.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile unsigned long spins;

static int
fail(const char *what, kern_return_t kr)
{
	fprintf(stderr, "%s: %s\n", what, mach_error_string(kr));
	return 1;
}

static int
sample_threads(task_t task)
{
	thread_act_array_t threads;
	mach_msg_type_number_t count;
	kern_return_t kr;
	int seen = 0;

	if ((kr = task_threads(task, &threads, &count)) != KERN_SUCCESS) {
		return fail("task_threads", kr);
	}
	for (mach_msg_type_number_t i = 0; i < count; i++) {
		thread_basic_info_data_t basic;
		thread_identifier_info_data_t ident;
		arm_thread_state64_t state;
		mach_msg_type_number_t size = THREAD_BASIC_INFO_COUNT;

		if ((kr = thread_info(threads[i], THREAD_BASIC_INFO, (thread_info_t)&basic, &size)) !=
		    KERN_SUCCESS) {
			return fail("thread_info", kr);
		}
		size = THREAD_IDENTIFIER_INFO_COUNT;
		if ((kr = thread_info(threads[i], THREAD_IDENTIFIER_INFO, (thread_info_t)&ident, &size)) !=
		    KERN_SUCCESS) {
			return fail("thread_info", kr);
		}
		size = ARM_THREAD_STATE64_COUNT;
		kr = thread_get_state(threads[i], ARM_THREAD_STATE64, (thread_state_t)&state, &size);
		if (kr != KERN_SUCCESS) {
			return fail("thread_get_state", kr);
		}
		seen +=
		    basic.suspend_count == 0 && ident.thread_id != 0 && arm_thread_state64_get_sp(state) != 0;
		mach_port_deallocate(mach_task_self(), threads[i]);
	}
	vm_deallocate(mach_task_self(), (vm_address_t)threads, count * sizeof(*threads));
	printf("threads: %u, %d sampled\n", count, seen);
	return 0;
}

static int
walk_memory(task_t task)
{
	mach_vm_address_t address = 0;
	mach_vm_size_t size, executable = 0, writable = 0;
	natural_t depth = 0;

	for (;;) {
		vm_region_submap_info_data_64_t info;
		mach_msg_type_number_t count = VM_REGION_SUBMAP_INFO_COUNT_64;

		if (mach_vm_region_recurse(task, &address, &size, &depth, (vm_region_recurse_info_t)&info,
			&count) != KERN_SUCCESS) {
			break;
		}
		if (info.is_submap) {
			depth++;
			continue;
		}
		executable += info.protection & VM_PROT_EXECUTE ? size : 0;
		writable += info.protection & VM_PROT_WRITE ? size : 0;
		address += size;
	}
	printf("memory: text %s, data %s\n", executable > 0 ? "found" : "missing",
	    writable > 0 ? "found" : "missing");
	return 0;
}

static int
task_figures(task_t task, unsigned pid)
{
	mach_task_basic_info_data_t basic;
	task_basic_info_64_data_t older;
	audit_token_t token;
	mach_msg_type_number_t count = MACH_TASK_BASIC_INFO_COUNT;
	kern_return_t kr;

	if ((kr = task_info(task, MACH_TASK_BASIC_INFO, (task_info_t)&basic, &count)) != KERN_SUCCESS) {
		return fail("MACH_TASK_BASIC_INFO", kr);
	}
	count = TASK_BASIC_INFO_64_COUNT;
	if ((kr = task_info(task, TASK_BASIC_INFO_64, (task_info_t)&older, &count)) != KERN_SUCCESS) {
		return fail("TASK_BASIC_INFO_64", kr);
	}
	count = TASK_AUDIT_TOKEN_COUNT;
	if ((kr = task_info(task, TASK_AUDIT_TOKEN, (task_info_t)&token, &count)) != KERN_SUCCESS) {
		return fail("TASK_AUDIT_TOKEN", kr);
	}
	printf("task: resident %s, suspended %d, as before: %d, pid %s\n",
	    basic.resident_size > 0 ? "some" : "none", basic.suspend_count,
	    older.suspend_count == basic.suspend_count, token.val[5] == pid ? "right" : "wrong");
	return 0;
}

static int
host_figures(void)
{
	vm_statistics64_data_t vm;
	host_cpu_load_info_data_t load;
	processor_cpu_load_info_t cpus;
	natural_t cpu_count;
	mach_msg_type_number_t count = HOST_VM_INFO64_COUNT;
	kernel_version_t version;
	vm_size_t page;
	kern_return_t kr;

	if ((kr = host_statistics64(mach_host_self(), HOST_VM_INFO64, (host_info64_t)&vm, &count)) !=
	    KERN_SUCCESS) {
		return fail("host_statistics64", kr);
	}
	count = HOST_CPU_LOAD_INFO_COUNT;
	kr = host_statistics(mach_host_self(), HOST_CPU_LOAD_INFO, (host_info_t)&load, &count);
	if (kr != KERN_SUCCESS) {
		return fail("host_statistics", kr);
	}
	kr = host_processor_info(
	    mach_host_self(), PROCESSOR_CPU_LOAD_INFO, &cpu_count, (processor_info_array_t *)&cpus, &count);
	if (kr != KERN_SUCCESS) {
		return fail("host_processor_info", kr);
	}
	vm_deallocate(mach_task_self(), (vm_address_t)cpus, count * sizeof(integer_t));
	host_page_size(mach_host_self(), &page);
	if ((kr = host_kernel_version(mach_host_self(), version)) != KERN_SUCCESS) {
		return fail("host_kernel_version", kr);
	}
	printf("host: free %s, %s, page %d, version %s\n", vm.free_count > 0 ? "some" : "none",
	    count == cpu_count * CPU_STATE_MAX ? "a load for each" : "wrong count", page == vm_page_size,
	    strlen(version) > 0 ? "given" : "none");
	return 0;
}

int
main(void)
{
	task_t task;
	kern_return_t kr;
	pid_t pid;
	int seen, bad;

	if ((pid = fork()) == 0) {
		for (;;) {
			spins++;
		}
	}
	if ((kr = task_for_pid(mach_task_self(), pid, &task)) != KERN_SUCCESS) {
		return fail("task_for_pid", kr);
	}
	if ((kr = pid_for_task(task, &seen)) != KERN_SUCCESS || seen != pid) {
		return fail("pid_for_task", kr);
	}
	task_suspend(task);
	bad =
	    sample_threads(task) || walk_memory(task) || task_figures(task, (unsigned)pid) || host_figures();
	task_resume(task);
	kr = task_terminate(task);
	waitpid(pid, &seen, 0);
	printf("terminated: %d, by %s\n", kr, WIFSIGNALED(seen) ? "a signal" : "itself");
	return bad;
}
