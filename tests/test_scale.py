"""A table of many modules: a mount answers at once, and its daemon stays small, whatever is walked, read and renamed.

PYMODFS_SCALE is the number of modules (default 5000), once in packages of a hundred and once in one directory;
`PYMODFS_SCALE=100000 tools/check test_scale` is the full run.
"""

import os
import re
import time
import unittest
from pathlib import Path

from tests.support import TestCase, python, run

SCALE = int(os.environ.get('PYMODFS_SCALE', '5000'))
# A sanitizer keeps freed memory for a while.
DAEMON_KIB = (64 << 10) + int(os.environ.get('PYMODFS_HEAP_SLACK', '0'))


class ScaleTest(TestCase):
    def measure(self, name, *command):
        """Runs a command in the mount; returns what it prints."""
        begun = time.monotonic()
        result = run(*command, cwd=self.mnt.path, timeout=300)
        self.measured[name] = time.monotonic() - begun
        return result.stdout

    def quickest_mount(self):
        """The best of five, because another program may hold the machine up once."""
        def again():
            self.mnt.umount()
            begun = time.monotonic()
            self.mnt.mount()
            os.stat(self.mnt.path / '.pymodfs/generation')
            return time.monotonic() - begun
        return min(again() for _ in range(5))

    def work(self, rows, some, package):
        """Lists, walks, reads, imports and renames; package: whether some is in one, which is renamed too."""
        self.measured = {}
        self.mnt = self.mount(rows, background=True)
        self.measured['mount'] = self.quickest_mount()
        self.assertLess(self.measured['mount'], 0.2)
        self.assertEqual(int(self.measure('find', 'sh', '-c', 'find . -name "m*.py" | wc -l')), SCALE)
        self.assertEqual(int(self.measure('find again', 'sh', '-c', 'find . -name "m*.py" | wc -l')), SCALE)
        self.measure('list with attributes', 'sh', '-c', 'ls -lR | wc -l')
        self.assertEqual(self.measure('search', 'grep', '-rlx', f'V = {SCALE - 7}', '.'), f'./{some}.py\n')
        begun = time.monotonic()
        name = some.replace('/', '.')
        self.assertEqual(python('-c', f'import {name} as m; print(m.V)', path=self.mnt.path).stdout, f'{SCALE - 7}\n')
        self.measured['import'] = time.monotonic() - begun
        self.measure('rename of a file', 'mv', f'{some}.py', f'{some}_new.py')
        self.assertEqual(self.measure('its new name', 'cat', f'{some}_new.py'), f'V = {SCALE - 7}\n')
        self.measure('rename back', 'mv', f'{some}_new.py', f'{some}.py')
        if package:
            old = os.path.dirname(some)
            self.measure('rename of a package', 'mv', old, 'renamed')
            self.assertEqual(len(self.mnt.database.execute("SELECT name FROM module WHERE name LIKE 'renamed.%'")), 100)
        resident = int(re.search(r'VmRSS:\s+(\d+)', Path(f'/proc/{self.mnt.pid}/status').read_text())[1])
        self.assertLess(resident, DAEMON_KIB)
        print(f'{SCALE} modules, daemon {resident} KiB:', *(f'{name} {spent:.3f} s;' for name, spent in self.measured.items()), flush=True)

    def test_in_packages(self):
        rows = {f'p{number // 100}.m{number}': f'V = {number}\n' for number in range(SCALE)}
        self.work(rows, f'p{(SCALE - 7) // 100}/m{SCALE - 7}', True)

    def test_in_one_directory(self):
        self.work({f'm{number}': f'V = {number}\n' for number in range(SCALE)}, f'm{SCALE - 7}', False)

    def test_a_directory_counts_up_to_a_hundred_directories_as_links(self):
        mnt = self.mount({f'{top}.p{number}.m': '' for top, count in (('few', 100), ('many', 101)) for number in range(count)})
        self.assertEqual([os.stat(mnt.path / name).st_nlink for name in ('few', 'many', 'few/p0')], [102, 1, 2])
        self.assertEqual(len(run('find', mnt.path / 'many', '-name', 'm.py').stdout.split()), 101)


if __name__ == '__main__':
    unittest.main()
