/*
 * Servers of exceptions with 64-bit codes (behavior | MACH_EXCEPTION_CODES).
 *
 * mach_exc_server answers a received request by calling one of three functions that the program defines, and writes
 * the reply; it returns FALSE for a message that is no such request. The reply buffer may be sent with mach_msg.
 */
#pragma once

#include <mach/mach_types.h>
#include <sys/cdefs.h>

__BEGIN_DECLS

boolean_t mach_exc_server(mach_msg_header_t *request, mach_msg_header_t *reply);

/* The program's. KERN_SUCCESS: the thread goes on (with *new_state_count words of new_state). */
kern_return_t catch_mach_exception_raise(mach_port_t exception_port, mach_port_t thread, mach_port_t task,
    exception_type_t exception, mach_exception_data_t code, mach_msg_type_number_t code_count);
kern_return_t catch_mach_exception_raise_state(mach_port_t exception_port, exception_type_t exception,
    const mach_exception_data_t code, mach_msg_type_number_t code_count, int *flavor,
    const thread_state_t old_state, mach_msg_type_number_t old_state_count, thread_state_t new_state,
    mach_msg_type_number_t *new_state_count);
kern_return_t catch_mach_exception_raise_state_identity(mach_port_t exception_port, mach_port_t thread,
    mach_port_t task, exception_type_t exception, mach_exception_data_t code,
    mach_msg_type_number_t code_count, int *flavor, thread_state_t old_state,
    mach_msg_type_number_t old_state_count, thread_state_t new_state,
    mach_msg_type_number_t *new_state_count);

__END_DECLS
