"""The report: DIR/report/index.html, one page that needs nothing else, and the pictures as SVG and PNG beside it.

Order: what was found, then a card for each family of benchmarks (pictures, tables, how to reproduce each row), then what
runs across families, where the figures of others come from, and the machine. Everything is text and SVG: no script runs,
nothing is fetched. The markup is in templates/, this module hands it data.
"""

import datetime
import os
import shutil
from dataclasses import dataclass, field

from perf import beside, history_kept, plots, plots_gnuplot, reference, report_extras, report_rows, report_summary, report_tables, table

_TEMPLATES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "templates")


@dataclass
class Card:
    """A section of the page: pictures first, then tables, then what is folded away."""

    id: str
    title: str
    about: str = ""
    pictures: list = field(default_factory=list)
    tables: list = field(default_factory=list)
    folded: list = field(default_factory=list)
    links: list = field(default_factory=list)


# ---- cards ----


def _count_parts(card, guest, entries, ref, since):
    card.pictures.append(plots.family(guest, card.id, "count", entries, ref))
    if card.id == "ipc":
        card.pictures.append(plots.by_size(guest, "count", entries, ref))
    if card.id == "vm":
        card.pictures.append(plots.by_map_size(guest, "count", entries))
    made = report_tables.counts(entries, ref, since)
    made.title = "Instructions per operation: exact, the same in every run; user stub and loop included. Fewer is better."
    card.tables.append(made)


def _latency_parts(card, guest, mode, entries, loaded):
    """Rows whose figure is a latency: their tail is what one asks for."""
    other = next((r.guest for r in loaded if r.guest != guest), "")
    card.pictures += plots.latencies(guest, mode, entries, report_rows.entries(loaded, other, mode))
    tails = report_tables.tails(entries, mode)
    if tails and mode == "count":
        tails.title = "Latency in instructions, from the call to the thread's first one. Fewer is better."
        card.tables.append(tails)


def _time_parts(card, guest, entries, ref):
    single = [e for e in entries if not e.workers]
    if single:
        card.pictures.append(plots.family(guest, card.id, "time", single, ref))
        card.pictures.append(plots.distribution(guest, card.id, single) if card.id != "wake" else None)
        made = report_tables.times(single, ref)
        made.title = "Wall time per operation: this host, this load. Less is better; use it for shape, not to the digit."
        card.tables.append(made)
    if card.id == "ipc":
        card.pictures.append(plots.by_size(guest, "time", single, ref))
    if card.id == "vm":
        card.pictures.append(plots.by_map_size(guest, "time", single))
    several = [e for e in entries if e.workers]
    if several:
        card.pictures.append(plots.scaling(guest, several, ref))
        made = report_tables.scaling(several, ref)
        made.title = "Operations a second, all workers together. More is better."
        card.tables.append(made)


def _model_parts(card, guest, entries):
    card.pictures.append(plots.asids(guest, entries))
    made = report_tables.model(entries)
    made.title = "Modelled by the QEMU plugin, per operation: exact for the model, not a promise about silicon."
    card.tables.append(made)


def _family_card(family, entries, loaded, ref, since):
    guest = entries[0].result.guest
    card = Card(family, family, report_rows.ABOUT.get(family, ""))
    by_mode = {mode: [e for e in entries if e.mode == mode] for mode in dict.fromkeys(e.mode for e in entries)}
    if by_mode.get("count"):
        _count_parts(card, guest, by_mode["count"], ref, since)
    if by_mode.get("time"):
        _time_parts(card, guest, by_mode["time"], ref)
    for mode in by_mode:
        if mode not in ("count", "time"):
            _model_parts(card, guest, by_mode[mode])
        elif family == "wake":
            _latency_parts(card, guest, mode, by_mode[mode], loaded)
    card.pictures = [picture for picture in card.pictures if picture]
    others = report_tables.others(loaded, guest, family)
    if others:
        card.folded.append(("What the others measured, row by row", others))
    card.folded.append(("The command for each row", report_tables.reproduce(entries)))
    return card


def _other_families(loaded, own, shown):
    """Families that only other guests have."""
    names = {n.split("/")[0] for r in loaded if r.guest != own for n in r.rows} - set(shown)
    for name in sorted(names):
        yield Card(name, name, "Measured on another system only.", tables=[report_tables.others(loaded, own, name)])


_BESIDE = {"count": "Instructions per operation; less is better.", "time": "Median wall time per operation; less is better."}


def _linux_card(loaded):
    """Pluot beside Linux where both were measured: all that the families' tables have room for only in part."""
    card = Card("linux", "linux", "Both on the same emulated machine, from the same sources where the operation is the same; where Linux "
                "has several ways, the cheapest stands here. Lean: without the protections that Pluot lacks too; default: as Debian boots.")
    for mode, title in _BESIDE.items():
        made = report_tables.beside_linux(beside.compare(loaded, mode))
        if made:
            made.title = title
            card.tables.append(made)
    return [card] if card.tables else []


# ---- the machine, and where other figures come from ----

_TOLD = {"date": "date", "guest": "guest", "variant": "variant", "kernel_commit": "revision", "mode": "mode", "cpus": "CPUs",
         "model": "model", "compiler": "compiler", "qemu_version": "QEMU", "host_name": "host", "host_cpus": "host CPUs",
         "load_avg": "load", "complete": "complete"}
