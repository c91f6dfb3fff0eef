"""What happened to a module can be told, shown, compared and undone; a database can be checked and copied.

Changes are made as users make them: with the sqlite3 shell, by an import, through a mount.
"""

import json
import re
import sqlite3
import unittest

from tests.support import PYMODFS, TOP, Database, TestCase, pymodfs, run


class HistoryTestCase(TestCase):
    def versions(self, db, module):
        """The log of a module: its versions, oldest first, as objects."""
        lines = pymodfs('log', '--json', db.path, module).stdout.splitlines()
        return [json.loads(line) for line in reversed(lines)]

    def numbers(self, db, module):
        return [v['version'] for v in self.versions(db, module)]

    def import_tree(self, db, files):
        for name, text in files.items():
            path = self.dir / 'tree' / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        pymodfs('import', db.path, self.dir / 'tree')


class LogTest(HistoryTestCase):
    def test_a_change_by_sql_and_one_by_a_program_are_told_apart(self):
        db = self.database()
        db.shell("INSERT INTO module VALUES ('a.b', 'x = 1\n');")
        self.import_tree(db, {'a/b.py': 'x = 22\n'})
        first, second = self.versions(db, 'a.b')
        self.assertEqual((first['event'], first['program'], first['uid'], first['size']), ('new', None, None, 6))
        self.assertEqual((second['event'], second['program'], second['size']), ('changed', 'pymodfs import', 7))
        self.assertIsInstance(second['uid'], int)
        lines = pymodfs('log', db.path, 'a.b').stdout.splitlines()
        self.assertRegex(lines[0], r'^ +\d+  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d  changed +7  \w+: pymodfs import +a\.b$')
        self.assertRegex(lines[1], r'  new +6  SQL +a\.b$')

    def test_without_a_module_everything_is_told_newest_first(self):
        db = self.database({'a': '1'})
        db.put({'b': '2'})
        db.delete('a')
        lines = [json.loads(x) for x in pymodfs('log', '--json', db.path).stdout.splitlines()]
        self.assertEqual([(x['event'], x['module']) for x in lines], [('deleted', 'a'), ('new', 'b'), ('new', 'a')])

    def test_a_log_of_more_than_a_portion_is_whole(self):
        db = self.database({f'm{i}': str(i) for i in range(600)})
        lines = [json.loads(x) for x in pymodfs('log', '--json', db.path).stdout.splitlines()]
        self.assertEqual([x['module'] for x in lines], [f'm{i}' for i in reversed(range(600))])
        self.assertEqual(len(pymodfs('log', '-n', 3, db.path).stdout.splitlines()), 3)

    def test_versions_from_before_a_rename_are_told(self):
        db = self.database({'old': 'x = 1\n'})
        db.update('old', 'x = 2\n')
        db.shell("UPDATE module SET name = 'new' WHERE name = 'old';")
        paths = [(v['path'], v['size'], v['kept']) for v in self.versions(db, 'new')]
        self.assertIn(('old.py', 6, True), paths)
        self.assertIn('new.py', [path for path, *_ in paths])

    def test_rows_that_were_there_before_init_have_a_first_version(self):
        path = self.dir / 'adopted.db'
        run('/usr/bin/sqlite3', path, input="CREATE TABLE scripts (title TEXT PRIMARY KEY, body TEXT);"
                                            "INSERT INTO scripts VALUES ('a', 'x = 1');")
        pymodfs('init', path, '--table', 'scripts', '--name-column', 'title', '--source-column', 'body')
        db = Database(path, 'scripts', 'title', 'body')
        db.update('a', 'x = 2')
        self.assertEqual([v['event'] for v in self.versions(db, 'a')], ['new', 'changed'])
        first = self.numbers(db, 'a')[0]
        self.assertEqual(pymodfs('show', path, f'a@{first}').stdout, 'x = 1')

    def test_a_module_that_never_was_is_named(self):
        db = self.database()
        self.assert_refused('log', db.path, 'nope', names='nope')
        self.assert_refused('log', '-n', 'x', db.path, names='--limit', status=2)


