"""MIG routines with strings or bytes of varying length: both sides take and put argument after argument.

What is supported: requests of scalars, strings, bytes and counts of out bytes; replies of ports, or of scalars, strings
and bytes.
"""

from abi.mig import count_of, wire_limit


def codec(routine):
    """The kernel's codec."""
    lines = _take_request(routine) + _call_routine(routine) + _put_reply(routine)
    body = "".join(f"\t{line}\n" for line in lines)
    return (f"\nstatic void\n_X{routine.name}(const struct mig_request *rq, struct mig_reply *rp)\n"
            f"{{\n{body}}}\n")


def _take_request(routine):
    lines = ["struct mig_cursor cursor = mig_cursor_start(rq);"]
    for arg in routine.args:
        if arg.type.is_string and arg.is_in:
            lines.append(f"const char *{arg.name} = mig_take_string(&cursor, {arg.type.limit});")
        elif arg.type.is_chars and arg.is_out:
            count = count_of(arg)
            lines += [f"mach_msg_type_number_t {count} = mig_take_word(&cursor);",
                      f"{count} = os_min({count}, {arg.type.limit}U);"]
        elif arg.type.is_scalar and arg.is_in:
            lines.append(f"{arg.ctype} {arg.name} = ({arg.ctype})mig_take_word(&cursor);")
        elif arg.type.is_chars:
            count = count_of(arg)
            lines += [f"uint32_t {count} = mig_take_word(&cursor);",
                      f"const uint8_t *{arg.name} = mig_take_chars(&cursor, {count}, {arg.type.limit});"]
    return lines + ["if (!mig_cursor_end(&cursor, rq, rp)) {", "\treturn;", "}"]


def _call_routine(routine):
    keys = routine.port.keys
    ctype = keys.get("kernel", routine.port.name)
    lines, offset, args = [f"{ctype} object = {keys['intran']}(rq->target);"], 0, ["object"]
    for arg in routine.args:
        if not arg.is_out:
            args += [arg.name] + ([count_of(arg)] if arg.type.is_chars else [])
        elif arg.type.is_port:
            lines.append(f"{arg.type.keys.get('kernel', arg.type.name)} {arg.name} = NULL;")
            args.append("&" + arg.name)
        elif arg.type.is_scalar:
            lines.append(f"{arg.ctype} {arg.name} = 0;")
            args.append("&" + arg.name)
            offset += wire_limit(arg.type)
        else:
            # Written where it will lie: behind its count, and a string behind its offset as well.
            offset += 8 if arg.type.is_string else 4
            element = arg.type.element_ctype
            lines.append(f"{element} *{arg.name} = ({element} *)rp->data + {offset};")
            args += [arg.name] + (["&" + count_of(arg)] if arg.type.is_chars else [])
    return lines + [
        f"rp->retcode = {keys.get('null', 'KERN_INVALID_ARGUMENT')};", "if (object != NULL) {",
        f"\trp->retcode = {routine.entry.handler}({', '.join(args)});",
        *([f"\t{keys['release']}(object);"] if "release" in keys else []), "}",
        "if (rp->retcode != KERN_SUCCESS) {", "\treturn;", "}"]


def _put_reply(routine):
    if routine.descriptors_out:
        lines = [f"mig_reply_port(rp, {i}, {a.type.keys['outtran']}({a.name}), MACH_MSG_TYPE_PORT_SEND);"
                 for i, a in enumerate(routine.descriptors_out)]
        return lines + [f"rp->ndesc = {len(routine.descriptors_out)};"]
    lines = []
    outs = [arg for arg in routine.args if arg.is_out]
    for position, arg in enumerate(outs):
        if not arg.type.is_scalar and position != len(outs) - 1:
            raise ValueError(f"{routine.name}: {arg.name} must be the last one")
        if arg.type.is_string:
            lines.append(f"mig_put_string(rp, {arg.name});")
        elif arg.type.is_chars:
            lines.append(f"mig_put_chars(rp, {count_of(arg)});")
        else:
            lines.append(f"mig_put_long(rp, {arg.name});" if arg.type.bytes == 8
                         else f"mig_put_word(rp, (uint32_t){arg.name});")
    return lines


