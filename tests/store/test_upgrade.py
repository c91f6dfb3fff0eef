"""A database that an earlier pymodfs made: refused in words, upgraded after a copy, then like a new one."""

import contextlib
import re
import sqlite3
import unittest
from pathlib import Path

from tests.support import Database, TestCase, files_of, pymodfs, run
from tests.support.postgres import PostgresServer

OLD = Path(__file__).resolve().parent / 'schema-1'
OBJECTS = 'SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type, name'
NOW = 3
SERVER = PostgresServer()

# What PostgreSQL has besides rows: columns, functions, triggers, indexes.
CATALOG = r"""
SELECT 'column', table_name, column_name, ordinal_position::text, data_type FROM information_schema.columns
    WHERE table_schema = 'public'
UNION ALL SELECT 'function', proname, regexp_replace(prosrc, '\s+', ' ', 'g'),
    pg_get_function_identity_arguments(oid), proconfig::text FROM pg_proc
    WHERE pronamespace = 'public'::regnamespace
UNION ALL SELECT 'trigger', tgname, pg_get_triggerdef(oid), '', '' FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT 'index', indexname, indexdef, '', '' FROM pg_indexes WHERE schemaname = 'public'
ORDER BY 1, 2, 3"""


def setUpModule():
    unittest.enterModuleContext(SERVER)


def plain(sql):
    """A statement without comments, and with single spaces: ALTER TABLE writes what it adds in its own way."""
    return re.sub(r'\s*([,()])\s*', r'\1', re.sub(r'\s+', ' ', re.sub(r'--[^\n]*', '', sql)))


def words(sql):
    return re.sub(r'(\\n|\\t|\s)+', ' ', sql).strip()


