"""Owners and modes say who may do what, for several users of one mount; and without allow_other nobody else gets in.

Runs as root, to be several users: `nobody` and two made-up ones.
"""

import os
import shutil
import stat
import subprocess
import unittest
from pathlib import Path

from tests.support import PYMODFS, PYTHON, Process, TestCase, environment, run, wait_until
from tests.support.namespace import Namespace

ANNA, BERT = 1001, 1002
NOBODY = 65534  # who mounts must have a name


class OwnersCase(TestCase):
    def setUp(self):
        super().setUp()
        self.dir.chmod(0o755)

    def inside(self, *command):
        """The command, as it is to be run."""
        return command

    def user_command(self, uid, code, *args, groups=()):
        """Runs Python code as another user, without further groups but these; prints the name of the error that ends it."""
        further = '--groups=' + ','.join(map(str, groups)) if groups else '--clear-groups'
        command = ('setpriv', f'--reuid={uid}', f'--regid={uid}', further, PYTHON, '-c',
                   f'import errno, os, sys\ntry:\n    top = sys.argv[1]\n    {code}\n'
                   'except OSError as error:\n    print(errno.errorcode[error.errno])')
        return self.inside(*command, *args)

    def as_user(self, uid, code, *args, **more):
        """Does that, and returns what it printed."""
        result = run(*self.user_command(uid, code, *args, **more), env=environment(PYTHONDONTWRITEBYTECODE=1), cwd='/')
        return result.stdout.strip()

    def try_all(self, uid, top, calls):
        return {call: self.as_user(uid, call, top) for call in calls}


READS = ('print(open(f"{top}/a.py").read())', 'print(sorted(os.listdir(top)))', 'print(os.stat(f"{top}/a.py").st_size)')
WRITES = ('open(f"{top}/a.py", "r+").close()', 'open(f"{top}/new.py", "x").close()', 'os.unlink(f"{top}/a.py")',
          'os.rename(f"{top}/a.py", f"{top}/b.py")', 'os.mkdir(f"{top}/d")', 'os.truncate(f"{top}/a.py", 0)',
          'os.chmod(f"{top}/a.py", 0o777)', 'os.chown(f"{top}/a.py", os.getuid(), -1)', 'os.utime(f"{top}/a.py", (1, 1))')