class ShowTest(HistoryTestCase):
    def test_each_version_comes_back_byte_for_byte(self):
        sources = [b'', b'no newline', b'\r\nx = 1\r\n', bytes(range(256)), 'ä = 1\n'.encode()]
        db = self.database()
        for source in sources:
            db.put({'m': source})
        shown = [pymodfs('show', db.path, f'm@{n}', text=False).stdout for n in self.numbers(db, 'm')]
        self.assertEqual(shown, sources)
        self.assertEqual(pymodfs('show', db.path, 'm', text=False).stdout, sources[-1])

    def test_a_module_is_named_with_dots_or_by_its_path_and_a_package_by_its_name(self):
        db = self.database({'p.__init__': 'package', 'p.m': 'module'})
        self.import_tree(db, {'data.txt': 'data'})
        for name, text in {'p': 'package', 'p/__init__.py': 'package', 'p.m': 'module', 'p/m.py': 'module',
                           'data.txt': 'data'}.items():
            self.assertEqual(pymodfs('show', db.path, name).stdout, text)

    def test_what_cannot_be_shown_is_named(self):
        db = self.database({'a': '1', 'gone': '2'})
        db.delete('gone')
        self.assert_refused('show', db.path, 'nope', names='nope')
        self.assert_refused('show', db.path, 'gone', names='gone is deleted')
        self.assert_refused('show', db.path, 'a@99', names='a@99')
        self.assert_refused('show', db.path, names='name the database', status=2)

    def test_a_version_whose_content_was_forgotten_is_named(self):
        db = self.database({'a': '1'})
        first = self.numbers(db, 'a')[0]
        db.update('a', '2')
        db.shell(f'DELETE FROM pymodfs_version WHERE id = {first};')
        self.assert_refused('show', db.path, f'a@{first}', names=f'a@{first}')
        self.assert_refused('restore', db.path, f'a@{first}', names=f'a@{first}')
        self.assertEqual(db.read('a'), b'2')


class DiffTest(HistoryTestCase):
    def test_a_module_alone_is_compared_with_the_version_before(self):
        db = self.database({'m': 'a\nb\nc\n'})
        db.update('m', 'a\nB\nc\n')
        first, second = self.numbers(db, 'm')
        self.assertEqual(pymodfs('diff', db.path, 'm').stdout,
                         f'--- m.py@{first}\n+++ m.py@{second}\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n')

    def test_two_versions_of_one_and_of_two_modules_are_compared(self):
        db = self.database({'m': '1\n', 'n': '3\n'})
        db.update('m', '2\n')
        first = self.numbers(db, 'm')[0]
        self.assertIn('\n-1\n+2\n', pymodfs('diff', db.path, f'm@{first}', 'm').stdout)
        self.assertIn('\n-2\n+3\n', pymodfs('diff', db.path, 'm', 'n').stdout)
        self.assertEqual(pymodfs('diff', db.path, 'm', 'm').stdout, '')

    def test_a_new_module_is_all_new_and_a_deleted_one_all_gone(self):
        db = self.database({'m': '1\n'})
        self.assertIn('--- /dev/null\n', pymodfs('diff', db.path, 'm').stdout)
        db.delete('m')
        self.assertIn('+++ /dev/null\n@@ -1 +0,0 @@\n-1\n', pymodfs('diff', db.path, 'm').stdout)

    def test_what_cannot_be_compared_is_named(self):
        db = self.database({'m': '1\n'})
        self.assert_refused('diff', db.path, 'm', 'nope', names='nope')
        self.assert_refused('diff', db.path, 'm@99', names='m@99')


