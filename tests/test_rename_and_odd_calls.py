"""Renames and the less usual calls do on a mount what they do in a local directory.

Most tests are a few calls that are made twice, in a local directory and in a directory of a mount, on a module and on a plain file; what they
return, and what is there afterwards, must be the same. The others say what the database holds.
"""

import ctypes
import errno
import fcntl
import mmap
import os
import shutil
import signal
import stat
import subprocess
import time
import unittest

from tests.support import PYTHON, Process, TestCase, python, run, wait_until

RENAME_NOREPLACE, RENAME_EXCHANGE = 1, 2
AT_FDCWD = -100

_libc = ctypes.CDLL(None, use_errno=True)


def renameat2(old, new, flags):
    if _libc.renameat2(AT_FDCWD, os.fsencode(old), AT_FDCWD, os.fsencode(new), flags) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def outcome(call, *args, **more):
    """What a call returns, or the name of its error."""
    try:
        return call(*args, **more)
    except OSError as error:
        return errno.errorcode[error.errno]


def write(path, data, flags=os.O_WRONLY | os.O_CREAT | os.O_TRUNC):
    fd = os.open(path, flags, 0o644)
    try:
        return os.write(fd, data)
    finally:
        os.close(fd)


def tree(top):
    """Everything below top: what it is, its permissions, its links, and its content."""
    found = {}
    for path in sorted(top.rglob('*')):
        status = path.lstat()
        if path.is_symlink():
            content = os.readlink(path)
        else:
            content = path.read_bytes() if path.is_file() else None
        links = status.st_nlink
        found[str(path.relative_to(top))] = (stat.filemode(status.st_mode), links, content)
    return found


class OddCase(TestCase):
    NAMES = ('a.py', 'data.bin')

    def setUp(self):
        super().setUp()
        self.mnt = self.mount()
        self.local = self.dir / 'local'
        self.local.mkdir()

    def same(self, calls, names=NAMES):
        """calls(top, name) gives the same in a local directory and in the mount, and leaves the same behind."""
        for name in names:
            with self.subTest(name=name):
                results = []
                for base in (self.local, self.mnt.path):
                    top = base / ('on_' + name.partition('.')[0])
                    top.mkdir()
                    results.append((calls(top, name), tree(top)))
                self.assertEqual(results[1], results[0])

    def versions_of(self, name):
        """How many contents the module or file of this path has had."""
        return self.mnt.database.execute('SELECT count(*) FROM pymodfs_version WHERE path = ?', (name,))[0][0]


