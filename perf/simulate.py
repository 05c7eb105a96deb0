"""x sim: the kernel's scheduling policy on simulated machines of up to 1024 CPUs (osfmk/kern/sim).

The simulator is a program of the host that is built from the kernel's own policy source. It says what threads got and how
long they waited, and in each scenario which bounds that must keep. Written to --out: sim.json, and a picture of each kind.
Exit status: 0 all bounds kept, 1 one was broken, 64 wrong usage.
"""

import json
import os
import subprocess
import sys

from x import build, setup, usage

from perf import plots, table
from perf import plots_gnuplot as engine

_SIZES_MOST, _CPUS_MOST = 16, 1024
_LIMIT_S = 600
_QUANTILES = {"5": .05, "10": .1, "25": .25, "50": .5, "75": .75, "90": .9, "95": .95, "99": .99, "99.9": .999, "100": 1.0}
_TICKS = {.1: "10 %", .5: "50 %", .9: "90 %", .99: ""}
_COLOURS = (engine.BLUE, engine.ORANGE, engine.GREEN, engine.PURPLE, engine.YELLOW)
_SOONEST_NS = 100
# what a picture over machine sizes shows: (file, title, y axis, caption, [(scenario, metric, label)])
_OVER_SIZES = (
    ("sim-fair", "fair: shares of five equal hogs for two CPUs", "share of CPU / mean (1 is ideal)",
     "Load does not divide by CPUs, so threads must move for shares to become equal. Seconds 1 to 5.",
     (("fair", "least share / mean", "least"), ("fair", "largest share / mean", "largest"), ("fair", "Jain's index", "Jain's index"))),
    ("sim-waits", "starvation: longest wait for a CPU", "ms (lower is better)",
     "Two default, one utility and two background hogs for each CPU: decay makes bands shares, a boost ends each wait.",
     (("starvation", "longest wait, default (ms)", "default"), ("starvation", "longest wait, utility (ms)", "utility"),
      ("starvation", "longest wait, background (ms)", "background"))),
    ("sim-moves", "threads that change their CPU", "per CPU and second",
     "Steals: an idle CPU takes a waiting thread. Rotations: a busy one sends a thread where there are fewer.",
     (("conserve", "steals per CPU and s", "steals, bursts"), ("interactive", "steals per CPU and s", "steals, interactive"),
      ("fair", "rotations per CPU and s", "rotations, hogs"), ("interactive", "rotations per CPU and s", "rotations, interactive"))),
)


class SimError(Exception):
    """The simulator did not say what it should."""


def sizes(text):
    """The --cpus argument, as it was given."""
    try:
        given = [int(size) for size in text.split(",")]
    except ValueError:
        given = [0]
    if len(given) > _SIZES_MOST or not all(1 <= size <= _CPUS_MOST for size in given):
        usage.fail(f"sim: --cpus '{text}': give up to {_SIZES_MOST} numbers from 1 to {_CPUS_MOST}, such as 64,1024")
    return text


def seed(text, verb="sim"):
    if not text.isdigit() or int(text) >= 2 ** 64:
        usage.fail(f"{verb}: --seed '{text}': give a number below 2^64")
    return text


def _options():
    options = usage.parser("sim", "Run the kernel's scheduling policy on simulated machines: fairness, starvation, wake-up "
                           "delays, deadlines. Exit status 1 when a bound is broken.")
    options.add_argument("--cpus", type=sizes, default="64,256,1024", metavar="N,N", help="sizes of machines (default: %(default)s)")
    options.add_argument("--seed", type=seed, default="1", metavar="N", help="of what is random (default: 1)")
    options.add_argument("--only", metavar="SCENARIO", help="one scenario, by its name")
    options.add_argument("--out", default=os.path.join(usage.ROOT, "out", "sim"), metavar="DIR", help="where files go (default: out/sim)")
    usage.variant_option(options)
    return options


def simulate(program, arguments):
    """What the simulator says, and its exit status."""
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=_LIMIT_S, check=False)
    if done.returncode not in (0, 1):
        raise SimError(f"the simulator ended with status {done.returncode}: {done.stderr.strip()[:200]}")
    try:
        return json.loads(done.stdout), done.returncode
    except json.JSONDecodeError as error:
        raise SimError(f"the simulator's output is not JSON: {error}") from None


def verdict(metric):
    """"kept" or "broken" with the bound, or nothing."""
    if "at_most" in metric:
        return f"{'kept' if metric['value'] <= metric['at_most'] else 'BROKEN'}: at most {metric['at_most']:g}"
    if "at_least" in metric:
        return f"{'kept' if metric['value'] >= metric['at_least'] else 'BROKEN'}: at least {metric['at_least']:g}"
    return ""


