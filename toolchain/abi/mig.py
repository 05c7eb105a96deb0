"""Layout of a MIG routine's messages, shared by the two sides."""


class Field:
    """A four-byte-aligned piece of a message's inline data: C type, name, bytes."""

    def __init__(self, ctype, name, size):
        self.ctype = ctype
        self.name = name
        self.bytes = (size + 3) & ~3


class Routine:
    """A routine with its arguments sorted by where they travel."""

    def __init__(self, entry):
        self.entry = entry
        self.name = entry.name
        self.id = entry.number
        self.port = entry.target
        self.args = entry.args
        self.custom = "custom" in entry.attrs
        self.descriptors_in = [a for a in entry.args if a.is_in and a.type.is_descriptor]
        self.descriptors_out = [a for a in entry.args if a.is_out and a.type.is_descriptor]
        self.words_in = next((a for a in entry.args if a.is_in and a.type.is_words), None)
        self.words_out = next((a for a in entry.args if a.is_out and a.type.is_words), None)
        # Pieces of varying length: taken and put one behind the other, by emit_mig_serial.py.
        self.serial = any(a.type.is_string or a.type.is_chars for a in entry.args)
        if self.serial or self.custom:
            return
        self.in_fields = self._in_fields()
        self.out_head, self.out_tail = self._out_fields()

    def _in_fields(self):
        fields, closed = [], False
        for arg in self.args:
            if arg.type.is_port or arg.type.is_ool_ports:
                continue
            if closed and (arg.is_in or arg.type.is_words):
                raise ValueError(f"{self.name}: nothing can follow {self.words_in.name} in the request")
            if arg.type.is_ool:
                fields += [Field("mach_msg_type_number_t", count_of(arg), 4)] if arg.is_in else []
            elif arg.type.is_words:
                fields.append(Field("mach_msg_type_number_t", count_of(arg), 4))
                closed = arg.is_in
            elif arg.is_in:
                fields.append(Field(arg.ctype, arg.name, arg.type.bytes))
        return fields

    def _out_fields(self):
        """Fields up to and with the count of words_out, and those after its words."""
        head, tail = [], []
        where = head
        for arg in self.args:
            if not arg.is_out or arg.type.is_port:
                continue
            if arg.type.is_words or arg.type.is_ool_ports or arg.type.is_ool:
                where.append(Field("mach_msg_type_number_t", count_of(arg), 4))
                where = tail if arg.type.is_words else where
            else:
                where.append(Field(arg.ctype, arg.name, arg.type.bytes))
        return head, tail

    @property
    def complex_reply(self):
        return bool(self.descriptors_out)

    @property
    def has_request_data(self):
        return bool(self.in_fields)

    @property
    def has_reply_data(self):
        return bool(self.out_head)

    @property
    def reply_descriptors(self):
        return int(self.entry.attrs.get("reply_desc", 0)) if self.custom else len(self.descriptors_out)

    @property
    def reply_data_bytes(self):
        """The most that follows RetCode, or NDR in a complex reply."""
        if self.custom:
            return int(self.entry.attrs.get("reply_bytes", 0))
        if self.serial:
            return sum(wire_limit(a.type) for a in self.args if a.is_out and not a.type.is_port)
        words = 4 * self.words_out.type.limit if self.words_out else 0
        return sum(f.bytes for f in self.out_head + self.out_tail) + words


def wire_limit(type_):
    """The most bytes that one argument takes."""
    if type_.is_string:
        return 8 + ((type_.limit + 3) & ~3)
    if type_.is_chars:
        return 4 + ((type_.limit + 3) & ~3)
    return (type_.bytes + 3) & ~3


def count_of(arg):
    return arg.name + "Cnt"


def poly_of(arg):
    return arg.name + "Poly"
