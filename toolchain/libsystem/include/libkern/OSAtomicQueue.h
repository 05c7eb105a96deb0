/* The queues of <libkern/OSAtomic.h>. */
#pragma once

#include <libkern/OSAtomic.h>