class AllowOtherTest(OwnersCase):
    def setUp(self):
        super().setUp()
        self.mnt = self.mount({'p.__init__': '', 'p.a': 'V = 1\n', 'q.__init__': '', 'q.a': 'V = 2\n'}, 'allow_other')
        self.p, self.q = self.mnt.path / 'p', self.mnt.path / 'q'

    def test_another_user_reads_what_is_for_all_and_cannot_change_it(self):
        self.assertEqual(self.try_all(ANNA, self.p, READS), dict(zip(READS, ('V = 1', "['__init__.py', 'a.py']", '6'))))
        for call, outcome in self.try_all(ANNA, self.p, WRITES).items():
            self.assertIn(outcome, ('EACCES', 'EPERM'), call)
        self.assertEqual(self.mnt.database.read('p.a'), b'V = 1\n')

    def test_a_package_is_given_to_a_user_who_then_edits_it_while_others_cannot_even_look(self):
        run('chown', '-R', f'{ANNA}:{ANNA}', self.p)
        run('chmod', '-R', 'go=', self.p)
        self.assertEqual(self.as_user(ANNA, 'open(f"{top}/a.py", "w").write("V = 3\\n")', self.p), '')
        self.assertEqual(self.as_user(ANNA, 'open(f"{top}/new.py", "w").write("W = 3\\n")', self.p), '')
        self.assertEqual((self.mnt.database.read('p.a'), self.mnt.database.read('p.new')), (b'V = 3\n', b'W = 3\n'))
        self.assertEqual(((self.p / 'new.py').stat().st_uid, (self.p / 'new.py').stat().st_gid), (ANNA, ANNA))
        for call, outcome in self.try_all(BERT, self.p, READS + WRITES).items():
            self.assertEqual(outcome, 'EACCES', call)
        self.assertEqual(self.as_user(BERT, READS[0], self.q), 'V = 2')
        self.mnt.umount()
        self.mnt.mount()
        self.assertEqual(self.as_user(ANNA, READS[0], self.p), 'V = 3')
        self.assertEqual(self.as_user(BERT, READS[0], self.p), 'EACCES')
        self.mnt.database.update('p.a', 'V = 4\n')
        wait_until(lambda: (self.p / 'a.py').read_text() == 'V = 4\n')
        self.assertEqual(self.as_user(BERT, READS[0], self.p), 'EACCES')
        self.assertEqual(stat.S_IMODE((self.p / 'a.py').stat().st_mode), 0o600)

    def test_who_may_write_and_not_read(self):
        os.chmod(self.p / 'a.py', 0o602)
        self.assertEqual(self.as_user(ANNA, READS[0], self.p), 'EACCES')
        self.assertEqual(self.as_user(ANNA, 'open(f"{top}/a.py", "w").write("V = 5\\n")', self.p), '')
        self.assertEqual(self.mnt.database.read('p.a'), b'V = 5\n')
        self.assertEqual(oct((self.p / 'a.py').stat().st_mode), oct(stat.S_IFREG | 0o602))

    def test_a_drop_box_takes_files_and_shows_none(self):
        os.chmod(self.p, 0o733)
        self.assertEqual(self.as_user(ANNA, 'open(f"{top}/gift.py", "x").write("G = 1\\n")', self.p), '')
        self.assertEqual(self.as_user(ANNA, READS[1], self.p), 'EACCES')
        os.chmod(self.p, 0o1777)
        self.assertEqual(self.as_user(BERT, 'os.unlink(f"{top}/gift.py")', self.p), 'EPERM')
        self.assertEqual(self.as_user(ANNA, 'os.unlink(f"{top}/gift.py")', self.p), '')

    def test_a_group_shares_a_package(self):
        run('chown', '-R', f'root:{ANNA}', self.p)
        run('chmod', '-R', 'g+w,o=', self.p)
        os.chmod(self.p, 0o2770)
        self.assertEqual(self.as_user(ANNA, 'open(f"{top}/a.py", "w").write("V = 6\\n")', self.p), '')
        self.assertEqual(self.as_user(BERT, READS[0], self.p), 'EACCES')
        self.assertEqual(self.mnt.database.read('p.a'), b'V = 6\n')

    def test_the_owner_may_change_the_mode_and_not_the_owner(self):
        os.chown(self.p / 'a.py', ANNA, ANNA)
        self.assertEqual(self.as_user(ANNA, 'os.chmod(f"{top}/a.py", 0o640); print("done")', self.p), 'done')
        self.assertEqual(self.as_user(ANNA, f'os.chown(f"{{top}}/a.py", {BERT}, -1)', self.p), 'EPERM')
        self.assertEqual(self.as_user(ANNA, 'os.utime(f"{top}/a.py", (1e9, 1e9)); print("done")', self.p), 'done')
        self.assertEqual((self.p / 'a.py').stat().st_mtime, 1e9)

    def test_a_save_by_another_keeps_the_owner_and_a_rename_brings_its_own(self):
        os.chown(self.p / 'a.py', BERT, BERT)
        os.chmod(self.p / 'a.py', 0o666)
        os.chmod(self.p, 0o777)
        self.assertEqual(self.as_user(ANNA, 'open(f"{top}/a.py", "w").write("V = 7\\n")', self.p), '')
        self.assertEqual((self.p / 'a.py').stat().st_uid, BERT)
        self.assertEqual(self.as_user(ANNA, 'open(f"{top}/t", "w").write("V = 8\\n"); os.rename(f"{top}/t", f"{top}/a.py")', self.p), '')
        self.assertEqual((self.p / 'a.py').stat().st_uid, ANNA)
        self.assertEqual(self.mnt.database.read('p.a'), b'V = 8\n')

    def test_a_new_file_that_is_not_saved_yet_is_opened_by_those_who_may(self):
        os.chmod(self.p, 0o777)  # without the sticky bit, of which fs.protected_regular makes more than usual
        for flag, mode, outcome in (('0', 0o600, 'EACCES'), ('os.O_TRUNC', 0o600, 'EACCES'), ('os.O_EXCL', 0o600, 'EEXIST'),
                                    ('0', 0o666, 'saved'), ('os.O_TRUNC', 0o666, 'saved')):
            new = self.p / f'new_{flag[-5:]}_{mode:o}.py'
            with self.subTest(flag=flag, mode=oct(mode)), Process(*self.user_command(
                    ANNA, f'os.umask(0); fd = os.open(top, os.O_CREAT | os.O_WRONLY, {mode}); os.write(fd, b"KEY = 1\\n"); '
                    'print("writing", flush=True); sys.stdin.read(); os.close(fd); print("closed")', new),
                    stdin=subprocess.PIPE) as anna:
                anna.wait_output('writing')
                self.assertEqual(self.as_user(BERT, 'os.stat(top)', new), 'ENOENT')
                self.assertEqual(self.as_user(BERT, f'fd = os.open(top, os.O_CREAT | os.O_RDWR | {flag}); '
                                                    'os.write(fd, b"KEY = 2\\n"); os.close(fd); print("saved")', new), outcome)
                anna.stdin.close()
                self.assertEqual(anna.wait(), 0)
                self.assertEqual(new.read_text(), 'KEY = 2\n' if outcome == 'saved' else 'KEY = 1\n')

    def test_who_comes_to_two_such_files_is_judged_by_all_his_groups(self):
        os.chmod(self.p, 0o777)
        making = ('os.umask(0); fd = [os.open(f"{top}/" + name, os.O_CREAT | os.O_WRONLY, mode) for name, mode in '
                  '(("kept.py", 0o600), ("shared.py", 0o660))]; print("writing", flush=True); sys.stdin.read()')
        joining = ('exec("try:\\n os.open(top + \'/kept.py\', os.O_CREAT | os.O_RDWR)\\nexcept PermissionError: print(\'kept\')"); '
                   'os.close(os.open(f"{top}/shared.py", os.O_CREAT | os.O_RDWR)); print("shared")')
        with Process(*self.user_command(ANNA, making, self.p), stdin=subprocess.PIPE) as anna:
            anna.wait_output('writing')
            self.assertEqual(self.as_user(BERT, joining, self.p, groups=(BERT, ANNA)).split(), ['kept', 'shared'])
            self.assertEqual(self.as_user(BERT, joining, self.p, groups=(BERT, NOBODY)).split(), ['kept', 'EACCES'])
            anna.stdin.close()
            anna.wait()

    def test_what_is_hidden_stays_hidden_in_the_history(self):
        (self.p / 'a.py').write_text('SECRET = 2\n')
        os.chmod(self.p / 'a.py', 0o600)
        history = self.mnt.control / 'history/p/a.py'
        for version in os.listdir(history):
            self.assertEqual(self.as_user(ANNA, 'print(open(top).read())', history / version), 'EACCES')
        at = self.mnt.control / 'at' / str(self.mnt.generation()) / 'p/a.py'
        self.assertEqual(self.as_user(ANNA, 'print(open(top).read())', at), 'EACCES')
        self.assertEqual(self.as_user(ANNA, READS[0], self.q), 'V = 2')

    def test_a_set_user_id_bit_is_kept_and_has_no_effect(self):
        os.chmod(self.p / 'a.py', 0o4755)
        self.assertEqual(oct(stat.S_IMODE((self.p / 'a.py').stat().st_mode)), oct(0o4755))
        self.assertTrue(os.statvfs(self.mnt.path).f_flag & os.ST_NOSUID)
        self.assertTrue(os.statvfs(self.mnt.path).f_flag & os.ST_NODEV)


