"""The timeline of a trace, and the checker that every timeline must pass."""

import copy
import json
import unittest

from perf import timeline, timeline_check, trace_events as ev

HZ = 62_500_000
TICK = 16  # ns

MSG = (ev.MACH << 24) | (ev.CALLS << 16) | (31 << 2)
GETPID = (ev.BSD << 24) | (ev.CALLS << 16) | (20 << 2)
SEND = (ev.MACH << 24) | (ev.IPC << 16) | (ev.SEND << 2)
RECEIVE = (ev.MACH << 24) | (ev.IPC << 16) | (ev.RECEIVE << 2)
SWITCH = (ev.MACH << 24) | (ev.SCHED << 16)
HANDOFF = SWITCH | ev.HANDOFF << 2
WAKE = SWITCH | ev.MAKE_RUNNABLE << 2
IRQ = (ev.MACH << 24) | (ev.INTERRUPTS << 16)
S, E = ev.START, ev.END


def event(cpu, time, number, thread, *args):
    return ev.Event(cpu, time, number, thread, tuple(args) + (0,) * (4 - len(args)))


def trace(*events, lost=0):
    threads = {5: (1, "smr"), 8: (1, "launchd"), 11: (2, "client"), 12: (3, "server"), 2: (1, "idle")}
    return ev.Trace("ipc/rpc", 1, HZ, lost, threads, list(events))


def rpc():
    """Thread 11 calls 12, which waits in a receive that began before the trace, and answers."""
    return trace(
        event(0, 100, MSG | S, 11, 1, 2, 3, 4),
        event(0, 110, SEND, 11, 0xA0, 0xB0, 1000, 24),
        event(0, 112, HANDOFF, 11, 0, 12, 31, 31),
        event(0, 115, RECEIVE, 12, 0xA0, 0xB0, 1000, 24),
        event(0, 118, MSG | E, 12, 0),
        event(0, 120, MSG | S, 12, 1, 2, 3, 4),
        event(0, 122, SEND, 12, 0xA0, 0xB1, 1100, 24),
        event(0, 124, HANDOFF, 12, 0, 11, 31, 31),
        event(0, 126, RECEIVE, 11, 0xA0, 0xB1, 1100, 24),
        event(0, 130, MSG | E, 11, 0),
    )


def build(*args, **kwargs):
    return timeline.build(trace(*args, **kwargs) if args and isinstance(args[0], ev.Event) else args[0], {})


def slices(document, track=None):
    return [(i["name"], round(i["ts"] * 1000), round(i["dur"] * 1000)) for i in document["traceEvents"]
            if i["ph"] == "X" and (track is None or (i["pid"], i["tid"]) == track)]


