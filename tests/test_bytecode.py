"""Bytecode of modules on a mount: never stale, never in the database, as in a local directory."""

import contextlib
import errno
import os
import shutil
import stat
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path

from tests.support import PYMODFS, PYTHON, Database, Mount, TestCase, environment, is_mounted, pymodfs, python, run, wait_until

# What is seldom too late shows by number: each costs an import, and for a tenth of them a new interpreter.
EDITS = int(os.environ.get('PYMODFS_EDITS', '500'))
PYC = 'a.cpython-311.pyc'
# Imports `a` anew for each line of input and prints its value; one process for many imports, each as fresh as a new one.
IMPORTER = """
import importlib, sys
for line in sys.stdin:
    sys.modules.pop('a', None)
    importlib.invalidate_caches()
    import a
    print(a.V, flush=True)
"""


def setUpModule():
    """The mount of YoungTest."""
    top = Path(unittest.enterModuleContext(tempfile.TemporaryDirectory(prefix='pymodfs-test-'))).resolve()
    mnt = unittest.enterModuleContext(Mount(Database.create(top / 'modules.db', {'a': 'V = 1\n'}), top / 'mnt',
                                            env={'XDG_CACHE_HOME': str(top / 'cache')}))
    python('-c', 'import a', path=mnt.path)
    link = mnt.path / '__pycache__'
    YoungTest.path, YoungTest.early = mnt.path, (link.is_symlink(), os.listdir(link))


def refused(call, *arguments):
    """The name of the error that a call fails with."""
    try:
        call(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]
    return 'no error'


class BytecodeTest(TestCase):
    def setUp(self):
        super().setUp()
        self.cache = self.dir / 'cache'
        self.cache.mkdir(0o755)
        self.env = {'XDG_CACHE_HOME': str(self.cache)}

    def mount(self, *args, **more):
        return super().mount(*args, env=self.env, **more)

    def cached(self):
        """All .pyc files on the local disk."""
        return sorted(path.name for path in self.cache.rglob('*.pyc*'))


