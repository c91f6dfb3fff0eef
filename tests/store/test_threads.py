"""The cases of store_test that have threads, in a file of their own for the thread sanitizer, which slows the others down."""

import tempfile
import unittest

from tests.store.test_store import PROGRAM
from tests.support import run

CASES = ('threads_save_one_after_another', 'no_commit_of_a_quick_row_is_missed', 'a_wake_up_ends_the_wait')


class StoreThreadsTest(unittest.TestCase):
    def test_cases_with_threads(self):
        for case in CASES:
            with self.subTest(case), tempfile.TemporaryDirectory(prefix='pymodfs-store-') as directory:
                result = run(PROGRAM, case, directory, check=False, timeout=120)
                self.assertEqual(result.returncode, 0, result.stdout + result.stderr)


if __name__ == '__main__':
    unittest.main()
