"""From a COMMIT in another process to those who wait for it."""

import contextlib
import ctypes
import os
import select
import sqlite3
import subprocess
import time

from bench.common import Case, Distribution
from bench.peers import Mounted
from tests.support import PYMODHOST, environment

TITLE = '`COMMIT` by another process returned, to ...'
VISIBLE, EVENT, CODE = 'new state visible in the mount', 'inotify event in a watcher', 'new code in the host'
SAVED, BATCH = 'new code in the host, from a save in an editor', 'a batch of {batch} modules, new code in the host'
GOALS = [  # milliseconds
    ('`COMMIT` by another process to new state visible in the mount', VISIBLE, .5, 2),
    ('the same to an inotify event', EVENT, 1, 5),
    ('the same to new code in the host', CODE, 3, 10),
    ('a save in an editor to new code in the host', SAVED, 3, 10),
    ('`COMMIT` of a batch of 100 modules to new code in the host', BATCH, 9, 30),
]
IN_CLOSE_WRITE = 8
DEADLINE = 10
# Waits for the feed, applies the batch, and says when the new code had run.
HOST = '''
import os, select, sys, time
import pymodhost
names = sys.argv[2:]
modules = [__import__(name, fromlist=['V']) for name in names]
feed = os.open(sys.argv[1] + '/.pymodfs/feed', os.O_RDONLY)
poll = select.poll()
poll.register(feed, select.POLLIN)
last = [m.V for m in modules]
print('ready', flush=True)
while True:
    poll.poll()
    os.read(feed, 65536)
    pymodhost.poll()
    new = [m.V for m in modules]
    if all(a != b for a, b in zip(new, last)):
        print(time.perf_counter_ns(), flush=True)
        last = new
'''


class Watch:
    """inotify on one directory."""

    def __init__(self, directory):
        libc = ctypes.CDLL(None, use_errno=True)
        self._fd = libc.inotify_init1(os.O_NONBLOCK)
        if self._fd < 0 or libc.inotify_add_watch(self._fd, os.fsencode(directory), IN_CLOSE_WRITE) < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(directory))
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLIN)

    def wait(self):
        if not self._poll.poll(DEADLINE * 1000):
            raise TimeoutError('no inotify event')
        at = time.perf_counter_ns()
        os.read(self._fd, 65536)
        return at

    def close(self):
        os.close(self._fd)


class Host:
    """pymodhost with some modules of the mount."""

    def __init__(self, bench, mounted, names):
        script = mounted.directory / f'host-{len(names)}-{names[0]}' / 'script.py'
        script.parent.mkdir(exist_ok=True)
        script.write_text(HOST)
        self._process = subprocess.Popen([PYMODHOST, '--path', mounted.path, script, mounted.path, *names], text=True,
                                         env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.pid = self._process.pid
        bench.stack.callback(self.close)
        if self._line() != 'ready':
            raise RuntimeError('the host did not begin')

    def _line(self):
        if not select.select([self._process.stdout], [], [], DEADLINE)[0]:
            raise TimeoutError('the host says nothing')
        return self._process.stdout.readline().strip()

    def wait(self):
        return int(self._line())

    def close(self):
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()


class Changes:
    """Makes changes and takes the time from each one's return to what `wait` reports."""

    def __init__(self, mounted, count):
        self._mounted, self._count, self._number, self._seen = mounted, count, 0, None
        self._connection = sqlite3.connect(mounted.database.path, timeout=10, isolation_level=None)

    def _next(self):
        self._number += 1
        return f'V = {self._number}\n'

    def by_sql(self, names):
        source = self._next()
        self._connection.execute('BEGIN IMMEDIATE')
        self._connection.executemany('UPDATE module SET source = ? WHERE name = ?', [(source, name) for name in names])
        self._connection.execute('COMMIT')
        return time.perf_counter_ns()

    def by_editor(self, path):
        path.write_text(self._next())
        return time.perf_counter_ns()

    def latencies(self, change, wait):
        samples = []
        for _ in range(self._count):
            begin = change()
            # What was there before the COMMIT had returned took no time.
            samples.append(max(0, wait() - begin))
            time.sleep(0.002)
        return samples

    def look(self, path):
        self._seen = os.stat(path).st_mtime_ns

    def wait_visible(self, path):
        """Looks with stat, which the mount is not asked for while nothing changes, and then reads what is there."""
        expected = f'V = {self._number}\n'.encode()
        deadline = time.monotonic() + DEADLINE
        while (seen := os.stat(path).st_mtime_ns) == self._seen:
            os.sched_yield()
            if time.monotonic() > deadline:
                raise TimeoutError(f'{path}: the change does not show')
        at = time.perf_counter_ns()
        self._seen = seen
        if path.read_bytes() != expected:
            raise RuntimeError(f'{path} has a new time and not the new content')
        return at

    def close(self):
        self._connection.close()


def measure(bench):
    batch = bench.size(100, 5)
    rows = bench.rows() | {f'many.n{n:03}': 'V = 0\n' for n in range(batch)} | {'many.__init__': ''}
    rows |= {f'one_{n}': 'V = 0\n' for n in 'abcd'}
    mounted = Mounted(bench, 'mount', rows)
    many = [f'many.n{n:03}' for n in range(batch)]
    changes = Changes(mounted, bench.size(100, 3))
    bench.stack.callback(changes.close)
    def with_watch(sample):
        """A watcher, and so the echo, only where it is measured."""
        with contextlib.closing(Watch(mounted.path)) as watch:
            return sample(watch.wait)

    def with_host(names, change):
        """A host that is there for this case alone: every change wakes every host."""
        host = Host(bench, mounted, names)
        try:
            return changes.latencies(change, host.wait)
        finally:
            host.close()

    def visible():
        changes.look(one_a)
        return changes.latencies(lambda: changes.by_sql(['one_a']), lambda: changes.wait_visible(one_a))
    one_a, saved = (mounted.path / f'one_{n}.py' for n in 'ad')
    found = Distribution(bench, [
        Case(VISIBLE, visible, pids=mounted.pids),
        Case(EVENT, lambda: with_watch(
            lambda wait: changes.latencies(lambda: changes.by_sql(['one_b']), wait))),
        Case(CODE, lambda: with_host(['one_c'], lambda: changes.by_sql(['one_c']))),
        Case(SAVED, lambda: with_host(['one_d'], lambda: changes.by_editor(saved))),
        Case(BATCH.format(batch=batch), lambda: with_host(many, lambda: changes.by_sql(many))),
    ])
    for what, label, median, worst in GOALS:
        found.goal(what, f'median {median} ms, 99th percentile {worst} ms', label.format(batch=batch), median, worst)
    return found