# what the command line says of the machine: option and its name on the page
_MACHINE = (("-M", "machine"), ("-cpu", "CPU model"), ("-accel", "accelerator"), ("-icount", "instruction clock"), ("-m", "memory"))


def _shown(value):
    return " ".join(f"{v:.1f}" for v in value) if isinstance(value, list) else str(value)


def _facts(context):
    """{name: value} of a result's configuration."""
    facts = {name: _shown(context[key]) for key, name in _TOLD.items() if key in context}
    facts["date"] = context["date"][:16].replace("T", " ")
    words = context["qemu_command"].split()
    for option, name in _MACHINE:
        facts[name] = words[words.index(option) + 1] if option in words[:-1] else report_tables.NO
    return facts


def _configuration(loaded):
    """(what all files agree on, a table of what they do not, [(file, its command line)])"""
    facts = [_facts(result.context) for result in loaded]
    names = list(dict.fromkeys(name for fact in facts for name in fact))
    # the file's name says guest, mode and CPUs
    told = ("guest", "mode", "CPUs")
    differing = [n for n in names if n not in told and len({fact.get(n, "") for fact in facts}) > 1]
    each = report_tables.Table(["file"] + differing)
    for result, fact in zip(loaded, facts):
        each.rows.append([report_tables.Cell(os.path.basename(result.path), code=True)]
                         + [report_tables.Cell(fact.get(n, report_tables.NO)) for n in differing])
    return ([(n, facts[0][n]) for n in names if n not in differing and n not in told], each,
            [(os.path.basename(result.path), result.context["qemu_command"]) for result in loaded])


def _sources(ref):
    made = []
    for anchor in ref.anchors:
        rows = report_tables.Table(["stands beside", "instructions", "time", "what was run"])
        for name, row in anchor.rows.items():
            rows.rows.append([report_tables.Cell(name, code=True), report_tables.Cell(table.number(row.get("instructions"))),
                              report_tables.Cell(table.nanoseconds(row.get("ns"))), report_tables.Cell(row.get("operation", ""))])
        made.append((anchor.label, list(anchor.source.items()), rows))
    return made


# ---- the page ----


def _ratio_picture(guest, entries, ref):
    linux = next((a for a in ref.anchors if a.id == "linux"), None)
    found = report_summary.ratios(entries, linux, "count") if linux else []
    if len(found) < 2:
        return None
    name = report_tables.spoken(linux)
    return plots.ratios(
        f"{guest}-count-ratios", f"{name} against {guest.capitalize()}: instructions",
        f"How many times as many instructions {name} takes for the same operation. Bars to the right of 1x: "
        f"{guest.capitalize()} takes fewer.", [(e.label, ratio) for ratio, e in found],
        f"{name} instructions ÷ {guest.capitalize()} instructions, logarithmic (further right is better)")


def template(name):
    """A page of templates/."""
    import jinja2  # pylint: disable=import-outside-toplevel (set-up may have installed it a moment ago)
    made = jinja2.Environment(loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True, trim_blocks=True,
                              lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    return made.get_template(name)


def _about(result):
    date = datetime.datetime.fromisoformat(result.context["date"]).strftime("%-d %B %Y, %H:%M UTC")
    return (result.context["kernel_commit"], result.context["variant"], date, result.context["qemu_version"])


def _draw(groups):
    """Pictures in the places of the sketches, by one gnuplot."""
    made = iter(plots.draw([sketch for group in groups for sketch in group]))
    return [[next(made) for _ in group] for group in groups]


def build(loaded, ref, out, previous):
    """(the page as text, its pictures). `out`: the folder of the results, whose other files are joined in."""
    own = report_rows.own_guest(loaded)
    entries = report_rows.entries(loaded, own)
    since, _ = report_summary.against_baseline(entries) if own == "pluot" else ({}, "")
    cards = [_family_card(name, found, loaded, ref, since) for name, found in report_rows.families(entries).items()]
    cards += _other_families(loaded, own, [card.id for card in cards])
    extra = _linux_card(loaded) + report_extras.cards(out, Card, entries)
    top = [p for p in (_ratio_picture(own, entries, ref), plots.overview(own, entries, ref)) if p]
    top, *_ = pictures = _draw([top] + [card.pictures for card in cards + extra])
    for card, drawn in zip(cards + extra, pictures[1:]):
        card.pictures = drawn
    common, each, commands = _configuration(loaded)
    first = next(r for r in loaded if r.guest == own)
    text = template("page.html").render(
        title=f"{own.capitalize()} benchmarks", about=_about(first), alarms=report_summary.alarms(loaded),
        findings=report_summary.findings(entries, ref, previous), pictures=top, cards=cards + extra,
        sources=_sources(ref), common=common, each=each, commands=commands, plot_style=plots_gnuplot.dark_style())
    return text, [picture for drawn in pictures for picture in drawn]


def write(out, loaded, ref):
    """Writes out/report anew and returns the page's path."""
    ref = reference.measured(ref, loaded)
    folder = os.path.join(out, "report")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    own = report_rows.own_guest(loaded)
    text, pictures = build(loaded, ref, out, history_kept.previous([r for r in loaded if r.guest == own]))
    path = os.path.join(folder, "index.html")
    with open(path, "w", encoding="utf-8") as target:
        target.write(text)
    plots.save(folder, pictures)
    return path
