"""inotify on a mount: changes made behind it show as the same changes made locally do (docs/consistency.md)."""

import collections
import contextlib
import itertools
import json
import os
import random
import signal
import sqlite3
import time
import unittest
from pathlib import Path

from tests.support import PYMODFS, PYTHON, Process, TestCase, files_of, pymodfs, run, wait_until

SENTINEL = 'zz_end'
QUIET = {'OPEN', 'ACCESS', 'CLOSE_NOWRITE'}
WATCHDOG = '''
import sys, time
from watchdog.events import FileSystemEventHandler
from watchdog.observers import Observer

class Printer(FileSystemEventHandler):
    def on_any_event(self, event):
        print(event.event_type, event.is_directory, event.src_path, getattr(event, 'dest_path', ''), sep='|', flush=True)

observer = Observer()
observer.schedule(Printer(), sys.argv[1], recursive=True)
observer.start()
print('ready', flush=True)
while True:
    time.sleep(60)
'''

# Looks for names all the time: by stat, and by listings and open where the first word says so.
LOOKER = '''
import os, sys
while True:
    for path in sys.argv[2:]:
        try:
            os.stat(path)
            if sys.argv[1] == 'open':
                [entry.stat() for entry in os.scandir(os.path.dirname(path))]
                open(path).close()
        except OSError:
            pass
'''

# Runs a command for which the system call of that number isn't there (seccomp(2): a filter of four instructions).
WITHOUT_OPENAT2 = '''
import ctypes, os, struct, sys
OPENAT2 = 437
code = b''.join(struct.pack('HBBI', *instruction) for instruction in (
    (0x20, 0, 0, 0),                    # load the number
    (0x15, 0, 1, OPENAT2),              # if it is that one,
    (0x06, 0, 0, 0x00050000 | 38),      # the answer is ENOSYS,
    (0x06, 0, 0, 0x7fff0000)))          # else it is allowed
program = ctypes.create_string_buffer(code, len(code))
filter = struct.pack('HxxxxxxP', 4, ctypes.addressof(program))
libc = ctypes.CDLL(None, use_errno=True)
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
assert libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
assert libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter, 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])
'''

SAVER = '''
import os, sys
try:
    for number in range(1000000):
        path = f'{sys.argv[1]}/w{number % 5}.py'
        with open(path + '.tmp', 'w') as file:
            file.write(f'V = {number}')
        os.rename(path + '.tmp', path)
        if number % 3 == 0:
            os.unlink(path)
except OSError as error:
    print(error, flush=True)
'''


def without_repeats(events):
    """A read may give two equal events in a row as one (inotify(7))."""
    return [event for event, _ in itertools.groupby(events)]


class Inotifywait(Process):
    """`inotifywait -m` on paths below a directory: tuples of path, event, name and, for moves, which move it is."""

    def __init__(self, top, *paths, only=()):
        self.top = Path(top)
        wanted = (word for event in only for word in ('-e', event))
        super().__init__('/usr/bin/inotifywait', '-m', *wanted, '--format', '%w|%e|%f|%c', *(self.top / p for p in paths))
        self.wait_output('Watches established')

    @property
    def events(self):
        found, moves = [], {}
        for line in self.output.split('Watches established.\n', 1)[1].splitlines():
            path, names, name, cookie = line.split('|')
            names = [n for n in names.split(',') if n != 'CLOSE']
            if names[0] not in QUIET:
                move = moves.setdefault(cookie, len(moves) + 1) if cookie != '0' else 0
                found.append((os.path.relpath(path, self.top), ','.join(names), name, move))
        return without_repeats(found)

    def wait_name(self, name):
        """The events up to the last one of a file, which must come."""
        def there():
            events = self.events
            return any(e[2] == name and e[1] == 'CLOSE_WRITE' for e in events) and events
        return [e for e in wait_until(there, 20, f'events of {name}') if e[2] != name]


