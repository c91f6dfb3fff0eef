"""What docs/durability.md promises: a call that changes something returns after the database's log is on the disk, and says so if it can't be."""

import errno
import os
import re
import time
import unittest
from pathlib import Path

from tests.support import Database, Process, TestCase, files_of, run, wait_until


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


class TroubleTest(TestCase):
    """Whatever becomes of the database: what isn't saved is an error, the log says once why, and what can be read is."""

    def setUp(self):
        super().setUp()
        self.mnt = self.mount({'a': 'V = 1\n', 'b': 'V = 2\n'})
        self.a = self.mnt.path / 'a.py'

    def assert_fails(self, number, call, *args):
        with self.assertRaises(OSError) as caught:
            call(*args)
        self.assertEqual(caught.exception.errno, number)

    def test_a_database_that_was_replaced_or_deleted_is_read_on_and_takes_no_save_until_it_is_back(self):
        path, away = self.mnt.database.path, self.dir / 'away.db'
        other = self.database({'a': 'V = "other"\n'}, 'other.db')
        os.rename(path, away)
        self.assert_fails(errno.EIO, self.a.write_text, 'V = "gone"\n')
        os.rename(other.path, path)
        for call, *args in ((self.a.write_text, 'V = "lost"\n'), (os.unlink, self.a), (os.mkdir, self.mnt.path / 'pkg')):
            self.assert_fails(errno.EIO, call, *args)
        self.assertEqual(files_of(self.mnt.path), {'a.py': b'V = 1\n', 'b.py': b'V = 2\n'})
        wait_until(lambda: re.search(r"can't see.*modules\.db was moved.*mount again", self.mnt.log))
        os.rename(away, path)
        self.a.write_text('V = "back"\n')
        self.assertEqual(self.mnt.database.rows(), {'a': b'V = "back"\n', 'b': b'V = 2\n'})
        self.mnt.database.update('b', 'V = "seen"\n')
        self.wait_files(self.mnt.path, {'a.py': b'V = "back"\n', 'b.py': b'V = "seen"\n'})

    def test_a_full_disk_fails_what_has_no_room_and_all_works_again_when_there_is_some(self):
        disk = self.dir / 'disk'
        disk.mkdir()
        run('mount', '-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', disk)
        self.addCleanup(run, 'umount', '-l', disk)
        mnt = self.mount(database=Database.create(disk / 'modules.db', {'a': 'V = 1\n'}), mountpoint='small')
        with open(disk / 'filler', 'wb', buffering=0) as filler, self.assertRaises(OSError):
            while True:
                filler.write(bytes(4096))
        for name in ('a.py', 'new.py', 'new.bin'):
            self.assert_fails(errno.ENOSPC, (mnt.path / name).write_text, '#' * 300000)
        self.assertEqual(files_of(mnt.path), {'a.py': b'V = 1\n'})
        self.assertEqual(mnt.database.rows(), {'a': b'V = 1\n'})
        (disk / 'filler').unlink()
        (mnt.path / 'a.py').write_text('#' * 300000)
        self.assertEqual(mnt.database.read('a'), b'#' * 300000)
        self.assertEqual(mnt.database.problems(), [])

    def test_a_limit_of_the_size_of_files_fails_the_save_that_exceeds_it_and_no_other(self):
        run('prlimit', '--pid', self.mnt.pid, '--fsize=400000:')
        self.assert_fails(errno.EIO, self.a.write_text, '#' * 1000000)
        (self.mnt.path / 'b.py').write_text('V = 3\n')
        run('prlimit', '--pid', self.mnt.pid, '--fsize=unlimited:')
        self.assertEqual(self.mnt.database.rows(), {'a': b'V = 1\n', 'b': b'V = 3\n'})
        self.a.write_text('#' * 1000000)
        self.assertEqual(self.mnt.database.read('a'), b'#' * 1000000)

    def test_a_column_that_was_renamed_is_an_error_and_not_another_text(self):
        for file, old, new in (('a.py', 'source', 'text'), ('b.py', 'name', 'title')):
            with self.subTest(old):
                self.mnt.database.execute(f'ALTER TABLE module RENAME COLUMN {old} TO {new}')
                self.assert_fails(errno.EIO, (self.mnt.path / file).read_text)
                self.assert_fails(errno.EIO, self.a.write_text, 'V = "lost"\n')
                self.mnt.database.execute(f'ALTER TABLE module RENAME COLUMN {new} TO {old}')
                self.assertEqual(files_of(self.mnt.path), {'a.py': b'V = 1\n', 'b.py': b'V = 2\n'})
                self.mnt.umount()
                self.mnt.mount()

    def test_names_in_a_side_table_that_no_file_can_have_hide_that_file_alone(self):
        for name in ('', '.', '..', 'a/b', 'x' * 300):
            with self.subTest(name):
                self.mnt.database.execute("UPDATE pymodfs_node SET base = ?, mode = 99999 WHERE name = 'b'", (name,))
                wait_until(lambda: os.listdir(self.mnt.path) == ['a.py'])

    def test_a_database_that_is_damaged_or_lacks_a_table_is_an_error_of_every_call_and_the_log_says_it_seldom(self):
        damage = {'a table': lambda database: database.execute('DROP TABLE pymodfs_node'),
                  'all of it': lambda database: database.path.write_bytes(b'?' * database.path.stat().st_size)}
        for number, (what, harm) in enumerate(damage.items()):
            with self.subTest(what):
                mnt = self.mount(database=self.database({'a': 'V = 1\n'}, f'{number}.db'), mountpoint=f'mnt{number}')
                mnt.database.execute('PRAGMA wal_checkpoint(TRUNCATE)')
                harm(mnt.database)
                for _ in range(10):
                    self.assert_fails(errno.EIO, os.listdir, mnt.path)
                    self.assert_fails(errno.EIO, (mnt.path / 'a.py').write_text, 'V = 2\n')
                self.assertIn('reading failed: ', mnt.log)
                self.assertLess(mnt.log.count('\n'), 8, mnt.log)
                mnt.umount()


if __name__ == '__main__':
    unittest.main()
