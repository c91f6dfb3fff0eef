"""The options of `pymodfs mount`: each does what mount(8) says of it, wrong ones are refused by name and nothing is mounted."""

import errno
import getpass
import json
import os
import sqlite3
import stat
import unittest

from tests.support import PYMODFS, Mount, TestCase, is_mounted, pymodfs, run, wait_until

# For root no file is read-only, but for root without this capability.
ORDINARY = ('setpriv', '--bounding-set=-dac_override') if os.geteuid() == 0 else ()


def mount_line(path):
    """What the kernel's table says of a mount: its options, its source, its type."""
    with open('/proc/self/mounts', encoding='utf-8') as lines:
        found = [line.split() for line in lines if line.split()[1] == str(path)]
    (source, _, kind, options, _, _), = found
    return options.split(','), source, kind


def mode(path):
    return oct(stat.S_IMODE(os.stat(path).st_mode))


class OptionsTest(TestCase):
    ROWS = {'a': 'V = 1\n', 'p.__init__': ''}

    def test_by_default_it_is_nosuid_and_nodev_and_named_after_the_database(self):
        mnt = self.mount(self.ROWS)
        options, source, kind = mount_line(mnt.path)
        self.assertLessEqual({'rw', 'nosuid', 'nodev', 'default_permissions'}, set(options))
        self.assertNotIn('allow_other', options)
        self.assertNotIn('noexec', options)
        self.assertEqual((source, kind), (str(mnt.database.path), 'fuse.pymodfs'))
        self.assertIn(str(mnt.database.path), run('df', mnt.path).stdout)

    def test_ro_lets_nothing_be_changed(self):
        mnt = self.mount(self.ROWS, 'ro')
        self.assertIn('ro', mount_line(mnt.path)[0])
        self.assertEqual((mnt.path / 'a.py').read_text(), 'V = 1\n')
        for call, *args in ((open, mnt.path / 'a.py', 'r+'), (open, mnt.path / 'new.py', 'x'), (os.unlink, mnt.path / 'a.py'),
                            (os.mkdir, mnt.path / 'd'), (os.rename, mnt.path / 'a.py', mnt.path / 'b.py'), (os.rmdir, mnt.path / 'p'),
                            (os.chmod, mnt.path / 'a.py', 0o600), (os.truncate, mnt.path / 'a.py', 0), (os.utime, mnt.path / 'a.py'),
                            (os.symlink, 'a.py', mnt.path / 'l')):
            with self.subTest(call.__name__), self.assertRaises(OSError) as caught:
                call(*args)
            self.assertEqual(caught.exception.errno, errno.EROFS)
        mnt.database.update('a', 'V = 2\n')
        self.wait_files(mnt.path, {'a.py': b'V = 2\n', 'p/__init__.py': b''})

    def test_ro_also_serves_a_database_that_nobody_may_write(self):
        database = self.database(self.ROWS)
        for path in self.dir.glob('modules.db*'):
            path.chmod(0o444)
        mnt = self.mount(None, 'ro', database=database)
        self.assertEqual((mnt.path / 'a.py').read_text(), 'V = 1\n')

    def test_uid_and_gid_own_what_has_no_owner_of_its_own(self):
        mnt = self.mount(self.ROWS, 'uid=1001', 'gid=1002')
        for path in (mnt.path, mnt.path / 'p', mnt.path / 'a.py'):
            self.assertEqual((path.stat().st_uid, path.stat().st_gid), (1001, 1002))
        os.chown(mnt.path / 'a.py', 7, 8)
        self.assertEqual(((mnt.path / 'a.py').stat().st_uid, (mnt.path / 'a.py').stat().st_gid), (7, 8))
        (mnt.path / 'new.py').write_text('')
        self.assertEqual((mnt.path / 'new.py').stat().st_uid, os.geteuid())
        mnt.umount()
        mnt.options = ()
        mnt.mount()
        self.assertEqual(((mnt.path / 'a.py').stat().st_uid, (mnt.path / 'p').stat().st_uid), (7, os.geteuid()))

    def test_umask_takes_bits_from_what_has_no_mode_of_its_own(self):
        for umask, file_mode, dir_mode in (('022', 0o644, 0o755), ('077', 0o600, 0o700), ('0', 0o666, 0o777), ('0027', 0o640, 0o750)):
            with self.subTest(umask):
                mnt = self.mount(self.ROWS, f'umask={umask}', database=self.database(self.ROWS, f'{umask}.db'), mountpoint=umask)
                self.assertEqual((mode(mnt.path / 'a.py'), mode(mnt.path / 'p'), mode(mnt.path)), (oct(file_mode), oct(dir_mode), oct(dir_mode)))
                os.chmod(mnt.path / 'a.py', 0o604)
                self.assertEqual(mode(mnt.path / 'a.py'), oct(0o604))

    def test_fsname_is_what_df_shows_whatever_is_in_it(self):
        for name in ('scripts', 'with blank'):
            with self.subTest(name):
                mnt = self.mount(self.ROWS, f'fsname={name}', database=self.database(self.ROWS, f'{len(name)}.db'),
                                 mountpoint=f'm{len(name)}')
                self.assertEqual(mount_line(mnt.path)[1], name.replace(' ', '\\040'))

    def test_a_database_with_a_comma_in_its_name_is_mounted(self):
        mnt = self.mount(database=self.database(self.ROWS, 'a,b\\c d.db'))
        self.assertEqual((mnt.path / 'a.py').read_text(), 'V = 1\n')
        self.assertIn('a,b', mount_line(mnt.path)[1])

    def test_flags_of_the_kernel_are_handed_on(self):
        for given, wanted, unwanted in ((('suid', 'dev'), set(), {'nosuid', 'nodev'}), (('noexec', 'noatime'), {'noexec', 'noatime', 'nosuid'}, set()),
                                        (('allow_other',), {'allow_other'}, set()), (('ro', 'rw'), {'rw'}, {'ro'}), (('defaults',), {'rw', 'nosuid'}, set())):
            with self.subTest(given):
                name = '-'.join(given)
                mnt = self.mount(None, *given, database=self.database(self.ROWS, f'{name}.db'), mountpoint=name)
                options = set(mount_line(mnt.path)[0])
                self.assertLessEqual(wanted, options)
                self.assertEqual(options & unwanted, set())

    def test_noexec_and_exec(self):
        mnt = self.mount({'a': '#!/bin/sh\necho run\n'})
        os.chmod(mnt.path / 'a.py', 0o755)
        self.assertEqual(run(mnt.path / 'a.py').stdout, 'run\n')
        mnt.umount()
        mnt.options = ('noexec',)
        mnt.mount()
        with self.assertRaises(PermissionError):
            run(mnt.path / 'a.py')

    def test_nonempty_mounts_over_what_is_there_and_leaves_it(self):
        (self.dir / 'mnt').mkdir()
        (self.dir / 'mnt/below').touch()
        mnt = self.mount(self.ROWS, 'nonempty')
        self.assertEqual(sorted(os.listdir(mnt.path)), ['a.py', 'p'])
        mnt.umount()
        self.assertEqual(os.listdir(mnt.path), ['below'])

    def test_several_o_options_add_up(self):
        database = self.database(self.ROWS)
        (self.dir / 'mnt').mkdir()
        pymodfs('mount', '-o', 'ro', '-o', 'fsname=x,noexec', database.path, self.dir / 'mnt')
        options, source, _ = mount_line(self.dir / 'mnt')
        self.assertLessEqual({'ro', 'noexec'}, set(options))
        self.assertEqual(source, 'x')
        pymodfs('umount', self.dir / 'mnt')

    def test_wrong_ones_are_refused_by_name(self):
        database = self.database(self.ROWS)
        (self.dir / 'mnt').mkdir()
        for wrong, named in (('bogus', 'bogus'), ('ro,bogus=1', 'bogus=1'), ('uid', 'uid='), ('uid=root', 'uid=root'), ('uid=-1', 'uid=-1'),
                             ('gid=4294967296', 'gid='), ('umask=8', 'umask=8'), ('umask=1777', 'umask=1777'), ('fsname=', 'fsname'),
                             ('ro=1', 'ro'), ('allow_other=yes', 'allow_other'), ('echo=maybe', 'echo'), ('busy_timeout=soon', 'busy_timeout=soon'),
                             ('file_max=901', 'file_max=901'), ('memory_max=', 'memory_max='), ('blksize=512', 'blksize')):
            with self.subTest(wrong):
                result = run(PYMODFS, 'mount', '-o', wrong, database.path, self.dir / 'mnt', check=False)
                self.assertIn(result.returncode, (1, 2))
                self.assertEqual((result.stdout, len(result.stderr.splitlines())), ('', 1), result.stderr)
                self.assertIn(named, result.stderr)
                self.assertFalse(is_mounted(self.dir / 'mnt'))


