"""The command line speaks as good ones do: help, completion, colours, a pager, and errors with a way out.

What --help, the manual, bash and zsh say of a command all comes from the same table; that they agree is tested here.
"""

import contextlib
import getpass
import json
import os
import re
import sqlite3
import unittest

from tests.support import PYMODFS, TOP, Terminal, TestCase, environment, pymodfs, run, wait_until

COMPLETION = TOP / 'fs' / 'cli' / 'completion'


def commands():
    listed = pymodfs('--help').stdout.split('Commands:\n')[1].split('\n\n')[0]
    return re.findall(r'^  ([a-z]+)  ', listed, re.MULTILINE)


def topics():
    listed = pymodfs('--help').stdout.split('Topics:\n')[1].split('\n\n')[0]
    return re.findall(r'^  help ([a-z]+)  ', listed, re.MULTILINE)


def options_of(command):
    """The long options that a command's help names at the beginning of a line."""
    return set(re.findall(r'^  (?:-., )?--([a-z-]+)', pymodfs(command, '--help').stdout, re.MULTILINE))


def offers(*words):
    """What may stand in the place of the last word."""
    lines = pymodfs('--complete', *words).stdout.splitlines()
    return [line.split('\t')[0] for line in lines]


class HelpTest(TestCase):
    def test_every_command_has_a_help_that_begins_with_its_usage(self):
        self.assertIn('mount', commands())
        for command in commands():
            text = pymodfs(command, '--help').stdout
            self.assertTrue(text.startswith(f'Usage: pymodfs {command} '), command)
            self.assertEqual(pymodfs('help', command).stdout, text)
            self.assertLessEqual(max(map(len, text.splitlines())), 115, command)

    def test_every_topic_has_a_text(self):
        self.assertIn('names', topics())
        for topic in topics():
            self.assertGreater(len(pymodfs('help', topic).stdout.splitlines()), 1, topic)

    def test_help_on_nothing_is_refused_with_a_guess(self):
        self.assertEqual(pymodfs('help', 'help').stdout, pymodfs('help').stdout)
        self.assertIn('pymodhost --help', pymodfs('help', 'pymodhost').stdout)
        self.assert_refused('help', 'hystory', names='did you mean history?', status=2)
        self.assert_refused('help', 'log', 'x', names='one word', status=2)

    def test_the_manual_names_every_command_and_option_that_the_help_names(self):
        manual = (TOP / 'man' / 'pymodfs.1').read_text()
        common = manual.split('\n.Ss ')[0]
        for command in commands():
            self.assertIn(f'\n.Ss {command}\n', manual)
            section = manual.split(f'\n.Ss {command}\n')[1].split('\n.Ss ')[0]
            for option in options_of(command):
                self.assertRegex(common if option in ('help', 'color', 'no-pager') else section, fr'\bFl -{option}\b', command)
        options = pymodfs('mount', '--help').stdout.split('after -o:')[1]
        told = re.findall(r'[a-z_]+', ' '.join(re.findall(r'^\.It Cm (.*)', manual, re.MULTILINE)))
        for option in re.findall(r'^  ([a-z_]+)', options, re.MULTILINE):
            self.assertIn(option, told)


    def test_the_manual_of_the_schema_names_every_table_and_column(self):
        manual = (TOP / 'man' / 'pymodfs-schema.5').read_text()
        db = self.database()
        tables = [name for name, in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'")]
        self.assertIn('pymodfs_change', tables)
        for table in tables:
            section = re.search(rf'^\.Ss (?:\w+ , )?{table}\b(.*?)(?=^\.S[sh])', manual, re.MULTILINE | re.DOTALL)
            self.assertTrue(section, table)
            for column, in db.execute('SELECT name FROM pragma_table_info(?)', (table,)):
                if table not in ('pymodfs_origin', 'pymodfs_suspect'):
                    self.assertRegex(section[1], rf'\bLi (?:\w+ , )*{column}\b', f'{table}.{column}')
        for key, in db.execute('SELECT key FROM pymodfs_setting'):
            self.assertRegex(manual, rf'\bLi (?:\w+ , )*{key}\b')


class MistakeTest(TestCase):
    def test_a_mistyped_word_is_answered_with_the_one_that_was_meant(self):
        db = self.database()
        for words, meant in ((['lgo'], 'log'), (['statsu'], 'status'), (['dif'], 'diff'), (['annotat'], 'annotate')):
            self.assert_refused(*words, names=f'did you mean {meant}?', status=2)
        self.assert_refused('log', '--limti', db.path, names='did you mean --limit?', status=2)
        for command, option, meant in (('export', '--force', '--overwrite'), ('import', '--overwrite', '--force')):
            self.assert_refused(command, option, db.path, self.dir, names=f'did you mean {meant}?', status=2)
        self.assert_refused('log', '--', '--quux', names='pymodfs init ./--quux')
        self.assert_refused('import', '--module-only=1', db.path, names='did you mean --modules-only?', status=2)
        self.assert_refused('mount', '-o', 'ro,alow_other', db.path, self.dir, names='did you mean allow_other?', status=2)

    def test_a_mistyped_module_is_answered_with_the_one_that_was_meant(self):
        db = self.database({'rules.combat': '', 'rules.loot': '', 'other': ''})
        for command in ('show', 'log', 'restore', 'annotate'):
            self.assert_refused(command, db.path, 'rules.lot', names='did you mean rules.loot?')

    def test_what_has_no_likeness_gets_no_guess(self):
        self.assertNotIn('did you mean', self.assert_refused('xyzzy', names='xyzzy', status=2))
        self.assertNotIn('did you mean', self.assert_refused('log', '--quux', names='--quux', status=2))
        self.assertNotIn('did you mean', self.assert_refused('help', 'foo', names='no help on foo', status=2))

    def test_words_that_are_no_module_or_database_are_told_so(self):
        db = self.database({'m': ''})
        self.assert_refused('show', db.path, '', names='empty word', status=2)
        self.assert_refused('log', db.path, 'm@1', names='name the module alone', status=2)
        self.assert_refused('log', 'mysql://host/x', names='only postgresql://')

    def test_an_empty_word_is_refused(self):
        for words in (['init', ''], ['log', ''], ['status', ''], ['import', self.dir / 'a.db', ''], ['umount', '']):
            self.assert_refused(*words, names='an empty word names nothing', status=2)

    def test_a_database_of_any_name_is_a_file(self):
        # What SQLite would take for something else.
        for name in (':memory:', 'file:x.db'):
            pymodfs('init', name, cwd=self.dir)
            self.assertEqual([path.name for path in self.dir.iterdir()], [name])
            pymodfs('log', name, cwd=self.dir)
            (self.dir / name).unlink()

    def test_a_database_that_may_not_be_read_is_named_with_its_owner(self):
        db = self.database()
        db.path.chmod(0o200)
        command = ('setpriv', '--bounding-set=-dac_override,-dac_read_search') if os.geteuid() == 0 else ()
        result = run(*command, PYMODFS, 'log', db.path, check=False)
        self.assertIn(f'you may not read it (owner {getpass.getuser()}, mode 0200): let the owner allow it', result.stderr)

    def test_who_has_to_wait_sees_for_how_long_and_nothing_of_it_stays(self):
        database = self.database()
        with contextlib.closing(sqlite3.connect(database.path, isolation_level=None)) as other:
            other.execute('BEGIN IMMEDIATE')
            terminal = self.process(Terminal('sh', '-c', f'{PYMODFS} restore --generation 0 {database.path}; read line'))
            terminal.wait_screen('waiting for the database, ')
        terminal.wait_screen('Everything is as in generation 0')
        self.assertNotIn('waiting', terminal.screen())

    def test_a_help_fits_the_terminal(self):
        for words in (['mount', '--help'], ['help', 'history'], ['restore', '--help'], ['--help']):
            self.assertLessEqual(max(map(len, pymodfs(*words).stdout.splitlines())), 80)
        terminal = self.process(Terminal('sh', '-c', f'{PYMODFS} import --help; read line', width=40, height=60))
        terminal.wait_screen('this text')
        lines = terminal.screen().splitlines()
        self.assertIn('  --skip-conflicts', lines)
        self.assertIn('        where both changed, leave both', lines)

    def test_options_that_lack_or_have_a_value_are_named(self):
        self.assert_refused('log', '--limit', names='--limit needs a value', status=2)
        self.assert_refused('log', '--json=1', 'x', names='no value goes with the option --json', status=2)
        self.assert_refused('log', '--color', 'pink', 'x', names='auto|always|never', status=2)
        self.assert_refused('--nonsense', names='--nonsense', status=2)


class OutputTest(TestCase):
    def setUp(self):
        super().setUp()
        self.db = self.database({'m': 'x = 1\n'})

    def test_a_pipe_gets_no_colours_and_a_terminal_does(self):
        self.assertNotIn('\033', pymodfs('log', self.db.path).stdout)
        self.assertIn('\033[', pymodfs('log', '--color', 'always', self.db.path).stdout)
        self.assertIn('\033[32m+x = 1\033[0m', pymodfs('diff', '--color=always', self.db.path, 'm', check=False).stdout)

    def in_terminal(self, command, **env):
        """What a command writes to a terminal, byte for byte."""
        run('script', '-qec', command, self.dir / 'typescript', env=environment(**env))
        return (self.dir / 'typescript').read_text()

    def test_a_terminal_gets_colours_unless_they_are_refused(self):
        command = f'{PYMODFS} log --no-pager {self.db.path}'
        self.assertIn('\033[', self.in_terminal(command))
        self.assertNotIn('\033[', self.in_terminal(command, NO_COLOR='1').split('\n', 1)[1])
        self.assertNotIn('\033[', self.in_terminal(command, TERM='dumb').split('\n', 1)[1])
        self.assertNotIn('\033[', self.in_terminal(f'{command} --color=never').split('\n', 1)[1])

    def test_the_pager_is_the_one_that_was_asked_for_and_only_on_a_terminal(self):
        log = f'{PYMODFS} log {self.db.path}'
        self.assertIn('PAGED', self.in_terminal(log, PAGER='sed s/^/PAGED/'))
        self.assertIn('MINE', self.in_terminal(log, PAGER='sed s/^/PAGED/', PYMODFS_PAGER='sed s/^/MINE/'))
        self.assertNotIn('PAGED', self.in_terminal(f'{log} --no-pager', PAGER='sed s/^/PAGED/').split('\n', 1)[1])
        self.assertNotIn('PAGED', self.in_terminal(f'{log} --json', PAGER='sed s/^/PAGED/').split('\n', 1)[1])
        self.assertIn('SQL', self.in_terminal(log, PAGER=''))
        self.assertNotIn('PAGED', run(PYMODFS, 'log', self.db.path, env=environment(PAGER='sed s/^/PAGED/')).stdout)

    def test_leaving_the_pager_early_is_no_failure(self):
        self.db.put({f'm{i}': '' for i in range(3000)})
        self.in_terminal(f'{PYMODFS} log {self.db.path}', PAGER='head -n 1')

    def test_names_cannot_write_to_the_terminal(self):
        self.db.put({'evil\033[2J': 'x'})
        self.assertNotIn('\033[2J', pymodfs('check', self.db.path, check=False).stdout)


class CompletionTest(TestCase):
    def test_commands_options_topics_and_choices_are_offered(self):
        self.assertEqual(set(offers('')), set(commands()) | {'help'})
        self.assertEqual(offers('ann'), ['annotate'])
        self.assertEqual(set(offers('help', '')), set(commands()) | set(topics()))
        self.assertEqual(offers('log', '--color', ''), ['auto', 'always', 'never'])
        self.assertEqual(offers('log', '--limit', ''), [])
        self.assertEqual(offers('nonsense', ''), [])

    def test_every_option_of_the_help_is_offered(self):
        for command in commands():
            self.assertEqual({o.removeprefix('--') for o in offers(command, '-')}, options_of(command), command)

    def test_mount_options_are_offered_one_after_the_other(self):
        self.assertIn('ro', offers('mount', '-o', ''))
        self.assertEqual(offers('mount', '-o', 'ro,allow_o'), ['ro,allow_other'])
        self.assertEqual(offers('mount', '--options', 'ro,busy'), ['ro,busy_timeout='])

    def test_modules_and_versions_of_the_database_are_offered(self):
        db = self.database({'rules.loot': '1', 'rules.combat': '', 'other': '', 'p.__init__': ''})
        db.update('rules.loot', '2')
        self.assertEqual(set(offers('show', db.path, 'rules.')), {'rules.loot', 'rules.combat'})
        self.assertEqual(offers('show', '--json', db.path, 'o'), ['other'])
        versions = [json.loads(x)['version'] for x in pymodfs('log', '--json', db.path, 'rules.loot').stdout.splitlines()]
        self.assertEqual(offers('show', db.path, 'rules.loot@'), [f'rules.loot@{v}' for v in versions])
        self.assertEqual(offers('show', self.dir / 'no.db', 'x'), [])
        self.assertFalse((self.dir / 'no.db').exists())

    def test_files_and_directories_are_left_to_the_shell(self):
        self.assertIn(':file', offers('log', ''))
        self.assertEqual(offers('import', 'x.db', ''), [':dir'])

    def test_bash_completes(self):
        db = self.database({'rules.loot': '1', 'rules.combat': ''})
        version = json.loads(pymodfs('log', '--json', db.path, 'rules.loot').stdout)['version']
        setup = f'. /usr/share/bash-completion/bash_completion; . {COMPLETION}/pymodfs.bash; PATH={PYMODFS.parent}:$PATH'
        terminal = self.process(Terminal('bash', '--norc', '-i', cwd=self.dir, width=160))
        terminal.type(f"{setup}; PS1='rea''dy> '; clear")
        terminal.keys('Enter')
        terminal.wait_screen('ready>')
        self.press(terminal, 'pymodfs anno', 'pymodfs annotate')
        self.press(terminal, f'pymodfs show {db.path} rules.l', f'{db.path} rules.loot')
        self.press(terminal, f'pymodfs show {db.path} rules.loot@', f'rules.loot@{version}')
        self.press(terminal, f'pymodfs log --since 1d {self.dir}/mod', f'{db.path}')
        self.press(terminal, 'pymodfs mount -o ro,allow_o', 'ro,allow_other')
        self.press(terminal, 'pymodfs log --no-p', '--no-pager')

    def test_zsh_completes(self):
        db = self.database({'rules.loot': '1', 'rules.combat': ''})
        version = json.loads(pymodfs('log', '--json', db.path, 'rules.loot').stdout)['version']
        terminal = self.process(Terminal('zsh', '-f', '-i', cwd=self.dir, width=160))
        terminal.type(f"fpath=({COMPLETION} $fpath); PATH={PYMODFS.parent}:$PATH; autoload -Uz compinit; "
                      f"compinit -u -d {self.dir}/dump; PS1='rea''dy> '; clear")
        terminal.keys('Enter')
        terminal.wait_screen('ready>')
        self.press(terminal, 'pymodfs anno', 'pymodfs annotate')
        self.press(terminal, f'pymodfs show {db.path} rules.l', f'{db.path} rules.loot')
        self.press(terminal, f'pymodfs show {db.path} rules.loot@', f'rules.loot@{version}')
        self.press(terminal, f'pymodfs log --since 1d {self.dir}/mod', f'{db.path}')
        self.press(terminal, 'pymodfs mount -o ro,allow_o', 'ro,allow_other')
        self.press(terminal, 'pymodfs log --no-p', '--no-pager')

    def press(self, terminal, typed, expected):
        """Types and presses the tabulator; what stands there then is taken away again."""
        terminal.type(typed)
        terminal.keys('Tab')
        terminal.wait_screen(expected)
        terminal.keys('C-u')
        terminal.type('clear')
        terminal.keys('Enter')
        wait_until(lambda: terminal.screen().strip() == 'ready>', what='an empty screen')


class StatusTest(TestCase):
    METRIC = re.compile(r'^pymodfs_([a-z_]+)\{(.*)\} (\d+)$')

    def metrics(self, what):
        """Reads the text format strictly: HELP, TYPE, then the samples of that metric."""
        found, described = {}, None
        for line in pymodfs('status', '--prometheus', what).stdout.splitlines():
            if line.startswith('# HELP '):
                described = line.split()[2]
            elif line.startswith('# TYPE '):
                self.assertEqual(line.split()[2], described)
                self.assertIn(line.split()[3], ('gauge', 'counter'))
            else:
                name, labels, value = self.METRIC.match(line).groups()
                self.assertEqual('pymodfs_' + name, described)
                found[name if 'request=' not in labels else labels.split('request=')[1].strip('"')] = int(value)
        return found

    def test_monitoring_reads_a_database(self):
        db = self.database({'a': '', 'b..c': ''})
        found = self.metrics(db.path)
        self.assertEqual((found['up'], found['modules'], found['hidden_rows']), (1, 1, 1))
        self.assertEqual(found['last_change'], db.execute('SELECT max(id) FROM pymodfs_change')[0][0])

    def test_monitoring_reads_a_mount(self):
        mnt = self.mount({'a': '1'})
        (mnt.path / 'a.py').read_bytes()
        found = self.metrics(mnt.path)
        self.assertEqual((found['up'], found['modules'], found['had_error'], found['read_only']), (1, 1, 0, 0))
        self.assertGreater(found['open'], 0)
        self.assertEqual(found['generation'], mnt.generation())
        self.assertIn(f'pymodfs_up{{database="{mnt.database.path}",mountpoint="{mnt.path}"}} 1\n',
                      pymodfs('status', '--prometheus', mnt.path).stdout)

    def test_a_database_is_not_written_into_its_own_mount(self):
        mnt = self.mount({'a': 'V = 1\n'})
        for command, file in (('export', mnt.path), ('export', mnt.path / 'new'), ('backup', mnt.path / 'copy.db')):
            self.assert_refused(command, mnt.database.path, file, names=f'where {mnt.database.path} itself is mounted')
        self.assert_refused('init', mnt.path / 'new.db', names=f'{mnt.path}, which is a mount of pymodfs')
        self.assertEqual([path.name for path in mnt.path.iterdir()], ['a.py'])

    def test_a_dead_mount_is_told_as_one_also_by_who_has_looked_at_it_before(self):
        mnt = self.mount({'a': 'V = 1\n'})
        pymodfs('status', mnt.path)
        mnt.kill()
        self.assert_refused('status', mnt.path, names=f'{mnt.path} is a dead mount: its daemon is gone; pymodfs umount {mnt.path}')
        pymodfs('umount', mnt.path)

    def test_what_is_neither_fails(self):
        self.assert_refused('status', '--prometheus', self.dir, names='no mount of pymodfs')
        self.assert_refused('status', '--prometheus', '--json', self.dir, names='--prometheus', status=2)


if __name__ == '__main__':
    unittest.main()