class RestoreTest(HistoryTestCase):
    def test_a_version_comes_back_and_what_it_replaced_stays(self):
        db = self.database({'m': 'one'})
        db.update('m', 'two')
        first, second = self.numbers(db, 'm')
        pymodfs('restore', db.path, f'm@{first}')
        self.assertEqual(db.read('m'), b'one')
        self.assertEqual(len(self.numbers(db, 'm')), 3)
        self.assertEqual(self.versions(db, 'm')[-1]['program'], 'pymodfs restore')
        pymodfs('restore', db.path, f'm@{second}')
        self.assertEqual(db.read('m'), b'two')

    def test_a_deleted_module_comes_back_with_one_command(self):
        db = self.database({'p.q.m': b'x = "\xff"\r\n'})
        db.delete('p.q.m')
        pymodfs('restore', db.path, 'p.q.m')
        self.assertEqual(db.rows(), {'p.q.m': b'x = "\xff"\r\n'})
        self.assertEqual([v['event'] for v in self.versions(db, 'p.q.m')], ['new', 'deleted', 'new'])

    def test_an_older_version_of_a_deleted_module_comes_back(self):
        db = self.database({'m': 'one'})
        db.update('m', 'two')
        first = self.numbers(db, 'm')[0]
        db.delete('m')
        pymodfs('restore', db.path, f'm@{first}')
        self.assertEqual(db.read('m'), b'one')

    def test_restoring_what_is_there_changes_nothing(self):
        db = self.database({'m': 'one'})
        number = self.numbers(db, 'm')[0]
        before = db.execute('SELECT max(id) FROM pymodfs_change')
        pymodfs('restore', db.path, f'm@{number}')
        self.assertEqual(db.execute('SELECT max(id) FROM pymodfs_change'), before)

    def test_what_cannot_be_restored_is_named_and_nothing_changes(self):
        db = self.database({'m': 'one', 'dir.x': ''})
        before = db.execute('SELECT max(id) FROM pymodfs_change')
        self.assert_refused('restore', db.path, 'm', names='m@VERSION')
        self.assert_refused('restore', db.path, 'm@99', names='m@99')
        self.assert_refused('restore', db.path, 'nope', names='nope')
        self.assert_refused('restore', db.path, 'dir/x.py/y.py', names='dir/x.py/y.py')
        self.assertEqual(db.execute('SELECT max(id) FROM pymodfs_change'), before)

    def test_it_shows_in_a_mount(self):
        db = self.database({'m': 'one'})
        first = self.numbers(db, 'm')[0]
        mnt = self.mount(database=db)
        (mnt.path / 'm.py').write_text('two')
        pymodfs('restore', db.path, f'm@{first}')
        self.wait_files(mnt.path, {'m.py': b'one'})
        (mnt.path / 'm.py').unlink()
        pymodfs('restore', db.path, 'm')
        self.wait_files(mnt.path, {'m.py': b'one'})


