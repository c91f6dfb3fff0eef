"""Real editors and file tools, used as people use them: each save is one new version, and no dropping reaches the table.

After each: the row has the new text, there is exactly one new version for each save, the database has no other file, and the file's mode is
what it was.
"""

import os
import shutil
import unittest

from tests.support import PYTHON, Terminal, TestCase, environment, run, wait_until

BEFORE = '"""A module."""\n\nV = 1\n'
AFTER = '"""A module."""\n\nV = 2\n'


class EditorCase(TestCase):
    """A mount with the module pkg.edited, whose mode isn't the default one, and another module beside it."""

    def setUp(self):
        super().setUp()
        self.mnt = self.mount({'pkg.__init__': '', 'pkg.edited': BEFORE, 'pkg.other': 'W = 1\n'})
        self.folder = self.mnt.path / 'pkg'
        self.path = self.folder / 'edited.py'
        self.path.chmod(0o640)
        self.versions_before = self.versions()

    def versions(self):
        return self.mnt.database.execute('SELECT count(*) FROM pymodfs_version')[0][0]

    def check(self, saves=1, text=AFTER):
        rows = self.mnt.database.rows()
        self.assertEqual(rows, {'pkg.__init__': b'', 'pkg.edited': text.encode(), 'pkg.other': b'W = 1\n'})
        self.assertEqual(self.mnt.database.execute('SELECT count(*) FROM pymodfs_resource'), [(0,)])
        self.assertEqual(self.versions() - self.versions_before, saves, 'new versions')
        self.assertEqual(oct(self.path.stat().st_mode & 0o7777), oct(0o640))
        self.assertEqual(self.path.read_text(), text)


class VimTest(EditorCase):
    def edit(self, *settings):
        commands = [word for setting in settings for word in ('-c', setting)]
        with Terminal('vim', '-N', *commands, 'edited.py', cwd=self.folder) as vim:
            vim.wait_screen('V = 1')
            vim.type(':%s/1$/2/')
            vim.keys('Enter')
            vim.wait_screen('V = 2')
            vim.type(':wq')
            vim.keys('Enter')
            vim.wait_end()

    def test_vim_as_it_comes(self):
        self.edit()
        self.check()

    def test_vim_with_a_backup_copy(self):
        self.edit('set backupcopy=yes backup backupskip=')
        self.check_with_backup()

    def test_vim_that_renames_the_old_file_to_a_backup(self):
        self.edit('set backupcopy=no backup backupskip=')
        self.check_with_backup()

    def check_with_backup(self):
        """The backup stands in the mount while it lasts, and nowhere in the database."""
        self.assertTrue((self.folder / 'edited.py~').exists())
        self.check()

    def test_vim_shows_that_another_vim_has_the_file_open(self):
        with Terminal('vim', '-N', 'edited.py', cwd=self.folder) as first:
            first.wait_screen('V = 1')
            first.type('ix')
            wait_until(lambda: any(name.endswith('.swp') for name in os.listdir(self.folder)), 20, 'a swap file')
            with Terminal('vim', '-N', 'edited.py', cwd=self.folder) as second:
                second.wait_screen('ATTENTION')
                second.type('q')
                second.wait_end()
            first.keys('Escape')
            first.type(':q!')
            first.keys('Enter')
            first.wait_end()
        self.check(saves=0, text=BEFORE)

    def test_vim_sees_an_update_by_sql(self):
        with Terminal('vim', '-N', '--cmd', 'set autoread', 'edited.py', cwd=self.folder) as vim:
            vim.wait_screen('V = 1')
            self.mnt.database.update('pkg.edited', AFTER)
            wait_until(lambda: self.path.read_text() == AFTER)
            vim.type(':checktime')
            vim.keys('Enter')
            vim.wait_screen('V = 2')
            vim.type(':q')
            vim.keys('Enter')
            vim.wait_end()
        self.check()


class OtherEditorsTest(EditorCase):
    def test_nano(self):
        with Terminal('nano', 'edited.py', cwd=self.folder) as nano:
            nano.wait_screen('V = 1')
            nano.keys('C-\\')
            nano.wait_screen('Search (to replace)')
            nano.type('V = 1')
            nano.keys('Enter')
            nano.wait_screen('Replace with')
            nano.type('V = 2')
            nano.keys('Enter')
            nano.wait_screen('Replace this instance')
            nano.type('A')
            nano.wait_screen('V = 2')
            nano.keys('C-o')
            nano.wait_screen('File Name to Write')
            nano.keys('Enter')
            nano.wait_screen('Wrote')
            nano.keys('C-x')
            nano.wait_end()
        self.check()

    def test_emacs(self):
        with Terminal('emacs', '-nw', '-Q', 'edited.py', cwd=self.folder) as emacs:
            emacs.wait_screen('V = 1')
            emacs.keys('M-x')
            emacs.type('replace-string')
            emacs.keys('Enter')
            emacs.type('V = 1')
            emacs.keys('Enter')
            emacs.type('V = 2')
            emacs.keys('Enter')
            emacs.wait_screen('V = 2')
            # While a buffer is changed, emacs keeps a link .#edited.py that points to nowhere.
            self.assertIn('.#edited.py', os.listdir(self.folder))
            emacs.keys('C-x', 'C-s')
            emacs.wait_screen('Wrote')
            emacs.keys('C-x', 'C-c')
            emacs.wait_end()
        self.check()

    def test_ed(self):
        run('ed', '-s', 'edited.py', input='s/1/2/\nw\nq\n', cwd=self.folder)
        self.check()

    def test_sed_in_place(self):
        run('sed', '-i', 's/V = 1/V = 2/', 'edited.py', cwd=self.folder)
        self.check()

    def test_sed_in_place_with_a_backup(self):
        run('sed', '-i~', 's/V = 1/V = 2/', 'edited.py', cwd=self.folder)
        self.check()

    def test_patch(self):
        change = '--- a/edited.py\n+++ b/edited.py\n@@ -1,3 +1,3 @@\n """A module."""\n \n-V = 1\n+V = 2\n'
        run('patch', '-p1', input=change, cwd=self.folder)
        self.check()


