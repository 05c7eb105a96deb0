"""What lies at a physical address of the guest: a kernel variable, an object of a zone, a page's record or a CPU's own
data, down to the field. The plugin reads the few words of the guest's memory that this takes (options)."""

import bisect
import os
import re
import subprocess

from perf import dwarf

NM = "llvm-nm-19"
# Where QEMU puts the kernel's Image, which begins with its first section.
IMAGE_PA = 0x40200000
RAM_PA = 0x40000000
PAGE = 16384
CPUS_MAX = 64
# The kernel's map of all memory (osfmk/arm64/vm_layout.h).
PHYSMAP = 0xffff800000000000

# Zones whose size is not written as the sizeof of their struct.
_STRUCTS = {"ipc messages": "ipc_kmsg", "zones": "zone", "zone magazines": "zone_magazine"}
_ZONE = re.compile(r'(?:ZONE_DEFINE\(\s*\w+,|zone_create\()\s*"([^"]+)",[^;]*?sizeof\(struct (\w+)\)')


def zone_structs(root):
    """{zone: struct tag}, from the lines that define zones."""
    found = dict(_STRUCTS)
    for layer in ("osfmk", "bsd", "iokit", "bench/kernel"):
        for folder, _, names in os.walk(os.path.join(root, layer)):
            for name in names:
                if name.endswith(".c") and not name.endswith("_test.c"):
                    with open(os.path.join(folder, name), encoding="utf-8") as source:
                        found.update(dict(_ZONE.findall(source.read())))
    return found


class Memory:
    """One build in `out`; `told` takes what the plugin read in one run."""

    def __init__(self, out, root):
        self._elf = os.path.join(out, "pluot.elf")
        self._types = dwarf.Types(self._elf)
        self._zones = zone_structs(root)
        self._slabs, self._peeks = {}, {}
        listed = subprocess.run([NM, "-n", "--defined-only", self._elf], capture_output=True, text=True,
                                check=False).stdout
        symbols = [line.split() for line in listed.splitlines()]
        symbols = [(int(w[0], 16), w[2]) for w in symbols if len(w) == 3 and w[1] in "tTdDbBrR"
                   and not w[2].startswith(("$", ".L", "__compound_literal"))]
        self._at, self._names = [s[0] for s in symbols], [s[1] for s in symbols]
        self._by_name = dict((name, at) for at, name in symbols)

    # ---- what the plugin must be asked for ----

    def _physical(self, name):
        return self._by_name[name] - self._at[0] + IMAGE_PA

    def _percpu_bases(self):
        """Physical addresses of the words that say where each CPU's own data begins."""
        size = self._types.struct("cpu_data")
        offset = self._types.offset_of("cpu_data", "percpu_base")
        if size is None or offset is None or "cpu_data_storage" not in self._by_name:
            return []
        base = self._physical("cpu_data_storage") + offset
        return [base + cpu * size.number("byte_size") for cpu in range(CPUS_MAX)]

    def options(self, cpus):
        """Words for the plugin's sharing mode."""
        fields = [("zone_slab", "zs_zone"), ("zone", "z_name"), ("zone", "z_elem_size"), ("zone", "z_elem_offset")]
        offsets = [self._types.offset_of(*field) for field in fields]
        words = [f"peek={at:x}" for at in self._percpu_bases()[:cpus]]
        if "vm_page_bias" in self._by_name:
            words.append(f"peek={self._physical('vm_page_bias'):x}")
        if None not in offsets and "zone_table" in self._by_name:
            numbers = [self._physical("zone_table"), self._physical("zone_table_count"), *offsets, self._at[0], IMAGE_PA,
                       PHYSMAP]
            words.append("zones=" + ":".join(f"{n:x}" for n in numbers))
        return tuple(words)

    def told(self, row):
        """Takes what the plugin read during a row (plugin_report.Row)."""
        self._slabs, self._peeks = row.slabs, row.peeks

    # ---- names ----

    def _variable(self, virtual):
        i = bisect.bisect_right(self._at, virtual) - 1
        name = self._names[i]
        return name + self._types.path(self._types.variable(name), virtual - self._at[i])

    def _in_image(self, address):
        virtual = address - IMAGE_PA + self._at[0]
        return virtual if self._at[0] <= virtual <= self._at[-1] else None

    def _percpu(self, address):
        start, end = self._by_name.get("__percpu_start", 0), self._by_name.get("__percpu_end", 0)
        for cpu, at in enumerate(self._percpu_bases()):
            base = self._peeks.get(at, 0)
            inside = address - (base - PHYSMAP if PHYSMAP <= base < self._at[0] else base - self._at[0] + IMAGE_PA)
            if base and 0 <= inside < end - start:
                return f"{self._variable(start + inside)} of cpu {cpu}"
        return None

    def _page_record(self, address):
        bias, entry = self._peeks.get(self._physical("vm_page_bias"), 0), self._types.struct("vm_page")
        if not bias or entry is None:
            return None
        size = entry.number("byte_size")
        inside = address - (bias - PHYSMAP) - RAM_PA // PAGE * size
        if not 0 <= inside < (1 << 36) // PAGE * size:
            return None
        # only as far as there is memory below the array's own end
        if inside // size > (address - RAM_PA) // PAGE + (1 << 18):
            return None
        return f"struct vm_page{self._types.path(entry, inside % size)} of page {inside // size * PAGE + RAM_PA:#x}"

    def _element(self, line, address):
        slab = self._slabs[line]
        inside = address - slab.page - slab.first
        if inside < 0:
            head = self._types.struct("zone_slab")
            return f"zone {slab.zone}: struct zone_slab{self._types.path(head, address - slab.page)}"
        tag = self._zones.get(slab.zone)
        entry = self._types.struct(tag) if tag else None
        offset = inside % slab.size
        if entry is None:
            return f"zone {slab.zone}: element {inside // slab.size}+{offset & ~7:#x}"
        if offset >= entry.number("byte_size"):
            return f"zone {slab.zone}: behind struct {tag}+{offset & ~7:#x}"
        return f"zone {slab.zone}: struct {tag}{self._types.path(entry, offset)}"

    def name(self, line, address):
        """What lies at a byte of a shared line."""
        if line in self._slabs:
            return self._element(line, address)
        own = self._percpu(address)
        if own:
            return own
        virtual = self._in_image(address)
        if virtual is not None:
            return self._variable(virtual)
        return self._page_record(address) or f"page {address // PAGE * PAGE:#x} (memory of a program, a stack or a table)"

    def names(self, line, mask):
        """What lies under the bytes of a mask, each name once, in order."""
        found = {}
        for byte in range(64):
            if mask >> byte & 1:
                found[self.name(line, line + byte)] = None
        return list(found)
