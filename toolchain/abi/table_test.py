"""The ABI tables' grammar, and what the emitters make of small tables."""
import os
import tempfile
import unittest

from abi import emit_kernel, emit_mig_kernel, emit_mig_user, emit_user
from abi.mig import Routine
from abi.table import TableError, Tables

TYPES = """
type int s32
type uint64_t u64
type size_t u64
type kern_return_t s32
type mach_msg_type_number_t u32
type port_name_t u32
"""

MIG_TYPES = TYPES + """
type info_t words:4
type time_t2 bytes:8
type task_t port intran=to_task outtran=from_task release=drop_task
type raw_t port
subsystem things 3400 task_t
"""


def load(text):
    with tempfile.NamedTemporaryFile("w", suffix=".abi", delete=False) as file:
        file.write(text)
    try:
        tables = Tables()
        tables.load(file.name)
        return tables
    finally:
        os.unlink(file.name)


def emitted(emit, tables):
    """{path: text} of what an emitter writes."""
    with tempfile.TemporaryDirectory() as folder:
        emit(tables, folder, folder)
        out = {}
        for where, _, names in os.walk(folder):
            for name in names:
                path = os.path.join(where, name)
                with open(path, encoding="utf-8") as file:
                    out[os.path.relpath(path, folder)] = file.read()
        return out


class Grammar(unittest.TestCase):
    def test_call(self):
        call = load(TYPES + "call 4 int write(int fd, const void *buf, size_t len) P0 stub implemented").calls[0]
        self.assertEqual((call.number, call.result, call.name), (4, "int", "write"))
        self.assertEqual([a.name for a in call.args], ["fd", "buf", "len"])
        self.assertEqual([a.is_address for a in call.args], [False, True, False])
        self.assertTrue(call.implemented)
        self.assertEqual(call.stub, "write")

    def test_result_that_is_a_pointer(self):
        call = load(TYPES + "call 197 void *mmap(void *at, size_t len) stub=__mmap").calls[0]
        self.assertEqual((call.result, call.name, call.stub), ("void *", "mmap", "__mmap"))

    def test_comments_and_joined_lines(self):
        tables = load(TYPES + "# nothing\ntrap 5 int a(int x, \\\n    int y) # why\n")
        self.assertEqual(len(tables.traps[0].args), 2)

    def test_void_is_no_argument(self):
        self.assertEqual(load(TYPES + "trap 5 int a(void)").traps[0].args, [])

    def refuses(self, line, what):
        with self.assertRaises(TableError) as caught:
            load(MIG_TYPES + line)
        self.assertIn(what, str(caught.exception))

    def test_errors_name_the_line(self):
        self.refuses("call 1 int f(nosuch_t x)", "nosuch_t")
        self.refuses("call 1 int f(int x)\ncall 1 int g(int x)", "twice")
        self.refuses("frobnicate 1", "frobnicate")
        self.refuses("routine 99 outside()", "outside")
        self.refuses("routine 3400 a()\nroutine 3400 b()", "twice")
        self.refuses("type int u32", "twice")
        self.refuses("call 1 int f(info_t x)", "register")


class Kernel(unittest.TestCase):
    TABLE = TYPES + """
trap 3 kern_return_t first(int a, void *p) implemented masked
trap 4 kern_return_t second(int a)
trap 5 int third(int a) implemented direct
call 3 int read(int fd, void *buf) implemented
call 5 int open(int fd)
call 9 int read_nocancel(int fd, void *buf) handler=read
"""

    def test_traps(self):
        out = emitted(emit_kernel.emit_traps, load(self.TABLE))
        self.assertIn("kern_return_t first(int a, user_addr_t p);", out[emit_kernel.TRAPS_HEADER])
        self.assertIn("MACH_TRAP_DIRECT(third, int a);", out[emit_kernel.TRAPS_HEADER])
        self.assertIn("third, MACH_TRAP_MASKED}", out[emit_kernel.TRAPS_TABLE])
        self.assertNotIn("second", out[emit_kernel.TRAPS_HEADER])
        table = out[emit_kernel.TRAPS_TABLE]
        self.assertIn("[3] = {(mach_trap_fn_t)(void *)first, MACH_TRAP_MASKED}", table)
        self.assertNotIn("(void *)second", table)
        self.assertIn('[4] = "second"', table)

    def test_calls(self):
        out = emitted(emit_kernel.emit_calls, load(self.TABLE))
        self.assertIn("sysret_t sys_read(int fd, user_addr_t buf);", out[emit_kernel.CALLS_HEADER])
        table = out[emit_kernel.CALLS_TABLE]
        self.assertIn("[3] = (bsd_syscall_fn_t)(void *)cancel_read,", table)
        self.assertIn("__attribute__((musttail)) return sys_read(fd, buf);", table)
        self.assertIn("bsd_cancel_points[] = {\n\t0x0000000000000008,\n};", table)
        self.assertIn("[5] = (bsd_syscall_fn_t)(void *)sys_nosys,", table)
        self.assertIn("[9] = (bsd_syscall_fn_t)(void *)sys_read,", table)
        self.assertIn("bsd_syscall_count = 10;", table)


