"""The store on PostgreSQL: the cases that any engine must pass, and what is PostgreSQL's own, on a real server."""

import subprocess
import unittest

from tests.store.test_store import PROGRAM
from tests.support import TestCase, environment, files_of, pymodfs, run
from tests.support.postgres import PostgresServer

SERVER = PostgresServer()


def setUpModule():
    unittest.enterModuleContext(SERVER)


class PostgresStoreTest(unittest.TestCase):
    """Filled below: one test for each case that runs on a server."""


def _add(number, case):
    def test(self):
        url = SERVER.create(f'case{number}')
        result = run(PROGRAM, case, url, check=False, timeout=120, env=SERVER.env())
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
    setattr(PostgresStoreTest, f'test_{case}', test)


for _number, _case in enumerate(subprocess.run([PROGRAM, '--server'], env=environment(), capture_output=True, text=True,
                                               check=True).stdout.split()):
    _add(_number, _case)


class PostgresCase(TestCase):
    number = 0

    def database(self, script=''):
        PostgresCase.number += 1
        name = f'database{PostgresCase.number}'
        SERVER.create(name)
        if script:
            SERVER.psql(name, script)
        return name

    def ready(self, script=''):
        name = self.database()
        pymodfs('init', SERVER.url(name))
        if script:
            SERVER.psql(name, script)
        return name


class PostgresInitTest(PostgresCase):
    def test_repeating_it_changes_nothing_and_says_so(self):
        name = self.ready("INSERT INTO module VALUES ('a', 'V')")
        self.assertIn('already', pymodfs('init', SERVER.url(name)).stdout)
        self.assertEqual(SERVER.psql(name, 'SELECT count(*) FROM pymodfs_version'), '1\n')

    def test_an_existing_table_is_adopted_with_its_rows(self):
        name = self.database('CREATE TABLE "my scripts"(id serial PRIMARY KEY, "the title" varchar(200) NOT NULL, '
                             'body bytea NOT NULL, saved int NOT NULL DEFAULT 0); '
                             'INSERT INTO "my scripts"("the title", body) SELECT \'pkg\' || i % 10 || \'.m\' || i, '
                             'convert_to(\'V = \' || i, \'UTF8\') FROM generate_series(1, 1000) i')
        url = SERVER.url(name)
        pymodfs('init', url, '--table', 'my scripts', '--name-column', 'the title', '--source-column', 'body')
        pymodfs('export', url, self.dir / 'out')
        self.assertEqual((self.dir / 'out/pkg7/m17.py').read_text(), 'V = 17')
        self.assertEqual(len(files_of(self.dir / 'out')), 1000)
        (self.dir / 'in/pkg7').mkdir(parents=True)
        (self.dir / 'in/pkg7/m17.py').write_bytes(bytes(range(256)))
        pymodfs('import', url, self.dir / 'in')
        self.assertEqual(SERVER.psql(name, 'SELECT id, encode(body, \'hex\') FROM "my scripts" WHERE id = 17'),
                         f'17|{bytes(range(256)).hex()}\n')

    def test_what_cannot_be_adopted_is_refused_and_left_alone(self):
        name = self.database("CREATE TABLE t(name text, source int); CREATE TABLE d(name text, source text); "
                             "INSERT INTO d VALUES ('a', ''), ('a', ''); CREATE VIEW v AS SELECT * FROM d")
        for args, names in ((['t'], 't.source'), (['d'], 'd.name'), (['v'], 'v'), (['nowhere'], 'nowhere')):
            with self.subTest(args):
                self.assert_refused('init', SERVER.url(name), '--table', *args, names=names)
        self.assertEqual(SERVER.psql(name, "SELECT count(*) FROM pg_class WHERE relname LIKE 'pymodfs%'"), '0\n')

    def test_a_server_that_is_not_there_is_named_without_the_password(self):
        message = self.assert_refused('status', 'postgresql://me:secret@127.0.0.1:1/db', names='postgresql://me:***@127.0.0.1:1/db')
        self.assertNotIn('secret', message)

    def test_a_database_that_is_not_set_up_is_named(self):
        name = self.database()
        self.assertIn('init', self.assert_refused('status', SERVER.url(name), names=name))


