/* Results that a MIG stub or server adds to those of the routine, and the reply that carries only a result.
 */
#pragma once

#include <mach/message.h>
#include <mach/ndr.h>

#define MIG_TYPE_ERROR      (-300)
#define MIG_REPLY_MISMATCH  (-301)
#define MIG_REMOTE_ERROR    (-302)
#define MIG_BAD_ID          (-303)
#define MIG_BAD_ARGUMENTS   (-304)
#define MIG_NO_REPLY        (-305)
#define MIG_EXCEPTION       (-306)
#define MIG_ARRAY_TOO_LARGE (-307)
#define MIG_SERVER_DIED     (-308)
#define MIG_TRAILER_ERROR   (-309)

typedef struct {
	mach_msg_header_t Head;
	NDR_record_t NDR;
	kern_return_t RetCode;
} mig_reply_error_t;

_Static_assert(sizeof(mig_reply_error_t) == 36, "mig_reply_error_t");
