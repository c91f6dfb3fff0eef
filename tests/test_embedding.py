"""What is installed is enough to build against: the examples, with the header and the pkg-config file alone."""

import os
import re
import shutil
import unittest
from pathlib import Path

from tests.support import BUILD, TOP, Installed, Process, TestCase, environment, run

EXAMPLES = TOP / 'examples'


class InstalledTest(TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.installed = Installed()
        cls.addClassCleanup(cls.installed.remove)

    def environment(self):
        return environment(**self.installed.environment)

    def build(self, name):
        """Builds an example in a copy of its folder, where nothing of the source tree is near."""
        folder = self.dir / name
        shutil.copytree(EXAMPLES / name, folder)
        env = self.environment()
        for flags in ('CFLAGS', 'CXXFLAGS'):
            env[flags] = f"-Wall -Wextra -Wno-unused-parameter -Werror {env.get(flags, '')}"
        run('make', '-C', folder, env=env)
        return folder / name

    def start(self, name, *args):
        return self.process(Process(self.build(name), *args, env=self.environment()))

    def copy_modules(self, name):
        return Path(shutil.copytree(EXAMPLES / name / 'modules', self.dir / 'modules'))

    def test_the_game_server_in_cpp(self):
        modules = self.copy_modules('gameserver')
        game = self.start('gameserver', modules)
        game.wait_output('each blow takes   3')
        combat = modules / 'rules/combat.py'
        combat.write_text(combat.read_text().replace('SWORD = 3', 'SWORD = 7'))
        game.wait_output('each blow takes   7')
        self.assertIn('-- rules.combat reloaded', game.output)
        combat.write_text('SWORD = = 8\n')
        game.wait_output('-- rules.combat refused, the old code goes on: SyntaxError')
        combat.write_text('def blow(monster, tick):\n    return {}["no such rule"]\n')
        game.wait_output("-- a rule failed: KeyError: 'no such rule'")
        combat.write_text('def blow(monster, tick):\n    return 9\n')
        game.wait_output('each blow takes   9')

    def test_the_orders_in_c(self):
        modules = self.copy_modules('orders')
        folder = self.build('orders')
        reading, writing = os.pipe()
        with open(writing, 'wb', buffering=0) as orders:
            program = self.process(Process(folder, modules, stdin=reading, env=self.environment()))
            os.close(reading)
            orders.write(b'apple 3\npear 10\nplum 1\n')
            program.wait_output('apple 3: 1.20\npear 10: 4.95\n')
            program.wait_output("KeyError: 'plum'")
            pricing = modules / 'pricing.py'
            pricing.write_text(pricing.read_text().replace('"apple": 40', '"apple": 45'))
            program.wait_output('new rules: pricing, version 2')
            orders.write(b'apple 3\n')
            program.wait_output('apple 3: 1.35\n')
        self.assertEqual(program.wait(), 0)

    def test_the_application_with_a_python_of_its_own(self):
        modules = self.copy_modules('ownpython')
        program = self.start('ownpython', modules, 600)
        program.wait_output('20.5 degrees, window open')
        control = modules / 'control.py'
        control.write_text(control.read_text().replace('LIMIT = 20.0', 'LIMIT = 99.0'))
        program.wait_output('25.0 degrees, window shut')
        self.assertIsNone(program.status)

    def test_the_library_exports_what_the_header_declares(self):
        header = (TOP / 'embedhost/pymodhost.h').read_text()
        declared = set(re.findall(r'PYMODHOST_API [^;]*?\b(pymodhost_\w+)\(', header))
        listed = run('nm', '-D', '--defined-only', BUILD / 'embedhost/libpymodhost.so').stdout
        exported = {line.split()[2].split('@')[0] for line in listed.splitlines() if ' T ' in line}
        self.assertEqual(exported, declared)
        self.assertIn('pymodhost_poll@@LIBPYMODHOST_0', listed)

    def test_the_header_is_c_and_cpp_by_itself(self):
        header = next(self.installed.root.rglob('pymodhost.h'))
        for compiler, language in (('gcc', 'c'), ('g++', 'c++')):
            with self.subTest(language):
                run(compiler, '-x', language, '-pedantic', '-Wall', '-Wextra', '-Werror', '-fsyntax-only', header)


if __name__ == '__main__':
    unittest.main()
