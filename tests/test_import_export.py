"""A tree of modules goes into the table and comes back byte for byte, and the stock interpreter imports from it.

The input is real: every pure-Python file of the system's own standard library.
"""

import json
import os
import shutil
import tempfile
import unittest
from pathlib import Path

from tests.support import PYMODFS, Database, Mount, Terminal, TestCase, files_of, pymodfs, python, run

LIBRARY = Path('/usr/lib/python3.11')
LEFT_OUT = ('dist-packages', 'config-*', 'lib-dynload', '__pycache__')

# Imports every top-level module and package of the directory DIR that comes without side effects a test can do without,
# and prints which could be imported from there and why the others could not.
IMPORT_ALL = """
import importlib, json, os, sys
top = sys.argv[1]
left_out = {'antigravity', 'this', 'idlelib', 'test', 'turtle', 'sitecustomize', '__phello__', '__hello__'}
names = {entry.removesuffix('.py') for entry in os.listdir(top)}
failed = {}
for name in sorted(names - left_out):
    if name.isidentifier():
        try:
            importlib.import_module(name)
        except ImportError as error:
            failed[name] = str(error).replace(top, 'TOP')
found = [m.__file__ for m in sys.modules.values() if getattr(m, '__file__', None)]
json.dump({'failed': failed, 'here': sorted(f[len(top):] for f in found if f.startswith(top + '/'))}, sys.stdout)
"""


def copy_library(target):
    """The .py files of the standard library, symbolic links followed."""
    def ignore(directory, names):
        listed = set(shutil.ignore_patterns(*LEFT_OUT)(directory, names))
        return listed | {n for n in names if not n.endswith('.py') and not (Path(directory) / n).is_dir()}
    shutil.copytree(LIBRARY, target, ignore=ignore)
    remove_empty_directories(target)


def remove_empty_directories(top):
    for directory in sorted((d for d in top.rglob('*') if d.is_dir()), reverse=True):
        if not any(directory.iterdir()):
            directory.rmdir()


