/*
 * The line discipline. See tty.h.
 */
#include <bsd/dev/tty.h>

#include <arm64/copyio.h>
#include <bsd/kern/signal_internal.h>
#include <bsd/kern/uio.h>
#include <kern/assert.h>
#include <kern/sched.h>
#include <kern/thread.h>
#include <kern/wait.h>
#include <string.h>
#include <sys/errno.h>
#include <sys/signal.h>

#define TTY_CHUNK   256U /* bytes moved at a time */
#define CONTROL(c)  ((c) & 0x1f)
#define TTY_SPEED   115200
#define TTY_MASK(i) ((i) & (TTY_INPUT_SIZE - 1))

LCK_CLASS_DECLARE(tty_class, "tty", LCK_RANK_NONE);

void
tty_init(struct tty *tp, void (*output)(const char *text, size_t len))
{
	*tp = (struct tty){
	    .t_termios =
	        {
	            .c_iflag = ICRNL | BRKINT,
	            .c_oflag = OPOST | ONLCR,
	            .c_cflag = CREAD | CS8 | HUPCL,
	            .c_lflag = ICANON | ISIG | IEXTEN | ECHO | ECHOE | ECHOK | ECHOKE | ECHOCTL,
	            .c_cc = {[VEOF] = CONTROL('d'), [VERASE] = 0x7f, [VWERASE] = CONTROL('w'),
	                [VKILL] = CONTROL('u'), [VINTR] = CONTROL('c'), [VQUIT] = CONTROL('\\'),
	                [VSUSP] = CONTROL('z'), [VMIN] = 1},
	            .c_ispeed = TTY_SPEED,
	            .c_ospeed = TTY_SPEED,
	        },
	    .t_winsize = {.ws_row = 24, .ws_col = 80},
	    .t_output = output,
	};
	lck_spin_init(&tp->t_lock, &tty_class);
	waitq_init(&tp->t_readers);
	waitq_init(&tp->t_signaller);
}

/* ---- Input ---- */

static void
tty_echo_locked(struct tty *tp, uint8_t c)
{
	char text[2] = { (char)c };
	size_t len = 1;

	if ((tp->t_termios.c_lflag & ECHO) == 0) {
		return;
	}
	if (c < 0x20 && c != '\n' && c != '\t' && (tp->t_termios.c_lflag & ECHOCTL) != 0) {
		text[0] = '^';
		text[1] = (char)(c + 0x40);
		len = 2;
	}
	tp->t_output(text, len);
}

/* Takes the last character of the line being edited back; false when there is none. */
static bool
tty_erase_locked(struct tty *tp)
{
	uint8_t c;

	if (tp->t_tail == tp->t_ready) {
		return false;
	}
	c = tp->t_input[TTY_MASK(--tp->t_tail)];
	if ((tp->t_termios.c_lflag & ECHO) != 0) {
		tp->t_output("\b \b", 3);
		if (c < 0x20) {
			tp->t_output("\b \b", 3);
		}
	}
	return true;
}

static void
tty_append_locked(struct tty *tp, uint8_t c)
{
	/* One byte is kept for the end of the line: a full buffer can still be sent off. */
	if (tp->t_tail - tp->t_head < TTY_INPUT_SIZE - (c == '\n' ? 0 : 1)) {
		tp->t_input[TTY_MASK(tp->t_tail++)] = c;
		tty_echo_locked(tp, c);
	}
}

/* What an editing character does; false: it is not one. */
static bool
tty_edit_locked(struct tty *tp, uint8_t c)
{
	const cc_t *cc = tp->t_termios.c_cc;

	if (c == cc[VERASE] || c == '\b') {
		(void)tty_erase_locked(tp);
	} else if (c == cc[VKILL]) {
		while (tty_erase_locked(tp)) {}
	} else {
		return false;
	}
	return true;
}

