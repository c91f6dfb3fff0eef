/* SPDX-License-Identifier: MIT */
/* The entry of the extension module for the stock interpreter. */
#include "module.h"

PyMODINIT_FUNC PyInit_pymodhost(void);

PyMODINIT_FUNC PyInit_pymodhost(void)
{
	return module_definition();
}
