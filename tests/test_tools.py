"""The project's own tools: what is missing is named, what fails is counted, what is left behind is taken away."""

import os
import shutil
import unittest

from tests.support import TOP, TestCase, environment, run


class DepsTest(TestCase):
    def deps(self, *uses, release, commands=('bash', 'cat', 'id', 'tr')):
        """tools/deps on a system with that /etc/os-release and only these commands (None: all)."""
        (self.dir / 'os-release').write_text(release)
        place = self.dir / 'bin'
        place.mkdir()
        for name in commands or []:
            (place / name).symlink_to(shutil.which(name, path='/usr/bin:/bin'))
        place = place if commands else '/usr/bin:/bin'
        # Other tests' mounts would live on in the namespace after their `umount`.
        script = ('umount -alt fuse.pymodfs; mount --bind "$1" /etc/os-release && PATH=$2 && shift 2 && '
                  'exec tools/deps "$@"')
        return run('unshare', '--mount', 'sh', '-c', script, 'sh', self.dir / 'os-release', place,
                   *uses, cwd=TOP, check=False)

    def test_on_another_system_the_missing_packages_are_named_and_it_stops(self):
        result = self.deps('build', 'lint', release='ID=fedora\nVERSION_ID=40\n')
        self.assertEqual((result.returncode, result.stdout), (1, ''))
        self.assertRegex(result.stderr, r'not Debian 12.*: gcc g\+\+ .*meson .*libfuse3-dev .*cppcheck')

    def test_another_release_of_debian_is_another_system(self):
        result = self.deps('lint', release='ID=debian\nVERSION_ID="13"\n')
        self.assertEqual(result.returncode, 1)
        self.assertIn('not Debian 12', result.stderr)

    def test_without_anything_missing_it_says_nothing_on_any_system(self):
        result = self.deps('build', release='ID=fedora\n', commands=None)
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, '', ''))

    def test_an_unknown_use_is_refused(self):
        result = run(TOP / 'tools/deps', 'everything', check=False)
        self.assertEqual(result.returncode, 2)
        self.assertIn('usage: tools/deps', result.stderr)


class CheckTest(TestCase):
    def test_help_tells_the_stages_and_does_nothing(self):
        text = run(TOP / 'tools/check', '--help').stdout
        self.assertEqual(text, run('./check', '-h', cwd=TOP / 'tools').stdout)
        self.assertTrue(text.startswith('tools/check [--all | --stage STAGE...]'))
        self.assertIn('  thread        the threaded parts', text)


class RunTestsTest(TestCase):
    def run_tests(self, tests, *options):
        """tools/run-tests on a build with these tests: names to shell commands."""
        lines = ["project('sample')", "sh = find_program('sh')"]
        lines += [f"test('{name}', sh, args: ['-c', '''{command}'''], timeout: 20)" for name, command in tests.items()]
        (self.dir / 'meson.build').write_text('\n'.join(lines) + '\n')
        run('meson', 'setup', self.dir / 'build', self.dir)
        return run(TOP / 'tools/run-tests', *options, self.dir / 'build', check=False,
                   env=environment(PYMODFS_TEST_RUN=None))

    def test_the_last_line_has_the_sum(self):
        result = self.run_tests({'one': 'true', 'two': 'true', 'three': 'true'})
        self.assertEqual((result.returncode, result.stdout.splitlines()[-1]), (0, '3 passed, 0 failed'))

    def test_a_failure_is_shown_and_named_at_the_end(self):
        result = self.run_tests({'good': 'echo unseen', 'bad': 'echo the reason; exit 1'})
        self.assertEqual((result.returncode, result.stdout.splitlines()[-1]), (1, '1 passed, 1 failed'))
        self.assertRegex(result.stdout, r'FAILED bad(?s:.*)\| the reason(?s:.*)Failed:\n  status 1: bad')
        self.assertNotIn('unseen', result.stdout)

    def test_what_a_test_leaves_running_is_ended_and_counts(self):
        result = self.run_tests({'leaver': 'setsid sleep 1005 & until grep -aq ^sleep /proc/$!/cmdline; do :; done'})
        self.assertEqual(result.stdout.splitlines()[-1], '0 passed, 1 failed')
        self.assertIn('left running: sleep 1005', result.stdout)
        pids = [pid for pid in os.listdir('/proc') if pid.isdigit() and _command(pid) == b'sleep\x001005\0']
        self.assertEqual(pids, [])

    def test_no_test_at_all_is_no_success(self):
        result = self.run_tests({'one': 'true'}, '--suite', 'none')
        self.assertEqual((result.returncode, result.stdout.splitlines()[-1]), (1, '0 passed, 0 failed'))

    def test_a_name_that_no_test_has_is_refused(self):
        (self.dir / 'build').mkdir()
        result = self.run_tests({'one': 'true'})
        self.assertEqual(result.returncode, 0)
        result = run(TOP / 'tools/run-tests', self.dir / 'build', 'other', check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn('no test named other; there are: one', result.stderr)


def _command(pid):
    try:
        with open(f'/proc/{pid}/cmdline', 'rb') as file:
            return file.read()
    except OSError:
        return b''


if __name__ == '__main__':
    unittest.main()
