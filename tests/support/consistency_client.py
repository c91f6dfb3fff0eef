"""A writer or reader whose every operation is recorded, a process of its own; consistency.py judges the records.

    python3 -m tests.support.consistency_client SECONDS LOG ROLE NUMBER PLACE TOP [DATABASE]

ROLE: `in-place`, `rename` or `sql` writes, `read` reads. NUMBER tells the clients apart (0 to 3 for the writers). PLACE is the name of
the mount TOP. A record is a line: W or S, register, value, begin, end, place (`.`: none), and how it was done.

All writers write the modules of the packages p0 and p1. Each also has a package of its own, in which it knows what is there, so that
renames of files and packages and directories that come and go can be recorded as well.

A content tells its number, also by its size alone.
"""

import contextlib
import errno
import os
import random
import re
import sqlite3
import subprocess
import sys
import time

from .consistency import ABSENT, PRESENT

SHARED = [f'p{package}/m{module}.py' for package in range(2) for module in range(4)]
OVERHEAD = 64


def own_files(number):
    return [f'own{number}/x{module}.py' for module in range(4)]


def own_packages(number):
    """The two names that a package trades, each with its module."""
    return [(f'own{number}/{name}', f'own{number}/{name}/y.py') for name in 'de']


def registers():
    """All names that are written, directories as well."""
    found = list(SHARED)
    for number in range(4):
        found += own_files(number)
        found += [name for pair in own_packages(number) for name in pair]
    return found


def content(number):
    head, tail = f'V = {number}\n', f'\nW = {number}\n'
    return head + '#' * (OVERHEAD + number - len(head) - len(tail)) + tail


def number_of(text):
    match = re.fullmatch(r'V = (\d+)\n#*\nW = (\d+)\n', text)
    if not match or match[1] != match[2] or len(text) != OVERHEAD + int(match[1]):
        return f'torn({text[:20]!r}...{text[-20:]!r},{len(text)})'.replace(' ', '_')
    return match[1]


class Client:
    def __init__(self, seconds, log, role, number, place, top, database=None):
        self.until = time.monotonic() + float(seconds)
        self.log = open(log, 'w', encoding='utf-8')
        self.role, self.number, self.place, self.top = role, int(number), place, top
        self.database = database
        self.random = random.Random(self.number)

    def path(self, register):
        return f'{self.top}/{register}'

    def record(self, letter, values, begin, end, place, how):
        for register, value in values.items():
            print(letter, register, value, begin, end, place, how, file=self.log)

    def run(self):
        with self.log:
            while time.monotonic() < self.until:
                self.turn()


class Reader(Client):
    def turn(self):
        how = self.random.choice((self.stat, self.look_up, self.read, self.read, self.list))
        begin = time.monotonic_ns()
        values = how()
        self.record('S', values, begin, time.monotonic_ns(), self.place, f'{how.__name__}-{self.number}')

    def any_register(self):
        return self.random.choice(registers())

    def stat(self):
        register = self.any_register()
        try:
            status = os.stat(self.path(register))
        except FileNotFoundError:
            return {register: ABSENT}
        return {register: status.st_size - OVERHEAD if register.endswith('.py') else PRESENT}

    def look_up(self):
        register = self.any_register()
        try:
            os.close(os.open(self.path(register), os.O_PATH))
        except FileNotFoundError:
            return {register: ABSENT}
        return {register: PRESENT}

    def read(self):
        register = self.random.choice([name for name in registers() if name.endswith('.py')])
        try:
            with open(self.path(register), encoding='utf-8') as file:
                return {register: number_of(file.read())}
        except FileNotFoundError:
            return {register: ABSENT}

    def list(self):
        folder = os.path.dirname(self.any_register())
        try:
            names = set(os.listdir(self.path(folder)))
        except FileNotFoundError:
            names = set()
        return {register: PRESENT if os.path.basename(register) in names else ABSENT
                for register in registers() if os.path.dirname(register) == folder}


class Writer(Client):
    """What is common to writers of all kinds: what to do next, and what is there in the package of one's own."""

    def __init__(self, *args):
        super().__init__(*args)
        self.next = self.number
        self.there = {}

    def new_number(self):
        self.next += 4
        return self.next

    def turn(self):
        kinds = [self.shared] * 4 + [self.own] * 3 + [self.rename_file, self.trade]
        self.random.choice(kinds)()

    def do(self, values, how, call, *args, place=None):
        """Calls until that succeeds; values is what is there afterwards."""
        begin = time.monotonic_ns()
        while True:
            try:
                call(*args)
                break
            except OSError as error:
                if error.errno == errno.ENOENT and ABSENT in values.values():
                    return  # somebody else has removed it
                if error.errno not in (errno.ESTALE, errno.EBUSY):
                    raise
        self.record('W', values, begin, time.monotonic_ns(), place or self.place, f'{how}-{self.number}')

    def shared(self):
        register = self.random.choice(SHARED)
        if self.random.random() < 0.15:
            self.do({register: ABSENT}, 'unlink', self.remove, register)
        else:
            number = self.new_number()
            self.save(register, number)

    def own(self):
        register = self.random.choice(own_files(self.number))
        if register in self.there and self.random.random() < 0.3:
            self.do({register: ABSENT}, 'unlink', self.remove, register)
            del self.there[register]
        else:
            self.there[register] = number = self.new_number()
            self.save(register, number)

    def rename_file(self):
        old, new = self.random.sample(own_files(self.number), 2)
        if old in self.there:
            number = self.there.pop(old)
            self.do({old: ABSENT, new: number}, 'rename', self.rename, old, new)
            self.there[new] = number

    def trade(self):
        """The package is made, renamed, or removed with its module."""
        pairs = own_packages(self.number)
        here = next((pair for pair in pairs if pair[0] in self.there), None)
        if here is None:
            package, module = self.random.choice(pairs)
            number = self.new_number()
            self.make_package(package, module, number)
            self.there |= {package: PRESENT, module: number}
        elif self.random.random() < 0.7:
            other = pairs[1 - pairs.index(here)]
            number = self.there.pop(here[1])
            del self.there[here[0]]
            self.do({here[0]: ABSENT, here[1]: ABSENT, other[0]: 'dir', other[1]: number}, 'trade', self.rename_package, here[0], other[0])
            self.there |= {other[0]: PRESENT, other[1]: number}
        else:
            self.remove_package(*here)
            del self.there[here[0]], self.there[here[1]]


