"""Nothing stale is seen, wherever one looks: all that writers did and readers saw is recorded, and judged afterwards.

Four writers (two through a mount, one through another mount of the same database, one by SQL) and four readers (two of each mount) work
for PYMODFS_CONSISTENCY_SECONDS (default 5; the full run is 60). What was done through a mount must be seen there at once when the call
has returned; what was done elsewhere, and what only fsync was called for, within PYMODFS_PROPAGATION_MS (default 2000, because a
loaded machine may let a process wait; each run prints how long it took at most). The records of a run are kept in the directory
PYMODFS_CONSISTENCY_LOGS, if that is given.
"""

import os
import unittest
from pathlib import Path

from tests.support import PYTHON, TOP, Process, TestCase, environment, is_mounted, pymodfs
from tests.support.consistency import ABSENT, PRESENT, Seen, Write, violations
from tests.support.consistency_client import registers
from tests.support.postgres import PostgresServer

SECONDS = float(os.environ.get('PYMODFS_CONSISTENCY_SECONDS', '5'))
PROPAGATION = int(float(os.environ.get('PYMODFS_PROPAGATION_MS', '2000')) * 1e6)


class JudgeTest(unittest.TestCase):
    """The judge itself, on histories made by hand. Times are in nanoseconds."""

    WRITES = [Write('f', ABSENT, 0, 0, 'a'), Write('f', '1', 10, 20, 'a'), Write('f', '2', 30, 40, 'a'), Write('f', '3', 35, 50, 'a')]

    def judge(self, *seen, writes=WRITES, propagation=5):
        return violations(writes, [Seen('f', value, begin, end, place, 'how') for value, begin, end, place in seen], propagation)

    def test_what_is_current_or_overlaps_may_be_seen(self):
        self.assertEqual(self.judge((ABSENT, 1, 2, 'a'), (ABSENT, 15, 16, 'a'), ('1', 15, 16, 'a'), ('1', 39, 60, 'a'),
                                    ('2', 60, 70, 'a'), ('3', 61, 70, 'b'), (PRESENT, 70, 80, 'a')), [])

    def test_what_is_overwritten_is_stale(self):
        for value, begin in ((ABSENT, 21), ('1', 41)):
            with self.subTest(value):
                found = self.judge((value, begin, begin + 1, 'a'))
                self.assertEqual(len(found), 1)
                self.assertIn('stale by 0.000', found[0])

    def test_elsewhere_it_is_stale_when_the_propagation_time_has_passed(self):
        self.assertEqual(self.judge(('1', 44, 45, 'b')), [])
        self.assertEqual(len(self.judge(('1', 45, 46, 'b'))), 1)

    def test_a_deleted_file_may_not_be_seen(self):
        writes = [*self.WRITES, Write('f', ABSENT, 60, 70, 'a')]
        self.assertEqual(len(self.judge((PRESENT, 71, 72, 'a'), ('2', 71, 72, 'a'), writes=writes)), 2)
        self.assertEqual(self.judge((ABSENT, 71, 72, 'a'), writes=writes), [])

    def test_what_nobody_has_begun_to_write_may_not_be_seen(self):
        self.assertIn('nobody', self.judge(('2', 5, 6, 'a'))[0])
        self.assertIn('nobody', self.judge(('torn', 5, 6, 'a'))[0])

    def test_nobody_goes_back_behind_what_another_has_seen(self):
        found = self.judge(('2', 31, 32, 'a'), ('1', 33, 34, 'a'))
        self.assertEqual(len(found), 1)
        self.assertIn('backwards', found[0])
        self.assertEqual(self.judge(('2', 31, 34, 'a'), ('1', 33, 35, 'a')), [])
        self.assertEqual(self.judge(('2', 31, 32, 'a'), ('1', 33, 34, 'b')), [])


class ConsistencyTest(TestCase):
    def setUp(self):
        super().setUp()
        self.logs = Path(os.environ.get('PYMODFS_CONSISTENCY_LOGS', self.dir))

    def client(self, role, number, place, top, *database):
        log = self.logs / f'log{number}'
        process = self.process(Process(PYTHON, '-m', 'tests.support.consistency_client', SECONDS, log, role, number, place, top,
                                       *database, cwd=TOP, env=environment(PYTHONDONTWRITEBYTECODE=1)))
        return process, log

    def work(self, database, a, b):
        """Lets all clients work, and returns what they have done and what they have seen."""
        for number in range(4):
            (a / f'own{number}').mkdir()
            (a / f'own{number}' / '__init__.py').touch()
        for package in range(2):
            (a / f'p{package}').mkdir()
            (a / f'p{package}' / '__init__.py').touch()
        clients = [self.client('in-place', 0, 'a', a), self.client('rename', 1, 'a', a), self.client('in-place', 2, 'b', b),
                   self.client('sql', 3, 'sql', a, database)]
        clients += [self.client('read', 4 + number, *('a', a) if number % 2 else ('b', b)) for number in range(4)]
        for process, _ in clients:
            self.assertEqual(process.wait(timeout=SECONDS + 60), 0, process.output)
        writes, seen = [Write(register, ABSENT, 0, 0, 'a') for register in registers()], []
        for _, log in clients:
            with open(log, encoding='utf-8') as lines:
                for line in lines:
                    letter, register, value, begin, end, place, how = line.split()
                    if letter == 'W':
                        writes.append(Write(register, value, int(begin), int(end), place))
                    else:
                        seen.append(Seen(register, value, int(begin), int(end), place, how))
        return writes, seen

    def check(self, database, a, b):
        writes, seen = self.work(database, a, b)
        self.assertGreater(len(writes), 20 * SECONDS)
        self.assertGreater(len(seen), 200 * SECONDS)
        late = sorted(float(line.split()[2]) for line in violations(writes, seen, 0) if line.startswith('stale'))
        print(f'{len(writes)} writes, {len(seen)} observations; seen late: {len(late)}, the latest by {late[-5:]} ms', flush=True)
        found = violations(writes, seen, PROPAGATION)
        self.assertEqual(found[:20], [], f'{len(found)} violations in {len(writes)} writes and {len(seen)} observations')

    def test_on_sqlite(self):
        first = self.mount()
        second = self.mount(database=first.database, mountpoint='other')
        self.check(first.database.path, first.path, second.path)
        self.assertEqual(first.database.problems(), [])

    def test_on_postgresql(self):
        with PostgresServer() as server:
            url = server.create('consistency')
            pymodfs('init', url)
            tops = [self.dir / name for name in 'ab']
            for top in tops:
                top.mkdir()
                pymodfs('mount', url, top)
                self.addCleanup(lambda top=top: is_mounted(top) and pymodfs('umount', top))
            self.check(url, *tops)
            for top in tops:
                pymodfs('umount', top)


if __name__ == '__main__':
    unittest.main()