class Local:
    """The changes that the tests make in the table, in a local directory: a row is a file."""

    def __init__(self, top):
        self.top = Path(top)

    def path(self, name):
        return self.top / (name.replace('.', '/') + '.py')

    def insert(self, name, source='V = 1\n'):
        self.path(name).parent.mkdir(parents=True, exist_ok=True)
        self.path(name).write_text(source)

    update = insert

    def delete(self, name):
        self.path(name).unlink()
        with contextlib.suppress(OSError):
            os.removedirs(self.path(name).parent)

    def rename(self, old, new):
        self.path(new).parent.mkdir(parents=True, exist_ok=True)
        self.path(old).rename(self.path(new))
        with contextlib.suppress(OSError):
            os.removedirs(self.path(old).parent)


class Shell:
    """The same by the sqlite3 shell."""

    def __init__(self, database):
        self.database = database

    def insert(self, name, source='V = 1\n'):
        self.database.shell(f"INSERT INTO module VALUES ('{name}', '{source}')")

    def update(self, name, source='V = 2\n'):
        self.database.shell(f"UPDATE module SET source = '{source}' WHERE name = '{name}'")

    def delete(self, name):
        self.database.shell(f"DELETE FROM module WHERE name = '{name}'")

    def rename(self, old, new):
        self.database.shell(f"UPDATE module SET name = '{new}' WHERE name = '{old}'")


ROWS = {'a': 'V = 1\n', 'b': 'V = 1\n', 'pkg.__init__': '', 'pkg.m': 'V = 1\n', 'other.__init__': '', 'gone.x': 'V = 1\n'}
CHANGES = {
    'an update': lambda on: on.update('a', 'V = 22\n'),
    'an update below': lambda on: on.update('pkg.m', 'V = 22\n'),
    'an insert': lambda on: on.insert('new'),
    'an empty one': lambda on: on.insert('empty', ''),
    'a delete': lambda on: on.delete('b'),
    'a rename': lambda on: on.rename('new', 'newer'),
    'a rename to another directory': lambda on: on.rename('pkg.m', 'other.n'),
    'a new package': lambda on: on.insert('fresh.__init__'),
    'the end of a package': lambda on: on.delete('gone.x'),
}


class WatchersTest(TestCase):
    def local(self):
        """A local directory with the same files."""
        local = Local(self.dir / 'local')
        local.top.mkdir()
        for name, source in ROWS.items():
            local.insert(name, source)
        return local

    def status(self, mnt):
        return json.loads((mnt.control / 'status').read_text())['echo']

    def changes(self, database):
        return database.execute('SELECT id, op, base, pid, command FROM pymodfs_change')


