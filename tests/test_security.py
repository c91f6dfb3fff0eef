"""What docs/security.md promises about other users and about a stranger's database. Needs root, to be several users."""

import getpass
import os
import sqlite3
import unittest

from tests.support import PYMODFS, Mount, Process, TestCase, files_of, pymodfs, run

STRANGER = ('setpriv', '--reuid=1001', '--regid=1001', '--clear-groups')


class OtherUsersTest(TestCase):
    def setUp(self):
        super().setUp()
        os.chmod(self.dir, 0o755)

    def denied(self, *command):
        """The stranger is told that he may not."""
        result = run(*STRANGER, *command, check=False)
        self.assertEqual((result.returncode != 0, result.stdout), (True, ''))
        self.assertIn('Permission denied', result.stderr)

    def test_without_a_word_and_with_allow_root_nobody_else_gets_in(self):
        for number, options in enumerate(((), ('allow_root',))):
            with self.subTest(options):
                mnt = self.mount({'a': 'V = 1\n'}, *options, database=self.database({'a': 'V = 1\n'}, f'{number}.db'),
                                 mountpoint=f'mnt{number}')
                self.assertEqual(os.listdir(mnt.path), ['a.py'])
                self.denied('cat', mnt.path / 'a.py')
                self.denied('ls', mnt.path)
                self.denied('ls', mnt.control)
                owner = getpass.getuser()
                for command, words in (('umount', f'was mounted by {owner}: only that user or root can unmount it'),
                                       ('status', f'was mounted by {owner}, for that user alone')):
                    result = run(*STRANGER, PYMODFS, command, mnt.path, check=False)
                    self.assertEqual(result.returncode, 1)
                    self.assertIn(words, result.stderr)

    def test_modes_hold_for_the_past_as_for_the_present(self):
        mnt = self.mount({'open': 'V = 1\n', 'closed': 'V = 2\n', 'gone': 'V = 3\n'}, 'allow_other')
        os.mkdir(mnt.path / 'room')
        (mnt.path / 'room/inside.py').write_text('V = 4\n')
        os.chmod(mnt.path / 'room', 0o700)
        os.chmod(mnt.path / 'closed.py', 0o600)
        (mnt.path / 'gone.py').unlink()
        now = mnt.control / 'at' / str(mnt.generation())
        past = mnt.control / 'history'
        for place in (mnt.path, now):
            self.assertEqual(run(*STRANGER, 'cat', place / 'open.py').stdout, 'V = 1\n')
            self.denied('cat', place / 'closed.py')
            self.denied('cat', place / 'room/inside.py')
            self.denied('ls', place / 'room')
        self.assertEqual(run(*STRANGER, 'ls', past / 'open.py').returncode, 0)
        for name in ('closed.py', 'gone.py', 'room'):
            self.denied('ls', past / name)


class StrangersDatabaseTest(TestCase):
    def spoil(self, statements):
        """A database in which the side tables say what no program of ours writes."""
        database = self.database({'a': 'V = 1\n', 'b': 'V = 2\n'})
        connection = sqlite3.connect(database.path)
        connection.executescript(statements)
        connection.close()
        return database

    def test_export_writes_nothing_outside_of_its_directory(self):
        for place in ('../evil.py', '..', f'{self.dir}/evil.py'):
            with self.subTest(place):
                database = self.spoil(f"UPDATE pymodfs_node SET base = '{place}' WHERE name = 'a'")
                result = pymodfs('export', database.path, self.dir / 'out', check=False)
                self.assertEqual(result.returncode, 1)
                self.assertIn('the database is damaged', result.stderr)
                written = {name for name in files_of(self.dir) if not name.startswith('modules.db')}
                self.assertEqual(written - {'out/b.py'}, set())
                for file in self.dir.glob('modules.db*'):
                    file.unlink()

    def test_export_follows_no_link(self):
        database = self.database({'room.a': 'V = 1\n'})
        for name in ('target', 'out'):
            (self.dir / name).mkdir()
        (self.dir / 'out/room').symlink_to(self.dir / 'target')
        result = pymodfs('export', '--overwrite', database.path, self.dir / 'out', check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn('out/room', result.stderr)
        self.assertEqual(os.listdir(self.dir / 'target'), [])

    def test_a_planted_trigger_cannot_reach_outside(self):
        canary = self.dir / 'canary'
        database = self.spoil(f"CREATE TRIGGER planted AFTER UPDATE ON module BEGIN SELECT writefile('{canary}', 'x'); END")
        mnt = self.mount(database=database)
        with self.assertRaises(OSError):
            (mnt.path / 'a.py').write_text('V = 3\n')
        self.assertEqual((mnt.path / 'a.py').read_text(), 'V = 1\n')
        self.assertFalse(canary.exists())

    def test_a_change_of_what_is_above_the_mount_is_not_repeated(self):
        database, room = self.database({'a': 'V = 1\n'}), self.dir / 'room'
        room.mkdir()
        with Mount(database, room / 'mnt') as mnt:
            os.listdir(mnt.path)
            before = room.stat().st_mtime_ns
            with Process('inotifywait', '-m', mnt.path) as watcher:
                watcher.wait_output('Watches established')
                database.execute("INSERT INTO pymodfs_change (op, kind, node, parent, dir, base, version, old_version, time) "
                                 "VALUES ('u', 'm', 99, 1, '', '..', 5, 4, 1)")
                database.update('a', 'V = 2\n')
                watcher.wait_output('MODIFY a.py')
            self.assertEqual(room.stat().st_mtime_ns, before)

    def test_a_set_user_id_bit_is_data(self):
        mnt = self.mount(database=self.spoil("UPDATE pymodfs_node SET mode = 2541 WHERE name = 'a'"))
        self.assertTrue(os.stat(mnt.path / 'a.py').st_mode & 0o4000)
        self.assertTrue(os.statvfs(mnt.path).f_flag & os.ST_NOSUID)


if __name__ == '__main__':
    unittest.main()
