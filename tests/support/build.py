"""Where things are: the source tree, the build that is tested, the stock interpreter."""

import os
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
BUILD = TOP / os.environ.get('PYMODFS_BUILD', 'build')
PYMODFS = BUILD / 'fs' / 'pymodfs'
PYMODHOST = BUILD / 'embedhost' / 'pymodhost'
# The system's own interpreter, by its full name: another one may come first in PATH.
PYTHON = Path('/usr/bin/python3')