class SameEventsTest(WatchersTest):
    def events_of(self, top, paths, changes, on):
        """What inotifywait sees of each change; each ends with the first write of a new file."""
        found = {}
        for title, change in changes.items():
            there = [p for p in paths if (top / p).exists()]
            with Inotifywait(top, *there) as watch:
                change(on)
                on.insert(SENTINEL)
                found[title] = watch.wait_name(SENTINEL + '.py')
            on.delete(SENTINEL)
            wait_until(lambda: not (top / (SENTINEL + '.py')).exists())
        return found

    def test_a_watch_of_the_directories_sees_what_the_same_change_shows_locally(self):
        mnt, local = self.mount(ROWS), self.local()
        paths = ['.', 'pkg', 'other', 'gone']
        expected = self.events_of(local.top, paths, CHANGES, local)
        seen = self.events_of(mnt.path, paths, CHANGES, Shell(mnt.database))
        for title in CHANGES:
            with self.subTest(title):
                self.assertTrue(expected[title])
                self.assertEqual(seen[title], expected[title])

    def test_another_mount_of_the_database_shows_the_same(self):
        mnt, local = self.mount(ROWS), self.local()
        second = self.mount(database=mnt.database, mountpoint='second')
        paths = ['.', 'pkg', 'other']
        changes = {k: v for k, v in CHANGES.items() if 'end' not in k}
        expected = self.events_of(local.top, paths, changes, local)
        seen = self.events_of(mnt.path, paths, changes, Local(second.path))
        for title in changes:
            with self.subTest(title):
                # A save that creates a file is one transaction at its close: there is no moment between the two.
                self.assertEqual(seen[title], expected[title])

    def test_what_is_done_through_the_mount_shows_once(self):
        mnt, local = self.mount(ROWS), self.local()
        (self.dir / 'local2').mkdir()

        def replace(on):
            (on.top / 'a.py.new').write_text('V = 333\n')
            (on.top / 'a.py.new').replace(on.top / 'a.py')

        changes = {
            **{k: v for k, v in CHANGES.items() if k != 'the end of a package'},
            'a save by rename': replace,
            'a new directory': lambda on: (on.top / 'dir').mkdir(),
            'its end': lambda on: (on.top / 'dir').rmdir(),
            'a renamed directory': lambda on: (on.top / 'other').rename(on.top / 'moved'),
            'a chmod': lambda on: (on.top / 'a.py').chmod(0o640),
        }
        paths = ['.', 'pkg']
        expected = self.events_of(local.top, paths, changes, local)
        seen = self.events_of(mnt.path, paths, changes, Local(mnt.path))
        wait_until(lambda: self.status(mnt)['waiting'] == 0)
        for title in changes:
            with self.subTest(title):
                self.assertEqual(seen[title], expected[title])

    def test_a_row_deleted_and_inserted_in_one_transaction_goes_and_comes(self):
        mnt = self.mount(ROWS)
        with Inotifywait(mnt.path, '.') as watch:
            mnt.database.shell("BEGIN; DELETE FROM module WHERE name = 'a'; INSERT INTO module VALUES ('a', 'V = 5'); COMMIT")
            mnt.database.put({SENTINEL: ''})
            events = watch.wait_name(SENTINEL + '.py')
        self.assertEqual([e[1:3] for e in events],
                         [('DELETE', 'a.py'), ('CREATE', 'a.py'), ('MODIFY', 'a.py'), ('CLOSE_WRITE', 'a.py')])
        self.assertEqual((mnt.path / 'a.py').read_text(), 'V = 5')

    def test_modules_that_trade_names_move(self):
        mnt = self.mount(ROWS)
        with Inotifywait(mnt.path, '.') as watch:
            mnt.database.shell("BEGIN; UPDATE module SET name = 'tmp' WHERE name = 'a';"
                               "UPDATE module SET name = 'a' WHERE name = 'b';"
                               "UPDATE module SET name = 'b' WHERE name = 'tmp'; COMMIT")
            mnt.database.put({SENTINEL: ''})
            events = watch.wait_name(SENTINEL + '.py')
        self.assertEqual([e[1:] for e in events],
                         [('MOVED_FROM', 'a.py', 1), ('MOVED_TO', 'tmp.py', 1), ('MOVED_FROM', 'b.py', 2),
                          ('MOVED_TO', 'a.py', 2), ('MOVED_FROM', 'tmp.py', 3), ('MOVED_TO', 'b.py', 3)])

    def test_a_chmod_through_another_mount_shows(self):
        mnt = self.mount(ROWS)
        second = self.mount(database=mnt.database, mountpoint='second')
        (mnt.path / 'a.py').stat()
        with Inotifywait(mnt.path, '.') as watch:
            (second.path / 'a.py').chmod(0o640)
            mnt.database.put({SENTINEL: ''})
            self.assertEqual(watch.wait_name(SENTINEL + '.py'), [('.', 'ATTRIB', 'a.py', 0)])
        self.assertEqual((mnt.path / 'a.py').stat().st_mode & 0o777, 0o640)


