"""Runs what a page for people shows: its files, its commands, and the output that it promises.

In a page of docs/

- a block after a line that ends with `` `NAME`: `` is the content of the file NAME;
- a block of `console` is typed into a shell: a line behind `$ ` is a command, lines behind `> ` go on with it, all other
  lines are what it prints, to ann in /home/ann. `...` in a line stands for anything, a line `...` for any number of lines; times are not
  compared, nor is the number of blanks, nor what matches the page's `<!-- varies: REGULAR EXPRESSION -->`. A command that prints
  nothing must succeed;
- a block of `console NAME` is another terminal of that name: a command may go on running there, and what it prints is waited
  for, line by line, in order. `^C` is that key. A block of it without a command goes on with what runs there;
- a block of `console NAME | shell` shows both side by side, the other terminal on the left of `│`;
- blocks of other languages, and blocks behind `<!-- not run -->`, are not run.
"""

import functools
import itertools
import operator
import os
import pty
import pwd
import re
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from .mount import mounts_below, take_down
from .process import PATIENCE, environment, wait_until

BLOCK = re.compile(r'^```([^\n`]*)\n(.*?)^```$', re.MULTILINE | re.DOTALL)
FILE = re.compile(r'`([^`\s]+)`:$')
NOT_RUN = '<!-- not run -->'
MORE_VARIES = re.compile(r'^<!-- varies: (.*) -->$', re.MULTILINE)
# How long another terminal may take to show a line.
LINE_SECONDS = 20
# What another program did shows in a mount a moment later, so these may look again.
LOOKS = ('cat ', 'ls ', 'find ')
# What is another one each time: dates with or without the time, times, durations.
VARIES = r'\b\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d+)?)?)?|\b\d\d:\d\d:\d\d\b|\b\d+(\.\d+)? ms\b'


class PageFailed(AssertionError):
    """What a page shows is not so; says where."""


class Block:
    def __init__(self, line, language, before, text):
        self.line, self.before, self.text = line, before, text
        self.language, _, self.terminal = language.strip().partition(' ')

    @property
    def file(self):
        found = FILE.search(self.before)
        return found[1] if found else None

    def rows(self):
        """The lines of both sides, where there are two: pairs of (is it on the right?, line), in the order of time."""
        for row in self.text.splitlines():
            for right, line in enumerate(row.split('│')):
                if line.strip():
                    yield bool(right), line.rstrip().removeprefix(' ') if right else line.rstrip()

    @staticmethod
    def steps(lines):
        """Pairs of a command (None at the beginning: more of what runs already) and the lines below it."""
        steps = [(None, [])]
        for line in lines:
            if line.startswith('$ '):
                steps.append((line[2:], []))
            elif line.startswith('> ') and steps[-1][0] is not None and not steps[-1][1]:
                steps[-1] = (f'{steps[-1][0]}\n{line[2:]}', [])
            else:
                steps[-1][1].append(line)
        return [step for step in steps if step != (None, [])]


def blocks(page):
    """The fenced blocks of a page, in order."""
    text = page.read_text()
    for found in BLOCK.finditer(text):
        above = text[:found.start()].rstrip('\n')
        before = above.rpartition('\n')[2]
        if before != NOT_RUN:
            yield Block(text.count('\n', 0, found.start()) + 1, found[1], before, found[2])


class Comparison:
    """What of two lines has to be the same."""

    def __init__(self, text, home):
        self._home = str(home)
        more = MORE_VARIES.search(text)
        self._varies = re.compile(f'{VARIES}|{more[1]}' if more else VARIES)
        self._user = pwd.getpwuid(os.geteuid()).pw_name

    def plain(self, line):
        """A line without what may differ."""
        line = re.sub(r'\x1b\[[0-9;?]*[a-zA-Z]', '', line)
        line = line.replace(self._home, '/home/ann').replace(f' {self._user}: ', ' ann: ')
        return ' '.join(self._varies.sub('*', line).split())

    def pattern(self, lines):
        """A regular expression for what lines of a page promise."""
        parts = []
        for line in lines:
            if line.strip() == '...':
                parts.append(r'(?:[^\n]*\n)*?')
            else:
                parts.append('[^\n]*'.join(re.escape(part) for part in self.plain(line).split('...')) + r'\n')
        return ''.join(parts)


class Shell:
    """The page's own shell: what a command printed is there when the next one is typed."""

    def __init__(self, env, cwd):
        self._output = tempfile.TemporaryFile()
        self._popen = subprocess.Popen(['/bin/bash', '--norc'], env=env, cwd=cwd, stdin=subprocess.PIPE,
                                       stdout=self._output, stderr=subprocess.STDOUT, start_new_session=True)
        self._count = self._read = 0

    def run(self, command):
        """Runs a command to its end; its exit status and what it printed."""
        self._count += 1
        end = f'--- end of command {self._count}:'.encode()
        self._popen.stdin.write(f'{command}\nprintf "\\n{end.decode()}%d\\n" $?\n'.encode())
        self._popen.stdin.flush()
        wait_until(lambda: end in self._tail() or self._popen.poll() is not None, 60, f'the end of {command!r}')
        text = self._tail()
        if end not in text:
            raise PageFailed(f'the shell ended at {command!r}:\n{text.decode(errors="replace")}')
        self._read += len(text)
        printed, _, status = text.partition(b'\n' + end)
        return int(status), printed.decode(errors='backslashreplace')

    def _tail(self):
        text = os.pread(self._output.fileno(), 1 << 22, self._read)
        # The status behind the mark must be there as well.
        return text if text.endswith(b'\n') else b''

    def close(self):
        end_group(self._popen)
        self._popen.stdin.close()
        self._output.close()


