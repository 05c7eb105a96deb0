/* host_request_notification: what there is to hear of. The message is a bare header, sent once. */
#pragma once

#define HOST_NOTIFY_CALENDAR_CHANGE 0
#define HOST_NOTIFY_CALENDAR_SET    1
#define HOST_NOTIFY_TYPE_MAX        1

/* msgh_id of the message */
#define HOST_CALENDAR_CHANGED_REPLYID 950
#define HOST_CALENDAR_SET_REPLYID     951
