"""A mount of a PostgreSQL database: saves and SQL are the same event, also when the server goes and comes back."""

import contextlib
import errno
import json
import os
import socket
import subprocess
import threading
import unittest
from pathlib import Path

from tests.support import Process, TestCase, is_mounted, pymodfs, python, wait_until
from tests.support.postgres import PostgresServer

SERVER = PostgresServer()


def setUpModule():
    unittest.enterModuleContext(SERVER)


class Forwarder:
    """Lets a server that has a local socket alone be reached by TCP; gives the port."""

    def __init__(self, path):
        self.path = path

    def __enter__(self):
        self.listener = socket.create_server(('127.0.0.1', 0))
        threading.Thread(target=self.accept, daemon=True).start()
        return self.listener.getsockname()[1]

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client = self.listener.accept()[0]
                server = socket.socket(socket.AF_UNIX)
                server.connect(str(self.path))
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=self.forward, args=pair, daemon=True).start()

    def forward(self, source, target):
        with source, contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


class PostgresMountTest(TestCase):
    number = 0

    def setUp(self):
        super().setUp()
        PostgresMountTest.number += 1
        self.name = f'mount{self.number}'
        self.url = SERVER.create(self.name)
        pymodfs('init', self.url)
        self.mnt = self.dir / 'mnt'
        self.mnt.mkdir()
        pymodfs('mount', self.url, self.mnt)
        self.addCleanup(lambda: is_mounted(self.mnt) and pymodfs('umount', self.mnt))

    def sql(self, statements):
        return SERVER.psql(self.name, statements)

    def wait_text(self, name, text):
        wait_until(lambda: (self.mnt / name).exists() and (self.mnt / name).read_text() == text, 10, f'{name} to be {text!r}')

    def test_a_save_is_a_row_and_a_row_is_a_file(self):
        (self.mnt / 'pkg').mkdir()
        (self.mnt / 'pkg/a.py').write_text('V = 1\n')
        (self.mnt / 'pkg/data.bin').write_bytes(bytes(range(256)))
        self.assertEqual(self.sql('SELECT name, source FROM module'), 'pkg.a|V = 1\n\n')
        self.sql("UPDATE module SET source = 'V = 2'; INSERT INTO module VALUES ('b', 'import pkg.a; print(pkg.a.V)')")
        self.wait_text('pkg/a.py', 'V = 2')
        self.wait_text('b.py', 'import pkg.a; print(pkg.a.V)')
        self.assertEqual(python('-c', 'import b', path=self.mnt).stdout, '2\n')
        (self.mnt / 'pkg').rename(self.mnt / 'new')
        self.assertEqual(self.sql("SELECT name FROM module WHERE name LIKE 'new.%'"), 'new.a\n')
        self.assertEqual((self.mnt / 'new/data.bin').read_bytes(), bytes(range(256)))
        (self.mnt / 'b.py').unlink()
        self.assertEqual(self.sql('SELECT count(*) FROM module'), '1\n')

    def test_a_plain_file_is_kept_without_the_zeros_that_it_begins_and_ends_with(self):
        path, size = self.mnt / 'large.bin', 3 << 30
        path.write_bytes(b'x' + bytes(100))
        self.sql("UPDATE pymodfs_setting SET value = '1' WHERE key = 'resource_history'")
        with open(path, 'wb', 0) as file:
            os.pwrite(file.fileno(), b'far', size)
        self.assertEqual(self.sql('SELECT length(content) FROM pymodfs_resource'), '11\n')
        pymodfs('umount', self.mnt)
        pymodfs('mount', self.url, self.mnt)
        self.assertEqual(path.stat().st_size, size + 3)
        with open(path, 'rb', 0) as file:
            self.assertEqual(os.pread(file.fileno(), 10, size - 3), bytes(3) + b'far')
            self.assertEqual(os.pread(file.fileno(), 10, 0), bytes(10))
        os.truncate(path, 100000)
        self.assertEqual(path.read_bytes(), bytes(100000))
        path.write_bytes(bytes(5000) + b'middle' + bytes(5000))
        self.assertEqual(path.read_bytes(), bytes(5000) + b'middle' + bytes(5000))
        path.write_bytes(b'small')
        old = [part.read_bytes() for part in (self.mnt / '.pymodfs/history/large.bin').iterdir() if part.stat().st_size < size]
        self.assertIn(bytes(5000) + b'middle' + bytes(5000), old)
        self.assertIn(b'x' + bytes(100), old)

    def test_what_a_text_column_cannot_hold_is_an_error_of_the_save(self):
        (self.mnt / 'a.py').write_text('old\n')
        with self.assertRaises(OSError) as caught:
            (self.mnt / 'a.py').write_bytes(b'\xff\xfe')
        self.assertEqual(caught.exception.errno, errno.EILSEQ)
        self.assertEqual(self.sql('SELECT source FROM module'), 'old\n\n')
        (self.mnt / 'a.py').write_text('new\n')
        self.assertEqual(self.sql('SELECT source FROM module'), 'new\n\n')

    def save_error(self, name, text):
        """The error that saving ends with, and the mount's words for it."""
        with self.assertRaises(OSError) as caught:
            (self.mnt / name).write_text(text)
        return errno.errorcode[caught.exception.errno], json.loads((self.mnt / '.pymodfs/status').read_text())['last_error']

    def test_what_the_server_refuses_is_the_error_that_fits_in_its_own_words(self):
        (self.mnt / 'a.py').write_text('old\n')
        self.sql("""CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            RAISE EXCEPTION 'the rule % says no', NEW.source USING ERRCODE = NEW.source; END $$;
            CREATE TRIGGER refuse BEFORE UPDATE ON module FOR EACH ROW EXECUTE FUNCTION refuse()""")
        for state, error in {'57014': 'EBUSY', '40001': 'EBUSY', '40P01': 'EBUSY', '25006': 'EROFS', '42501': 'EACCES',
                             '53100': 'ENOSPC', '23514': 'EINVAL', '23505': 'EINVAL', 'P0001': 'EINVAL', '45000': 'EINVAL',
                             '42883': 'EIO'}.items():
            with self.subTest(state=state):
                name, words = self.save_error('a.py', state)
                self.assertEqual(name, error)
                self.assertIn(f'the rule {state} says no', words)
        self.assertEqual(self.sql('SELECT source FROM module'), 'old\n\n')

    def test_a_statement_timeout_that_ends_the_wait_for_the_lock_is_the_error_of_a_lock(self):
        pymodfs('umount', self.mnt)
        self.sql(f'ALTER DATABASE {self.name} SET statement_timeout = 100')
        pymodfs('mount', self.url, self.mnt)
        with Process('psql', '-qAtX', self.url, env=SERVER.env(), stdin=subprocess.PIPE) as other:
            other.stdin.write(b"SET statement_timeout = 0; BEGIN; INSERT INTO module VALUES ('b', ''); SELECT 'locked';\n")
            other.stdin.flush()
            other.wait_output('locked')
            self.assertEqual(self.save_error('a.py', 'V = 1\n')[0], 'EBUSY')
        (self.mnt / 'a.py').write_text('V = 1\n')
        self.assertEqual(self.sql('SELECT name FROM module'), 'a\n')

    def test_a_table_that_was_made_anew_is_noticed_and_init_takes_it_up_again(self):
        for name in ('a', 'b', 'c'):
            (self.mnt / f'{name}.py').write_text('V = 1\n')
        self.sql("""BEGIN; CREATE TABLE new (name text PRIMARY KEY, source text NOT NULL DEFAULT '', extra int);
            INSERT INTO new SELECT name, source FROM module; ALTER TABLE module RENAME TO old; ALTER TABLE new RENAME TO module; COMMIT;
            UPDATE module SET source = 'V = 2' WHERE name = 'a'; DELETE FROM module WHERE name = 'b'; INSERT INTO module VALUES ('p.d', 'D')""")
        name, words = self.save_error('a.py', 'V = 3\n')
        self.assertEqual(name, 'EIO')
        self.assertIn('made anew', words)
        self.assertIn('problem: the table module was made anew', pymodfs('check', self.url, check=False).stdout)
        self.assertIn('made anew', pymodfs('export', self.url, self.dir / 'out', check=False).stderr)
        self.assertIn('is ready', pymodfs('init', self.url).stdout)
        self.wait_text('a.py', 'V = 2')
        self.assertEqual(sorted(os.listdir(self.mnt)), ['a.py', 'c.py', 'p'])
        self.assertEqual((self.mnt / 'p/d.py').read_text(), 'D')
        (self.mnt / 'c.py').write_text('V = 4\n')
        self.sql("UPDATE module SET source = 'V = 5' WHERE name = 'a'; DROP TABLE old")
        self.wait_text('a.py', 'V = 5')
        self.assertEqual(pymodfs('show', self.url, 'c@3').stdout, 'V = 1\n')
        self.assertIn(' 0 problems', pymodfs('check', self.url).stdout)
        self.assertIn('already', pymodfs('init', self.url).stdout)

    def test_a_server_that_goes_and_comes_back(self):
        (self.mnt / 'a.py').write_text('V = 1\n')
        file = self.enterContext(open(self.mnt / 'a.py'))
        self.assertEqual(file.read(), 'V = 1\n')
        SERVER.stop()
        try:
            file.seek(0)
            self.assertEqual(file.read(), 'V = 1\n')
            self.assertEqual((self.mnt / 'a.py').read_text(), 'V = 1\n')  # opened anew, from the kernel's cache
            with self.assertRaises(OSError) as caught:
                (self.mnt / 'a.py').write_text('V = 2\n')
            self.assertEqual(caught.exception.errno, errno.EIO)
        finally:
            SERVER.start()
        self.assertEqual(self.sql('SELECT source FROM module'), 'V = 1\n\n')
        (self.mnt / 'a.py').write_text('V = 3\n')
        self.assertEqual(self.sql('SELECT source FROM module'), 'V = 3\n\n')
        self.sql("UPDATE module SET source = 'V = 4'")
        self.wait_text('a.py', 'V = 4')

    def timers_to(self, port):
        """Kind and remaining time of the timers of the connections to a port (proc_net_tcp in the kernel's documentation)."""
        lines = [line.split() for line in Path('/proc/net/tcp').read_text().splitlines()[1:]]
        return [line[5].split(':') for line in lines if line[2].endswith(f':{port:04X}') and line[3] == '01']

    def test_a_connection_over_which_nothing_comes_is_looked_after(self):
        """The kernel asks the other end: else a mount that only waits would not see for two hours that it is gone."""
        pymodfs('umount', self.mnt)
        with Forwarder(SERVER.dir / '.s.PGSQL.5432') as port:
            pymodfs('mount', f'postgresql://postgres@127.0.0.1:{port}/{self.name}', self.mnt)
            # A timer of another kind means that the other end has yet to confirm something.
            wait_until(lambda: {kind for kind, _ in self.timers_to(port)} == {'02'}, 10, 'connections that have nothing but keepalive')
            self.assertEqual(len(self.timers_to(port)), 4)
            for _, ticks in self.timers_to(port):
                self.assertLessEqual(int(ticks, 16), 10 * os.sysconf('SC_CLK_TCK'))
            pymodfs('umount', self.mnt)

    def test_a_password_in_the_url_is_shown_to_nobody(self):
        pymodfs('umount', self.mnt)
        pymodfs('mount', self.url.replace('postgres@', 'postgres:sesame@'), self.mnt)
        with open('/proc/self/mounts') as mounts:
            line = next(line for line in mounts if f' {self.mnt} ' in line)
        self.assertIn('postgresql://postgres:***@/', line)
        self.assertNotIn('sesame', line + (self.mnt / '.pymodfs/status').read_text())


if __name__ == '__main__':
    unittest.main()
