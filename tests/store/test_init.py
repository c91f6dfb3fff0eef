"""`pymodfs init`: a new database, a table that was there before, and what it refuses to touch."""

import contextlib
import errno
import os
import sqlite3
import subprocess
import unittest

from tests.support import PYMODFS, TOP, Database, Mount, TestCase, pymodfs, run, wait_until

# A table as applications have them: other columns, an integer key, constraints, triggers and an index of its own.
SCRIPTS = """
CREATE TABLE author(id INTEGER PRIMARY KEY, login TEXT NOT NULL UNIQUE);
INSERT INTO author VALUES (1, 'root');
CREATE TABLE "my scripts"(
    id INTEGER PRIMARY KEY,
    "the title" TEXT NOT NULL,
    body BLOB NOT NULL DEFAULT '',
    author INTEGER NOT NULL DEFAULT 1 REFERENCES author(id),
    saved INTEGER NOT NULL DEFAULT 0,
    CHECK (length(body) < 100000)
);
CREATE INDEX by_author ON "my scripts"(author);
CREATE TRIGGER count_saves AFTER UPDATE OF body ON "my scripts" BEGIN
    UPDATE "my scripts" SET saved = saved + 1 WHERE id = NEW.id;
END;
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n LIMIT 1000)
INSERT INTO "my scripts"("the title", body) SELECT 'pkg' || (i % 10) || '.sub.m' || i, 'V = ' || i || char(10) FROM n;
"""
ADOPT = ['--table', 'my scripts', '--name-column', 'the title', '--source-column', 'body']

# What the side tables hold but for ids and times: equal for equal contents, however they came there.
STATE = """
SELECT n.kind, coalesce(d.path, '-'), n.base, n.name, n.path, n.auto, n.size,
    v.path, v.size, v.content IS NULL, n.mtime = coalesce(v.mtime, n.mtime)
FROM pymodfs_node n LEFT JOIN pymodfs_node d ON d.id = n.parent LEFT JOIN pymodfs_version v ON v.id = n.version
ORDER BY n.kind, n.name, n.path
"""


class InitCase(TestCase):
    def raw(self, script, name='modules.db'):
        """A database that pymodfs has not seen."""
        path = self.dir / name
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.executescript(script)
        return path

    def assert_untouched(self, path, *args, names):
        before = path.read_bytes()
        message = self.assert_refused('init', path, *args, names=names)
        self.assertEqual(path.read_bytes(), before)
        self.assertEqual(sorted(os.listdir(self.dir)), [path.name])
        return message


class NewDatabaseTest(InitCase):
    def test_a_missing_and_an_empty_file_become_databases(self):
        (self.dir / 'empty.db').touch()
        for name in ('missing.db', 'empty.db'):
            with self.subTest(name):
                database = Database.create(self.dir / name, {'a.b': 'V = 1\n'})
                self.assertEqual(database.execute('PRAGMA journal_mode'), [('wal',)])
                self.assertEqual(database.rows(), {'a.b': b'V = 1\n'})

    def test_repeating_it_changes_nothing_and_says_so(self):
        database = self.database({'a': 'V = 1\n'})
        before = database.path.read_bytes()
        self.assertIn('already', pymodfs('init', database.path).stdout)
        self.assertEqual(database.path.read_bytes(), before)

    def test_a_directory_that_is_missing_is_named_and_not_made(self):
        self.assert_refused('init', self.dir / 'no/where.db', names='no/where.db')
        self.assertEqual(os.listdir(self.dir), [])

    def test_a_file_that_is_no_database_is_left_alone(self):
        path = self.dir / 'notes.txt'
        path.write_text('precious\n' * 500)
        self.assert_untouched(path, names='notes.txt')
        path.write_text('short')
        self.assert_untouched(path, names='notes.txt')

    def test_a_directory_is_no_database(self):
        (self.dir / 'folder').mkdir()
        self.assert_refused('init', self.dir / 'folder', names='folder')

    def test_a_database_that_holds_something_else_is_left_alone_and_the_way_out_is_named(self):
        path = self.raw('CREATE TABLE other(x)')
        self.assertIn('--table', self.assert_untouched(path, names=path))

    def test_a_table_named_module_is_adopted_without_asking(self):
        path = self.raw("CREATE TABLE module(name TEXT PRIMARY KEY, source TEXT, more); "
                        "INSERT INTO module VALUES ('a.b', 'V', 1)")
        pymodfs('init', path)
        self.assertEqual(Database(path).execute("SELECT base FROM pymodfs_node WHERE name = 'a.b'"), [('b.py',)])

    def test_a_database_that_cannot_be_written_is_named(self):
        if os.geteuid() == 0:
            path = self.dir / 'modules.db'
            self.raw('CREATE TABLE module(name TEXT PRIMARY KEY, source)')
            os.chmod(self.dir, 0o555)
            os.chmod(path, 0o444)
            os.chown(self.dir, 65534, 65534)
            result = subprocess.run(['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', PYMODFS, 'init', path],
                                    capture_output=True, text=True, timeout=30)
            os.chmod(self.dir, 0o700)
        else:
            self.fail('run as root, as in CI')
        self.assertEqual(result.returncode, 1)
        self.assertIn('modules.db', result.stderr)