class RenameTest(OddCase):
    def test_rename_over_a_file_replaces_it(self):
        def calls(top, name):
            write(top / name, b'old\n')
            write(top / ('new_' + name), b'new\n')
            with open(top / name, 'rb') as reader:
                os.rename(top / ('new_' + name), top / name)
                return reader.read(), (top / name).read_bytes()
        self.same(calls)

    def test_a_plain_file_keeps_its_inode_number_when_it_replaces_another(self):
        def calls(top, name):
            write(top / name, b'old\n')
            write(top / 'new', b'new\n')
            inode = (top / 'new').stat().st_ino
            with open(top / name, 'rb') as reader:
                os.rename(top / 'new', top / name)
                return os.fstat(reader.fileno()).st_nlink, (top / name).stat().st_ino == inode
        self.same(calls, names=('data.bin',))

    def test_rename_keeps_the_inode_number_and_the_mode(self):
        def calls(top, name):
            write(top / name, b'x\n')
            os.chmod(top / name, 0o604)
            inode = (top / name).stat().st_ino
            os.rename(top / name, top / ('other_' + name))
            return (top / ('other_' + name)).stat().st_ino == inode
        self.same(calls)

    def test_rename_of_a_name_onto_itself_does_nothing(self):
        def calls(top, name):
            write(top / name, b'x\n')
            (top / 'd').mkdir()
            return outcome(os.rename, top / name, top / name), outcome(os.rename, top / 'd', top / 'd')
        self.same(calls)

    def test_rename_without_replacing_refuses_a_taken_name(self):
        def calls(top, name):
            write(top / name, b'1\n')
            write(top / ('b_' + name), b'2\n')
            (top / 'd').mkdir()
            return [outcome(renameat2, top / name, top / to, RENAME_NOREPLACE)
                    for to in ('b_' + name, 'd', 'free_' + name)]
        self.same(calls)

    def test_exchange_swaps_two_files(self):
        def calls(top, name):
            write(top / name, b'1\n')
            write(top / ('b_' + name), b'2\n')
            inodes = [(top / n).stat().st_ino for n in (name, 'b_' + name)]
            renameat2(top / name, top / ('b_' + name), RENAME_EXCHANGE)
            return [(top / n).stat().st_ino for n in ('b_' + name, name)] == inodes
        self.same(calls)

    def test_exchange_swaps_a_file_and_a_directory_with_what_is_in_it(self):
        def calls(top, name):
            write(top / name, b'1\n')
            (top / 'd.py' / 'sub').mkdir(parents=True)
            write(top / 'd.py' / 'sub' / name, b'2\n')
            renameat2(top / name, top / 'd.py', RENAME_EXCHANGE)
            return sorted(os.listdir(top)), (top / name / 'sub' / name).read_bytes(), (top / 'd.py').read_bytes()
        self.same(calls)

    def test_exchange_swaps_two_packages(self):
        def calls(top, name):
            for package, text in (('p', b'1\n'), ('q', b'2\n')):
                (top / package / 'sub').mkdir(parents=True)
                write(top / package / '__init__.py', text)
                write(top / package / 'sub' / name, text)
            renameat2(top / 'p', top / 'q', RENAME_EXCHANGE)
        self.same(calls)

    def test_exchange_swaps_a_file_and_what_editors_leave_beside_it(self):
        for dropping in ('.a.py.swp', 'a.py~', '#a.py#', 'a.py.tmp123'):
            def calls(top, name):
                write(top / name, b'saved\n')
                write(top / dropping, b'longer, in memory\n')
                os.chmod(top / dropping, 0o600)
                renameat2(top / name, top / dropping, RENAME_EXCHANGE)
                first = tree(top)
                renameat2(top / name, top / dropping, RENAME_EXCHANGE)
                second = tree(top)
                renameat2(top / dropping, top / name, RENAME_EXCHANGE)
                return first, second
            with self.subTest(dropping=dropping):
                shutil.rmtree(self.local)
                self.local.mkdir()
                for name in ('on_a', 'on_data'):
                    shutil.rmtree(self.mnt.path / name, ignore_errors=True)
                self.same(calls)

    def test_an_exchange_with_a_backup_is_one_save_of_the_module_and_leaves_the_backup_out_of_the_database(self):
        write(self.mnt.path / 'a.py', b'old\n')
        write(self.mnt.path / 'a.py~', b'new\n')
        renameat2(self.mnt.path / 'a.py~', self.mnt.path / 'a.py', RENAME_EXCHANGE)
        self.assertEqual(self.versions_of('a.py'), 2)
        self.assertEqual(self.mnt.database.execute('SELECT name, CAST(source AS TEXT) FROM module'), [('a', 'new\n')])
        self.assertEqual(self.mnt.database.execute("SELECT count(*) FROM pymodfs_node WHERE base = 'a.py~'"), [(0,)])
        self.assertEqual((self.mnt.path / 'a.py~').read_bytes(), b'old\n')

    def test_exchange_swaps_a_directory_and_a_backup(self):
        def calls(top, name):
            (top / 'd').mkdir()
            write(top / 'd' / name, b'1\n')
            write(top / 'x~', b'2\n')
            renameat2(top / 'd', top / 'x~', RENAME_EXCHANGE)
        self.same(calls)

    def test_exchange_swaps_two_backups(self):
        def calls(top, name):
            write(top / '.x.swp', b'1\n')
            write(top / 'x~', b'2\n')
            renameat2(top / '.x.swp', top / 'x~', RENAME_EXCHANGE)
        self.same(calls)

    def test_exchange_swaps_files_that_are_being_written(self):
        def calls(top, name):
            for other in (name, 'x~'):
                write(top / other, b'0\n')
            with open(top / name, 'ab', 0) as first, open(top / 'x~', 'ab', 0) as second, \
                    open(top / ('new_' + name), 'xb', 0) as third:
                third.write(b'3\n')
                first.write(b'1\n')
                renameat2(top / name, top / 'x~', RENAME_EXCHANGE)
                second.write(b'2\n')
                first.write(b'1\n')
                renameat2(top / ('new_' + name), top / 'x~', RENAME_EXCHANGE)
                third.write(b'3\n')
        self.same(calls)

    def test_exchange_swaps_a_link_and_a_backup(self):
        def calls(top, name):
            os.symlink('to', top / name)
            write(top / 'x~', b'2\n')
            renameat2(top / name, top / 'x~', RENAME_EXCHANGE)
        self.same(calls)

    def test_exchange_wants_both_names(self):
        def calls(top, name):
            write(top / name, b'1\n')
            return (outcome(renameat2, top / name, top / 'none', RENAME_EXCHANGE),
                    outcome(renameat2, top / 'none', top / name, RENAME_EXCHANGE),
                    outcome(renameat2, top / name, top / 'x', RENAME_EXCHANGE | RENAME_NOREPLACE))
        self.same(calls)

    def test_directories_replace_only_empty_directories(self):
        def calls(top, name):
            for directory in ('full', 'full2', 'empty'):
                (top / directory).mkdir()
            write(top / 'full' / name, b'1\n')
            write(top / 'full2' / name, b'2\n')
            write(top / name, b'3\n')
            return (outcome(os.rename, top / 'full', top / 'full2'), outcome(os.rename, top / 'full', top / name),
                    outcome(os.rename, top / name, top / 'full'), outcome(os.rename, top / name, top / 'empty'),
                    outcome(os.rename, top / 'full', top / 'full' / 'inside'),
                    outcome(os.rename, top / 'full', top / 'empty'))
        self.same(calls)

    def test_rename_makes_a_module_of_a_plain_file_and_the_reverse(self):
        def calls(top, name):
            write(top / 'x.txt', b'1\n')
            write(top / 'y.py', b'2\n')
            os.chmod(top / 'x.txt', 0o600)
            os.rename(top / 'x.txt', top / 'x.py')
            os.rename(top / 'y.py', top / 'y.txt')
        self.same(calls, names=('a.py',))
        self.assertEqual(self.mnt.database.rows(), {'on_a.x': b'1\n'})

    def test_who_writes_a_file_goes_on_writing_it_under_its_new_name(self):
        def calls(top, name):
            with open(top / name, 'wb') as writer:
                writer.write(b'one\n')
                writer.flush()
                os.rename(top / name, top / ('new_' + name))
                writer.write(b'two\n')
        self.same(calls)

    def test_rename_of_a_package_is_one_generation(self):
        package = self.mnt.path / 'pkg'
        (package / 'sub').mkdir(parents=True)
        for number in range(20):
            write(package / 'sub' / f'm{number}.py', b'V = %d\n' % number)
        write(package / '__init__.py', b'')
        wait_until(lambda: len(self.mnt.database.rows()) == 21)
        with open(self.mnt.control / 'feed', 'rb', buffering=0) as feed:
            wait_until(lambda: not feed.read(1 << 20))
            os.rename(package, self.mnt.path / 'new')
            lines = []
            wait_until(lambda: (lines.extend(feed.read(1 << 20).decode().splitlines()) or len(lines) >= 42))
        self.assertEqual({line.split('\t')[0] for line in lines}, {lines[0].split('\t')[0]})
        moved = [line.split('\t')[1:3] for line in lines]
        self.assertIn(['delete', 'pkg.sub.m7'], moved)
        self.assertIn(['insert', 'new.sub.m7'], moved)
        self.assertEqual(set(self.mnt.database.rows()), {'new.__init__', *(f'new.sub.m{n}' for n in range(20))})

    def test_a_file_is_renamed_while_it_is_synced_and_others_change_its_directory(self):
        # In the kernel rename waits for the file's lock with the directory's in its hand, fsync and chmod wait for us with
        # the file's, and to show what SQL changed takes the directory's.
        work = ('import os, sqlite3, sys\n'
                'top, database, what = sys.argv[1:]\n'
                'a, b = os.path.join(top, "a.py"), os.path.join(top, "b.py")\n'
                'def sync():\n'
                '    fd = os.open(a, os.O_RDWR | os.O_CREAT)\n'
                '    os.pwrite(fd, b"V = %d\\n" % n, 0)\n'
                '    os.fsync(fd)\n'
                '    os.fchmod(fd, 0o600 + n % 2)\n'
                '    os.close(fd)\n'
                'def rename():\n'
                '    os.rename(a, b)\n'
                '    os.rename(b, a)\n'
                'def sql():\n'
                '    connection.execute("INSERT OR REPLACE INTO module VALUES (?, ?)", (f"p.c{n % 3}", str(n)))\n'
                '    os.stat(f"{top}/c{n % 3}.py")\n'
                'connection = sqlite3.connect(database, timeout=10, isolation_level=None)\n'
                'for n in range(150):\n'
                '    try: globals()[what]()\n'
                '    except OSError: pass\n'
                'print("done")\n')
        top = self.mnt.path / 'p'
        top.mkdir()
        processes = [self.process(Process(PYTHON, '-c', work, top, self.mnt.database.path, what))
                     for what in ('sync', 'sync', 'rename', 'sql')]
        for process in processes:
            self.assertEqual(process.wait(timeout=120), 0, process.output)
        self.assertEqual(self.mnt.database.problems(), [])

    def test_history_goes_with_a_module_that_is_renamed(self):
        write(self.mnt.path / 'a.py', b'V = 1\n')
        write(self.mnt.path / 'a.py', b'V = 2\n')
        os.rename(self.mnt.path / 'a.py', self.mnt.path / 'b.py')
        kept = [path.read_bytes() for path in (self.mnt.control / 'history' / 'b.py').iterdir()]
        self.assertEqual(sorted(kept), [b'V = 1\n', b'V = 2\n'])


