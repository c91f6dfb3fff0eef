"""What docs/durability.md promises: a call that changes something returns after the database's log is on the disk."""

import os
import re
import time
import unittest
from pathlib import Path

from tests.support import Process, TestCase, wait_until


class SyncTest(TestCase):
    def setUp(self):
        super().setUp()
        self.mnt = self.mount({'old': 'V = 1\n', 'other': 'V = 1\n'})
        # SQLite opens the connection that writes with the first save.
        (self.mnt.path / 'first.py').write_text('V = 1\n')
        self.trace = self.dir / 'trace'
        self.process(Process('strace', '-f', '-y', '-ttt', '-e', 'trace=fdatasync,fsync', '-o', self.trace, '-p', self.mnt.pid))
        wait_until(self.is_traced, what='strace to attach')

    def is_traced(self):
        """strace has attached to every thread."""
        tasks = list(Path(f'/proc/{self.mnt.pid}/task').iterdir())
        return not [task for task in tasks if 'TracerPid:\t0\n' in (task / 'status').read_text()]

    def syncs(self, begun, ended):
        """How often the log was synced with success between two moments."""
        lines = re.findall(r'^\d+ +([\d.]+) (?:fdatasync|fsync)\(\d+<[^>]*-wal>\) += 0$', self.trace.read_text(), re.MULTILINE)
        return sum(begun <= float(moment) <= ended for moment in lines)

    def check(self, change):
        begun = time.time()
        change()
        ended = time.time()
        wait_until(lambda: self.syncs(begun, ended) > 0, 10, 'a sync of the log before the call returned')

    def save(self, name, text):
        (self.mnt.path / name).write_text(text)

    def test_close_rename_unlink_mkdir_and_chmod_return_after_a_sync(self):
        top = self.mnt.path
        for name, change in (('close', lambda: self.save('old.py', 'V = 2\n')),
                             ('close of a new file', lambda: self.save('new.py', 'V = 1\n')),
                             ('rename', lambda: os.rename(top / 'new.py', top / 'newer.py')),
                             ('rename over', lambda: os.rename(top / 'newer.py', top / 'old.py')),
                             ('unlink', lambda: os.unlink(top / 'other.py')),
                             ('mkdir', lambda: os.mkdir(top / 'pkg')),
                             ('chmod', lambda: os.chmod(top / 'old.py', 0o600))):
            with self.subTest(name):
                self.check(change)

    def test_fsync_returns_after_a_sync(self):
        with open(self.mnt.path / 'old.py', 'w', encoding='utf-8') as file:
            file.write('V = 3\n')
            file.flush()
            self.check(lambda: os.fsync(file.fileno()))

    def test_reading_syncs_nothing(self):
        begun = time.time()
        (self.mnt.path / 'old.py').read_text()
        self.check(lambda: self.save('old.py', 'V = 4\n'))
        self.assertEqual(self.syncs(begun, time.time()), 1)


if __name__ == '__main__':
    unittest.main()