class UpgradeTest(TestCase):
    def old(self, name='old.db', change=''):
        """With a history, other files and a module that can't be shown, as schema 1 had them."""
        database = Database(self.dir / name)
        run('/usr/bin/sqlite3', '-bail', database.path, input=(OLD / 'sqlite.sql').read_text() + change)
        database.put({'a.b': 'V = 1\n', 'c': b'\xff', 'a..b': 'hidden', 'gone': 'V = 0\n'})
        database.update('a.b', 'V = 2\n')
        database.delete('gone')
        database.execute("INSERT INTO pymodfs_node (kind, atime, mtime, ctime) VALUES ('f', 0, 0, 0)")
        node = database.execute('SELECT max(id) FROM pymodfs_node')[0][0]
        database.execute("UPDATE pymodfs_node SET parent = 1, base = 'data.bin' WHERE id = ?", (node,))
        database.execute("INSERT INTO pymodfs_resource VALUES (?, x'00010203')", (node,))
        database.execute('INSERT INTO pymodfs_renew VALUES (?, 4)', (node,))
        return database

    def schema_of(self, database):
        return int(database.execute("SELECT value FROM pymodfs_setting WHERE key = 'schema'")[0][0])

    def state(self, database):
        pymodfs('export', database.path, self.dir / f'{database.path.name}.out', check=False)
        log = pymodfs('log', '--json', database.path).stdout
        old = pymodfs('show', database.path, 'gone@4').stdout
        return files_of(self.dir / f'{database.path.name}.out'), log, old

    def test_every_command_that_needs_the_new_schema_names_the_way_out(self):
        database = self.old()
        (self.dir / 'mnt').mkdir()
        before = database.path.read_bytes()
        for words in (('mount', database.path, self.dir / 'mnt'), ('log', database.path), ('status', database.path),
                      ('import', database.path, self.dir), ('init', database.path), ('restore', database.path, 'gone'),
                      ('show', database.path, 'c'), ('diff', database.path, 'a.b'), ('prune', '--keep', '0', database.path),
                      ('export', database.path, self.dir / 'out'), ('annotate', database.path, 'c')):
            with self.subTest(words[0]):
                self.assert_refused(*words, names=f'pymodfs upgrade {database.path}', status=2 if words[0] == 'diff' else 1)
        self.assertEqual(database.path.read_bytes(), before)

    def test_check_tells_of_it_and_what_else_is_wrong(self):
        found = pymodfs('check', '--no-compile', self.old().path, check=False)
        self.assertEqual(found.returncode, 1)
        self.assertIn('problem: the schema is 1, this program\'s is 3; run: pymodfs upgrade', found.stdout)
        self.assertIn('a..b', found.stdout)

    def test_an_upgraded_database_is_like_a_new_one_and_has_all_that_it_had(self):
        database = self.old()
        rows = database.rows()
        versions = database.execute('SELECT * FROM pymodfs_version')
        changes = database.execute('SELECT * FROM pymodfs_change')
        said = pymodfs('upgrade', database.path).stdout
        self.assertIn('had schema 1 and has 3 now', said)
        self.assertEqual(self.schema_of(database), NOW)
        new = self.database(name='new.db')
        self.assertEqual([(*row[:3], plain(row[3])) for row in database.execute(OBJECTS)],
                         [(*row[:3], plain(row[3])) for row in new.execute(OBJECTS)])
        self.assertEqual(database.rows(), rows)
        self.assertEqual(database.execute('SELECT * FROM pymodfs_version'), versions)
        self.assertEqual(database.execute('SELECT * FROM pymodfs_change'), [(*row, None) for row in changes])
        self.assertEqual(database.problems(), [])
        files, log, old = self.state(database)
        self.assertEqual(files['data.bin'], bytes(range(4)))
        self.assertEqual(files['a/b.py'], b'V = 2\n')
        self.assertEqual(old, 'V = 0\n')
        self.assertEqual(len(log.splitlines()), 6)
        pymodfs('restore', database.path, 'gone')
        mnt = self.mount(database=database)
        (mnt.path / 'a/b.py').write_text('V = 3\n')
        (mnt.path / 'sparse').write_bytes(b'x' + bytes(100000))
        self.assertEqual((mnt.path / 'gone.py').read_text(), 'V = 0\n')
        mnt.umount()
        self.assertNotIn('schema is', pymodfs('check', '--no-compile', database.path, check=False).stdout)
        self.assertEqual(len(set(database.execute('SELECT txn FROM pymodfs_change WHERE txn IS NOT NULL'))), 3)

    def test_the_copy_is_the_database_as_it_was(self):
        database = self.old()
        rows, objects = database.rows(), database.execute(OBJECTS)
        pymodfs('upgrade', database.path)
        copy = Database(f'{database.path}.schema-1')
        self.assertEqual(copy.rows(), rows)
        self.assertEqual(copy.execute(OBJECTS), objects)
        self.assertEqual(self.schema_of(copy), 1)

    def test_a_copy_that_is_there_already_is_left_alone(self):
        database = self.old()
        precious = Path(f'{database.path}.schema-1')
        precious.write_text('precious')
        self.assert_refused('upgrade', '--backup', precious, database.path, names=str(precious))
        self.assertEqual(self.schema_of(database), 1)
        self.assertIn('schema-1.2', pymodfs('upgrade', database.path).stdout)
        self.assertEqual(precious.read_text(), 'precious')
        self.assertEqual(self.schema_of(Database(f'{precious}.2')), 1)
        self.assertEqual(self.schema_of(database), NOW)

    def test_none_is_made_where_none_is_wanted_and_nothing_happens_twice(self):
        database = self.old()
        pymodfs('upgrade', '--no-backup', database.path)
        self.assertIn('nothing to do', pymodfs('upgrade', database.path).stdout)
        self.assertFalse(Path(f'{database.path}.schema-1').exists())
        self.assert_refused('upgrade', '--no-backup', '--backup', 'x', database.path, names='exclude', status=2)

    def test_a_number_between_the_first_and_this_one(self):
        database = self.old(change="UPDATE pymodfs_setting SET value = 2 WHERE key = 'schema';")
        self.assertIn('had schema 2', pymodfs('upgrade', database.path).stdout)
        self.assertEqual(self.schema_of(database), NOW)

    def test_a_step_that_fails_leaves_everything_as_it_was(self):
        database = self.old(change='ALTER TABLE pymodfs_origin ADD COLUMN txn;')
        objects = database.execute(OBJECTS)
        self.assert_refused('upgrade', database.path, names='nothing has changed')
        self.assertFalse(Path(f'{database.path}.schema-1').exists())
        self.assertEqual(database.execute(OBJECTS), objects)
        self.assertEqual(self.schema_of(database), 1)

    def test_a_database_that_somebody_writes_is_waited_for_and_then_refused(self):
        database = self.old()
        with contextlib.closing(sqlite3.connect(database.path, isolation_level=None)) as other:
            other.execute('BEGIN IMMEDIATE')
            self.assert_refused('upgrade', '--no-backup', database.path, names='locked')
        self.assertEqual(self.schema_of(database), 1)

    def test_a_later_schema_is_refused(self):
        database = self.old(change="UPDATE pymodfs_setting SET value = 99 WHERE key = 'schema';")
        self.assert_refused('upgrade', database.path, names='newer than this program')

    def test_an_adopted_table_keeps_its_names(self):
        database = Database(self.dir / 'adopted.db', 'scripts', 'title', 'body')
        text = (OLD / 'sqlite.sql').read_text()
        for ours, theirs in (('"module"', '"scripts"'), ('"name"', '"title"'), ('"source"', '"body"')):
            text = text.replace(ours, theirs)
        text = text.replace("'module'", "'scripts'").replace("('name_column', 'name')", "('name_column', 'title')")
        text = text.replace("('source_column', 'source')", "('source_column', 'body')")
        run('/usr/bin/sqlite3', '-bail', database.path, input=text)
        database.put({'a': 'V = 1\n'})
        pymodfs('upgrade', database.path)
        database.update('a', 'V = 2\n')
        self.assertEqual(pymodfs('show', database.path, 'a').stdout, 'V = 2\n')


class PostgresUpgradeTest(TestCase):
    def catalog(self, name):
        return [words(line) for line in SERVER.psql(name, f"COPY ({CATALOG.rstrip(';')}) TO STDOUT").splitlines()]

    def test_an_upgraded_database_is_like_a_new_one_and_has_all_that_it_had(self):
        old, new = SERVER.create('old'), SERVER.create('new')
        SERVER.psql('old', f"BEGIN;\n{(OLD / 'postgres.sql').read_text()}\nCOMMIT;\n"
                           "INSERT INTO module VALUES ('a', 'V = 1'); UPDATE module SET source = 'V = 2';")
        pymodfs('init', new)
        self.assert_refused('log', old, names='pymodfs upgrade')
        self.assert_refused('upgrade', old, names='pg_dump')
        pymodfs('upgrade', '--no-backup', old)
        self.assertEqual(self.catalog('old'), self.catalog('new'))
        self.assertEqual(pymodfs('show', old, 'a').stdout, 'V = 2')
        self.assertEqual(pymodfs('show', old, 'a@1').stdout, 'V = 1')
        self.assertIn('nothing to do', pymodfs('upgrade', old).stdout)
        (self.dir / 'tree').mkdir()
        for name in 'xyz':
            (self.dir / f'tree/{name}.py').write_text('V = 1\n')
        pymodfs('import', old, self.dir / 'tree')
        self.assertEqual(SERVER.psql('old', 'SELECT count(*), count(DISTINCT txn) FROM pymodfs_change WHERE txn IS NOT NULL;'),
                         '3|1\n')


if __name__ == '__main__':
    unittest.main()
