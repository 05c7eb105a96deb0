/* Terminal settings. */
#pragma once

#include <sys/types.h>

typedef unsigned long tcflag_t;
typedef unsigned char cc_t;
typedef unsigned long speed_t;

#define NCCS 20

struct termios {
	tcflag_t c_iflag;
	tcflag_t c_oflag;
	tcflag_t c_cflag;
	tcflag_t c_lflag;
	cc_t c_cc[NCCS];
	speed_t c_ispeed;
	speed_t c_ospeed;
};

struct winsize {
	unsigned short ws_row;
	unsigned short ws_col;
	unsigned short ws_xpixel;
	unsigned short ws_ypixel;
};

_Static_assert(sizeof(struct termios) == 72, "termios");
_Static_assert(sizeof(struct winsize) == 8, "winsize");

/* c_cc */
#define VEOF     0
#define VEOL     1
#define VEOL2    2
#define VERASE   3
#define VWERASE  4
#define VKILL    5
#define VREPRINT 6
#define VINTR    8
#define VQUIT    9
#define VSUSP    10
#define VDSUSP   11
#define VSTART   12
#define VSTOP    13
#define VLNEXT   14
#define VDISCARD 15
#define VMIN     16
#define VTIME    17
#define VSTATUS  18

/* c_iflag, c_oflag, c_cflag */
#define IGNBRK 0x1
#define BRKINT 0x2
#define PARMRK 0x8
#define INPCK  0x10
#define ISTRIP 0x20
#define INLCR  0x40
#define IGNCR  0x80
#define ICRNL  0x100
#define IXON   0x200
#define IXOFF  0x400
#define OPOST  0x1
#define ONLCR  0x2
#define CS5    0x0
#define CS6    0x100
#define CS7    0x200
#define CS8    0x300
#define CSTOPB 0x400
#define CREAD  0x800
#define PARENB 0x1000
#define HUPCL  0x4000
#define CLOCAL 0x8000

/* c_lflag */
#define ECHOKE  0x1
#define ECHOE   0x2
#define ECHOK   0x4
#define ECHO    0x8
#define ECHONL  0x10
#define ECHOPRT 0x20
#define ECHOCTL 0x40
#define ISIG    0x80
#define ICANON  0x100
#define IEXTEN  0x400
#define TOSTOP  0x400000

#define TIOCEXCL     0x2000740d
#define TIOCNXCL     0x2000740e
#define TIOCPTYUNLK  0x20007452
#define TIOCPTYGRANT 0x20007454
#define TIOCDRAIN    0x2000745e
#define TIOCSCTTY    0x20007461
#define TIOCSTAT     0x20007465
#define TIOCSTART    0x2000746e
#define TIOCSTOP     0x2000746f
#define TIOCNOTTY    0x20007471
#define TIOCGETD     0x4004741a
#define TIOCOUTQ     0x40047473
#define TIOCGPGRP    0x40047477
#define TIOCGWINSZ   0x40087468
#define TIOCGETA     0x40487413
#define TIOCPTYGNAME 0x40807453
#define TIOCSTI      0x80017472U
#define TIOCFLUSH    0x80047410U
#define TIOCSETD     0x8004741bU
#define TIOCSPGRP    0x80047476U
#define TIOCSWINSZ   0x80087467U
#define TIOCSETA     0x80487414U
#define TIOCSETAW    0x80487415U
#define TIOCSETAF    0x80487416U
#define FIOCLEX      0x20006601
#define FIONCLEX     0x20006602
#define FIODTYPE     0x4004667a
#define FIOGETOWN    0x4004667b
#define FIONREAD     0x4004667f
#define FIOSETOWN    0x8004667cU
#define FIOASYNC     0x8004667dU
#define FIONBIO      0x8004667eU
