"""Samples that a guest took of a row, from the lines of its console (bench/harness/profile.h says how they look), and
what stack each of them shows."""

import re
from dataclasses import dataclass, field

from perf import stacks

_BEGIN = re.compile(r"bench-profile: (\S+) period (\d+) clock (\d+)$")
_SAMPLE = re.compile(r"bench-sample: (\d+) ([0-9a-f]+) (-?\d+) ([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+) "
                     r"(-|[0-9a-f]+(?:,[0-9a-f]+)*) (-|[0-9a-f]+(?:,[0-9a-f]+)*)$")
_END = re.compile(r"bench-profile-end: (\S+) samples (\d+) lost (\d+)$")

FLAG_USER, FLAG_IDLE = 1, 2
_CALL = 4  # bytes of the instruction before a return address
IDLE = stacks.Frame("[idle]", True)
MASKED = "[interrupts_masked]"


class SamplingError(Exception):
    """The samples cannot be trusted; the message is one line."""


@dataclass
class Raw:
    """One sample as the guest told it; frames are return addresses, innermost first."""

    cpu: int
    time: int
    pid: int
    tid: int
    flags: int
    late: int
    pc: int
    lr: int
    kernel: tuple
    user: tuple

    @property
    def in_user(self):
        return bool(self.flags & FLAG_USER)

    @property
    def idle(self):
        return bool(self.flags & FLAG_IDLE)


@dataclass
class Samples:
    """All samples of one run of a row."""

    name: str
    period: int
    clock_hz: int
    lost: int = 0
    samples: list = field(default_factory=list)


def _addresses(text):
    return () if text == "-" else tuple(int(word, 16) for word in text.split(","))


def _raw(words):
    cpu, time, pid, tid, flags, late, pc, lr, kernel, user = words
    return Raw(int(cpu), int(time, 16), int(pid), int(tid, 16), int(flags, 16), int(late, 16), int(pc, 16), int(lr, 16),
               _addresses(kernel), _addresses(user))


def parse(lines):
    """The Samples of a console. Other lines are somebody else's; a line that is missing or damaged is an error."""
    taken = None
    for line in lines:
        line = line.rstrip("\r\n")
        if line.startswith("bench-sample:"):
            told = _SAMPLE.match(line)
            if not told or taken is None:
                raise SamplingError(f"a sample is damaged: {line[:60]}")
            taken.samples.append(_raw(told.groups()))
        elif begin := _BEGIN.match(line):
            taken = Samples(begin[1], int(begin[2]), int(begin[3]))
        elif end := _END.match(line):
            if taken is None or int(end[2]) != len(taken.samples):
                raise SamplingError(f"{end[2]} samples were sent, {len(taken.samples) if taken else 0} arrived")
            taken.lost = int(end[3])
            return taken
    raise SamplingError("the guest sent no samples to the end")


# ---- stacks ----


def _with_caller(addresses, function):
    """Call sites, innermost first, of [pc, lr, return addresses...].

    The link register is the caller only in a function that has made no frame: elsewhere it points into the function
    itself or repeats the first return address.
    """
    pc, lr, *rest = addresses
    sites = [pc]
    if lr and (not rest or lr != rest[0]) and lr // (1 << 47) == pc // (1 << 47) and function(lr - _CALL) != function(pc):
        sites.append(lr - _CALL)
    return sites + [address - _CALL for address in rest]


def sites(raw, function):
    """Where on its stack a sample was, innermost first: addresses of instructions."""
    if raw.idle:
        return []
    if raw.in_user:
        return _with_caller([raw.pc, raw.lr, *raw.user], function)
    entered = raw.user
    found = _with_caller([raw.pc, raw.lr, *raw.kernel], function)
    if len(entered) >= 2:
        # the instruction before is the one that trapped, or it is in the same function
        found += _with_caller([entered[0] - _CALL, *entered[1:]], function)
    return found


def _prompt(taken):
    """How late the promptest sample was, from programs and from the kernel: entering the handler takes that long, and
    whoever is later has waited for code that ran masked."""
    least = {}
    for raw in taken.samples:
        least[raw.in_user] = min(least.get(raw.in_user, raw.late), raw.late)
    return least


def stacked(taken, where, exact):
    """stacks.Sample of each sample. `where` is a places.Places; `exact`: the counter counts instructions, so that one can
    tell who was late."""
    prompt = _prompt(taken)
    found = [sites(raw, where.function) for raw in taken.samples]
    where.learn({site for of_one in found for site in of_one})
    for raw, of_one in zip(taken.samples, found):
        frames = list(where.frames(reversed(of_one)))
        if raw.idle:
            frames = [IDLE]
        elif exact and raw.late > prompt[raw.in_user]:
            frames.append(stacks.Frame(MASKED, True, raw.pc))
        kernel_only = raw.pid < 0
        yield stacks.Sample("kernel" if kernel_only else "bench", max(raw.pid, 0), raw.tid, raw.cpu,
                            raw.time * 1000000000 // taken.clock_hz, taken.period * (1 + raw.late // taken.period), tuple(frames))
