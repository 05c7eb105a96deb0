/*
 * Where the console's serial port meets its terminal.
 */
#pragma once

/* What the port receives goes to console_tty. Without a port the console only prints. bsd_init, once. */
void console_attach(void);
