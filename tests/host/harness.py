"""Runs each case of the reload contract in a fresh host process.

A case is a script that the host runs, with the names of inside/casekit.py at hand: it writes modules, imports them,
changes them, calls ``good()`` or ``bad()`` (one poll that must succeed, one that must report errors) and asserts. The files are
written by this process, as another program would, on the host's request over a socket.

Each case runs in every runner, in every place:

    program     the program `pymodhost --path DIR SCRIPT`
    extension   the stock interpreter with the extension module and `pymodhost.watch([DIR])`
    baseline    the stock interpreter with importlib.reload in place of the engine: what must fail there shows that the
                cases can fail; only when asked for

    plain       a temporary directory
    mount       a directory of a pymodfs mount; changes go through the mount and through SQL by turns

PYMODFS_HOST_RUNNERS and PYMODFS_HOST_PLACES (lists with commas) choose others than the default.
"""

import contextlib
import json
import os
import re
import shutil
import socket
import sqlite3
import tempfile
import textwrap
import time
import unittest
from pathlib import Path

from tests.support import BUILD, PYMODHOST, PYTHON, Database, Mount, Process, environment, preloaded, run
from tests.support.process import PATIENCE

HERE = Path(__file__).resolve().parent
RUNNERS = os.environ.get('PYMODFS_HOST_RUNNERS', 'program,extension').split(',')
PLACES = os.environ.get('PYMODFS_HOST_PLACES', 'plain,mount').split(',')
DEADLINE = 30
# Longer than a change takes from the commit to the feed, on a busy machine too: of what may have none, and of what has
# one for sure.
QUIET, CERTAIN = 0.25, 10
WAYS = ('inplace', 'rename')
# The search for leaks at a process's end names the functions of all that CPython leaves, which takes four times as long as the case.
# The library is known without; and what is reported of ours is named when it is shown.
UNSYMBOLIZED = {'ASAN_OPTIONS': f'{options}:symbolize=0'} if (options := os.environ.get('ASAN_OPTIONS')) else {}


def extension_directory():
    """The directory that holds the built extension module."""
    found = sorted(BUILD.glob('embedhost/**/pymodhost*.so'))
    if not found:
        raise AssertionError(f'no extension module pymodhost*.so below {BUILD}/embedhost: build it first')
    return found[0].parent


class Plain:
    """A temporary directory; saves are made in place and by rename, by turns."""

    def __init__(self):
        self.top = Path(tempfile.mkdtemp(prefix='pymodfs-host-')).resolve()
        self.turn = 0

    def close(self):
        shutil.rmtree(self.top, ignore_errors=True)

    def directory(self, name):
        """The watched directory of one case."""
        directory = self.top / name
        directory.mkdir()
        return Area(self, directory)

    def save(self, area, files, how):
        for name, source in files.items():
            self.turn += 1
            save_file(area.path(name), source, how if how in WAYS else WAYS[self.turn % 2])

    def remove(self, area, names):
        for name in names:
            remove_path(area.path(name))

    def move(self, area, old, new):
        area.path(new).parent.mkdir(parents=True, exist_ok=True)
        os.rename(area.path(old), area.path(new))


class Mounted:
    """A pymodfs mount; changes are made through it and in its table, by turns."""

    def __init__(self):
        self.top = Path(tempfile.mkdtemp(prefix='pymodfs-host-')).resolve()
        self.stack = contextlib.ExitStack()
        self.turn = 0
        self.sources = {}
        try:
            self.database = Database.create(self.top / 'modules.db')
            self.mount = self.stack.enter_context(Mount(self.database, self.top / 'mnt'))
            self.sql = sqlite3.connect(self.database.path, timeout=10, isolation_level=None)
            self.stack.callback(self.sql.close)
            self.feed = self.stack.enter_context(Feed(self.mount))
        except BaseException:
            self.close()
            raise

    def close(self):
        self.stack.close()
        shutil.rmtree(self.top, ignore_errors=True)

    def directory(self, name):
        directory = self.mount.path / name
        directory.mkdir()
        return Area(self, directory)

    def by_sql(self, how=None):
        self.turn += 1
        return how == 'sql' or (how is None and self.turn % 2 == 0)

    def save(self, area, files, how):
        if all(is_module(name) for name in files) and self.by_sql(how):
            self.feed.lines()  # what a thread of the case has saved says nothing of this
            self.transact(('INSERT INTO module(name, source) VALUES (?, ?) '
                           'ON CONFLICT(name) DO UPDATE SET source = excluded.source', (area.row(name), stored(source)))
                          for name, source in files.items())
        else:
            for name, source in files.items():
                save_file(area.path(name), source, how if how in WAYS else 'inplace')
        changed = {area.row(name): source for name, source in files.items()
                   if is_module(name) and self.sources.get(area.row(name)) != source}
        self.sources |= changed
        self.feed.wait((area.row(name) for name in files), changed)

    def remove(self, area, names):
        if all(is_module(name) for name in names) and self.by_sql():
            self.transact(('DELETE FROM module WHERE name = ?', (area.row(name),)) for name in names)
        else:
            for name in names:
                remove_path(area.path(name))
        known = [area.row(name) for name in names if self.sources.pop(area.row(name), None) is not None]
        self.feed.wait((area.row(name) for name in names), known)

    def move(self, area, old, new):
        self.sources.clear()
        if is_module(old) and self.by_sql():
            self.transact([('UPDATE module SET name = ? WHERE name = ?', (area.row(new), area.row(old)))])
        else:
            area.path(new).parent.mkdir(parents=True, exist_ok=True)
            os.rename(area.path(old), area.path(new))
        self.feed.wait([area.row(new)])

    def transact(self, statements):
        self.sql.execute('BEGIN IMMEDIATE')
        for statement, values in statements:
            self.sql.execute(statement, values)
        self.sql.execute('COMMIT')


