/* An event loop over one port set: two timers of the kernel, and commands that a thread sends. */
#include <mach/mach.h>
#include <mach/mach_time.h>
#include <mach/mk_timer.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define COMMANDS 5
#define TICKS    3

typedef union {
	mach_msg_header_t header;
	mk_timer_expire_msg_t timer;
	char room[sizeof(mk_timer_expire_msg_t) + MAX_TRAILER_SIZE];
} event_t;

static mach_port_t commands;

static uint64_t
in_ms(unsigned ms)
{
	static mach_timebase_info_data_t base;

	if (base.denom == 0) {
		(void)mach_timebase_info(&base);
	}
	return mach_absolute_time() + ms * 1000000ULL * base.denom / base.numer;
}

static void *
commander(void *arg)
{
	for (int i = 0; i < COMMANDS; i++) {
		mach_msg_header_t command = {
			.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_MAKE_SEND, 0),
			.msgh_size = sizeof(command),
			.msgh_remote_port = commands,
			.msgh_id = i,
		};

		if (mach_msg_send(&command) != MACH_MSG_SUCCESS) {
			exit(1);
		}
	}
	return NULL;
}

int
main(void)
{
	mach_port_t set, tick, watchdog, self = mach_task_self();
	int ticks = 0, done = 0, ids = 0;
	uint64_t armed_until = 0, left;
	pthread_t thread;

	tick = mk_timer_create();
	watchdog = mk_timer_create();
	if (tick == MACH_PORT_NULL || watchdog == MACH_PORT_NULL ||
	    mach_port_allocate(self, MACH_PORT_RIGHT_PORT_SET, &set) != KERN_SUCCESS ||
	    mach_port_allocate(self, MACH_PORT_RIGHT_RECEIVE, &commands) != KERN_SUCCESS ||
	    mach_port_insert_member(self, tick, set) != KERN_SUCCESS ||
	    mach_port_insert_member(self, watchdog, set) != KERN_SUCCESS ||
	    mach_port_insert_member(self, commands, set) != KERN_SUCCESS) {
		fprintf(stderr, "set-up failed\n");
		return 1;
	}
	armed_until = in_ms(60000);
	mk_timer_arm(watchdog, armed_until);
	mk_timer_arm(tick, in_ms(5));
	pthread_create(&thread, NULL, commander, NULL);
	while (ticks < TICKS || done < COMMANDS) {
		event_t event;
		kern_return_t kr = mach_msg(&event.header, MACH_RCV_MSG, 0, sizeof(event), set,
		    MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL);

		if (kr != KERN_SUCCESS) {
			fprintf(stderr, "%s\n", mach_error_string(kr));
			return 1;
		}
		if (event.header.msgh_local_port == commands) {
			ids += event.header.msgh_id;
			done++;
			mach_msg_destroy(&event.header);
		} else if (event.header.msgh_local_port == tick) {
			ticks++;
			mk_timer_arm(tick, in_ms(5));
		} else {
			fprintf(stderr, "watchdog\n");
			return 1;
		}
	}
	pthread_join(thread, NULL);
	mk_timer_cancel(tick, NULL);
	if (mk_timer_cancel(watchdog, &left) != KERN_SUCCESS) {
		return 1;
	}
	printf("%d ticks, %d commands, ids %d\n", ticks, done, ids);
	printf("the watchdog had been armed: %s\n", left == armed_until ? "until then" : "for another time");
	printf("destroyed: %d %d\n", mk_timer_destroy(tick), mk_timer_destroy(watchdog));
	return 0;
}
