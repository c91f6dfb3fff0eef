/* SPDX-License-Identifier: MIT */
/*
 * Frames: those on the stacks of all threads, and those inside generators and frame objects.
 *
 * A frame refers to its globals without owning them (internal/pycore_frame.h of CPython 3.11): what
 * runs in a scratch namespace is moved to the live one before that can go. With the GIL no frame
 * comes or goes, but a new thread's state can: it is linked in without the GIL, under the runtime's
 * lock, which is held here while the list is walked.
 */
#define Py_BUILD_CORE 1 /* before Python.h */
#include "batch.h"

#include <internal/pycore_frame.h>
#include <internal/pycore_runtime.h>

/* fn must not make Python objects that the collector knows: a collection could start a thread. */
int frames_walk(int (*fn)(struct _PyInterpreterFrame *frame, void *data), void *data)
{
	PyThreadState *thread;
	int result = 0;

	PyThread_acquire_lock(_PyRuntime.interpreters.mutex, WAIT_LOCK);
	thread = PyInterpreterState_ThreadHead(PyInterpreterState_Get());
	for (; result == 0 && thread; thread = thread->next) {
		_PyInterpreterFrame *frame = thread->cframe ? thread->cframe->current_frame : NULL;

		for (; result == 0 && frame; frame = frame->previous)
			result = fn(frame, data);
	}
	PyThread_release_lock(_PyRuntime.interpreters.mutex);
	return result;
}

uint64_t frames_newest_thread(void)
{
	uint64_t id;

	PyThread_acquire_lock(_PyRuntime.interpreters.mutex, WAIT_LOCK);
	id = PyInterpreterState_ThreadHead(PyInterpreterState_Get())->id;
	PyThread_release_lock(_PyRuntime.interpreters.mutex);
	return id;
}

static int frame_move(struct batch *batch, PyObject *owner, _PyInterpreterFrame *frame)
{
	PyObject *globals = frame->f_globals, *mapped;

	if (!globals)
		return 0;
	mapped = map_get(batch, globals);
	if (mapped == globals)
		return 0;
	return journal_raw_set(&batch->journal, owner, (void **)&frame->f_globals, mapped);
}

/* What a thread that a body has started was given. Values on the frame's stack belong to the call that
 * is under way. */
static int frame_rewrite_locals(struct batch *batch, _PyInterpreterFrame *frame)
{
	int result = frame->f_locals ? journal_slot_set(&batch->journal, NULL, &frame->f_locals,
					       map_get(batch, frame->f_locals))
				     : 0;

	for (int i = 0; result == 0 && i < frame->f_code->co_nlocalsplus; i++) {
		PyObject **slot = &frame->localsplus[i];

		if (*slot)
			result = journal_slot_set(
				&batch->journal, NULL, slot, map_get(batch, *slot));
	}
	return result;
}

static int move_one(_PyInterpreterFrame *frame, void *data)
{
	int result = frame_move(data, NULL, frame);

	return result == 0 ? frame_rewrite_locals(data, frame) : result;
}

/* A context variable remembers the value that it had last without a reference to it, as long as the
 * thread's context stays at its version (PyContextVar_Get()). */
static void contexts_forget(void)
{
	PyThreadState *thread;

	PyThread_acquire_lock(_PyRuntime.interpreters.mutex, WAIT_LOCK);
	thread = PyInterpreterState_ThreadHead(PyInterpreterState_Get());
	for (; thread; thread = thread->next)
		thread->context_ver++;
	PyThread_release_lock(_PyRuntime.interpreters.mutex);
}

int frames_move_threads(struct batch *batch)
{
	contexts_forget();
	return frames_walk(move_one, batch);
}

struct _PyInterpreterFrame *frame_inside(PyObject *object)
{
	if (PyGen_Check(object) || PyCoro_CheckExact(object) || PyAsyncGen_CheckExact(object)) {
		PyGenObject *generator = (PyGenObject *)object;

		return generator->gi_frame_state < FRAME_CLEARED
			       ? (_PyInterpreterFrame *)generator->gi_iframe
			       : NULL;
	}
	return PyFrame_Check(object) ? ((PyFrameObject *)object)->f_frame : NULL;
}

static size_t words_of_frame(PyObject *object, _PyInterpreterFrame *frame)
{
	int used = frame->stacktop > 0 ? frame->stacktop : 0; /* -1: it is being executed */

	return (size_t)(&frame->localsplus[used] - (PyObject **)object);
}

/* What has a frame in itself has no ob_size, though its type has a tp_itemsize: there stands a
 * pointer. */
bool frame_words_inside(PyObject *object, size_t *ret_words)
{
	if (PyGen_Check(object) || PyCoro_CheckExact(object) || PyAsyncGen_CheckExact(object)) {
		PyGenObject *generator = (PyGenObject *)object;
		_PyInterpreterFrame *frame = (_PyInterpreterFrame *)generator->gi_iframe;

		*ret_words = generator->gi_frame_state < FRAME_CLEARED
				     ? words_of_frame(object, frame)
				     : offsetof(PyGenObject, gi_iframe) / sizeof(PyObject *);
		return true;
	}
	if (PyFrame_Check(object)) {
		_PyInterpreterFrame *frame = ((PyFrameObject *)object)->f_frame;

		*ret_words = frame && frame->owner == FRAME_OWNED_BY_FRAME_OBJECT
				     ? words_of_frame(object, frame)
				     : offsetof(PyFrameObject, _f_frame_data) / sizeof(PyObject *);
		return true;
	}
	return false;
}

int frames_move_inside(struct batch *batch, PyObject *object)
{
	_PyInterpreterFrame *frame = frame_inside(object);

	return frame ? frame_move(batch, object, frame) : 0;
}

PyObject *frame_code(_PyInterpreterFrame *frame)
{
	return (PyObject *)frame->f_code;
}

int frame_line(_PyInterpreterFrame *frame)
{
	return PyCode_Addr2Line(
		frame->f_code, _PyInterpreterFrame_LASTI(frame) * (int)sizeof(_Py_CODEUNIT));
}

bool frame_is_generators(_PyInterpreterFrame *frame)
{
	return frame->owner == FRAME_OWNED_BY_GENERATOR;
}
