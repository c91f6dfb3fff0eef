"""The pages for people are right where a program can tell: links, commands, subcommands."""

import re
import unittest

from tests.support import PYMODFS, PYMODHOST, TOP, TestCase, run


def pages():
    """The checked-in Markdown files."""
    listed = run('git', '-C', TOP, '-c', 'safe.directory=*', 'ls-files', '-z', '*.md').stdout
    return [TOP / name for name in listed.split('\0') if name]


def prose(page):
    """A page's text without its blocks and spans of code."""
    text = re.sub(r'^```.*?^```', '', page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r'`[^`\n]*`', '', text)


class PagesTest(TestCase):
    def test_every_link_leads_somewhere(self):
        dead = [f'{page.relative_to(TOP)}: {link}' for page in pages()
                for link in re.findall(r'\]\(([^)#]+)(?:#[^)]*)?\)', prose(page))
                if '://' not in link and not (page.parent / link).exists()]
        self.assertEqual(dead, [])

    def test_every_subcommand_that_a_page_names_is_there(self):
        text = '\n'.join(page.read_text() for page in pages())
        named = set(re.findall(r'(?:`|^ {4}|&& )pymodfs ([a-z]+)', text, re.MULTILINE))
        self.assertIn('mount', named)
        known = run(PYMODFS, '--help').stdout
        self.assertEqual([name for name in sorted(named) if not re.search(rf'\b{name}\b', known)], [])

    def test_every_tool_that_a_page_names_is_there(self):
        text = '\n'.join(page.read_text() for page in pages())
        named = set(re.findall(r'\btools/[a-z][a-z-]*', text))
        self.assertEqual([name for name in sorted(named) if not (TOP / name).exists()], [])

    def test_the_first_screen_of_the_readme_has_the_two_commands_and_real_use(self):
        screen = (TOP / 'README.md').read_text().splitlines()[:24]
        for line in ('tools/demo', 'tools/check', 'pymodfs init', 'pymodfs mount', 'pymodhost --path', 'sed -i'):
            self.assertTrue([shown for shown in screen if shown.startswith('    ') and line in shown], line)

    def test_the_programs_say_their_version(self):
        version = re.search(r"version: '([^']+)'", (TOP / 'meson.build').read_text())[1]
        for program in (PYMODFS, PYMODHOST):
            self.assertIn(version, run(program, '--version').stdout)


if __name__ == '__main__':
    unittest.main()
