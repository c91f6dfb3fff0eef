"""docs/operations.md: its commands do what it says, and its messages are those of the programs."""

import re
import unittest

from tests.support import TOP, Installed, Reader, TestCase
from tests.support.postgres import PostgresServer

PAGE = TOP / 'docs/operations.md'
LITERAL = r'"(?:[^"\\]|\\.)*"'
CALLS = re.compile(r'\b(?:cli_fail|cli_warn|store_fail|mount_log|refuse)\((.*?)\);', re.DOTALL)
# What the page promises to have all messages of; elsewhere they are the words of an errno, or for who calls a function.
COMPLETE = ('fs/cli/*.c', 'fs/mount/*.c', 'fs/store/*-init.c', 'fs/store/*-open.c', 'fs/store/*-backup.c', 'fs/store/*-watch.c',
            'fs/store/sqlite-readonly.c', 'fs/store/upgrade.c')
# Parts of other messages, usage, and what can't happen to a person.
ELSEWHERE = {' of another file system', 'belongs to another user', 'the option %s needs a value', 'mount(8) passes no such option: -%c',
             'setsid or chdir: %s'}


def messages(*patterns):
    """The formats of messages in these sources that have enough words to be known by."""
    found = set()
    for path in (path for pattern in patterns for path in TOP.glob(pattern)):
        for call in CALLS.findall(path.read_text()):
            for literal in re.findall(rf'{LITERAL}(?:\s*{LITERAL})*', call):
                text = ''.join(part[1:-1] for part in re.findall(LITERAL, literal)).replace('\\"', '"')
                if len(re.sub(r'%[-.*l0-9]*[a-z]', '', text)) >= 12:
                    found.add(text)
    return found


def pattern(text):
    return re.compile('.*'.join(re.escape(part) for part in re.split(r'%[-.*l0-9]*[a-z]', text)), re.DOTALL)


def explained():
    """The messages in the first column of the page's last table."""
    table = PAGE.read_text().partition('## Messages')[2]
    return [text for row in re.findall(r'^\| (`.*?) \| ', table, re.MULTILINE) for text in re.findall('`([^`]+)`', row)]


class MessagesTest(TestCase):
    def test_every_message_in_the_page_is_one_of_the_programs(self):
        known = [pattern(text) for text in messages('fs/*/*.c')]
        self.assertGreater(len(explained()), 50)
        self.assertEqual([text for text in explained() if not any(one.fullmatch(text) for one in known)], [])

    def test_every_message_of_the_programs_is_in_the_page(self):
        page = explained()
        self.assertEqual([text for text in sorted(messages(*COMPLETE) - ELSEWHERE)
                          if not any(pattern(text).fullmatch(one) for one in page)], [])


class CommandsTest(TestCase):
    def test_the_commands_do_what_the_page_says(self):
        installed = Installed()
        self.addCleanup(installed.remove)
        with PostgresServer() as server, \
                Reader(PAGE, self.dir, **installed.environment, PGHOST=server.dir, PGPORT=5432, PGUSER='postgres') as reader:
            self.assertGreater(reader.follow(), 15)


if __name__ == '__main__':
    unittest.main()
