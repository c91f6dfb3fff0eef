"""The control directory of a mount (docs/control-directory.md)."""

import contextlib
import errno
import json
import os
import select
import sqlite3
import stat
import threading
import unittest

from tests.support import PATIENCE, PYMODFS, TestCase, files_of, pymodfs, run, wait_until


class Feed:
    """A reader of the feed: unbuffered, with poll()."""

    def __init__(self, mnt):
        self.fd = os.open(mnt.control / 'feed', os.O_RDONLY)
        self.poll = select.poll()
        self.poll.register(self.fd, select.POLLIN)

    def read(self, size=65536):
        return [line.split('\t') for line in os.read(self.fd, size).decode().splitlines()]

    def wait(self, seconds=10):
        """What poll() reports within the time."""
        return [event for _, event in self.poll.poll(seconds * 1000)]

    def wait_lines(self, seconds=10):
        """The next lines, which the feed must announce by poll()."""
        if not self.wait(seconds * PATIENCE):
            raise AssertionError(f'nothing in the feed within {seconds} s')
        return self.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.fd)


def refused(call, *arguments):
    """The name of the error that a call fails with."""
    try:
        call(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]
    return 'no error'


def publish(mnt, change):
    """Makes a change and waits until it is published: a change of names is a moment after the call has returned."""
    generation = mnt.generation()
    change()
    wait_until(lambda: mnt.generation() > generation)


def put_all(database, rows):
    """Updates in one transaction, whose statements take their time."""
    with contextlib.closing(sqlite3.connect(database.path, timeout=10)) as connection, connection:
        for name, source in rows.items():
            connection.execute('UPDATE module SET source = ? WHERE name = ?', (source, name))