class Feed:
    """The feed of a mount: says when a change has been published, and so is there for the host to see.

    A commit by SQL is seen a moment later, and the call of a rename returns before its publication.
    """

    def __init__(self, mount):
        self.mount, self.fd = mount, None

    def __enter__(self):
        self.fd = os.open(self.mount.control / 'feed', os.O_RDONLY | os.O_NONBLOCK)
        self.lines()
        return self

    def __exit__(self, *_):
        fd, self.fd = self.fd, None
        if fd is not None:
            os.close(fd)

    def lines(self):
        try:
            return os.read(self.fd, 1 << 20).decode(errors='surrogateescape').splitlines()
        except BlockingIOError:
            return []

    def wait(self, rows, certain=()):
        """Waits for a line of each row. What changed no byte has none: then for a while without any."""
        missing, certain, last = set(rows), set(certain), time.monotonic()
        while missing and time.monotonic() < last + (CERTAIN if missing & certain else QUIET):
            for line in self.lines():
                missing.discard(line.split('\t')[2])
                last = time.monotonic()
            time.sleep(0.0002)


class Area:
    """The watched directory of one case: names to paths and rows."""

    def __init__(self, place, directory):
        self.place, self.directory = place, directory

    def path(self, name):
        return self.directory / (name.replace('.', '/') + '.py' if is_module(name) else name)

    def row(self, name):
        """The name in the table and in the feed."""
        return f'{self.directory.name}.{name}' if is_module(name) else f'./{self.directory.name}/{name.rstrip("/")}'

    def write(self, files, how=None):
        self.place.save(self, {name: source.encode('latin-1') for name, source in files.items()}, how)

    def delete(self, names):
        self.place.remove(self, names)

    def rename(self, old, new):
        self.place.move(self, old, new)

    def touch(self, name, ns):
        os.utime(self.path(name), **({} if ns is None else {'ns': (ns, ns)}))

    def killmount(self):
        self.place.mount.kill()

    def by_sql(self, files, deleted):
        with self.place.sql:
            self.place.sql.executemany('UPDATE module SET source = ? WHERE name = ?',
                                       [(source, self.row(name)) for name, source in files.items()])
            self.place.sql.executemany('DELETE FROM module WHERE name = ?', [(self.row(name),) for name in deleted])

    def remount(self):
        self.place.feed.__exit__()
        self.place.mount.mount()
        self.place.feed.__enter__()


def is_module(name):
    """Whether a name of a case is a module's dotted one, not a path."""
    return '/' not in name and not name.endswith(('.py', '.txt', '.pyc'))


def stored(source):
    """What a row holds: text where it is valid UTF-8, else the bytes."""
    try:
        return source.decode() if b'\0' not in source else source
    except UnicodeDecodeError:
        return source


def save_file(path, source, how):
    path.parent.mkdir(parents=True, exist_ok=True)
    if how == 'inplace':
        path.write_bytes(source)
        return
    other = path.with_name(f'.{path.name}.new')
    other.write_bytes(source)
    os.rename(other, path)


def remove_path(path):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