class SaveSequenceTest(EditorCase):
    """The system calls with which editors that need a desktop save a file."""

    def test_vs_code_truncates_and_writes_in_place(self):
        fd = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        os.ftruncate(fd, 0)
        os.write(fd, AFTER.encode())
        os.fdatasync(fd)
        os.close(fd)
        self.check()

    def test_jetbrains_writes_a_file_beside_it_and_renames_both(self):
        new, old = self.folder / 'edited.py___jb_tmp___', self.folder / 'edited.py___jb_old___'
        with open(new, 'xb') as file:
            file.write(AFTER.encode())
            os.fchmod(file.fileno(), 0o640)
        os.rename(self.path, old)
        os.rename(new, self.path)
        os.unlink(old)
        self.check()

    def test_gedit_writes_a_hidden_file_and_renames_it(self):
        new = self.folder / '.goutputstream-AB12CD'
        with open(new, 'xb') as file:
            file.write(AFTER.encode())
            os.fchmod(file.fileno(), 0o640)
            os.fsync(file.fileno())
        os.rename(new, self.path)
        self.check()

    def test_a_save_in_several_writes_is_one_version(self):
        with open(self.path, 'wb', buffering=0) as file:
            for letter in AFTER.encode():
                file.write(bytes([letter]))
        self.check()


class FileToolsTest(EditorCase):
    def outside(self, name='edited.py'):
        path = self.dir / name
        path.write_text(AFTER)
        path.chmod(0o640)
        return path

    def test_cp_over_a_module(self):
        run('cp', self.outside(), self.path)
        self.check()

    def test_mv_over_a_module(self):
        run('mv', self.outside(), self.path)
        self.check()

    def test_rsync_of_a_tree(self):
        source = self.dir / 'source'
        shutil.copytree(self.folder, source, copy_function=shutil.copy2)
        (source / 'edited.py').write_text(AFTER)
        os.utime(source / 'edited.py', (1.7e9, 1.7e9))
        run('rsync', '-a', '--delete', f'{source}/', f'{self.folder}/')
        self.check()

    def test_tar(self):
        source = self.outside()
        run('tar', '-c', '-f', self.dir / 'it.tar', '-C', self.dir, source.name)
        run('tar', '-x', '-f', self.dir / 'it.tar', '-C', self.folder)
        self.check()

    def test_git_in_a_mounted_package(self):
        git = ['git', '-c', 'user.name=N', '-c', 'user.email=n@example.org', '-c', 'init.defaultBranch=main',
               '-c', 'safe.directory=*']
        for command in (['init', '-q'], ['add', '.'], ['commit', '-q', '-m', 'first']):
            run(*git, *command, cwd=self.folder)
        self.path.write_text(AFTER)
        run(*git, 'commit', '-q', '-a', '-m', 'second', cwd=self.folder)
        run(*git, 'checkout', '-q', 'HEAD~1', cwd=self.folder)
        self.assertEqual(self.mnt.database.read('pkg.edited'), BEFORE.encode())
        run(*git, 'checkout', '-q', 'main', cwd=self.folder)
        self.assertEqual(self.mnt.database.read('pkg.edited'), AFTER.encode())
        self.assertEqual(run(*git, 'status', '--porcelain', cwd=self.folder).stdout, '')
        self.assertEqual(run(*git, 'fsck', cwd=self.folder).stdout, '')
        self.mnt.umount()
        self.mnt.mount()
        self.assertEqual(run(*git, 'log', '--format=%s', cwd=self.folder).stdout, 'second\nfirst\n')

    def test_the_stock_interpreters_tools(self):
        run(PYTHON, '-m', 'compileall', '-q', self.folder)
        run(PYTHON, '-c', 'import pkg.edited, inspect; assert "V = 1" in inspect.getsource(pkg.edited)',
            env=environment(PYTHONPATH=self.mnt.path))
        self.check(saves=0, text=BEFORE)


if __name__ == '__main__':
    unittest.main()