class User(unittest.TestCase):
    def test_stubs(self):
        tables = load(TYPES + "trap 3 int t(int a) stub\ncall 7 int c(int a) stub=__c\ncall 8 int d(int a)\n"
                      "call 9 int c_nocancel(int a) handler=c stub")
        out = emitted(emit_user.emit, tables)
        self.assertIn("_t:\n\tmov\tx16, #-3\n\tsvc\t#0x80\n\tret\n", out[emit_user.TRAP_STUBS])
        self.assertIn("___c:\n\tmov\tx16, #7\n\tsvc\t#0x80\n\tb.cs\t1f\n\tret\n1:\n\tb\t_cerror_cancel_point\n",
                      out[emit_user.CALL_STUBS])
        self.assertIn("_c_nocancel:\n\tmov\tx16, #9\n\tsvc\t#0x80\n\tb.cs\t1f\n\tret\n1:\n\tb\t_cerror\n",
                      out[emit_user.CALL_STUBS])
        self.assertNotIn("_d:", out[emit_user.CALL_STUBS])
        self.assertIn("#define SYS_d 8\n", out[emit_user.NUMBERS_HEADER])


class Mig(unittest.TestCase):
    def routine(self, text):
        return Routine(load(MIG_TYPES + text).routines()[0])

    def test_request_and_reply_fields(self):
        routine = self.routine("routine 3401 f(int flavor, out info_t info, inout uint64_t at, out int last)")
        self.assertEqual([f.name for f in routine.in_fields], ["flavor", "infoCnt", "at"])
        self.assertEqual([f.name for f in routine.out_head], ["infoCnt"])
        self.assertEqual([f.name for f in routine.out_tail], ["at", "last"])
        self.assertEqual(routine.reply_data_bytes, 4 + 16 + 8 + 4)

    def test_nothing_follows_words_in_a_request(self):
        with self.assertRaises(ValueError):
            self.routine("routine 3401 f(info_t info, int after)")

    def test_codec_keeps_what_a_failure_owns(self):
        tables = load(MIG_TYPES + "routine 3401 f(raw_t port, task_t other, out task_t made) implemented")
        code = emitted(emit_mig_kernel.emit, tables)["osfmk/ipc/mig_routines.c"]
        call = code.index("rp->retcode = f(object, rq->desc[0].ikd_port, other, &made);")
        failed = code.index("if (rp->retcode != KERN_SUCCESS)")
        consumed = code.index("rq->desc[0].ikd_port = IP_NULL;")
        self.assertLess(call, code.index("drop_task(other);"))
        self.assertLess(code.index("drop_task(object);"), failed)
        self.assertLess(failed, consumed)
        self.assertIn("mig_reply_port(rp, 0, from_task(made), MACH_MSG_TYPE_PORT_SEND);", code)
        self.assertNotIn("rq->desc[1].ikd_port = IP_NULL", code)

    def test_a_routine_may_have_a_target_of_its_own(self):
        tables = load(MIG_TYPES + "routine 3401 f(int a) implemented target=raw_t\nroutine 3402 g(int a)")
        self.assertEqual([r.target.name for r in tables.routines()], ["raw_t", "task_t"])
        with self.assertRaises(TableError):
            load(MIG_TYPES + "routine 3401 f(int a) target=uint64_t")

    def test_unimplemented_routines_have_a_stub_only(self):
        tables = load(MIG_TYPES + "routine 3401 f(int a)")
        self.assertNotIn("_Xf", emitted(emit_mig_kernel.emit, tables)["osfmk/ipc/mig_routines.c"])
        out = emitted(emit_mig_user.emit, tables)
        self.assertIn("kern_return_t f(task_t target, int a);", out["usr/include/mach/things.h"])
        self.assertIn(".id = 3401", out["libsystem/mig_stubs.c"])


if __name__ == "__main__":
    unittest.main()
