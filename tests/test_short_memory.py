"""A daemon that gets no memory at some point of its work: it says so, goes on, and loses nothing that it has acknowledged.

Each session makes the same calls while one allocation of the daemon fails (and the next one, or the next ten). Which one grows
from session to session. PYMODFS_SHORT_MEMORY=N tries every N-th (default: some forty in all). A fresh database follows a hundred
sessions: what they make stays, and the more there is, the more a session needs.
"""

import json
import os
import struct
import unittest

from tests.support import PYTHON, Process, TestCase, wait_until
from tests.support.build import BUILD

STEP = int(os.environ.get('PYMODFS_SHORT_MEMORY', '0'))
PER_DATABASE = 100

# Prints what may be in each file afterwards (null: it may be missing), and the errors that there were.
SESSION = r'''
import collections, errno, json, os, pathlib, shutil, sqlite3, sys

mnt, top, database = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
may, errors = collections.defaultdict(lambda: [None]), collections.Counter()
here = mnt / top


def attempt(call, *args):
    try:
        call(*args)
        return True
    except OSError as error:
        errors[errno.errorcode[error.errno]] += 1
        return False


def save(name, text):
    path = '%s/%s' % (top, name)
    may[path] = [text] if attempt((here / name).write_text, text) else may[path] + [text]


def save_by_rename(name, text):
    path = '%s/%s' % (top, name)
    other = here / ('.' + name + '.swp')
    if attempt(other.write_text, text):
        may[path] = [text] if attempt(os.replace, other, here / name) else may[path] + [text]


def move(name, new):
    old, there = '%s/%s' % (top, name), '%s/%s' % (top, new)
    if attempt(os.rename, here / name, here / new):
        may[there], may[old] = may[old], [None]
    else:
        may[there], may[old] = may[there] + may[old], may[old] + [None]


def remove(name):
    path = '%s/%s' % (top, name)
    may[path] = [None] if attempt(os.unlink, here / name) else may[path] + [None]


attempt(os.mkdir, here)
save('a.py', 'A = 1\n')
save('b.txt', 'b' * 5000)
save('a.py', 'A = 2\n')
save_by_rename('a.py', 'A = 3\n')
save_by_rename('c.py', 'C = 1\n')
attempt(os.listdir, here)
attempt(lambda: [entry.stat() for entry in os.scandir(here)])
attempt((mnt / 'old.py').read_text)
attempt(os.stat, mnt / 'nothing.py')
attempt(os.chmod, here / 'a.py', 0o600)
attempt(os.mkdir, here / '__pycache__')
attempt((here / '__pycache__/a.cpython-311.pyc').write_bytes, b'x')
attempt(os.symlink, 'a.py', here / 'l')
attempt(os.readlink, here / 'l')
move('b.txt', 'd.txt')
save('d.txt', 'd' * 10)
move('c.py', 'e.py')
attempt((mnt / '.pymodfs/status').read_text)
attempt((mnt / '.pymodfs/feed').read_text)
attempt(lambda: os.listdir(mnt / '.pymodfs/history'))
attempt(lambda: [p.read_text() for p in (mnt / '.pymodfs/history/old.py').iterdir()])
attempt(lambda: os.listdir(mnt / '.pymodfs/at' / (mnt / '.pymodfs/generation').read_text().strip()))
with sqlite3.connect(database, timeout=10) as connection:
    connection.execute('INSERT INTO module VALUES (?, ?)', (top + '.sql', 'S = 1\n'))
may[top + '/sql.py'] = ['S = 1\n']
attempt((here / 'sql.py').read_text)
save('f.py', 'F = 1\n')
remove('f.py')
print(json.dumps([may, errors]))
'''


class ShortMemoryTest(TestCase):
    def setUp(self):
        super().setUp()
        self.order = self.dir / 'order'
        self.order.write_bytes(bytes(32))

    def mount_new(self, number):
        """The mount of a fresh database."""
        self.mnt = self.mount(database=self.database({'old': 'V = 1\n'}, f'{number}.db'), env={
            'LD_PRELOAD': str(BUILD / 'tests' / 'libshort_memory.so'), 'SHORT_MEMORY': str(self.order),
            'XDG_CACHE_HOME': str(self.dir / 'cache')})

    def give_order(self, pid, left, width):
        with open(self.order, 'r+b', 0) as file:
            file.write(struct.pack('qqqq', pid, left, width, 0))

    def read_order(self):
        return struct.unpack('qqqq', self.order.read_bytes())

    def session(self, name, left, width):
        """What may be in its files, and how many allocations failed."""
        self.give_order(self.mnt.pid, left, width)
        with Process(PYTHON, '-c', SESSION, self.mnt.path, name, self.mnt.database.path) as process:
            self.assertEqual(process.wait(60), 0, process.output)
            failed = self.read_order()[3]
            self.give_order(0, 0, 0)
            may, errors = json.loads(process.output)
        self.assertLessEqual(set(errors), {'ENOMEM', 'ENOSPC', 'EIO', 'ENOENT', 'ENOTDIR', 'EEXIST', 'ENOTCONN'}, errors)
        return may, failed

    def seen(self, may):
        found = {}
        for path in may:
            try:
                found[path] = (self.mnt.path / path).read_text()
            except FileNotFoundError:
                found[path] = None
        return found

    def check(self, may):
        def wrong():
            return {path: text for path, text in self.seen(may).items() if text not in may[path]}
        try:
            wait_until(lambda: not wrong())
        except AssertionError:
            self.assertEqual(wrong(), {}, may)

    def some_sessions(self, left, width):
        """As many as a root that is still small has room for; how many, and which is to be tried next (None: no call fails any more)."""
        self.mount_new(left)
        self.session('warm', 1 << 40, 1)
        expected = {}
        for tried in range(1, PER_DATABASE + 1):
            may, failed = self.session(f's{left}', left, width)
            with self.subTest(left=left):
                self.check(may)
            expected.update(may)
            left = left + (STEP or 1 + left // 8) if failed else None
            if left is None:
                break
        self.mnt.umount()
        self.assertEqual(self.mnt.database.problems(), [])
        self.mnt.mount()
        self.check(expected)
        self.mnt.umount()
        return tried, left

    def sessions(self, width):
        left, count = 1, 0
        while left:
            tried, left = self.some_sessions(left, width)
            count += tried
        self.assertGreater(count, 20)

    def test_one_failed_allocation_costs_no_more_than_an_error(self):
        self.sessions(1)

    def test_ten_in_a_row_cost_no_more_than_errors(self):
        self.sessions(10)


if __name__ == '__main__':
    unittest.main()
