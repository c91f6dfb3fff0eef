"""Whoever follows the pages for people sees what they say: each command is run, and its output compared."""

import unittest

from tests.support import TOP, Installed, Reader, TestCase


class PagesAreFollowedTest(TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.installed = Installed()
        cls.addClassCleanup(cls.installed.remove)

    def follow(self, name):
        with Reader(TOP / 'docs' / name, self.dir, **self.installed.environment) as reader:
            self.assertGreater(reader.follow(), 0)

    def test_the_tutorial(self):
        self.follow('tutorial.md')


if __name__ == '__main__':
    unittest.main()