class FileWatchTest(WatchersTest):
    def saved_by_rename(self):
        """What a watch of a local file sees of that."""
        local = self.local()
        with Inotifywait(local.top, 'a.py') as watch:
            (self.dir / 'new').write_text('V = 2\n')
            (self.dir / 'new').replace(local.top / 'a.py')
            wait_until(lambda: watch.events and watch.events[-1][1] == 'DELETE_SELF')
            return watch.events

    def test_a_watch_of_the_file_itself_sees_what_a_save_by_rename_shows(self):
        expected, mnt = self.saved_by_rename(), self.mount(ROWS)
        changes = {
            'an update by SQL': lambda: mnt.database.update('a', 'V = 2\n'),
            'a second one': lambda: mnt.database.update('a', 'V = 3\n'),
            'a save in place through the mount': lambda: (mnt.path / 'a.py').write_text('V = 4\n'),
        }
        for title, change in changes.items():
            with self.subTest(title), Inotifywait(mnt.path, 'a.py') as watch:
                change()
                wait_until(lambda: watch.events and watch.events[-1][1] == 'DELETE_SELF')
                self.assertEqual(watch.events, expected)

    def test_it_sees_a_delete_and_a_rename(self):
        mnt = self.mount(ROWS)
        with Inotifywait(mnt.path, 'a.py', 'b.py') as watch:
            mnt.database.delete('a')
            mnt.database.execute("UPDATE module SET name = 'c' WHERE name = 'b'")
            wait_until(lambda: watch.events and watch.events[-1][1] == 'MOVE_SELF')
            self.assertEqual([e[:2] for e in watch.events],
                             [('a.py', 'ATTRIB'), ('a.py', 'DELETE_SELF'), ('b.py', 'MOVE_SELF')])

    def test_who_has_the_old_version_open_goes_on_reading_it(self):
        mnt = self.mount({'a': 'V = 1\n' * 1000})
        with open(mnt.path / 'a.py') as old, Inotifywait(mnt.path, 'a.py') as watch:
            self.assertEqual(old.read(6), 'V = 1\n')
            mnt.database.update('a', 'W = 2\n')
            wait_until(lambda: watch.events and watch.events[-1][1] == 'DELETE_SELF')
            self.assertEqual(old.read(), 'V = 1\n' * 999)
            self.assertEqual(os.fstat(old.fileno()).st_size, 6000)
        self.assertEqual((mnt.path / 'a.py').read_text(), 'W = 2\n')
        self.assertEqual((mnt.path / 'a.py').stat().st_nlink, 1)


class ProgramsTest(WatchersTest):
    """Programs that nobody here wrote."""

    def watchdog(self, top, on):
        with Process(PYTHON, '-c', WATCHDOG, top) as process:
            process.wait_output('ready')
            on.update('a', 'V = 22\n')
            on.insert('new')
            process.wait_output(f'closed|False|{top}/new.py')  # what is gone when its turn comes isn't shown as made
            on.rename('new', 'newer')
            on.rename('pkg.m', 'other.n')
            on.delete('b')
            on.insert(SENTINEL)
            process.wait_output(f'closed|False|{top}/{SENTINEL}.py')
            lines = process.output.split('ready\n', 1)[1].replace(str(top), '.').splitlines()
        # That a directory was modified is watchdog's own addition to other events.
        return without_repeats(line for line in lines if SENTINEL not in line and not line.startswith('modified|True'))

    def test_watchdog_sees_the_same_as_in_a_local_directory(self):
        mnt, local = self.mount(ROWS), self.local()
        expected = self.watchdog(local.top, local)
        self.assertIn('moved|False|./pkg/m.py|./other/n.py', expected)
        self.assertEqual(self.watchdog(mnt.path, Shell(mnt.database)), expected)

    def test_entr_runs_its_command_for_each_update(self):
        mnt = self.mount(ROWS)
        out = self.dir / 'out'
        names = self.dir / 'names'
        names.write_text(f'{mnt.path}/a.py\n')
        command = ['entr', '-n', 'sh', '-c', f'cat {mnt.path}/a.py >>{out}']
        with open(names) as stdin, Process(*command, stdin=stdin):
            wait_until(lambda: out.exists() and out.read_text() == 'V = 1\n')
            for value in range(3):
                self.assertTrue(any(self.runs_after(mnt, out, f'V = {value}{turn}\n') for turn in range(1, 6)))

    def runs_after(self, mnt, out, text):
        """Whether it runs its command after an update. It takes what comes until shortly after a run as part of what led to that, as it
        would of a local file, and how long that is depends on when it is given a processor."""
        time.sleep(0.3)
        mnt.database.update('a', text)
        with contextlib.suppress(AssertionError):
            return wait_until(lambda: out.read_text().endswith(text), 3)
        return False


