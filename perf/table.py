"""The terminal tables: every row beside its target and its anchors, verdicts in words."""

from perf import reference

DASH = "-"


def number(value):
    """Grouped digits; one decimal below a hundred, where it still says something."""
    if value is None:
        return DASH
    if abs(value) < 100 and round(value, 1) != round(value):
        return f"{value:.1f}"
    return f"{value:,.0f}"


def nanoseconds(value):
    """Three digits and a unit."""
    if value is None:
        return DASH
    for unit, scale in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if value >= scale:
            return f"{value / scale:.3g} {unit}" if value < 1000 * scale else f"{value / scale:,.0f} {unit}"
    return f"{value:.3g} ns"


def rate(value):
    if value is None:
        return DASH
    for unit, scale in (("M/s", 1e6), ("k/s", 1e3)):
        if value >= scale:
            return f"{value / scale:.3g} {unit}"
    return f"{value:.3g} /s"


def ratio(ref, result, name):
    """How many times as much Linux takes; empty for Linux itself and where it has no such row."""
    linux = next((a.value(name, result.mode) for a in ref.anchors if a.id == "linux"), None)
    if linux is None or result.guest != "pluot" or not result.value(name):
        return ""
    return f"{linux / result.value(name):.2f}x"


def layout(header, rows):
    """Lines of a table: first column to the left, the others to the right, the last to the left."""
    cells = [header] + rows
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    last = len(header) - 1
    lines = []
    for row in cells:
        parts = [c.ljust(w) if i in (0, last) else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths))]
        lines.append("  ".join(parts).rstrip())
    lines.insert(1, "  ".join("-" * w for w in widths))
    return lines


def scaling(result):
    """{base name: {workers: operations a second}} of a time result"""
    curves = {}
    for name in result.rows:
        base, mark, workers = name.rpartition("/threads:")
        speed = result.counter(name, "items_per_second")
        if mark and speed:
            curves.setdefault(base, {})[int(workers)] = speed
    return curves


def plain_count_table(result):
    """Another guest's: our targets and its own anchor are not for it."""
    rows = [[name, number(result.value(name)), number(result.counter(name, "min_instructions") or result.value(name)), ""]
            for name in result.rows]
    return layout(["benchmark", "instructions", "least batch", ""], rows)


def count_table(result, ref):
    if result.guest != "pluot":
        return plain_count_table(result)
    header = ["benchmark", "instructions", "goal", "stretch"] + [a.label for a in ref.anchors] + ["Linux/own", "verdict"]
    rows = []
    for name in result.rows:
        target = ref.target(name)
        value = result.value(name)
        rows.append(
            [name, number(value), number(target and target.goal), number(target and target.stretch)]
            + [number(a.value(name, "count")) for a in ref.anchors]
            + [ratio(ref, result, name)]
            + [reference.verdict(value, target)])
    return layout(header, rows)


def time_table(result, ref):
    own = result.guest == "pluot"
    timed = [a for a in ref.anchors if own and any("ns" in row for row in a.rows.values())]
    header = ["benchmark", "median", "p90", "p99", "worst"] + [a.label for a in timed] + ["against " + a.label for a in timed]
    rows = []
    for name in result.rows:
        if "/threads:" in name:
            continue
        value = result.value(name)
        others = [a.value(name, "time") for a in timed]
        rows.append(
            [name, nanoseconds(value)]
            + [nanoseconds(result.counter(name, c)) for c in ("p90_ns", "p99_ns", "max_ns")]
            + [nanoseconds(o) for o in others]
            + [f"{o / value:.1f}x as fast" if o else "" for o in others])
    return layout(header, rows) if rows else []


def scaling_table(result, ref, host_cpus):
    curves = scaling(result)
    if not curves:
        return []
    counts = sorted({n for curve in curves.values() for n in curve})
    header = ["benchmark"] + [f"{n} worker{'s' if n > 1 else ''}" for n in counts] + ["speed-up", "Linux, 2 workers", "note"]
    rows = []
    for name, curve in curves.items():
        top = max(curve)
        speed_up = f"{curve[top] / curve[1]:.2f}x" if 1 in curve and top > 1 else DASH
        linux = ref.scaling_anchor["rows"].get(name)
        note = f"more workers than the {host_cpus} host CPUs" if top > host_cpus else ""
        rows.append([name] + [rate(curve.get(n)) for n in counts] + [speed_up, f"{linux:.2f}x" if linux else DASH, note])
    return layout(header, rows)


NOT_SUPPORTED = "<not supported>"
# what the model's table shows of its counters
_MODEL = {"instructions": "instructions", "tlb_misses": "TLB misses", "walks": "walks",
          "walks_without_asids": "without ASIDs", "asid_switches": "switches", "tlbi_local": "TLBI local",
          "tlbi_broadcast": "TLBI broadcast", "l1i_misses": "L1I misses", "l1d_misses": "L1D misses",
          "l2_misses": "L2 misses"}


def event(value):
    """An average of few events keeps its digits."""
    if value is None:
        return NOT_SUPPORTED
    return f"{value:,.3g}" if value < 100 else number(value)


def model_table(result):
    rows = [[name] + [event(result.counter(name, counter)) for counter in _MODEL] + [""] for name in result.rows]
    return layout(["benchmark", *_MODEL.values(), ""], rows) + [
        f"{name}: {NOT_SUPPORTED}" for name in result.context.get("not_supported", [])]


# the guest itself keeps its CPUs busy; work of others beyond this share of the host makes times doubtful
_BUSY = 0.5


def busy_host(context):
    """A warning for times that were taken while the host had other work, or an empty string."""
    cpus, load = int(context.get("host_cpus", "1")), context.get("load_avg") or [0.0]
    others = load[0] - int(context["cpus"])
    if context["mode"] != "time" or others <= _BUSY * cpus:
        return ""
    return f"the host was busy (load {load[0]:.1f} on {cpus} CPUs): times and speed-ups say little; run again when it is idle"


def render(result, ref):
    """All tables of one file, with a title that says what was measured."""
    context = result.context
    state = "" if result.complete else "  INCOMPLETE: " + context.get("incomplete_reason", "")
    if result.mode == "model":
        unit = f"events per operation in the model ({context.get('model', '')}), fewer is better"
        blocks = [model_table(result)]
    elif result.mode == "count":
        unit = "instructions per operation, fewer is better"
        blocks = [count_table(result, ref)]
    else:
        unit = "wall time per operation, less is better"
        blocks = [time_table(result, ref), scaling_table(result, ref, int(context.get("host_cpus", "1")))]
    title = f"{result.guest}, {result.mode} mode, {result.cpus} CPU{'s' if result.cpus > 1 else ''}, {context['variant']}: {unit}{state}"
    lines = [title] + [f"warning: {text}" for text in [busy_host(context)] if text]
    for block in blocks:
        if block:
            lines += [""] + block
    for what in ("skipped", "failed"):
        lines += [f"{what}: {row['name']}: {row['reason']}" for row in context.get(what, [])]
    return lines
