"""The base class of the tests."""

import shutil
import tempfile
import unittest
from pathlib import Path

from .database import Database
from .mount import Mount, mounts_below


class TestCase(unittest.TestCase):
    """A test with a directory of its own (`self.dir`), and short ways to a database and a mount in it."""

    maxDiff = 4000

    def setUp(self):
        super().setUp()
        # Not under $TMPDIR by its symbolic name: the kernel's table of mounts holds resolved paths.
        self.dir = Path(tempfile.mkdtemp(prefix='pymodfs-test-')).resolve()
        self.addCleanup(self._remove_dir)

    def _remove_dir(self):
        # A file below a mount that is still there would be deleted from its database.
        self.assertEqual(mounts_below(self.dir), [], 'still mounted at the end of the test')
        shutil.rmtree(self.dir, ignore_errors=True)

    def database(self, rows=None, name='modules.db'):
        """A new database in the test's directory."""
        return Database.create(self.dir / name, rows)

    def mount(self, rows=None, *options, database=None, mountpoint='mnt', **more):
        """Mounts (a new database with `rows`, or `database`) until the end of the test."""
        if database is None:
            database = self.database(rows)
        return self.enterContext(Mount(database, self.dir / mountpoint, *options, **more))

    def process(self, process):
        """Ends `process` (a Process or a Terminal) with the test."""
        return self.enterContext(process)
