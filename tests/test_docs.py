"""The pages for people are right where a program can tell: links, commands, options, files, names of tables."""

import ast
import re
import sqlite3
import unittest

from tests.support import PYMODFS, PYMODHOST, TOP, TestCase, run

OPTION = r'(?<![\w-])--?[a-zA-Z][\w-]*'


def pages():
    """The checked-in Markdown files."""
    listed = run('git', '-C', TOP, '-c', 'safe.directory=*', 'ls-files', '-z', '*.md').stdout
    return [TOP / name for name in listed.split('\0') if name]


def text_of_all():
    return '\n'.join(page.read_text() for page in pages())


def prose(page):
    """A page's text without its blocks and spans of code."""
    text = re.sub(r'^```.*?^```', '', page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r'`[^`\n]*`', '', text)


def anchors(page):
    """The names by which a page's headings can be linked to, as GitHub makes them."""
    headings = re.findall(r'^#+ (.*)$', re.sub(r'^```.*?^```', '', page.read_text(), flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r'[^\w -]', '', heading.lower()).replace(' ', '-') for heading in headings}


def commands(text, program):
    """Command lines of a program in blocks and spans of code, each up to what ends it."""
    lines = re.findall(rf'(?:`|^ {{4}}|^\$ |&& |\| |; ){program} +([^`\n|;&#]*)', text, re.MULTILINE)
    return [line.strip() for line in lines]


def is_test(words):
    """Whether FILE, FILE.CLASS or FILE.CLASS.TEST, perhaps in a folder, is one of ours."""
    index = next(i for i, word in enumerate(words) if word.startswith('test_'))
    path = (TOP / 'tests').joinpath(*words[:index + 1]).with_suffix('.py')
    nodes = ast.parse(path.read_text()).body if path.exists() else []
    for word in words[index + 1:]:
        nodes = next((node.body for node in nodes if getattr(node, 'name', None) == word), [])
    return nodes != []


def long_help(*command):
    return run(*command, '--help').stdout


class LinksTest(TestCase):
    def test_every_link_leads_somewhere(self):
        dead = []
        for page in pages():
            for link, _, anchor in re.findall(r'\]\(([^)#]*)(#([^)]*))?\)', prose(page)):
                target = page.parent / link if link else page
                if '://' in link:
                    continue
                if not target.exists() or (anchor and anchor not in anchors(target)):
                    dead.append(f'{page.relative_to(TOP)}: {link}#{anchor}')
        self.assertEqual(dead, [])

    def test_every_page_is_reached_from_the_first_one(self):
        reached, waiting = set(), [TOP / 'README.md']
        while waiting:
            page = waiting.pop().resolve()
            if page.suffix == '.md' and page not in reached:
                reached.add(page)
                waiting += [page.parent / link for link in re.findall(r'\]\(([^)#]+)', prose(page)) if '://' not in link]
        self.assertEqual([str(page.relative_to(TOP)) for page in pages() if page.resolve() not in reached], [])

    def test_every_page_of_docs_is_in_its_index(self):
        index = (TOP / 'docs/README.md').read_text()
        self.assertEqual([page.name for page in (TOP / 'docs').glob('*.md')
                          if page.name != 'README.md' and f'({page.name})' not in index], [])

    def test_every_file_that_a_page_names_is_there(self):
        tops = '|'.join(sorted(path.name for path in TOP.iterdir() if path.is_dir() and path.name not in ('build', '.git')))
        missing = []
        for page in pages():
            for name in re.findall(rf'(?<![\w/.-])(?:{tops})/[\w./*-]*\w', page.read_text()):
                if not list(TOP.glob(name)) and not list(TOP.glob(f'{name}.*')) and not name.startswith('build/'):
                    missing.append(f'{page.relative_to(TOP)}: {name}')
        self.assertEqual(missing, [])