/* Returns true when readers have something new. An end-of-file is an empty stretch that is "ready". */
static bool
tty_canonical_locked(struct tty *tp, uint8_t c)
{
	const cc_t *cc = tp->t_termios.c_cc;

	if (tty_edit_locked(tp, c)) {
		return false;
	}
	if (c == cc[VEOF]) {
		tp->t_eof = tp->t_tail == tp->t_ready;
		tp->t_ready = tp->t_tail;
		return true;
	}
	tty_append_locked(tp, c);
	if (c == '\n') {
		tp->t_ready = tp->t_tail;
	}
	return c == '\n';
}

/* The signal that a character stands for; 0: none. */
static int
tty_signal_of(const struct tty *tp, uint8_t c)
{
	const cc_t *cc = tp->t_termios.c_cc;

	if ((tp->t_termios.c_lflag & ISIG) == 0) {
		return 0;
	}
	return c == cc[VINTR] ? SIGINT : c == cc[VQUIT] ? SIGQUIT : 0;
}

/* What was typed before is dropped, as it was meant for whoever is interrupted. */
static void
tty_signal_locked(struct tty *tp, uint8_t c, int sig)
{
	tty_echo_locked(tp, c);
	tp->t_head = tp->t_ready = tp->t_tail;
	tp->t_signals |= SIG_BIT(sig);
}

void
tty_input(struct tty *tp, uint8_t c)
{
	bool interrupts = lck_spin_lock_irq(&tp->t_lock);
	int sig = tty_signal_of(tp, c);
	bool wake = false;

	if (c == '\r' && (tp->t_termios.c_iflag & ICRNL) != 0) {
		c = '\n';
	}
	if (sig != 0) {
		tty_signal_locked(tp, c, sig);
	} else if ((tp->t_termios.c_lflag & ICANON) != 0) {
		wake = tty_canonical_locked(tp, c);
	} else {
		tty_append_locked(tp, c);
		tp->t_ready = tp->t_tail;
		wake = true;
	}
	lck_spin_unlock_irq(&tp->t_lock, interrupts);
	if (wake) {
		waitq_wakeup_all(&tp->t_readers, THREAD_AWAKENED);
	}
	if (sig != 0) {
		waitq_wakeup_all(&tp->t_signaller, THREAD_AWAKENED);
	}
}

/* ---- Signals ---- */

/* Takes what has been typed, or prepares to wait for it. */
static uint32_t
tty_take_signals(struct tty *tp, pid_t *pgrp)
{
	bool interrupts = lck_spin_lock_irq(&tp->t_lock);
	uint32_t signals = tp->t_signals;

	tp->t_signals = 0;
	*pgrp = tp->t_pgrp;
	if (signals == 0) {
		waitq_wait_prepare(&tp->t_signaller, THREAD_UNINT, 0);
	}
	lck_spin_unlock_irq(&tp->t_lock, interrupts);
	return signals;
}

static void
tty_signaller(void *param, wait_result_t result)
{
	struct tty *tp = param;

	for (;;) {
		pid_t pgrp;
		uint32_t signals = tty_take_signals(tp, &pgrp);

		if (signals == 0) {
			thread_block(THREAD_CONTINUE_NULL);
		}
		for (; signals != 0 && pgrp != 0; signals &= signals - 1) {
			pgrp_signal(pgrp, __builtin_ctz(signals) + 1);
		}
	}
}

bool
tty_start_signaller(struct tty *tp)
{
	return kernel_thread_create(tty_signaller, tp, BASEPRI_KERNEL, "tty signals", NULL) == KERN_SUCCESS;
}

/* ---- Reading ---- */

/* Takes what one read may have: at most a line in canonical mode. */
static size_t
tty_take_locked(struct tty *tp, uint8_t *buf, size_t room)
{
	bool canonical = (tp->t_termios.c_lflag & ICANON) != 0;
	size_t n = 0;

	while (n < room && tp->t_head != tp->t_ready) {
		uint8_t c = tp->t_input[TTY_MASK(tp->t_head++)];

		buf[n++] = c;
		if (canonical && c == '\n') {
			break;
		}
	}
	return n;
}

/*
 * Waits for input and takes some. 0 bytes: end of file.
 */