class OtherTerminal:
    """A terminal in which programs go on running."""

    def __init__(self, env, cwd, comparison):
        self._env, self._cwd, self._comparison = env, cwd, comparison
        self._popen, self._master, self._reader = None, -1, None
        self.shown, self._seen = '', 0

    def run(self, command):
        self.close()
        self._seen = len(self.shown)
        self._master, slave = pty.openpty()
        self._popen = subprocess.Popen(['/bin/bash', '-c', command], env=self._env, cwd=self._cwd, stdin=slave, stdout=slave,
                                       stderr=slave, start_new_session=True,
                                       preexec_fn=lambda: os.close(os.open(os.ttyname(0), os.O_RDWR)))
        os.close(slave)
        self._reader = threading.Thread(target=self._collect, args=(self._master,))
        self._reader.start()

    def _collect(self, master):
        rest = b''
        while True:
            try:
                data = os.read(master, 65536)
            except OSError:
                return
            lines = (rest + data).replace(b'\r\n', b'\n').rpartition(b'\n')
            rest = lines[2]
            self.shown += ''.join(self._comparison.plain(line) + '\n' for line in lines[0].decode(errors='replace').splitlines())

    def wait_line(self, line):
        """Waits for a line below those that were waited for already."""
        pattern = re.compile('^' + self._comparison.pattern([line]), re.MULTILINE)
        try:
            found = wait_until(lambda: pattern.search(self.shown, self._seen), LINE_SECONDS)
        except AssertionError:
            raise PageFailed(f'no line like {line!r} in the other terminal; it showed\n{self.shown}') from None
        self._seen = found.end()

    def interrupt(self):
        os.write(self._master, b'\x03')
        self._popen.wait(20 * PATIENCE)

    def close(self):
        if self._popen:
            end_group(self._popen)
            self._reader.join()
            os.close(self._master)
            self._popen = None


def end_group(popen):
    """Ends a process and whatever it began that is still in its group."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(popen.pid, number)
        except ProcessLookupError:
            break
        deadline = time.monotonic() + 5 * PATIENCE
        while popen.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
    popen.wait()


class Reader:
    """Somebody who reads a page and types what it says, in `cwd`."""

    def __init__(self, page, cwd, **env):
        self.page, self.cwd = Path(page), Path(cwd)
        self._env = environment(HOME=cwd, **env)
        self._comparison = Comparison(self.page.read_text(), cwd)
        self._shell = Shell(self._env, cwd)
        self._others = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for terminal in self._others.values():
            terminal.close()
        self._shell.close()
        # A page need not say how to clear up.
        for point in mounts_below(self.cwd):
            take_down(point)

    def follow(self):
        """Does all that the page says; returns how many commands that were."""
        typed = 0
        for block in blocks(self.page):
            try:
                typed += self._follow(block)
            except AssertionError as error:
                raise PageFailed(f'{self.page.name}, block at line {block.line}: {error}') from None
        return typed

    def _follow(self, block):
        if block.language != 'console':
            if block.file:
                path = self.cwd / block.file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block.text)
            return 0
        name, both, _ = block.terminal.partition(' | ')
        if both:
            parts = itertools.groupby(block.rows(), operator.itemgetter(0))
            return sum(self._type('' if right else name, [line for _, line in lines]) for right, lines in parts)
        return self._type(name, block.text.splitlines())

    def _type(self, name, lines):
        do = functools.partial(self._do_elsewhere, name) if name else self._do
        return sum(do(command, printed) for command, printed in Block.steps(lines))

    def _do(self, command, lines):
        if command is None:
            raise PageFailed('output without a command')
        expected = re.compile(self._comparison.pattern('\n'.join(lines).rstrip().splitlines()))

        def is_so():
            nonlocal status, printed
            status, printed = self._shell.run(command)
            shown = ''.join(self._comparison.plain(line) + '\n' for line in printed.rstrip('\n').splitlines())
            return expected.fullmatch(shown) and (status == 0 or lines)

        status, printed = None, ''
        try:
            wait_until(is_so, 5 if command.startswith(LOOKS) else 0)
        except AssertionError:
            raise PageFailed(f'$ {command}\nends with {status} and prints\n{printed}\nand not\n' + '\n'.join(lines)) from None
        return 1

    def _do_elsewhere(self, name, command, lines):
        if name not in self._others:
            self._others[name] = OtherTerminal(self._env, self.cwd, self._comparison)
        terminal = self._others[name]
        if command is not None:
            terminal.run(command)
        for line in lines:
            if line == '^C':
                terminal.interrupt()
            elif line.strip() != '...':
                terminal.wait_line(line)
        return int(command is not None)
