"""The store's C interface: each case of store_test in a process of its own, on a database of its own."""

import subprocess
import tempfile
import unittest

from tests.support import BUILD, environment, run

PROGRAM = BUILD / 'tests' / 'store' / 'store_test'


class StoreTest(unittest.TestCase):
    """Filled below: one test for each case that the program names."""


def _add(case):
    def test(self):
        with tempfile.TemporaryDirectory(prefix='pymodfs-store-') as directory:
            result = run(PROGRAM, case, directory, check=False, timeout=120)
            self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
    setattr(StoreTest, f'test_{case}', test)


for _case in subprocess.run([PROGRAM, '--list'], env=environment(), capture_output=True, text=True,
                            check=True).stdout.split():
    _add(_case)


if __name__ == '__main__':
    unittest.main()
