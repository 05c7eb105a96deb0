/*
 * Fuzzers of kernel files, on the host: libFuzzer under ASan and UBSan.
 *
 * Run without arguments, a fuzzer is a test: the same inputs each time, FUZZ_RUNS of them (FUZZ_RUNS_LONG if the
 * environment has TEST_LONG). With arguments it is libFuzzer's own program: a folder to keep inputs in, a file with
 * one input to repeat, -help=1.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define FUZZ_RUNS      "200000"
#define FUZZ_RUNS_LONG "1000000"

/* One input; returns 0. What must hold is asserted. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The fuzzer's own: whether the inputs of the test have reached what they are for. Asked once, at the end. */
void fuzz_check_reached(void);

/* A fuzzer may make inputs of its own from others; LLVMFuzzerMutate is libFuzzer's way. Both return the size. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

/* Before the first input; in fuzz.c. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
