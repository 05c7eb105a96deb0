"""Which layer of the kernel may use which, judged by the symbols of its object files.

GN holds targets and #includes to the layers; a bare `extern` slips through it. Here each undefined symbol of a
layer's objects must be defined in a layer it may use, or be one of the upcalls.
"""
import re

# What each layer may use besides itself. The linker script's symbols belong to no layer.
MAY_USE = {
    "libkern": (),
    "osfmk": ("libkern",),
    "bsd": ("libkern", "osfmk"),
    "iokit": ("libkern", "osfmk"),
    "bench": ("libkern", "osfmk", "bsd", "iokit"),
}
# What libkern leaves to the kernel above it: <os/panic.h>.
FROM_ABOVE = {"libkern": ("kprintf", "kvprintf", "panic")}
# The one place where bsd and iokit meet.
GLUE = "bsd/iokit_glue/"

_SYMBOL = re.compile(r"^(?:[0-9a-f]+ |\s+)([A-Za-z]) (\S+)$")


def symbols(listing):
    """(defined, undefined) names of one object, from llvm-nm's listing."""
    defined, undefined = set(), set()
    for line in listing.splitlines():
        found = _SYMBOL.match(line)
        if found:
            (undefined if found.group(1) in "Uw" else defined).add(found.group(2))
    return defined, undefined


def violations(objects, upcalls):
    """`objects`: {path from obj/: (defined, undefined)}; `upcalls`: names that osfmk may leave to the layers above.

    Returns lines that say which object uses what of whom.
    """
    owners = {}
    for path, (defined, _) in objects.items():
        for name in defined:
            owners.setdefault(name, path.split("/")[0])
    found = []
    for path, (_, undefined) in sorted(objects.items()):
        layer = path.split("/")[0]
        allowed = {layer, *MAY_USE[layer]}
        if path.startswith(GLUE):
            allowed.add("iokit")
        for name in sorted(undefined):
            owner = owners.get(name)
            if name in FROM_ABOVE.get(layer, ()) or (layer == "osfmk" and name in upcalls):
                continue
            if owner and owner not in allowed:
                found.append(f"{path} uses {name} of {owner}")
    return found