class BackupTest(OddCase):
    """A module that is renamed to the name of an editor's backup, and what becomes of both."""

    def backup(self, calls):
        """calls(top) after a.py was renamed to a.py~ there."""
        def both(top, name):
            write(top / name, b'old\n')
            os.rename(top / name, top / (name + '~'))
            return calls(top), sorted(os.listdir(top))
        self.same(both, names=('a.py',))

    def test_whether_what_is_in_memory_outlasts_the_mount_goes_by_the_name_that_it_was_given_last(self):
        for name in ('b.py~', 'sedAbCdEf'):
            write(self.mnt.path / name, name.encode())
        os.rename(self.mnt.path / 'b.py~', self.mnt.path / 'sedQwErTy')
        os.rename(self.mnt.path / 'sedAbCdEf', self.mnt.path / 'c.py~')
        self.mnt.umount()
        self.mnt.mount()
        self.assertEqual(tree(self.mnt.path).keys() - {'.pymodfs'}, {'sedQwErTy'})
        self.assertEqual((self.mnt.path / 'sedQwErTy').read_bytes(), b'b.py~')

    def test_mode_and_times_of_the_backup_and_of_the_module_are_each_its_own(self):
        for text in (b'new\n', b'old\n'):
            with self.subTest(text=text):
                def calls(top, text=text):
                    os.chmod(top / 'a.py~', 0o600)
                    write(top / 'a.py', text)
                    os.chmod(top / 'a.py', 0o755)
                    os.utime(top / 'a.py~', (5, 6))
                    os.utime(top / 'a.py', (7, 8))
                    found = [(path.stat().st_mode, path.stat().st_mtime, path.read_bytes())
                             for path in (top / 'a.py', top / 'a.py~')]
                    os.unlink(top / 'a.py')
                    os.unlink(top / 'a.py~')
                    top.rmdir()
                    top.mkdir()
                    return found
                self.backup(calls)
                (self.local / 'on_a').rmdir()
                (self.mnt.path / 'on_a').rmdir()

    def test_its_own_process_sees_the_new_file_while_it_writes_it(self):
        def calls(top):
            fd = os.open(top / 'a.py', os.O_RDWR | os.O_CREAT, 0o644)
            os.write(fd, b'new\n')
            found = [(top / 'a.py').stat().st_size, outcome(os.open, top / 'a.py', os.O_CREAT | os.O_EXCL | os.O_WRONLY),
                     write(top / 'a.py', b'N', os.O_WRONLY | os.O_CREAT)]
            os.close(fd)
            return found + [(top / 'a.py').read_bytes()]
        self.backup(calls)

    def test_the_new_file_has_the_mode_that_it_is_made_with(self):
        def calls(top):
            os.chmod(top / 'a.py~', 0o640)
            write(top / 'b.py', b'b\n')
            os.chmod(top / 'b.py', 0o444)
            os.rename(top / 'b.py', top / 'b.py~')
            write(top / 'b.py', b'new\n')
            fd = os.open(top / 'a.py', os.O_WRONLY | os.O_CREAT, 0o600)
            os.write(fd, b'new\n')
            os.fchmod(fd, 0o755)
            modes = [os.fstat(fd).st_mode]
            os.close(fd)
            return modes + [(top / name).stat().st_mode for name in ('a.py', 'a.py~', 'b.py', 'b.py~')]
        self.backup(calls)

    def test_who_has_it_open_for_writing_goes_along(self):
        for flags in (os.O_TRUNC, 0):
            for name in ('b.py~', '#b.py#'):
                def calls(top, flags=flags, name=name):
                    write(top / 'b.py', b'old\n')
                    fd = os.open(top / 'b.py', os.O_RDWR | flags)
                    os.rename(top / 'b.py', top / name)
                    os.write(fd, b'new')
                    found = [os.pread(fd, 10, 0), (top / name).read_bytes(), (top / 'b.py').exists()]
                    os.close(fd)
                    found += [(top / name).read_bytes(), sorted(os.listdir(top))]
                    os.unlink(top / name)
                    return found
                with self.subTest(flags=flags, name=name):
                    self.backup(calls)
                    for top in (self.local, self.mnt.path):
                        shutil.rmtree(top / 'on_a')

    def test_its_own_process_sees_it_go_and_may_use_the_name_for_anything(self):
        self.backup(lambda top: (sorted(os.listdir(top)), outcome(os.stat, top / 'a.py'), outcome(os.mkdir, top / 'a.py'),
                                 sorted(os.listdir(top))))

    def test_a_directory_without_it_is_empty(self):
        def calls(top):
            (top / 'd').mkdir()
            write(top / 'd/b.py', b'b\n')
            os.rename(top / 'd/b.py', top / 'b.py~')
            os.rmdir(top / 'd')
        self.backup(calls)

    def test_it_does_not_come_back_with_its_directory(self):
        def calls(top):
            (top / 'd').mkdir()
            write(top / 'd/b.py', b'b\n')
            os.rename(top / 'd/b.py', top / 'b.py~')
            os.rename(top / 'd', top / 'd.old')
            return sorted(os.listdir(top / 'd.old'))
        self.backup(calls)

    def test_all_others_see_it_until_its_process_has_ended(self):
        module = self.mnt.path / 'a.py'
        write(module, b'V = 1\n')
        listing = ('/usr/bin/ls', self.mnt.path)
        script = "import os, sys; os.rename('a.py', 'a.py~'); print(os.listdir(), flush=True); sys.stdin.read()"
        with subprocess.Popen([PYTHON, '-c', script], cwd=self.mnt.path, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              text=True) as process:
            self.assertEqual(process.stdout.readline(), "['a.py~']\n")
            self.assertEqual((run(*listing).stdout, run('cat', module).stdout), ('a.py\na.py~\n', 'V = 1\n'))
        self.assertEqual((run(*listing).stdout, module.exists()), ('a.py~\n', False))
        write(module, b'V = 2\n')
        self.assertEqual((run(*listing).stdout, self.versions_of('a.py')), ('a.py\na.py~\n', 2))


