"""Bad input gets one clear line or its exact bytes back, and nothing else is disturbed."""

import os
import sqlite3
import unittest

from tests.support import PYMODFS, Database, Mount, Process, TestCase, files_of, is_mounted, pymodfs, run

# Names that a table may hold and a directory can't: none may appear, none may disturb the others.
IMPOSSIBLE = {
    'going up': '../x',
    'going up behind a package': 'pkg.../x',
    'an empty name': '',
    'an empty segment': 'a..b',
    'a dot in front': '.a',
    'a dot behind': 'a.',
    'nothing but dots': '..',
    'a slash': 'a/b',
    'an absolute path': '/etc/passwd',
    'a segment of 300 characters': 'x' * 300,
    'a deep segment of 300 characters': 'pkg.' + 'é' * 150 + '.a',
    'a NUL': 'a\0b',
}

SOURCES = {
    'latin_1_with_a_cookie': b'# -*- coding: latin-1 -*-\nV = "\xe9"\n',
    'not_utf_8': bytes(range(128, 256)),
    'crlf': b'V = 1\r\nW = 2\r\n',
    'cr': b'V = 1\rW = 2\r',
    'no_final_newline': b'V = 1',
    'empty': b'',
    'a_byte_order_mark': b'\xef\xbb\xbfV = 1\n',
    'nul_bytes': b'V = 1\0\n\0',
    'ten_megabytes': b'# 0123456789 0123456789 0123456789 0123456789 0123456789 012345\n' * 163840,
    'ten_megabytes_not_utf_8': b'\xff# 123456789 0123456789 0123456789 0123456789 0123456789 012345\n' * 163840,
}


class DatabaseTest(TestCase):
    """A command that is given a wrong database says so in one line, makes nothing and changes nothing."""

    def mountpoint(self):
        (self.dir / 'mnt').mkdir()
        return self.dir / 'mnt'

    def test_a_database_that_is_missing(self):
        mnt = self.mountpoint()
        for command in (['mount', self.dir / 'missing.db', mnt], ['status', self.dir / 'missing.db'],
                        ['export', self.dir / 'missing.db', self.dir / 'out'],
                        ['import', self.dir / 'missing.db', mnt]):
            with self.subTest(command[0]):
                self.assert_refused(*command, names='missing.db')
        self.assertEqual(os.listdir(self.dir), ['mnt'])
        self.assertFalse(is_mounted(mnt))

    def test_a_file_that_is_no_database(self):
        mnt = self.mountpoint()
        path = self.dir / 'notes.txt'
        path.write_text('not a database\n' * 1000)
        for command in (['mount', path, mnt], ['status', path], ['export', path, self.dir / 'out'],
                        ['import', path, mnt]):
            with self.subTest(command[0]):
                self.assert_refused(*command, names='notes.txt')
        self.assertEqual(path.read_text(), 'not a database\n' * 1000)

    def test_a_database_without_the_tables(self):
        mnt = self.mountpoint()
        path = self.dir / 'other.db'
        with sqlite3.connect(path) as other:
            other.execute('CREATE TABLE something(else_ TEXT)')
        other.close()
        before = path.read_bytes()
        for command in (['mount', path, mnt], ['export', path, self.dir / 'out'], ['import', path, mnt]):
            with self.subTest(command[0]):
                self.assertIn('init', self.assert_refused(*command, names='other.db'))
        self.assertEqual(path.read_bytes(), before)

    def test_an_empty_file_and_a_directory(self):
        mnt = self.mountpoint()
        (self.dir / 'empty.db').touch()
        (self.dir / 'folder.db').mkdir()
        for name in ('empty.db', 'folder.db'):
            with self.subTest(name):
                self.assert_refused('mount', self.dir / name, mnt, names=name)
        self.assertEqual((self.dir / 'empty.db').stat().st_size, 0)

    def test_a_schema_of_a_later_version(self):
        database = self.database({'a': 'V = 1\n'})
        database.execute("UPDATE pymodfs_setting SET value = value + 1000 WHERE key = 'schema'")
        self.assert_refused('mount', database.path, self.mountpoint(), names='modules.db')
        self.assertEqual(database.rows(), {'a': b'V = 1\n'})