class HostCase(unittest.TestCase):
    """The base class of the cases.

    `runners` and `places` name the only ones that have a meaning for a class; with `sparse` each runner has one place, and
    each place a runner, where a case takes long.
    """

    runners = None
    places = None
    sparse = False

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls._places = {}
        cls._number = 0

    @classmethod
    def tearDownClass(cls):
        for place in cls._places.values():
            place.close()
        super().tearDownClass()

    @classmethod
    def place(cls, name):
        if name not in cls._places:
            cls._places[name] = {'plain': Plain, 'mount': Mounted}[name]()
        return cls._places[name]

    def host(self, script, deadline=DEADLINE, arguments=()):
        """Runs `script` in each runner in each place; it must come to its end and leave exit status 0."""
        for runner, name in self.pairs():
            with self.subTest(runner=runner, place=name):
                self.run_case(runner, self.place(name), textwrap.dedent(script), deadline, arguments)

    def pairs(self):
        """The runners and places of each case; under a sanitizer, where all takes several times as long, one of them."""
        runners, places = self.runners or RUNNERS, self.places or PLACES
        if PATIENCE != 1:
            return [(runners[0], places[0])]
        if self.sparse:
            return [(runner, places[(i + 1) % len(places)]) for i, runner in enumerate(runners)]
        return [(runner, place) for place in places for runner in runners]

    def run_case(self, runner, place, script, deadline, arguments=()):
        type(self)._number += 1
        area = place.directory(f'case{self._number}')
        with tempfile.TemporaryDirectory(prefix='pymodfs-script-') as directory, \
                socket.socket(socket.AF_UNIX) as listener:
            path = Path(directory, 'script.py')
            path.write_text(self.preamble(runner, area.directory) + script + '\nfinish()\n')
            listener.bind(f'{directory}/channel')
            listener.listen(1)
            with self.start(runner, area, path, arguments) as process:
                finished = self.serve(listener, area, process, deadline)
                status = process.wait(deadline)
                if status != 0 or not finished:
                    self.fail(self.describe(process, status, finished))

    @staticmethod
    def preamble(runner, directory):
        """One line, so that the lines of the script keep their numbers but one."""
        words = ['import sys', f'sys.path.append({str(HERE / "inside")!r})']
        if runner != 'program':
            words += [f'sys.path.insert(0, {str(directory)!r})', 'import pymodhost',
                      f'pymodhost.watch([{str(directory)!r}])']
        words += [f'from casekit import *; from casekit import _place; _place({str(directory)!r}, {runner!r})']
        return '; '.join(words) + '\n'

    @staticmethod
    def start(runner, area, script, arguments):
        env = {'PYMODFS_CASE_CHANNEL': script.with_name('channel'), **UNSYMBOLIZED}
        if runner == 'program':
            command = [PYMODHOST, '--path', area.directory, script]
        else:
            env['PYTHONPATH'] = HERE / 'baseline' if runner == 'baseline' else extension_directory()
            env['PYTHONDONTWRITEBYTECODE'] = '1' if runner == 'baseline' else None
            command = [PYTHON, script]
        return Process(*command, *arguments, env=(environment if runner == 'program' else preloaded)(**env))

    def serve(self, listener, area, process, deadline):
        """Does what the host asks for until it hangs up; returns whether the script came to its end."""
        channel = accept(listener, process)
        if channel is None:
            return False
        channel.settimeout(deadline * PATIENCE)
        with channel, channel.makefile('rw', encoding='ascii', newline='\n') as stream:
            while True:
                try:
                    line = stream.readline()
                except (TimeoutError, ConnectionResetError):
                    return False
                if not line:
                    return False
                request = json.loads(line)
                operation = request.pop('do')
                if operation == 'finish':
                    return True
                self.answer(stream, getattr(area, operation), request)

    @staticmethod
    def answer(stream, function, arguments):
        try:
            function(**arguments)
            reply = {}
        except Exception as error:
            reply = {'error': f'{type(error).__name__}: {error}'}
        stream.write(json.dumps(reply) + '\n')
        stream.flush()

    def describe(self, process, status, finished):
        words = [f'{process.args[0]}: exit status {status}']
        if not finished:
            words.append('the script did not come to its end')
        return '; '.join(words) + f'\n{symbolized(process.output[-6000:])}'


def symbolized(text):
    """A sanitizer's report with the lines of our own sources in it."""
    def name(frame):
        found = run('addr2line', '-Cfpe', frame[1], frame[2], check=False).stdout.strip()
        return f'{frame[0]} {found}'
    return re.sub(rf'\(({re.escape(str(BUILD))}\S*)\+(0x[0-9a-f]+)\)', name, text)


def accept(listener, process):
    """The host's connection, or None if it ended without one."""
    listener.settimeout(0.1)
    while process.status is None:
        with contextlib.suppress(TimeoutError):
            return listener.accept()[0]
    return None
