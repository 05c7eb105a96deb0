#!/usr/bin/python3
"""objcopy.py ELF IMAGE: the kernel's loadable bytes, as QEMU's -kernel wants them."""
import subprocess
import sys

elf, image = sys.argv[1:]
sys.exit(subprocess.call(["llvm-objcopy-19", "-O", "binary", elf, image]))
