"""Events out of instructions: what a run counted by address, made into the events that `x stat` prints.

Nothing in the kernel counts them: an event is the execution of certain instructions (a TLB invalidation, a write to the
thread register) or of the first one of a function (the page-fault handler). So they are exact and cost nothing.
"""

from dataclasses import dataclass

KERNEL = 1 << 47


@dataclass(frozen=True)
class Event:
    """One line of x stat; value None: this machine cannot tell, `note` says why not or what it is."""

    name: str
    value: int = None
    note: str = ""


def _is(mask, value):
    return lambda word: word & mask == value


def _any(*tests):
    return lambda word: any(test(word) for test in tests)


_REGISTER = 0xffffffe0  # all but the register that is moved
_BRANCH = _any(_is(0x7c000000, 0x14000000), _is(0x7e000000, 0x34000000), _is(0x7e000000, 0x36000000),
               _is(0xff000010, 0x54000000), _is(0xff800000, 0xd6000000))
_ATOMIC = _any(_is(0x3b200c00, 0x38200000), _is(0x3fa07c00, 0x08a07c00), _is(0xbfa07c00, 0x08207c00),
               _is(0x3fe00000, 0x08000000))
_TLBI = _is(0xfff8f000, 0xd5088000)
_TLBI_BROADCAST = _is(0xfff8ff00, 0xd5088300)

# (event, which instructions, what it is)
_BY_INSTRUCTION = (
    ("branches", _BRANCH, "taken or not; calls and returns"),
    ("memory-accesses", _is(0x0a000000, 0x08000000), "loads and stores, of pairs as well"),
    ("atomics", _ATOMIC, "LSE atomics, store-exclusives"),
    ("barriers", _any(_is(0xfffff0ff, 0xd503309f), _is(0xfffff0ff, 0xd50330bf)), "DMB, DSB"),
    ("instruction-barriers", _is(0xfffff0ff, 0xd50330df), "ISB"),
    ("context-switches", _is(_REGISTER, 0xd518d080), "another thread on a CPU"),
    ("address-space-switches", _is(_REGISTER, 0xd5182000), "TTBR0 written"),
    ("tlb-invalidations", _TLBI, "TLBI, all kinds"),
    ("tlb-invalidations:broadcast", _TLBI_BROADCAST, "TLBI seen by all CPUs"),
    ("ipis", _is(_REGISTER, 0xd518cba0), "sent to other CPUs"),
    ("idle-waits", _is(0xffffffff, 0xd503207f), "WFI"),
)

# (event, offsets from the vectors, what it is)
_BY_VECTOR = (
    ("exceptions:user", (0x400, 0x480, 0x500, 0x580), "from programs: system calls, faults, interrupts"),
    ("exceptions:kernel", (0x200, 0x280, 0x300, 0x380), "taken in the kernel"),
    ("interrupts", (0x280, 0x480), "timer, devices, other CPUs"),
)

# (event, functions whose entries count, what it is). Messages are dispatched before all other traps.
_BY_FUNCTION = (
    ("syscalls:mach", ("mach_msg_trap", "svc_mach"), "Mach traps"),
    ("syscalls:unix", ("svc_bsd",), "BSD calls"),
    ("page-faults", ("vm_fault",), "handled, of programs and of the kernel for them"),
    ("pages-allocated", ("vm_page_grab",), "and, zeroed, the next"),
    ("pages-zeroed", ("vm_page_grab_zero",), ""),
    ("lock-contentions", ("lck_spin_lock_contended",), "spin locks that were not free"),
)

_NO_PIPELINE = "the emulator has no pipeline, caches or predictors"
ABSENT = tuple(Event(name, None, _NO_PIPELINE) for name in (
    "cycles", "stalled-cycles-frontend", "cache-references", "cache-misses", "branch-misses"))

NAMES = (["instructions", "instructions:u", "instructions:k"] + [row[0] for row in _BY_VECTOR + _BY_FUNCTION]
         + [row[0] for row in _BY_INSTRUCTION] + [event.name for event in ABSENT])


def _instructions(executed):
    kernel = sum(count for pc, count in executed.items() if pc >= KERNEL)
    whole = sum(executed.values())
    return [Event("instructions", whole), Event("instructions:u", whole - kernel, "in programs"),
            Event("instructions:k", kernel, "in the kernel")]


def count(executed, word, address_of):
    """Events of {address: times executed}. word(pc) is the instruction there or None; address_of(name) the address of a
    function of the kernel, or None."""
    found = _instructions(executed)
    vectors = address_of("exception_vectors")
    for name, offsets, note in _BY_VECTOR:
        found.append(Event(name, sum(executed.get(vectors + offset, 0) for offset in offsets), note))
    for name, functions, note in _BY_FUNCTION:
        entries = [address_of(function) for function in functions]
        found.append(Event(name, None, "not in this kernel") if None in entries else
                     Event(name, sum(executed.get(at, 0) for at in entries), note))
    words = {pc: word(pc) for pc in executed}
    for name, test, note in _BY_INSTRUCTION:
        found.append(Event(name, sum(executed[pc] for pc, bits in words.items() if bits is not None and test(bits)), note))
    return found + list(ABSENT)
