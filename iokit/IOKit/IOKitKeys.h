/*
 * Names of planes and of the properties that the framework itself sets or reads.
 */
#pragma once

#define kIOServicePlane    "IOService"
#define kIODeviceTreePlane "IODeviceTree"

#define kIOClassKey       "IOClass"       /* class of the driver */
#define kIONameMatchedKey "IONameMatched" /* the "compatible" string that a driver matched */
#define kIOProbeScoreKey  "IOProbeScore"
