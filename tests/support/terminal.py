"""A terminal driven by tmux: for editors and whatever else wants one."""

import shutil
import tempfile
from pathlib import Path

from .process import environment, run, wait_until


class Terminal:
    """A program in a terminal of its own, on a tmux server of its own.

        with Terminal('vim', path, cwd=mnt.path) as terminal:
            terminal.wait_screen('line 1')
            terminal.type('ccV = 2')
            terminal.keys('Escape')
            terminal.type(':wq')
            terminal.keys('Enter')
            terminal.wait_end()
    """

    def __init__(self, *command, cwd=None, env=None, width=100, height=30):
        self.command = [str(word) for word in command]
        self.cwd = Path(cwd or '/')
        self.env = environment(**(env or {}))
        self.width, self.height = width, height
        self._dir = tempfile.mkdtemp(prefix='pymodfs-tmux-')

    def _tmux(self, *args, **options):
        return run('tmux', '-S', f'{self._dir}/socket', '-f', '/dev/null', *args, env=self.env, **options)

    def __enter__(self):
        self._tmux('new-session', '-d', '-s', 'test', '-x', self.width, '-y', self.height, '-c', self.cwd,
                   '--', *self.command)
        return self

    def __exit__(self, *_):
        self._tmux('kill-server', check=False)
        shutil.rmtree(self._dir, ignore_errors=True)

    @property
    def pid(self):
        """The id of the program in the terminal."""
        return int(self._tmux('display-message', '-p', '-t', 'test', '#{pane_pid}').stdout)

    def type(self, text):
        """Types `text`, letter for letter."""
        self._tmux('send-keys', '-t', 'test', '-l', '--', text)

    def keys(self, *names):
        """Presses keys by their tmux names: Enter, Escape, C-x, M-x."""
        self._tmux('send-keys', '-t', 'test', *names)

    def screen(self):
        """What the terminal shows; empty once the program has ended."""
        return self._tmux('capture-pane', '-p', '-t', 'test', check=False).stdout

    def wait_screen(self, text, timeout=20):
        """Waits until `text` stands on the screen."""
        try:
            wait_until(lambda: text in self.screen(), timeout)
        except AssertionError:
            raise AssertionError(f'{self.command[0]}: no {text!r} on the screen:\n{self.screen()}') from None

    def ended(self):
        return self._tmux('has-session', '-t', 'test', check=False).returncode != 0

    def wait_end(self, timeout=20):
        """Waits until the program has ended."""
        try:
            wait_until(self.ended, timeout)
        except AssertionError:
            raise AssertionError(f'{self.command[0]} has not ended:\n{self.screen()}') from None
