/* Exceptions with 32-bit codes; see <mach/exc.h>. */
#include <mach/exc.h>
#include <stdbool.h>
#include <stddef.h>

#include "mig_client.h"

#define EXC_SERVER               exc_server
#define EXC_BASE                 2401
#define EXC_CODE                 exception_data_type_t
#define EXC_RAISE                catch_exception_raise
#define EXC_RAISE_STATE          catch_exception_raise_state
#define EXC_RAISE_STATE_IDENTITY catch_exception_raise_state_identity
#include "exc_server.h"