class MountPointTest(TestCase):
    def test_a_mount_point_that_is_missing(self):
        self.assert_refused('mount', self.database().path, self.dir / 'nowhere', names='nowhere')
        self.assertFalse((self.dir / 'nowhere').exists())

    def test_a_mount_point_that_is_a_file(self):
        (self.dir / 'file').touch()
        self.assert_refused('mount', self.database().path, self.dir / 'file', names='file')

    def test_a_mount_point_with_something_in_it(self):
        (self.dir / 'full').mkdir()
        (self.dir / 'full/precious').write_text('here first\n')
        self.assert_refused('mount', self.database().path, self.dir / 'full', names='full')
        self.assertEqual(files_of(self.dir / 'full'), {'precious': b'here first\n'})

    def test_a_mount_point_that_is_mounted_already(self):
        mnt = self.mount({'a': 'V = 1\n'})
        other = Database.create(self.dir / 'other.db', {'b': 'V = 2\n'})
        self.assert_refused('mount', other.path, mnt.path, names=mnt.path)
        self.assertEqual(files_of(mnt.path), {'a.py': b'V = 1\n'})

    def test_umount_of_what_is_no_mount_of_ours(self):
        (self.dir / 'plain').mkdir()
        for place in (self.dir / 'plain', self.dir / 'nowhere', '/proc'):
            with self.subTest(place=str(place)):
                self.assert_refused('umount', place, names=place)
        self.assertTrue(is_mounted('/proc'))

    def test_umount_of_a_mount_in_use_says_so_and_leaves_it(self):
        mnt = self.mount({'a': 'V = 1\n'})
        with Process('sleep', '1000', cwd=mnt.path):
            self.assert_refused('umount', mnt.path, names=mnt.path)
            self.assertEqual(files_of(mnt.path), {'a.py': b'V = 1\n'})

    def test_a_limit_of_open_files_that_is_too_low_for_a_mount(self):
        (self.dir / 'mnt').mkdir()
        command = [PYMODFS, 'mount', self.database().path, self.dir / 'mnt']
        self.assert_refused('--nofile=16', *command, program='/usr/bin/prlimit', names='16 files')
        with self.subTest('and one that is just enough'):
            run('/usr/bin/prlimit', '--nofile=64', *command)
            pymodfs('umount', self.dir / 'mnt')


class ArgumentTest(TestCase):
    def test_wrong_arguments_are_named(self):
        database = self.database()
        (self.dir / 'mnt').mkdir()
        for command, named in ((['mount', '-o', 'colour=blue', database.path, self.dir / 'mnt'], 'colour'),
                               (['frobnicate'], 'frobnicate'), (['mount', '--frobnicate'], 'frobnicate')):
            with self.subTest(command[0]):
                result = pymodfs(*command, check=False)
                self.assertNotEqual(result.returncode, 0)
                self.assertIn(named, result.stderr)
        self.assertFalse(is_mounted(self.dir / 'mnt'))

    def test_missing_arguments_show_how_it_is_used(self):
        for command in ([], ['init'], ['mount'], ['umount'], ['status'], ['import', 'x'], ['export', 'x'],
                        ['init', 'a', 'b', 'c']):
            with self.subTest(' '.join(command)):
                result = pymodfs(*command, check=False)
                self.assertNotEqual(result.returncode, 0)
                self.assertIn('pymodfs', result.stderr)
                self.assertEqual(result.stdout, '')


