"""Mounts that come down again, whatever happens in the test."""

import contextlib
import os
import re
import signal
from pathlib import Path

from .build import PYMODFS
from .database import Database
from .process import CommandFailed, Process, environment, pymodfs, run, wait_until


def mounts_below(path, table='/proc/self/mountinfo'):
    """The mount points at or below `path`, from the kernel's table only: dead mounts as well."""
    top = os.path.abspath(path)
    with open(table, encoding='utf-8', errors='surrogateescape') as lines:
        points = [_unescape(line.split(' ')[4]) for line in lines]
    return [p for p in points if p == top or p.startswith(top + '/')]


def _unescape(field):
    """The table writes blanks, tabs, newlines and backslashes in octal."""
    return re.sub(r'\\([0-7]{3})', lambda match: chr(int(match[1], 8)), field)


def is_mounted(path):
    """Whether `path` is a mount point."""
    return os.path.abspath(path) in mounts_below(path)


def daemons_of(mountpoint):
    """The ids of the running daemons (their helper processes as well) of a mount point."""
    found = []
    for entry in Path('/proc').iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / 'cmdline').read_bytes().split(b'\0')
            program = os.readlink(entry / 'exe')
        except OSError:
            continue
        # mount(8) calls it under the name mount.fuse.pymodfs.
        mounts = b'mount' in words or words[0].endswith(b'mount.fuse.pymodfs')
        if program == str(PYMODFS.resolve()) and mounts and os.fsencode(mountpoint) in words:
            found.append(int(entry.name))
    return found


def take_down(mountpoint):
    """Unmounts what is mounted there, and ends its daemons; never fails and never waits for them."""
    # umount -f ends requests that nobody answers any more; only root may do it.
    for command in (['umount', '-f', '-l', '--', mountpoint], ['fusermount3', '-u', '-z', '--', mountpoint]):
        if is_mounted(mountpoint):
            run(*command, check=False)
    for pid in daemons_of(mountpoint):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


class Mount:
    """A mount of a database for the length of a `with` block.

        with Mount(database, directory) as mnt:
            (mnt.path / 'a.py').write_text('V = 1\\n')

    The daemon stays in the foreground (`-f`) so that its id, its messages (`log`) and its exit status are known: at the
    end it must have ended with status 0, which under a sanitizer also means without a report. With `background=True` it is
    started as a user does, and returns once it has gone to the background. `before` is a command that starts it.
    """

    def __init__(self, database, mountpoint, *options, background=False, env=None, before=()):
        self.database = database if isinstance(database, Database) else Database(database)
        self.path = Path(os.path.abspath(mountpoint))
        self.options, self.background = options, background
        self._env, self._before = env, before
        self._daemon = None
        self._said = ''

    def _command(self):
        options = ['-o', ','.join(self.options)] if self.options else []
        stay = [] if self.background else ['-f']
        return ['mount', *stay, *options, self.database.path, self.path]

    def mount(self):
        """Mounts; returns when the mount answers."""
        if not is_mounted(self.path):
            self.path.mkdir(exist_ok=True)
        env = environment(**(self._env or {}))
        if self.background:
            self._said = run(*self._before, PYMODFS, *self._command(), env=env).stderr
            return self
        self._daemon = Process(*self._before, PYMODFS, *self._command(), env=env)
        try:
            wait_until(self._answers, 20, f'a mount at {self.path}')
        except BaseException:
            self.close()
            raise
        return self

    def _answers(self):
        if self._daemon.status is not None:
            raise CommandFailed(self._daemon.args, self._daemon.status, '', self._daemon.output)
        if not is_mounted(self.path):
            return False
        try:
            # Of a dead mount that is being mounted over the kernel still knows the attributes; this asks the daemon.
            os.statvfs(self.path)
        except OSError:
            return False
        # What answered may have been the directory below: a dead mount is taken down before the new one is there.
        return is_mounted(self.path)

    @property
    def pid(self):
        """The daemon's process id."""
        return self._daemon.pid if self._daemon else min(daemons_of(self.path))

    @property
    def log(self):
        """What the daemon has printed so far; in the background: on standard error until it went there."""
        return self._daemon.output if self._daemon else self._said

    @property
    def control(self):
        return self.path / '.pymodfs'

    def generation(self):
        return int((self.control / 'generation').read_text())

    def umount(self):
        """`pymodfs umount`, then waits for the daemon's end, which must be a good one."""
        pymodfs('umount', self.path)
        daemon, self._daemon = self._daemon, None
        if daemon:
            with daemon:
                status = daemon.wait()
                if status != 0:
                    raise CommandFailed(daemon.args, status, '', daemon.output)
        else:
            wait_until(lambda: not daemons_of(self.path), 20, f'the end of the daemon of {self.path}')

    def wait(self):
        """Waits for the end of a daemon in the foreground and returns its status."""
        daemon, self._daemon = self._daemon, None
        with daemon:
            return daemon.wait()

    def kill(self, number=signal.SIGKILL):
        """Kills the daemon and leaves the dead mount behind, as a crash does. Returns its status if it was in the foreground."""
        if self._daemon:
            self._daemon.signal(number)
            return self.wait()
        for pid in daemons_of(self.path):
            os.kill(pid, number)
        wait_until(lambda: not daemons_of(self.path), 20, 'the end of the daemon')
        return None

    def close(self):
        """Takes down whatever is there; never fails and never waits for a daemon that hangs."""
        take_down(self.path)
        if self._daemon:
            self._daemon.close()
            self._daemon = None

    def __enter__(self):
        return self.mount()

    def __exit__(self, kind, *_):
        try:
            if kind is None and is_mounted(self.path):
                self.umount()
        finally:
            self.close()
