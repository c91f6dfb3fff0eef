"""The history of a PostgreSQL database is told and undone with the same commands."""

import json
import unittest

from tests.support import TestCase, pymodfs
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

    def test_hidden_rows_are_named(self):
        self.sql("INSERT INTO module VALUES ('a..b', ''), ('../x', '')")
        result = pymodfs('check', '--json', self.url, check=False)
        self.assertEqual(result.returncode, 1)
        self.assertEqual({json.loads(line)['name'] for line in result.stdout.splitlines()}, {'a..b', '../x'})

    def test_a_backup_is_left_to_the_tool_that_makes_it(self):
        self.assert_refused('backup', self.url, self.dir / 'copy', names='pg_dump')
        self.assertFalse((self.dir / 'copy').exists())


if __name__ == '__main__':
    unittest.main()
