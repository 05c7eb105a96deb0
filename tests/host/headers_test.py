"""Each header compiles alone: kernel headers as the kernel is compiled, the SDK's as a program is."""
import glob
import json
import os
import tempfile
import unittest

import tests.host.tree as tree
from x.usage import ROOT

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
        sysroot = os.path.join(tree.release(), "sysroot")
        headers = glob.glob(os.path.join(sysroot, "usr/include/**/*.h"), recursive=True)
        command = ["clang-19", f"--config={sysroot}/pluot.cfg", "-std=c17", "-Wall", "-Werror",
                   "-Wno-unused-command-line-argument"]
        self.compile_each(command, sorted(os.path.relpath(path, f"{sysroot}/usr/include") for path in headers))


if __name__ == "__main__":
    unittest.main()
