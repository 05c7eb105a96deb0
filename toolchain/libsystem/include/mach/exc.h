/* Servers of exceptions with 32-bit codes: as <mach/mach_exc.h>. */
#pragma once

#include <mach/mach_types.h>
#include <sys/cdefs.h>

__BEGIN_DECLS

boolean_t exc_server(mach_msg_header_t *request, mach_msg_header_t *reply);

/* The program's. */
kern_return_t catch_exception_raise(mach_port_t exception_port, mach_port_t thread, mach_port_t task,
    exception_type_t exception, exception_data_t code, mach_msg_type_number_t code_count);
kern_return_t catch_exception_raise_state(mach_port_t exception_port, exception_type_t exception,
    const exception_data_t code, mach_msg_type_number_t code_count, int *flavor,
    const thread_state_t old_state, mach_msg_type_number_t old_state_count, thread_state_t new_state,
    mach_msg_type_number_t *new_state_count);
kern_return_t catch_exception_raise_state_identity(mach_port_t exception_port, mach_port_t thread,
    mach_port_t task, exception_type_t exception, exception_data_t code, mach_msg_type_number_t code_count,
    int *flavor, thread_state_t old_state, mach_msg_type_number_t old_state_count, thread_state_t new_state,
    mach_msg_type_number_t *new_state_count);

__END_DECLS