class PrivateMountTest(OwnersCase):
    def test_nobody_else_gets_in_whatever_the_modes_say(self):
        mnt = self.mount({'a': 'V = 1\n'})
        os.chmod(mnt.path, 0o777)
        os.chmod(mnt.path / 'a.py', 0o666)
        os.listdir(mnt.path)
        (mnt.path / 'a.py').read_text()
        for call, outcome in self.try_all(ANNA, mnt.path, READS + WRITES).items():
            self.assertEqual(outcome, 'EACCES', call)
        self.assertEqual(self.as_user(ANNA, 'print(os.listdir(top))', mnt.control), 'EACCES')


class UserMountTest(OwnersCase):
    """A mount by a user who is not root.

    In a namespace where /dev/fuse is for everybody, as it is on Debian, but not in every container.
    """

    def setUp(self):
        super().setUp()
        # Where the source tree is, in a private home directory for example, nobody else may get.
        self.program = shutil.copy2(PYMODFS, self.dir)
        self.home = self.dir / 'home'
        self.home.mkdir()
        os.chown(self.home, NOBODY, NOBODY)
        self.env = environment(HOME=self.home, XDG_CACHE_HOME=self.home / 'cache')
        self.mnt = self.home / 'mnt'
        self.namespace = self.enterContext(Namespace(self.dir / 'namespace'))
        self.as_nobody = self.inside('setpriv', f'--reuid={NOBODY}', f'--regid={NOBODY}', '--clear-groups')

    def inside(self, *command):
        return self.namespace.command(*command)

    def pymodfs(self, *args, check=True):
        return run(*self.as_nobody, 'env', '-C', self.home, self.program, *args, env=self.env, check=check)

    def mount_as_nobody(self, *options):
        self.pymodfs('init', 'a.db')
        run(*self.as_nobody, 'mkdir', '-p', self.mnt)
        self.pymodfs('mount', *options, 'a.db', 'mnt')
        self.addCleanup(lambda: self.pymodfs('umount', 'mnt', check=False))

    def test_only_that_user_gets_in_not_even_root(self):
        self.mount_as_nobody()
        self.assertEqual(self.as_user(NOBODY, 'open(f"{top}/a.py", "w").write("V = 1\\n")', self.mnt), '')
        self.assertEqual(self.as_user(NOBODY, READS[0], self.mnt), 'V = 1')
        self.assertEqual(self.as_user(NOBODY, 'print(os.stat(f"{top}/a.py").st_uid)', self.mnt), str(NOBODY))
        self.assertEqual(self.as_user(BERT, READS[0], self.mnt), 'EACCES')
        for call in READS:
            self.assertEqual(self.as_user(0, call, self.mnt), 'EACCES')
        imported = run(*self.as_nobody, PYTHON, '-c', 'import a; print(a.V)', cwd='/', env={**self.env, 'PYTHONPATH': str(self.mnt)})
        self.assertEqual(imported.stdout, '1\n')
        self.pymodfs('umount', 'mnt')
        self.assertEqual(self.as_user(NOBODY, READS[1], self.mnt), '[]')

    def test_files_that_others_own_may_not_be_given_away(self):
        self.mount_as_nobody()
        self.as_user(NOBODY, 'open(f"{top}/a.py", "w").write("V = 1\\n")', self.mnt)
        self.assertEqual(self.as_user(NOBODY, f'os.chown(f"{{top}}/a.py", {BERT}, -1)', self.mnt), 'EPERM')

    def test_allow_other_is_refused_where_the_system_does_not_allow_it(self):
        settings = Path('/etc/fuse.conf').read_text(encoding='utf-8')
        self.assertNotRegex(settings, '(?m)^user_allow_other', 'this system allows it')
        self.pymodfs('init', 'a.db')
        run(*self.as_nobody, 'mkdir', self.mnt)
        result = self.pymodfs('mount', '-o', 'allow_other', 'a.db', 'mnt', check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn('user_allow_other', result.stderr)
        self.assertEqual(self.as_user(NOBODY, READS[1], self.mnt), '[]')


if __name__ == '__main__':
    unittest.main()
