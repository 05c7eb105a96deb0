"""The ABI tables: what a line means, and the model the emitters work on.

A table is text, one declaration a line; '#' starts a comment, '\\' at the end joins the next line.

  type NAME KIND [KEY=VALUE...]          a scalar or wire type; KIND is s8..u64, bytes:N, words:N, string:N, chars:N,
                                         port, ool_ports, or ool:N, an array of N-byte elements
                                         out of line
  trap NUMBER RESULT NAME(ARGS) [ATTR]   Mach trap, x16 = -NUMBER
  call NUMBER RESULT NAME(ARGS) [ATTR]   BSD system call, x16 = NUMBER
  subsystem NAME BASE TYPE               the MIG routines that follow: request port of TYPE, ids from BASE
  routine ID NAME(ARGS) [ATTR]           MIG routine; the request port is not among ARGS

ARGS are C declarations; a type with '*' is an address in the program. MIG arguments may start with 'out' or 'inout'.
ATTR are words: `implemented` (there is a handler; otherwise the slot answers as an unknown number does), `masked`
(the handler runs with interrupts masked), `direct` (masked, and the handler never returns to entry code:
<kern/syscall_sw.h>), `stub` or `stub=SYMBOL` (the library exports it), `handler=NAME` (the
handler of another row; NAME_nocancel with handler=NAME makes NAME a cancellation point), `custom` (codec _XNAME and library function are written by hand; `reply_bytes=` and
`reply_desc=` say how much the answer takes), `target=TYPE` (a routine whose request port is not the subsystem's),
and anything else is a note, such as the priority P0 to P2.
"""

import re

SCALAR_BYTES = {"s8": 1, "u8": 1, "s16": 2, "u16": 2, "s32": 4, "u32": 4, "s64": 8, "u64": 8}


class TableError(Exception):
    """A line that the grammar does not cover; the message names file and line."""


class Type:
    """A named type. `kind` as in the table; `keys` are the conversions of MIG object types."""

    def __init__(self, name, kind, keys):
        self.name = name
        self.kind = kind
        self.keys = keys

    @property
    def is_scalar(self):
        return self.kind in SCALAR_BYTES

    @property
    def is_port(self):
        return self.kind == "port"

    @property
    def is_fixed(self):
        """A structure of known size, passed by address in C and in line on the wire."""
        return self.kind.startswith("bytes:")

    @property
    def is_words(self):
        """Up to N 32-bit words in line, with a count."""
        return self.kind.startswith("words:")

    @property
    def is_string(self):
        """Up to N characters with the closing NUL; on the wire an offset (0), a count and the padded characters."""
        return self.kind.startswith("string:")

    @property
    def is_chars(self):
        """Up to N bytes; on the wire a count and the padded bytes."""
        return self.kind.startswith("chars:")

    @property
    def element_ctype(self):
        """What is_string and is_chars are arrays of: bytes if the library has a name for a pointer to them."""
        return "uint8_t" if "user" in self.keys else "char"

    @property
    def is_ool_ports(self):
        return self.kind == "ool_ports"

    @property
    def is_ool(self):
        """An array out of line: an OOL descriptor, and a count of elements in line."""
        return self.kind.startswith("ool:")

    @property
    def element(self):
        """Bytes of an element of is_ool."""
        return int(self.kind.split(":")[1])

    @property
    def is_descriptor(self):
        return self.is_port or self.is_ool_ports or self.is_ool

    @property
    def bytes(self):
        return SCALAR_BYTES[self.kind] if self.is_scalar else int(self.kind.split(":")[1])

    @property
    def limit(self):
        return int(self.kind.split(":")[1])


class Arg:
    """One argument: C type, name, direction ('in', 'out', 'inout') and, for MIG, the declared type."""

    def __init__(self, ctype, name, direction, declared):
        self.ctype = ctype
        self.name = name
        self.direction = direction
        self.type = declared

    @property
    def is_address(self):
        return "*" in self.ctype

    @property
    def is_in(self):
        return self.direction != "out"

    @property
    def is_out(self):
        return self.direction != "in"

    def declare(self, ctype=None):
        ctype = ctype or self.ctype
        return ctype + ("" if ctype.endswith("*") else " ") + self.name


class Entry:
    """A trap, call or routine."""

    def __init__(self, kind, number, result, name, args, attrs, subsystem=None, target=None):
        self.kind = kind
        self.number = number
        self.result = result
        self.name = name
        self.args = args
        self.attrs = attrs
        self.subsystem = subsystem
        self.target = target  # of a routine: the type of its request port

    @property
    def implemented(self):
        return "implemented" in self.attrs

    @property
    def masked(self):
        return "masked" in self.attrs or self.direct

    @property
    def direct(self):
        return "direct" in self.attrs

    @property
    def stub(self):
        """The exported C name, or None."""
        value = self.attrs.get("stub")
        return self.name if value is True else value

    @property
    def handler(self):
        return self.attrs.get("handler", self.name)


