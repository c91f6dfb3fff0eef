"""While a module is saved as fast as it can be, every read is one whole version, and none is older than what is known.

PYMODFS_READS says how many reads there are of each way to save (default 10000), over a fortieth as many versions;
`PYMODFS_READS=200000 tools/check test_torn_and_stale_reads` is the full run.
"""

import contextlib
import json
import os
import re
import sqlite3
import threading
import unittest

from tests.support import PYTHON, Process, TestCase, python, wait_until

READS = int(os.environ.get('PYMODFS_READS', '10000'))
VERSIONS = READS // 40

# A version is a line with its number, filler that makes it several pages long, and the number again. WAY is how it is saved.
SAVE = """
import os, sqlite3, sys
path, way, database, stop, versions = sys.argv[1:6]
number, connection = 0, sqlite3.connect(database, timeout=10, isolation_level=None)
while number < int(versions) or not os.path.exists(stop):
    number += 1
    text = b'V = %d\\n' % number + b'# filler\\n' * (500 + number * 37 % 3000) + b'W = %d\\n' % number
    if way == 'in place':
        fd = os.open(path, os.O_WRONLY | os.O_TRUNC)
        for start in range(0, len(text), 4096):
            os.write(fd, text[start:start + 4096])
        os.close(fd)
    elif way == 'rename':
        fd = os.open(path + '.tmp', os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.write(fd, text)
        os.close(fd)
        os.rename(path + '.tmp', path)
    else:
        connection.execute('UPDATE module SET source = ? WHERE name = ?', (text.decode(), 'a'))
    if number == int(versions):
        open(stop + '.enough', 'w').close()
print(number, flush=True)
"""

# Reads at least COUNT times and until there were enough versions; each read must be whole and none older than the one before.
# Every other one asks for the size first, every hundredth is an import, with bytecode. Every fifth is beside a listing, whose answer has
# attributes too, and may come to be used after another reader's look-up.
READ = """
import importlib, os, re, sys
path, count, enough = sys.argv[1], int(sys.argv[2]), sys.argv[3]
sys.path.insert(0, os.path.dirname(path))
last, versions, turn = 0, set(), 0
while turn < count or not os.path.exists(enough):
    turn += 1
    if turn % 5 == 0:
        os.listdir(os.path.dirname(path))
    if turn % 100 == 0:
        sys.modules.pop('a', None)
        importlib.invalidate_caches()
        import a
        if a.V != a.W:
            sys.exit(f'import {turn}: {a.V} and {a.W}')
        number = a.V
    else:
        size = os.stat(path).st_size if turn % 2 else None
        with open(path, 'rb') as file:
            if size is None:
                size = os.fstat(file.fileno()).st_size
                text = file.read()
                if len(text) != size:
                    sys.exit(f'read {turn}: {len(text)} bytes of {size}')
            else:
                text = file.read()
        lines = text.split(b'\\n')
        if len(lines) < 3:
            sys.exit(f'read {turn}: torn: {text!r}')
        first, final = re.fullmatch(rb'V = (\\d+)', lines[0]), re.fullmatch(rb'W = (\\d+)', lines[-2])
        if not first or not final or first[1] != final[1] or set(lines[1:-2]) != {b'# filler'} or \\
                len(lines) != 503 + int(first[1]) * 37 % 3000:
            sys.exit(f'read {turn}: torn: {lines[0]!r} ... {lines[-2:]!r}, {len(text)} bytes, {len(lines)} lines')
        number = int(first[1])
    if number < last:
        sys.exit(f'read {turn}: version {number} after version {last}')
    last = number
    versions.add(last)
print(turn, *sorted(versions), flush=True)
"""


