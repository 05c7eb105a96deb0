"""Program side of MIG: a header for each subsystem, and a stub for each routine."""

from abi import emit_mig_serial, text
from abi.mig import Routine, count_of, poly_of

SOURCE = "libsystem/mig_stubs.c"

# Subsystems whose header is not simply <mach/SUBSYSTEM.h>.
HEADERS = {"clock": "mach/clock_routines", "semaphore": "mach/semaphore_routines", "task_token": "mach/task",
           "vm_map": "mach/vm_map_routines", "mach_voucher": "mach/mach_voucher_routines",
           "mach_voucher_debug": "mach/mach_voucher_routines", "iokit": "IOKit/iokitmig", "iokit_main": "IOKit/iokitmig_main"}


def header_path(subsystem):
    return f"usr/include/{HEADERS.get(subsystem.name, 'mach/' + subsystem.name)}.h"


def emit(tables, gen, sysroot):
    headers = {}
    for subsystem in tables.subsystems:
        headers.setdefault(header_path(subsystem), []).append(subsystem)
    for path, subsystems in headers.items():
        text.write(f"{sysroot}/{path}", _header(subsystems))
    includes = [path.removeprefix("usr/include/") for path in headers]
    text.write(f"{gen}/{SOURCE}", "".join([
        text.banner(["osfmk/mach/mig.abi"]),
        text.includes("mach/mach_types.h", "string.h", *includes), '\n#include "mig_client.h"\n#include "mig_serial.h"\n',
        *(_stub(r) for r in map(Routine, tables.routines()) if not r.custom)]))


def _header(subsystems):
    subsystem = subsystems[0]
    protos = []
    for entry in (e for s in subsystems for e in s.routines):
        args = _declarations(Routine(entry))
        names = dict.fromkeys([entry.name, entry.stub or entry.name])
        protos += [text.prototype("kern_return_t", name, args) + ";\n" for name in names]
    return "".join([text.banner(["osfmk/mach/mig.abi"]),
                    f"/* The calls on a {subsystem.port.name}. */\n#pragma once\n\n",
                    text.includes(*_types(subsystem), "mach/mach_types.h", "sys/cdefs.h"), "\n__BEGIN_DECLS\n",
                    *protos, "__END_DECLS\n"])


def _types(subsystem):
    """Headers of types that <mach/mach_types.h> does not have."""
    extra = {"mach_port": ["mach_debug/ipc_info.h"],
             "mach_host": ["mach/mach_voucher_types.h", "mach_debug/zone_info.h"],
             "mach_voucher": ["mach/mach_voucher_types.h"], "task": ["mach/mach_voucher_types.h", "mach_debug/ipc_info.h"],
             "thread_act": ["mach/mach_voucher_types.h", "mach_debug/ipc_info.h"]}
    if subsystem.name in extra:
        return extra[subsystem.name]
    return ["IOKit/IOTypes.h"] if subsystem.name.startswith("iokit") else []


def _declarations(routine):
    out = [f"{_port_ctype(routine.port)} target"]
    for arg in routine.args:
        out += _declare(arg)
    return out


def _declare(arg):
    kind = arg.type
    if kind.is_string:
        return [f"char {arg.name}[{kind.limit}]" if arg.is_out else f"const char *{arg.name}"]
    if kind.is_chars:
        pointer = f"char *{arg.name}" if arg.is_out else f"const char *{arg.name}"
        pointer = f"{kind.keys['user']} {arg.name}" if "user" in kind.keys else pointer
        return [pointer, f"mach_msg_type_number_t {'*' if arg.is_out else ''}{count_of(arg)}"]
    if kind.is_words:
        count = f"mach_msg_type_number_t {'*' if arg.is_out else ''}{count_of(arg)}"
        return [f"{arg.ctype} {arg.name}"] + ([] if kind.keys.get("samecount") else [count])
    if kind.is_ool_ports or kind.is_ool:
        star = "*" if arg.is_out else ""
        return [f"{arg.ctype} {star}{arg.name}", f"mach_msg_type_number_t {star}{count_of(arg)}"]
    ctype = _port_ctype(kind) if kind.is_port else arg.ctype
    decl = [f"{ctype} {'*' if arg.is_out and not kind.keys.get('array') else ''}{arg.name}"]
    if kind.keys.get("poly"):
        decl.append(f"mach_msg_type_name_t {'*' if arg.is_out else ''}{poly_of(arg)}")
    return decl


def _reply_descriptor(kind):
    return "ool_ports" if kind.is_ool_ports else "ool" if kind.is_ool else "port"


def _port_ctype(kind):
    return "mach_port_t" if kind.name.startswith("mach_port_") else kind.keys.get("user", kind.name)


def _stub(routine):
    name = routine.entry.stub or routine.name
    head = "\n" + text.prototype("kern_return_t", name, _declarations(routine)).replace(" ", "\n", 1)
    if routine.serial:
        return head + emit_mig_serial.stub(routine)
    lines = _message(routine) + _fill(routine) + _call(routine) + _take(routine)
    return head + "\n{\n" + "".join(f"\t{line}\n" for line in lines) + "\treturn KERN_SUCCESS;\n}\n"