class StandardLibraryTest(TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.top = Path(tempfile.mkdtemp(prefix='pymodfs-library-')).resolve()
        cls.addClassCleanup(shutil.rmtree, cls.top)
        cls.tree = cls.top / 'tree'
        copy_library(cls.tree)
        cls.db = Database.create(cls.top / 'library.db')
        pymodfs('import', cls.db.path, cls.tree, timeout=120)

    def test_every_file_is_a_row_with_the_same_bytes(self):
        expected = {name.removesuffix('.py').replace('/', '.'): data for name, data in files_of(self.tree).items()}
        rows = self.db.rows()
        self.assertGreater(len(expected), 500)
        self.assertEqual(sorted(rows), sorted(expected))
        self.assertEqual([name for name in rows if rows[name] != expected[name]], [])

    def test_export_gives_the_identical_tree_back(self):
        pymodfs('export', self.db.path, self.dir / 'out', timeout=120)
        run('diff', '-r', '-x', '.pymodfs-export', self.tree, self.dir / 'out')

    def test_the_mount_shows_the_identical_tree(self):
        with Mount(self.db, self.dir / 'mnt', 'ro') as mnt:
            run('diff', '-r', self.tree, mnt.path)

    def test_importing_the_tree_again_changes_nothing(self):
        versions = 'SELECT count(*) FROM pymodfs_version'
        before = self.db.execute(versions)
        pymodfs('import', self.db.path, self.tree, timeout=120)
        self.assertEqual(self.db.execute(versions), before)

    def test_the_stock_interpreter_imports_the_library_from_the_mount_as_from_a_local_directory(self):
        with Mount(self.db, self.dir / 'mnt') as mnt:
            for attempt in ('without bytecode', 'with the bytecode of the first'):
                with self.subTest(attempt):
                    self.compare_imports(mnt.path)

    def compare_imports(self, mountpoint):
        there, local = (json.loads(python('-c', IMPORT_ALL, top, path=top, timeout=120).stdout)
                        for top in (mountpoint, self.tree))
        self.assertGreaterEqual(len(there['here']), 150)
        self.assertEqual(there, local)


class ImportTest(TestCase):
    AWKWARD = {
        'crlf.py': b'V = 1\r\nW = 2\r\n',
        'cr.py': b'V = 1\rW = 2\r',
        'no_newline.py': b'V = 1',
        'empty.py': b'',
        'blank.py': b'\n\n\n',
        'bom.py': b'\xef\xbb\xbfV = 1\n',
        'latin.py': b'# -*- coding: latin-1 -*-\nV = "\xe9"\n',
        'no_encoding_at_all.py': bytes(range(1, 256)),
        'nul.py': b'V = "a\0b"\n',
        'pkg/__init__.py': b'',
        'pkg/deeper/still/module.py': 'V = "grüße"\n'.encode(),
        'ünïcode.py': b'V = 1\n',
    }

    def tree(self, files, name='tree'):
        top = self.dir / name
        for path, data in files.items():
            (top / path).parent.mkdir(parents=True, exist_ok=True)
            (top / path).write_bytes(data)
        return top

    def test_awkward_sources_come_back_bit_for_bit(self):
        database = self.database()
        pymodfs('import', database.path, self.tree(self.AWKWARD))
        pymodfs('export', database.path, self.dir / 'out')
        self.assertEqual(files_of(self.dir / 'out'), self.AWKWARD)

    def test_bytecode_and_editors_droppings_are_left_out(self):
        files = {'a.py': b'V = 1\n', '__pycache__/a.cpython-311.pyc': b'\xa7\r\r\n'}
        database = self.database()
        pymodfs('import', database.path, self.tree(files))
        pymodfs('export', database.path, self.dir / 'out')
        self.assertEqual(files_of(self.dir / 'out'), {'a.py': b'V = 1\n'})

    def test_a_mount_of_the_database_itself_is_left_out(self):
        tree = self.dir / 'tree'
        tree.mkdir()
        db = self.database({'a': ''}, name='tree/modules.db')
        self.mount(database=db, mountpoint='tree/mnt')
        (tree / 'b.py').write_text('')
        pymodfs('import', db.path, tree)
        self.assertEqual(sorted(db.rows()), ['a', 'b'])
        self.assertEqual(pymodfs('diff', '-q', db.path, tree, check=False).stdout, 'removed a.py\n')

    def test_what_is_no_file_is_refused_only_where_it_is_wanted(self):
        tree = self.dir / 'tree'
        tree.mkdir()
        (tree / 'a.py').write_text('')
        os.mkfifo(tree / 'fifo')
        db = self.database()
        self.assert_refused('import', db.path, tree, names='fifo: is no file, directory or symbolic link; --exclude')
        self.assertEqual(db.rows(), {})
        for choice in (['--exclude', 'fifo'], ['--include', '*.py'], ['--modules-only']):
            pymodfs('import', *choice, db.path, tree)
            self.assertEqual(list(db.rows()), ['a'])
            db.delete('a')

    def test_an_import_that_fails_in_the_middle_changes_nothing(self):
        database = self.database({'a': 'V = 0\n'})
        database.shell("CREATE TRIGGER refuse BEFORE INSERT ON module WHEN new.name = 'p' "
                       "BEGIN SELECT RAISE(ABORT, 'p is refused here'); END;")
        files = {f'{letter}.py': b'V = 1\n' for letter in 'abcdefghijklmnopqrstuvwxyz'}
        result = pymodfs('import', database.path, self.tree(files), check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn('p is refused here', result.stderr)
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        self.assertEqual(database.rows(), {'a': b'V = 0\n'})

    def test_a_mount_shows_an_import_as_soon_as_it_has_returned(self):
        mnt = self.mount({'a': 'V = 0\n'})
        files = {'a.py': b'V = 1\n', 'b/__init__.py': b'', 'b/c.py': b'V = 2\n'}
        pymodfs('import', mnt.database.path, self.tree(files))
        self.wait_files(mnt.path, files)

    def test_a_directory_that_is_not_there_is_named(self):
        database = self.database()
        self.assert_refused('import', database.path, self.dir / 'nowhere', names='nowhere')

    def test_a_terminal_sees_the_progress_and_a_pipe_does_not(self):
        tree = self.tree({f'm{i}.py': b'V = 1\n' for i in range(200)})
        database, other = self.slow_database('one.db'), self.slow_database('other.db')
        with Terminal('sh', '-c', f'{PYMODFS} import {database.path} {tree}; read line') as terminal:
            terminal.wait_screen('100%', timeout=60)
        result = pymodfs('import', other.path, tree)
        self.assertNotIn('%', result.stdout + result.stderr)

    def slow_database(self, name):
        """One in which each row takes so long that many of them take over a second."""
        database = self.database(name=name)
        database.shell('CREATE VIEW slow AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 50000) '
                       'SELECT i FROM n; CREATE TRIGGER slow BEFORE INSERT ON module BEGIN '
                       'SELECT count(*) FROM slow; END;')
        return database


class TwoWayTest(TestCase):
    """A directory that was exported and its database both change; what one side made is never lost to the other."""

    def setUp(self):
        super().setUp()
        self.db = self.database({'a': '1', 'b': '1', 'p.__init__': '', 'p.m': '1'})
        self.out = self.dir / 'out'
        pymodfs('export', self.db.path, self.out)

    def sum(self, *words):
        return json.loads(pymodfs(*words, '--json', self.db.path, self.out).stdout)

    def test_what_changed_on_one_side_alone_is_that_side_s(self):
        (self.out / 'a.py').write_text('files')
        self.db.update('b', 'database')
        self.assertEqual(self.sum('import'), {'files': 4, 'new': 0, 'changed': 1, 'deleted': 0, 'kept': 1,
                                              'conflicts': 0, 'dry_run': False})
        self.assertEqual((self.db.read('a'), self.db.read('b')), (b'files', b'database'))
        self.assertEqual(self.sum('export')['written'], 1)
        self.assertEqual((self.out / 'b.py').read_text(), 'database')
        self.assertEqual(pymodfs('diff', self.db.path, self.out).stdout, '')

    def test_an_export_leaves_what_was_changed_in_the_directory(self):
        (self.out / 'a.py').write_text('files')
        self.db.update('b', 'database')
        found = self.sum('export')
        self.assertEqual((found['written'], found['kept']), (1, 1))
        self.assertEqual(files_of(self.out), {'a.py': b'files', 'b.py': b'database', 'p/__init__.py': b'', 'p/m.py': b'1'})
        self.assertEqual(self.sum('import')['changed'], 1)

    def test_what_changed_on_both_sides_is_named_and_nothing_is_done(self):
        for path in ('a.py', 'b.py', 'p/m.py'):
            (self.out / path).write_text('files')
        self.db.update('a', 'database')
        self.db.update('p.m', 'database')
        before, files = self.db.rows(), files_of(self.out)
        for command, way_out in (('import', '--force'), ('export', '--overwrite')):
            result = pymodfs(command, self.db.path, self.out, check=False)
            self.assertEqual(result.returncode, 1)
            for word in ('a.py: changed here and in the database', 'p/m.py: changed', '2 conflicts', way_out):
                self.assertIn(word, result.stderr)
            self.assertNotIn('b.py', result.stderr)
            self.assertEqual((self.db.rows(), files_of(self.out)), (before, files))

    def test_a_conflict_is_decided_for_either_side(self):
        (self.out / 'a.py').write_text('files')
        (self.out / 'b.py').write_text('files')
        self.db.update('a', 'database')
        result = pymodfs('import', '--skip-conflicts', self.db.path, self.out)
        self.assertIn('4 files, 1 new or changed, 1 conflict skipped', result.stdout)
        self.assertEqual((self.db.read('a'), self.db.read('b')), (b'database', b'files'))
        pymodfs('import', '--force', self.db.path, self.out)
        self.assertEqual(self.db.read('a'), b'files')
        (self.out / 'a.py').write_text('files again')
        self.db.update('a', 'database again')
        pymodfs('export', '--skip-conflicts', self.db.path, self.out)
        self.assertEqual((self.out / 'a.py').read_text(), 'files again')
        pymodfs('export', '--overwrite', self.db.path, self.out)
        self.assertEqual((self.out / 'a.py').read_text(), 'database again')
        self.assert_refused('import', '--force', '--skip-conflicts', self.db.path, self.out, names='exclude', status=2)

    def test_force_is_for_conflicts_alone(self):
        (self.out / 'a.py').write_text('files')
        (self.out / 'p/m.py').unlink()
        self.db.update('a', 'database')
        self.db.update('b', 'database')
        self.db.put({'new': ''})
        pymodfs('import', '--force', '--delete', self.db.path, self.out)
        self.assertEqual(self.db.rows(), {'a': b'files', 'b': b'database', 'p.__init__': b'', 'new': b''})

    def test_the_same_change_on_both_sides_is_no_conflict(self):
        (self.out / 'a.py').write_text('same')
        self.db.update('a', 'same')
        self.assertEqual(self.sum('import')['conflicts'], 0)
        self.assertEqual(self.sum('export')['conflicts'], 0)

    def test_a_touched_file_is_not_a_changed_one(self):
        (self.out / 'a.py').write_text('1')
        self.db.update('a', 'database')
        self.assertEqual(self.sum('import')['kept'], 1)
        self.assertEqual(self.sum('export')['written'], 1)

    def test_deletions_go_over_when_asked_for(self):
        (self.out / 'p/__init__.py').unlink()
        (self.out / 'p/m.py').unlink()
        (self.out / 'p').rmdir()
        self.db.delete('b')
        self.db.put({'new': ''})
        self.assertEqual(self.sum('import')['deleted'], 0)
        self.assertEqual(self.sum('import', '--delete')['deleted'], 2)
        self.assertEqual(sorted(self.db.rows()), ['a', 'new'])
        self.assertEqual(self.db.execute("SELECT path FROM pymodfs_node WHERE kind = 'd'"), [('',)])
        self.assertEqual(self.sum('export')['deleted'], 0)
        self.assertTrue((self.out / 'b.py').exists())
        self.assertEqual(self.sum('export', '--delete')['deleted'], 1)
        self.assertEqual(sorted(files_of(self.out)), ['a.py', 'new.py'])

    def test_a_deleted_file_whose_other_side_changed_is_a_conflict(self):
        (self.out / 'a.py').unlink()
        self.db.update('a', 'database')
        (self.out / 'b.py').write_text('files')
        self.db.delete('b')
        for command, path in (('import', 'a.py'), ('export', 'b.py')):
            result = pymodfs(command, '--delete', self.db.path, self.out, check=False)
            self.assertEqual(result.returncode, 1)
            self.assertIn(f'{path}: ', result.stderr)
        self.assertEqual(self.db.read('a'), b'database')
        self.assertEqual((self.out / 'b.py').read_text(), 'files')

    def test_a_file_in_the_place_of_a_directory_is_told_with_the_way_out(self):
        shutil.rmtree(self.out / 'p')
        (self.out / 'p').write_text('')
        self.assert_refused('import', '--delete', self.db.path, self.out, names='delete that first; nothing was imported')
        for more in ([], ['--overwrite']):
            result = pymodfs('export', *more, self.db.path, self.out, check=False)
            self.assertEqual(result.stderr, f'pymodfs export: {self.out}/p: is no directory; it is one in the database; remove it, or '
                                            'export elsewhere\npymodfs export: 1 obstacle; nothing was exported\n')
            self.assertEqual(result.returncode, 1)

    def test_everything_in_the_way_is_told_with_what_overwrite_would_do_to_it(self):
        (self.out / '.pymodfs-export').unlink()
        (self.out / 'a.py').write_text('mine')
        (self.out / 'b.py').unlink()
        (self.out / 'b.py').mkdir()
        for i in range(12):
            (self.out / f'p/mine{i}').write_text('')
        before = files_of(self.out)
        result = pymodfs('export', self.db.path, self.out, check=False)
        self.assertEqual((result.returncode, files_of(self.out)), (1, before))
        *named, last = result.stderr.splitlines()
        self.assertEqual(last, 'pymodfs export: 14 obstacles, of which 12 are named; nothing was exported; --overwrite would replace 1 and '
                               'leave 12 as they are; what is of another kind has to go before')
        self.assertEqual([line for line in named if '/p/mine' not in line],
                         [f'pymodfs export: {self.out}/a.py: differs from the database; --overwrite replaces it',
                          f'pymodfs export: {self.out}/b.py: is no file; it is one in the database; remove it, or export elsewhere'])
        self.assertEqual(len([line for line in named if line.endswith('is not in the database; --overwrite leaves it as it is')]), 10)
        (self.out / 'b.py').rmdir()
        pymodfs('export', '--overwrite', self.db.path, self.out)
        self.assertEqual(files_of(self.out), before | {'a.py': b'1', 'b.py': b'1'})

    def test_a_dry_run_tells_and_does_nothing(self):
        (self.out / 'a.py').write_text('files')
        (self.out / 'new.py').write_text('')
        self.db.update('b', 'database')
        before, record = self.db.rows(), (self.out / '.pymodfs-export').read_text()
        self.assertEqual(pymodfs('import', '-n', self.db.path, self.out).stdout.splitlines()[:2],
                         ['changed  a.py', 'new      new.py'])
        self.assertIn('write    b.py\n', pymodfs('export', '-n', self.db.path, self.out).stdout)
        pymodfs('export', '-n', self.db.path, self.dir / 'other')
        self.assertFalse((self.dir / 'other').exists())
        self.assertEqual((self.db.rows(), (self.out / '.pymodfs-export').read_text()), (before, record))

    def test_a_time_before_1970_goes_both_ways(self):
        tree, moment = self.dir / 'tree', -1_500_000_000
        tree.mkdir()
        (tree / 'old.py').write_text('')
        os.utime(tree / 'old.py', ns=(moment, moment))
        pymodfs('import', self.db.path, tree)
        pymodfs('export', self.db.path, self.dir / 'new')
        self.assertEqual((self.dir / 'new/old.py').stat().st_mtime_ns, moment)

    def test_a_record_of_another_database_counts_for_nothing(self):
        other = self.database({'a': 'other'}, name='other.db')
        self.assertIn('--overwrite', pymodfs('export', other.path, self.out, check=False).stderr)
        pymodfs('import', other.path, self.out)
        self.assertEqual(other.read('a'), b'1')

    def test_a_damaged_record_is_named(self):
        record = self.out / '.pymodfs-export'
        record.write_text(record.read_text() + 'nonsense\n')
        self.assert_refused('import', self.db.path, self.out, names='.pymodfs-export is damaged')
        record.write_text('nonsense\n')
        self.assert_refused('export', self.db.path, self.out, names='.pymodfs-export')

    def test_a_record_cannot_lead_out_of_the_directory(self):
        victim = self.dir / 'victim.py'
        victim.write_text('')
        record = self.out / '.pymodfs-export'
        record.write_text(record.read_text() + f'9\t0\t{victim.stat().st_mtime_ns}\t../victim.py\n')
        pymodfs('export', '--delete', self.db.path, self.out)
        self.assertTrue(victim.exists())

    def test_links_of_the_names_that_export_uses_lead_nowhere(self):
        victim = self.dir / 'victim'
        victim.write_text('precious')
        mnt = self.mount(database=self.db).path
        for name in ('.pymodfs-export', '.pymodfs-export.tmp'):
            (mnt / name).symlink_to(victim)
        for place in ('out', 'new'):
            result = pymodfs('export', self.db.path, self.dir / place, check=False)
            self.assertEqual(result.stderr.count('export uses this name itself; left out'), 2)
            self.assertEqual(result.returncode, 1)
            self.assertEqual(sorted(files_of(self.dir / place)), ['a.py', 'b.py', 'p/__init__.py', 'p/m.py'])
        self.assertEqual(victim.read_text(), 'precious')

    def test_what_a_killed_export_left_is_not_imported(self):
        (self.out / '.pymodfs-export.tmp').write_text('half')
        self.assertEqual(self.sum('import')['files'], 4)

    def test_a_directory_without_the_right_to_write_is_written_again(self):
        (self.mount(database=self.db).path / 'p').chmod(0o555)
        # Root's rights without the one to write anywhere.
        drop = ['setpriv', '--bounding-set=-all'] if os.geteuid() == 0 else []
        for source in '12':
            self.db.update('p.m', source)
            run(*drop, PYMODFS, 'export', self.db.path, self.out)
            self.assertEqual((self.out / 'p/m.py').read_text(), source)
            self.assertEqual((self.out / 'p').stat().st_mode & 0o777, 0o555)

    def test_names_of_any_bytes_are_recorded(self):
        self.db.put({'tab\\t.back\\slash': '1'})
        pymodfs('export', self.db.path, self.out)
        self.assertEqual(self.sum('export')['written'], 0)
        self.db.put({'tab\\t.back\\slash': '2'})
        self.assertEqual(self.sum('export')['written'], 1)


class PatternTest(TestCase):
    FILES = {'a.py': b'', 'p/b.py': b'', 'p/tests/c.py': b'', 'tests/d.py': b'', 'data.txt': b''}

    def test_an_import_takes_what_is_chosen(self):
        for words, expected in ((['--exclude', 'tests'], ['a', 'p.b']), (['--include', 'p/*'], ['p.b', 'p.tests.c']),
                                (['--include', '*.py', '--exclude', 'p/*'], ['a', 'tests.d'])):
            with self.subTest(words):
                database = self.database(name=f'{len(words)}{words[1][0]}.db')
                for path, data in self.FILES.items():
                    (self.dir / 'tree' / path).parent.mkdir(parents=True, exist_ok=True)
                    (self.dir / 'tree' / path).write_bytes(data)
                pymodfs('import', *words, database.path, self.dir / 'tree')
                self.assertEqual(sorted(database.rows()), expected)

    def test_an_export_writes_what_is_chosen(self):
        database = self.database({'a': '', 'p.b': '', 'p.tests.c': '', 'tests.d': ''})
        pymodfs('export', '--exclude', 'tests', database.path, self.dir / 'out')
        self.assertEqual(sorted(files_of(self.dir / 'out')), ['a.py', 'p/b.py'])
        self.assertFalse((self.dir / 'out/tests').exists())

    def test_an_import_that_deletes_leaves_what_is_not_chosen(self):
        database = self.database({'a': '', 'gone': '', 'p.gone': ''})
        (self.dir / 'tree').mkdir()
        (self.dir / 'tree/a.py').write_text('')
        pymodfs('import', '--delete', '--exclude', 'p', database.path, self.dir / 'tree')
        self.assertEqual(sorted(database.rows()), ['a', 'p.gone'])
        pymodfs('import', '--delete', database.path, self.dir / 'tree')
        self.assertEqual(sorted(database.rows()), ['a'])


class ExportTest(TestCase):
    def test_an_exported_directory_that_cannot_be_written_is_named(self):
        database = self.database({'a': 'V = 0\n'})
        (self.dir / 'file').write_text('in the way\n')
        self.assert_refused('export', database.path, self.dir / 'file', names='file')
        self.assertEqual((self.dir / 'file').read_text(), 'in the way\n')

    def test_rows_that_cannot_be_files_are_reported_and_harm_no_other(self):
        database = self.database({'a': 'V = 0\n', '../evil': 'V = 1\n', 'b..c': ''})
        result = pymodfs('export', database.path, self.dir / 'out', check=False)
        self.assertIn('../evil', result.stderr)
        self.assertIn('b..c', result.stderr)
        self.assertEqual(files_of(self.dir / 'out'), {'a.py': b'V = 0\n'})
        self.assertFalse((self.dir / 'evil.py').exists())

    def test_a_file_that_is_larger_than_any_content_is_replaced_like_others(self):
        database = self.database({'a': 'V = 0\n'})
        pymodfs('export', database.path, self.dir / 'out')
        os.truncate(self.dir / 'out/a.py', 3 << 30)
        self.assertEqual(pymodfs('export', database.path, self.dir / 'out').stdout,
                         '1 module, 0 other files; 0 written, 1 changed here and left alone\n')
        pymodfs('export', '--overwrite', database.path, self.dir / 'out')
        self.assertEqual(files_of(self.dir / 'out'), {'a.py': b'V = 0\n'})

    def test_a_database_that_is_not_there_is_named_and_not_created(self):
        self.assert_refused('export', self.dir / 'missing.db', self.dir / 'out', names='missing.db')
        self.assertFalse((self.dir / 'missing.db').exists())


if __name__ == '__main__':
    unittest.main()
