"""A PostgreSQL server for the length of a test class: a data directory and a socket of its own, no network."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from .process import environment, run


def _programs():
    """The directory of the newest server that is installed."""
    found = sorted(Path('/usr/lib/postgresql').glob('*/bin/initdb'), key=lambda path: int(path.parts[-3]))
    if not found:
        raise FileNotFoundError('no PostgreSQL server is installed (package postgresql)')
    return found[-1].parent


class PostgresServer:
    """Use as a context manager; `url(name)` names a database, `create(name)` makes it empty."""

    def __init__(self):
        self.dir = Path(tempfile.mkdtemp(prefix='pymodfs-postgres-')).resolve()
        self._bin = _programs()
        # The server refuses to run as root.
        self._as = ['setpriv', '--reuid=postgres', '--regid=postgres', '--init-groups'] if os.geteuid() == 0 else []

    def __enter__(self):
        try:
            if self._as:
                shutil.chown(self.dir, 'postgres', 'postgres')
            self._run('initdb', '-D', self.dir / 'data', '-A', 'trust', '-U', 'postgres', '-E', 'UTF8', '--locale=C.UTF-8',
                      '--no-sync')
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def _run(self, program, *args, check=True):
        return run(*self._as, self._bin / program, *args, env=self.env(), cwd=self.dir, check=check, timeout=120)

    def env(self):
        return environment(PGHOST=str(self.dir), PGPORT='5432', PGUSER='postgres', LC_ALL='C.UTF-8')

    def start(self):
        with open(self.dir / 'log', 'ab') as log:
            os.chmod(self.dir / 'log', 0o666)
            options = f"-c listen_addresses='' -c unix_socket_directories={self.dir} -c fsync=off"
            subprocess.run([*self._as, self._bin / 'pg_ctl', '-D', self.dir / 'data', '-o', options, '-w', '-t', '60', 'start'],
                           stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env(), cwd=self.dir, check=True)

    def stop(self):
        self._run('pg_ctl', '-D', self.dir / 'data', '-m', 'immediate', '-w', 'stop', check=False)

    def url(self, name):
        return f'postgresql://postgres@/{name}?host={self.dir}'

    def create(self, name):
        """An empty database; returns its URL."""
        self._run('psql', '-q', '-c', f'CREATE DATABASE "{name}"', 'postgres')
        return self.url(name)

    def psql(self, name, statements, check=True):
        """Runs statements in psql, which stops at the first error, and returns what it printed."""
        result = run('psql', '-qAtX', '-v', 'ON_ERROR_STOP=1', self.url(name), input=statements, env=self.env(), check=check,
                     timeout=60)
        return result.stdout if check else result
