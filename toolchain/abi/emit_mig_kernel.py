"""Kernel side of MIG: for each routine a codec between the message and the C function, and the table of them."""

from abi import emit_mig_serial, text
from abi.mig import Routine, count_of, poly_of

# For each layer that serves: the C file, the header that declares what the codecs call, the table's name.
OSFMK = ("osfmk/ipc/mig_routines.c", "ipc/mig_serial.h", "mig_routine")
IOKIT = ("iokit/Kernel/iokit_routines.c", "Kernel/io_server.h", "iokit_routine")


def emit(tables, gen, _sysroot):
    _emit_layer([s for s in tables.subsystems if not s.name.startswith("iokit")], gen, *OSFMK)


def emit_iokit(tables, gen, _sysroot):
    _emit_layer([s for s in tables.subsystems if s.name.startswith("iokit")], gen, *IOKIT)


def _emit_layer(subsystems, gen, source, header, table):
    entries = sorted((r for s in subsystems for r in s.routines if r.implemented), key=lambda r: r.number)
    routines = [Routine(e) for e in entries]
    body = "".join(emit_mig_serial.codec(r) if r.serial else _structs(r) + _codec(r) for r in routines
                   if not r.custom)
    text.write(f"{gen}/{source}", "".join([
        text.banner(["the MIG tables"]), text.includes(header), body, _table(routines, table)]))


def _structs(routine):
    out = ""
    if routine.in_fields:
        fields = "".join(f"\t{f.ctype} {f.name};\n" for f in routine.in_fields)
        out = f"\nstruct {routine.name}_request {{\n\tNDR_record_t ndr;\n{fields}}} __attribute__((packed, aligned(4)));\n"
    return out


def _codec(routine):
    call = _Call(routine)
    lines = call.checks() + call.locals() + call.invoke() + call.release() + call.encode()
    body = "".join(f"\t{line}\n" for line in lines)
    return (f"\nstatic void\n_X{routine.name}(const struct mig_request *rq, struct mig_reply *rp)\n"
            f"{{\n{body}}}\n")


