/*
 * The lock order of the whole kernel: a thread takes locks in rising rank only. Locks of one rank never nest
 * unless their class says how (LCK_CLASS_NESTS). Blocking locks (mutex, rw) come first, spin locks after
 * them; a thread that holds a spin lock takes no blocking lock.
 *
 * Gaps are for what comes later. An unranked lock (LCK_RANK_NONE) is not checked for order.
 */
#pragma once

enum lck_rank {
	LCK_RANK_NONE = 0,

	/* blocking: BSD, outermost */
	LCK_RANK_KDEBUG_OWNER = 8,
	LCK_RANK_PROC_LIST = 10,
	LCK_RANK_PROC_CHILDREN = 11,
	LCK_RANK_PROC = 12,
	LCK_RANK_PID_BUCKET = 13,
	LCK_RANK_FD_TABLE = 14,
	LCK_RANK_FILE = 15, /* an offset: held while the file system reads or writes */
	LCK_RANK_MOUNT = 16,
	LCK_RANK_VNODE = 18,
	LCK_RANK_TTY = 22,
	LCK_RANK_BSD_MISC = 24,
	LCK_RANK_KPERF = 26,
	LCK_RANK_KDEBUG = 27,

	/* blocking: IOKit */
	LCK_RANK_IO_ITERATOR = 28,
	LCK_RANK_IO_REGISTRY = 30,
	LCK_RANK_IO_SERVICE = 32,

	/* blocking: Mach processors, tasks and VM */
	LCK_RANK_THREAD_CALL_START = 36,
	LCK_RANK_PROCESSOR = 38,
	LCK_RANK_TASK = 40,
	LCK_RANK_THREAD_MUTEX = 42,
	LCK_RANK_VM_SHARED_REGION = 49,
	LCK_RANK_VM_MAP = 50,
	LCK_RANK_VM_OBJECT = 52,
	LCK_RANK_KMEM = 56,
	LCK_RANK_CPU_CALL = 58,

	/* spinning: IOKit's names, which are ports */
	LCK_RANK_IO_PORTS = 66,

	/* spinning: bsd's work queues */
	LCK_RANK_WORKQ = 64,
	LCK_RANK_WORKQ_SERVICE = 65,

	/* spinning: ipc */
	LCK_RANK_IPC_TASK = 68,
	LCK_RANK_IPC_SPACE = 70,
	LCK_RANK_IPC_PORT = 72,
	LCK_RANK_IPC_SET = 74,
	LCK_RANK_IPC_MISC = 76,
	LCK_RANK_SEMAPHORE = 78,

	/* spinning: VM */
	LCK_RANK_VM_PURGEABLE = 80,
	LCK_RANK_VM_MAP_LIST = 82,
	LCK_RANK_VM_PAGE_BUSY = 84,
	LCK_RANK_PMAP = 86,
	LCK_RANK_ASID = 88,

	/* spinning: leaves */
	LCK_RANK_ZONE_DEPOT = 100,
	LCK_RANK_ZONE = 102,
	LCK_RANK_KSTACK = 104,
	LCK_RANK_VM_PAGE = 106,
	LCK_RANK_THREAD_CALL = 109,
	LCK_RANK_TASK_THREADS = 110,
	LCK_RANK_TURNSTILE_BUCKET = 111,
	LCK_RANK_WAITQ = 112,
	LCK_RANK_TURNSTILE = 113,
	LCK_RANK_MTX_INTERLOCK = 114,
	LCK_RANK_RW_INTERLOCK = 115,
	LCK_RANK_PUSH = 117,
	LCK_RANK_THREAD = 118,
	LCK_RANK_TIMER = 120,
	LCK_RANK_RUNQ = 122,
	LCK_RANK_SMR = 124,
	LCK_RANK_CONSOLE = 126,
};