class WriteTest(OddCase):
    def test_a_write_in_the_middle_keeps_the_rest(self):
        def calls(top, name):
            write(top / name, b'0123456789' * 1000)
            fd = os.open(top / name, os.O_RDWR)
            result = os.pwrite(fd, b'middle', 5000), os.pread(fd, 12, 4997), os.lseek(fd, 0, os.SEEK_END)
            os.close(fd)
            return result
        self.same(calls)

    def test_a_write_beyond_the_end_leaves_zeros(self):
        def calls(top, name):
            write(top / name, b'x')
            fd = os.open(top / name, os.O_WRONLY)
            os.pwrite(fd, b'y', 9000)
            os.close(fd)
        self.same(calls)

    def test_append_comes_after_what_others_wrote_meanwhile(self):
        def calls(top, name):
            write(top / name, b'1\n')
            first = os.open(top / name, os.O_WRONLY | os.O_APPEND)
            second = os.open(top / name, os.O_WRONLY | os.O_APPEND)
            for number in range(10):
                os.write(first, b'first %d\n' % number)
                os.write(second, b'second %d\n' % number)
            os.close(first)
            os.close(second)
        self.same(calls)

    def test_two_processes_append_and_no_line_is_lost(self):
        append = ('import os, sys\nfd = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND)\n'
                  'for n in range(300): os.write(fd, (sys.argv[2] + " %d\\n" % n).encode())\nos.close(fd)')

        def calls(top, name):
            write(top / name, b'')
            processes = [self.process(Process(PYTHON, '-c', append, top / name, who)) for who in 'ab']
            for process in processes:
                self.assertEqual(process.wait(), 0, process.output)
            lines = (top / name).read_text().splitlines()
            write(top / name, b'')  # the order of the two is not to be compared
            return sorted(lines)
        self.same(calls)

    def test_two_writers_of_one_file_see_each_other(self):
        def calls(top, name):
            write(top / name, b'0123456789')
            first, second = (os.open(top / name, os.O_RDWR) for _ in range(2))
            os.pwrite(first, b'AB', 0)
            seen = os.pread(second, 10, 0)
            os.pwrite(second, b'YZ', 8)
            seen += os.pread(first, 10, 0)
            os.close(first)
            os.close(second)
            return seen
        self.same(calls)

    def test_truncate_by_path_and_by_descriptor(self):
        def calls(top, name):
            write(top / name, b'0123456789')
            os.truncate(top / name, 4)
            sizes = [(top / name).stat().st_size]
            fd = os.open(top / name, os.O_RDWR)
            os.ftruncate(fd, 8)
            sizes += [os.fstat(fd).st_size, os.pread(fd, 20, 0), outcome(os.ftruncate, fd, -1)]
            os.close(fd)
            os.truncate(top / name, 6)
            return sizes, outcome(os.truncate, top, 0), outcome(os.truncate, top / 'none', 0)
        self.same(calls)

    def test_writes_through_a_mapping_are_saved(self):
        def calls(top, name):
            write(top / name, b'0123456789' * 1000)
            with open(top / name, 'r+b') as file, mmap.mmap(file.fileno(), 0) as mapping:
                mapping[4000:4010] = b'__mapped__'
                mapping.flush()
            return (top / name).read_bytes()[3995:4015]
        self.same(calls)

    def test_exclusive_creation_and_links_that_lead_nowhere(self):
        def calls(top, name):
            exclusive = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            first = outcome(write, top / name, b'1', exclusive)
            again = outcome(write, top / name, b'2', exclusive)
            os.symlink('none_' + name, top / 'link')
            onto = outcome(write, top / 'link', b'3', exclusive)
            through = outcome(write, top / 'link', b'4')
            return first, again, onto, through, outcome(os.open, top / 'link', os.O_RDONLY | os.O_NOFOLLOW)
        self.same(calls)

    def test_of_those_who_create_a_file_exclusively_one_succeeds(self):
        script = ('import os, sys\n'
                  'for i in range(300):\n'
                  '    try: os.close(os.open(f"lock{i}.py", os.O_CREAT | os.O_EXCL | os.O_WRONLY))\n'
                  '    except FileExistsError: continue\n'
                  '    print(i)\n')
        rivals = [self.process(Process(PYTHON, '-c', script, cwd=self.mnt.path)) for _ in range(3)]
        self.assertEqual([rival.wait() for rival in rivals], [0, 0, 0])
        won = [int(number) for rival in rivals for number in rival.output.split()]
        self.assertEqual(sorted(won), list(range(300)))

    def test_a_new_file_has_the_group_of_a_directory_that_hands_it_on(self):
        def calls(top, name):
            os.chown(top, -1, 12)
            os.chmod(top, 0o2775)
            write(top / name, b'x\n')
            (top / 'd').mkdir()
            return [(top / found).stat().st_gid for found in (name, 'd')]
        self.same(calls)

    def test_a_descriptor_for_reading_writes_nothing_and_the_reverse(self):
        def calls(top, name):
            write(top / name, b'1')
            reader, writer = os.open(top / name, os.O_RDONLY), os.open(top / name, os.O_WRONLY)
            directory = os.open(top, os.O_RDONLY)
            result = outcome(os.write, reader, b'x'), outcome(os.read, writer, 1), outcome(os.read, directory, 1)
            for fd in (reader, writer, directory):
                os.close(fd)
            return result, outcome(os.open, top, os.O_WRONLY)
        self.same(calls)

    def test_copies_between_the_mount_and_outside(self):
        def calls(top, name):
            text = bytes(range(256)) * 1000
            write(self.dir / 'outside', text)
            shutil.copy(self.dir / 'outside', top / name)
            shutil.copy2(top / name, top / ('copy_' + name))
            shutil.copy2(top / ('copy_' + name), self.dir / 'back')
            times = {path.stat().st_mtime_ns for path in (top / name, top / ('copy_' + name), self.dir / 'back')}
            return (self.dir / 'back').read_bytes() == text, len(times)
        self.same(calls)

    def test_locks_of_both_kinds_keep_others_out(self):
        other = ('import fcntl, sys\nfile = open(sys.argv[1], "r+b")\n'
                 'try: getattr(fcntl, sys.argv[2])(file, fcntl.LOCK_EX | fcntl.LOCK_NB); print("got it")\n'
                 'except BlockingIOError: print("locked")')

        def calls(top, name):
            write(top / name, b'1')
            said = []
            for kind in ('flock', 'lockf'):
                with open(top / name, 'r+b') as file:
                    getattr(fcntl, kind)(file, fcntl.LOCK_EX)
                    said.append(python('-c', other, top / name, kind).stdout)
                said.append(python('-c', other, top / name, kind).stdout)
            return said
        self.same(calls)

    def test_hard_links_are_refused(self):
        for name in self.NAMES:
            write(self.mnt.path / name, b'1')
            self.assertEqual(outcome(os.link, self.mnt.path / name, self.mnt.path / 'link'), 'EPERM')
        self.assertEqual(outcome(os.mkfifo, self.mnt.path / 'fifo'), 'EPERM')
        self.assertEqual(sorted(os.listdir(self.mnt.path)), sorted(self.NAMES))