class MountWriter(Writer):
    def save(self, register, number):
        text = content(number).encode()
        if self.role == 'rename':
            self.do({register: number}, 'save-by-rename', self.write_and_rename, register, text)
        elif self.random.random() < 0.2:
            self.do({register: number}, 'fsync', self.write_and_sync, register, text, place='.')
        else:
            self.do({register: number}, 'save-in-place', self.write, self.path(register), text)

    @contextlib.contextmanager
    def opened(self, path):
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            yield fd
        finally:
            os.close(fd)

    def write(self, path, text):
        with self.opened(path) as fd:
            for start in range(0, len(text), 4096):
                os.write(fd, text[start:start + 4096])

    def write_and_rename(self, register, text):
        beside = f'{self.path(register)}.tmp{self.number}'
        self.write(beside, text)
        os.rename(beside, self.path(register))

    def write_and_sync(self, register, text):
        """What is recorded as its end is that of the fsync; a close after that has nothing to do."""
        self._synced = os.open(self.path(register), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.write(self._synced, text)
        os.fsync(self._synced)
        os.close(self._synced)

    def remove(self, register):
        os.unlink(self.path(register))

    def rename(self, old, new):
        os.rename(self.path(old), self.path(new))

    rename_package = rename

    def make_package(self, package, module, number):
        self.do({package: 'dir'}, 'mkdir', os.mkdir, self.path(package))
        self.save(module, number)

    def remove_package(self, package, module):
        self.do({module: ABSENT}, 'unlink', self.remove, module)
        self.do({package: ABSENT}, 'rmdir', os.rmdir, self.path(package))


class SqlWriter(Writer):
    """Its transactions are made of text alone, so that psql can run them too."""

    def __init__(self, *args):
        super().__init__(*args)
        self.place = '.'
        if '://' in self.database:
            self.psql = subprocess.Popen(['psql', '-qAtX', '-v', 'ON_ERROR_STOP=1', self.database], text=True,
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            self.execute = self.execute_psql
        else:
            self.sqlite = sqlite3.connect(self.database, timeout=30, isolation_level=None)
            self.execute = self.execute_sqlite

    def execute_psql(self, *statements):
        self.psql.stdin.write('BEGIN;' + ';'.join(statements) + ';COMMIT;\n\\echo done\n')
        self.psql.stdin.flush()
        if self.psql.stdout.readline() != 'done\n':
            sys.exit(f'psql failed at {statements}')

    def execute_sqlite(self, *statements):
        for statement in ('BEGIN IMMEDIATE', *statements, 'COMMIT'):
            self.sqlite.execute(statement)

    @staticmethod
    def row(register):
        return register.removesuffix('.py').replace('/', '.')

    def upsert(self, register, number):
        return (f"INSERT INTO module(name, source) VALUES ('{self.row(register)}', '{content(number)}') "
                'ON CONFLICT(name) DO UPDATE SET source = excluded.source')

    def shared(self):
        """Now and then several modules in one transaction."""
        if self.random.random() < 0.3:
            numbers = {register: self.new_number() for register in self.random.sample(SHARED, 3)}
            self.do(numbers, 'sql-of-three', self.execute, *(self.upsert(*item) for item in numbers.items()))
        else:
            super().shared()

    def save(self, register, number):
        self.do({register: number}, 'sql', self.execute, self.upsert(register, number))

    def delete(self, register):
        return f"DELETE FROM module WHERE name = '{self.row(register)}'"

    def remove(self, register):
        self.execute(self.delete(register))

    def rename(self, old, new):
        self.execute(self.delete(new), f"UPDATE module SET name = '{self.row(new)}' WHERE name = '{self.row(old)}'")

    def rename_package(self, old, new):
        old, new = self.row(old), self.row(new)
        self.execute(f"UPDATE module SET name = '{new}' || substr(name, {len(old) + 1}) WHERE name LIKE '{old}.%'")

    def make_package(self, package, module, number):
        self.do({package: 'dir', module: number}, 'sql', self.execute, self.upsert(module, number))

    def remove_package(self, package, module):
        self.do({package: ABSENT, module: ABSENT}, 'sql', self.remove, module)


def main():
    kind = {'read': Reader, 'sql': SqlWriter}.get(sys.argv[3], MountWriter)
    kind(*sys.argv[1:]).run()


if __name__ == '__main__':
    main()