def stub(routine):
    """The body of a program's stub."""
    lines = _message(routine) + _fill(routine) + _send(routine) + _take_reply(routine)
    return "\n{\n" + "".join(f"\t{line}\n" for line in lines) + "\treturn KERN_SUCCESS;\n}\n"


def _message(routine):
    room = sum(4 if arg.type.is_chars and arg.is_out else wire_limit(arg.type) for arg in routine.args
               if arg.is_in or arg.type.is_chars)
    reply = ["mach_msg_header_t head;"]
    if routine.complex_reply:
        reply += ["mach_msg_body_t body;", f"mach_msg_port_descriptor_t ports[{len(routine.descriptors_out)}];"]
    else:
        reply += ["NDR_record_t ndr;", "kern_return_t retcode;"]
        if routine.reply_data_bytes:
            reply.append(f"uint8_t data[{routine.reply_data_bytes}];")
    reply.append("mach_msg_max_trailer_t trailer;")
    # A request without arguments is a bare header.
    request = ["mach_msg_header_t head;"] + (["NDR_record_t ndr;", f"uint8_t data[{room}];"] if room else [])
    lines = ["#pragma pack(push, 4)", "union {"]
    for label, fields in (("in", request), ("out", reply)):
        lines += ["\tstruct {"] + [f"\t\t{f}" for f in fields] + [f"\t}} {label};"]
    return lines + ["\tstruct mig_error error;", "} m;", "#pragma pack(pop)"]


def _fill(routine):
    lines = []
    for arg in routine.args:
        if arg.type.is_string and arg.is_in:
            lines += [f"if (!mig_put_string(&put, {arg.name}, {arg.type.limit})) {{", "\treturn MIG_ARRAY_TOO_LARGE;", "}"]
        elif arg.type.is_chars and arg.is_out:
            lines.append(f"mig_put_word(&put, *{count_of(arg)});")
        elif arg.type.is_chars:
            lines += [f"if (!mig_put_chars(&put, {arg.name}, {count_of(arg)}, {arg.type.limit})) {{",
                      "\treturn MIG_ARRAY_TOO_LARGE;", "}"]
        elif arg.is_in:
            lines.append(f"mig_put_word(&put, (uint32_t){arg.name});")
    return ["uint8_t *put = m.in.data;", "m.in.ndr = NDR_record;"] + lines if lines else []


def _send(routine):
    filled = any(arg.is_in or arg.type.is_chars for arg in routine.args)
    size = "(mach_msg_size_t)(put - (uint8_t *)&m)" if filled else "sizeof(m.in)"
    fixed = "sizeof(m.out) - sizeof(m.out.trailer)"
    if any(arg.is_out and not arg.type.is_scalar and not arg.type.is_port for arg in routine.args):
        fixed += " - sizeof(m.out.data)"
    return [
        "const struct mig_call call = {",
        f"\t.target = target, .id = {routine.id}, .send_bytes = {size},",
        f"\t.rcv_bytes = sizeof(m.out), .reply_bytes = {fixed},",
        f"\t.request_ports = 0, .reply_descriptors = {len(routine.descriptors_out)},",
        "};",
        "kern_return_t kr = mig_client_call(&m.in.head, &call);",
        "if (kr != KERN_SUCCESS) {", "\treturn kr;", "}"]


def _take_reply(routine):
    if routine.descriptors_out:
        return [f"*{arg.name} = m.out.ports[{i}].name;" for i, arg in enumerate(routine.descriptors_out)]
    lines = []
    for arg in routine.args:
        if not arg.is_out:
            continue
        if arg.type.is_string:
            lines += [f"if (!mig_get_string(&get, end, {arg.name}, {arg.type.limit})) {{", "\treturn MIG_TYPE_ERROR;", "}"]
        elif arg.type.is_chars:
            lines += [f"if (!mig_get_chars(&get, end, (char *){arg.name}, {count_of(arg)})) {{", "\treturn MIG_TYPE_ERROR;", "}"]
        else:
            width = "long" if arg.type.bytes == 8 else "word"
            lines.append(f"*{arg.name} = ({arg.ctype})mig_get_{width}(&get);")
    return ["const uint8_t *get = m.out.data;", "const uint8_t *end = (uint8_t *)&m + m.out.head.msgh_size;",
            "(void)end;"] + lines if lines else []
