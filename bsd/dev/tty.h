/*
 * Terminals: the line discipline between a serial line and the programs that read and write it.
 *
 * Input arrives character by character from the driver, in interrupt context or from a poll. In canonical
 * mode (ICANON) it is gathered into lines that can still be edited (erase, kill); only whole lines can be
 * read. Otherwise every character can be read at once. Echo is written as characters arrive.
 *
 * Lock: t_lock, a spin lock with interrupts masked, guards everything here. The driver's output function is
 * called without it for programs' output and with it for echo (a few characters); it must not call back.
 */
#pragma once

#include <kern/locks.h>
#include <kern/waitq.h>
#include <os/base.h>
#include <sys/termios.h>
#include <sys/types.h>

struct uio;

#define TTY_INPUT_SIZE 1024U /* bytes of type-ahead; a power of two */

struct tty {
	lck_spin_t t_lock;
	struct termios t_termios;
	struct winsize t_winsize;
	uint32_t t_head;  /* next byte to read; counts freely */
	uint32_t t_ready; /* bytes before it can be read: end of the last whole line */
	uint32_t t_tail;  /* next byte to fill: end of the line being edited */
	uint8_t t_input[TTY_INPUT_SIZE];
	struct waitq t_readers;
	bool t_eof;   /* end-of-file was typed on an empty line; the next read that finds nothing gets it */
	pid_t t_pgrp; /* foreground process group; 0: none */
	uint32_t t_signals;       /* typed signals (SIG_BIT) that t_signaller has yet to send */
	struct waitq t_signaller; /* where the thread that sends them sleeps */
	void (*t_output)(const char *text, size_t len); /* (c) */
};

void tty_init(struct tty *tp, void (*output)(const char *text, size_t len));

/* One received character. Any context. */
void tty_input(struct tty *tp, uint8_t c);

OS_WARN_RESULT int tty_read(struct tty *tp, struct uio *uio, bool nonblock);
OS_WARN_RESULT int tty_write(struct tty *tp, struct uio *uio);
OS_WARN_RESULT int tty_ioctl(struct tty *tp, uint64_t command, uint64_t data);

/*
 * Signals that were typed go to the foreground process group. Finding it takes blocking locks, so a kernel
 * thread does it; started once for each terminal that is to have this. False: no memory.
 */
bool tty_start_signaller(struct tty *tp);

/* The machine's console. */
extern struct tty console_tty;
