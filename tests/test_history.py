"""What happened to a module can be told, shown, compared and undone; a database can be checked and copied.

Changes are made as users make them: with the sqlite3 shell, by an import, through a mount.
"""

import json
import os
import shutil
import sqlite3
import unittest
from pathlib import Path
from random import Random

from tests.support import PYMODFS, Database, TestCase, files_of, pymodfs, run


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
        self.assertRegex(lines[0], r'^ +\d+ +\d+  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d  changed +\+1 +-1  \w+: pymodfs import +a\.b$')
        self.assertRegex(lines[1], r'  new +\+1 +SQL +a\.b$')

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

    def test_a_rename_is_one_line_and_told_under_both_names(self):
        db = self.database({'a': '1\n', 'p.b': ''})
        db.shell("UPDATE module SET name = 'z' WHERE name = 'a';")
        mnt = self.mount(database=db)
        (mnt.path / 'p').rename(mnt.path / 'q')
        mnt.umount()
        lines = [json.loads(x) for x in pymodfs('log', '--json', db.path).stdout.splitlines()]
        self.assertEqual([(x['event'], x['from'], x['path']) for x in lines],
                         [('renamed', 'p/b.py', 'q/b.py'), ('renamed', 'a.py', 'z.py'), ('new', None, 'p/b.py'),
                          ('new', None, 'a.py')])
        self.assertEqual([(x['event'], x['to']) for x in self.versions(db, 'a')], [('new', None), ('renamed', 'z.py')])
        self.assertIn('a.py -> z.py', pymodfs('log', db.path, 'z').stdout)

    def test_nothing_older_than_since_is_told(self):
        db = self.database({'a': '1'})
        db.shell('UPDATE pymodfs_change SET time = time - 3 * 86400 * 1000000000;')
        db.put({'b': '2'})
        lines = [json.loads(x) for x in pymodfs('log', '--json', '--since', '2d', db.path).stdout.splitlines()]
        self.assertEqual([x['module'] for x in lines], ['b'])
        for word in ('tomorrow', '2026-02-31', '2026-11-25 24:30'):
            self.assert_refused('log', '--since', word, db.path, names=word, status=2)
        # Beyond what nanoseconds can count.
        self.assertEqual(pymodfs('log', '--since', '9999-12-31', db.path).stdout, '')
        self.assertEqual(pymodfs('log', '--since', '1000-01-01', db.path).stdout, pymodfs('log', db.path).stdout)

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
    def diff(self, *words, status=1):
        """What a diff prints that ends with the status of diff(1)."""
        result = pymodfs('diff', *words, check=False)
        self.assertEqual((result.returncode, result.stderr), (status, ''))
        return result.stdout

    def test_a_module_alone_is_compared_with_the_version_before(self):
        db = self.database({'m': 'a\nb\nc\n'})
        db.update('m', 'a\nB\nc\n')
        first, second = self.numbers(db, 'm')
        self.assertEqual(self.diff(db.path, 'm'),
                         f'--- m.py@{first}\n+++ m.py@{second}\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n')

    def test_two_versions_of_one_and_of_two_modules_are_compared(self):
        db = self.database({'m': '1\n', 'n': '3\n'})
        db.update('m', '2\n')
        first = self.numbers(db, 'm')[0]
        self.assertIn('\n-1\n+2\n', self.diff(db.path, f'm@{first}', 'm'))
        self.assertIn('\n-2\n+3\n', self.diff(db.path, 'm', 'n'))
        self.assertEqual(self.diff(db.path, 'm', 'm', status=0), '')

    def test_a_new_module_is_all_new_and_a_deleted_one_all_gone(self):
        db = self.database({'m': '1\n'})
        self.assertIn('--- /dev/null\n', self.diff(db.path, 'm'))
        db.delete('m')
        self.assertIn('+++ /dev/null\n@@ -1 +0,0 @@\n-1\n', self.diff(db.path, 'm'))

    def test_patch_makes_the_new_version_of_the_old_one(self):
        random = Random(1)
        old = [f'{random.randrange(30)}\n' for _ in range(300)]
        new = [line for line in old if random.random() < 0.9]
        for _ in range(30):
            new.insert(random.randrange(len(new)), f'{random.randrange(30)}\n')
        old, new = ''.join(old), ''.join(new).rstrip('\n')
        db = self.database({'m': old})
        db.update('m', new)
        (self.dir / 'm.py').write_text(old)
        run('patch', '-s', self.dir / 'm.py', input=self.diff(db.path, 'm'))
        self.assertEqual((self.dir / 'm.py').read_text(), new)

    def test_two_states_of_the_database_are_compared(self):
        db = self.database({'a': '1\n', 'p.b': '1\n', 'same': ''})
        before = db.execute('SELECT max(id) FROM pymodfs_change')[0][0]
        db.update('a', '2\n')
        db.delete('p.b')
        db.put({'c': '3\n'})
        lines = [json.loads(line) for line in self.diff('--json', '--from', before, db.path).splitlines()]
        self.assertEqual([(x['path'], x['change'], x['added'], x['removed']) for x in lines],
                         [('a.py', 'changed', 1, 1), ('c.py', 'added', 1, 0), ('p/b.py', 'removed', 0, 1)])
        self.assertEqual(self.diff('-q', '--from', before, '--to', before + 1, db.path), 'changed a.py\n')
        self.assertIn('\n-1\n+2\n', self.diff('--from', before, db.path, 'a'))
        self.assertEqual(self.diff('--from', before, '--to', before, db.path, status=0), '')

    def test_a_directory_and_a_database_are_compared(self):
        db = self.database({'a': '1\n', 'p.b': '1\n'})
        pymodfs('export', db.path, self.dir / 'out')
        self.assertEqual(self.diff(db.path, self.dir / 'out', status=0), '')
        (self.dir / 'out/a.py').write_text('2\n')
        (self.dir / 'out/new.py').write_text('')
        self.assertEqual(self.diff('-q', db.path, self.dir / 'out'), 'changed a.py\nadded   new.py\n')
        self.assertIn('\n-2\n+1\n', self.diff(self.dir / 'out', db.path))

    def test_two_databases_are_compared(self):
        one = self.database({'a': '1\n', 'b': ''})
        other = self.database({'a': '2\n', 'b': ''}, name='other.db')
        self.assertIn('\n-1\n+2\n', self.diff(one.path, other.path))
        self.assertEqual(self.diff(one.path, one.path, status=0), '')

    def test_a_module_comes_before_a_directory_of_its_name(self):
        db = self.database({'m': '1\n'})
        (self.dir / 'm').mkdir()
        result = run(PYMODFS, 'diff', db.path, 'm', cwd=self.dir, check=False)
        self.assertIn('+++ m.py@', result.stdout)
        result = run(PYMODFS, 'diff', '-q', db.path, './m', cwd=self.dir, check=False)
        self.assertEqual(result.stdout, 'removed m.py\n')

    def test_bytes_that_are_no_text_are_told_to_differ(self):
        db = self.database({'m': b'\0\1'})
        db.update('m', b'\0\2')
        self.assertRegex(self.diff(db.path, 'm'), r'^Binary files m.py@\d+ and m.py@\d+ differ\n$')

    def test_what_cannot_be_compared_is_named(self):
        db = self.database({'m': '1\n'})
        self.assert_refused('diff', db.path, 'm', 'nope', names='nope', status=2)
        self.assert_refused('diff', db.path, 'm@99', names='m@99', status=2)
        self.assert_refused('diff', '--from', 999, db.path, names='999', status=2)
        self.assert_refused('diff', '--from', 'yesterday', db.path, names='yesterday', status=2)
        self.assert_refused('diff', db.path, names='name what to compare', status=2)


