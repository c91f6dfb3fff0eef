"""The history of a PostgreSQL database is told and undone with the same commands."""

import json
import unittest

from tests.support import TestCase, pymodfs, wait_until
from tests.support.postgres import PostgresServer

SERVER = PostgresServer()


def setUpModule():
    unittest.enterModuleContext(SERVER)


class PostgresHistoryTest(TestCase):
    number = 0

    def setUp(self):
        super().setUp()
        PostgresHistoryTest.number += 1
        self.name = f'history{self.number}'
        self.url = SERVER.create(self.name)
        pymodfs('init', self.url)

    def sql(self, statements):
        return SERVER.psql(self.name, statements)

    def events(self, *module):
        return [json.loads(line) for line in pymodfs('log', '--json', self.url, *module).stdout.splitlines()]

    def test_versions_are_told_shown_compared_and_come_back(self):
        self.sql("INSERT INTO module VALUES ('a.b', E'x = 1\\n');")
        self.sql("UPDATE module SET source = E'x = 2\\n'; INSERT INTO module VALUES ('c', '');")
        self.sql("DELETE FROM module WHERE name = 'a.b'")
        self.assertEqual([(e['event'], e['module']) for e in self.events()],
                         [('deleted', 'a.b'), ('new', 'c'), ('changed', 'a.b'), ('new', 'a.b')])
        self.assertEqual([e['event'] for e in self.events('a.b')], ['deleted', 'changed', 'new'])
        first = self.events('a.b')[-1]['version']
        self.assertEqual(pymodfs('show', self.url, f'a.b@{first}').stdout, 'x = 1\n')
        self.assertIn('\n-x = 2\n', pymodfs('diff', self.url, 'a.b', check=False).stdout)
        pymodfs('restore', self.url, 'a.b')
        self.assertEqual(self.sql("SELECT source FROM module WHERE name = 'a.b'"), 'x = 2\n\n')
        pymodfs('restore', self.url, f'a.b@{first}')
        self.assertEqual(self.sql("SELECT source FROM module WHERE name = 'a.b'"), 'x = 1\n\n')
        self.assertEqual(self.events('a.b')[0]['program'], 'pymodfs restore')

    def test_versions_from_before_a_rename_are_told(self):
        self.sql("INSERT INTO module VALUES ('old', 'x = 1')")
        self.sql("UPDATE module SET source = 'x = 22'")
        self.sql("UPDATE module SET name = 'new'")
        self.assertIn(('old.py', 5), [(e['path'], e['size']) for e in self.events('new')])

    def test_a_first_import_looks_at_a_few_nodes_for_each_module(self):
        """Not at all that there are: nobody tells the planner in that one transaction that the table has grown."""
        tree = self.dir / 'tree'
        for number in range(200):
            path = tree / f'p{number % 10}' / f'm{number}.py'
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text('V = 1\n')
        pymodfs('import', self.url, tree)

        def fetched():
            made, rows = self.sql("SELECT n_tup_ins, idx_tup_fetch + seq_tup_read FROM pg_stat_user_tables "
                                  "WHERE relname = 'pymodfs_node'").strip().split('|')
            return int(rows) if int(made) > 200 else None
        self.assertLess(wait_until(fetched), 200 * 60)

    def test_hidden_rows_are_named(self):
        self.sql("INSERT INTO module VALUES ('a..b', ''), ('../x', '')")
        result = pymodfs('check', '--json', self.url, check=False)
        self.assertEqual(result.returncode, 1)
        self.assertEqual({json.loads(line)['name'] for line in result.stdout.splitlines()}, {'a..b', '../x'})

    def newest(self):
        return int(self.sql('SELECT max(id) FROM pymodfs_change'))

    def rows(self):
        return self.sql("SELECT name || '=' || source FROM module ORDER BY name COLLATE \"C\"").split()

    def json(self, *words, status=0):
        result = pymodfs(*words, check=False)
        self.assertEqual(result.returncode, status, result.stderr)
        return [json.loads(line) for line in result.stdout.splitlines()]

    def test_lines_are_counted_and_annotated_and_a_rename_is_one_line(self):
        self.sql("INSERT INTO module VALUES ('m', E'a\\nb\\n')")
        self.sql("UPDATE module SET source = E'a\\nB\\n'")
        self.sql("UPDATE module SET name = 'p.n'")
        self.assertEqual([(e['event'], e['from'], e['added'], e['removed']) for e in self.events()],
                         [('renamed', 'm.py', None, None), ('changed', None, 1, 1), ('new', None, 2, 0)])
        self.assertEqual([x['text'] for x in self.json('annotate', '--json', self.url, 'p.n')], ['a', 'B'])
        self.assertEqual(len({x['version'] for x in self.json('annotate', '--json', self.url, 'p.n')}), 2)
        shown = json.loads(pymodfs('show', '--json', self.url, 'p.n').stdout)
        self.assertEqual((shown['source'], shown['current'], shown['uid']), ('a\nB\n', True, None))
        self.assertEqual(self.events('--since', '1h', 'p.n')[0]['event'], 'renamed')

    def test_everything_becomes_what_it_was_and_is_undone(self):
        self.sql("INSERT INTO module VALUES ('a', '1'), ('p.b', '1'), ('same', '')")
        first = self.newest()
        self.sql("UPDATE module SET source = '2' WHERE name = 'a'; DELETE FROM module WHERE name = 'p.b'")
        self.sql("INSERT INTO module VALUES ('new', '')")
        second, rows = self.newest(), self.rows()
        self.assertEqual([(x['path'], x['change']) for x in self.json('diff', '--json', '--from', first, self.url, status=1)],
                         [('a.py', 'changed'), ('new.py', 'added'), ('p/b.py', 'removed')])
        self.assertEqual(self.json('restore', '--json', '--generation', first, self.url)[0]['deleted'], 1)
        self.assertEqual(self.rows(), ['a=1', 'p.b=1', 'same='])
        pymodfs('restore', '--generation', second, self.url)
        self.assertEqual(self.rows(), rows)
        self.assert_refused('restore', '--generation', '9d', self.url, names='begins later')

    def test_numbers_that_a_rollback_left_out_are_in_no_transaction(self):
        self.sql("INSERT INTO module VALUES ('a', '1'), ('b', '1')")
        first = self.newest()
        self.sql("BEGIN; UPDATE module SET source = '2'; ROLLBACK")
        self.sql("UPDATE module SET source = '3'")
        self.assertEqual(self.newest(), first + 4)
        for number in (first, first + 1, first + 2):
            self.assertEqual(self.json('restore', '--json', '-n', '--generation', number, self.url)[0]['changed'], 2)
        said = self.assert_refused('restore', '--generation', first + 3, self.url, names='in the middle of a transaction')
        self.assertIn(f'name {first + 4} for the state after it, {first} for the one before', said)

    def test_old_versions_are_forgotten_and_the_current_one_stays(self):
        self.sql("INSERT INTO module VALUES ('m', '1'), ('gone', '1')")
        for source in range(2, 6):
            self.sql(f"UPDATE module SET source = '{source}' WHERE name = 'm'")
        self.sql("DELETE FROM module WHERE name = 'gone'")
        self.assertEqual(self.json('prune', '--json', '-n', '--keep', 1, self.url),
                         [{'versions': 3, 'bytes': 3, 'dry_run': True}])
        self.assertNotIn('VACUUM', pymodfs('prune', '--keep', 1, self.url).stdout)
        self.assertEqual([e['kept'] for e in self.events('m')], [True, True, False, False, False])
        self.assertEqual(self.json('prune', '--json', '--older-than', '1d', self.url)[0]['versions'], 0)
        pymodfs('restore', self.url, 'gone')
        pymodfs('prune', '--keep', 0, self.url)
        self.assertEqual(self.rows(), ['gone=1', 'm=5'])

    def test_files_go_out_and_come_back_and_conflicts_are_named(self):
        self.sql("INSERT INTO module VALUES ('a', '1'), ('b', '1'), ('c', '1')")
        out = self.dir / 'out'
        pymodfs('export', self.url, out)
        self.assertEqual(pymodfs('diff', self.url, out).stdout, '')
        (out / 'a.py').write_text('files')
        self.sql("UPDATE module SET source = 'database' WHERE name <> 'c'")
        self.assertIn('a.py: changed here and in the database', pymodfs('import', self.url, out, check=False).stderr)
        (out / 'c.py').unlink()
        found = self.json('import', '--json', '--delete', '--skip-conflicts', self.url, out)[0]
        self.assertEqual((found['deleted'], found['kept'], found['conflicts']), (1, 1, 1))
        self.assertEqual(self.rows(), ['a=database', 'b=database'])
        self.assertIn('1 conflict', pymodfs('export', self.url, out, check=False).stderr)
        pymodfs('import', '--force', self.url, out)
        self.assertEqual(self.rows(), ['a=files', 'b=database'])
        local = self.database({'a': 'files', 'b': 'database'})
        self.assertEqual(pymodfs('diff', self.url, local.path).stdout, '')

    def test_sources_are_compiled_and_monitoring_and_completion_read_it(self):
        self.sql("INSERT INTO module VALUES ('rules.bad', E'x = 1\\n('), ('rules.__init__', '')")
        found = self.json('check', '--json', self.url, status=1)
        self.assertEqual([(x['kind'], x['name']) for x in found], [('syntax', 'rules/bad.py')])
        self.assertRegex(pymodfs('status', '--prometheus', self.url).stdout, r'pymodfs_modules\{database="[^"]*"\} 2\n')
        self.assertEqual(pymodfs('--complete', 'show', self.url, 'rules.b').stdout.split()[0], 'rules.bad')
        self.assertIn('did you mean rules.bad?', self.assert_refused('show', self.url, 'rules.bda', names='rules.bda'))

    def test_a_backup_is_left_to_the_tool_that_makes_it(self):
        self.assert_refused('backup', self.url, self.dir / 'copy', names='pg_dump')
        self.assertFalse((self.dir / 'copy').exists())


if __name__ == '__main__':
    unittest.main()
