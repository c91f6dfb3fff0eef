"""`tools/demo` shows a running game whose rules change three ways, and leaves nothing behind."""

import os
import re
import unittest

from tests.support import BUILD, TOP, Terminal, TestCase, environment, run
from tests.support.mount import mounts_below
from tests.support.process import PATIENCE

SHOWN = [
    '4 files, 4 new or changed', r'-- rules\.combat loaded',
    r'each blow takes +3 ', r'\$ sed -i', r'-- rules\.combat reloaded', r'each blow takes +30 ',
    r'\$ sqlite3', r'-- rules\.spawn reloaded', r'dragon', r'\$ sed -i',
    r'-- rules\.combat refused, the old code goes on: SyntaxError', r'each blow takes +30 ', r'\$ sed -i',
    r'-- rules\.combat reloaded', r'each blow takes +55 ', r'How to go on by hand',
]


class DemoTest(TestCase):
    def environment(self):
        return environment(PYMODFS_BUILD=BUILD, TMPDIR=self.dir, DEMO_PAUSE=2 * PATIENCE)

    def check_nothing_is_left(self):
        self.assertEqual(mounts_below(self.dir), [])
        self.assertEqual([name for name in os.listdir(self.dir) if name.startswith('pymodfs-demo')], [])

    def test_the_demo_shows_each_edit_come_into_effect(self):
        shown = run(TOP / 'tools/demo', env=self.environment(), timeout=240).stdout
        self.assertRegex(shown, re.compile('.*?'.join(SHOWN), re.DOTALL))
        self.check_nothing_is_left()

    def test_on_a_terminal_the_game_goes_on_until_it_is_interrupted(self):
        with Terminal(TOP / 'tools/demo', env=self.environment(), width=160, height=50) as terminal:
            terminal.wait_screen('until you press Ctrl-C', timeout=240)
            terminal.keys('C-c')
            terminal.wait_end()
        self.check_nothing_is_left()


if __name__ == '__main__':
    unittest.main()
