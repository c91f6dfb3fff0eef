"""The base class of the tests."""

import shutil
import tempfile
import unittest
from pathlib import Path

from .build import PYMODFS
from .database import Database
from .mount import Mount, mounts_below, take_down
from .process import run, wait_until


def files_of(top):
    """The files below a directory: relative paths to bytes, without bytecode and the record of an export."""
    found = {}
    for path in sorted(Path(top).rglob('*')):
        relative = path.relative_to(top)
        if '__pycache__' not in relative.parts and path.name != '.pymodfs-export' and path.is_file():
            found[str(relative)] = path.read_bytes()
    return found


class TestCase(unittest.TestCase):
    """A test with a directory of its own (`self.dir`), and short ways to a database and a mount in it."""

    maxDiff = 4000

    def setUp(self):
        super().setUp()
        # Not under $TMPDIR by its symbolic name: the kernel's table of mounts holds resolved paths.
        self.dir = Path(tempfile.mkdtemp(prefix='pymodfs-test-')).resolve()
        self.addCleanup(self._remove_dir)

    def _remove_dir(self):
        left = mounts_below(self.dir)
        for point in left:
            take_down(point)
        # A file below a mount that is still there would be deleted from its database.
        self.assertEqual(mounts_below(self.dir), [])
        shutil.rmtree(self.dir, ignore_errors=True)
        self.assertEqual(left, [], 'still mounted at the end of the test')

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

    def assert_refused(self, *args, names, status=1, program=PYMODFS):
        """`pymodfs ARGS` says no in one line on standard error, which has `names` in it, and nothing else."""
        result = run(program, *args, check=False)
        self.assertEqual(result.returncode, status, result.stderr)
        self.assertEqual(result.stdout, '')
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        self.assertIn(str(names), result.stderr)
        return result.stderr

    def wait_files(self, top, expected, timeout=10):
        """Waits until the files below `top` are `expected` (paths to bytes)."""
        try:
            wait_until(lambda: files_of(top) == expected, timeout)
        except AssertionError:
            self.assertEqual(files_of(top), expected)
