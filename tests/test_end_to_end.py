"""The whole path: a table is mounted, imported by the stock interpreter, edited from both sides, and reloaded live."""

import os
import sqlite3
import unittest

from tests.support import (PYMODHOST, Mount, Process, TestCase, files_of, is_mounted, pymodfs, python,
                           run, wait_until)

# Prints a value of the module `rules` whenever it changes, at 50 ticks a second.
WATCH_RULES = """
import time, pymodhost, rules
last = None
while True:
    pymodhost.poll()
    now = rules.value()
    if now != last:
        print('value', now, flush=True)
        last = now
    time.sleep(0.02)
"""


class MountTest(TestCase):
    """The mount and the table are two views of one thing."""

    def test_rows_are_files(self):
        mnt = self.mount({'a': 'V = 1\n', 'pkg.__init__': '', 'pkg.deep.b': 'W = 2\n'})
        self.assertEqual(files_of(mnt.path), {'a.py': b'V = 1\n', 'pkg/__init__.py': b'', 'pkg/deep/b.py': b'W = 2\n'})

    def test_the_stock_interpreter_imports_and_writes_bytecode(self):
        mnt = self.mount({'a': 'V = 1\n', 'pkg.__init__': 'from . import b\n', 'pkg.b': 'import a\nW = a.V + 1\n'})
        for _ in range(2):
            printed = python('-c', 'import pkg; print(pkg.b.W, pkg.b.__file__)', path=mnt.path).stdout
            self.assertEqual(printed, f'2 {mnt.path}/pkg/b.py\n')
        self.assertEqual(sorted(mnt.database.rows()), ['a', 'pkg.__init__', 'pkg.b'])

    def test_a_file_that_is_written_is_a_row_when_close_returns(self):
        mnt = self.mount()
        (mnt.path / 'a.py').write_bytes(b'V = 1\n')
        self.assertEqual(mnt.database.read('a'), b'V = 1\n')

    def test_a_file_can_be_changed_in_every_usual_way(self):
        mnt = self.mount({'a': 'one\ntwo\nthree\n'})
        path = mnt.path / 'a.py'
        with open(path, 'r+b') as file:
            file.seek(4)
            file.write(b'TWO')
        self.assertEqual(mnt.database.read('a'), b'one\nTWO\nthree\n')
        with open(path, 'ab') as file:
            file.write(b'four\n')
        self.assertEqual(mnt.database.read('a'), b'one\nTWO\nthree\nfour\n')
        os.truncate(path, 8)
        self.assertEqual(mnt.database.read('a'), b'one\nTWO\n')
        path.write_bytes(b'new\n')
        self.assertEqual((mnt.database.read('a'), path.read_bytes()), (b'new\n', b'new\n'))

    def test_rename_unlink_mkdir_and_rmdir_end_up_in_the_table(self):
        mnt = self.mount({'a': 'V = 1\n', 'b': 'V = 2\n', 'c': 'V = 3\n'})
        os.rename(mnt.path / 'a.py', mnt.path / 'b.py')
        os.unlink(mnt.path / 'c.py')
        os.mkdir(mnt.path / 'pkg')
        (mnt.path / 'pkg/__init__.py').write_text('')
        os.rename(mnt.path / 'pkg', mnt.path / 'package')
        self.assertEqual(mnt.database.rows(), {'b': b'V = 1\n', 'package.__init__': b''})
        with self.assertRaisesRegex(OSError, 'not empty'):
            os.rmdir(mnt.path / 'package')
        os.unlink(mnt.path / 'package/__init__.py')
        os.rmdir(mnt.path / 'package')
        self.assertEqual(mnt.database.rows(), {'b': b'V = 1\n'})
        self.assertEqual(os.listdir(mnt.path), ['b.py'])

    def test_an_empty_directory_outlasts_the_mount(self):
        mnt = self.mount()
        os.mkdir(mnt.path / 'empty')
        mnt.umount()
        mnt.mount()
        self.assertEqual(os.listdir(mnt.path), ['empty'])

    def test_an_update_in_the_sqlite3_shell_shows_in_the_mount(self):
        mnt = self.mount({'a': 'V = 1\n', 'b': 'V = 1\n'})
        self.assertEqual(files_of(mnt.path), {'a.py': b'V = 1\n', 'b.py': b'V = 1\n'})
        mnt.database.shell("UPDATE module SET source = 'V = 22' WHERE name = 'a';"
                           "DELETE FROM module WHERE name = 'b';"
                           "INSERT INTO module(name, source) VALUES ('new.c', 'V = 3');")
        self.wait_files(mnt.path, {'a.py': b'V = 22', 'new/c.py': b'V = 3'})

    def test_the_stock_interpreter_never_runs_old_bytecode_after_an_update(self):
        mnt = self.mount({'a': 'V = 0\n'})
        for value in range(1, 6):
            mnt.database.update('a', f'V = {value}\n')
            wait_until(lambda: (mnt.path / 'a.py').read_text() == f'V = {value}\n')
            self.assertEqual(python('-c', 'import a; print(a.V)', path=mnt.path).stdout, f'{value}\n')

    def test_two_mounts_of_one_database_show_the_same(self):
        database = self.database({'a': 'V = 1\n'})
        one, other = self.mount(database=database, mountpoint='one'), self.mount(database=database, mountpoint='other')
        (one.path / 'a.py').write_text('V = 2\n')
        (other.path / 'b.py').write_text('V = 3\n')
        for mnt in (one, other):
            self.wait_files(mnt.path, {'a.py': b'V = 2\n', 'b.py': b'V = 3\n'})

    def test_sed_in_place_is_one_save(self):
        mnt = self.mount({'a': 'V = 1\n'})
        run('sed', '-i', 's/1/2/', mnt.path / 'a.py')
        self.assertEqual(mnt.database.rows(), {'a': b'V = 2\n'})
        self.assertEqual(os.listdir(mnt.path), ['a.py'])


