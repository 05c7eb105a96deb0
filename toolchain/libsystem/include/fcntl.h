#pragma once

#include <sys/fcntl.h>
