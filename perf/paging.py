"""x paging: the kernel's page replacement on reference strings, beside LRU, FIFO, second chance and the best there can be.

The replayer (osfmk/vm/sim) is a program of the host that is built from the kernel's own policy source, osfmk/vm/vm_age.c.
Written to --out: paging.json, and a picture for each workload. Exit status: 0 all bounds kept, 1 one was broken, 64 wrong
usage.
"""

import os

from x import build, setup, usage

from perf import plots, simulate
from perf import plots_gnuplot as engine

# what is drawn, from the top of the legend on; the rest is in the table alone
_DRAWN = {"Pluot": (engine.BLUE, 7, .8), "without ages": (engine.PURPLE, 7, .6), "LRU": (engine.ORANGE, 7, .6),
          "FIFO": (engine.YELLOW, 7, .6), "the best there is": (engine.GREEN, 7, .6)}


def _options():
    options = usage.parser("paging", "Replay reference strings through the kernel's page replacement, and compare. "
                           "Exit status 1 when a bound is broken.")
    options.add_argument("--seed", type=lambda text: simulate.seed(text, "paging"), default="1", metavar="N",
                         help="of what is random (default: 1)")
    options.add_argument("--only", metavar="WORKLOAD", help="one workload, by its name")
    options.add_argument("--out", default=os.path.join(usage.ROOT, "out", "paging"), metavar="DIR", help="where files go (default: out/paging)")
    usage.variant_option(options)
    return options


def lines(told):
    """The table on the terminal: for each workload a row for each policy, a column for each size of memory."""
    for outcome in told["outcomes"]:
        yield f"{outcome['workload']}: {outcome['about']}"
        yield f"  {'% of uses that bring a page back':34}" + "".join(f"{pages:>8}" for pages in outcome["memory"]) + "  pages"
        for name, shares in outcome["shares"].items():
            yield f"  {name:34}" + "".join(f"{100 * share:>8.2f}" for share in shares)
        yield f"  {'pages looked at, for one brought':34}{outcome['looks']:>8.2f}"
        for metric in outcome["metrics"]:
            yield f"  {metric['name']:34}{metric['value']:>8.3f}  {simulate.verdict(metric)}"
        yield ""


def _picture(outcome):
    wants = outcome["wants"]
    drawn = [plots.Curve(name, [(8 * pages / wants, 100 * share) for pages, share in zip(outcome["memory"], outcome["shares"][name])], style)
             for name, style in _DRAWN.items()]
    axes = plots.Axes("memory, of what would do", "% of uses that bring a page back", lambda x: f"{100 * x / 8:g} %", lambda y: f"{y:.3g}")
    return plots.curves(f"paging-{outcome['workload']}", f"{outcome['workload']}: {outcome['about']}",
                        "Lower is better. First uses of pages do not count: no policy can do anything about them.", drawn, axes)


def main(_verb, argv):
    args = _options().parse_args(argv)
    setup.need("build", "bench")
    program = os.path.join(build.build(args.variant, ["osfmk/vm/sim"], quiet=True), "page_sim")
    return simulate.present("paging", "workload", args, program, [], [], lines,
                            lambda told: [_picture(outcome) for outcome in told["outcomes"]])