class StoreTest(WatchersTest):
    def test_nothing_of_it_reaches_the_database(self):
        mnt = self.mount(ROWS)
        with Inotifywait(mnt.path, '.', 'pkg', 'other') as watch:
            for change in CHANGES.values():
                change(Shell(mnt.database))
            mnt.database.put({SENTINEL: ''})
            before = self.changes(mnt.database)
            watch.wait_name(SENTINEL + '.py')
        self.assertEqual(self.changes(mnt.database), before)
        self.assertEqual([c for c in before if c[3] is not None or c[4] is not None], [])
        self.assertEqual(mnt.database.problems(), [])

    def test_no_event_is_lost_however_often_others_look_for_the_names_meanwhile(self):
        mnt = self.mount({'a': 'V = 1\n'})
        steps = [
            ("UPDATE module SET source = 'V = 2' WHERE name = 'a'", ['MODIFY|a.py', 'CLOSE_WRITE,CLOSE|a.py']),
            ("UPDATE module SET name = 'b' WHERE name = 'a'", ['MOVED_FROM|a.py', 'MOVED_TO|b.py']),
            ("DELETE FROM module WHERE name = 'b'", ['DELETE|b.py']),
            ("INSERT INTO module VALUES ('p.m', '')", ['CREATE,ISDIR|p']),
            ("DELETE FROM module WHERE name = 'p.m'", ['DELETE,ISDIR|p']),
            ("INSERT INTO module VALUES ('a', 'V = 1')", ['CREATE|a.py', 'MODIFY|a.py', 'CLOSE_WRITE,CLOSE|a.py']),
        ]
        seen = collections.Counter()
        only = ('create', 'modify', 'close_write', 'move', 'delete')
        paths = [mnt.path / name for name in ('a.py', 'b.py', 'p', 'p/m.py')]
        with Inotifywait(mnt.path, '.', only=only) as watch, Process(PYTHON, '-c', LOOKER, 'stat', paths[0]), \
                Process(PYTHON, '-c', LOOKER, 'open', *paths), \
                contextlib.closing(sqlite3.connect(mnt.database.path, timeout=10, isolation_level=None)) as db:
            for turn, (statement, events) in itertools.product(range(20), steps):
                seen.update(events)
                db.execute(statement)
                for event in events:
                    wait_until(lambda: watch.output.count(f'|{event}|') == seen[event], 20,
                               f'{event} in turn {turn}, number {seen[event]}')

    def test_the_mount_shows_the_table_and_the_events_add_up_to_it(self):
        """Changes of all kinds by SQL and through the mount, at once; who adds up the events knows what is there."""
        seed = random.randrange(1 << 30)
        rng = random.Random(seed)
        mnt = self.mount({'a': 'V = 1\n'})
        names = ['a', 'b', 'c', 'd', 'e']
        done = []
        with Inotifywait(mnt.path, '.') as watch:
            for step in range(300):
                name, other = rng.sample(names, 2)
                statements = [
                    f"INSERT OR REPLACE INTO module VALUES ('{name}', 'V = {step}');",
                    f"DELETE FROM module WHERE name = '{name}';",
                    f"UPDATE OR REPLACE module SET name = '{other}' WHERE name = '{name}';",
                ]
                if rng.random() < 0.2:
                    with contextlib.suppress(FileNotFoundError):
                        rng.choice([lambda: (mnt.path / f'{name}.py').unlink(),
                                    lambda: (mnt.path / f'{name}.py').write_text(f'V = {step}'),
                                    lambda: (mnt.path / f'{name}.py').rename(mnt.path / f'{other}.py')])()
                else:
                    with contextlib.closing(sqlite3.connect(mnt.database.path, timeout=10)) as db:
                        done.append((step, rng.choices(statements, k=rng.randrange(1, 4))))
                        db.executescript('BEGIN;' + ''.join(done[-1][1]) + 'COMMIT')
                        db.commit()
                if rng.random() < 0.5:
                    os.listdir(mnt.path)
                    os.path.exists(mnt.path / f'{name}.py')
            mnt.database.put({SENTINEL: ''})
            events = watch.wait_name(SENTINEL + '.py')
        mnt.database.delete(SENTINEL)
        expected = {f'{name}.py': source for name, source in mnt.database.rows().items()}
        self.wait_files(mnt.path, expected)
        for name in names:
            self.assertEqual((mnt.path / f'{name}.py').exists(), f'{name}.py' in expected, f'seed {seed}')
        there = {'a.py'}
        for _, event, name, _ in events:
            if event in ('CREATE', 'MOVED_TO', 'MODIFY', 'CLOSE_WRITE'):
                there.add(name)
            elif event in ('DELETE', 'MOVED_FROM'):
                there.discard(name)
        wrong = there ^ set(expected)
        self.assertEqual(wrong, set(), f'seed {seed}: {events[-30:]}, of them {[e for e in events if e[2] in wrong][-9:]}; '
                         f'{done[-15:]}; {mnt.log}')


