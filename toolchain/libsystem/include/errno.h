#pragma once

#include <sys/errno.h>
