/*
 * Interval timers: setitimer, getitimer. There is the one that runs in real time and sends SIGALRM; those that run with
 * a process's CPU time there are not (ENOTSUP).
 *
 * A process gets its timer with its first setitimer and keeps it until it ends, over exec; a child has none of its
 * parent's. Expiry is a thread call, which sends the signal and sets the timer anew. Expiries that come while the signal
 * is pending, or that were missed, are one.
 *
 * Lock: p_lock guards the times. The call is set under it, so the last setting is the one that counts; a function that
 * comes for an earlier one finds a time that has not come, or none.
 */
#include <bsd/kern/proc.h>

#include <arm64/copyio.h>
#include <kern/clock.h>
#include <kern/thread_call.h>
#include <kern/zalloc.h>
#include <sys/errno.h>
#include <sys/signal.h>
#include <sys/sysproto.h>
#include <sys/time.h>

#define ITIMER_SECONDS_MAX     100000000     /* three years, as everywhere */
#define ITIMER_INTERVAL_MIN_NS NSEC_PER_MSEC /* a shorter one becomes this: signals are not to fill a CPU */

struct itimer {
	struct thread_call it_call;
	uint64_t it_deadline; /* (p) absolute time; 0: not set */
	uint64_t it_interval; /* (p) ticks; 0: once */
};

/* The next time, not yet come, that is a whole number of intervals after the last. */
static uint64_t
next_deadline(const struct itimer *it, uint64_t now)
{
	return it->it_interval == 0 ? 0 : now + it->it_interval - (now - it->it_deadline) % it->it_interval;
}

static void
itimer_expired(void *param0, void *param1)
{
	struct proc *p = param0;
	struct itimer *it = p->p_itimer;
	uint64_t now = mach_absolute_time();
	bool expired;

	(void)param1;
	lck_mtx_lock(&p->p_lock);
	expired = it->it_deadline != 0 && it->it_deadline <= now;
	if (expired) {
		it->it_deadline = next_deadline(it, now);
		if (it->it_deadline != 0) {
			(void)thread_call_enter_delayed(&it->it_call, NULL, it->it_deadline, 0);
		}
	}
	lck_mtx_unlock(&p->p_lock);
	if (expired) {
		psignal(p, SIGALRM, &(struct signal_source){ 0 });
	}
}

/* The timer of the process, made if it has none; NULL: no memory. */
static struct itimer *
itimer_get(struct proc *p)
{
	struct itimer *it = os_atomic_load(&p->p_itimer, acquire), *made; /* pairs with the exchange */

	if (it != NULL) {
		return it;
	}
	made = kalloc(sizeof(*made));
	if (made == NULL) {
		return NULL;
	}
	made->it_deadline = 0;
	made->it_interval = 0;
	if (thread_call_setup(&made->it_call, itimer_expired, p) == KERN_SUCCESS &&
	    os_atomic_cmpxchg(&p->p_itimer, NULL, made, acq_rel)) {
		return made;
	}
	kfree(made, sizeof(*made)); /* no memory, or another thread's came first */
	return os_atomic_load(&p->p_itimer, acquire);
}

void
itimer_exit(struct proc *p)
{
	struct itimer *it = p->p_itimer;

	if (it == NULL) {
		return;
	}
	lck_mtx_lock(&p->p_lock);
	it->it_deadline = 0; /* a function that runs does not set it again */
	lck_mtx_unlock(&p->p_lock);
	(void)thread_call_cancel_wait(&it->it_call);
	p->p_itimer = NULL;
	kfree(it, sizeof(*it));
}

static int
ticks_of_timeval(const struct timeval *tv, uint64_t *ticks)
{
	if (!timeval_is_valid(tv, ITIMER_SECONDS_MAX)) {
		return EINVAL;
	}
	*ticks = nanoseconds_to_absolutetime(
	    (uint64_t)tv->tv_sec * NSEC_PER_SEC + (uint64_t)tv->tv_usec * NSEC_PER_USEC);
	return 0;
}

static int
which_error(int which)
{
	return which == ITIMER_REAL ? 0 : which == ITIMER_VIRTUAL || which == ITIMER_PROF ? ENOTSUP : EINVAL;
}

/* What is left of it; a timer that is due and not told of yet has a microsecond left. */
static void
itimer_value(struct proc *p, struct itimerval *value)
{
	struct itimer *it = os_atomic_load(&p->p_itimer, acquire);
	uint64_t now = mach_absolute_time(), left = 0, interval = 0;

	if (it != NULL) {
		lck_mtx_lock(&p->p_lock);
		if (it->it_deadline != 0) {
			left = it->it_deadline > now ? it->it_deadline - now : 1;
		}
		interval = it->it_interval;
		lck_mtx_unlock(&p->p_lock);
	}
	timeval_set(&value->it_value, absolutetime_to_nanoseconds(left));
	if (left != 0 && value->it_value.tv_sec == 0 && value->it_value.tv_usec == 0) {
		value->it_value.tv_usec = 1;
	}
	timeval_set(&value->it_interval, absolutetime_to_nanoseconds(interval));
}

sysret_t
sys_getitimer(int which, user_addr_t value)
{
	struct itimerval now;
	int error = which_error(which);

	if (error == 0) {
		itimer_value(current_proc(), &now);
		error = copyout(&now, value, sizeof(now));
	}
	return (sysret_t){ .error = error };
}

static void
itimer_set(struct proc *p, struct itimer *it, uint64_t ticks, uint64_t interval)
{
	lck_mtx_lock(&p->p_lock);
	it->it_interval = interval;
	it->it_deadline = ticks == 0 ? 0 : mach_absolute_time() + ticks;
	if (ticks != 0) {
		(void)thread_call_enter_delayed(&it->it_call, NULL, it->it_deadline, 0);
	} else {
		(void)thread_call_cancel(&it->it_call);
	}
	lck_mtx_unlock(&p->p_lock);
}

/* What a program asks for, in ticks. */
static int
itimer_request(user_addr_t value, uint64_t *ticks, uint64_t *interval)
{
	struct itimerval new;
	int error = copyin(value, &new, sizeof(new));

	if (error == 0) {
		error = ticks_of_timeval(&new.it_value, ticks);
	}
	if (error == 0) {
		error = ticks_of_timeval(&new.it_interval, interval);
	}
	if (error == 0 && *interval != 0) {
		*interval = os_max(*interval, nanoseconds_to_absolutetime(ITIMER_INTERVAL_MIN_NS));
	}
	return error;
}

/* Without a new value it tells the old one, as getitimer does. */
sysret_t
sys_setitimer(int which, user_addr_t value, user_addr_t old)
{
	struct proc *p = current_proc();
	uint64_t ticks = 0, interval = 0;
	struct itimer *it = NULL;
	int error = which_error(which);

	if (error == 0 && value != 0) {
		error = itimer_request(value, &ticks, &interval);
		if (error == 0 && (it = itimer_get(p)) == NULL) {
			error = ENOMEM;
		}
	}
	if (error == 0 && old != 0) {
		error = sys_getitimer(which, old).error;
	}
	if (error == 0 && it != NULL) {
		itimer_set(p, it, ticks, interval);
	}
	return (sysret_t){ .error = error };
}
