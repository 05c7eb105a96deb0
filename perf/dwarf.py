"""Types of the kernel from its debugging information, read with llvm-dwarfdump: which field lies at an offset."""

import functools
import re
import subprocess

_DUMP = "llvm-dwarfdump-19"
_ENTRY = re.compile(r"^0x([0-9a-f]+):( +)DW_TAG_(\w+)$")
_ATTRIBUTE = re.compile(r"^ +DW_AT_(\w+)\s+\((.*)\)$")
_NUMBER = re.compile(r"0x[0-9a-f]+|\d+")
_LOOK_THROUGH = ("typedef", "const_type", "volatile_type", "atomic_type", "restrict_type")
_STRUCTS = ("structure_type", "union_type")


class Entry:
    """One entry of the debugging information, with its children."""

    def __init__(self, offset, tag):
        self.offset, self.tag = offset, tag
        self.attributes, self.children = {}, []

    @property
    def name(self):
        return self.attributes.get("name", "").strip('"')

    def number(self, attribute):
        found = _NUMBER.match(self.attributes.get(attribute, ""))
        return int(found.group(0), 0) if found else None


def parse(text):
    """Entries of llvm-dwarfdump's output, outermost ones only; the others are their children."""
    roots, stack, entry = [], [], None
    for line in text.splitlines():
        head = _ENTRY.match(line)
        if head:
            entry, depth = Entry(int(head[1], 16), head[3]), len(head[2])
            while stack and stack[-1][0] >= depth:
                stack.pop()
            (stack[-1][1].children if stack else roots).append(entry)
            stack.append((depth, entry))
            continue
        found = _ATTRIBUTE.match(line)
        if found and entry:
            entry.attributes[found[1]] = found[2]
    return roots


class Types:
    """Types and variables of one ELF file."""

    def __init__(self, elf):
        self._elf = elf

    def _dump(self, *options):
        done = subprocess.run([_DUMP, *options, "--show-children", self._elf], capture_output=True, text=True, check=False)
        return parse(done.stdout)

    @functools.lru_cache(maxsize=None)
    def _at(self, offset):
        found = self._dump(f"--debug-info={offset:#x}")
        return found[0] if found else None

    @functools.lru_cache(maxsize=None)
    def struct(self, name):
        """The definition of a struct by its tag, or None."""
        for entry in self._dump(f"--name={name}"):
            if entry.tag in _STRUCTS and entry.name == name and entry.number("byte_size"):
                return entry
        return None

    @functools.lru_cache(maxsize=None)
    def variable(self, name):
        """The type of a variable, or None."""
        for entry in self._dump(f"--name={name}"):
            if entry.tag == "variable" and "location" in entry.attributes:
                return self._type_of(entry)
        return None

    def _type_of(self, entry):
        offset = entry.number("type")
        found = self._at(offset) if offset is not None else None
        while found is not None and found.tag in _LOOK_THROUGH:
            offset = found.number("type")
            found = self._at(offset) if offset is not None else None
        return found

    def offset_of(self, struct, field):
        """Bytes from the start of a struct (by tag) to a field, None if there is no such field."""
        entry = self.struct(struct)
        for member in entry.children if entry else ():
            if member.name == field:
                return member.number("data_member_location")
        return None

    def size(self, entry):
        if entry.tag == "array_type":
            element = self._type_of(entry)
            return self.size(element) * self._count(entry) if element is not None else 0
        if entry.tag == "pointer_type":
            return 8
        return entry.number("byte_size") or 0

    @staticmethod
    def _count(array):
        count = 1
        for child in array.children:
            count *= child.number("count") or (child.number("upper_bound") or -1) + 1
        return count

    def path(self, entry, offset):
        """".field.part[3]" of what lies at an offset in a type; "" for a type without parts."""
        if entry is None:
            return f"+{offset:#x}" if offset else ""
        if entry.tag == "array_type":
            element = self._type_of(entry)
            size = self.size(element) if element is not None else 0
            return f"[{offset // size}]{self.path(element, offset % size)}" if size else f"+{offset:#x}"
        if entry.tag not in _STRUCTS:
            return ""  # a number or a pointer: which of its bytes says nothing
        best = None
        for member in entry.children:
            at = member.number("data_member_location") or 0
            if member.tag == "member" and at <= offset and (best is None or at > best[0]):
                best = (at, member)
        if best is None:
            return f"+{offset:#x}"
        at, member = best
        inner = self._type_of(member)
        size = self.size(inner) if inner is not None else 0
        if size and offset - at >= size:
            return f".({member.name} and padding)"
        name = f".{member.name}" if member.name else ""
        return name + self.path(inner, offset - at)
