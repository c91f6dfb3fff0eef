"""The same modules in every form that is compared: directories, an archive, a database, mounts."""

import json
import os
import py_compile
import shutil
import time
import zipfile
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from tests.support import BUILD, Database, Mount, Process, is_mounted, run, wait_until

ONE = 'one processor'
LEAST_ROUNDS = 3
SOURCE = '''"""Module {number}: a rule as a program has hundreds of."""

LIMIT = {number}


class Rule:
    """What it applies to, and how much."""

    weight = LIMIT * 2

    def __init__(self, name, level=1):
        self.name, self.level = name, level

    def applies(self, state):
        return state.get(self.name, 0) >= self.level and self.weight > 0

    def apply(self, state):
        if not self.applies(state):
            return state
        return dict(state, **{{self.name: state[self.name] - self.level}})


def damage(attack, armour, factors=(1, 2, 3)):
    """How much of an attack comes through."""
    total = sum(factor * attack for factor in factors)
    return max(0, total - armour * LIMIT)


def describe(rules):
    return ', '.join(sorted(rule.name for rule in rules if rule.weight))
'''


def modules(packages, each):
    """Names to sources: `packages` packages of `each` modules."""
    rows = {}
    for p in range(packages):
        rows[f'p{p:03}.__init__'] = f'NUMBER = {p}\n'
        rows.update({f'p{p:03}.m{m:04}': SOURCE.format(number=m) for m in range(each)})
    return rows


def path_of(name):
    return name.replace('.', '/') + '.py'


def import_names(rows):
    """In the order of their names, packages before their modules."""
    return [name for name in rows if not name.endswith('.__init__')]


def write_tree(top, rows):
    for name, source in rows.items():
        path = Path(top, path_of(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding='utf-8')


def write_zip(path, rows, bytecode):
    """Not compressed, which is the fastest; with bytecode that is not checked against the source, or with sources."""
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_STORED) as archive:
        for name, source in rows.items():
            if not bytecode:
                archive.writestr(path_of(name), source)
                continue
            plain, compiled = Path(f'{path}.py'), Path(f'{path}.pyc')
            plain.write_text(source)
            py_compile.compile(str(plain), str(compiled), path_of(name),
                               invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
            archive.write(compiled, path_of(name) + 'c')
    return path


def write_table(path, rows):
    """A plain table with an index on the name, for the importer."""
    import sqlite3
    connection = sqlite3.connect(path)
    with connection:
        connection.execute('CREATE TABLE module(name TEXT PRIMARY KEY, source TEXT NOT NULL)')
        connection.executemany('INSERT INTO module VALUES (?, ?)', rows.items())
    connection.close()
    return path


class Mounted:
    """A mount of pymodfs with a cache of bytecode of its own; `again()` mounts it anew, on the processors of now."""

    def __init__(self, bench, name, rows=None, database=None):
        self.directory = bench.directory(name)
        self.database = database or Database.create(self.directory / 'modules.db', rows)
        self._cache = self.directory / 'cache'
        self._own = Counter()
        self._new()
        bench.stack.callback(self.close)

    def _new(self):
        self.mount = Mount(self.database, self.directory / 'mnt', env={'XDG_CACHE_HOME': self._cache}).mount()
        self.path = self.mount.path

    def pids(self):
        echo = self._status()['echo']
        return [self.mount.pid] + ([echo['pid']] if echo else [])

    def _status(self):
        return json.loads((self.mount.control / 'status').read_text())

    def requests(self):
        """The kernel's requests so far, without those by which they are read."""
        first, second = (Counter(self._status()['requests']) for _ in range(2))
        look = second - first
        self._own += look + look  # the first look cost as much as the second
        return second - self._own

    def again(self):
        self.mount.umount()
        self._new()

    def close(self):
        try:
            if is_mounted(self.path):
                self.mount.umount()
        finally:
            self.mount.close()


class PlainFuse:
    """A directory shown by a FUSE server with libfuse's defaults."""

    def __init__(self, bench, name, source):
        self.path = bench.directory(name) / 'mnt'
        self.path.mkdir()
        self._source = source
        self._start()
        bench.stack.callback(self.close)

    def _start(self):
        self._server = Process(BUILD / 'bench' / 'plainfuse', self._source, self.path, '-f')
        wait_until(lambda: is_mounted(self.path) or self._server.status is not None, 20, 'the plain FUSE mount')

    def pids(self):
        return [self._server.pid]

    def requests(self):
        return Counter(requests=int(os.getxattr(self.path, 'user.requests')))

    def close(self):
        if is_mounted(self.path):
            run('fusermount3', '-u', '-z', self.path, check=False)
        self._server.close()


class Bench:
    """What the measurements share: sizes, places, and the standard set of 1,000 modules in 20 packages."""

    def __init__(self, quick, local, tmpfs, rounds, seconds):
        self.quick = quick
        self.stack = ExitStack()
        self._local, self._tmpfs = Path(local), Path(tmpfs)
        self._most, self._seconds = rounds, seconds
        every = os.sched_getaffinity(0)
        self.processors = {ONE: {min(every)}, f'{len(every)} processors': every}
        if quick:
            self.processors = {ONE: {min(every)}}
        self.plots = {}  # file names to SVG
        self.goals = []  # rows of the summary
        self.rounds = set()  # how many were made

    def turns(self):
        """Numbers of rounds, as many as are wanted and there is time for, but three in any case."""
        begin, turn = time.monotonic(), 0
        while turn < self._most and (turn < LEAST_ROUNDS or time.monotonic() - begin < self._seconds):
            yield turn
            turn += 1
        self.rounds.add(turn)

    def goal(self, what, aim, reached, met):
        """A row of the summary. `reached` is a text, or one for each column; `met` are booleans, by column or one for all; none in a row
        that only explains others."""
        if not isinstance(met, dict):
            met = {'': met}
        names = [name for name, yes in met.items() if yes]
        verdict = '' if not met else 'yes' if len(names) == len(met) else f'with {names[0]}' if names else '**no**'
        cells = [reached] * len(self.processors) if isinstance(reached, str) else [reached[name] for name in self.processors]
        self.goals.append([what, aim, *cells, verdict])

    def share(self, name, make):
        """A directory that later measurements find again; the first one fills it."""
        path = self._local.parent / 'shared' / name
        if not path.exists():
            path.mkdir(parents=True)
            make(path)
        return path

    def size(self, full, quick):
        return quick if self.quick else full

    def directory(self, name, tmpfs=False):
        path = (self._tmpfs if tmpfs else self._local) / name
        path.mkdir(parents=True)
        return path

    def rows(self):
        return modules(*self.size((20, 50), (2, 5)))

    def names(self, rows, how=import_names):
        """A file with a name a line, for client.py."""
        path = self._local / f'names-{len(list(self._local.glob("names-*")))}'
        path.write_text('\n'.join(how(rows)))
        return path

    def tree(self, name, rows, tmpfs=False):
        """As deep as a mount, so that the paths have the same number of components."""
        top = self.directory(name, tmpfs) / 'top'
        top.mkdir()
        write_tree(top, rows)
        return top

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        try:
            self.stack.close()
        finally:
            for top in (self._local, self._tmpfs):
                shutil.rmtree(top, ignore_errors=True)