class NameTest(TestCase):
    GOOD = {'pkg.__init__': '', 'pkg.good': 'V = 1\n'}

    def test_rows_that_cannot_be_paths_are_hidden_and_disturb_nothing(self):
        for number, (what, name) in enumerate(IMPOSSIBLE.items()):
            database = self.database(self.GOOD | {name: 'V = 666\n'}, f'{number}.db')
            with self.subTest(what), Mount(database, self.dir / f'mnt{number}') as mnt:
                self.assertEqual(files_of(mnt.path), {'pkg/__init__.py': b'', 'pkg/good.py': b'V = 1\n'})
                self.assertEqual(os.listdir(mnt.path), ['pkg'])
                (mnt.path / 'pkg/good.py').write_text('V = 2\n')
                self.assertEqual(database.read('pkg.good'), b'V = 2\n')
                self.assertEqual(database.read(name), b'V = 666\n')
                self.assertRegex(pymodfs('status', mnt.path).stdout, r'(?i)hidden\D+1\b')

    def test_such_a_row_may_come_and_go_while_mounted(self):
        mnt = self.mount(self.GOOD)
        for name in IMPOSSIBLE.values():
            mnt.database.put({name: 'V = 666\n', 'pkg.good': 'V = 2\n'})
        self.wait_files(mnt.path, {'pkg/__init__.py': b'', 'pkg/good.py': b'V = 2\n'})
        for name in IMPOSSIBLE.values():
            mnt.database.delete(name)
        mnt.database.update('pkg.good', 'V = 3\n')
        self.wait_files(mnt.path, {'pkg/__init__.py': b'', 'pkg/good.py': b'V = 3\n'})

    def test_a_row_that_becomes_a_possible_path_appears_and_the_reverse(self):
        mnt = self.mount({'a..b': 'V = 1\n', 'good': 'V = 2\n'})
        mnt.database.execute("UPDATE module SET name = 'a.b' WHERE name = 'a..b'")
        self.wait_files(mnt.path, {'a/b.py': b'V = 1\n', 'good.py': b'V = 2\n'})
        mnt.database.execute("UPDATE module SET name = '../good' WHERE name = 'good'")
        self.wait_files(mnt.path, {'a/b.py': b'V = 1\n'})

    def test_a_file_name_that_is_too_long_is_refused_as_locally(self):
        mnt = self.mount()
        for top in (mnt.path, self.dir):
            with self.subTest(str(top)), self.assertRaisesRegex(OSError, 'too long'):
                (top / ('x' * 253 + '.py')).write_text('')
        self.assertEqual(mnt.database.rows(), {})


class SourceTest(TestCase):
    def test_sources_from_the_table_are_read_bit_for_bit(self):
        mnt = self.mount(SOURCES)
        self.assertEqual([n for n in SOURCES if (mnt.path / f'{n}.py').read_bytes() != SOURCES[n]], [])
        self.assertEqual([n for n in SOURCES if (mnt.path / f'{n}.py').stat().st_size != len(SOURCES[n])], [])

    def test_sources_as_text_are_read_bit_for_bit(self):
        texts = {name: data.decode() for name, data in SOURCES.items() if _is_utf_8(data)}
        mnt = self.mount(texts)
        self.assertEqual([n for n in texts if (mnt.path / f'{n}.py').read_bytes() != SOURCES[n]], [])

    def test_sources_from_the_mount_are_stored_bit_for_bit(self):
        mnt = self.mount()
        for name, data in SOURCES.items():
            (mnt.path / f'{name}.py').write_bytes(data)
        self.assertEqual([n for n, data in mnt.database.rows().items() if data != SOURCES[n]], [])
        self.assertEqual(len(mnt.database.rows()), len(SOURCES))
        mnt.umount()
        mnt.mount()
        self.assertEqual([n for n in SOURCES if (mnt.path / f'{n}.py').read_bytes() != SOURCES[n]], [])

    def test_what_is_utf_8_is_stored_as_text_and_the_rest_as_a_blob(self):
        mnt = self.mount()
        sources = {name: data for name, data in SOURCES.items() if b'\0' not in data}
        for name, data in sources.items():
            (mnt.path / f'{name}.py').write_bytes(data)
        types = dict(mnt.database.execute('SELECT name, typeof(source) FROM module'))
        self.assertEqual(types, {n: 'text' if _is_utf_8(d) else 'blob' for n, d in sources.items()})

    def test_a_row_whose_source_is_a_number_reads_as_its_text(self):
        mnt = self.mount()
        mnt.database.execute("INSERT INTO module(name, source) VALUES ('number', 42)")
        self.wait_files(mnt.path, {'number.py': b'42'})


def _is_utf_8(data):
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


if __name__ == '__main__':
    unittest.main()
