/* Semaphores, by their older name. */
#pragma once

#include <mach/semaphore.h>
