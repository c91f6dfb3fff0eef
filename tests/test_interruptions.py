"""Commands that a signal ends: nothing is half done, one line says so, and who waits sees that it was the signal."""

import os
import re
import signal
import subprocess
import unittest
from pathlib import Path

from tests.support import PYMODFS, Database, TestCase, environment, files_of, pymodfs, wait_until


def catches(pid, number):
    """Does the process handle the signal itself, by now?"""
    mask = re.search(r'^SigCgt:\s*(\w+)', Path(f'/proc/{pid}/status').read_text(), re.M)
    return bool(mask and int(mask[1], 16) >> (number - 1) & 1)


class InterruptionTest(TestCase):
    def interrupt(self, *words, by=signal.SIGINT):
        """Runs a command, ends it as soon as it takes care of signals; returns its status and what it said.

        The signal is sent twice, as timeout(1) and some shells do.
        """
        with subprocess.Popen([str(PYMODFS), *map(str, words)], env=environment(), text=True, start_new_session=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            try:
                wait_until(lambda: process.poll() is not None or catches(process.pid, by))
                for _ in range(2):
                    if process.poll() is None:
                        os.kill(process.pid, by)
                out, err = process.communicate(timeout=60)
            except BaseException:
                process.kill()
                raise
        return process.returncode, out, err

    def assert_interrupted(self, *words, by=signal.SIGINT, names):
        status, out, err = self.interrupt(*words, by=by)
        self.assertEqual((status, out), (-by, ''), err)
        self.assertEqual(len(err.splitlines()), 1, err)
        self.assertIn(f'interrupted; {names}', err)

    def slow(self, db, *events):
        """From now on each such event takes a hundredth of a second."""
        db.shell('CREATE VIEW slow AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100000) '
                 'SELECT i FROM n;' + ''.join(
                     f'CREATE TRIGGER slow{i} BEFORE {event} BEGIN SELECT count(*) FROM slow; END;'
                     for i, event in enumerate(events)))

    def test_an_import_changes_nothing(self):
        db = self.database({'m': '1'})
        self.slow(db, 'INSERT ON module')
        tree = self.dir / 'tree'
        tree.mkdir()
        for number in range(300):
            (tree / f'n{number}.py').write_text('')
        self.assert_interrupted('import', db.path, tree, names='nothing was imported')
        self.assert_interrupted('import', db.path, tree, by=signal.SIGTERM, names='nothing was imported')
        self.assertEqual(db.rows(), {'m': b'1'})
        self.assertEqual(db.problems(), [])

    def test_restoring_everything_changes_nothing(self):
        db = self.database({f'm{number}': '1' for number in range(300)})
        first = db.newest()
        db.execute("UPDATE module SET source = '2'")
        self.slow(db, 'UPDATE ON module')
        self.assert_interrupted('restore', '--generation', first, db.path, by=signal.SIGHUP, names='nothing has changed')
        self.assertEqual(set(db.rows().values()), {b'2'})

    def test_pruning_forgets_nothing(self):
        db = self.database({f'm{number}': '1' for number in range(1500)})
        db.execute("UPDATE module SET source = '2'")
        self.slow(db, "UPDATE ON pymodfs_version WHEN OLD.node % 30 = 0")
        self.assert_interrupted('prune', '--keep', 0, db.path, names='nothing was forgotten')
        self.assertEqual(db.execute('SELECT count(*) FROM pymodfs_version WHERE content IS NOT NULL'), [(1500,)])

    def test_a_backup_leaves_no_copy(self):
        db, copy = self.database(), self.dir / 'copy.db'
        db.put({'m': 'x' * 30_000_000})

        def interrupted():
            status, _, err = self.interrupt('backup', db.path, copy)
            if status == 0:  # it was faster
                copy.unlink()
                return False
            self.assertEqual((status, err.splitlines()), (-signal.SIGINT, ['pymodfs backup: interrupted; there is no copy']))
            return True
        wait_until(interrupted, 60)
        self.assertEqual([path.name for path in self.dir.glob('copy*')], [])

    def test_a_backup_that_is_killed_leaves_no_copy_and_the_next_one_is_whole(self):
        db, copy = self.database(), self.dir / 'copy.db'
        db.put({'m': 'x' * 30_000_000})
        part = Path(f'{copy}.pymodfs-part')

        def killed():
            with subprocess.Popen([str(PYMODFS), 'backup', str(db.path), str(copy)], env=environment(),
                                  stdout=subprocess.DEVNULL) as process:
                wait_until(lambda: process.poll() is not None or (part.exists() and part.stat().st_size))
                process.kill()
            copy.unlink(missing_ok=True) if process.returncode == 0 else None  # it was faster
            return process.returncode == -signal.SIGKILL
        wait_until(killed, 60)
        self.assertFalse(copy.exists())
        pymodfs('backup', db.path, copy)
        self.assertEqual([path.name for path in self.dir.glob('copy*')], ['copy.db'])
        self.assertEqual(Database(copy).problems(), [])
        self.assertEqual(len(Database(copy).read('m')), 30_000_000)

    def test_an_export_leaves_whole_files_and_goes_on(self):
        rows = {f'm{number}': f'V = {number}\n' for number in range(800)}
        db, out = self.database(rows), self.dir / 'out'
        pymodfs('export', '--include', 'm1*', db.path, out)
        (out / 'm199.py').write_text('mine')

        def interrupted():
            return self.interrupt('export', db.path, out)[0] == -signal.SIGINT
        wait_until(lambda: interrupted() or [path.unlink() for path in out.glob('m2*')] is None, 60)
        self.assertEqual([path for path in out.glob('.*') if path.name != '.pymodfs-export'], [])
        self.assertTrue(all(rows.get(Path(name).stem, '').encode() in (data, b'V = 199\n')
                            for name, data in files_of(out).items()))
        pymodfs('export', db.path, out)
        self.assertEqual(files_of(out), {f'{name}.py': b'mine' if name == 'm199' else source.encode()
                                         for name, source in rows.items()})

    def test_a_signal_that_is_ignored_stays_so(self):
        db, tree = self.database(), self.dir / 'tree'
        self.slow(db, 'INSERT ON module')
        tree.mkdir()
        for number in range(20):
            (tree / f'n{number}.py').write_text('')
        with subprocess.Popen(['sh', '-c', f'trap "" INT; exec {PYMODFS} import {db.path} {tree}'], env=environment(),
                              text=True, stdout=subprocess.PIPE) as process:
            wait_until(lambda: process.poll() is not None or catches(process.pid, signal.SIGTERM))
            os.kill(process.pid, signal.SIGINT)
            self.assertEqual(process.communicate(timeout=60)[0], '20 files, 20 new or changed\n')
            self.assertEqual(process.returncode, 0)


if __name__ == '__main__':
    unittest.main()
