/* Exceptions with 64-bit codes; see <mach/mach_exc.h>. */
#include <mach/mach_exc.h>
#include <stdbool.h>
#include <stddef.h>

#include "mig_client.h"

#define EXC_SERVER               mach_exc_server
#define EXC_BASE                 2405
#define EXC_CODE                 mach_exception_data_type_t
#define EXC_RAISE                catch_mach_exception_raise
#define EXC_RAISE_STATE          catch_mach_exception_raise_state
#define EXC_RAISE_STATE_IDENTITY catch_mach_exception_raise_state_identity
#include "exc_server.h"