class AnnotateTest(HistoryTestCase):
    def lines(self, db, word):
        return [json.loads(x) for x in pymodfs('annotate', '--json', db.path, word).stdout.splitlines()]

    def test_each_line_has_the_version_that_made_it(self):
        db = self.database({'m': 'a\nb\nc\n'})
        db.update('m', 'a\nB\nc\n')
        self.import_tree(db, {'m.py': 'new\na\nB\nc\nend'})
        one, two, three = self.numbers(db, 'm')
        self.assertEqual([(x['version'], x['text'], x['program']) for x in self.lines(db, 'm')],
                         [(three, 'new', 'pymodfs import'), (one, 'a', None), (two, 'B', None), (one, 'c', None),
                          (three, 'end', 'pymodfs import')])
        self.assertEqual([x['version'] for x in self.lines(db, f'm@{two}')], [one, two, one])
        text = pymodfs('annotate', db.path, f'm@{two}').stdout.splitlines()
        self.assertRegex(text[1], rf'^ +{two}  \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d  SQL +\| B$')

    def test_it_agrees_with_a_history_made_line_by_line(self):
        random, lines, db = Random(2), [], self.database({'m': ''})
        for step in range(60):
            if lines and random.random() < 0.4:
                del lines[random.randrange(len(lines))]
            lines.insert(random.randrange(len(lines) + 1), (step, f'line {step}\n'))
            db.update('m', ''.join(text for _, text in lines))
        numbers = self.numbers(db, 'm')
        self.assertEqual([x['version'] for x in self.lines(db, 'm')], [numbers[step + 1] for step, _ in lines])

    def test_what_is_no_longer_kept_is_passed_over(self):
        db = self.database({'m': 'a\n'})
        for text in ('a\nb\n', 'a\nb\nc\n'):
            db.update('m', text)
        last = self.numbers(db, 'm')[-1]
        pymodfs('prune', '--keep', 0, db.path)
        self.assertEqual([x['version'] for x in self.lines(db, 'm')], [last] * 3)

    def test_what_cannot_be_annotated_is_named(self):
        db = self.database({'m': b'\0'})
        self.assert_refused('annotate', db.path, 'm', names='m is no text')
        self.assert_refused('annotate', db.path, 'nope', names='nope')
        db.delete('m')
        self.assert_refused('annotate', db.path, 'm', names='m@VERSION')


