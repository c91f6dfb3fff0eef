"""An importer over a table of modules: what one writes who doesn't want a filesystem, and writes well.

One connection and one statement for each module; code objects are kept as marshal in a side table, which a trigger empties when
the source changes, so a module that is found there needs no second query, no stat and no compilation.
"""

import importlib.machinery
import importlib.util
import marshal
import sqlite3
import sys

# The code of another interpreter is another code.
TAG = f'{sys.implementation.cache_tag}-{importlib.util.MAGIC_NUMBER.hex()}'

SIDE_TABLE = """
CREATE TABLE IF NOT EXISTS bytecode(
  name TEXT PRIMARY KEY, tag TEXT NOT NULL, package INTEGER NOT NULL, code BLOB NOT NULL) WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS bytecode_update AFTER UPDATE ON module BEGIN
  DELETE FROM bytecode WHERE name IN (old.name, iif(old.name LIKE '%.__init__', substr(old.name, 1, length(old.name) - 9), NULL));
END;
CREATE TRIGGER IF NOT EXISTS bytecode_delete AFTER DELETE ON module BEGIN
  DELETE FROM bytecode WHERE name IN (old.name, iif(old.name LIKE '%.__init__', substr(old.name, 1, length(old.name) - 9), NULL));
END;
"""
FIND_CODE = 'SELECT package, code FROM bytecode WHERE name = ? AND tag = ?'
FIND_SOURCE = "SELECT name, source FROM module WHERE name IN (?1, ?1 || '.__init__') ORDER BY length(name) DESC LIMIT 1"


class Importer:
    """Finder and loader in one: the spec carries the code from one to the other."""

    def __init__(self, path):
        self._db = sqlite3.connect(f'file:{path}', uri=True, isolation_level=None)
        self._db.execute('PRAGMA mmap_size = 268435456')
        self._write = not sys.dont_write_bytecode
        if self._write:
            self._db.execute('PRAGMA synchronous = OFF')
            self._db.executescript(SIDE_TABLE)
        else:
            self._db.execute('PRAGMA query_only = ON')

    def find_spec(self, name, path=None, target=None):
        found = self._find_code(name)
        if found is None:
            return None
        package, code = found
        spec = importlib.machinery.ModuleSpec(name, self, origin=f'sqlite:{name}', loader_state=code, is_package=bool(package))
        spec.has_location = False
        return spec

    def _find_code(self, name):
        if self._write:
            row = self._db.execute(FIND_CODE, (name, TAG)).fetchone()
            if row:
                return row[0], marshal.loads(row[1])
        row = self._db.execute(FIND_SOURCE, (name,)).fetchone()
        if row is None:
            return None
        package = row[0] != name
        code = compile(row[1], f'<sqlite:{row[0]}>', 'exec', dont_inherit=True)
        if self._write:
            self._db.execute('INSERT OR REPLACE INTO bytecode VALUES (?, ?, ?, ?)', (name, TAG, package, marshal.dumps(code)))
        return package, code

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        exec(module.__spec__.loader_state, module.__dict__)


def install(path):
    sys.meta_path.insert(0, Importer(path))
