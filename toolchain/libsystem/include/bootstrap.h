/* The name service. */
#pragma once

#include <servers/bootstrap.h>
