/*
 * Annotations of versions. Every call of this system is there: they say nothing here.
 */
#pragma once

#include <AvailabilityVersions.h>

#ifndef __MAC_OS_X_VERSION_MIN_REQUIRED
#ifdef __ENVIRONMENT_MAC_OS_X_VERSION_MIN_REQUIRED__
#define __MAC_OS_X_VERSION_MIN_REQUIRED __ENVIRONMENT_MAC_OS_X_VERSION_MIN_REQUIRED__
#else
#define __MAC_OS_X_VERSION_MIN_REQUIRED __MAC_12_0
#endif
#endif
#ifndef __MAC_OS_X_VERSION_MAX_ALLOWED
#define __MAC_OS_X_VERSION_MAX_ALLOWED __MAC_15_0
#endif

#define __API_TO_BE_DEPRECATED 100000

#define __API_AVAILABLE(...)
#define __API_DEPRECATED(...)
#define __API_DEPRECATED_WITH_REPLACEMENT(...)
#define __API_UNAVAILABLE(...)
#define __API_OBSOLETED(...)
#define __API_AVAILABLE_BEGIN(...)
#define __API_AVAILABLE_END
#define __API_DEPRECATED_BEGIN(...)
#define __API_DEPRECATED_END
#define __API_UNAVAILABLE_BEGIN(...)
#define __API_UNAVAILABLE_END

#define API_AVAILABLE(...)
#define API_DEPRECATED(...)
#define API_DEPRECATED_WITH_REPLACEMENT(...)
#define API_UNAVAILABLE(...)

#define __OSX_AVAILABLE(version)
#define __OSX_AVAILABLE_STARTING(mac, iphone)
#define __OSX_AVAILABLE_BUT_DEPRECATED(mac, mac_deprecated, iphone, iphone_deprecated)
#define __OSX_AVAILABLE_BUT_DEPRECATED_MSG(mac, mac_deprecated, iphone, iphone_deprecated, message)
#define __OSX_DEPRECATED(start, deprecated, message)
#define __OSX_EXTENSION_UNAVAILABLE(message)
#define __OS_AVAILABILITY(target, availability)
#define __OS_AVAILABILITY_MSG(target, availability, message)
#define __OSX_UNAVAILABLE
#define __IOS_AVAILABLE(version)
#define __IOS_UNAVAILABLE
#define __IOS_PROHIBITED
#define __TVOS_AVAILABLE(version)
#define __TVOS_PROHIBITED
#define __WATCHOS_AVAILABLE(version)
#define __WATCHOS_PROHIBITED
#define __SWIFT_UNAVAILABLE
#define __SWIFT_UNAVAILABLE_MSG(message)
