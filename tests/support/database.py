"""Databases as a user has them: made by `pymodfs init`, changed by the sqlite3 shell or any SQL client."""

import contextlib
import sqlite3
from pathlib import Path

from .process import pymodfs, run


class Database:
    """A database file with a table of modules."""

    def __init__(self, path, table='module', name='name', source='source'):
        self.path = Path(path)
        self.table, self.name, self.source = table, name, source

    @classmethod
    def create(cls, path, rows=None):
        """`pymodfs init`, then the rows: a mapping of names to sources (str or bytes)."""
        pymodfs('init', path)
        database = cls(path)
        if rows:
            database.put(rows)
        return database

    def shell(self, statements, timeout=30):
        """Runs statements in the sqlite3 shell, a process of its own, and returns what it printed."""
        return run('/usr/bin/sqlite3', '-batch', '-bail', '-cmd', '.timeout 10000', self.path,
                   input=statements, timeout=timeout).stdout

    def execute(self, statement, parameters=()):
        """Runs one statement with bound values, commits, and returns the rows."""
        with contextlib.closing(sqlite3.connect(self.path, timeout=10)) as connection, connection:
            return connection.execute(statement, parameters).fetchall()

    def put(self, rows):
        """Inserts or updates rows in one transaction."""
        statement = (f'INSERT INTO "{self.table}"("{self.name}", "{self.source}") VALUES (?, ?) '
                     f'ON CONFLICT("{self.name}") DO UPDATE SET "{self.source}" = excluded."{self.source}"')
        with contextlib.closing(sqlite3.connect(self.path, timeout=10)) as connection, connection:
            connection.executemany(statement, list(rows.items()))

    def update(self, name, source):
        self.execute(f'UPDATE "{self.table}" SET "{self.source}" = ? WHERE "{self.name}" = ?', (source, name))

    def delete(self, name):
        self.execute(f'DELETE FROM "{self.table}" WHERE "{self.name}" = ?', (name,))

    def read(self, name):
        """The bytes of a module's row, or None without that row."""
        rows = self.execute(f'SELECT CAST("{self.source}" AS BLOB) FROM "{self.table}" WHERE "{self.name}" = ?',
                            (name,))
        return rows[0][0] if rows else None

    def rows(self):
        """All rows: names to bytes."""
        return dict(self.execute(f'SELECT "{self.name}", CAST("{self.source}" AS BLOB) FROM "{self.table}"'))

    def newest(self):
        """The id of the newest change."""
        return self.execute('SELECT max(id) FROM pymodfs_change')[0][0]

    def problems(self):
        """What `PRAGMA integrity_check` and `foreign_key_check` have to say; empty for a sound database."""
        found = [row[0] for row in self.execute('PRAGMA integrity_check') if row[0] != 'ok']
        return found + [str(row) for row in self.execute('PRAGMA foreign_key_check')]
