"""Processes: each with a deadline, a clean environment and a legible failure."""

import atexit
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from .build import PYMODFS, PYTHON

# Under a sanitizer everything takes several times as long; a test asks for the time that it takes without.
PATIENCE = float(os.environ.get('PYMODFS_PATIENCE', '1'))
PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
_home = None


class CommandFailed(AssertionError):
    """A command ended otherwise than it should; says which, how, and what it printed."""

    def __init__(self, args, status, stdout, stderr):
        self.status, self.stdout, self.stderr = status, stdout, stderr
        words = ' '.join(str(a) for a in args)
        super().__init__(f'{words}: {_describe(status)}\n'
                         f'--- stdout\n{_shorten(stdout)}\n--- stderr\n{_shorten(stderr)}')


def _describe(status):
    if status is None:
        return 'did not end in time'
    if status < 0:
        return f'killed by {signal.Signals(-status).name}'
    return f'exit status {status}'


def _shorten(text, limit=8000):
    if isinstance(text, bytes):
        text = text.decode(errors='backslashreplace')
    text = text or ''
    return text if len(text) <= limit else f'{text[:limit // 2]}\n[...]\n{text[-limit // 2:]}'


def home():
    """A home directory for this test process alone: no caches or settings of the user's get in."""
    global _home
    if _home is None:
        _home = tempfile.mkdtemp(prefix='pymodfs-home-')
        atexit.register(shutil.rmtree, _home, ignore_errors=True)
    return _home


def environment(**more):
    """The environment that children get; None takes a variable away.

    Of the caller's only the sanitizers' settings, the place for temporary files and the mark by which tools/run-tests
    knows its processes get through.
    """
    env = {'PATH': PATH, 'HOME': home(), 'LANG': 'C.UTF-8', 'TERM': 'xterm'}
    env.update((k, v) for k, v in os.environ.items()
               if k.endswith('SAN_OPTIONS') or k in ('TMPDIR', 'PYMODFS_TEST_RUN'))
    env.update((k, str(v)) for k, v in more.items() if v is not None)
    for name in (k for k, v in more.items() if v is None):
        env.pop(name, None)
    return env


def preloaded(**more):
    """The environment for a stock interpreter that loads something that was built.

    If that was built with a sanitizer, the sanitizer's runtime must come first in the process.
    """
    return environment(LD_PRELOAD=os.environ.get('PYMODFS_PRELOAD') or None, **more)


def run(*args, timeout=60, check=True, text=True, env=None, input=None, cwd=None):
    """Runs a command to its end and returns its CompletedProcess; with `check`, a status other than 0 fails the test."""
    args = [str(a) for a in args]
    with subprocess.Popen(args, env=environment() if env is None else env, cwd=cwd, text=text,
                          errors='backslashreplace' if text else None, start_new_session=True,
                          stdin=subprocess.DEVNULL if input is None else subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            stdout, stderr = process.communicate(input, timeout * PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            stdout, stderr = process.communicate()
            raise CommandFailed(args, None, stdout, stderr) from None
    if check and process.returncode != 0:
        raise CommandFailed(args, process.returncode, stdout, stderr)
    return subprocess.CompletedProcess(args, process.returncode, stdout, stderr)


def pymodfs(*args, **options):
    """Runs the pymodfs that was built."""
    return run(PYMODFS, *args, **options)


def python(*args, path=None, env=None, **options):
    """Runs the stock interpreter, with nothing of this process's environment; `path` is its PYTHONPATH."""
    more = dict(env or {})
    if path is not None:
        more['PYTHONPATH'] = path
    return run(PYTHON, *args, env=environment(**more), **options)


def wait_until(condition, timeout=10, what='the condition'):
    """Calls `condition` until it returns something true, and returns that; fails after `timeout` seconds."""
    deadline, pause = time.monotonic() + timeout * PATIENCE, 0.001
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f'{what}: not so within {timeout} s')
        time.sleep(pause)
        pause = min(pause * 2, 0.05)
    return value


class Process:
    """A process in the background, in a session of its own, ended with the `with` block.

    Its output goes to a file, so that it never waits for a reader; `output` is what it has printed so far
    (standard output and standard error together).
    """

    def __init__(self, *args, env=None, cwd=None, stdin=subprocess.DEVNULL, grace=5):
        self.grace = grace
        self.args = [str(a) for a in args]
        self._log = tempfile.NamedTemporaryFile(prefix='pymodfs-log-')
        self._popen = subprocess.Popen(self.args, env=environment() if env is None else env, cwd=cwd,
                                       stdin=stdin, stdout=self._log, stderr=subprocess.STDOUT,
                                       start_new_session=True)
        self.pid = self._popen.pid
        self.stdin = self._popen.stdin

    @property
    def output(self):
        return Path(self._log.name).read_text(errors='backslashreplace')

    @property
    def status(self):
        """None while it runs, then its exit status, negative for a signal."""
        return self._popen.poll()

    def signal(self, number):
        self._popen.send_signal(number)

    def wait(self, timeout=30):
        """Waits for it to end by itself and returns its exit status."""
        try:
            return self._popen.wait(timeout * PATIENCE)
        except subprocess.TimeoutExpired:
            raise CommandFailed(self.args, None, self.output, '') from None

    def wait_output(self, text, timeout=30):
        """Waits until it has printed `text`."""
        def printed():
            if text in self.output:
                return True
            if self.status is not None and text not in self.output:
                raise CommandFailed(self.args, self.status, self.output, '')
            return False
        wait_until(printed, timeout, f'{text!r} in the output of {self.args[0]}')

    def kill(self):
        """kill -9, and waits until it is gone."""
        self._popen.kill()
        self._popen.wait()

    def close(self):
        """Ends it; gently first, with `grace` seconds to obey."""
        if self._popen.poll() is None:
            self._popen.terminate()
            try:
                self._popen.wait(self.grace * PATIENCE)
            except subprocess.TimeoutExpired:
                self.kill()
        if self.stdin:
            self.stdin.close()
        self._log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
