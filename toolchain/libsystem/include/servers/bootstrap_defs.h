/*
 * The name service's messages, for servers of the protocol and for programs that build them by hand.
 *
 * A request is sent to the bootstrap port with a send-once reply right; the reply's id is 100 above the request's.
 * Every request has one of two shapes, told by its id; fields are packed to four bytes:
 *
 *	bootstrap_name_request_t    header, NDR, name                      check-in, look-up, create-service, status
 *	bootstrap_right_request_t   header, count 1, send right, NDR, name register
 *
 * The reply is bootstrap_right_reply_t (complex, one right), bootstrap_status_reply_t, or mig_reply_error_t with
 * the result alone. Ids and result codes are those of the historical interface.
 */
#pragma once

#include <mach/mig_errors.h>

#define BOOTSTRAP_MAX_NAME_LEN      128 /* bytes, with the closing NUL */
#define BOOTSTRAP_MAX_CMD_LEN       512
#define BOOTSTRAP_MAX_LOOKUP_COUNT  20
#define BOOTSTRAP_REPLY_ID_DISTANCE 100

#define BOOTSTRAP_ID_CHECK_IN       402
#define BOOTSTRAP_ID_REGISTER       403
#define BOOTSTRAP_ID_LOOK_UP        404
#define BOOTSTRAP_ID_STATUS         407
#define BOOTSTRAP_ID_CREATE_SERVICE 410

#define BOOTSTRAP_SUCCESS         0
#define BOOTSTRAP_NOT_PRIVILEGED  1100
#define BOOTSTRAP_NAME_IN_USE     1101
#define BOOTSTRAP_UNKNOWN_SERVICE 1102
#define BOOTSTRAP_SERVICE_ACTIVE  1103
#define BOOTSTRAP_BAD_COUNT       1104
#define BOOTSTRAP_NO_MEMORY       1105
#define BOOTSTRAP_NO_CHILDREN     1106

#define BOOTSTRAP_STATUS_INACTIVE  0
#define BOOTSTRAP_STATUS_ACTIVE    1
#define BOOTSTRAP_STATUS_ON_DEMAND 2

typedef char name_t[BOOTSTRAP_MAX_NAME_LEN];
typedef char cmd_t[BOOTSTRAP_MAX_CMD_LEN];
typedef name_t *name_array_t;
typedef int bootstrap_status_t;
typedef bootstrap_status_t *bootstrap_status_array_t;

#pragma pack(push, 4)

typedef struct {
	mach_msg_header_t head;
	NDR_record_t ndr;
	name_t name; /* NUL-terminated */
} bootstrap_name_request_t;

typedef struct {
	mach_msg_header_t head;
	mach_msg_body_t body;
	mach_msg_port_descriptor_t right;
	NDR_record_t ndr;
	name_t name; /* NUL-terminated */
} bootstrap_right_request_t;

typedef struct {
	mach_msg_header_t head;
	mach_msg_body_t body;
	mach_msg_port_descriptor_t right;
} bootstrap_right_reply_t;

typedef struct {
	mach_msg_header_t head;
	NDR_record_t ndr;
	kern_return_t result;
	bootstrap_status_t status;
} bootstrap_status_reply_t;

#pragma pack(pop)
