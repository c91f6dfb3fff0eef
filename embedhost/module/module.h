/* SPDX-License-Identifier: MIT */
/* The Python module over the engine: its one constructor, for the library's inittab and for the
 * extension module. Starts the engine. */
#ifndef MODULE_MODULE_H
#define MODULE_MODULE_H

#include <Python.h>

PyObject *module_create(void);

#endif
