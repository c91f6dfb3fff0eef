/* What cppcheck must know of headers that it doesn't read: the macros that steer. */
#define HASH_ITER(hh, head, item, next) \
	for ((item) = (head), (next) = (item); (item); (item) = (next))
#define DL_FOREACH_SAFE(head, item, next) \
	for ((item) = (head), (next) = (item); (item); (item) = (next))
#define Py_RETURN_NONE return Py_None
#define Py_RETURN_TRUE return Py_True
#define Py_RETURN_FALSE return Py_False
