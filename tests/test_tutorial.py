"""Whoever follows the pages for people sees what they say: each command is run, and its output compared."""

import unittest

from tests.support import TOP, Installed, Reader, TestCase
from tests.support.postgres import PostgresServer


class PagesAreFollowedTest(TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.installed = Installed()
        cls.addClassCleanup(cls.installed.remove)

    def follow(self, name, **env):
        with Reader(TOP / name, self.dir, **self.installed.environment, **env) as reader:
            self.assertGreater(reader.follow(), 0)

    def test_the_session_of_the_readme(self):
        self.follow('README.md')

    def test_the_tutorial(self):
        self.follow('docs/tutorial.md')

    def test_embedding_in_c_and_cpp(self):
        self.follow('docs/embedding.md')

    def test_the_control_directory(self):
        self.follow('docs/control-directory.md')

    def test_git_beside_a_mount(self):
        self.follow('docs/editors.md')

    def test_adopting_a_table(self):
        with PostgresServer() as server:
            self.follow('docs/adopting.md', PGHOST=server.dir, PGPORT=5432, PGUSER='postgres')


if __name__ == '__main__':
    unittest.main()