class SaveTest(OddCase):
    def test_redirection_of_a_shell_makes_one_version(self):
        write(self.mnt.path / 'x.py', b'V = 0\n')
        before = self.versions_of('x.py')
        run('/bin/sh', '-c', 'echo "V = 1" > x.py', cwd=self.mnt.path)
        self.assertEqual(self.mnt.database.read('x'), b'V = 1\n')
        self.assertEqual(self.versions_of('x.py'), before + 1)
        run('/bin/bash', '-c', '{ echo "V = 2"; /bin/echo "W = 2"; } > x.py', cwd=self.mnt.path)
        self.assertEqual(self.mnt.database.read('x'), b'V = 2\nW = 2\n')
        self.assertEqual(self.versions_of('x.py'), before + 2)

    def test_programs_that_write_one_after_the_other_make_one_version(self):
        (self.mnt.path / 'x.py').write_text('V = 0\n')
        before = self.versions_of('x.py')
        for script in ('(/bin/echo "V = 1"; /bin/echo "W = 1") > x.py', 'exec > x.py; /bin/echo "V = 1"; /bin/echo "W = 1"'):
            with self.subTest(script):
                run('/bin/sh', '-c', script, cwd=self.mnt.path)
                self.assertEqual(self.mnt.database.read('x'), b'V = 1\nW = 1\n')
                self.assertEqual(self.versions_of('x.py'), before + 1)
                (self.mnt.path / 'x.py').write_text('V = 0\n')
                before += 2

    def test_a_program_that_is_started_meanwhile_saves_nothing(self):
        with open(self.mnt.path / 'x.py', 'w', encoding='utf-8') as file:
            file.write('V = 1\n')
            file.flush()
            run('/bin/true')
            run(PYTHON, '-c', '')
            self.assertIsNone(self.mnt.database.read('x'))
            file.write('W = 1\n')
        self.assertEqual(self.mnt.database.read('x'), b'V = 1\nW = 1\n')
        with open(self.mnt.path / 'x.py', 'w', encoding='utf-8') as file:
            subprocess.run(['/bin/echo', 'V = 2'], stdout=file, check=True)
        self.assertEqual(self.mnt.database.read('x'), b'V = 2\n')
        self.assertEqual(self.versions_of('x.py'), 2)

    def test_who_inherits_a_file_saves_it_when_its_opener_is_gone(self):
        script = '(exec > x.py; (/bin/echo "V = 1"; sleep 0.2; /bin/echo "W = 1") &)'
        run('/bin/sh', '-c', script, cwd=self.mnt.path)
        wait_until(lambda: self.mnt.database.read('x') == b'V = 1\nW = 1\n')

    def test_a_duplicated_descriptor_saves_once_at_its_last_close(self):
        fd = os.open(self.mnt.path / 'x.py', os.O_WRONLY | os.O_CREAT)
        copy = os.dup(fd)
        os.write(fd, b'V = 1\n')
        os.close(fd)
        os.write(copy, b'W = 1\n')
        os.close(copy)
        self.assertEqual(self.mnt.database.read('x'), b'V = 1\nW = 1\n')
        self.assertEqual(self.versions_of('x.py'), 1)

    def test_another_mounts_file_of_the_same_name_and_number_is_no_duplicate(self):
        other = self.mount(database=self.database(name='other.db'), mountpoint='other')
        for mnt in (self.mnt, other):
            mnt.database.put({'x': 'V = 0\n'})
        wait_until(lambda: all((mnt.path / 'x.py').exists() for mnt in (self.mnt, other)))
        fd, another = (os.open(mnt.path / 'x.py', os.O_WRONLY | os.O_TRUNC) for mnt in (self.mnt, other))
        try:
            self.assertEqual(os.fstat(fd).st_ino, os.fstat(another).st_ino)
            os.write(fd, b'V = 1\n')
            # So this close is the save, and tells of it that it fails.
            self.mnt.database.execute("CREATE TRIGGER no BEFORE UPDATE ON module BEGIN SELECT raise(ABORT, 'no'); END")
            with self.assertRaises(OSError) as caught:
                os.close(fd)
            self.assertEqual(caught.exception.errno, errno.EINVAL)
        finally:
            os.close(another)

    def test_fsync_saves_what_is_written_so_far(self):
        fd = os.open(self.mnt.path / 'x.py', os.O_WRONLY | os.O_CREAT)
        os.write(fd, b'V = 1\n')
        os.fsync(fd)
        self.assertEqual(self.mnt.database.read('x'), b'V = 1\n')
        os.write(fd, b'W = 1\n')
        os.close(fd)
        self.assertEqual(self.mnt.database.read('x'), b'V = 1\nW = 1\n')

    def test_a_process_killed_while_it_writes_a_module_leaves_the_old_content(self):
        half = ('import os, sys\nfd = os.open(sys.argv[1], os.O_WRONLY | os.O_TRUNC | os.O_CREAT)\n'
                'os.write(fd, b"half = ")\nprint("written", flush=True)\nimport time; time.sleep(60)')
        write(self.mnt.path / 'x.py', b'V = 1\n')
        for name, left in (('x', b'V = 1\n'), ('fresh', None)):
            path = self.mnt.path / f'{name}.py'
            process = self.process(Process(PYTHON, '-c', half, path))
            process.wait_output('written')
            process.signal(signal.SIGKILL)
            process.wait()
            wait_until(lambda: path.exists() == (left is not None))
            self.assertEqual(self.mnt.database.read(name), left)
        self.assertEqual((self.mnt.path / 'x.py').read_bytes(), b'V = 1\n')
        write(self.mnt.path / 'x.py', b'V = 2\n')
        self.assertEqual(self.mnt.database.read('x'), b'V = 2\n')

    def test_a_save_with_the_same_text_is_no_new_version(self):
        for name in self.NAMES:
            write(self.mnt.path / name, b'V = 1\n')
            before = self.versions_of(name)
            write(self.mnt.path / name, b'V = 1\n')
            self.assertEqual(self.versions_of(name), before)