def transact(database, *statements):
    with contextlib.closing(sqlite3.connect(database.path, timeout=10)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def parts(text):
    """The contents in a file `at/GENERATION.changed`, by their paths."""
    found = {}
    while text:
        head, text = text.split(b'\n', 1)
        size, path = head.split(b' ', 1)
        found[path.decode()], text = text[:int(size)], text[int(size):]
    return found


class ControlDirectoryTest(TestCase):
    def test_it_is_hidden_and_can_be_opened_by_name(self):
        mnt = self.mount({'a': 'V = 1\n'})
        self.assertEqual(os.listdir(mnt.path), ['a.py'])
        self.assertEqual(sorted(os.listdir(mnt.control)), ['at', 'feed', 'generation', 'history', 'status'])
        self.assertTrue(stat.S_ISDIR(os.stat(mnt.control).st_mode))

    def test_it_is_read_only(self):
        mnt = self.mount({'a': 'V = 1\n'})
        generation = mnt.generation()
        old = mnt.control / f'at/{generation}/a.py'
        for path in (mnt.control / 'generation', mnt.control / 'new', old, mnt.control / f'at/{generation}/new.py'):
            with self.subTest(path=path.relative_to(mnt.path)):
                self.assertIn(refused(open, path, 'w'), ('EROFS', 'EACCES', 'EPERM'))
        for call, *arguments in ((os.unlink, old), (os.mkdir, mnt.control / 'dir'), (os.rmdir, mnt.control),
                                 (os.rmdir, mnt.control / 'at'), (os.chmod, old, 0o777), (os.truncate, old, 0),
                                 (os.rename, old, mnt.control / 'x'), (os.rename, mnt.control, mnt.path / 'x'),
                                 (os.symlink, 'x', mnt.control / 'link'), (os.utime, old),
                                 (os.rename, mnt.path / 'a.py', mnt.control / 'feed')):
            with self.subTest(call=call.__name__, arguments=arguments):
                self.assertIn(refused(call, *arguments), ('EROFS', 'EACCES', 'EPERM', 'EXDEV'))
        self.assertEqual(mnt.database.rows(), {'a': b'V = 1\n'})
        self.assertEqual(mnt.generation(), generation)

    def test_what_is_not_there_is_not_there(self):
        mnt = self.mount({'a': 'V = 1\n'})
        for name in ('x', 'at/x', 'at/-1', 'at/0x1', 'at/01', 'at/999999', 'at/99999999999999999999', 'history/x.py',
                     'history/a.py/x', 'history/a.py/999', f'at/{mnt.generation()}/x.py',
                     f'at/{mnt.generation()}/a.py/x', 'status/x'):
            with self.subTest(name=name):
                self.assertIn(refused(os.stat, mnt.control / name), ('ENOENT', 'ENOTDIR'))


class GenerationTest(TestCase):
    def test_a_save_or_a_transaction_raises_it_to_the_newest_change(self):
        mnt = self.mount({'a': 'V = 1\n', 'b': 'V = 1\n'})
        first = mnt.generation()
        self.assertEqual(first, mnt.database.newest())
        (mnt.path / 'a.py').write_text('V = 2\n')
        self.assertEqual(mnt.generation(), first + 1)
        with Feed(mnt) as feed:
            feed.read()
            put_all(mnt.database, {'a': 'V = 3\n', 'b': 'V = 3\n'})
            self.assertEqual([line[0] for line in feed.wait_lines()], [str(first + 3)] * 2)
        self.assertEqual(mnt.generation(), first + 3)
        self.assertEqual(mnt.database.newest(), first + 3)

    def test_it_is_the_one_that_the_commands_know(self):
        mnt = self.mount({'p.a': 'V = 1\n', 'p.b': 'V = 1\n'})
        publish(mnt, lambda: os.rename(mnt.path / 'p', mnt.path / 'q'))
        number, files = mnt.generation(), files_of(mnt.path)
        publish(mnt, lambda: os.rename(mnt.path / 'q', mnt.path / 'r'))
        mnt.umount()
        mnt.mount()
        publish(mnt, lambda: pymodfs('restore', '--generation', number, mnt.database.path))
        self.assertEqual(files_of(mnt.path), files)
        newest = json.loads(pymodfs('log', '--json', mnt.database.path).stdout.splitlines()[0])
        self.assertEqual(newest['change'], mnt.generation())
        self.assertEqual(pymodfs('diff', '--from', mnt.generation(), mnt.database.path).stdout, '')

    def test_what_stays_in_memory_has_none(self):
        mnt = self.mount({'a': 'V = 1\n'})
        first = mnt.generation()
        with Feed(mnt) as feed:
            feed.read()
            (mnt.path / '.a.py.swp').write_text('swap')
            (mnt.path / '__pycache__').mkdir()
            (mnt.path / '.a.py.swp').unlink()
            self.assertEqual(feed.read(), [])
        self.assertEqual(mnt.generation(), first)

    def test_it_does_not_change_without_a_change(self):
        mnt = self.mount({'a': 'V = 1\n'})
        first = mnt.generation()
        (mnt.path / 'a.py').read_text()
        os.listdir(mnt.path)
        mnt.database.read('a')
        self.assertEqual(mnt.generation(), first)

    def test_it_never_goes_back_over_a_new_mount(self):
        mnt = self.mount({'a': 'V = 1\n'})
        for value in range(5):
            (mnt.path / 'a.py').write_text(f'V = {value + 10}\n')
        before = mnt.generation()
        mnt.umount()
        mnt.mount()
        self.assertGreaterEqual(mnt.generation(), before)


class FeedTest(TestCase):
    def test_a_stream_begins_with_now_and_the_name_of_the_mount(self):
        mnt = self.mount({'a': 'V = 1\n'})
        with Feed(mnt) as one, Feed(mnt) as two:
            line, = one.read()
            self.assertEqual(line[:3], [str(mnt.generation()), 'now', '-'])
            self.assertEqual(two.read(), [line])
        mnt.umount()
        mnt.mount()
        with Feed(mnt) as again:
            self.assertNotEqual(again.read()[0][3], line[3])

    def test_a_read_does_not_block(self):
        with Feed(self.mount()) as feed:
            feed.read()
            self.assertEqual(os.read(feed.fd, 100), b'')
            self.assertEqual(os.read(feed.fd, 100), b'')

    def test_cat_shows_a_line_and_ends(self):
        mnt = self.mount()
        self.assertRegex(run('cat', mnt.control / 'feed').stdout, '^[0-9]+\tnow\t-\t[0-9a-f]{16}\n$')

    def test_every_kind_of_change_has_its_line(self):
        mnt = self.mount({'a': 'V = 1\n'})
        with Feed(mnt) as feed:
            start = int(feed.read()[0][0])
            for change, lines in (
                    (lambda: (mnt.path / 'a.py').write_text('V = 2\n'), [['update', 'a', '#']]),
                    (lambda: (mnt.path / 'b.py').write_text('V = 2\n'), [['insert', 'b', '#']]),
                    (lambda: os.rename(mnt.path / 'b.py', mnt.path / 'c.py'), [['delete', 'b', '-'], ['insert', 'c', '#']]),
                    (lambda: os.chmod(mnt.path / 'c.py', 0o600), [['attr', 'c', '-']]),
                    (lambda: os.unlink(mnt.path / 'c.py'), [['delete', 'c', '-']]),
                    (lambda: os.mkdir(mnt.path / 'pkg'), [['insert', './pkg', '-']]),
                    (lambda: (mnt.path / 'pkg/__init__.py').write_text('V = 2\n'), [['insert', 'pkg.__init__', '#']]),
                    (lambda: (mnt.path / 'pkg/data.txt').write_text('text'), [['insert', './pkg/data.txt', '#']])):
                change()
                start += len(lines)
                got = feed.wait_lines()
                with self.subTest(lines=lines):
                    self.assertEqual([[line[1], line[2], '#' if line[3].isdigit() else line[3]] for line in got], lines)
                    self.assertEqual({int(line[0]) for line in got}, {start})

    def test_special_characters_are_escaped(self):
        mnt = self.mount()
        with Feed(mnt) as feed:
            feed.read()
            (mnt.path / 'a\tb\nc\\d.txt').write_text('text')
            (_, _, name, _), = feed.wait_lines()
            self.assertEqual(name, r'./a\tb\nc\\d.txt')

    def test_the_version_is_the_one_in_the_history(self):
        mnt = self.mount({'a': 'V = 1\n'})
        with Feed(mnt) as feed:
            feed.read()
            (mnt.path / 'a.py').write_text('V = 2\n')
            version = feed.read()[0][3]
            self.assertEqual((mnt.control / 'history/a.py' / version).read_text(), 'V = 2\n')

    def test_poll_waits_until_there_is_something(self):
        mnt = self.mount({'a': 'V = 1\n'})
        with Feed(mnt) as feed:
            self.assertEqual(feed.wait(), [select.POLLIN])
            feed.read()
            self.assertEqual(feed.wait(0.1), [])
            for value in range(2, 12):
                timer = threading.Timer(0.02, mnt.database.update, ('a', f'V = {value}\n'))
                timer.start()
                self.assertEqual([line[1:3] for line in feed.wait_lines()], [['update', 'a']])
                timer.join()
                self.assertEqual(feed.wait(0), [])

    def test_epoll_and_select_wait_too(self):
        mnt = self.mount({'a': 'V = 1\n'})
        with Feed(mnt) as feed, select.epoll() as epoll:
            feed.read()
            epoll.register(feed.fd, select.EPOLLIN | select.EPOLLET)
            for value in range(2, 6):
                timer = threading.Timer(0.02, mnt.database.update, ('a', f'V = {value}\n'))
                timer.start()
                self.assertEqual(select.select([feed.fd], [], [], 10)[0], [feed.fd])
                self.assertEqual(epoll.poll(10), [(feed.fd, select.EPOLLIN)])
                self.assertEqual(len(feed.read()), 1)
                timer.join()

    def test_polling_other_files_does_not_stop_the_feed_from_being_polled(self):
        mnt = self.mount({'a': 'V = 1\n'})
        poll = select.poll()
        with open(mnt.path / 'a.py', 'rb') as module, open(mnt.control / 'status', 'rb') as status, Feed(mnt) as feed:
            poll.register(module, select.POLLIN)
            poll.register(status, select.POLLIN)
            self.assertEqual(len(poll.poll(1000)), 2)
            feed.read()
            self.assertEqual(feed.wait(0.05), [])
            mnt.database.update('a', 'V = 2\n')
            self.assertEqual(feed.wait(), [select.POLLIN])

    def test_many_readers_all_wake(self):
        mnt = self.mount({'a': 'V = 1\n'})
        with contextlib.ExitStack() as stack:
            feeds = [stack.enter_context(Feed(mnt)) for _ in range(50)]
            for feed in feeds:
                feed.read()
                self.assertEqual(feed.wait(0), [])
            mnt.database.update('a', 'V = 2\n')
            for feed in feeds:
                self.assertEqual([line[1:3] for line in feed.wait_lines()], [['update', 'a']])

    def test_a_slow_reader_gets_an_overflow(self):
        mnt = self.mount({'a': 'V = 1\n'})
        with Feed(mnt) as slow:
            slow.read()
            for start in range(0, 60000, 20000):
                generation = mnt.generation()
                mnt.database.put({f'p{i:060}': '' for i in range(start, start + 20000)})
                wait_until(lambda: mnt.generation() > generation)
            last = mnt.generation()
            first = slow.read()[0]
            self.assertEqual(first[1:], ['overflow', '-', '-'])
            rest = [slow.read()]
            while rest[-1]:
                rest.append(slow.read())
            self.assertLessEqual(int(first[0]), last)
            mnt.database.update('a', 'V = 2\n')
            self.assertEqual(slow.wait_lines()[-1][:3], [str(last + 1), 'update', 'a'])

    def test_when_the_mount_goes_a_reader_learns_of_it(self):
        mnt = self.mount({'a': 'V = 1\n'})
        feed = Feed(mnt)
        feed.read()
        timer = threading.Timer(0.1, mnt.kill)
        timer.start()
        self.assertTrue(feed.wait()[0] & select.POLLERR)
        timer.join()
        self.assertIn(refused(feed.read), ('ENODEV', 'ENOTCONN', 'ECONNABORTED'))
        os.close(feed.fd)
        mnt.close()


class AtTest(TestCase):
    def test_each_generation_is_the_whole_tree_as_it_was(self):
        mnt = self.mount({'a': 'V = 1\n', 'pkg.__init__': '', 'pkg.b': 'W = 1\n'})
        states = {mnt.generation(): files_of(mnt.path)}
        for change in (lambda: (mnt.path / 'a.py').write_text('V = 2\n'),
                       lambda: (mnt.path / 'pkg/new.py').write_text('N = 2\n'),
                       lambda: os.rename(mnt.path / 'pkg', mnt.path / 'moved'),
                       lambda: os.unlink(mnt.path / 'a.py'),
                       lambda: (mnt.path / 'data.txt').write_bytes(b'\0\xff'),
                       lambda: os.unlink(mnt.path / 'moved/b.py')):
            publish(mnt, change)
            states[mnt.generation()] = files_of(mnt.path)
        self.assertEqual(len(states), 7)
        for generation, files in states.items():
            with self.subTest(generation=generation):
                self.assertEqual(files_of(mnt.control / f'at/{generation}'), files)
        self.assertEqual(sorted(map(int, os.listdir(mnt.control / 'at'))), sorted(states))

    def test_states_from_before_the_mount_are_there_but_not_listed(self):
        mnt = self.mount({'p.a': 'V = 1\n', 'p.b': 'V = 1\n'})
        states = {mnt.generation(): files_of(mnt.path)}
        publish(mnt, lambda: os.rename(mnt.path / 'p', mnt.path / 'q'))
        states[mnt.generation()] = files_of(mnt.path)
        mnt.umount()
        mnt.mount()
        for generation, files in states.items():
            self.assertEqual(files_of(mnt.control / f'at/{generation}'), files)
        last = mnt.generation()
        self.assertEqual(os.listdir(mnt.control / 'at'), [str(last)])
        for number in (last - 1, last + 1):
            self.assertEqual(refused(os.stat, mnt.control / f'at/{number}'), 'ENOENT')

    def test_what_a_generation_changed_is_in_one_piece(self):
        mnt = self.mount({'a': 'V = 1\n', 'b': 'V = 1\n', 'gone': 'V = 1\n', 'pkg.c': 'V = 1\n', 'same': ''})
        path = mnt.path / 'data.txt'
        publish(mnt, lambda: path.write_text('no module\n'))
        publish(mnt, lambda: transact(
            mnt.database, "UPDATE module SET source = 'V = 22' || char(10) WHERE name IN ('a', 'pkg.c')",
            "UPDATE module SET source = 'V = 3' WHERE name = 'gone'", "DELETE FROM module WHERE name = 'gone'",
            "UPDATE module SET name = 'moved' WHERE name = 'b'", "UPDATE module SET source = '' WHERE name = 'a'",
            "INSERT INTO module VALUES ('new', x'ff0a')"))
        changed = mnt.control / f'at/{mnt.generation()}.changed'
        self.assertEqual(parts(changed.read_bytes()), {
            'a.py': b'', 'moved.py': b'V = 1\n', 'new.py': b'\xff\n', 'pkg/c.py': b'V = 22\n'})
        # It may hold what not everybody may read.
        status = os.stat(changed)
        self.assertEqual((stat.S_IMODE(status.st_mode), status.st_uid), (0o400, os.stat(mnt.path).st_uid))
        for name in ('0.changed', '.changed', f'{mnt.generation() - 1}.changed', f'{mnt.generation()}.changed.changed'):
            self.assertEqual(refused(os.stat, mnt.control / 'at' / name), 'ENOENT', name)

    def test_a_transaction_of_50_rows_is_never_seen_in_part(self):
        names = [f'm{i:02}' for i in range(50)]
        mnt = self.mount(dict.fromkeys(names, 'V = 0\n'))
        rounds = 20
        seen, lines = set(), {}

        def write():
            for value in range(1, rounds + 1):
                put_all(mnt.database, dict.fromkeys(names, f'V = {value}\n'))
                if value % 2:  # the others are overtaken, as far as it goes
                    wait_until(lambda: f'V = {value}\n' in seen, 30)

        writer = threading.Thread(target=write)
        with Feed(mnt) as feed:
            start = int(feed.read()[0][0])
            writer.start()
            while sum(map(len, lines.values())) < rounds * 50:
                for line in feed.wait_lines(30):
                    lines.setdefault(int(line[0]), []).append(line[2])
                generation = mnt.generation()
                contents = {(mnt.control / f'at/{generation}/{name}.py').read_text() for name in names}
                self.assertEqual(len(contents), 1, f'generation {generation}: {contents}')
                seen.update(contents)
        writer.join()
        self.assertEqual((mnt.control / f'at/{mnt.generation()}/m00.py').read_text(), f'V = {rounds}\n')
        self.assertLessEqual({f'V = {value}\n' for value in range(1, rounds, 2)}, seen)
        self.assertEqual(sum(map(len, lines.values())), rounds * 50)
        for generation, changed in lines.items():
            self.assertGreater(generation, start)
            self.assertEqual(set(changed), set(names))

    def test_a_large_directory_is_listed_whole(self):
        names = [f'm{i:05}' for i in range(5000)]
        mnt = self.mount(dict.fromkeys(names, ''))
        generation = mnt.generation()
        mnt.database.put({'more': ''})
        wait_until(lambda: mnt.generation() > generation)
        self.assertEqual(sorted(os.listdir(mnt.control / f'at/{generation}')), [f'{name}.py' for name in names])
        self.assertEqual(len(os.listdir(mnt.control / f'at/{mnt.generation()}')), 5001)

    def test_times_and_sizes_are_those_of_then(self):
        mnt = self.mount({'a': 'V = 1\n'})
        before, generation = os.stat(mnt.path / 'a.py'), mnt.generation()
        (mnt.path / 'a.py').write_text('V = 1000\n')
        there = os.stat(mnt.control / f'at/{generation}/a.py')
        self.assertEqual((there.st_size, there.st_mtime_ns), (before.st_size, before.st_mtime_ns))
        self.assertEqual(stat.S_IMODE(there.st_mode), stat.S_IMODE(before.st_mode) & 0o555)

    def test_a_symbolic_link_is_one(self):
        mnt = self.mount({'a': 'V = 1\n'})
        publish(mnt, lambda: os.symlink('a.py', mnt.path / 'link.txt'))
        self.assertEqual(os.readlink(mnt.control / f'at/{mnt.generation()}/link.txt'), 'a.py')
        self.assertEqual((mnt.control / f'at/{mnt.generation()}/link.txt').read_text(), 'V = 1\n')


class HistoryTest(TestCase):
    def test_every_version_of_a_file_can_be_read(self):
        mnt = self.mount({'pkg.a': 'V = 0\n'})
        for value in range(1, 6):
            (mnt.path / 'pkg/a.py').write_text(f'V = {value}\n')
        directory = mnt.control / 'history/pkg/a.py'
        versions = sorted(map(int, os.listdir(directory)))
        self.assertEqual([(directory / str(v)).read_text() for v in versions], [f'V = {v}\n' for v in range(6)])
        self.assertEqual((mnt.control / 'history/pkg/a.py' / str(versions[0])).stat().st_size, 6)

    def test_what_is_deleted_is_still_there(self):
        mnt = self.mount({'pkg.a': 'V = 1\n', 'pkg.b': 'V = 2\n', 'c': 'V = 3\n'})
        for name in ('pkg.a', 'pkg.b', 'c'):
            mnt.database.delete(name)
        wait_until(lambda: not os.listdir(mnt.path))
        self.assertEqual(refused(os.stat, mnt.control / 'history/nothing'), 'ENOENT')
        self.assertEqual(sorted(os.listdir(mnt.control / 'history')), ['c.py', 'pkg'])
        self.assertEqual(sorted(os.listdir(mnt.control / 'history/pkg')), ['a.py', 'b.py'])
        version, = os.listdir(mnt.control / 'history/pkg/a.py')
        self.assertEqual((mnt.control / 'history/pkg/a.py' / version).read_text(), 'V = 1\n')

    def test_a_renamed_file_has_its_history_under_both_names(self):
        mnt = self.mount({'a': 'V = 1\n'})
        os.rename(mnt.path / 'a.py', mnt.path / 'b.py')
        (mnt.path / 'b.py').write_text('V = 2\n')
        for name in ('a.py', 'b.py'):
            directory = mnt.control / 'history' / name
            self.assertEqual({(directory / v).read_text() for v in os.listdir(directory)}, {'V = 1\n', 'V = 2\n'})


class StatusTest(TestCase):
    def status(self, mnt):
        return json.loads((mnt.control / 'status').read_text())

    def test_it_tells_what_is_mounted(self):
        mnt = self.mount({'a': 'V = 1\n', 'pkg.b': 'V = 2\n'})
        status = self.status(mnt)
        self.assertEqual((status['store'], status['mountpoint'], status['table'], status['pid'], status['read_only']),
                         (str(mnt.database.path), str(mnt.path), 'module', mnt.pid, False))
        self.assertEqual(status['generation'], mnt.generation())
        self.assertEqual((status['counts']['modules'], status['counts']['directories']), (2, 1))
        self.assertEqual(status['hidden'], {'count': 0, 'names': []})
        self.assertRegex(run(PYMODFS, '--version').stdout, status['pymodfs'])

    def test_it_counts_and_names_rows_that_are_hidden(self):
        mnt = self.mount({'a': 'V = 1\n', '..x': '', 'b/c': '', 'é..ü': ''})
        mnt.database.execute("INSERT INTO module VALUES (x'61ff00', '')")
        mnt.database.execute('INSERT INTO module VALUES (?, ?)', ('y' * 5000, ''))
        names = self.status(mnt)['hidden']['names']
        self.assertEqual(self.status(mnt)['hidden']['count'], 5)
        self.assertLessEqual({'..x', 'b/c', 'é..ü', r'a\xff\x00', 'y' * 200 + '...'}, set(names))

    def test_it_tells_the_last_error(self):
        mnt = self.mount({'a': 'V = 1\n'}, 'busy_timeout=100')
        self.assertIsNone(self.status(mnt)['last_error'])
        with contextlib.closing(sqlite3.connect(mnt.database.path)) as other:
            other.execute('BEGIN IMMEDIATE')
            self.assertEqual(refused((mnt.path / 'a.py').write_text, 'V = 2\n'), 'EBUSY')
            other.rollback()
        self.assertRegex(self.status(mnt)['last_error'], 'a.py.*lock')

    def test_it_is_there_after_many_hidden_rows(self):
        mnt = self.mount({f'..{i}': '' for i in range(1000)})
        hidden = self.status(mnt)['hidden']
        self.assertEqual((hidden['count'], len(hidden['names'])), (1000, 10))


if __name__ == '__main__':
    unittest.main()
