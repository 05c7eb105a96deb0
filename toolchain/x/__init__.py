"""What stands behind ./x: one module a verb, and what they share (build, qemu, symbols)."""