class CheckTest(HistoryTestCase):
    def check(self, db, status):
        result = pymodfs('check', '--json', db.path, check=False)
        self.assertEqual(result.returncode, status, result.stderr)
        return [json.loads(line) for line in result.stdout.splitlines()]

    def test_a_sound_database_has_nothing_to_tell(self):
        db = self.database({'a': '', 'p.__init__': '', 'p.b': ''})
        self.assertEqual(self.check(db, 0), [])
        self.assertIn('schema 1, 0 problems, 0 notes', pymodfs('check', db.path).stdout)

    def test_each_hidden_row_is_named_with_the_reason(self):
        reasons = {'../x': 'slash', '': 'empty', 'a..b': 'dot too many', 'k.': 'dot too many', '.k': 'dot too many',
                   'x' * 300: 'too long', 'nul\0x': 'NUL', 'tab\tx': 'control'}
        db = self.database()
        with sqlite3.connect(db.path) as connection:
            connection.executemany('INSERT INTO module VALUES (?, 1)', [(name,) for name in reasons])
        connection.close()
        found = {x['name']: x['message'] for x in self.check(db, 1)}
        self.assertEqual(sorted(found), sorted(reasons))
        for name, reason in reasons.items():
            self.assertIn(reason, found[name])

    def test_a_row_whose_path_is_taken_is_told(self):
        db = self.database()
        mnt = self.mount(database=db)
        (mnt.path / 'a').write_text('a file')
        mnt.umount()
        db.put({'a.b': ''})
        self.assertEqual([(x['kind'], x['name']) for x in self.check(db, 1)], [('hidden', 'a.b')])

    def test_a_module_and_a_package_of_one_name_are_a_problem(self):
        db = self.database({'p': '', 'p.__init__': '', 'q': '', 'q.m': ''})
        found = [(x['kind'], x['name'], x['level']) for x in self.check(db, 1)]
        self.assertEqual(sorted(found), [('namespace', 'q', 'note'), ('shadowed', 'p', 'problem'),
                                         ('shadowed', 'q', 'problem')])

    def test_a_package_without_an_init_is_a_note_alone(self):
        db = self.database({'p.m': ''})
        self.assertEqual([(x['kind'], x['name']) for x in self.check(db, 0)], [('namespace', 'p')])

    def test_damage_is_told(self):
        db = self.database({f'm{i}': 'x' * 3000 for i in range(50)})
        run('/usr/bin/sqlite3', db.path, input='PRAGMA wal_checkpoint(TRUNCATE);')
        root = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'pymodfs_version_node'")[0][0]
        size = db.execute('PRAGMA page_size')[0][0]
        with open(db.path, 'r+b') as file:
            file.seek((root - 1) * size + size // 2)
            file.write(b'\xff' * (size // 2))
        result = pymodfs('check', db.path, check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn('problem: ', result.stdout)


class BackupTest(HistoryTestCase):
    def test_a_copy_has_the_rows_and_the_history_while_somebody_writes(self):
        db = self.database({'m': 'one'})
        db.update('m', 'two')
        with sqlite3.connect(db.path) as connection:
            connection.execute("INSERT INTO module VALUES ('uncommitted', '')")
            pymodfs('backup', db.path, self.dir / 'copy.db')
            connection.rollback()
        connection.close()
        copy = Database(self.dir / 'copy.db')
        self.assertEqual(copy.rows(), {'m': b'two'})
        self.assertEqual(copy.problems(), [])
        self.assertEqual(self.numbers(copy, 'm'), self.numbers(db, 'm'))
        pymodfs('restore', copy.path, f'm@{self.numbers(copy, "m")[0]}')
        self.assertEqual((copy.read('m'), db.read('m')), (b'one', b'two'))

    def test_a_file_that_is_there_is_left_alone(self):
        db = self.database({'m': 'one'})
        (self.dir / 'precious').write_text('mine')
        self.assert_refused('backup', db.path, self.dir / 'precious', names='precious')
        self.assertEqual((self.dir / 'precious').read_text(), 'mine')

    def test_a_copy_of_a_private_database_is_private(self):
        db = self.database({'m': 'one'})
        db.path.chmod(0o600)
        pymodfs('backup', db.path, self.dir / 'copy.db')
        self.assertEqual((self.dir / 'copy.db').stat().st_mode & 0o777, 0o600)

    def test_a_place_that_cannot_be_written_is_named(self):
        db = self.database()
        self.assert_refused('backup', db.path, self.dir / 'no' / 'copy.db', names='no/copy.db')


class HelpTest(TestCase):
    def test_each_of_these_commands_tells_its_usage(self):
        for command in ('log', 'show', 'diff', 'restore', 'check', 'backup'):
            self.assertIn(f'Usage: pymodfs {command} ', pymodfs(command, '--help').stdout)
            self.assert_refused(command, '--nonsense', names='--nonsense', status=2)
            self.assert_refused(command, self.dir / 'no.db', *(['x'] if command not in ('log', 'check') else []),
                                names='no.db')

    def test_output_that_cannot_be_written_is_an_error(self):
        db = self.database({'m': 'one'})
        for command in (['log'], ['log', '--json'], ['show'], ['check'], ['status']):
            words = [PYMODFS, *command, db.path, *(['m'] if command == ['show'] else [])]
            result = run('sh', '-c', 'exec "$@" >/dev/full', 'sh', *words, check=False)
            self.assertEqual(result.returncode, 1, command)
            self.assertRegex(result.stderr, "^pymodfs [a-z]+: can't write: .*\\n$")

    def test_the_manual_names_every_command_and_option_that_the_help_names(self):
        manual = (TOP / 'man' / 'pymodfs.1').read_text()
        commands = re.findall(r'^  ([a-z]+)  ', pymodfs('--help').stdout, re.MULTILINE)
        self.assertIn('mount', commands)
        for command in commands:
            self.assertIn(f'\n.Ss {command}\n', manual)
            section = manual.split(f'\n.Ss {command}\n')[1].split('\n.Ss ')[0]
            help_text = pymodfs(command, '--help').stdout
            for option in set(re.findall(r' --([a-z-]+)', help_text)) - {'help'}:
                self.assertRegex(section, fr'\bFl -{option}\b', command)
        options = pymodfs('mount', '--help').stdout.split('after -o:')[1]
        told = re.findall(r'[a-z_]+', ' '.join(re.findall(r'^\.It Cm (.*)', manual, re.MULTILINE)))
        for line in re.findall(r'^  (\S.*?)(?:  |$)', options, re.MULTILINE):
            for option in line.split(', '):
                self.assertIn(option.split('=')[0], told)


if __name__ == '__main__':
    unittest.main()