class StaleTest(BytecodeTest):
    """Edits of the same length, each followed by an import that reads and writes bytecode: none is stale."""

    def check(self, mnt, edit, rounds=EDITS, look=lambda: None):
        importer = subprocess.Popen([PYTHON, '-c', IMPORTER], env=environment(PYTHONPATH=mnt.path), text=True,
                                    stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        stale = []
        with importer:
            for value in range(1000, 1000 + rounds):
                edit(value)
                importer.stdin.write('\n')
                importer.stdin.flush()
                got = importer.stdout.readline()
                if got != f'{value}\n':
                    stale.append((value, got))
                look()
            importer.stdin.close()
        self.assertEqual(stale, [])
        self.assertEqual(self.cached(), [PYC])

    def test_saves_in_place(self):
        mnt = self.mount({'a': 'V = 0\n'})
        self.check(mnt, lambda value: (mnt.path / 'a.py').write_text(f'V = {value}\n'))

    def test_saves_by_rename(self):
        mnt = self.mount({'a': 'V = 0\n'})

        def edit(value):
            (mnt.path / 'a.py.tmp').write_text(f'V = {value}\n')
            os.replace(mnt.path / 'a.py.tmp', mnt.path / 'a.py')
        self.check(mnt, edit)

    def test_updates_by_sql(self):
        mnt = self.mount({'a': 'V = 0\n'})

        def edit(value):
            generation = mnt.generation()
            mnt.database.update('a', f'V = {value}\n')
            wait_until(lambda: mnt.generation() > generation)
        self.check(mnt, edit, rounds=EDITS * 2 // 5)

    def test_deletions_and_new_files(self):
        mnt = self.mount({'a': 'V = 0\n'})

        def edit(value):
            os.unlink(mnt.path / 'a.py')
            (mnt.path / 'a.py').write_text(f'V = {value}\n')
        self.check(mnt, edit, rounds=EDITS * 2 // 5)

    def test_what_was_written_before_the_change_is_published_stays(self):
        mnt = self.mount({'a': 'V = 0\n'})
        lost = []

        def edit(value):
            (mnt.path / 'a.py.tmp').write_text(f'V = {value}\n')
            os.unlink(mnt.path / 'a.py')
            os.rename(mnt.path / 'a.py.tmp', mnt.path / 'a.py')

        def look():
            newest = mnt.database.newest()
            wait_until(lambda: mnt.generation() >= newest)
            lost.append(self.cached() != [PYC])
        self.check(mnt, edit, EDITS * 2 // 5, look)
        self.assertEqual(lost.count(True), 0)

    def test_fresh_interpreters(self):
        mnt = self.mount({'a': 'V = 0\n'})
        for value in range(1000, 1000 + EDITS // 10):
            (mnt.path / 'a.py').write_text(f'V = {value}\n')
            self.assertEqual(python('-c', 'import a; print(a.V)', path=mnt.path).stdout, f'{value}\n')
        self.assertEqual(self.cached(), [PYC])

    def test_another_module_of_the_same_size_and_time_takes_the_name(self):
        mnt = self.mount({'a': 'V = 1\n', 'b': 'V = 2\n'})
        for name in ('a', 'b'):
            os.utime(mnt.path / f'{name}.py', (1e9, 1e9))
        python('-c', 'import a', path=mnt.path)
        generation = mnt.generation()
        os.replace(mnt.path / 'b.py', mnt.path / 'a.py')
        wait_until(lambda: mnt.generation() > generation)
        self.assertEqual(python('-c', 'import a; print(a.V)', path=mnt.path).stdout, '2\n')

    def test_another_content_has_the_time_that_the_module_had_before_a_touch(self):
        mnt = self.mount({'a': 'V = 1\n', 'b': 'V = 2\n'})
        for name in ('a', 'b'):
            os.utime(mnt.path / f'{name}.py', (1e9, 1e9))
        python('-c', 'import a', path=mnt.path)
        os.utime(mnt.path / 'a.py', (2e9, 2e9))
        generation = mnt.generation()
        os.replace(mnt.path / 'b.py', mnt.path / 'a.py')
        wait_until(lambda: mnt.generation() > generation)
        self.assertEqual(python('-c', 'import a; print(a.V)', path=mnt.path).stdout, '2\n')


class CacheTest(BytecodeTest):
    def test_the_database_never_sees_it(self):
        mnt = self.mount({'a': 'V = 1\n', 'pkg.__init__': 'from . import b', 'pkg.b': 'V = 2\n'})
        before = mnt.generation()
        python('-c', 'import a, pkg', path=mnt.path)
        python('-O', '-c', 'import a, pkg', path=mnt.path)
        self.assertEqual(len(self.cached()), 6)
        self.assertEqual(mnt.generation(), before)
        self.assertEqual(sorted(mnt.database.rows()), ['a', 'pkg.__init__', 'pkg.b'])

    def test_a_row_of_that_name_does_not_lead_it_into_the_database(self):
        mnt = self.mount({'a': 'V = 1\n', '__pycache__.odd': 'V = 2\n'})
        self.assertEqual(run('ls', '-l', mnt.path).stdout.split()[-1], 'a.py')
        mnt.database.put({'__pycache__.late': 'V = 3\n'})
        mnt.database.update('a', 'V = 4\n')
        wait_until(lambda: (mnt.path / 'a.py').read_text() == 'V = 4\n')
        self.assertEqual(os.listdir(mnt.path), ['a.py'])
        self.assertEqual(python('-c', 'import a; print(a.V)', path=mnt.path).stdout, '4\n')
        self.assertEqual(self.cached(), [PYC])
        self.assertEqual(mnt.database.execute("SELECT count(*) FROM pymodfs_resource"), [(0,)])

    def test_it_is_there_for_the_next_mount(self):
        mnt = self.mount({'a': 'V = 1\n'})
        python('-c', 'import a', path=mnt.path)
        before = os.stat(mnt.path / '__pycache__' / PYC)
        mnt.umount()
        mnt.mount()
        printed = python('-v', '-c', 'import a', path=mnt.path).stderr
        self.assertIn(f'# {mnt.path}/__pycache__/{PYC} matches', printed)
        self.assertEqual(os.stat(mnt.path / '__pycache__' / PYC).st_mtime_ns, before.st_mtime_ns)

    def test_an_edit_removes_the_stale_files_of_all_levels(self):
        mnt = self.mount({'a': 'V = 1\n', 'b': 'V = 1\n', 'ab': 'V = 1\n'})
        for level in ('-s', '-O', '-OO'):
            python(level, '-c', 'import a, b, ab', path=mnt.path)
        self.assertEqual(len(os.listdir(mnt.path / '__pycache__')), 9)
        (mnt.path / 'a.py').write_text('V = 2\n')
        self.assertEqual(sorted(os.listdir(mnt.path / '__pycache__')), [name for name in self.cached()])
        self.assertEqual([name for name in self.cached() if name.startswith('a.')], [])
        self.assertEqual(len(self.cached()), 6)

    def test_an_edit_by_sql_removes_what_an_earlier_mount_left(self):
        mnt = self.mount({'a': 'V = 1\n', 'b': 'V = 1\n'})
        python('-c', 'import a, b', path=mnt.path)
        mnt.umount()
        mnt.mount()
        os.listdir(mnt.path / '__pycache__')
        mnt.database.update('a', 'V = 2\n')
        wait_until(lambda: self.cached() == ['b.cpython-311.pyc'])
        wait_until(lambda: os.listdir(mnt.path / '__pycache__') == ['b.cpython-311.pyc'])

    def test_bytecode_that_is_valid_by_hash_stays(self):
        mnt = self.mount({'a': 'V = 1\n'})
        run(PYTHON, '-m', 'py_compile', mnt.path / 'a.py', env=environment(SOURCE_DATE_EPOCH=1))
        (mnt.path / 'a.py').write_text('V = 2\n')
        self.assertEqual(self.cached(), [PYC])
        self.assertEqual(python('-c', 'import a; print(a.V)', path=mnt.path).stdout, '2\n')

    def test_a_removed_directory_takes_its_bytecode_along(self):
        mnt = self.mount({'pkg.__init__': '', 'pkg.a': 'V = 1\n'})
        python('-c', 'import pkg.a', path=mnt.path)
        self.assertEqual(len(self.cached()), 2)
        shutil.rmtree(mnt.path / 'pkg')
        self.assertEqual((self.cached(), mnt.database.rows(), os.listdir(mnt.path)), ([], {}, []))

    def test_what_belongs_to_no_module_is_gone_after_the_mount(self):
        mnt = self.mount({'a': 'V = 1\n', 'b': 'V = 1\n', 'pkg.c': 'V = 1\n'})
        python('-c', 'import a, b, pkg.c', path=mnt.path)
        self.assertEqual(len(self.cached()), 3)
        mnt.database.delete('a')
        mnt.database.delete('pkg.c')
        wait_until(lambda: os.listdir(mnt.path) in (['b.py'], ['b.py', '__pycache__'], ['__pycache__', 'b.py']))
        mnt.umount()
        self.assertEqual(self.cached(), ['b.cpython-311.pyc'])

    def test_two_mounts_of_one_database_share_it(self):
        one = self.mount({'a': 'V = 1\n'})
        two = self.mount(database=one.database, mountpoint='other')
        self.assertEqual(refused(os.stat, two.path / '__pycache__'), 'ENOENT')
        for value in range(2, 30):
            (one.path / 'a.py').write_text(f'V = {value}\n')
            wait_until(lambda: (two.path / 'a.py').read_text() == f'V = {value}\n')
            for mnt in (one, two, one):
                self.assertEqual(python('-c', 'import a; print(a.V)', path=mnt.path).stdout, f'{value}\n')
        self.assertEqual(self.cached(), [PYC])

    def test_open_files_in_it_leave_the_daemon_those_that_it_needs(self):
        database, mnt = self.database({'a': 'V = 1\n'}), self.dir / 'mnt'
        mnt.mkdir()
        run('/usr/bin/prlimit', '--nofile=100', PYMODFS, 'mount', database.path, mnt, env=environment(**self.env))
        self.addCleanup(lambda: is_mounted(mnt) and pymodfs('umount', mnt))
        (mnt / '__pycache__').mkdir()
        with contextlib.ExitStack() as files, self.assertRaises(OSError) as caught:
            for i in range(100):
                files.callback(os.close, os.open(mnt / '__pycache__' / str(i), os.O_CREAT | os.O_RDWR))
        self.assertEqual((caught.exception.errno, refused(os.stat, mnt / '__pycache__' / str(i))), (errno.ENFILE, 'ENOENT'))
        with contextlib.ExitStack() as files:
            for k in range(i):
                files.callback(os.close, os.open(mnt / '__pycache__' / str(k), os.O_RDWR))
            self.assertEqual(refused(os.open, mnt / '__pycache__/0', os.O_RDONLY), 'ENFILE')
            (mnt / 'a.py').write_text('V = 2\n')
            self.assertEqual(database.read('a'), b'V = 2\n')
            database.update('a', 'V = 3\n')
            wait_until(lambda: (mnt / 'a.py').read_text() == 'V = 3\n')
            self.assertEqual(python('-c', 'import a; print(a.V)', path=mnt).stdout, '3\n')
            self.assertIn('too many files of __pycache__', (mnt / '.pymodfs/status').read_text())
        pymodfs('umount', mnt)

    def test_without_a_cache_directory_all_works_but_bytecode(self):
        (self.cache / 'pymodfs').write_text('in the way')
        mnt = self.mount({'a': 'V = 1\n'})
        self.assertEqual(python('-c', 'import a; print(a.V)', path=mnt.path).stdout, '1\n')
        self.assertEqual(refused(os.mkdir, mnt.path / '__pycache__'), 'EROFS')
        self.assertIn('no bytecode will be kept', mnt.log)
        self.assertEqual(mnt.log.count('no bytecode'), 1)


class LocalDirectoryTest(BytecodeTest):
    """__pycache__ behaves like a directory on the local disk."""

    def both(self, call):
        """Does the same in a mount and locally, and compares what comes out."""
        mnt = self.mount({'a': 'V = 1\n'})
        local = self.dir / 'local'
        local.mkdir()
        (local / 'a.py').write_text('V = 1\n')
        self.assertEqual(call(mnt.path), call(local))
        self.assertEqual(mnt.database.rows(), {'a': b'V = 1\n'})

    def test_it_is_not_there_before_somebody_makes_it(self):
        def see(top):
            cache = top / '__pycache__'
            before = cache.exists(), refused(os.listdir, cache), refused(os.rmdir, cache)
            python('-B', '-c', 'import a', path=top)
            without = cache.exists()
            python('-c', 'import a', path=top)
            return before, without, cache.is_dir(), cache.is_symlink(), os.listdir(cache), refused(os.mkdir, cache)
        self.both(see)

    def test_it_can_be_removed_and_made(self):
        def see(top):
            cache, seen = top / '__pycache__', []
            for _ in range(3):
                python('-c', 'import a', path=top)
                seen.append(os.listdir(cache))
                seen.append(refused(os.rmdir, cache))
                shutil.rmtree(cache)
                seen.append(cache.exists())
                cache.mkdir(0o750)
                seen.append(stat.S_IMODE(cache.stat().st_mode))
                cache.rmdir()
            return seen
        self.both(see)

    def test_files_in_it(self):
        def see(top):
            cache, seen = top / '__pycache__', []
            cache.mkdir()
            (cache / 'x').write_bytes(b'one')
            seen.append(refused(os.open, cache / 'x', os.O_CREAT | os.O_EXCL))
            with open(cache / 'x', 'r+b') as file:
                file.seek(2)
                file.write(b'two')
                file.flush()
                seen.append(os.fstat(file.fileno()).st_size)
                os.unlink(cache / 'x')
                file.write(b'three')
                file.flush()
                file.seek(0)
                seen.append((file.read(), os.fstat(file.fileno()).st_nlink, (cache / 'x').exists()))
                os.ftruncate(file.fileno(), 2)
                seen.append(os.fstat(file.fileno()).st_size)
                os.fsync(file.fileno())
            (cache / 'y').write_bytes(b'12345')
            os.truncate(cache / 'y', 3)
            os.chmod(cache / 'y', 0o640)
            os.utime(cache / 'y', ns=(1_000_000_001, 2_000_000_002))
            info = os.stat(cache / 'y')
            seen.append((info.st_size, stat.S_IMODE(info.st_mode), info.st_atime_ns, info.st_mtime_ns, info.st_uid))
            with open(cache / 'y', 'ab') as file:
                file.write(b'!')
            seen.append((cache / 'y').read_bytes())
            seen.append(sorted(os.listdir(cache)))
            return seen
        self.both(see)

    def test_renames_in_it(self):
        def see(top):
            cache, seen = top / '__pycache__', []
            cache.mkdir()
            for name in 'abc':
                (cache / name).write_text(name)
            with open(cache / 'b') as old:
                os.replace(cache / 'a', cache / 'b')
                seen.append((old.read(), (cache / 'b').read_text(), sorted(os.listdir(cache))))
            os.mkdir(cache / 'sub')
            os.mkdir(cache / 'sub/deep')
            os.rename(cache / 'c', cache / 'sub/deep/d')
            os.rename(cache / 'sub', cache / 'other')
            seen.append(((cache / 'other/deep/d').read_text(), sorted(os.listdir(cache))))
            seen.append(refused(os.rename, cache / 'other', cache / 'b'))
            seen.append(refused(os.rmdir, cache / 'other'))
            seen.append(refused(os.unlink, cache / 'nothing'))
            (cache / 'other/deep/d').write_text('changed')
            os.rename(cache / 'other/deep/d', cache / 'a')
            os.rename(cache / 'b', cache / 'other/deep/d')
            seen.append(((cache / 'a').read_text(), (cache / 'other/deep/d').read_text()))
            return seen
        self.both(see)

    def test_links_in_it(self):
        def see(top):
            cache, seen = top / '__pycache__', []
            cache.mkdir()
            (cache / 'x').write_text('content')
            os.symlink('x', cache / 'link')
            os.symlink('/nowhere', cache / 'dangling')
            seen.append((os.readlink(cache / 'link'), (cache / 'link').read_text(), refused(open, cache / 'dangling')))
            os.unlink(cache / 'link')
            seen.append((cache / 'x').read_text())
            shutil.rmtree(cache)
            return seen
        self.both(see)

    def test_many_files_are_listed_once_each(self):
        def see(top):
            cache = top / '__pycache__'
            cache.mkdir()
            for i in range(1200):
                (cache / f'f{i:04}').touch()
            return sorted(os.listdir(cache))
        self.both(see)

    def test_writers_race_as_importers_do(self):
        def see(top):
            cache = top / '__pycache__'
            cache.mkdir()
            wrong = []

            def write(number):
                for i in range(100):
                    temporary = cache / f'x.pyc.{number}'
                    temporary.write_bytes(bytes([number]) * 5000)
                    os.replace(temporary, cache / 'x.pyc')
                    if len(set((cache / 'x.pyc').read_bytes())) != 1:
                        wrong.append(i)

            threads = [threading.Thread(target=write, args=(i,)) for i in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            return wrong, os.listdir(cache), (cache / 'x.pyc').stat().st_size
        self.both(see)

    def test_a_file_moves_out_of_it(self):
        def see(top):
            python('-c', 'import a', path=top)
            data = (top / '__pycache__' / PYC).read_bytes()
            os.rename(top / '__pycache__' / PYC, top / 'b.pyc')
            same = (top / 'b.pyc').read_bytes() == data
            return same, os.listdir(top / '__pycache__'), python('-c', 'import b; print(b.V)', path=top).stdout
        self.both(see)

    def test_what_is_written_right_after_the_move_is_not_lost(self):
        mnt = self.mount({'a': 'V = 1\n'})
        cache = mnt.path / '__pycache__'
        cache.mkdir()
        for i in range(200):
            (cache / 'x.pyc').write_text('long enough\n')
            os.rename(cache / 'x.pyc', mnt.path / 'x.pyc')
            (mnt.path / 'x.pyc').write_text(f'{i}\n')
            self.assertEqual((mnt.path / 'x.pyc').read_text(), f'{i}\n')
            self.assertEqual((os.listdir(cache), os.stat(mnt.path / 'x.pyc').st_size), ([], len(f'{i}\n')))

    def test_hard_links_of_compileall(self):
        def see(top):
            run(PYTHON, '-m', 'compileall', '-q', '--hardlink-dupes', '-o', '0', '-o', '1', '.', env=environment(), cwd=top)
            files = [os.stat(top / '__pycache__' / name) for name in sorted(os.listdir(top / '__pycache__'))]
            return len(files), files[0].st_ino == files[1].st_ino, files[1].st_nlink
        self.both(see)

    def test_compileall_and_py_compile(self):
        def see(top):
            out = run(PYTHON, '-m', 'compileall', '-q', '-o', '0', '-o', '1', '.', env=environment(), cwd=top).stdout
            run(PYTHON, '-m', 'py_compile', top / 'a.py', env=environment())
            return out, sorted(os.listdir(top / '__pycache__'))
        self.both(see)


class LinkTest(BytecodeTest):
    """A directory that has settled is a link to the local one, so that a warm import asks the mount nothing."""

    def settled(self, *options):
        """A mount that finds bytecode from before."""
        mnt = super(BytecodeTest, self).mount({'a': 'V = 1\n', 'b': 'V = 1\n'}, *options, env=self.env)
        python('-c', 'import a, b', path=mnt.path)
        mnt.umount()
        return mnt.mount()

    def test_it_is_one_for_a_new_mount(self):
        mnt = self.settled()
        link = mnt.path / '__pycache__'
        self.assertTrue(link.is_symlink())
        self.assertEqual(sorted(os.listdir(os.readlink(link))), [PYC, 'b.cpython-311.pyc'])
        printed = python('-v', '-c', 'import a', path=mnt.path).stderr
        self.assertIn(f'# {link}/{PYC} matches', printed)

    def test_no_bytecode_is_stale_through_it(self):
        mnt = self.settled()
        for value in range(1000, 1100):
            (mnt.path / 'a.py').write_text(f'V = {value}\n')
            self.assertNotIn(PYC, self.cached())
            self.assertEqual(python('-c', 'import a; print(a.V)', path=mnt.path).stdout, f'{value}\n')
        self.assertTrue((mnt.path / '__pycache__').is_symlink())
        self.assertEqual(self.cached(), [PYC, 'b.cpython-311.pyc'])

    def test_an_edit_removes_files_of_levels_that_were_never_seen(self):
        mnt = self.settled()
        (mnt.path / 'a.py').write_text('V = 2\n')
        python('-OO', '-c', 'import a, b', path=mnt.path)
        (mnt.path / 'a.py').write_text('V = 3\n')
        self.assertEqual(self.cached(), ['b.cpython-311.opt-2.pyc', 'b.cpython-311.pyc'])

    def test_it_can_be_removed_and_is_a_directory_when_made_again(self):
        mnt = self.settled()
        link = mnt.path / '__pycache__'
        os.unlink(link)
        self.assertEqual((link.exists(), self.cached()), (False, []))
        python('-c', 'import a', path=mnt.path)
        self.assertEqual((link.is_symlink(), os.listdir(link)), (False, [PYC]))
        shutil.rmtree(link)
        self.assertEqual((link.exists(), self.cached()), (False, []))

    def test_a_package_with_one_can_be_moved_and_removed(self):
        mnt = self.mount({'pkg.__init__': '', 'pkg.a': 'V = 1\n'})
        python('-c', 'import pkg.a', path=mnt.path)
        mnt.umount()
        mnt.mount()
        self.assertTrue((mnt.path / 'pkg/__pycache__').is_symlink())
        os.rename(mnt.path / 'pkg', mnt.path / 'moved')
        self.assertEqual(python('-c', 'import moved.a; print(moved.a.V)', path=mnt.path).stdout, '1\n')
        shutil.rmtree(mnt.path / 'moved')
        self.assertEqual((self.cached(), os.listdir(mnt.path)), ([], []))

    def test_it_is_never_one_where_others_get_in(self):
        mnt = self.settled('allow_other')
        self.assertFalse((mnt.path / '__pycache__').is_symlink())
        self.assertEqual(len(os.listdir(mnt.path / '__pycache__')), 2)


class PrivateTest(BytecodeTest):
    """Nobody plants bytecode in another one's cache."""

    def test_the_cache_is_for_its_user_only(self):
        mnt = self.mount({'a': 'V = 1\n'})
        python('-c', 'import a', path=mnt.path)
        top, = self.cache.iterdir()
        self.assertEqual((top.name, stat.S_IMODE(top.stat().st_mode)), ('pymodfs', 0o700))
        store, = top.iterdir()
        self.assertEqual(stat.S_IMODE(store.stat().st_mode), 0o700)

    def test_a_cache_of_somebody_else_is_not_used(self):
        for what in ('pymodfs', 'store'):
            with self.subTest(what=what):
                self.setUp()
                mnt = self.mount({'a': 'V = 1\n'})
                mnt.umount()
                place = self.cache / 'pymodfs'
                if what == 'store':
                    place, = place.iterdir()
                os.chown(place, 65534, 65534)
                mnt.mount()
                self.assertEqual(python('-c', 'import a; print(a.V)', path=mnt.path).stdout, '1\n')
                self.assertIn('belongs to another user', mnt.log)
                self.assertEqual(self.cached(), [])
                mnt.umount()

    def test_a_symbolic_link_in_its_place_is_not_followed(self):
        elsewhere = self.dir / 'elsewhere'
        elsewhere.mkdir()
        (self.cache / 'pymodfs').symlink_to(elsewhere)
        mnt = self.mount({'a': 'V = 1\n'})
        self.assertEqual(python('-c', 'import a; print(a.V)', path=mnt.path).stdout, '1\n')
        self.assertEqual(list(elsewhere.iterdir()), [])
        self.assertIn('no bytecode will be kept', mnt.log)


class UsersTest(BytecodeTest):
    """Several users of one mount, as on a local disk. Needs root, to be several users."""

    def as_user(self, uid, code, mnt):
        return run(PYTHON, '-c', f'import os; os.setgroups([]); os.setgid({uid}); os.setuid({uid})\n{code}', check=False,
                   env=environment(PYTHONPATH=mnt.path))

    def setUp(self):
        super().setUp()
        os.chmod(self.dir, 0o755)

    def test_each_file_belongs_to_who_made_it(self):
        mnt = super(BytecodeTest, self).mount({'a': 'V = 1\n'}, 'allow_other', env=self.env)
        os.chmod(mnt.path, 0o777)
        self.as_user(1001, 'import a', mnt)
        info = os.stat(mnt.path / '__pycache__')
        self.assertEqual((info.st_uid, info.st_gid, stat.S_IMODE(info.st_mode)), (1001, 1001, 0o755))
        info = os.stat(mnt.path / '__pycache__' / PYC)
        self.assertEqual((info.st_uid, info.st_gid, stat.S_IMODE(info.st_mode)), (1001, 1001, 0o644))

    def test_another_user_reads_and_cannot_write(self):
        mnt = super(BytecodeTest, self).mount({'a': 'V = 1\n', 'b': 'V = 2\n'}, 'allow_other', env=self.env)
        os.chmod(mnt.path, 0o777)
        self.as_user(1001, 'import a', mnt)
        out = self.as_user(1002, 'import sys; sys.flags; import a, b; print(a.V, b.V)', mnt)
        self.assertEqual(out.stdout, '1 2\n', out.stderr)
        self.assertEqual(os.listdir(mnt.path / '__pycache__'), [PYC])
        for action in (f'os.unlink(p + "/{PYC}")', f'open(p + "/{PYC}", "r+")', 'open(p + "/b.cpython-311.pyc", "w")',
                       'os.mkdir(p + "/d")', f'os.chmod(p + "/{PYC}", 0o777)', 'os.chmod(p, 0o777)',
                       f'os.rename(p + "/{PYC}", p + "/x")', f'os.utime(p + "/{PYC}", (1, 1))',
                       f'os.chown(p + "/{PYC}", 1002, -1)'):
            with self.subTest(action=action):
                out = self.as_user(1002, f'p = {str(mnt.path / "__pycache__")!r}\n{action}', mnt)
                self.assertRegex(out.stderr, 'PermissionError')

    def test_without_allow_other_nobody_else_gets_in(self):
        mnt = self.mount({'a': 'V = 1\n'})
        python('-c', 'import a', path=mnt.path)
        out = self.as_user(1001, f'os.listdir({str(mnt.path / "__pycache__")!r})', mnt)
        self.assertRegex(out.stderr, 'PermissionError')

    def test_owners_outlast_the_mount(self):
        mnt = super(BytecodeTest, self).mount({'a': 'V = 1\n'}, 'allow_other', env=self.env)
        os.chmod(mnt.path, 0o777)
        self.as_user(1001, 'import a', mnt)
        mnt.umount()
        mnt.mount()
        self.assertEqual(os.stat(mnt.path / '__pycache__' / PYC).st_uid, 1001)


class YoungTest(TestCase):
    """A directory that becomes a link; the last test, so that the others have taken the time that it waits for."""

    def test_it_becomes_a_link_when_nothing_was_written_for_a_while(self):
        link = self.path / '__pycache__'
        self.assertEqual(self.early, (False, [PYC]))
        wait_until(link.is_symlink, 30, 'a link')
        self.assertEqual(os.listdir(link), [PYC])
        printed = python('-v', '-c', 'import a', path=self.path).stderr
        self.assertIn(f'# {link}/{PYC} matches', printed)


if __name__ == '__main__':
    unittest.main()