class _Call:
    """The statements of one codec, in order."""

    def __init__(self, routine):
        self.routine = routine
        self.objects = [("object", "rq->target", routine.port)]
        self.objects += [(a.name, f"rq->desc[{i}].ikd_port", a.type)
                         for i, a in enumerate(routine.descriptors_in) if "intran" in a.type.keys]

    def checks(self):
        routine = self.routine
        size = f"sizeof(struct {routine.name}_request)" if routine.has_request_data else "0"
        lines = []
        if routine.has_request_data:
            lines.append(f"const struct {routine.name}_request *in = (const void *)rq->data;")
        ndesc = len(routine.descriptors_in)
        if routine.words_in:
            count, limit = count_of(routine.words_in), routine.words_in.type.limit
            lines.append(f"if (!mig_check_words(rq, rp, {size}, &in->{count}, {limit}, {ndesc})) {{")
        else:
            lines.append(f"if (!mig_check_request(rq, rp, {size}, {ndesc})) {{")
        lines += ["\treturn;", "}"]
        for i, arg in enumerate(routine.descriptors_in):
            if arg.type.is_ool:
                lines += [f"if (!mig_check_ool(rq, rp, {i}, in->{count_of(arg)}, {arg.type.element})) {{",
                          "\treturn;", "}"]
                continue
            expect = "MIG_PORT_ANY" if arg.type.keys.get("poly") == "both" else \
                "MACH_MSG_TYPE_PORT_" + arg.type.keys.get("expect", "SEND")
            lines += [f"if (!mig_check_port(rq, rp, {i}, {expect})) {{", "\treturn;", "}"]
        return lines

    def locals(self):
        lines = []
        for name, port, type_ in self.objects:
            ctype = type_.keys.get("kernel", type_.name)
            lines.append(f"{ctype} {name} = {type_.keys['intran']}({port});")
        for arg in self.routine.args:
            lines += self._out_local(arg)
        return lines

    def _out_local(self, arg):
        if not arg.is_out or arg.type.keys.get("none"):
            return []
        if arg.type.is_words:
            offset = sum(f.bytes for f in self.routine.out_head)
            limit = arg.type.limit
            return [f"mach_msg_type_number_t {count_of(arg)} = in->{count_of(arg)} < {limit} ? in->{count_of(arg)} : {limit};",
                    f"{arg.ctype} {arg.name} = (void *)(rp->data + {offset});"]
        if arg.type.is_ool_ports:
            return [f"mach_msg_type_number_t {count_of(arg)} = 0;", f"ipc_port_t *{arg.name} = NULL;"]
        if arg.type.is_ool:
            return [f"mach_msg_type_number_t {count_of(arg)} = 0;", f"vm_map_copy_t {arg.name} = NULL;"]
        if arg.type.is_port and arg.is_in:
            return [f"ipc_port_t {arg.name} = rq->desc[{self.routine.descriptors_in.index(arg)}].ikd_port;"]
        if arg.type.is_port:
            ctype = arg.type.keys.get("kernel", arg.type.name) if "outtran" in arg.type.keys else "ipc_port_t"
            lines = [f"{ctype} {arg.name} = NULL;"]
            if arg.type.keys.get("poly"):
                lines.append(f"mach_msg_type_name_t {poly_of(arg)} = 0;")
            return lines
        if arg.type.is_fixed:
            return [f"{arg.ctype} {arg.name} = {{0}};"]
        return [f"{arg.ctype} {arg.name} = {'in->' + arg.name if arg.is_in else '0'};"]

    def invoke(self):
        guard = " && ".join(f"{name} != NULL" for name, _, _ in self.objects)
        null = self.routine.port.keys.get("null", "KERN_INVALID_ARGUMENT")
        args = ", ".join(a for arg in self.routine.args for a in self._pass(arg))
        args = f"object, {args}" if args else "object"
        return [f"rp->retcode = {null};", f"if ({guard}) {{",
                f"\trp->retcode = {self.routine.entry.handler}({args});", "}"]

    def _pass(self, arg):
        if arg.type.keys.get("none"):
            return []
        if arg.type.is_words:
            if arg.is_in:
                return [f"(void *)(uintptr_t)(in + 1)", f"in->{count_of(arg)}"]
            return [arg.name, "&" + count_of(arg)]
        if arg.type.is_ool_ports:
            return ["&" + arg.name, "&" + count_of(arg)]
        if arg.type.is_ool:
            index = self.routine.descriptors_in.index(arg) if arg.is_in else 0
            return ["&" + arg.name, "&" + count_of(arg)] if arg.is_out else \
                [f"rq->desc[{index}].ikd_copy_object", f"in->{count_of(arg)}"]
        if arg.type.is_port and arg.is_in and not arg.is_out:
            index = self.routine.descriptors_in.index(arg)
            if "intran" in arg.type.keys:
                return [arg.name]
            port = f"rq->desc[{index}].ikd_port"
            return [port, f"rq->desc[{index}].ikd_disposition"] if arg.type.keys.get("poly") == "both" else [port]
        if arg.is_out:
            return ["&" + arg.name] + (["&" + poly_of(arg)] if arg.type.keys.get("poly") else [])
        return ["in->" + arg.name]

    def release(self):
        lines = []
        for name, _, type_ in reversed(self.objects):
            if "release" in type_.keys:
                lines += [f"if ({name} != NULL) {{", f"\t{type_.keys['release']}({name});", "}"]
        return lines

    def encode(self):
        routine = self.routine
        raw = [(i, a) for i, a in enumerate(routine.descriptors_in) if "intran" not in a.type.keys]
        if not raw and not routine.out_head and not routine.descriptors_out:
            return []
        lines = ["if (rp->retcode != KERN_SUCCESS) {", "\treturn;", "}"]
        lines += [f"rq->desc[{i}].{'ikd_copy_object = NULL' if a.type.is_ool else 'ikd_port = IP_NULL'}; /* the routine's now */"
                  for i, a in raw]
        for i, arg in enumerate(routine.descriptors_out):
            lines.append(self._descriptor(i, arg))
        if routine.out_head:
            lines.append("uint8_t *out = rp->data;")
            lines += [f"mig_put(&out, &{f.name}, {f.bytes});" for f in routine.out_head]
            if routine.words_out:
                lines.append(f"out += 4 * {count_of(routine.words_out)};")
            lines += [f"mig_put(&out, &{f.name}, {f.bytes});" for f in routine.out_tail]
            lines.append("rp->data_len = (uint32_t)(out - rp->data);")
        if routine.descriptors_out:
            lines.append(f"rp->ndesc = {len(routine.descriptors_out)};")
        return lines

    def _descriptor(self, index, arg):
        if arg.type.is_ool:
            return f"mig_reply_ool(rp, {index}, {arg.name}, {count_of(arg)} * {arg.type.element});"
        if arg.type.is_ool_ports:
            return f"mig_reply_ool_ports(rp, {index}, {arg.name}, {count_of(arg)}, MACH_MSG_TYPE_PORT_SEND);"
        if arg.type.keys.get("none"):
            return f"mig_reply_port(rp, {index}, IP_NULL, MACH_MSG_TYPE_PORT_SEND);"
        port = f"{arg.type.keys['outtran']}({arg.name})" if "outtran" in arg.type.keys else arg.name
        kind = poly_of(arg) if arg.type.keys.get("poly") else \
            "MACH_MSG_TYPE_PORT_" + arg.type.keys.get("expect", "SEND")
        return f"mig_reply_port(rp, {index}, {port}, {kind});"


def _table(routines, name):
    rows = [f"\t{{{r.id}, _X{r.name}, \"{r.name}\", {r.reply_data_bytes}, {r.reply_descriptors}}},\n"
            for r in routines]
    return "".join(["\n/* Sorted by id. */\nconst struct mig_routine ", name, "s[] = {\n", *rows, "};\n",
                    f"\nconst uint32_t {name}_count = {len(routines)};\n"])
