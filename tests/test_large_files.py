"""Plain files of any size, as far as they begin or end with zeros: those cost neither memory nor room in the database."""

import contextlib
import errno
import os
import unittest

from tests.support import TestCase, pymodfs, run

LARGE = (2 << 30) + 1
TAIL = 1 << 20


def outcome(call, *args):
    try:
        return call(*args)
    except OSError as error:
        return errno.errorcode[error.errno]


def part(path, offset, size):
    with open(path, 'rb') as file:
        return os.pread(file.fileno(), size, offset)


class MemoryTest(TestCase):
    """memory_max is for what is open to be written."""

    def setUp(self):
        super().setUp()
        self.mnt = self.mount({}, 'memory_max=2')
        self.paths = [self.mnt.path / f'{number}.bin' for number in range(12)]
        self.data = os.urandom(600 << 10)

    def test_what_is_closed_takes_nothing_of_it(self):
        for path in self.paths:
            path.write_bytes(self.data)
        for path in self.paths:
            with open(path, 'r+b', 0) as file:
                file.write(b'new')
        for path in self.paths:
            self.assertEqual(path.read_bytes(), b'new' + self.data[3:])

    def test_what_is_opened_to_be_written_counts_before_it_is_written(self):
        with contextlib.ExitStack() as files:
            for path in self.paths:
                path.write_bytes(self.data)
            for path in self.paths[:3]:
                files.enter_context(open(path, 'r+b', 0))
            self.assertEqual(outcome(open, self.paths[3], 'r+b', 0), 'ENOSPC')
            self.assertEqual(self.paths[3].read_bytes(), self.data)
        with open(self.paths[3], 'r+b', 0) as file:
            file.write(b'new')
        self.assertEqual(self.paths[3].read_bytes(), b'new' + self.data[3:])

    def test_backups_and_swap_files_count_even_when_they_are_empty(self):
        backups = [self.mnt.path / f'{number}.py~' for number in range(5000)]
        for path in backups[:2]:
            path.write_bytes(self.data)
        with self.assertRaises(OSError) as caught:
            for made, path in enumerate(backups[2:], 2):
                path.touch()
        self.assertEqual((caught.exception.errno, path.exists()), (errno.ENOSPC, False))
        os.unlink(backups[made - 1])
        path.touch()


