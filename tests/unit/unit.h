/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What does every unit test include first?  cmocka, with what it needs before.
 */
#ifndef UNIT_H
#define UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#endif /* UNIT_H */