class PostgresClientTest(PostgresCase):
    """What any client does to the table by SQL."""

    def tree(self, name):
        pymodfs('export', '--overwrite', SERVER.url(name), self.dir / name, check=False)
        return files_of(self.dir / name)

    def test_rows_come_and_go_and_the_tree_follows(self):
        name = self.ready("INSERT INTO module VALUES ('a.b', '1'), ('c', '2'), ('a..b', 'hidden'), ('x/y', 'hidden')")
        self.assertEqual(self.tree(name), {'a/b.py': b'1', 'c.py': b'2'})
        SERVER.psql(name, "UPDATE module SET source = source || '!'; INSERT INTO module VALUES ('c', 'no') "
                          "ON CONFLICT (name) DO UPDATE SET source = 'upsert'; DELETE FROM module WHERE name = 'a.b'; "
                          "UPDATE module SET name = 'p.q' WHERE name = 'x/y'")
        self.assertEqual(SERVER.psql(name, 'SELECT path FROM pymodfs_node WHERE path IS NOT NULL ORDER BY 1'), '\np\n')
        SERVER.psql(name, 'TRUNCATE module')
        self.assertEqual(SERVER.psql(name, "SELECT count(*) FROM pymodfs_node WHERE kind = 'm'"), '0\n')
        self.assertEqual(SERVER.psql(name, "SELECT count(*) FROM pymodfs_version WHERE content IS NULL"), '0\n')

    def test_a_user_with_rights_on_the_table_alone_may_change_it(self):
        name = self.ready('CREATE ROLE editor; GRANT SELECT, INSERT, UPDATE, DELETE ON module TO editor')
        SERVER.psql(name, "SET ROLE editor; SET search_path = pg_catalog; INSERT INTO public.module VALUES ('a', '1'); "
                          "UPDATE public.module SET source = '2'")
        self.assertEqual(self.tree(name), {'a.py': b'2'})
        self.assertNotEqual(SERVER.psql(name, 'SET ROLE editor; DELETE FROM pymodfs_node', check=False).returncode, 0)

    def test_changes_are_numbered_in_the_order_of_their_commits(self):
        name = self.ready("INSERT INTO module SELECT 'm' || i, '' FROM generate_series(1, 8) i")
        writers = [subprocess.Popen(['psql', '-qX', SERVER.url(name)], stdin=subprocess.PIPE, env=SERVER.env(), text=True)
                   for _ in range(4)]
        for number, writer in enumerate(writers):
            writer.stdin.write(''.join(
                f"BEGIN; UPDATE module SET source = 'w{number} {i}' WHERE name = 'm{number * 2 + 1}'; "
                f"UPDATE module SET source = 'w{number} {i}' WHERE name = 'm{number * 2 + 2}'; COMMIT;\n" for i in range(50)))
            writer.stdin.close()
        seen = 0
        while any(writer.poll() is None for writer in writers):
            # Whatever is visible is complete: no smaller number ever turns up later.
            count, last = SERVER.psql(name, 'SELECT count(*) || \' \' || max(id) FROM pymodfs_change').split()
            self.assertGreaterEqual(int(last), seen)
            later = SERVER.psql(name, f'SELECT count(*) FROM pymodfs_change WHERE id <= {last}').strip()
            self.assertEqual(later, count)
            seen = int(last)
        self.assertEqual([writer.returncode for writer in writers], [0] * 4)
        self.assertEqual(SERVER.psql(name, "SELECT count(*) FROM pymodfs_change WHERE op = 'u'"), '400\n')

    def test_a_lock_held_by_another_ends_in_a_clear_error(self):
        name = self.ready()
        with subprocess.Popen(['psql', '-qX', SERVER.url(name)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              env=SERVER.env(), text=True) as holder:
            holder.stdin.write("BEGIN; INSERT INTO module VALUES ('a', ''); SELECT 'held';\n")
            holder.stdin.flush()
            while 'held' not in holder.stdout.readline():
                pass
            (self.dir / 'in').mkdir()
            (self.dir / 'in/b.py').write_text('V')
            self.assert_refused('import', SERVER.url(name), self.dir / 'in', names='lock')
            holder.stdin.write('COMMIT;\n')
            holder.stdin.close()
        pymodfs('import', SERVER.url(name), self.dir / 'in')
        self.assertEqual(sorted(self.tree(name)), ['a.py', 'b.py'])

    def test_a_source_that_a_text_column_cannot_hold_is_named_and_nothing_is_taken(self):
        name = self.ready()
        (self.dir / 'in').mkdir()
        (self.dir / 'in/a.py').write_text('V')
        (self.dir / 'in/b.py').write_bytes(b'\xff')
        self.assert_refused('import', SERVER.url(name), self.dir / 'in', names='b.py')
        self.assertEqual(self.tree(name), {})


if __name__ == '__main__':
    unittest.main()
