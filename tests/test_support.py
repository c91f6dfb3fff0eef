"""The tests' own helpers: what the other tests lean on must hold."""

import os
import unittest
import unittest.mock

from tests.support import CommandFailed, Process, Reader, Terminal, TestCase, page, python, run, wait_until
from tests.support.mount import mounts_below
from tests.support.page import PageFailed


class SupportTest(TestCase):
    def test_a_failed_command_says_what_it_printed(self):
        with self.assertRaisesRegex(CommandFailed, r'exit status 3(?s:.*)so it goes'):
            run('sh', '-c', 'echo so it goes >&2; exit 3')

    def test_a_command_that_hangs_is_ended_with_its_children(self):
        with self.assertRaisesRegex(CommandFailed, 'did not end in time'):
            run('sh', '-c', 'sleep 1000 & echo $! >pid; wait', timeout=0.3, cwd=self.dir)
        pid = int((self.dir / 'pid').read_text())
        wait_until(lambda: not os.path.exists(f'/proc/{pid}/exe') or _is_zombie(pid))

    def test_children_get_nothing_of_this_environment(self):
        os.environ['PYMODFS_LEAK'] = 'yes'
        self.addCleanup(os.environ.pop, 'PYMODFS_LEAK')
        self.assertNotIn('PYMODFS_LEAK', run('env').stdout)
        self.assertNotIn('PYTHONDONTWRITEBYTECODE', run('env').stdout)

    def test_the_stock_interpreter_is_the_systems(self):
        found = python('-c', 'import sys; print(sys.executable, sys.prefix)').stdout.split()
        self.assertEqual(found, ['/usr/bin/python3', '/usr'])

    def test_a_process_is_gone_after_its_block(self):
        with Process('sh', '-c', 'echo ready; trap "" TERM; exec sleep 1000', grace=0.2) as process:
            process.wait_output('ready')
            self.assertIsNone(process.status)
        self.assertFalse(os.path.exists(f'/proc/{process.pid}'))

    def test_a_terminal_types_and_shows(self):
        with Terminal('cat', cwd=self.dir) as terminal:
            terminal.type('hello; "there"')
            terminal.keys('Enter')
            terminal.wait_screen('hello; "there"')
            terminal.keys('C-d')
            terminal.wait_end()

    def test_mount_points_with_blanks_are_found(self):
        table = self.dir / 'mountinfo'
        table.write_text('29 1 0:26 / /srv rw - ext4 /dev/sda rw\n'
                         '30 1 0:27 / /srv/a\\040b rw - fuse.pymodfs modules rw\n'
                         '31 1 0:28 / /srvx rw - tmpfs none rw\n')
        self.assertEqual(mounts_below('/srv', table), ['/srv', '/srv/a b'])


PAGE = """
`words/two`:

```
one
two
```

```console
$ cat words/two
one
two
$ echo here; pwd
...
/home/ann
```

```console other
$ while read line; do echo got $line; done
```

```console other | shell
             │ $ test -e words/two
^C           │
```
"""


class PageTest(TestCase):
    """A page for people is followed, and found out where it isn't so."""

    def follow(self, text):
        (self.dir / 'page.md').write_text(text)
        with Reader(self.dir / 'page.md', self.dir) as reader:
            return reader.follow()

    def test_a_page_that_is_right_is_followed_to_its_end(self):
        self.assertEqual(self.follow(PAGE), 4)

    def test_what_is_wrong_is_named(self):
        self.enterContext(unittest.mock.patch.object(page, 'LINE_SECONDS', 0.5))
        for right, wrong, named in (('one\ntwo\n$', 'one\n$', 'cat words/two'), ('$ cat', '$ kat', 'kat'),
                                    ('$ test -e words/two', '$ test -e words/three', 'words/three'),
                                    ('$ while read', '$ echo that; while read', 'no line like')):
            text = PAGE.replace(right, wrong, 1)
            if named == 'no line like':
                text = text.replace('^C  ', 'this')
            with self.subTest(named), self.assertRaisesRegex(PageFailed, named):
                self.follow(text)


def _is_zombie(pid):
    try:
        with open(f'/proc/{pid}/stat', encoding='ascii') as stat:
            return stat.read().rpartition(') ')[2].startswith('Z')
    except FileNotFoundError:
        return True


if __name__ == '__main__':
    unittest.main()
