/* SPDX-License-Identifier: MIT */
/*
 * Has the sources of modules compiled by an interpreter. They go into a file without a name (memfd), which is
 * its standard input, so that it can't wait for us while we wait for it. One thread.
 */
#include "compile.h"
#include "progress.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

extern const char compile_script[]; /* compile.py */

static int write_module(FILE *out, const struct filelist *modules, const struct filelist_file *file)
{
	void *data;
	size_t size;
	int err = store_read(modules->reader, file->version, &data, &size);
	if (err)
		return err;
	fprintf(out, "%zu %zu\n%s", strlen(file->path), size, file->path);
	fwrite(data, 1, size, out);
	free(data);
	return ferror(out) ? -EIO : 0;
}

/* A descriptor of a file with all of it. */
static int write_modules(const struct filelist *modules, int *ret_fd)
{
	struct progress progress;
	int fd = memfd_create("pymodfs check", MFD_CLOEXEC);
	FILE *out = fd < 0 ? NULL : fdopen(dup(fd), "w");
	int err = out ? 0 : -errno;
	progress_init(&progress, "reading", (int64_t)modules->n);
	for (size_t i = 0; i < modules->n && !err; i++) {
		if (modules->files[i].kind == STORE_MODULE)
			err = write_module(out, modules, &modules->files[i]);
		progress_show(&progress, (int64_t)i + 1);
	}
	progress_finish(&progress, !err);
	if (out && fclose(out) && !err)
		err = -errno;
	if (!err && lseek(fd, 0, SEEK_SET) < 0)
		err = -errno;
	if (err && fd >= 0)
		close(fd);
	else if (!err)
		*ret_fd = fd;
	return err;
}

/* -I: nothing of the user's environment, and no module from the working directory. */
static int spawn(const char *python, int input, int output, pid_t *ret_pid)
{
	const char *words[] = {python, "-I", "-S", "-c", compile_script, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
	int err = posix_spawnp(ret_pid, python, &actions, NULL, (char **)(uintptr_t)words, environ);
	posix_spawn_file_actions_destroy(&actions);
	return -err;
}

static int64_t count_modules(const struct filelist *modules)
{
	int64_t n = 0;
	for (size_t i = 0; i < modules->n; i++)
		n += modules->files[i].kind == STORE_MODULE;
	return n;
}

/* The file of the n-th module. */
static const struct filelist_file *find_module(const struct filelist *modules, json_int_t n)
{
	for (size_t i = 0; i < modules->n; i++)
		if (modules->files[i].kind == STORE_MODULE && !n--)
			return &modules->files[i];
	return NULL;
}

static int take_answer(const struct filelist *modules, json_t *json, compile_fn *fn, void *arg)
{
	const char *message;
	json_int_t module;
	int stdlib, number;
	if (json_unpack(json, "{s:I, s:b, s:i, s:s}", "module", &module, "stdlib", &stdlib, "line",
		    &number, "message", &message))
		return -EIO;
	const struct filelist_file *file = find_module(modules, module);
	progress_hide();
	return file ? fn(arg, file, stdlib != 0, number, message) : 0;
}

static int take_line(const struct filelist *modules, const char *line, struct progress *progress,
	compile_fn *fn, void *arg)
{
	json_t *json = json_loads(line, 0, NULL), *done = json_object_get(json, "done");
	int err = 0;
	if (done)
		progress_show(progress, json_integer_value(done));
	else
		err = take_answer(modules, json, fn, arg);
	json_decref(json);
	return err;
}

static int read_answers(const struct filelist *modules, int fd, compile_fn *fn, void *arg)
{
	FILE *in = fdopen(fd, "r");
	struct progress progress;
	char *line = NULL;
	size_t room = 0;
	int err = 0;
	if (!in) {
		close(fd);
		return -errno;
	}
	progress_init(&progress, "compiling", count_modules(modules));
	while (!err && getline(&line, &room, in) >= 0)
		err = take_line(modules, line, &progress, fn, arg);
	progress_finish(&progress, !err);
	free(line);
	fclose(in);
	return err;
}

static int run_python(
	const struct filelist *modules, const char *python, int input, compile_fn *fn, void *arg)
{
	int ends[2], status = 0;
	pid_t pid;
	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	int err = spawn(python, input, ends[1], &pid);
	close(ends[1]);
	if (err) {
		close(ends[0]);
		return err;
	}
	err = read_answers(modules, ends[0], fn, arg);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return err ? err : WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : -EIO;
}

int compile_all(const struct filelist *modules, const char *python, compile_fn *fn, void *arg)
{
	int input;
	int err = write_modules(modules, &input);
	if (err)
		return err;
	err = run_python(modules, python, input, fn, arg);
	close(input);
	return err;
}