static int
tty_wait_take(struct tty *tp, uint8_t *buf, size_t room, bool nonblock, size_t *taken)
{
	for (;;) {
		bool interrupts = lck_spin_lock_irq(&tp->t_lock);
		bool eof = tp->t_eof && tp->t_head == tp->t_ready;

		*taken = tty_take_locked(tp, buf, room);
		if (eof) {
			tp->t_eof = false;
		}
		if (*taken == 0 && !eof && !nonblock) {
			waitq_wait_prepare(&tp->t_readers, THREAD_ABORTSAFE, 0);
		}
		lck_spin_unlock_irq(&tp->t_lock, interrupts);
		if (*taken != 0 || eof) {
			return 0;
		}
		if (nonblock) {
			return EAGAIN;
		}
		if (thread_block(THREAD_CONTINUE_NULL) == THREAD_INTERRUPTED) {
			return signal_interrupted();
		}
	}
}

int
tty_read(struct tty *tp, struct uio *uio, bool nonblock)
{
	uint8_t buf[TTY_CHUNK];
	size_t taken;
	int error;

	if (uio->uio_resid == 0) {
		return 0;
	}
	error = tty_wait_take(tp, buf, os_min(sizeof(buf), uio->uio_resid), nonblock, &taken);
	return error == 0 ? uiomove(buf, taken, uio) : error;
}

/* The driver turns '\n' into "\r\n". */
int
tty_write(struct tty *tp, struct uio *uio)
{
	char buf[TTY_CHUNK];

	while (uio->uio_resid > 0) {
		size_t n = os_min(sizeof(buf), uio->uio_resid);
		int error = uiomove(buf, n, uio);

		if (error != 0) {
			return error;
		}
		tp->t_output(buf, n);
	}
	return 0;
}

/* ---- Control ---- */

static void
tty_set_termios(struct tty *tp, const struct termios *t, bool flush)
{
	bool interrupts = lck_spin_lock_irq(&tp->t_lock);

	if (flush) {
		tp->t_head = tp->t_ready = tp->t_tail;
	}
	/* What was being edited can be read when lines are no longer gathered. */
	if ((t->c_lflag & ICANON) == 0) {
		tp->t_ready = tp->t_tail;
	}
	tp->t_termios = *t;
	lck_spin_unlock_irq(&tp->t_lock, interrupts);
	waitq_wakeup_all(&tp->t_readers, THREAD_AWAKENED);
}

static int
tty_ioctl_get(struct tty *tp, uint64_t command, uint64_t data)
{
	bool interrupts = lck_spin_lock_irq(&tp->t_lock);
	struct termios t = tp->t_termios;
	struct winsize ws = tp->t_winsize;
	int pgrp = tp->t_pgrp, ready = (int)(tp->t_ready - tp->t_head);

	lck_spin_unlock_irq(&tp->t_lock, interrupts);
	switch (command) {
	case TIOCGETA:
		return copyout(&t, data, sizeof(t));
	case TIOCGWINSZ:
		return copyout(&ws, data, sizeof(ws));
	case TIOCGPGRP:
		return copyout(&pgrp, data, sizeof(pgrp));
	case FIONREAD:
		return copyout(&ready, data, sizeof(ready));
	default:
		return ENOTTY;
	}
}

int
tty_ioctl(struct tty *tp, uint64_t command, uint64_t data)
{
	struct termios t;
	struct winsize ws;
	int pgrp, error;

	switch (command) {
	case TIOCSETA:
	case TIOCSETAW:
	case TIOCSETAF:
		error = copyin(data, &t, sizeof(t));
		if (error == 0) {
			tty_set_termios(tp, &t, command == TIOCSETAF);
		}
		return error;
	case TIOCSWINSZ:
		error = copyin(data, &ws, sizeof(ws));
		tp->t_winsize = error == 0 ? ws : tp->t_winsize;
		return error;
	case TIOCSPGRP:
		error = copyin(data, &pgrp, sizeof(pgrp));
		tp->t_pgrp = error == 0 ? pgrp : tp->t_pgrp;
		return error;
	case TIOCDRAIN:
	case TIOCFLUSH:
	case TIOCSCTTY:
		return 0;
	default:
		return tty_ioctl_get(tp, command, data);
	}
}
