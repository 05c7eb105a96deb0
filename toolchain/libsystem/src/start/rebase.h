/* Adding the slide to the pointers in a program's own data. */
#pragma once

#include <mach-o/loader.h>
#include <stdint.h>

/*
 * Rebases the image that starts at `header`. Runs before any pointer in data is valid, so it uses none and calls
 * nothing outside its file. False: a fix-up that a static program cannot have, or a malformed command.
 */
bool _image_rebase(const struct mach_header_64 *header);
