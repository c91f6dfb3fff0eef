"""Mounts as administrators make them: mount(8), fstab, umount(8); a service manager that is told; logs."""

import os
import re
import shutil
import socket
import subprocess
import time
import unittest

from tests.support import PYMODFS, PYMODHOST, TOP, Mount, TestCase, environment, is_mounted, pymodfs, wait_until
from tests.support.mount import daemons_of
from tests.support.namespace import Namespace

# Everything that fstab(5), mount(8) and systemd.mount(5) let a line have that is none of the file system's business.
FOREIGN = ('defaults,noauto,nofail,_netdev,user,group,x-systemd.automount,x-systemd.requires=network-online.target,X-mount.mkdir,'
           'comment=ours,relatime,nodiratime,sync')


class MountTest(TestCase):
    """mount(8) and umount(8) of the system, in a mount namespace where they find the helper that was built."""

    def setUp(self):
        super().setUp()
        self.db = self.database({'a': 'V = 1\n'})
        self.mnt = self.dir / 'mnt'
        self.mnt.mkdir()
        self.space = self.enterContext(Namespace(self.dir / 'space'))
        self.addCleanup(self.take_down)

    def take_down(self):
        self.space.run('umount', '--lazy', self.mnt, check=False)
        self.wait_end()

    def wait_end(self):
        wait_until(lambda: not daemons_of(self.mnt), what='the end of the daemon')

    def fstab(self, options='defaults', source=None):
        table = self.dir / 'fstab'
        table.write_text(f'{source or self.db.path} {self.mnt} fuse.pymodfs {options} 0 0\n')
        return table

    def found(self, *columns):
        """What findmnt(8) says of the mount."""
        return self.space.run('findmnt', '-rn', '-o', ','.join(columns), self.mnt, check=False).stdout.strip()

    def read(self):
        return self.space.run('cat', self.mnt / 'a.py').stdout

    def refused(self, *words):
        """One line, which is returned; nothing is mounted."""
        result = self.space.run(*words, check=False)
        self.assertNotEqual(result.returncode, 0)
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        return result.stderr

    def test_mount_and_umount_do_it(self):
        self.space.run('mount', '-t', 'fuse.pymodfs', self.db.path, self.mnt)
        self.assertEqual(self.read(), 'V = 1\n')
        self.assertFalse(is_mounted(self.mnt))  # out here
        self.assertEqual(self.found('SOURCE', 'FSTYPE'), f'{self.db.path} fuse.pymodfs')
        self.assertIn(f'{self.db.path} on {self.mnt} type fuse.pymodfs (rw,nosuid,nodev,', self.space.run('mount').stdout)
        self.space.run('umount', self.mnt)
        self.wait_end()
        self.assertEqual(self.found('SOURCE'), '')

    def test_umount_finds_it_by_the_name_of_the_database(self):
        self.space.run('mount', '-t', 'fuse.pymodfs', self.db.path, self.mnt)
        self.space.run('umount', self.db.path)
        self.wait_end()

    def test_a_line_in_fstab_with_everything_that_mount_keeps_for_itself(self):
        table = self.fstab(f'{FOREIGN},allow_other,uid=12,umask=027')
        self.space.run('mount', '-T', table, self.mnt)
        self.assertEqual(self.space.run('stat', '-c', '%u %a', self.mnt / 'a.py').stdout, '12 640\n')
        self.assertIn('allow_other', self.found('OPTIONS'))
        self.space.run('umount', self.mnt)

    def test_mount_a_leaves_alone_what_is_mounted(self):
        table = self.fstab()
        self.space.run('mount', '-a', '-T', table)
        self.space.run('mount', '-a', '-T', table)
        self.assertEqual(self.found('SOURCE'), str(self.db.path))

    def test_a_database_with_a_blank_in_its_name(self):
        other = self.database({'a': 'V = 3\n'}, name='my modules.db')
        self.space.run('mount', '-T', self.fstab(source=str(other.path).replace(' ', '\\040')), self.mnt)
        self.assertEqual(self.read(), 'V = 3\n')

    def test_read_only(self):
        self.space.run('mount', '-r', '-t', 'fuse.pymodfs', self.db.path, self.mnt)
        result = self.space.run('touch', self.mnt / 'b.py', check=False)
        self.assertIn('Read-only file system', result.stderr)

    def test_a_database_on_a_read_only_file_system_is_mounted_read_only(self):
        place = self.dir / 'place'
        place.mkdir()
        self.db.path.rename(place / 'modules.db')
        self.space.run('mount', '--bind', place, place)
        self.space.run('mount', '-o', 'remount,bind,ro', place)
        result = self.space.run('mount', '-T', self.fstab(source=place / 'modules.db'), self.mnt)
        self.assertIn('is mounted read-only: it is on a read-only file system', result.stderr)
        self.assertTrue(self.found('OPTIONS').startswith('ro,'))
        self.assertEqual(self.read(), 'V = 1\n')

    def test_a_remount_is_refused_and_changes_nothing(self):
        table = self.fstab()
        self.space.run('mount', '-T', table, self.mnt)
        self.assertIn('unmount it and mount it again', self.refused('mount', '-T', table, '-o', 'remount,ro', self.mnt))
        self.assertIn('rw', self.found('OPTIONS'))

    def test_an_option_that_nobody_knows_is_refused_unless_it_may_be_passed_over(self):
        table = self.fstab('colour=blue')
        self.assertIn('unknown option colour=blue', self.refused('mount', '-T', table, self.mnt))
        self.assertEqual(self.found('SOURCE'), '')
        self.space.run('mount', '-s', '-T', table, self.mnt)
        self.assertEqual(self.read(), 'V = 1\n')

    def test_a_fake_mount_does_nothing(self):
        self.space.run('mount', '-f', '-v', '-T', self.fstab(), self.mnt)
        self.assertEqual(daemons_of(self.mnt), [])

    def test_a_database_that_is_missing(self):
        self.assertIn('no.db', self.refused('mount', '-t', 'fuse.pymodfs', self.dir / 'no.db', self.mnt))

    def test_setuid_makes_the_daemon_another_users(self):
        for path in (self.dir, self.db.path, self.mnt):
            os.chown(path, 65534, 65534)
        # nobody has no home to keep bytecode in.
        table = self.fstab('setuid=nobody,loglevel=error')
        self.space.run('mount', '-T', table, self.mnt)
        self.assertEqual({os.stat(f'/proc/{pid}').st_uid for pid in daemons_of(self.mnt)}, {65534})
        read = ('setpriv', '--reuid=nobody', '--regid=nogroup', '--clear-groups', 'stat', '-c', '%U', self.mnt / 'a.py')
        self.assertEqual(self.space.run(*read).stdout, 'nobody\n')
        self.space.run('umount', self.mnt)
        self.wait_end()

    def test_setuid_of_a_user_that_is_not_there(self):
        self.assertIn('setuid= names no user of this system: nonesuch',
                      self.refused('mount', '-T', self.fstab('setuid=nonesuch'), self.mnt))

    def test_in_the_background_the_log_goes_to_syslog(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
            log.bind(str(self.dir / 'log'))
            log.settimeout(20)
            self.space.run('mount', '--bind', self.dir / 'log', '/dev/log')
            self.space.run('mount', '-t', 'fuse.pymodfs', self.db.path, self.mnt)
            pattern = rf'<30>.* pymodfs\[{daemons_of(self.mnt)[0]}\]: {self.db.path} is mounted on {self.mnt}'
            self.assertRegex(log.recv(2000).decode(), pattern)


class UserTest(TestCase):
    """A mount by nobody that can't be made is refused in one line, which names the cause and the way out."""

    def setUp(self):
        super().setUp()
        self.space = self.enterContext(Namespace(self.dir / 'space'))
        self.db, self.mnt = self.database().path, self.dir / 'mnt'
        self.mnt.mkdir()
        for path in (self.dir, self.db, self.mnt):
            os.chown(path, 65534, 65534)

    def refused(self, *options, before=(), mnt=None):
        command = ('setpriv', '--reuid=nobody', '--regid=nogroup', '--clear-groups', *before, PYMODFS, 'mount', *options,
                   self.db, mnt or self.mnt)
        result = self.space.run(*command, check=False, env=environment(XDG_CACHE_HOME=self.dir))
        self.assertEqual((result.returncode, len(result.stderr.splitlines())), (1, 1), result.stderr)
        self.assertEqual(daemons_of(self.mnt), [])
        return result.stderr

    def replace(self, path, mode=0o755):
        """Another fusermount3, of the same content."""
        shutil.copy(path, self.dir / 'other')
        (self.dir / 'other').chmod(mode)
        self.space.run('mount', '--bind', self.dir / 'other', path)

    def test_allow_other_that_fuse_conf_does_not_allow(self):
        (self.dir / 'fuse.conf').write_text('# user_allow_other\n')
        self.space.run('mount', '--bind', self.dir / 'fuse.conf', '/etc/fuse.conf')
        self.assertIn('user_allow_other into /etc/fuse.conf', self.refused('-o', 'allow_other'))

    def test_a_device_that_is_not_for_everybody(self):
        self.space.run('chmod', '600', '/dev/fuse')
        self.assertIn(f"can't mount {self.db} on {self.mnt}: you may not open /dev/fuse; let root run chmod 666", self.refused())

    def test_no_device(self):
        self.space.run('rm', '/dev/fuse')
        self.assertIn('there is no /dev/fuse; let root run modprobe fuse', self.refused())

    def test_no_fusermount3(self):
        # Debian has the same directory under both names.
        self.space.run('sh', '-c', f'mkdir {self.dir}/work {self.dir}/upper && mount -t tmpfs none {self.dir}/upper && cd {self.dir}/upper'
                       ' && mkdir bin work && mount -t overlay none -o lowerdir=/usr/bin,upperdir=bin,workdir=work /usr/bin'
                       ' && rm /usr/bin/fusermount3')
        self.assertIn('fusermount3 is missing; let root install the package fuse3', self.refused())

    def test_a_fusermount3_that_is_not_roots(self):
        self.replace('/usr/bin/fusermount3')
        self.assertIn('let root run chmod u+s /usr/bin/fusermount3', self.refused())

    def test_no_new_privileges(self):
        self.assertIn('no_new_privs', self.refused(before=['--no-new-privs']))

    def test_a_directory_of_another_user(self):
        other = self.dir / 'other'
        other.mkdir()
        self.assertIn(f"can't mount {self.db} on {other}: the directory isn't yours", self.refused(mnt=other))

    def test_what_fusermount3_says_where_nothing_else_is_known(self):
        (self.dir / 'fuse.conf').write_text('mount_max = 0\n')
        self.space.run('mount', '--bind', self.dir / 'fuse.conf', '/etc/fuse.conf')
        self.assertIn('too many FUSE filesystems mounted', self.refused())


class ConfinedTest(TestCase):
    """What the unit of the system leaves of root's rights is enough; systemd itself is not needed to see that."""

    def confined(self, *more):
        unit = (TOP / 'packaging/systemd/pymodfs@.service.in').read_text()
        bounding, ambient = (','.join('+' + name.removeprefix('CAP_').lower()
                                      for name in re.search(rf'(?m)^{key}=(.*)$', unit)[1].split())
                             for key in ('CapabilityBoundingSet', 'AmbientCapabilities'))
        return ('setpriv', *more, '--no-new-privs', f'--bounding-set=-all,{bounding}', f'--inh-caps=-all,{ambient}',
                f'--ambient-caps=-all,{ambient}', '--', PYMODFS)

    def try_out(self, *who):
        mnt, space = self.dir / 'mnt', self.enterContext(Namespace(self.dir / 'space'))
        database = self.database({'a': 'V = 1\n'})
        mnt.mkdir()
        for path in (self.dir, database.path, mnt):
            os.chown(path, *(65534, 65534) if who else (0, 0))
        self.dir.chmod(0o755)
        env = environment(XDG_CACHE_HOME=self.dir / 'cache')
        space.run(*self.confined(*who), 'mount', '-o', 'rw,allow_other', database.path, mnt, env=env)
        space.run('setpriv', '--reuid=1', '--regid=1', '--clear-groups', 'cat', mnt / 'a.py')
        space.run('sh', '-c', f'echo "V = 2" > {mnt}/a.py')
        self.assertEqual(database.read('a'), b'V = 2\n')
        space.run(*self.confined(*who), 'umount', mnt)
        self.assertEqual(daemons_of(mnt), [])

    def test_for_root(self):
        self.try_out()

    def test_for_another_user_who_needs_neither_fusermount_nor_fuse_conf(self):
        self.try_out('--reuid=nobody', '--regid=nogroup', '--clear-groups')


class ManagerTest(TestCase):
    """The datagrams of sd_notify(3), received as a service manager does."""

    def receive(self, address):
        listener = self.enterContext(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        listener.bind(address)
        listener.settimeout(20)
        return lambda: dict(line.split('=', 1) for line in listener.recv(4096).decode().splitlines())

    def told(self, address, name):
        message = self.receive(address)
        mnt = self.mount({'a': 'V = 1\n'}, env={'NOTIFY_SOCKET': name})
        self.assertEqual(message(), {'READY': '1', 'STATUS': f'{mnt.database.path} is mounted on {mnt.path}'})
        mnt.umount()
        self.assertEqual(message()['STOPPING'], '1')

    def test_it_is_told_when_the_mount_answers_and_when_it_ends(self):
        self.told(str(self.dir / 'notify'), str(self.dir / 'notify'))

    def test_in_the_abstract_namespace_too(self):
        self.told(f'\0pymodfs-{os.getpid()}', f'@pymodfs-{os.getpid()}')

    def test_a_manager_that_is_gone_or_has_an_impossible_address_is_no_reason_not_to_mount(self):
        database = self.database({'a': 'V = 1\n'})
        for address in (str(self.dir / 'nobody'), 'relative', '', '/' + 200 * 'x'):
            with self.subTest(address), Mount(database, self.dir / 'mnt', env={'NOTIFY_SOCKET': address}) as mnt:
                self.assertTrue((mnt.path / 'a.py').exists())

    def test_a_mount_that_fails_is_never_ready(self):
        message = self.receive(str(self.dir / 'notify'))
        (self.dir / 'mnt').mkdir()
        pymodfs('mount', '-f', self.dir / 'no.db', self.dir / 'mnt', check=False,
                env=environment(NOTIFY_SOCKET=self.dir / 'notify'))
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as after:
            after.sendto(b'NEXT=1', str(self.dir / 'notify'))
        self.assertEqual(message(), {'NEXT': '1'})


class LogTest(TestCase):
    def start(self, *options, journal=False):
        """A mount whose standard error is a file, which may be said to be the journal; the file."""
        log = self.dir / 'stderr'
        with open(log, 'wb') as stderr:
            stat = os.fstat(stderr.fileno())
            env = environment(JOURNAL_STREAM=f'{stat.st_dev}:{stat.st_ino}' if journal else '1:1')
            db, mnt = self.database({'a': 'V = 1\n'}), self.dir / 'mnt'
            mnt.mkdir()
            process = subprocess.Popen([PYMODFS, 'mount', '-f', '-o', ','.join(['rw', *options]), db.path, mnt], env=env,
                                       stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr)

        def end():
            pymodfs('umount', mnt, check=False)
            process.wait(20)
        self.addCleanup(end)
        wait_until(lambda: (mnt / 'a.py').exists(), what='a mount')
        return log, db, mnt

    def test_a_line_for_the_journal_begins_with_its_level(self):
        log, db, mnt = self.start(journal=True)
        self.assertEqual(log.read_text(), f'<6>{db.path} is mounted on {mnt}\n')

    def test_otherwise_it_begins_with_the_program(self):
        log, db, mnt = self.start()
        self.assertEqual(log.read_text(), f'pymodfs: {db.path} is mounted on {mnt}\n')

    def test_a_level_that_is_asked_for_keeps_the_rest_out(self):
        log, _, mnt = self.start('loglevel=warning')
        pymodfs('umount', mnt)
        self.assertEqual(log.read_text(), '')

    def test_a_level_that_is_none_is_refused(self):
        self.assert_refused('mount', '-o', 'loglevel=loud', self.database().path, self.dir, names='called loud', status=2)

    def test_the_host_program_tells_the_journal_of_reloads(self):
        (self.dir / 'main.py').write_text('import rules, time\n\ndef tick():\n    print("tick", rules.V, flush=True)\n')
        (self.dir / 'rules.py').write_text('V = 1\n')
        log = self.dir / 'stderr'
        with open(log, 'wb') as stderr, open(self.dir / 'stdout', 'wb') as stdout:
            stat = os.fstat(stderr.fileno())
            host = subprocess.Popen([PYMODHOST, '--path', self.dir, '-m', 'main'], stdin=subprocess.DEVNULL, stderr=stderr,
                                    stdout=stdout, env=environment(JOURNAL_STREAM=f'{stat.st_dev}:{stat.st_ino}'))
        self.addCleanup(host.wait, 20)
        self.addCleanup(host.terminate)
        wait_until(lambda: 'tick 1' in (self.dir / 'stdout').read_text(), what='a tick')
        (self.dir / 'rules.py').write_text('V = 1 / 0  # broken\n')
        wait_until(lambda: 'ZeroDivisionError' in log.read_text(), what='the traceback')
        (self.dir / 'rules.py').write_text('V = 3  # mended\n')
        wait_until(lambda: 'tick 3' in (self.dir / 'stdout').read_text(), what='a tick of the new rules')
        lines = log.read_text().splitlines()
        self.assertEqual([line for line in lines if not re.match('<[36]>', line)], [])
        self.assertTrue([line for line in lines if re.fullmatch(r'<6>reloaded rules \(.* ms\)', line)], lines)
        self.assertTrue([line for line in lines if line.startswith('<3>rules failed')], lines)

    def test_a_flood_of_errors_becomes_fifty_lines_and_a_count(self):
        log, db, mnt = self.start('busy_timeout=0')
        locker = subprocess.Popen(['/usr/bin/sqlite3', db.path], stdin=subprocess.PIPE, text=True, stdout=subprocess.PIPE)
        self.addCleanup(locker.communicate, '.quit\n', 10)
        locker.stdin.write('BEGIN IMMEDIATE; SELECT 1;\n')
        locker.stdin.flush()
        locker.stdout.readline()
        for _ in range(100):
            with self.assertRaises(OSError), open(mnt / 'a.py', 'w') as file:
                file.write('V = 2\n')

        def lines():
            return log.read_text().splitlines()
        self.assertLessEqual(len([line for line in lines() if 'failed' in line]), 60)

        def count():
            with self.assertRaises(OSError), open(mnt / 'a.py', 'w') as file:
                file.write('V = 2\n')
            time.sleep(0.2)
            return [line for line in lines() if re.fullmatch(r'pymodfs: \d+ lines were left out', line)]
        wait_until(count, 20, 'a count of the lines that were left out')


if __name__ == '__main__':
    unittest.main()