class AdoptionTest(InitCase):
    def test_the_rows_of_a_table_with_a_life_of_its_own_show_at_once(self):
        path = self.raw(SCRIPTS)
        pymodfs('init', path, *ADOPT)
        database = Database(path, 'my scripts', 'the title', 'body')
        self.assertEqual(database.execute('SELECT count(*) FROM pymodfs_node WHERE kind = \'m\' AND parent IS NOT NULL'),
                         [(1000,)])
        pymodfs('export', path, self.dir / 'out')
        self.assertEqual((self.dir / 'out/pkg7/sub/m17.py').read_text(), 'V = 17\n')

    def test_the_table_itself_stays_as_it_was(self):
        path = self.raw(SCRIPTS)
        query = 'SELECT sql FROM sqlite_schema WHERE name NOT LIKE \'pymodfs%\' AND tbl_name NOT LIKE \'pymodfs%\''
        database = Database(path)
        before = database.execute(query), database.execute('SELECT * FROM "my scripts"')
        pymodfs('init', path, *ADOPT)
        after = database.execute(query + " AND name <> 'sqlite_sequence'"), database.execute('SELECT * FROM "my scripts"')
        self.assertEqual(after, before)

    def test_edits_update_the_rows_and_run_the_tables_own_triggers(self):
        path = self.raw(SCRIPTS)
        pymodfs('init', path, *ADOPT)
        tree = self.dir / 'tree/pkg1/sub'
        tree.mkdir(parents=True)
        (tree / 'm1.py').write_text('V = 2\n')
        pymodfs('import', path, self.dir / 'tree')
        database = Database(path)
        self.assertEqual(database.execute('SELECT id, body, saved FROM "my scripts" WHERE "the title" = \'pkg1.sub.m1\''),
                         [(2, 'V = 2\n', 1)])
        self.assertEqual(database.execute("SELECT size FROM pymodfs_node WHERE name = 'pkg1.sub.m1'"), [(6,)])

    def test_what_a_constraint_refuses_is_named_and_nothing_is_taken(self):
        path = self.raw(SCRIPTS)
        pymodfs('init', path, *ADOPT)
        (self.dir / 'tree').mkdir()
        (self.dir / 'tree/good.py').write_text('V = 2\n')
        (self.dir / 'tree/large.py').write_text('#' * 100000)
        self.assertIn('CHECK', self.assert_refused('import', path, self.dir / 'tree', names='large.py'))
        self.assertEqual(Database(path).execute('SELECT count(*) FROM "my scripts"'), [(1000,)])

    def test_replacing_rows_by_another_key_ends_right(self):
        path = self.raw('CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT UNIQUE, source, slug TEXT UNIQUE COLLATE NOCASE, '
                        'x, y, UNIQUE (x, y)); INSERT INTO t(id, name, source, slug, x, y) VALUES '
                        "(1, 'a', 'A', 'sa', 1, 1), (2, 'b', 'B', 'sb', 1, 2), (3, 'c', 'C', 'sc', 2, 1), (4, 'd', 'D', 'sd', 2, 2)")
        pymodfs('init', path, '--table', 't')
        database = Database(path, 't')
        for statement, names, kept in (
                ("INSERT OR REPLACE INTO t(id, name, source) VALUES (1, 'new', 'N')", 'b c d new', 'A'),
                ("INSERT OR REPLACE INTO t(name, source, slug) VALUES ('e', 'E', 'SB')", 'c d e new', 'A B'),
                ("UPDATE OR REPLACE t SET x = 2, y = 2 WHERE name = 'c'", 'c e new', 'A B D'),
                ("INSERT OR IGNORE INTO t(id, name) VALUES (3, 'never')", 'c e new', 'A B C D'),
                ("UPDATE OR IGNORE t SET slug = 'sb' WHERE name = 'c'", 'c e new', 'A B C D E'),
                ("REPLACE INTO t(id, name, source) VALUES (3, 'c', 'C2'), (3, 'f', 'F')", 'e f new', 'A B C C2 D')):
            with self.subTest(statement):
                database.shell(statement + ';')
                self.assertEqual(database.execute("SELECT group_concat(name, ' ') FROM (SELECT name FROM pymodfs_node "
                                                  "WHERE kind = 'm' ORDER BY name)"), [(names,)])
                self.assertEqual(database.execute("SELECT group_concat(content, ' ') FROM (SELECT content "
                                                  "FROM pymodfs_version WHERE content IS NOT NULL ORDER BY content)"), [(kept,)])
        self.assertEqual(database.execute('SELECT count(*) FROM pymodfs_suspect'), [(0,)])

    def test_a_table_that_was_made_anew_is_noticed_and_init_takes_it_up_again(self):
        path = self.raw("CREATE TABLE t(id INTEGER PRIMARY KEY, n TEXT UNIQUE, s); INSERT INTO t(n, s) VALUES ('a', 'A'), ('p.b', 'B')")
        init = ['init', path, '--table', 't', '--name-column', 'n', '--source-column', 's']
        pymodfs(*init)
        database = Database(path)
        with Mount(database, self.dir / 'mnt') as mnt:
            self.assertEqual((mnt.path / 'a.py').read_text(), 'A')
            database.shell("BEGIN; CREATE TABLE new(id INTEGER PRIMARY KEY, n TEXT UNIQUE, s, note); INSERT INTO new(n, s) SELECT n, s FROM t; "
                           "DROP TABLE t; ALTER TABLE new RENAME TO t; COMMIT; UPDATE t SET s = 'X' WHERE n = 'a'; "
                           "DELETE FROM t WHERE n = 'p.b'; INSERT INTO t(n, s) VALUES ('q.c', 'C')")
            for change in (lambda: (mnt.path / 'a.py').write_text('Y'), lambda: (mnt.path / 'p/b.py').unlink()):
                with self.assertRaises(OSError) as caught:
                    change()
                self.assertEqual(caught.exception.errno, errno.EIO)
            self.assertIn('made anew', mnt.log)
            self.assert_refused('export', path, self.dir / 'out', names='pymodfs init')
            self.assertIn('problem: the table t was made anew', pymodfs('check', path, check=False).stdout)
            pymodfs(*init)
            wait_until(lambda: (mnt.path / 'a.py').read_text() == 'X')
            self.assertEqual(sorted(os.listdir(mnt.path)), ['a.py', 'q'])
            (mnt.path / 'a.py').write_text('Y')
            database.shell("INSERT OR REPLACE INTO t(id, n, s) SELECT id, 'd', 'D' FROM t WHERE n = 'q.c'")
            wait_until(lambda: (mnt.path / 'd.py').exists())
            self.assertEqual(sorted(os.listdir(mnt.path)), ['a.py', 'd.py'])
        self.assertEqual(database.execute('SELECT n, s FROM t ORDER BY n'), [('a', 'Y'), ('d', 'D')])
        self.assertEqual(database.problems(), [])
        self.assertIn('already', pymodfs(*init).stdout)

    def test_names_that_stand_twice_are_refused(self):
        path = self.raw("CREATE TABLE t(name TEXT, source); INSERT INTO t VALUES ('a', 1), ('a', 2), ('b', 3)")
        self.assertIn('unique', self.assert_untouched(path, '--table', 't', names='t.name'))

    def test_names_without_an_index_get_one_that_tells_all_bytes_apart(self):
        for number, column in enumerate(('TEXT', 'TEXT UNIQUE COLLATE NOCASE', 'TEXT PRIMARY KEY', 'VARCHAR(80)')):
            with self.subTest(column):
                path = self.raw(f"CREATE TABLE t(name {column}, source); INSERT INTO t VALUES ('a', 1), (NULL, 2), ('b', 3)",
                                f'{number}.db')
                pymodfs('init', path, '--table', 't')
                database = Database(path, 't')
                self.assertEqual(bool(database.execute("SELECT 1 FROM sqlite_schema WHERE name = 'pymodfs_row_name'")),
                                 column != 'TEXT PRIMARY KEY')
                with self.assertRaises(sqlite3.IntegrityError):
                    database.execute("INSERT INTO t(name) VALUES ('a')")
                self.assertEqual(database.execute("SELECT kind, base FROM pymodfs_node WHERE name IS NOT NULL ORDER BY 2"),
                                 [('m', 'a.py'), ('m', 'b.py')])

    def test_rows_without_a_name_come_and_go(self):
        path = self.raw("CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, source); INSERT INTO t VALUES (1, NULL, 'x')")
        pymodfs('init', path, '--table', 't')
        database = Database(path, 't')
        database.shell("INSERT INTO t VALUES (2, NULL, 'y'); UPDATE t SET name = 'a' WHERE id = 1; "
                       "UPDATE t SET name = 'b' WHERE id = 2; UPDATE t SET name = NULL WHERE id = 1; DELETE FROM t WHERE id = 1;")
        self.assertEqual(database.execute("SELECT name FROM pymodfs_node WHERE kind = 'm'"), [('b',)])
        self.assertEqual(database.execute("SELECT content FROM pymodfs_version WHERE content IS NOT NULL"), [('x',)])

    def test_what_cannot_hold_modules_is_refused(self):
        path = self.raw('CREATE TABLE t(name TEXT, source INTEGER, text TEXT, number REAL, other TEXT AS (text)); '
                        'CREATE VIEW v AS SELECT name, text AS source FROM t; '
                        'CREATE VIRTUAL TABLE f USING fts5(name, source); PRAGMA wal_checkpoint')
        for args, names in ((['--table', 't'], 't.source'), (['--table', 'v'], 'v'), (['--table', 'f'], 'f'),
                            (['--table', 'nowhere'], 'nowhere'), (['--table', 't', '--source-column', 'nix'], 'nix'),
                            (['--table', 't', '--source-column', 'number'], 't.number'),
                            (['--table', 't', '--source-column', 'other'], 't.other'),
                            (['--table', 't', '--name-column', 'number', '--source-column', 'text'], 't.number'),
                            (['--table', 't', '--name-column', 'text', '--source-column', 'text'], 'same column')):
            with self.subTest(' '.join(args)):
                self.assert_untouched(path, *args, names=names)

    def test_a_database_in_another_encoding_is_refused(self):
        path = self.raw("PRAGMA encoding = 'UTF-16le'; CREATE TABLE module(name TEXT PRIMARY KEY, source)")
        self.assert_untouched(path, names='UTF-8')
        # The shell asks nobody.
        path = self.raw("PRAGMA encoding = 'UTF-16le'; CREATE TABLE t(a); DROP TABLE t", 'shell.db')
        run('/usr/bin/sqlite3', '-bail', path, input=(TOP / 'schema.sql').read_text())
        self.assert_refused('check', path, names='UTF-8')

    def test_another_table_of_a_database_that_is_set_up_is_refused(self):
        path = self.raw('CREATE TABLE a(name TEXT PRIMARY KEY, source); CREATE TABLE b(name TEXT PRIMARY KEY, source)')
        pymodfs('init', path, '--table', 'a')
        self.assertIn('already', pymodfs('init', path, '--table', 'a').stdout)
        self.assert_refused('init', path, '--table', 'b', names='a')

    def test_identifiers_of_any_kind_are_quoted(self):
        name = 'a "quoted"; DROP TABLE x; -- \'name\' [b] `c` %s NEW."name"'
        quoted = name.replace('"', '""')
        path = self.raw(f'CREATE TABLE "{quoted}"("{quoted} n" TEXT PRIMARY KEY, "{quoted} s"); '
                        f'INSERT INTO "{quoted}" VALUES (\'p.a\', \'V\')')
        pymodfs('init', path, '--table', name, '--name-column', name + ' n', '--source-column', name + ' s')
        pymodfs('export', path, self.dir / 'out')
        self.assertEqual((self.dir / 'out/p/a.py').read_text(), 'V')

    def test_adopting_rows_gives_the_state_that_inserting_them_gives(self):
        names = ['a', 'a.b', 'a.b.c.__init__', 'a..b', '', 'x/y', 'é.ü', 'q"\\.z', 'd.' + 'x' * 256 + '.m', 'y' * 252, 'a\tb']
        rows = ', '.join(f"('{name}', 'V{number}')" for number, name in enumerate(names))
        adopted = Database(self.raw(f'CREATE TABLE module(name TEXT PRIMARY KEY NOT NULL, source NOT NULL DEFAULT \'\'); '
                                    f'INSERT INTO module VALUES {rows}', 'adopted.db'))
        pymodfs('init', adopted.path)
        inserted = self.database(name='inserted.db')
        inserted.execute(f'INSERT INTO module VALUES {rows}')
        self.assertEqual(adopted.execute(STATE), inserted.execute(STATE))
        self.assertEqual(len(adopted.execute(STATE)), len(names) + 6)


