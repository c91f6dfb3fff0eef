/* SPDX-License-Identifier: MIT */
/* The Python module over the engine, which it starts. */
#ifndef MODULE_MODULE_H
#define MODULE_MODULE_H

#include <Python.h>

/* For the library's inittab and for the extension module: the import system makes the module of it.
 * Only the main interpreter gets one. */
PyObject *module_definition(void);

/* The module itself, for an interpreter that runs already. */
PyObject *module_create(PyObject *spec);

#endif