class LargeFileTest(TestCase):
    def setUp(self):
        super().setUp()
        self.mnt = self.mount({'a': 'V = 1\n'})
        self.path = self.mnt.path / 'large.bin'

    def make(self, start=b'start', size=LARGE):
        self.path.write_bytes(start)
        os.truncate(self.path, size)

    def peak(self):
        """The most memory that the daemon has had, in bytes."""
        with open(f'/proc/{self.mnt.pid}/status', encoding='ascii') as lines:
            return next(int(line.split()[1]) * 1024 for line in lines if line.startswith('VmHWM'))

    def assert_large(self, path):
        self.assertEqual(path.stat().st_size, LARGE)
        self.assertEqual(part(path, 0, 10), b'start' + bytes(5))
        self.assertEqual(part(path, LARGE - 3, 10), bytes(3))
        self.assertEqual(part(path, LARGE // 2, 100000), bytes(100000))

    def test_a_file_of_more_than_2_gib_costs_no_memory_and_no_room(self):
        before = self.peak()
        self.make()
        self.assert_large(self.path)
        self.assertLess(self.peak() - before, 32 << 20)
        self.mnt.umount()
        self.assertLess(self.mnt.database.path.stat().st_size, 1 << 20)
        self.mnt.mount()
        self.assert_large(self.path)

    def test_a_byte_far_behind_the_end_costs_no_more_than_itself(self):
        before = self.peak()
        with open(self.path, 'wb', 0) as file:
            os.pwrite(file.fileno(), b'a', LARGE)
        self.mnt.umount()
        self.assertLess(self.mnt.database.path.stat().st_size, 1 << 20)
        self.mnt.mount()
        self.assertEqual(self.path.stat().st_size, LARGE + 1)
        self.assertEqual(part(self.path, LARGE - 5, 10), bytes(5) + b'a')
        self.assertEqual(part(self.path, 0, 5), bytes(5))
        self.assertLess(self.peak(), before + (32 << 20))

    def test_it_can_be_written_shortened_and_made_longer_again_as_on_a_local_disk(self):
        def calls(path):
            seen = []
            path.write_bytes(b'start')
            os.truncate(path, TAIL)
            with open(path, 'r+b', 0) as file:
                file.seek(10000)
                file.write(b'middle')
                seen.append((os.fstat(file.fileno()).st_size, os.pread(file.fileno(), 2 * TAIL, 0)))
                file.truncate(10003)
                file.truncate(3 * TAIL)
                seen.append(os.pread(file.fileno(), 4 * TAIL, 9990))
            seen.append(path.read_bytes())
            with open(path, 'ab', 0) as file:
                file.write(b'end')
            seen.append(path.read_bytes())
            os.truncate(path, 2)
            os.truncate(path, TAIL)
            seen.append(path.read_bytes())
            with open(path, 'wb', 0) as file:
                os.pwrite(file.fileno(), b'far', 5 * TAIL + 7)
                seen.append(os.fstat(file.fileno()).st_size)
            seen.append(path.read_bytes())
            with open(path, 'r+b', 0) as file:
                os.pwrite(file.fileno(), b'nearer', 3 * TAIL + 5)
                seen.append(os.pread(file.fileno(), 6 * TAIL, 100))
                os.pwrite(file.fileno(), b'farther', 6 * TAIL)
                os.ftruncate(file.fileno(), 3 * TAIL + 7)
            seen.append(path.read_bytes())
            os.truncate(path, TAIL)
            os.truncate(path, 2 * TAIL)
            seen.append(path.read_bytes())
            return seen
        local = self.dir / 'local'
        for name in ('x.bin', 'x~', 'x.py'):
            with self.subTest(name=name):
                self.assertEqual(calls(self.mnt.path / name), calls(local))
                local.unlink()

    def test_what_does_not_fit_into_the_database_is_refused_and_changes_nothing(self):
        self.make()
        with open(self.path, 'r+b', 0) as file:
            self.assertEqual(outcome(os.pwrite, file.fileno(), b'x', LARGE), 'EFBIG')
        self.assertEqual(outcome(os.truncate, self.path, 1 << 60), 'EFBIG')
        self.assertEqual(outcome(os.truncate, self.mnt.path / 'a.py', LARGE), 'EFBIG')
        self.assertEqual(outcome(os.rename, self.path, self.mnt.path / 'a.py'), 'EFBIG')
        self.assertEqual(outcome(os.rename, self.path, self.mnt.path / 'b.py'), 'EFBIG')
        self.assert_large(self.path)
        self.assertEqual(self.mnt.database.rows(), {'a': b'V = 1\n'})

    def test_renames_copies_and_exchanges_keep_it(self):
        self.make()
        other = self.mnt.path / 'other.bin'
        os.rename(self.path, other)
        other.rename(self.path)
        self.assert_large(self.path)
        self.path.rename(self.mnt.path / 'large~')
        (self.mnt.path / 'large~').rename(other)
        self.assert_large(other)

    def test_the_log_tells_of_it_and_of_all_others(self):
        self.make()
        self.path.write_bytes(b'short')
        log = pymodfs('log', self.mnt.database.path).stdout
        self.assertEqual(log.count('large.bin'), 3, log)
        self.assertIn('  a', log)

    def test_a_backup_has_it_whole(self):
        self.make()
        pymodfs('backup', self.mnt.database.path, self.dir / 'copy.db')
        copy = self.mount(database=self.dir / 'copy.db', mountpoint='copy')
        self.assert_large(copy.path / 'large.bin')

    def test_export_and_import_keep_its_zeros(self):
        self.make(size=TAIL)
        out, again = self.dir / 'out', self.database(name='again.db')
        pymodfs('export', self.mnt.database.path, out)
        self.assertEqual((out / 'large.bin').read_bytes(), b'start' + bytes(TAIL - 5))
        pymodfs('import', again.path, out)
        copy = self.mount(database=again, mountpoint='again')
        self.assertEqual((copy.path / 'large.bin').read_bytes(), b'start' + bytes(TAIL - 5))

    def test_its_history_is_kept_where_that_is_asked_for(self):
        self.mnt.database.execute("UPDATE pymodfs_setting SET value = 1 WHERE key = 'resource_history'")
        self.make(b'first', TAIL)
        self.path.write_bytes(b'second')
        old = [path.read_bytes() for path in (self.mnt.control / 'history' / 'large.bin').iterdir()]
        self.assertIn(b'first' + bytes(TAIL - 5), old)

    def test_what_somebody_else_wrote_into_its_row_is_damage_and_not_another_content(self):
        self.path.write_bytes(b'x' * 20000)
        for content in (b'short', bytes(8) + b'rest', bytes(7) + b'\1' + b'y' * 19000, bytes(9) + b'begins with a zero'):
            with self.subTest(content=content[:20]):
                self.mnt.umount()
                self.mnt.database.execute('UPDATE pymodfs_resource SET content = ?', (content,))
                self.mnt.mount()
                if content == bytes(8) + b'rest':  # this is what a file of 4 bytes and zeros looks like
                    self.assertEqual(self.path.read_bytes(), b'rest' + bytes(19996))
                else:
                    self.assertEqual(outcome(self.path.read_bytes), 'EIO')

    def test_a_dump_of_the_database_has_it_whole(self):
        self.make(size=TAIL)
        self.mnt.umount()
        dump = self.mnt.database.shell('.dump')
        again = self.dir / 'again.db'
        run('/usr/bin/sqlite3', '-batch', '-bail', again, input=dump)
        copy = self.mount(database=again, mountpoint='copy')
        self.assertEqual((copy.path / 'large.bin').read_bytes(), b'start' + bytes(TAIL - 5))
        (copy.path / 'large.bin').write_bytes(b'new')
        self.assertEqual((copy.path / 'a.py').read_text(), 'V = 1\n')

    def test_a_save_of_the_same_content_is_no_new_version(self):
        self.make(size=TAIL)
        count = 'SELECT count(*) FROM pymodfs_version'
        before = self.mnt.database.execute(count)
        with open(self.path, 'r+b') as file:
            file.write(b'start' + bytes(TAIL - 5))
        self.assertEqual(self.mnt.database.execute(count), before)


if __name__ == '__main__':
    unittest.main()
