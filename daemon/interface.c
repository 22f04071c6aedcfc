// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which interfaces does the daemon speak?
 */
#include "interface.h"

const char interface_text[] =
#include "daemon/interface_text.h"
;

const char interface_service_text[] =
"# What every Varlink service offers: who it is and what it speaks.\n"
"interface org.varlink.service\n"
"\n"
"method GetInfo() -> (\n"
"  vendor: string,\n"
"  product: string,\n"
"  version: string,\n"
"  url: string,\n"
"  interfaces: []string\n"
")\n"
"\n"
"method GetInterfaceDescription(interface: string) -> (description: string)\n"
"\n"
"error InterfaceNotFound (interface: string)\n"
"error MethodNotFound (method: string)\n"
"error MethodNotImplemented (method: string)\n"
"error InvalidParameter (parameter: string)\n";
