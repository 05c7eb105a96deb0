/* Results as text, for messages to people. */
#include <mach/mach.h>
#include <stdio.h>

static char *const kern_names[] = {
	"success",
	"invalid address",
	"protection failure",
	"no space available",
	"invalid argument",
	"failure",
	"resource shortage",
	"not receiver",
	"no access",
	"memory failure",
	"memory error",
	"already in set",
	"not in set",
	"name exists",
	"aborted",
	"invalid name",
	"invalid task",
	"invalid right",
	"invalid value",
	"user references overflow",
	"invalid capability",
	"right exists",
	"invalid host",
};

char *
mach_error_string(mach_error_t kr)
{
	if (kr >= 0 && kr < (kern_return_t)(sizeof(kern_names) / sizeof(kern_names[0]))) {
		return kern_names[kr];
	}
	switch (kr) {
	case KERN_TERMINATED:
		return "terminated";
	case KERN_NOT_SUPPORTED:
		return "not supported";
	case KERN_OPERATION_TIMED_OUT:
		return "timed out";
	case MACH_SEND_INVALID_DEST:
		return "send: invalid destination";
	case MACH_SEND_TIMED_OUT:
		return "send: timed out";
	case MACH_SEND_INVALID_RIGHT:
		return "send: invalid right";
	case MACH_RCV_TIMED_OUT:
		return "receive: timed out";
	case MACH_RCV_INVALID_NAME:
		return "receive: invalid name";
	case MACH_RCV_TOO_LARGE:
		return "receive: too large";
	case MACH_RCV_PORT_DIED:
		return "receive: port died";
	case MIG_BAD_ID:
		return "MIG: unknown routine";
	case MIG_BAD_ARGUMENTS:
		return "MIG: bad arguments";
	default:
		return "unknown error";
	}
}

kern_return_t
host_page_size(host_t host, vm_size_t *size)
{
	*size = vm_page_size;
	return host == MACH_PORT_NULL ? KERN_INVALID_ARGUMENT : KERN_SUCCESS;
}

char *
mach_error_type(mach_error_t error)
{
	switch (err_get_system(error)) {
	case err_get_system(err_kern):
		return error < 0 ? "(mig)" : "(os/kern)";
	case err_get_system(err_mach_ipc):
		return err_get_sub(error) == 0 ? "(ipc/send)" : "(ipc/rcv)";
	case err_get_system(err_us):
		return "(us)";
	case err_get_system(err_server):
		return "(server)";
	default:
		return "(?)";
	}
}

void
mach_error(const char *text, mach_error_t error)
{
	fprintf(stderr, "%s %s: %s (%#x)\n", text, mach_error_type(error), mach_error_string(error),
	    (unsigned)error);
}