class CommandLineTest(TestCase):
    def test_mount_goes_to_the_background_once_the_mount_answers(self):
        with Mount(self.database({'a': 'V = 1\n'}), self.dir / 'mnt', background=True) as mnt:
            self.assertEqual((mnt.path / 'a.py').read_text(), 'V = 1\n')
            self.assertNotEqual(mnt.pid, os.getpid())
        self.assertFalse(is_mounted(mnt.path))

    def test_umount_returns_when_everything_is_down(self):
        mnt = self.mount({'a': 'V = 1\n'})
        pid = mnt.pid
        mnt.umount()
        self.assertFalse(is_mounted(mnt.path))
        self.assertFalse(os.path.exists(f'/proc/{pid}'))

    def test_relative_names_are_those_of_the_callers_directory(self):
        self.database({'a': 'V = 1\n'})
        (self.dir / 'mnt').mkdir()
        with Mount(self.dir / 'modules.db', self.dir / 'mnt') as mnt:
            mnt.umount()
            pymodfs('mount', 'modules.db', 'mnt', cwd=self.dir)
            self.assertEqual((mnt.path / 'a.py').read_text(), 'V = 1\n')
            self.assertIn('modules.db', pymodfs('status', 'mnt', cwd=self.dir).stdout)
            pymodfs('umount', 'mnt', cwd=self.dir)

    def test_status_tells_of_a_mount_and_of_a_database(self):
        mnt = self.mount({'a': 'V = 1\n', '../hidden': ''})
        for place in (mnt.path, mnt.database.path):
            printed = pymodfs('status', place).stdout
            self.assertIn(str(mnt.database.path), printed)
            self.assertRegex(printed, r'(?i)modules?\W+1\b')

    def test_init_is_safe_to_repeat(self):
        database = self.database({'a': 'V = 1\n'})
        before = database.execute('SELECT type, name, sql FROM sqlite_schema ORDER BY name')
        pymodfs('init', database.path)
        self.assertEqual(database.execute('SELECT type, name, sql FROM sqlite_schema ORDER BY name'), before)
        self.assertEqual(database.rows(), {'a': b'V = 1\n'})

    def test_init_refuses_a_file_that_is_no_database(self):
        (self.dir / 'letter.txt').write_text('Dear reader,\n' * 100)
        self.assert_refused('init', self.dir / 'letter.txt', names='letter.txt')
        self.assertEqual((self.dir / 'letter.txt').read_text(), 'Dear reader,\n' * 100)

    def test_init_refuses_a_database_that_holds_something_else(self):
        path = self.dir / 'accounts.db'
        with sqlite3.connect(path) as other:
            other.execute('CREATE TABLE module(number INTEGER, owner TEXT)')
        other.close()
        before = path.read_bytes()
        self.assert_refused('init', path, names='accounts.db')
        self.assertEqual(path.read_bytes(), before)


class HostTest(TestCase):
    """A program that runs takes up what is changed under it."""

    def start(self, mnt):
        script = self.dir / 'watch_rules.py'
        script.write_text(WATCH_RULES)
        host = self.process(Process(PYMODHOST, '--path', mnt.path, script))
        host.wait_output('value 1\n')
        return host

    def test_each_way_of_editing_is_live_in_a_running_program(self):
        mnt = self.mount({'rules': 'def value():\n    return 1\n'})
        host = self.start(mnt)
        run('sed', '-i', 's/1/2/', mnt.path / 'rules.py')
        host.wait_output('value 2\n')
        mnt.database.shell("UPDATE module SET source = replace(source, '2', '3') WHERE name = 'rules';")
        host.wait_output('value 3\n')
        mnt.database.shell("UPDATE module SET source = 'def value() return 4' WHERE name = 'rules';")
        host.wait_output('SyntaxError')
        mnt.database.shell("UPDATE module SET source = 'def value(): return 5' WHERE name = 'rules';")
        host.wait_output('value 5\n')
        self.assertNotIn('value 4', host.output)
        self.assertIsNone(host.status)

    def test_modules_that_are_not_in_the_table_come_from_where_they_always_came(self):
        mnt = self.mount({'rules': 'import json\nprint(json.__file__)\n'})
        printed = run(PYMODHOST, '--path', mnt.path, '-m', 'rules').stdout
        self.assertEqual(printed, '/usr/lib/python3.11/json/__init__.py\n')

    def test_the_hosts_exit_status_is_that_of_the_script(self):
        mnt = self.mount({'leave': 'import sys\nprint(sys.argv[1:])\nsys.exit(7)\n'})
        result = run(PYMODHOST, '--path', mnt.path, '-m', 'leave', 'a', '-b', check=False)
        self.assertEqual((result.returncode, result.stdout), (7, "['a', '-b']\n"), result.stderr)


if __name__ == '__main__':
    unittest.main()
