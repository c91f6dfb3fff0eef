"""Another program holds the database's write lock: reads go on, a save waits for its bound, then fails, and nothing of it lingers.

The lock is held for a fiftieth of the bound, for three fifths of it, and for twelve times that; the bound is half a second.
`PYMODFS_LOCK_BOUND=5000 tools/check test_foreign_locks` is the full run, with the default bound: 0.1 s, 3 s and 60 s.
"""

import concurrent.futures
import contextlib
import errno
import os
import time
import unittest

from tests.support import PYTHON, Process, TestCase, files_of, wait_until

BOUND = int(os.environ.get('PYMODFS_LOCK_BOUND', '500')) / 1000

HOLD = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute('BEGIN IMMEDIATE')
connection.execute("UPDATE module SET source = 'V = -1' WHERE name = 'held'")
print('held', flush=True)
time.sleep(float(sys.argv[2]))
connection.execute(sys.argv[3])
print('released', flush=True)
time.sleep(600)
"""

# Looks at everything, again and again; tells how often, and the longest pause between two.
READ = """
import os, signal, sys, time
stop = []
signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
top, turns, longest, last = sys.argv[1], 0, 0, time.monotonic()
while not stop:
    with open(f'{top}/held.py') as file:
        file.read()
    os.stat(f'{top}/saved.py')
    os.path.exists(f'{top}/none{turns}.py')
    os.listdir(f'{top}/pkg' if turns % 2 else top)
    with open(f'{top}/pkg/m{turns % 50}.py') as file:
        file.read()
    turns += 1
    longest, last = max(longest, time.monotonic() - last), time.monotonic()
    if turns % 50 == 0:
        print('turns', turns, flush=True)
print('longest', longest, flush=True)
"""


class LockTest(TestCase):
    def setUp(self):
        super().setUp()
        rows = {'held': 'V = 0', 'saved': 'V = 0\n', 'pkg.__init__': '', **{f'pkg.m{n}': f'V = {n}\n' for n in range(50)}}
        self.mnt = self.mount(rows, f'busy_timeout={round(BOUND * 1000)}')
        self.saved = self.mnt.path / 'saved.py'

    def hold(self, seconds, end='COMMIT'):
        holder = self.process(Process(PYTHON, '-c', HOLD, self.mnt.database.path, seconds, end))
        holder.wait_output('held')
        return holder

    @contextlib.contextmanager
    def readers(self):
        """While the block runs two readers read, and neither ever pauses for as long as a save waits."""
        readers = [self.process(Process(PYTHON, '-c', READ, self.mnt.path)) for _ in range(2)]
        for reader in readers:
            reader.wait_output('turns')
        yield
        for reader in readers:
            before = reader.output.count('turns')
            wait_until(lambda reader=reader, before=before: reader.output.count('turns') > before, BOUND + 10, 'another look')
            reader.signal(15)
            self.assertEqual(reader.wait(), 0, reader.output)

    def assert_busy(self, call, *args):
        """The call waits for its bound and fails with EBUSY."""
        begun = time.monotonic()
        with self.assertRaises(OSError) as caught:
            call(*args)
        self.assertEqual(caught.exception.errno, errno.EBUSY)
        self.assertGreater(time.monotonic() - begun, BOUND * 0.9)

    def test_a_save_waits_for_a_short_lock(self):
        for part in (0.02, 0.6):
            with self.subTest(part), self.readers():
                holder = self.hold(BOUND * part)
                self.saved.write_text(f'V = {part}\n')
                self.assertIn('released', holder.output)
                self.assertEqual(self.mnt.database.rows()['saved'], f'V = {part}\n'.encode())

    def test_a_save_fails_at_close_when_the_lock_stays_and_all_works_afterwards(self):
        acknowledged = {}
        with self.readers():
            holder = self.hold(BOUND * 12)
            self.assert_busy(self.saved.write_text, 'V = "lost"\n')
            self.assertEqual(self.saved.read_text(), 'V = 0\n')
            self.assert_busy((self.mnt.path / 'new.py').write_text, 'V = "lost"\n')
            self.assertFalse((self.mnt.path / 'new.py').exists())
            for call, *args in ((os.unlink, self.saved), (os.rename, self.saved, self.mnt.path / 'moved.py'),
                                (os.mkdir, self.mnt.path / 'dir'), (os.chmod, self.saved, 0o600), (os.truncate, self.saved, 0)):
                with self.subTest(call.__name__):
                    self.assert_busy(call, *args)
            self.assertNotIn('released', holder.output)
            self.assertIn('saved', self.mnt.log)
            self.assertEqual(self.saved.read_text(), 'V = 0\n')
            holder.wait_output('released', timeout=BOUND * 12 + 30)
            for number in range(20):
                acknowledged[f'after{number}'] = text = f'V = {number}\n'
                (self.mnt.path / f'after{number}.py').write_text(text)
            self.saved.write_text('V = 1\n')
        wait_until(lambda: (self.mnt.path / 'held.py').read_text() == 'V = -1')
        self.mnt.kill()
        self.mnt.mount()
        files = files_of(self.mnt.path)
        self.assertEqual(files.keys() & {'new.py', 'moved.py', 'dir'}, set())
        self.assertEqual(files['saved.py'], b'V = 1\n')
        self.assertEqual({name: files[f'{name}.py'].decode() for name in acknowledged}, acknowledged)
        self.assertEqual(self.mnt.database.problems(), [])

    def test_several_saves_wait_side_by_side(self):
        """Each has its own bound, however many wait before it."""
        holder = self.hold(BOUND * 2.5)
        code = ('import sys\ntry:\n    with open(sys.argv[1], "w") as file: file.write("x")\n'
                'except OSError as error: print(error.errno)')
        savers = [self.process(Process(PYTHON, '-c', code, self.mnt.path / f'pkg/m{n}.py')) for n in range(6)]
        for saver in savers:
            self.assertEqual(saver.wait(), 0)
            self.assertEqual(saver.output, f'{errno.EBUSY}\n')
        self.assertNotIn('released', holder.output)

    def test_of_several_who_write_one_file_each_is_told_that_its_save_failed(self):
        """Also when that of another one has failed before; and none is saved after that."""
        holder = self.hold(600)
        files = [os.open(self.saved, os.O_WRONLY) for _ in range(3)]
        for file in files:
            os.write(file, b'V = "lost"\n')
        with concurrent.futures.ThreadPoolExecutor() as closers:
            failures = [close.exception() for close in [closers.submit(os.close, file) for file in files[:2]]]
        self.assertEqual([failure and failure.errno for failure in failures], [errno.EBUSY] * 2)
        self.assert_busy(os.close, files[2])
        holder.kill()
        self.assertEqual(self.saved.read_text(), 'V = 0\n')
        self.assertEqual(self.mnt.database.read('saved'), b'V = 0\n')

    def test_who_writes_on_after_a_failed_save_can_save_again(self):
        with open(self.saved, 'w', encoding='utf-8') as file:
            file.write('V = 2\n')
            file.flush()
            holder = self.hold(BOUND * 3, 'ROLLBACK')
            self.assert_busy(os.fsync, file.fileno())
            holder.wait_output('released')
            file.write('W = 2\n')
        self.assertEqual(self.mnt.database.read('saved'), b'V = 2\nW = 2\n')
        self.assertEqual(self.mnt.database.read('held'), b'V = 0')


if __name__ == '__main__':
    unittest.main()