class ShellTest(InitCase):
    def test_the_schema_runs_in_the_sqlite3_shell_and_is_what_init_makes(self):
        path = self.dir / 'shell.db'
        run('/usr/bin/sqlite3', '-bail', path, input=(TOP / 'schema.sql').read_text())
        schema = 'SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name'
        self.assertEqual(Database(path).execute(schema), self.database(name='init.db').execute(schema))
        self.assertIn('already', pymodfs('init', path).stdout)

    def test_a_dump_and_its_restore_give_the_same_tree_with_its_history(self):
        database = self.database({'a.b': 'V = 1\n', 'c': b'\xff', 'a..b': 'hidden'})
        database.update('a.b', 'V = 2\n')
        (self.dir / 'tree').mkdir()
        (self.dir / 'tree/data.bin').write_bytes(bytes(range(256)))
        pymodfs('import', database.path, self.dir / 'tree')
        other = Database(self.dir / 'restored.db')
        other.shell(database.shell('.dump'))
        for table in ('module', 'pymodfs_node', 'pymodfs_version', 'pymodfs_change', 'pymodfs_resource', 'pymodfs_setting'):
            query = f'SELECT * FROM {table} ORDER BY 1'
            self.assertEqual(other.execute(query), database.execute(query), table)
        other.update('a.b', 'V = 3\n')
        pymodfs('export', other.path, self.dir / 'out', check=False)
        self.assertEqual((self.dir / 'out/a/b.py').read_text(), 'V = 3\n')
        self.assertEqual((self.dir / 'out/data.bin').read_bytes(), bytes(range(256)))


if __name__ == '__main__':
    unittest.main()