class PruneTest(HistoryTestCase):
    def kept(self, db, module):
        return [(x['version'], x['event']) for x in self.versions(db, module) if x['kept']]

    def test_old_versions_go_by_count_and_the_current_one_stays(self):
        db = self.database({'m': '1', 'gone': '1'})
        for i in range(2, 6):
            db.update('m', str(i))
        db.delete('gone')
        numbers = self.numbers(db, 'm')
        before = db.execute('SELECT count(*) FROM pymodfs_change')
        self.assertEqual(json.loads(pymodfs('prune', '-n', '--json', '--keep', 1, db.path).stdout),
                         {'versions': 3, 'bytes': 3, 'dry_run': True})
        self.assertEqual(len(self.kept(db, 'm')), 5)
        self.assertIn('VACUUM', pymodfs('prune', '--keep', 1, db.path).stdout)
        self.assertEqual([number for number, _ in self.kept(db, 'm')], numbers[-2:])
        self.assertEqual(db.execute('SELECT count(*) FROM pymodfs_change'), before)
        pymodfs('restore', db.path, 'gone')
        pymodfs('prune', '--keep', 0, db.path)
        self.assertEqual((db.read('m'), db.read('gone')), (b'5', b'1'))
        self.assertEqual(db.problems(), [])

    def test_age_counts_from_when_a_version_was_replaced_or_deleted(self):
        db = self.database({'m': '1', 'gone': '1'})
        db.update('m', '2')
        db.delete('gone')
        day = 86400 * 10**9
        db.shell(f'UPDATE pymodfs_version SET time = time - 30 * {day}; UPDATE pymodfs_change SET time = time - 30 * {day};')
        db.update('m', '3')
        first, second, _ = self.numbers(db, 'm')
        pymodfs('prune', '--older-than', '10d', db.path)
        self.assertNotIn(first, [number for number, _ in self.kept(db, 'm')])
        self.assertEqual(pymodfs('show', db.path, f'm@{second}').stdout, '2')
        self.assert_refused('restore', db.path, 'gone', names='gone: no version of it is kept')

    def test_with_both_only_what_meets_both_goes(self):
        db = self.database({'m': '1'})
        for i in range(2, 6):
            db.update('m', str(i))
        pymodfs('prune', '--older-than', '1d', '--keep', 0, db.path)
        self.assertEqual(len(self.kept(db, 'm')), 5)

    def test_what_is_to_go_must_be_said(self):
        db = self.database()
        self.assert_refused('prune', db.path, names='--older-than', status=2)
        self.assert_refused('prune', '--older-than', 'x', db.path, names='--older-than', status=2)


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

    def test_everything_becomes_what_it_was_in_one_transaction(self):
        db = self.database({'m': '1', 'p.__init__': '', 'p.b': '1', 'same': ''})
        db.shell("UPDATE pymodfs_setting SET value = 1 WHERE key = 'resource_history';")
        self.import_tree(db, {'data.txt': 'data', 'deep/er/file.bin': '1'})
        states = {db.newest(): self.state(db)}
        db.update('m', '2')
        db.delete('p.b')
        states[db.newest()] = self.state(db)
        mnt = self.mount(database=db)
        (mnt.path / 'p').rename(mnt.path / 'q')
        (mnt.path / 'data.txt').unlink()
        (mnt.path / 'p').write_text('a file now')
        (mnt.path / 'm').mkdir()
        (mnt.path / 'm/__init__.py').write_text('')
        mnt.umount()
        states[db.newest()] = self.state(db)
        first, second, third = states
        for generation in (first, third, second, first, second, third):
            pymodfs('restore', '--generation', generation, db.path)
            self.assertEqual(self.state(db), states[generation])
            self.assertEqual(pymodfs('diff', '--from', generation, db.path).stdout, '')
            self.assertEqual(db.problems(), [])

    def state(self, db):
        out = self.dir / f'state{len(list(self.dir.iterdir()))}'
        pymodfs('export', db.path, out)
        return files_of(out)

    def test_restoring_everything_is_itself_undone(self):
        db = self.database({'m': '1', 'gone': '1'})
        first = db.newest()
        db.update('m', '2')
        db.delete('gone')
        db.put({'new': ''})
        second, rows = db.newest(), db.rows()
        pymodfs('restore', '--generation', first, db.path)
        self.assertEqual(db.rows(), {'m': b'1', 'gone': b'1'})
        self.assertEqual({x['program'] for x in self.versions(db, 'gone') if x['change'] > second}, {'pymodfs restore'})
        pymodfs('restore', '--generation', second, db.path)
        self.assertEqual(db.rows(), rows)

    def test_half_a_transaction_is_no_generation(self):
        db = self.database({'m': '1'})
        first = db.newest()
        self.import_tree(db, {f'n{i}.py': 'V = 1' for i in range(300)})
        last = db.newest()
        self.assertEqual(last, first + 300)
        db.execute("UPDATE module SET source = 'V = 2'")
        for number, before, after in ((first + 1, first, last), (last - 1, first, last), (last + 7, last, last + 301)):
            for words, status in ((('restore', '--generation', number), 1), (('diff', '--from', number), 2),
                                  (('diff', '--from', 0, '--to', number), 2)):
                said = self.assert_refused(*words, db.path, names='in the middle of a transaction', status=status)
                self.assertIn(f'name {after} for the state after it, {before} for the one before', said)
        pymodfs('restore', '--generation', last, db.path)
        self.assertEqual(db.rows(), {'m': b'1', **{f'n{i}': b'V = 1' for i in range(300)}})
        pymodfs('restore', '--generation', first, db.path)
        self.assertEqual(db.rows(), {'m': b'1'})

    def test_a_transaction_that_was_under_way_at_a_time_had_not_happened_yet(self):
        db = self.database({'m': '1'})
        first = db.newest()
        self.import_tree(db, {f'n{i}.py': 'V = 1' for i in range(3)})
        db.execute('UPDATE pymodfs_change SET time = time - (CASE WHEN id <= ? THEN 3 ELSE 1 END) * 86400 * 1000000000', (first + 1,))
        pymodfs('restore', '--generation', '2d', db.path)
        self.assertEqual(db.rows(), {'m': b'1'})

    def test_a_time_is_a_generation_too(self):
        db = self.database({'m': '1'})
        db.shell('UPDATE pymodfs_change SET time = time - 3 * 86400 * 1000000000;')
        db.update('m', '2')
        pymodfs('restore', '--generation', '2d', db.path)
        self.assertEqual(db.read('m'), b'1')
        self.assert_refused('restore', '--generation', '9d', db.path, names='the history begins later')

    def test_what_would_be_restored_is_told_and_not_done(self):
        db = self.database({'m': '1'})
        first = db.newest()
        db.update('m', '2')
        found = json.loads(pymodfs('restore', '-n', '--json', '--generation', first, db.path).stdout)
        self.assertEqual((found['changed'], found['dry_run'], db.read('m')), (1, True, b'2'))
        pymodfs('restore', '-n', db.path, f'm@{self.numbers(db, "m")[0]}')
        self.assertEqual(db.read('m'), b'2')

    def test_a_state_that_is_no_longer_kept_is_refused_whole(self):
        db = self.database({'a': '1', 'm': '1'})
        first = db.newest()
        db.update('a', '2')
        db.update('m', '2')
        db.shell(f'UPDATE pymodfs_version SET content = NULL WHERE id = {self.numbers(db, "m")[0]};')
        self.assert_refused('restore', '--generation', first, db.path, names='m.py is no longer kept')
        self.assertEqual(db.rows(), {'a': b'2', 'm': b'2'})

    def test_what_cannot_be_restored_is_named_and_nothing_changes(self):
        db = self.database({'m': 'one', 'dir.x': ''})
        before = db.execute('SELECT max(id) FROM pymodfs_change')
        self.assert_refused('restore', db.path, 'm', names='m@VERSION')
        self.assert_refused('restore', db.path, names='--generation', status=2)
        self.assert_refused('restore', '--generation', 999, db.path, names='999')
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
        self.assertIn('schema 3, 0 problems, 0 notes', pymodfs('check', db.path).stdout)

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

    def test_sources_that_do_not_compile_are_told_with_their_line(self):
        db = self.database({'ok': 'x = 1\n', 'p.bad': 'x = 1\ny = (\n', 'nul': b'x\0', 'latin': b'# coding: latin-1\nx = "\xe9"\n',
                            'encoding': b'x = "\xe9"\n', 'p.__init__': 'import os; os.mkdir("executed")'})
        found = {x['name']: x['message'] for x in self.check(db, 1) if x['kind'] == 'syntax'}
        self.assertEqual(sorted(found), ['encoding.py', 'nul.py', 'p/bad.py'])
        self.assertIn('line 2: ', found['p/bad.py'])
        self.assertIn("problem: p/bad.py: line 2: '(' was never closed", pymodfs('check', db.path, check=False).stdout)
        self.assertIn('0 problems', pymodfs('check', '--no-compile', db.path).stdout)

    def test_modules_that_hide_the_standard_library_are_told(self):
        db = self.database({'random': '', 'json.__init__': '', 'mine': '', 'p.__init__': '', 'p.random': ''})
        found = [x['name'] for x in self.check(db, 1) if x['kind'] == 'stdlib']
        self.assertEqual(sorted(found), ['json/__init__.py', 'random.py'])

    def test_an_interpreter_that_is_not_there_or_fails_is_told(self):
        db = self.database({'bad': '('})
        result = pymodfs('check', '--python', self.dir / 'no-python', db.path)
        self.assertIn('no-python: there is no such program; the sources were not compiled', result.stdout)
        result = pymodfs('check', '--python', '/bin/false', db.path, check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn('/bin/false: failed', result.stdout)

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


class DumpTest(HistoryTestCase):
    def test_a_dump_restored_has_the_rows_and_the_history_and_mounts(self):
        db = self.database({'a.b': 'x = 1\n', 'bytes': b'\0\xff\r\n'})
        db.update('a.b', 'x = 2\n')
        self.import_tree(db, {'data.txt': 'data'})
        dump = db.shell('.dump')
        copy = Database(self.dir / 'restored.db')
        run('/usr/bin/sqlite3', '-bail', copy.path, input=dump)
        self.assertEqual(copy.rows(), db.rows())
        self.assertEqual(copy.problems(), [])
        self.assertEqual(pymodfs('log', '--json', copy.path).stdout, pymodfs('log', '--json', db.path).stdout)
        self.assertEqual(pymodfs('diff', db.path, copy.path).stdout, '')
        mnt = self.mount(database=copy)
        (mnt.path / 'a/b.py').write_text('x = 3\n')
        self.assertEqual((mnt.path / 'data.txt').read_text(), 'data')
        self.assertEqual([v['size'] for v in self.versions(copy, 'a.b')], [6, 6, 6])
        self.assertEqual(db.read('a.b'), b'x = 2\n')


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
        for command in ('log', 'show', 'diff', 'annotate', 'restore', 'check', 'backup'):
            self.assertIn(f'Usage: pymodfs {command} ', pymodfs(command, '--help').stdout)
            self.assert_refused(command, '--nonsense', names='--nonsense', status=2)
            self.assert_refused(command, self.dir / 'no.db', *(['x'] if command not in ('log', 'check') else []),
                                names='no.db', status=2 if command == 'diff' else 1)

    def test_names_are_shown_so_that_no_terminal_obeys_them(self):
        db, tree = self.database(), self.dir / 'tree'
        tree.mkdir()
        names = {b'\x1b[31m.txt': r'\x1b[31m.txt', '\x9b1m.txt'.encode(): r'\xc2\x9b1m.txt', b'\xff\\.txt': r'\xff\.txt', 'é.txt'.encode(): 'é.txt'}
        for name in names:
            Path(os.fsdecode(os.fsencode(tree) + b'/' + name)).write_text('')
        told = sorted(names.values())
        self.assertEqual(sorted(line.split()[1] for line in pymodfs('import', '-v', db.path, tree).stdout.splitlines()[:-1]), told)
        self.assertEqual(sorted(line.split()[-1] for line in pymodfs('log', db.path).stdout.splitlines()), told)
        self.assertEqual(sorted(line.split()[1] for line in pymodfs('export', '-v', db.path, self.dir / 'out').stdout.splitlines()[:-1]), told)
        self.assertEqual(pymodfs('show', db.path, '\x1b[31m', check=False).stderr, 'pymodfs show: there is no \\x1b[31m, and there never was\n')
        in_json = {json.loads(line)['path'] for line in pymodfs('log', '--json', db.path).stdout.splitlines()}
        self.assertEqual(in_json, {'\x1b[31m.txt', '\x9b1m.txt', r'\xff\x5c.txt', 'é.txt'})
        shutil.rmtree(tree)
        tree.mkdir()
        found = pymodfs('diff', '--json', db.path, tree, check=False)
        self.assertEqual({json.loads(line)['path'] for line in found.stdout.splitlines()}, in_json)

    def test_what_only_reads_leaves_nothing_beside_the_database(self):
        db = self.database({'m': 'one'})
        for words, status in ((['log', db.path], 0), (['log', db.path, 'nope'], 1), (['show', db.path, 'm'], 0), (['show', db.path, 'nope'], 1),
                              (['diff', db.path, 'nope'], 2), (['annotate', db.path, 'nope'], 1), (['status', db.path], 0),
                              (['check', '--no-compile', db.path], 0), (['export', db.path, db.path], 1), (['backup', db.path, db.path], 1)):
            with self.subTest(words[0], status=status):
                self.assertEqual(pymodfs(*words, check=False).returncode, status)
                self.assertEqual([path.name for path in self.dir.iterdir()], [db.path.name])

    def test_output_that_cannot_be_written_is_an_error(self):
        db = self.database({'m': 'one'})
        hidden = self.database({'a..b': ''}, name='hidden.db')
        for words, status in ((['log', db.path], 1), (['log', '--json', db.path], 1), (['show', db.path, 'm'], 1),
                              (['check', db.path], 1), (['status', db.path], 1), (['check', '--no-compile', hidden.path], 1),
                              (['diff', '--from', '0', db.path], 2)):
            result = run('sh', '-c', 'exec "$@" >/dev/full', 'sh', PYMODFS, *words, check=False)
            self.assertEqual(result.returncode, status, words)
            self.assertEqual(result.stderr, f"pymodfs {words[0]}: can't write: No space left on device\n")
        for words in (['--help'], ['--version'], ['help', 'names']):
            result = run('sh', '-c', 'exec "$@" >/dev/full', 'sh', PYMODFS, *words, check=False)
            self.assertEqual((result.returncode, result.stderr), (1, "pymodfs: can't write: No space left on device\n"))


if __name__ == '__main__':
    unittest.main()