def lines(told):
    """The table on the terminal: a row for each metric, a column for each machine."""
    outcomes, named = told["outcomes"], {}
    for outcome in outcomes:
        named.setdefault(outcome["scenario"], []).append(outcome)
    for name, found in named.items():
        yield f"{name}: {found[0]['about']}"
        yield f"  {'CPUs':32}" + "".join(f"{outcome['cpus']:>10}" for outcome in found)
        for row in zip(*(outcome["metrics"] for outcome in found)):
            words = next((v for v in map(verdict, row) if v.startswith("BROKEN")), verdict(row[0]))
            yield f"  {row[0]['name']:32}" + "".join(f"{m['value']:>10.4g}" for m in row) + (f"  {words}" if words else "")
        yield ""


# ---- pictures ----


def _delay_picture(name, found):
    drawn = []
    for colour, outcome in zip(_COLOURS, found):
        points = [(_QUANTILES[q], max(ns, _SOONEST_NS)) for q, ns in outcome["delays_ns"].items() if q in _QUANTILES]
        drawn.append(plots.Curve(f"{outcome['cpus']} CPUs", points, (colour, 7, .7)))
    axes = plots.Axes("share of wake-ups that took no longer", "from wake-up to running, log (lower is better)",
                      lambda at: _TICKS.get(at, ""), table.nanoseconds, False, True, tuple(_TICKS))
    return plots.curves(f"sim-delay-{name}", f"{name}: {found[0]['about']}",
                        "Delays below 100 ns, where the thread ran at once, are drawn as 100 ns.", drawn, axes)


def _metric(outcome, name):
    return next((m["value"] for m in outcome["metrics"] if m["name"] == name), None)


def _size_picture(outcomes, name, title, y_label, caption, wanted):
    drawn = []
    for colour, (scenario, metric, label) in zip(_COLOURS, wanted):
        points = [(o["cpus"], _metric(o, metric)) for o in outcomes if o["scenario"] == scenario]
        points = [(cpus, value) for cpus, value in points if value is not None]
        if points:
            drawn.append(plots.Curve(label, points, (colour, 7, .7)))
    if not drawn:
        return None
    ticks = tuple(sorted({cpus for curve in drawn for cpus, _ in curve.points}))
    axes = plots.Axes("CPUs", y_label, lambda v: f"{v:g}", lambda v: f"{v:g}", len(ticks) > 1, False, ticks)
    return plots.curves(name, title, caption, drawn, axes)


def pictures(told):
    outcomes, found = told["outcomes"], {}
    for outcome in outcomes:
        if "delays_ns" in outcome:
            found.setdefault(outcome["scenario"], []).append(outcome)
    sketches = [_delay_picture(name, same) for name, same in found.items()]
    if len({outcome["cpus"] for outcome in outcomes}) > 1:
        sketches += [_size_picture(outcomes, *picture) for picture in _OVER_SIZES]
    return [sketch for sketch in sketches if sketch]


def present(verb, kind, args, program, arguments, few, describe, draw):
    """Run `program`, and show what it tells of each `kind`: lines on the terminal by describe(told), VERB.json and the
    pictures of draw(told) in args.out. With the arguments `few` the program names what there is. The exit status.
    """
    chosen = ["--only", args.only] if args.only else []
    try:
        told, status = simulate(program, ["--seed", args.seed, *arguments, *chosen])
        if not told["outcomes"]:
            known, _ = simulate(program, few)
            usage.choice(kind, args.only, sorted({outcome[kind] for outcome in known["outcomes"]}))
        os.makedirs(args.out, exist_ok=True)
        with open(os.path.join(args.out, f"{verb}.json"), "w", encoding="utf-8") as out:
            json.dump(told, out, indent=1)
        sketches = draw(told)
        plots.save(args.out, plots.draw(sketches))
    except (SimError, plots.PlotError, OSError, subprocess.TimeoutExpired) as error:
        sys.stderr.write(f"x {verb}: {error}\n")
        return 1
    print("\n".join(describe(told)))
    print(f"written: {os.path.relpath(args.out)}/{verb}.json and {len(sketches)} pictures; "
          f"{'all bounds kept' if status == 0 else 'a bound is BROKEN'}")
    return status


def main(_verb, argv):
    args = _options().parse_args(argv)
    setup.need("build", "bench")
    program = os.path.join(build.build(args.variant, ["osfmk/kern/sim"], quiet=True), "sched_sim")
    return present("sim", "scenario", args, program, ["--cpus", args.cpus], ["--cpus", "1"], lines, pictures)
