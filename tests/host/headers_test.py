"""Each header compiles alone: kernel headers as the kernel is compiled, the SDK's as a program is."""
import glob
import json
import os
import re
import tempfile
import unittest

import tests.host.tree as tree
from x.usage import ROOT

# Of a dumped function: nobody links to it.
INTERNAL = re.compile(r" (static|implicit|inline)\b")

LAYERS = ("libkern", "osfmk", "bsd", "iokit")


def _kernel_command(out):
    """The flags of osfmk, as GN gives them, without what would write a file."""
    text, _ = tree.said(["gn", "desc", out, "//osfmk", "--format=json"])
    target = json.loads(text)["//osfmk:osfmk"]
    flags = target["cflags"] + target["cflags_c"] + [f"-D{name}" for name in target["defines"]]
    return ["clang-19", *flags, *(f"-I{_host(path, out)}" for path in target["include_dirs"])]


def _host(path, out):
    return os.path.join(ROOT, path[2:]) if path.startswith("//") else os.path.join(out, path)


def _alone(command, header, folder):
    """Why <header> does not compile by itself, twice included; or an empty string."""
    source = os.path.join(folder, header.replace("/", "_") + ".c")
    with open(source, "w", encoding="utf-8") as file:
        file.write(f"#include <{header}>\n#include <{header}>\n")
    text, status = tree.said([*command, "-fsyntax-only", "-fno-color-diagnostics", source], folder=tree.release())
    return f"{header}: {text.strip()}" if status else ""


def _sdk_command(driver, *options):
    config = os.path.join(tree.release(), "sysroot", "pluot.cfg")
    return [driver, f"--config={config}", *options, "-Wall", "-Werror", "-Wno-unused-command-line-argument"]


def _sdk_headers():
    include = os.path.join(tree.release(), "sysroot", "usr/include")
    return sorted(os.path.relpath(path, include)
                  for path in glob.glob(os.path.join(include, "**/*.h"), recursive=True))


# What sources written for Mach elsewhere include; a folder's names stand without it.
MACH_NAMES = {
    "": "Availability AvailabilityMacros TargetConditionals bootstrap",
    "bsm/": "audit libbsm",
    "libkern/": "OSAtomic OSAtomicDeprecated OSAtomicQueue OSByteOrder OSCacheControl OSReturn OSSpinLockDeprecated"
                " OSTypes",
    "mach/": "boolean clock clock_priv clock_types error exc exception exception_types host_info host_notify host_priv"
             " host_reboot host_special_ports kern_return mach mach_error mach_exc mach_host mach_init mach_interface"
             " mach_param mach_port mach_syscalls mach_time mach_traps mach_types mach_vm mach_voucher"
             " mach_voucher_types machine memory_entry memory_object_types message mig mig_errors mk_timer ndr notify"
             " policy port processor processor_info processor_set rpc semaphore shared_memory_server shared_region"
             " std_types sync sync_policy syscall_sw task task_info task_policy task_special_ports thread_act thread_info thread_policy"
             " thread_special_ports thread_state thread_status thread_switch time_value vm_attributes vm_behavior"
             " vm_inherit vm_map vm_page_size vm_param vm_prot vm_purgable vm_region vm_statistics vm_sync vm_task"
             " vm_types",
    "mach/arm/": "_structs boolean exception kern_return ndr_def processor_info rpc syscall_sw thread_state thread_status"
                 " vm_param vm_types",
    "mach/machine/": "_structs boolean exception kern_return ndr_def processor_info rpc syscall_sw thread_state"
                     " thread_status vm_param vm_types",
    "mach_debug/": "hash_info ipc_info lockgroup_info mach_debug mach_debug_types page_info vm_info zone_info",
    "os/": "availability base lock overflow",
    "servers/": "bootstrap bootstrap_defs",
}


def _mach_names():
    return [f"{folder}{name}.h" for folder, names in MACH_NAMES.items() for name in names.split()]


class Headers(unittest.TestCase):
    def compile_each(self, command, headers):
        self.assertTrue(headers)
        tree.release()
        with tempfile.TemporaryDirectory() as folder:
            found = tree.each(lambda header: _alone(command, header, folder), headers)
        tree.none(self, list(filter(None, found)), "headers that do not compile alone:")

    def test_kernel(self):
        """Those of a layer's tools are seen by programs alone, and compile with them."""
        headers = [path for path in tree.files(*(f"{layer}/*.h" for layer in LAYERS)) if "/tools/" not in path]
        command = _kernel_command(tree.release())
        self.compile_each(command, headers)

    def test_sdk(self):
        self.compile_each(_sdk_command("clang-19", "-std=c17"), _sdk_headers())

    def test_sdk_in_other_languages(self):
        """All in one source: that each stands alone is the same in every language."""
        with tempfile.TemporaryDirectory() as folder:
            for driver, language, suffix in (("clang-19", "c11", ".c"), ("clang++-19", "c++17", ".cpp")):
                source = os.path.join(folder, f"all{suffix}")
                with open(source, "w", encoding="utf-8") as file:
                    file.writelines(f"#include <{header}>\n" for header in _sdk_headers())
                text, status = tree.said([*_sdk_command(driver, f"-std={language}"), "-fsyntax-only", source],
                                         folder=tree.release())
                self.assertEqual(status, 0, f"{language}: {text}")

    def test_functions_have_c_names_in_cxx(self):
        """What the compiler reads outside of extern "C" has a name that no C library has."""
        with tempfile.TemporaryDirectory() as folder:
            source = os.path.join(folder, "all.cpp")
            with open(source, "w", encoding="utf-8") as file:
                file.writelines(f"#include <{header}>\n" for header in _sdk_headers())
            text, _ = tree.said([*_sdk_command("clang++-19", "-std=c++17"), "-fsyntax-only", "-fno-color-diagnostics",
                                 "-Xclang", "-ast-dump", source], folder=tree.release())
        plain = [line for line in text.splitlines()
                 if line.startswith(("|-FunctionDecl", "`-FunctionDecl")) and not INTERNAL.search(line)]
        self.assertIn("LinkageSpecDecl", text)
        tree.none(self, plain, "functions without C names:")

    def test_names_that_mach_programs_include(self):
        have = set(_sdk_headers())
        tree.none(self, [name for name in _mach_names() if name not in have], "headers that are missing:")


if __name__ == "__main__":
    unittest.main()
