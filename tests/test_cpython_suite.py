"""CPython's own tests of its import system have the same result in a directory of a mount as in a local one.

They come with Debian's libpython3.11-testsuite and are run by the stock interpreter, working in `--tempdir`.
"""

import unittest
from xml.etree import ElementTree

from tests.support import TestCase, environment, run

INTERPRETER = '/usr/bin/python3.11'
SUITE = ['test_import', 'test_importlib', 'test_runpy', 'test_pkgutil', 'test_py_compile', 'test_pkg',
         'test_modulefinder', 'test_cmd_line_script']


def results(directory, report, temporary=None):
    """Runs the suite in `directory`; returns every single test's name with how it ended, and the whole run."""
    directory.mkdir(exist_ok=True)
    run_of_it = run(INTERPRETER, '-m', 'test', f'--tempdir={directory}', f'--junit-xml={report}', *SUITE,
                    check=False, timeout=250, env=environment(TMPDIR=temporary or '/tmp'), cwd=directory)
    found = {}
    for case in ElementTree.parse(report).iter('testcase'):
        # What a skipped or failed one says has no place in the comparison, that it did has.
        how = sorted(child.tag for child in case if child.tag in ('failure', 'error', 'skipped'))
        found.setdefault(case.get('name'), []).append(how or [case.get('result')])
    return found, run_of_it


class CPythonSuiteTest(TestCase):
    def compare(self, there, local):
        """`there` and `local` are what `results` returned."""
        different = {name: {'there': there[0].get(name), 'local': local[0].get(name)}
                     for name in there[0].keys() | local[0].keys() if there[0].get(name) != local[0].get(name)}
        self.assertGreater(len(local[0]), 1000, local[1].stdout[-4000:])
        self.assertEqual(different, {}, there[1].stdout[-8000:] + there[1].stderr[-8000:])
        self.assertEqual((there[1].returncode, local[1].returncode), (0, 0), there[1].stdout[-8000:])

    def test_the_import_tests_of_cpython_end_in_a_mount_as_they_do_locally(self):
        mnt = self.mount({'keep': 'V = 1\n'})
        self.compare(results(mnt.path / 'work', self.dir / 'there.xml'),
                     results(self.dir / 'local', self.dir / 'local.xml'))
        self.assertEqual(mnt.database.rows(), {'keep': b'V = 1\n'}, 'modules that the tests removed')

    def test_they_do_with_all_their_temporary_files_in_the_mount_too(self):
        mnt = self.mount()
        for top in (mnt.path, self.dir / 'local'):
            (top / 'tmp').mkdir(parents=True)
        self.compare(results(mnt.path / 'work', self.dir / 'there.xml', mnt.path / 'tmp'),
                     results(self.dir / 'local', self.dir / 'local.xml', self.dir / 'local/tmp'))


if __name__ == '__main__':
    unittest.main()
