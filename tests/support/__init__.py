"""What the tests build on: the built programs, processes with deadlines, databases, mounts, terminals.

A test file needs only ``from tests.support import ...``. Everything that is made here is undone here, whatever
happens in the test: directories are removed, mounts are taken down, processes are ended by their id.
"""

from .build import BUILD, PYMODFS, PYMODHOST, PYTHON, TOP
from .case import TestCase, files_of
from .database import Database
from .installed import Installed
from .mount import Mount, daemons_of, is_mounted
from .page import Reader
from .process import PATIENCE, CommandFailed, Process, environment, preloaded, pymodfs, python, run, wait_until
from .terminal import Terminal

__all__ = [
    'BUILD', 'PATIENCE', 'PYMODFS', 'PYMODHOST', 'PYTHON', 'TOP',
    'CommandFailed', 'Database', 'Installed', 'Mount', 'Process', 'Reader', 'Terminal', 'TestCase',
    'daemons_of', 'environment', 'files_of', 'is_mounted', 'preloaded', 'pymodfs', 'python', 'run', 'wait_until',
]
