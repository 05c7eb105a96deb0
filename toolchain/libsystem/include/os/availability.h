/* Annotations of versions. */
#pragma once

#include <Availability.h>