class UnlinkTest(OddCase):
    def test_a_file_unlinked_while_open_can_be_read_and_written(self):
        def calls(top, name):
            write(top / name, b'0123456789')
            reader, writer = os.open(top / name, os.O_RDONLY), os.open(top / name, os.O_RDWR)
            os.unlink(top / name)
            os.pwrite(writer, b'new', 0)
            os.fchmod(writer, 0o600)
            seen = os.fstat(reader).st_nlink, os.fstat(writer).st_nlink, os.pread(writer, 20, 0), os.listdir(top)
            os.fsync(writer)
            os.close(writer)
            size = os.fstat(reader).st_size
            os.close(reader)
            return seen, size, (top / name).exists()
        self.same(calls)

    def test_a_name_is_free_once_its_file_is_unlinked(self):
        def calls(top, name):
            write(top / name, b'old')
            with open(top / name, 'rb') as reader:
                os.unlink(top / name)
                write(top / name, b'new one')
                return reader.read()
        self.same(calls)

    def test_a_writer_of_an_unlinked_file_does_not_bring_it_back(self):
        def calls(top, name):
            with open(top / name, 'wb') as writer:
                writer.write(b'gone')
                writer.flush()
                os.unlink(top / name)
                write(top / name, b'stays')
        self.same(calls)

    def test_empty_directories_last(self):
        def calls(top, name):
            (top / 'p' / 'q').mkdir(parents=True)
            write(top / 'p' / 'q' / name, b'1')
            full = outcome(os.rmdir, top / 'p' / 'q')
            os.unlink(top / 'p' / 'q' / name)
            return full, os.listdir(top / 'p' / 'q'), outcome(os.unlink, top / 'p'), outcome(os.rmdir, top / 'p')
        self.same(calls)
        self.mnt.umount()
        again = self.mount(database=self.mnt.database)
        self.assertTrue((again.path / 'on_a' / 'p' / 'q').is_dir())

    def test_a_directory_that_another_program_removes_goes_on_being_a_removed_one(self):
        self.mnt.database.put({'gone.a': ''})
        wait_until(lambda: (self.mnt.path / 'gone').exists())
        fd = os.open(self.mnt.path / 'gone', os.O_RDONLY | os.O_DIRECTORY)
        self.addCleanup(os.close, fd)
        self.mnt.database.delete('gone.a')
        wait_until(lambda: not (self.mnt.path / 'gone').exists())
        self.assertEqual(outcome(os.listdir, fd), [])
        self.assertEqual(os.fstat(fd).st_nlink, 0)
        self.assertEqual(outcome(os.stat, 'a.py', dir_fd=fd), 'ENOENT')
        self.assertEqual(outcome(os.open, 'b.py', os.O_CREAT | os.O_WRONLY, dir_fd=fd), 'ENOENT')
        self.assertEqual(outcome(os.mkdir, 'c', dir_fd=fd), 'ENOENT')

    def test_a_listing_of_backups_that_change_meanwhile_has_all_that_stayed_once(self):
        names = [f'{i:03}{"x" * 200}~' for i in range(600)]
        for name in ['kept', *names]:
            (self.mnt.path / name).touch()
        (self.mnt.path / names[0]).rename(self.mnt.path / names[1])
        with os.scandir(self.mnt.path) as listing:
            seen = [next(listing).name for _ in range(10)]
            gone = [names[5], names[300], names[599]]
            for name in gone:
                (self.mnt.path / name).unlink()
            (self.mnt.path / names[310]).rename(self.mnt.path / 'renamed~')
            (self.mnt.path / names[320]).rename(self.mnt.path / names[330])
            seen += [entry.name for entry in listing]
        stayed = {'kept', *names[1:]} - {*gone, names[310], names[320], names[330]}
        self.assertEqual([name for name in seen if name in stayed], [name for name in dict.fromkeys(seen) if name in stayed])
        self.assertEqual(stayed - set(seen), set())
        self.assertEqual(set(os.listdir(self.mnt.path)), stayed | {'renamed~', names[330]})

    def test_a_tree_is_removed(self):
        def calls(top, name):
            for directory in ('p', 'p/q', 'p/q/r', 'p/s'):
                (top / directory).mkdir()
                for number in range(30):
                    write(top / directory / f'{number}_{name}', b'1')
            shutil.rmtree(top / 'p')
        self.same(calls)
        self.assertEqual(self.mnt.database.rows(), {})


