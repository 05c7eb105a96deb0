"""Addresses of the kernel into names: panics and backtraces on a console, registers from the monitor."""
import re
import subprocess

SYMBOLIZER = "llvm-symbolizer-19"
READELF = "llvm-readelf-19"

_ADDRESS = re.compile(r"\b(?:0x)?(ffff[0-9a-f]{12})\b")
_PANIC = re.compile(r"\s*panic\(cpu \d+\): ")
# A return address may belong to the next function: the call is the instruction before it.
_RETURN = re.compile(r"\b(frame|lr)\b")
CALL_BYTES = 4
# The kernel prints how far from its link address it runs.
_SLIDE = re.compile(r"slide[:= ]+0x([0-9a-f]+)")


class Kernel:
    """The symbols of one kernel ELF."""

    def __init__(self, elf, slide=0):
        self.elf = elf
        self.slide = slide
        self._text = self._text_range()

    def _text_range(self):
        listed = subprocess.run([READELF, "-lW", self.elf], stdout=subprocess.PIPE, text=True, check=False).stdout
        for line in listed.splitlines():
            words = line.split()
            if words[:1] == ["LOAD"] and "E" in "".join(words[6:-1]):
                start, size = int(words[2], 16), int(words[5], 16)
                return range(start, start + size)
        return range(0)

    def see(self, line):
        """Takes the slide from a console line that tells it."""
        told = _SLIDE.search(line)
        if told:
            self.slide = int(told.group(1), 16)

    def is_text(self, address):
        return address - self.slide in self._text

    def names(self, addresses):
        """"function (file:line)" of each address; inlined callers follow behind "<"."""
        if not addresses:
            return []
        command = [SYMBOLIZER, f"--obj={self.elf}", "--output-style=LLVM"]
        query = "\n".join(hex(address - self.slide) for address in addresses)
        # A blank line closes each answer.
        done = subprocess.run(command, input=query + "\n", stdout=subprocess.PIPE, text=True, check=False)
        answers = done.stdout.split("\n\n")
        return [_join(answer.strip().splitlines()) for answer in answers[:len(addresses)]]

    def annotate(self, lines):
        """Console lines with the names of the code addresses in them."""
        for line in lines:
            self.see(line)
        found = [_addresses(line) for line in lines]
        wanted = sorted({a for row in found for a in row if self.is_text(a)})
        names = dict(zip(wanted, self.names(wanted)))
        out = []
        for line, row in zip(lines, found):
            told = [names[a] for a in row if a in names]
            out.append(line + ("  " + "; ".join(told) if told else ""))
        return out


def _addresses(line):
    """The addresses in a line; of return addresses, where the call was."""
    back = CALL_BYTES if _RETURN.search(line) else 0
    return [int(address, 16) - back for address in _ADDRESS.findall(line)]


def _join(answer):
    """Pairs of lines (function, file:line:column), innermost first, into one line."""
    pairs = zip(answer[::2], answer[1::2])
    return " < ".join(f"{function} ({place.rsplit(':', 1)[0]})" for function, place in pairs)


def panic_lines(console_lines):
    """From the panic on; nothing when the kernel did not panic."""
    for index, line in enumerate(console_lines):
        if _PANIC.match(line):
            return console_lines[index:]
    return []


_STACKSHOT = re.compile(r"stackshot of \d+ threads; kernel slide 0x")
_STACKSHOT_END = "stackshot ends"


def stackshot_lines(console_lines):
    """The output of /bin/stackshot; of the last one, if there are several. Nothing when there is none."""
    starts = [index for index, line in enumerate(console_lines) if _STACKSHOT.match(line)]
    if not starts:
        return []
    lines = console_lines[starts[-1]:]
    return lines[:lines.index(_STACKSHOT_END)] if _STACKSHOT_END in lines else lines
