"""What `meson install` puts where, and whether systemd understands the units."""

import os
import re
import unittest

from tests.support import BUILD, PYMODFS, TOP, TestCase, environment, run


class InstallTest(TestCase):
    """The build's own prefix (/usr/local unless it was set up otherwise), below DESTDIR."""

    WANTED = r'''
        bin/pymodfs  bin/pymodhost  include/pymodhost\.h
        lib/(?:[^/]+/)?libpymodhost\.so  lib/(?:[^/]+/)?libpymodhost\.so\.0  lib/(?:[^/]+/)?libpymodhost\.so\.0\.\d+\.\d+
        lib/(?:[^/]+/)?pkgconfig/pymodhost\.pc  lib/python3[^/]*/dist-packages/pymodhost\.cpython-311-[^/]+\.so
        lib/systemd/system/pymodfs@\.service  lib/systemd/user/pymodfs@\.service
        share/man/man1/pymodfs\.1  share/man/man1/pymodhost\.1  share/man/man5/pymodfs-schema\.5  share/man/man3/libpymodhost\.3
        share/man/man8/mount\.fuse\.pymodfs\.8
        share/pymodfs/schema\.sql  share/doc/pymodfs/README\.md  share/doc/pymodfs/docs/architecture\.md
        share/doc/pymodfs/examples/orders/orders\.c
        '''.split()

    def install(self):
        run('meson', 'install', '--no-rebuild', '-C', BUILD, env=environment(DESTDIR=self.dir))
        return [str(path.relative_to(self.dir)) for path in self.dir.rglob('*') if not path.is_dir()]

    def test_everything_is_installed_below_destdir(self):
        found = self.install()
        for pattern in self.WANTED:
            self.assertTrue([path for path in found if re.fullmatch(f'usr/local/{pattern}', path)], f'{pattern}: {found}')

    def test_nothing_else_is_installed(self):
        allowed = [f'usr/local/{pattern}' for pattern in self.WANTED] + [
            'usr/local/share/(doc|man|bash-completion|zsh)/.*', 'usr/sbin/mount.fuse.pymodfs']
        self.assertEqual([path for path in self.install() if not any(re.fullmatch(one, path) for one in allowed)], [])

    def test_mount_finds_its_helper(self):
        self.install()
        self.assertEqual(os.readlink(self.dir / 'usr/sbin/mount.fuse.pymodfs'), '/usr/local/bin/pymodfs')


class UnitsTest(TestCase):
    """The units, for the program that was built."""

    def unit(self, source):
        text = (TOP / 'packaging/systemd' / source).read_text()
        path = self.dir / source.removesuffix('.in')
        path.write_text(text.replace('@bindir@/pymodfs', str(PYMODFS)))
        return path

    def analyze(self, *words):
        return run('systemd-analyze', *words, cwd=self.dir, check=False, env=environment(XDG_RUNTIME_DIR=self.dir))

    def verify(self, unit, *options):
        result = self.analyze(*options, 'verify', '--man=no', f'./{unit.name.replace("@", "@game")}')
        self.assertEqual((result.returncode, result.stdout + result.stderr), (0, ''))

    def test_systemd_understands_the_unit_of_the_system(self):
        self.verify(self.unit('pymodfs@.service.in'))

    def test_systemd_understands_the_unit_of_a_user(self):
        self.verify(self.unit('user-pymodfs@.service.in'), '--user')

    def test_the_unit_of_the_system_is_as_confined_as_a_mount_can_be(self):
        self.unit('pymodfs@.service.in')
        result = self.analyze('security', '--offline=true', '--threshold=50', './pymodfs@.service')
        self.assertEqual(result.returncode, 0, result.stdout)

    def test_nothing_in_it_needs_a_mount_namespace(self):
        text = self.unit('pymodfs@.service.in').read_text()
        for setting in ('ProtectSystem', 'ProtectHome', 'PrivateTmp', 'PrivateDevices', 'PrivateMounts', 'ProtectKernelTunables',
                        'ProtectKernelModules', 'ProtectKernelLogs', 'ProtectControlGroups', 'ProtectProc', 'ProcSubset',
                        'DynamicUser', 'RootDirectory', 'ReadOnlyPaths', 'InaccessiblePaths', 'BindPaths', 'TemporaryFileSystem'):
            self.assertNotRegex(text, rf'(?m)^{setting}=')

    def test_nothing_in_it_takes_openat2_away(self):
        self.assertNotRegex(self.unit('pymodfs@.service.in').read_text(), r'(?m)^RestrictSUIDSGID=')


if __name__ == '__main__':
    unittest.main()