class UnwritableDatabaseTest(TestCase):
    def setUp(self):
        super().setUp()
        (self.dir / 'place').mkdir()
        (self.dir / 'mnt').mkdir()
        self.db = self.database({'a': 'V = 1\n'}, name='place/modules.db')
        self.addCleanup(self.db.path.parent.chmod, 0o755)

    def make_unwritable(self, file=0o666, directory=0o755):
        self.db.path.chmod(file)
        self.db.path.parent.chmod(directory)

    def assert_shown_read_only(self, why):
        with Mount(self.db, self.dir / 'mnt', background=True, before=ORDINARY) as mnt:
            self.assertEqual(mnt.log.splitlines(), [f'pymodfs: {self.db.path} is mounted read-only: {why}'])
            self.assertIn('ro', mount_line(mnt.path)[0])
            self.assertTrue(json.loads((mnt.control / 'status').read_text())['read_only'])
            self.assertEqual((mnt.path / 'a.py').read_text(), 'V = 1\n')
            with self.assertRaises(OSError) as caught:
                (mnt.path / 'a.py').write_text('V = 2\n')
            self.assertEqual(caught.exception.errno, errno.EROFS)

    def owner(self, mode):
        return f'(owner {getpass.getuser()}, mode {mode}): let the owner allow it, or work on a copy (pymodfs backup)'

    def test_a_file_that_may_not_be_written_is_mounted_read_only_and_that_is_said(self):
        self.make_unwritable(file=0o444)
        self.assert_shown_read_only(f'you may not write the file {self.owner("0444")}')

    def test_so_is_one_in_a_directory_where_no_log_can_be_made(self):
        self.make_unwritable(directory=0o555)
        self.assert_shown_read_only(f'you may not write its directory, where its log would be {self.owner("0555")}')

    def test_what_its_owner_changes_then_shows_all_the_same(self):
        self.make_unwritable(directory=0o555)
        with Mount(self.db, self.dir / 'mnt', background=True, before=ORDINARY) as mnt:
            self.assertEqual((mnt.path / 'a.py').read_text(), 'V = 1\n')
            self.make_unwritable()
            for source in ('V = 2\n', 'V = 3\n'):
                self.db.update('a', source)
                wait_until(lambda: (mnt.path / 'a.py').read_text() == source, 10, source)

    def test_rw_refuses_it(self):
        self.make_unwritable(file=0o444)
        result = run(*ORDINARY, PYMODFS, 'mount', '-o', 'rw', self.db.path, self.dir / 'mnt', check=False)
        self.assertEqual((result.returncode, is_mounted(self.dir / 'mnt')), (1, False))
        self.assertIn("can't be mounted read-write: you may not write the file", result.stderr)

    def test_commands_that_would_write_it_name_it_and_the_way_out(self):
        with sqlite3.connect(self.dir / 'place/other.db') as other:
            other.execute('CREATE TABLE scripts (name TEXT, source TEXT)')
        other.close()
        (self.dir / 'place/other.db').chmod(0o444)
        self.make_unwritable(file=0o444)
        for command in (('import', self.db.path, self.dir / 'mnt'), ('restore', self.db.path, 'a'), ('prune', '--keep', '1', self.db.path),
                        ('init', self.dir / 'place/other.db', '--table', 'scripts', '--name-column', 'name')):
            with self.subTest(command[0]):
                result = run(*ORDINARY, PYMODFS, *command, check=False)
                self.assertEqual(result.returncode, 1)
                self.assertRegex(result.stderr, rf"^pymodfs {command[0]}: {self.dir}/place/\w+.db.* can't be (written|set up): you may not "
                                                r'write the file .*: let the owner allow it, or work on a copy \(pymodfs backup\)\n$')
        run(*ORDINARY, PYMODFS, 'init', self.db.path)  # there is nothing to do
        run(*ORDINARY, PYMODFS, 'backup', self.db.path, self.dir / 'copy.db')
        run(*ORDINARY, PYMODFS, 'import', self.dir / 'copy.db', self.dir / 'mnt')


if __name__ == '__main__':
    unittest.main()