class NameTest(OddCase):
    def test_odd_names_are_kept(self):
        names = ["it's", 'say "hi"', '100%s%n', 'späß', '模块', 'e\u0301', 'a b', ' lead', 'back\\slash', 'semi;colon',
                 '-dash', 'new\nline', 'tab\t', '*?[x]', '$(x)', '\U0001f40d']

        def calls(top, name):
            for odd in names:
                write(top / (odd + '_' + name), odd.encode())
                os.rename(top / (odd + '_' + name), top / (odd + '__' + name))
            return sorted(os.listdir(top))
        self.same(calls)
        self.assertEqual(self.mnt.database.problems(), [])

    def test_names_and_paths_as_long_as_they_may_be(self):
        def calls(top, name):
            longest = 'x' * (255 - len(name)) + name
            deep = top.joinpath(*['d' * 200] * 15)
            deep.mkdir(parents=True)
            write(deep / name, b'deep')
            write(top / longest, b'long')
            os.rename(top / longest, deep / ('y' + longest[1:]))
            return (outcome(write, top / ('x' + longest), b''), outcome(os.mkdir, top / ('x' * 256)),
                    outcome(os.rename, deep / name, top / ('x' + longest)),
                    outcome(os.stat, '/'.join([str(top)] + ['d' * 200] * 21)),
                    outcome(os.stat, top / name / 'x'), (deep / name).read_bytes())
        self.same(calls)

    def test_symbolic_links_are_kept_and_followed(self):
        def calls(top, name):
            write(top / name, b'target')
            os.symlink(name, top / 'link')
            os.symlink('loop', top / 'loop')
            os.rename(top / 'link', top / 'link2')
            replaced = outcome(os.symlink, 'x', top / 'link2')
            return ((top / 'link2').read_bytes(), os.lstat(top / 'link2').st_size, replaced,
                    outcome(os.stat, top / 'loop'), outcome(os.symlink, '', top / 'none'))
        self.same(calls)