class Timeline(unittest.TestCase):
    def right(self, document):
        self.assertEqual(timeline_check.problems(document), [])
        self.assertEqual(timeline_check.problems(json.loads(json.dumps(document))), [])

    def test_rpc(self):
        document, flows, unpaired = build(rpc())
        self.right(document)
        self.assertEqual((flows, unpaired), (2, 0))
        self.assertEqual(slices(document, (2, 11)), [("mach_msg_trap", 0, 30 * TICK)])
        # the receive that was under way is drawn from the beginning; the one that is left, to the end
        self.assertEqual(slices(document, (3, 12)), [("mach_msg_trap", 0, 18 * TICK), ("receive", 15 * TICK, 1),
                                                     ("mach_msg_trap", 20 * TICK, 10 * TICK)])
        cpu = slices(document, (timeline.CPUS_PROCESS, timeline.FIRST_CPU))
        self.assertEqual(cpu, [("client 11", 0, 12 * TICK), ("server 12", 12 * TICK, 12 * TICK), ("client 11", 24 * TICK, 6 * TICK)])
        arrows = [i for i in document["traceEvents"] if i["ph"] in "sf"]
        self.assertEqual([(i["ph"], i["tid"]) for i in arrows], [("s", 11), ("f", 12), ("s", 12), ("f", 11)])

    def test_same_trace_same_bytes(self):
        self.assertEqual(json.dumps(build(rpc())[0]), json.dumps(build(rpc())[0]))

    def test_events_of_one_tick_keep_their_order(self):
        document, _, _ = build(event(0, 1, GETPID | S, 11), event(0, 1, GETPID | E, 11, 0, 7),
                               event(0, 1, GETPID | S, 11), event(0, 1, GETPID | E, 11, 0, 7))
        self.right(document)
        self.assertEqual(slices(document, (2, 11)), [("getpid", 0, 1), ("getpid", 2, 1)])

    def test_messages_alone(self):
        document, flows, _ = build(event(0, 1, SEND, 11, 1, 2, 3, 4), event(1, 9, RECEIVE, 12, 1, 2, 3, 4),
                                   event(1, 12, RECEIVE, 12, 1, 2, 3, 4))
        self.right(document)
        self.assertEqual(flows, 1)  # the second receive has no send in the trace

    def test_idle_is_a_gap_and_interrupts_are_inside(self):
        document, _, _ = build(event(0, 0, SWITCH, 11, 0, 2, 31, 0), event(0, 10, SWITCH, 2, 0, 11, 0, 31),
                               event(0, 12, IRQ | S, 11, 27, 0x1000, 1), event(0, 14, IRQ | E, 11, 27),
                               event(0, 20, GETPID | S, 11))
        self.right(document)
        cpu = slices(document, (timeline.CPUS_PROCESS, timeline.FIRST_CPU))
        self.assertEqual(cpu, [("client 11", 0, 0), ("client 11", 160, 160), ("interrupt 27", 192, 32)])

    def test_lost_ends_do_not_break_the_nesting(self):
        fault = ev.FAULT
        document, _, unpaired = build(
            event(0, 0, MSG | S, 11), event(0, 2, fault | S, 11, 0, 0x4000), event(0, 5, MSG | E, 11),
            event(0, 6, MSG | S, 11), event(0, 7, fault | E, 11), event(0, 9, MSG | E, 11), lost=1)
        self.right(document)
        self.assertEqual(unpaired, 1)
        self.assertEqual(document["otherData"]["lost"], 1)

    def test_a_programs_slice_begins_inside_the_call_that_says_so(self):
        call = (ev.BSD << 24) | (ev.CALLS << 16) | (179 << 2)
        document, _, unpaired = build(
            event(0, 0, call | S, 11), event(0, 1, ev.MARK | S, 11, 10), event(0, 2, call | E, 11),
            event(0, 7, call | S, 11), event(0, 8, ev.MARK | E, 11), event(0, 9, call | E, 11))
        self.right(document)
        self.assertEqual((slices(document, (2, 11)), unpaired), ([("batch", TICK, 7 * TICK)], 0))

    def test_slices_that_touch_do_so_exactly(self):
        # 1009 ns and its like have no exact fraction of a microsecond in binary
        events = [event(0, 7 * n + 63 * (n % 2), SWITCH, 11 + n % 2, 0, 12 - n % 2, 31, 31) for n in range(0, 400, 2)]
        document, _, _ = build(*events)
        self.right(document)

    def test_an_empty_trace(self):
        document, flows, _ = build(trace())
        self.right(document)
        self.assertEqual(flows, 0)

    def test_kernel_threads_and_process_one_are_apart(self):
        document, _, _ = build(event(0, 0, WAKE, 5, 8, 31), event(0, 2, GETPID | S, 8), event(0, 3, GETPID | E, 8))
        self.right(document)
        processes = {i["pid"]: i["args"]["name"] for i in document["traceEvents"] if i["name"] == "process_name"}
        self.assertEqual(processes[1], "launchd")
        self.assertEqual(processes[timeline.KERNEL_PROCESS], "kernel_task")

    def test_listing(self):
        lines = list(timeline.listing(rpc()))
        self.assertEqual(len(lines), 11)
        self.assertIn("{ mach_msg_trap", lines[1])
        self.assertIn("client 11", lines[1])