def _message(routine):
    """The request and the reply share the buffer; the reply has room for the trailer."""
    request = ["mach_msg_header_t head;"]
    if routine.descriptors_in:
        request.append("mach_msg_body_t body;")
        request += [f"mach_msg_{'ool' if a.type.is_ool else 'port'}_descriptor_t {a.name}Port;"
                    for a in routine.descriptors_in]
    if routine.has_request_data:
        request += ["NDR_record_t ndr;"] + [f"{f.ctype} {f.name};" for f in routine.in_fields]
    if routine.words_in:
        request.append(f"natural_t words[{routine.words_in.type.limit}];")
    reply = ["mach_msg_header_t head;"]
    if routine.complex_reply:
        reply.append("mach_msg_body_t body;")
        reply += [f"mach_msg_{_reply_descriptor(a.type)}_descriptor_t {a.name}Port;" for a in routine.descriptors_out]
        reply += ["NDR_record_t ndr;"] if routine.has_reply_data else []
    else:
        reply += ["NDR_record_t ndr;", "kern_return_t retcode;"]
    reply += [f"{f.ctype} {f.name};" for f in routine.out_head]
    if routine.words_out:
        reply.append(f"natural_t words[{routine.words_out.type.limit}];")
    reply += [f"{f.ctype} {f.name};" for f in routine.out_tail]
    reply.append("mach_msg_max_trailer_t trailer;")
    lines = ["#pragma pack(push, 4)", "union {"]
    for label, fields in (("in", request), ("out", reply)):
        lines += ["\tstruct {"] + [f"\t\t{f}" for f in fields] + [f"\t}} {label};"]
    return lines + ["\tstruct mig_error error;", "} m;", "#pragma pack(pop)"]


def _fill(routine):
    lines = []
    if routine.descriptors_in:
        lines.append(f"m.in.body.msgh_descriptor_count = {len(routine.descriptors_in)};")
    for arg in routine.descriptors_in:
        if arg.type.is_ool:
            lines.append(f"m.in.{arg.name}Port = mig_ool((vm_offset_t){arg.name}, {count_of(arg)} * {arg.type.element});")
            continue
        kind = poly_of(arg) if arg.type.keys.get("poly") else \
            "MACH_MSG_TYPE_" + arg.type.keys.get("send", "COPY_SEND")
        name = f"*{arg.name}" if arg.is_out else arg.name
        lines.append(f"m.in.{arg.name}Port = mig_port({name}, {kind});")
    if routine.has_request_data:
        lines.append("m.in.ndr = NDR_record;")
    for arg in routine.args:
        if arg.type.is_port or arg.type.is_ool_ports:
            continue
        if arg.type.is_ool:
            lines += [f"m.in.{count_of(arg)} = {count_of(arg)};"] if arg.is_in else []
        elif arg.type.is_words:
            lines += _fill_words(arg)
        elif arg.is_in:
            lines.append(f"m.in.{arg.name} = {'*' if arg.is_out else ''}{arg.name};")
    return lines


def _fill_words(arg):
    count, limit = count_of(arg), arg.type.limit
    if arg.is_out:
        return [f"m.in.{count} = *{count} < {limit} ? *{count} : {limit};"]
    return [f"if ({count} > {limit}) {{", "\treturn MIG_ARRAY_TOO_LARGE;", "}",
            f"m.in.{count} = {count};", f"memcpy(m.in.words, {arg.name}, 4 * (size_t){count});"]


def _call(routine):
    send = "sizeof(m.in)"
    if routine.words_in:
        send = f"sizeof(m.in) - sizeof(m.in.words) + 4 * {count_of(routine.words_in)}"
    reply = "sizeof(m.out) - sizeof(m.out.trailer)"
    if routine.words_out:
        reply += " - sizeof(m.out.words)"
    return [
        "const struct mig_call call = {",
        f"\t.target = target, .id = {routine.id}, .send_bytes = (mach_msg_size_t)({send}),",
        f"\t.rcv_bytes = sizeof(m.out), .reply_bytes = {reply},",
        f"\t.request_ports = {len(routine.descriptors_in)}, .reply_descriptors = {len(routine.descriptors_out)},",
        *([f"\t.target_disposition = MACH_MSG_TYPE_{routine.port.keys['send']},"] if "send" in routine.port.keys else []),
        "};",
        "kern_return_t kr = mig_client_call(&m.in.head, &call);",
        "if (kr != KERN_SUCCESS) {", "\treturn kr;", "}"]


def _take(routine):
    lines = []
    for arg in routine.args:
        if not arg.is_out:
            continue
        if arg.type.is_port:
            lines.append(f"*{arg.name} = m.out.{arg.name}Port.name;")
            if arg.type.keys.get("poly"):
                lines.append(f"*{poly_of(arg)} = m.out.{arg.name}Port.disposition;")
        elif arg.type.is_ool_ports or arg.type.is_ool:
            lines += [f"*{arg.name} = ({arg.ctype})m.out.{arg.name}Port.address;", f"*{count_of(arg)} = m.out.{count_of(arg)};"]
        elif arg.type.is_words:
            lines += [f"if (m.out.{count_of(arg)} > *{count_of(arg)}) {{", "\treturn MIG_ARRAY_TOO_LARGE;", "}",
                      f"*{count_of(arg)} = m.out.{count_of(arg)};",
                      f"memcpy({arg.name}, m.out.words, 4 * (size_t)m.out.{count_of(arg)});"]
        elif arg.name in [f.name for f in routine.out_tail]:
            lines.append(f"memcpy({arg.name}, &m.out.words[m.out.{count_of(routine.words_out)}], sizeof(*{arg.name}));")
        else:
            lines.append(f"*{arg.name} = m.out.{arg.name};")
    return lines