class ProcessTest(WatchersTest):
    """The process that repeats the changes."""

    def stopped(self, mnt):
        """Keeps it from running for a while."""
        pid = self.status(mnt)['pid']

        @contextlib.contextmanager
        def stop():
            os.kill(pid, signal.SIGSTOP)
            try:
                yield
            finally:
                os.kill(pid, signal.SIGCONT)
        return stop()

    def test_saves_and_readers_of_the_feed_never_wait_for_it(self):
        rows = {f'm{i}': 'V = 1\n' for i in range(1000)}
        mnt = self.mount(rows)
        os.listdir(mnt.path)
        with Inotifywait(mnt.path, '.') as watch:
            with self.stopped(mnt):
                mnt.database.put({name: 'V = 2\n' for name in rows})
                # They are given to it last of all: after the generation was raised and the saves have returned.
                wait_until(lambda: self.status(mnt)['waiting'] >= 1000)
                for i in range(0, 1000, 100):
                    self.assertEqual((mnt.path / f'm{i}.py').read_text(), 'V = 2\n')
                    (mnt.path / f'm{i}.py').write_text('V = 3\n')
                (mnt.path / 'm1.py').unlink()
                self.assertEqual(mnt.database.read('m100'), b'V = 3\n')
            mnt.database.put({SENTINEL: ''})
            events = watch.wait_name(SENTINEL + '.py')
        modified = {e[2] for e in events if e[1] == 'MODIFY'}
        self.assertEqual(modified, {f'{name}.py' for name in rows} - {'m1.py'})

    def test_who_looked_before_it_came_takes_nothing_away(self):
        mnt = self.mount(ROWS)
        os.listdir(mnt.path / 'gone')
        with Inotifywait(mnt.path, '.', 'gone', 'pkg') as watch:
            with self.stopped(mnt):
                before = mnt.generation()
                mnt.database.shell("BEGIN; DELETE FROM module WHERE name IN ('b', 'gone.x');"
                                   "UPDATE module SET name = 'other.n' WHERE name = 'pkg.m';"
                                   "INSERT INTO module VALUES ('new', ''), ('fresh.x', ''); COMMIT")
                wait_until(lambda: mnt.generation() > before)
                for path in ('b.py', 'gone/x.py', 'gone', 'pkg/m.py'):
                    self.assertFalse((mnt.path / path).exists(), path)
                for path in ('other/n.py', 'new.py', 'fresh', 'fresh/x.py'):
                    self.assertTrue((mnt.path / path).exists(), path)
            mnt.database.put({SENTINEL: ''})
            events = {e[:3] for e in watch.wait_name(SENTINEL + '.py')}
        for event in (('.', 'DELETE', 'b.py'), ('gone', 'DELETE', 'x.py'), ('.', 'DELETE,ISDIR', 'gone'),
                      ('gone', 'DELETE_SELF', ''), ('pkg', 'MOVED_FROM', 'm.py'), ('.', 'CREATE', 'new.py'),
                      ('.', 'CREATE,ISDIR', 'fresh')):
            self.assertIn(event, events)
        self.assertEqual(files_of(mnt.path).keys(), {'a.py', 'pkg/__init__.py', 'other/__init__.py', 'other/n.py', 'new.py',
                                                     'fresh/x.py', SENTINEL + '.py'})

    def test_of_too_many_changes_the_directories_tell(self):
        rows = {f'{p}.m{i}': 'V = 1\n' for p in ('p', 'q') for i in range(2000)}
        mnt = self.mount(rows)
        run('/usr/bin/find', mnt.path)
        with Inotifywait(mnt.path, '.', 'p', 'q') as watch:
            with self.stopped(mnt):
                mnt.database.put({name: 'V = 2\n' for name in rows})
                wait_until(lambda: self.status(mnt)['waiting'] > 2000)
                self.assertLess(self.status(mnt)['waiting'], 3000)
            wait_until(lambda: self.status(mnt)['waiting'] == 0, 30)
            mnt.database.put({SENTINEL: ''})
            events = watch.wait_name(SENTINEL + '.py')
        self.assertIn(('q', 'ATTRIB,ISDIR', '', 0), events)
        self.assertGreater(len({e[2] for e in events if e[1] == 'MODIFY'}), 1500)

    def test_unmounting_waits_until_it_is_done(self):
        rows = {f'm{i}': 'V = 1\n' for i in range(1500)}
        mnt = self.mount(rows)
        os.listdir(mnt.path)
        mnt.database.put({name: 'V = 2\n' for name in rows})
        mnt.umount()

    def test_it_ends_with_the_daemon(self):
        for number in (signal.SIGKILL, signal.SIGTERM):
            with self.subTest(number.name):
                mnt = self.mount({'a': 'V = 1\n'}, mountpoint=number.name, database=self.database(name=number.name + '.db'))
                pid = self.status(mnt)['pid']
                self.assertTrue(Path(f'/proc/{pid}').exists())
                mnt.kill(number)
                wait_until(lambda: not Path(f'/proc/{pid}').exists(), 10, 'the end of the process')
                mnt.close()

    def test_a_daemon_that_is_killed_amid_changes_ends_and_nobody_hangs(self):
        rows = {f'm{i}': 'V = 1\n' for i in range(50)}
        for number in range(3):
            mnt = self.mount(database=self.database(rows, name=f'{number}.db'), mountpoint=f'mnt{number}')
            savers = [self.process(Process(PYTHON, '-c', SAVER, mnt.path)) for _ in range(2)]
            for value in range(30):
                mnt.database.put({name: f'V = {value}\n' for name in (*rows, f'z{value % 7}')})
                mnt.database.delete(f'z{(value + 3) % 7}')
            mnt.kill()
            for saver in savers:
                self.assertEqual(saver.wait(), 0, saver.output)
            mnt.close()

    def test_it_ends_with_the_mount_that_went_to_the_background(self):
        mnt = self.mount({'a': 'V = 1\n'}, background=True)
        pid = self.status(mnt)['pid']
        self.assertEqual(os.readlink(f'/proc/{pid}/cwd'), '/')
        self.assertFalse(any(os.readlink(fd).startswith(str(self.dir)) or 'fuse' in os.readlink(fd)
                             for fd in Path(f'/proc/{pid}/fd').iterdir()))
        mnt.umount()
        wait_until(lambda: not Path(f'/proc/{pid}').exists(), 10, 'the end of the process')

    def test_the_mount_goes_on_without_it(self):
        mnt = self.mount({'a': 'V = 1\n'})
        pid = self.status(mnt)['pid']
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: ') Z ' in Path(f'/proc/{pid}/stat').read_text())
        mnt.database.update('a', 'V = 2\n')
        wait_until(lambda: (mnt.path / 'a.py').read_text() == 'V = 2\n')
        (mnt.path / 'a.py').write_text('V = 3\n')
        self.assertEqual(mnt.database.read('a'), b'V = 3\n')
        wait_until(lambda: self.status(mnt) is None)
        self.assertIn('watchers learn no more', mnt.log)

    def test_it_touches_nothing_that_is_mounted_on_a_directory_of_the_mount(self):
        mnt = self.mount(ROWS)
        run('/usr/bin/mount', '-t', 'tmpfs', 'tmpfs', mnt.path / 'pkg')
        try:
            (mnt.path / 'pkg' / 'm.py').write_text('not ours\n')
            with Inotifywait(mnt.path, '.', 'pkg') as watch:
                mnt.database.update('pkg.m', 'V = 2\n')
                mnt.database.delete('pkg.m')
                mnt.database.put({SENTINEL: ''})
                self.assertEqual(watch.wait_name(SENTINEL + '.py'), [])
            self.assertEqual((mnt.path / 'pkg' / 'm.py').read_text(), 'not ours\n')
        finally:
            run('/usr/bin/umount', mnt.path / 'pkg')

    def test_the_directory_that_it_uses_is_there_for_nobody_else(self):
        mnt = self.mount(ROWS)
        mnt.database.update('a', 'V = 2\n')
        self.assertFalse((mnt.control / '.echo').exists())
        self.assertNotIn('.echo', os.listdir(mnt.control))


