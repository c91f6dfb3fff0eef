"""What the script of a case has at hand inside the host. Imported with ``from casekit import *``.

Modules are named as in the table: ``a.b``, ``a.__init__``; a name with a slash or a suffix is a path.
"""

import json
import os
import socket
import sys
from pathlib import Path
from textwrap import dedent as text

import pymodhost

__all__ = ['Path', 'bad', 'by_sql', 'collect', 'delete', 'eq', 'errors', 'finish', 'good', 'here', 'killmount', 'poll', 'pymodhost',
           'raises', 'remount', 'rename', 'runner', 'sys', 'text',
           'touch', 'write']

_channel = socket.socket(socket.AF_UNIX)
_channel.connect(os.environ['PYMODFS_CASE_CHANNEL'])
_owner = os.getpid()
_buffer = b''
here = runner = None


def _place(directory, name):
    """Sets the watched directory and the runner's name; called by the preamble, which then has them as globals."""
    global here, runner
    here, runner = Path(directory), name
    main = sys.modules['__main__'].__dict__
    main.update(here=here, runner=runner)


def _ask(do, **arguments):
    global _buffer
    _channel.sendall(json.dumps({'do': do, **arguments}).encode('ascii') + b'\n')
    while b'\n' not in _buffer:
        more = _channel.recv(65536)
        if not more:
            raise RuntimeError('the test is gone')
        _buffer += more
    line, _, _buffer = _buffer.partition(b'\n')
    reply = json.loads(line)
    if 'error' in reply:
        raise RuntimeError(f'{do} {arguments}: {reply["error"]}')


def _bytes(source):
    return source if isinstance(source, bytes) else text(source).encode()


def write(name, source=None, how=None):
    """Saves one module, or all of a mapping (in one transaction where the place has transactions)."""
    files = {name: source} if source is not None else name
    _ask('write', files={k: _bytes(v).decode('latin-1') for k, v in files.items()}, how=how)


def delete(*names):
    """Deletes modules, or paths."""
    _ask('delete', names=names)


def rename(old, new):
    """Renames a module, or a path."""
    _ask('rename', old=old, new=new)


def touch(name, ns=None):
    """Sets a file's times, to now or to `ns`."""
    _ask('touch', name=name, ns=ns)


def killmount():
    """Kills the daemon of the mount."""
    _ask('killmount')


def by_sql(files, deleted=()):
    """Changes rows without waiting for a mount to show it."""
    _ask('by_sql', files={k: _bytes(v).decode('latin-1') for k, v in files.items()}, deleted=deleted)


def remount():
    """Mounts again."""
    _ask('remount')


def errors(report):
    """The errors of a report as one text."""
    return '\n'.join(str(getattr(error, 'traceback', error)) for error in report.errors)


def poll():
    return pymodhost.poll()


def good(*reloaded):
    """One poll without errors, that ran what is named (nothing is said if nothing is named)."""
    report = pymodhost.poll()
    if report.errors:
        raise AssertionError('the poll reported:\n' + errors(report))
    if reloaded:
        eq(list(report.reloaded), list(reloaded))
    return report


def bad(*words):
    """One poll that must report errors, in which each of the words occurs; returns their text."""
    report = pymodhost.poll()
    if not report.errors:
        raise AssertionError(f'the poll reported no error; reloaded: {list(report.reloaded)}')
    found = errors(report)
    for word in words:
        if word not in found:
            raise AssertionError(f'{word!r} is not in the error:\n{found}')
    return found


def eq(found, expected):
    if not found == expected:
        raise AssertionError(f'found {found!r}, expected {expected!r}')


def raises(kind, function, *arguments):
    """Calls the function, which must raise, and returns the exception."""
    try:
        value = function(*arguments)
    except kind as error:
        return error
    raise AssertionError(f'no {kind} was raised, but {value!r} returned')


def collect():
    """Collects garbage until none is left."""
    import gc
    while gc.collect():
        pass


def finish():
    """The script came to its end; the exit status says the rest."""
    if os.getpid() == _owner:
        _channel.sendall(b'{"do": "finish"}\n')