class TimeTest(OddCase):
    def test_a_change_in_a_directory_shows_in_its_times(self):
        def calls(top, name):
            seen = []
            for change in (lambda: write(top / name, b'1'), lambda: os.rename(top / name, top / ('b_' + name)),
                           lambda: os.mkdir(top / 'd'), lambda: os.rmdir(top / 'd'),
                           lambda: os.unlink(top / ('b_' + name))):
                before = top.stat()
                time.sleep(0.02)
                change()
                after = top.stat()
                seen.append((after.st_mtime_ns > before.st_mtime_ns, after.st_ctime_ns > before.st_ctime_ns))
            return seen
        self.same(calls)

    def test_times_are_set_and_kept(self):
        def calls(top, name):
            write(top / name, b'1')
            os.utime(top / name, ns=(1_000_000_001, 2_000_000_002))
            os.utime(top, ns=(3, -4_000_000_000))
            one, two = (top / name).stat(), top.stat()
            return one.st_atime_ns, one.st_mtime_ns, two.st_atime_ns, two.st_mtime_ns
        self.same(calls)

    def test_a_time_that_is_too_far_away_becomes_the_furthest_one_and_saves_go_on(self):
        for name in ('a.py', 'a.txt'):
            path = self.mnt.path / name
            write(path, b'1')
            os.utime(path, (-1 << 40, 1 << 40))
            self.assertEqual((path.stat().st_atime, path.stat().st_mtime), (-9e9, 9e9))
            if name == 'a.py':
                write(path, b'2')
                self.assertEqual(path.stat().st_mtime, 9e9 + 1)
        self.assertEqual(self.mnt.database.problems(), [])

    def test_a_new_module_is_importable_at_once_after_a_failed_import(self):
        self.assertEqual(python('-c', (
            'import importlib, os, sys\n'
            'for n in range(50):\n'
            '    name = f"fresh{n}"\n'
            '    try: importlib.import_module(name); sys.exit("imported before it was there")\n'
            '    except ModuleNotFoundError: pass\n'
            '    with open(os.path.join(sys.argv[1], name + ".py"), "w") as file: file.write(f"V = {n}\\n")\n'
            '    assert importlib.import_module(name).V == n\n'), self.mnt.path, path=self.mnt.path).stdout, '')


if __name__ == '__main__':
    unittest.main()