class ReadTest(TestCase):
    def read_while_saved(self, way):
        first = 'V = 0\n' + '# filler\n' * 500 + 'W = 0\n'
        mnt = self.mount({'a': first})
        path, stop = mnt.path / 'a.py', self.dir / 'stop'
        writer = self.process(Process(PYTHON, '-c', SAVE, path, way, mnt.database.path, stop, VERSIONS))
        readers = [self.process(Process(PYTHON, '-c', READ, path, READS // 3 + 1, f'{stop}.enough')) for _ in range(3)]
        for reader in readers:
            self.assertEqual(reader.wait(timeout=60 + READS / 100), 0, reader.output + writer.output)
        stop.touch()
        self.assertEqual(writer.wait(), 0, writer.output)
        written = int(writer.output)
        self.assertIn(f'V = {written}\n'.encode(), mnt.database.read('a')[:20])
        wait_until(lambda: path.read_bytes() == mnt.database.read('a'))
        self.check_committed(mnt, written, [list(map(int, reader.output.split())) for reader in readers])

    def check_committed(self, mnt, written, found):
        """Everything that a reader has seen is in the history, which has each version that was written once."""
        history = mnt.database.execute('SELECT CAST(substr(content, 1, 20) AS BLOB) FROM pymodfs_version '
                                       'WHERE content IS NOT NULL ORDER BY id')
        committed = [int(re.match(rb'V = (\d+)\n', text)[1]) for text, in history]
        self.assertEqual(committed, list(range(written)))
        seen = set().union(*(reader[1:] for reader in found))
        self.assertLessEqual(seen, {*committed, written})
        reads = sum(reader[0] for reader in found)
        self.assertGreaterEqual(reads, READS)
        self.assertGreaterEqual(written, VERSIONS)
        print(f'{reads} reads saw {len(seen)} of {written} versions', flush=True)

    def test_saves_in_place_are_never_read_in_part(self):
        self.read_while_saved('in place')

    def test_saves_by_rename_are_never_read_in_part(self):
        self.read_while_saved('rename')

    def test_updates_by_sql_are_never_read_in_part(self):
        self.read_while_saved('sql')

    @contextlib.contextmanager
    def unpublished(self, mnt, statement):
        """What another program commits in the block can't be published before its end: a directory of the mount is locked all the time.

        An unlink locks it, which waits for the lock of the database, which is another program's before and after the commit.
        """
        holder = sqlite3.connect(mnt.database.path, timeout=10, isolation_level=None)
        with contextlib.closing(holder):
            waiting = self.commit_unpublished(mnt, holder, statement)
            while b'V = 0\n' != mnt.database.read('p.gone'):
                # The unlink was quicker than this program between its two transactions: all as it was, and again.
                holder.execute('ROLLBACK')
                waiting.join()
                mnt.database.put({name: 'V = 0\n' for name in ('p.gone', *mnt.database.rows())})
                wait_until(lambda: mnt.generation() == mnt.database.newest())
                waiting = self.commit_unpublished(mnt, holder, statement)
            try:
                yield
            finally:
                holder.execute('ROLLBACK')
                waiting.join()

    def commit_unpublished(self, mnt, holder, statement):
        def unlinks():
            return json.loads((mnt.control / 'status').read_text())['requests'].get('unlink', 0)
        before = unlinks()
        holder.execute('BEGIN IMMEDIATE')
        holder.execute(statement)
        waiting = threading.Thread(target=os.unlink, args=[mnt.path / 'p/gone.py'])
        waiting.start()
        wait_until(lambda: unlinks() > before)
        holder.execute('COMMIT')
        holder.execute('BEGIN IMMEDIATE')
        return waiting

    def test_a_change_by_sql_is_there_for_nobody_or_for_all_wherever_one_looks(self):
        """Its first module is cached by the kernel, which can't be told of it; its second one was never looked at."""
        mnt = self.mount({name: 'V = 0\n' for name in ('p.a', 'p.gone', 'q.b', 'q.c')}, 'busy_timeout=60000')
        first, second = mnt.path / 'p/a.py', mnt.path / 'q/b.py'
        self.assertEqual(first.read_text(), 'V = 0\n')
        with self.unpublished(mnt, "UPDATE module SET source = 'V = 1' || char(10, 10) WHERE name IN ('p.a', 'q.b')"):
            for path in (first, second, first):
                with open(path, encoding='utf-8') as file:
                    self.assertEqual((path.stat().st_size, os.fstat(file.fileno()).st_size, file.read()), (6, 6, 'V = 0\n'))
            self.assertEqual(sorted(os.listdir(mnt.path / 'q')), ['b.py', 'c.py'])
            self.assertEqual(second.stat().st_size, 6)
            # Who writes has what is newest: he adds to that.
            with open(second, 'a', encoding='utf-8') as file:
                self.assertEqual(file.tell(), 7)
        wait_until(lambda: first.read_text() == 'V = 1\n\n')
        self.assertEqual((second.stat().st_size, second.read_text()), (7, 'V = 1\n\n'))
        self.assertEqual(os.listdir(mnt.path / 'p'), ['a.py'])

    def test_what_is_open_can_be_opened_again_by_its_descriptor_though_its_name_leads_elsewhere(self):
        mnt = self.mount({'a': 'V = 0\n'})
        (mnt.path / 'data.txt').write_text('V = 0\n')
        for path in (mnt.path / 'a.py', mnt.path / 'data.txt'):
            with self.subTest(path.name), open(path, encoding='utf-8') as file:
                path.write_text('V = 1\n')
                for _ in range(2):
                    with open(f'/proc/self/fd/{file.fileno()}', encoding='utf-8') as again:
                        self.assertEqual(again.read(), 'V = 0\n')
                    self.assertEqual(path.read_text(), 'V = 1\n')
                self.assertEqual(file.read(), 'V = 0\n')

    def test_what_close_has_returned_for_is_what_the_next_look_shows(self):
        mnt = self.mount({'a': 'V = 0\n'})
        path = mnt.path / 'a.py'
        for number in range(1, 500):
            text = f'V = {number}\n' + '#' * (number % 97)
            path.write_text(text)
            self.assertEqual((path.stat().st_size, path.read_text()), (len(text), text))

    def test_bytecode_is_never_older_than_its_source_however_quick_the_edits(self):
        mnt = self.mount({'a': 'V = 10\n'})
        for number in range(11, 51):
            (mnt.path / 'a.py').write_text(f'V = {number}\n')
            self.assertEqual(python('-c', 'import a; print(a.V)', path=mnt.path).stdout, f'{number}\n')
        self.assertEqual(mnt.database.rows(), {'a': b'V = 50\n'})


if __name__ == '__main__':
    unittest.main()