class OptionTest(WatchersTest):
    def test_it_can_be_turned_off(self):
        mnt = self.mount(ROWS, 'echo=off')
        self.assertIsNone(self.status(mnt))
        with Inotifywait(mnt.path, '.') as watch:
            mnt.database.update('a', 'V = 2\n')
            wait_until(lambda: (mnt.path / 'a.py').read_text() == 'V = 2\n')
            (mnt.path / (SENTINEL + '.py')).write_text('')
            self.assertEqual(watch.wait_name(SENTINEL + '.py'), [])

    def test_it_is_off_where_the_mount_is_read_only(self):
        mnt = self.mount(ROWS, 'ro')
        self.assertIsNone(self.status(mnt))
        mnt.database.update('a', 'V = 2\n')
        wait_until(lambda: (mnt.path / 'a.py').read_text() == 'V = 2\n')

    def test_where_openat2_is_forbidden_the_log_says_what_there_is_not(self):
        """As a service manager's filter of system calls does."""
        database, mnt = self.database(ROWS), self.dir / 'mnt'
        mnt.mkdir()
        log = run(PYTHON, '-c', WITHOUT_OPENAT2, PYMODFS, 'mount', database.path, mnt).stderr.splitlines()
        self.addCleanup(pymodfs, 'umount', mnt)
        for line, words in itertools.zip_longest(log, ('watchers will learn nothing', 'no bytecode will be kept')):
            self.assertIn(words, line)
            self.assertIn('openat2() is refused here: Function not implemented', line)
        with self.assertRaisesRegex(OSError, 'Read-only'):
            (mnt / '__pycache__').mkdir()
        self.assertIsNone(json.loads((mnt / '.pymodfs/status').read_text())['echo'])
        (mnt / 'a.py').write_text('V = 2\n')
        self.assertEqual(database.read('a'), b'V = 2\n')

    def test_another_value_is_refused(self):
        database = self.database()
        (self.dir / 'mnt').mkdir()
        for option in ('echo=maybe', 'echo'):
            with self.subTest(option):
                self.assert_refused('mount', '-o', option, database.path, self.dir / 'mnt', names='echo=', status=2)


if __name__ == '__main__':
    unittest.main()