class CommandsTest(TestCase):
    def test_every_subcommand_that_a_page_names_is_there(self):
        named = {line.split()[0] for line in commands(text_of_all(), 'pymodfs') if re.match('[a-z]', line)}
        self.assertIn('mount', named)
        known = run(PYMODFS, '--help').stdout
        self.assertEqual([name for name in sorted(named) if not re.search(rf'^ +{name}\b', known, re.MULTILINE)
                          and name != 'help'], [])

    def test_every_option_that_a_page_names_is_there(self):
        unknown = []
        for program, path in (('pymodfs', PYMODFS), ('pymodhost', PYMODHOST)):
            for line in commands(text_of_all(), program):
                # What follows the module or script is the program's own.
                line = re.sub(r'"[^"]*"|\'[^\']*\'', '', line).partition(' -m ')[0]
                words = line.split()
                command = (path, words[0]) if program == 'pymodfs' and words and re.match('[a-z]', words[0]) else (path,)
                options = set(re.findall(OPTION, line)) - {'--help', '--version'}
                unknown += [f'{program} {line}: {option}' for option in options
                            if not re.search(rf'{option}\b', long_help(*command))]
        self.assertEqual(unknown, [])

    def test_every_subcommand_and_its_options_are_in_the_manual(self):
        manual = re.sub(r'\s+', ' ', run('man', '-l', TOP / 'man/pymodfs.1').stdout)
        missing = []
        for name in re.findall(r'^  ([a-z]+)  ', run(PYMODFS, '--help').stdout, re.MULTILINE):
            if f'pymodfs {name}' not in manual:
                missing.append(name)
            for option in set(re.findall(r'^ +(?:-\w, )?(--[a-z-]+)', long_help(PYMODFS, name), re.MULTILINE)) - {'--help'}:
                if option not in manual:
                    missing.append(f'{name} {option}')
        self.assertEqual(missing, [])

    def test_every_mount_option_is_in_the_manual_and_none_is_invented(self):
        usage = long_help(PYMODFS, 'mount').partition('Options after -o:')[2]
        known = {name.partition('=')[0] for line in re.findall(r'^ {2}(\S.*?)(?:  |$)', usage, re.MULTILINE)
                 for name in line.split(', ')}
        self.assertGreaterEqual(known, {'ro', 'allow_other', 'echo', 'busy_timeout'})
        manual = run('man', '-l', TOP / 'man/pymodfs.1').stdout
        self.assertEqual([name for name in sorted(known) if not re.search(rf'\b{name}\b', manual)], [])
        named = {name.partition('=')[0] for line in commands(text_of_all(), 'pymodfs') + re.findall(r'`(-o [^`]*)`', text_of_all())
                 for options in re.findall(r'-o ([\w=,]+)', line) for name in options.split(',')}
        self.assertEqual(sorted(named - known - {'OPTIONS', 'OPTION', 'nosuid', 'nodev'}), [])

    def test_every_tool_that_a_page_names_is_there(self):
        named = set(re.findall(r'\btools/[a-z][a-z-]*', text_of_all()))
        self.assertEqual([name for name in sorted(named) if not (TOP / name).exists()], [])

    def test_every_function_of_the_library_that_a_page_names_is_there(self):
        named = set(re.findall(r'\bpymodhost_[a-z_]+(?=\()', text_of_all()))
        header = (TOP / 'embedhost/pymodhost.h').read_text()
        self.assertIn('pymodhost_poll', named)
        self.assertEqual([name for name in sorted(named) if not re.search(rf'\b{name}\(', header)], [])

    def test_every_test_that_a_page_names_is_there(self):
        named = set(re.findall(r'`(?:tests\.)?((?:host\.)?test_\w+(?:\.\w+)*)`', text_of_all()))
        self.assertGreater(len(named), 100)
        self.assertEqual([name for name in sorted(named) if not is_test(name.split('.'))], [])

    def test_the_programs_say_their_version(self):
        version = re.search(r"version: '([^']+)'", (TOP / 'meson.build').read_text())[1]
        for program in (PYMODFS, PYMODHOST):
            self.assertIn(version, run(program, '--version').stdout)


class ArchitectureTest(TestCase):
    """The arrows of docs/architecture.md: a file includes headers of its own folder and of those to the right."""

    ORDER = {'fs': ['cli', 'mount', 'tree', 'store'], 'embedhost': ['main', 'host', 'module', 'reload', 'watch']}

    def test_nothing_points_back(self):
        back = []
        for half, folders in self.ORDER.items():
            homes = {header.name: folders.index(header.parent.name) for header in (TOP / half).glob('*/*.h')}
            for file in (TOP / half).glob('*/*.[ch]'):
                for name in re.findall(r'^#include "(?:.*/)?([^"/]+)"', file.read_text(), re.MULTILINE):
                    if homes.get(name, 99) < folders.index(file.parent.name):
                        back.append(f'{file.relative_to(TOP)} includes {name}')
        self.assertEqual(back, [])

    def test_every_folder_is_in_the_table(self):
        page = (TOP / 'docs/architecture.md').read_text()
        missing = [f'{half}/{folder.name}' for half in self.ORDER for folder in (TOP / half).iterdir()
                   if folder.is_dir() and f'`{half}/{folder.name}`' not in page]
        self.assertEqual(missing, [])
        for half, folders in self.ORDER.items():
            self.assertIn(' -> '.join(folders), page)


class FormatsTest(TestCase):
    def test_every_table_is_in_the_page_of_the_schema_and_none_is_invented(self):
        database = sqlite3.connect(':memory:')
        self.addCleanup(database.close)
        database.executescript((TOP / 'schema.sql').read_text())
        tables = {name for name, in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
                  if not name.startswith('sqlite_')}
        page = (TOP / 'docs/schema.md').read_text()
        self.assertEqual([name for name in sorted(tables) if not re.search(rf'\b{name}\b', page)], [])
        everything = {name for name, in database.execute('SELECT name FROM sqlite_schema')}
        named = set(re.findall(r'\bpymodfs_[a-z_]+\b', page)) - {'pymodfs_row_name'}
        self.assertEqual(sorted(named - everything), [])

    def test_the_queries_of_the_page_run(self):
        database = self.database({'a.b': 'V = 1\n', 'a..b': ''})
        database.update('a.b', 'V = 2\n')
        for block in re.findall(r'^```sql\n(.*?)^```', (TOP / 'docs/schema.md').read_text(), re.MULTILINE | re.DOTALL):
            if 'CREATE TABLE' not in block:
                for query in block.split(';\n'):
                    self.assertNotEqual(database.execute(query) if query.strip() else [1], [])

    def test_the_status_has_what_its_page_says(self):
        mnt = self.mount({'a': 'V = 1\n'})
        page = (TOP / 'docs/control-directory.md').read_text()
        self.assertEqual([key for key in json_keys(mnt) if f'`{key}`' not in page], [])


def json_keys(mnt):
    return re.findall(r'^  "(\w+)":', (mnt.control / 'status').read_text(), re.MULTILINE)


class FirstScreenTest(TestCase):
    def test_the_first_screen_of_the_readme_has_the_two_commands_and_real_use(self):
        screen = (TOP / 'README.md').read_text().splitlines()[:24]
        for line in ('tools/demo', 'tools/check', 'pymodfs init', 'pymodfs mount', 'pymodhost --path', 'sed -i'):
            self.assertTrue([shown for shown in screen if shown.startswith('    ') and line in shown], line)


if __name__ == '__main__':
    unittest.main()