class Subsystem:
    def __init__(self, name, base, port):
        self.name = name
        self.base = base
        self.port = port
        self.routines = []


class Tables:
    """Everything that the given files declare."""

    def __init__(self):
        self.types = {}
        self.traps = []
        self.calls = []
        self.subsystems = []

    def load(self, path):
        for number, line in _logical_lines(path):
            try:
                self._declare(line)
            except (TableError, KeyError, ValueError) as error:
                raise TableError(f"{path}:{number}: {error}") from error
        self.traps.sort(key=lambda e: e.number)
        self.calls.sort(key=lambda e: e.number)

    @property
    def cancel_points(self):
        """Names of the calls that have a twin which is not a cancellation point of the thread library."""
        return {e.handler for e in self.calls if e.name == e.handler + "_nocancel"}

    def routines(self):
        return sorted((r for s in self.subsystems for r in s.routines), key=lambda r: r.number)

    def _declare(self, line):
        word, rest = line.split(None, 1)
        declare = {
            "type": self._type, "trap": self._trap, "call": self._call,
            "subsystem": self._subsystem, "routine": self._routine,
        }.get(word)
        if declare is None:
            raise TableError(f"unknown declaration '{word}'")
        declare(rest)

    def _type(self, rest):
        name, kind, *keys = _words(rest)
        if name in self.types:
            raise TableError(f"type {name} declared twice")
        self.types[name] = Type(name, kind, dict(k.split("=", 1) for k in keys))

    def _trap(self, rest):
        self.traps.append(self._entry("trap", rest, self.traps))

    def _call(self, rest):
        self.calls.append(self._entry("call", rest, self.calls))

    def _entry(self, kind, rest, others):
        match = re.fullmatch(r"(\d+)\s+(.*?[\s*])(\w+)\((.*?)\)(.*)", rest)
        if not match:
            raise TableError("expected NUMBER RESULT NAME(ARGS)")
        number = int(match.group(1))
        if any(e.number == number for e in others):
            raise TableError(f"number {number} declared twice")
        args = [self._c_arg(a) for a in _split_args(match.group(4))]
        return Entry(kind, number, match.group(2).strip(), match.group(3), args, _attrs(match.group(5)))

    def _c_arg(self, text):
        match = re.fullmatch(r"(.*?[\s*])(\w+)", text)
        if not match:
            raise TableError(f"argument '{text}' needs a type and a name")
        ctype = match.group(1).strip()
        if "*" not in ctype and not self.types[ctype].is_scalar:
            raise TableError(f"{ctype} does not fit a register")
        return Arg(ctype, match.group(2), "in", self.types.get(ctype))

    def _subsystem(self, rest):
        name, base, port = _words(rest)
        self.subsystems.append(Subsystem(name, int(base), self._port_type(port)))

    def _port_type(self, name):
        if not self.types[name].is_port:
            raise TableError(f"{name} is not a port type")
        return self.types[name]

    def _routine(self, rest):
        match = re.fullmatch(r"(\d+)\s+(\w+)\((.*?)\)(.*)", rest)
        if not match:
            raise TableError("expected ID NAME(ARGS)")
        subsystem = self.subsystems[-1]
        number = int(match.group(1))
        if not subsystem.base <= number < subsystem.base + 100:
            raise TableError(f"id {number} is outside {subsystem.name}")
        args = [self._mig_arg(a) for a in _split_args(match.group(3))]
        attrs = _attrs(match.group(4))
        target = self._port_type(attrs["target"]) if "target" in attrs else subsystem.port
        entry = Entry("routine", number, "kern_return_t", match.group(2), args, attrs, subsystem, target)
        if any(r.number == number for r in subsystem.routines):
            raise TableError(f"id {number} declared twice")
        subsystem.routines.append(entry)

    def _mig_arg(self, text):
        words = _words(text)
        direction = words.pop(0) if words[0] in ("in", "out", "inout") else "in"
        ctype, name = words
        return Arg(ctype, name, direction, self.types[ctype])


def _logical_lines(path):
    """(line number, text) of each declaration."""
    with open(path, encoding="utf-8") as file:
        pending, start = "", 0
        for number, line in enumerate(file, 1):
            line = line.split("#", 1)[0].rstrip()
            start = start if pending else number
            if line.endswith("\\"):
                pending += line[:-1].strip() + " "
                continue
            line, pending = (pending + line.strip()).strip(), ""
            if line:
                yield start, line


def _words(text):
    return text.split()


def _split_args(text):
    text = text.strip()
    return [] if text in ("", "void") else [a.strip() for a in text.split(",")]


def _attrs(text):
    attrs = {}
    for word in _words(text):
        key, _, value = word.partition("=")
        attrs[key] = value if value else True
    return attrs