class Checker(unittest.TestCase):
    """Each way to be wrong is found."""

    def broken(self, change):
        document = copy.deepcopy(build(rpc())[0])
        change(document, [i for i in document["traceEvents"] if i["ph"] != "M"])
        return "\n".join(timeline_check.problems(document))

    def test_shape(self):
        self.assertEqual(timeline_check.problems([]), ["no list traceEvents"])
        self.assertIn("displayTimeUnit", self.broken(lambda d, t: d.pop("displayTimeUnit")))
        self.assertIn("ph 'Q'", self.broken(lambda d, t: t[0].update(ph="Q")))
        self.assertIn("no dur", self.broken(lambda d, t: next(i for i in t if i["ph"] == "X").pop("dur")))
        self.assertIn("ts is -1", self.broken(lambda d, t: t[0].update(ts=-1)))
        self.assertIn("pid is 'x'", self.broken(lambda d, t: t[0].update(pid="x")))

    def test_order_and_nesting(self):
        self.assertIn("stands behind", self.broken(lambda d, t: d["traceEvents"].reverse()))
        first = lambda t: next(i for i in t if i["ph"] == "X" and i["tid"] == 12)
        self.assertIn("overlaps", self.broken(lambda d, t: first(t).update(dur=0.4)))

    def test_begin_and_end(self):
        begin = {"ph": "B", "name": "a", "ts": 9, "pid": 2, "tid": 11}
        end = {"ph": "E", "name": "b", "ts": 9.5, "pid": 2, "tid": 11}
        self.assertIn("never ends", self.broken(lambda d, t: d["traceEvents"].append(begin)))
        self.assertIn("without a beginning", self.broken(lambda d, t: d["traceEvents"].append(end)))
        self.assertIn("ends where", self.broken(lambda d, t: d["traceEvents"].extend([begin, end])))

    def test_flows(self):
        def drop(phase):
            return lambda d, t: d["traceEvents"].remove(next(i for i in t if i["ph"] == phase))

        self.assertIn("not s f", self.broken(drop("f")))
        self.assertIn("not s f", self.broken(drop("s")))
        self.assertIn("touches no slice", self.broken(
            lambda d, t: next(i for i in t if i["ph"] == "f").update(tid=timeline.FIRST_CPU)))
        self.assertIn("do not agree", self.broken(lambda d, t: next(i for i in t if i["ph"] == "f").update(name="x")))

    def test_names(self):
        def drop(kind):
            return lambda d, t: d["traceEvents"].remove(next(i for i in d["traceEvents"] if i["name"] == kind))

        self.assertIn("has no thread_name", self.broken(drop("thread_name")))
        self.assertIn("has no process_name", self.broken(drop("process_name")))


class Console(unittest.TestCase):
    """What a guest says."""

    LINES = ["noise", "bench-trace: a/b iterations 10 clock 62500000", "bench-thread: b 2 a name",
             "bench-event: 0 5 40c0051 b 1 2 3 4", "bench-event: 1 7 40c0052 b 0 0 0 0", "bench-trace-end: a/b events 2 lost 3"]

    def test_whole(self):
        trace_read = ev.parse(self.LINES)
        self.assertEqual((trace_read.name, trace_read.iterations, trace_read.lost), ("a/b", 10, 3))
        self.assertEqual(trace_read.threads, {11: (2, "a name")})
        self.assertEqual(ev.name(trace_read.events[0]), "getpid")
        self.assertEqual(trace_read.events[1].cpu, 1)

    def test_missing_lines(self):
        for drop in (1, 3, 5):
            with self.assertRaises(ev.TraceError):
                ev.parse(self.LINES[:drop] + self.LINES[drop + 1:])

    def test_names_of_new_threads(self):
        word = int.from_bytes(b"child", "little")
        read = trace(event(0, 1, ev.NEWTHREAD, 11, 20, 9), event(0, 2, ev.STRING_NEWTHREAD | S | E, 11, word),
                     event(0, 3, ev.EXEC, 20, 9), event(0, 4, ev.STRING_EXEC | S | E, 20, int.from_bytes(b"prog", "little")))
        self.assertEqual(ev.thread_names(read)[20], (9, "prog"))

    def test_filter(self):
        self.assertEqual(ev.filter_types(["sched", "bsd"]), "1.64,4")
        with self.assertRaises(KeyError):
            ev.filter_types(["nonsense"])


if __name__ == "__main__":
    unittest.main()
