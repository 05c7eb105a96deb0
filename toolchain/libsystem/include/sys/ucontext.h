/* The state of a thread that a signal has interrupted. */
#pragma once

#include <signal.h>
