"""What `meson install` puts in place, below a directory of its own: what somebody outside of the source tree has."""

import os
import re
import shutil
import tempfile
from pathlib import Path

from .build import BUILD, PYMODFS, PYMODHOST
from .process import PATH, run


class Installed:
    """`environment` has the variables by which compilers, the loader and python3 find it, and PATH."""

    def __init__(self):
        self.root = Path(tempfile.mkdtemp(prefix='pymodfs-installed-')).resolve()
        run('meson', 'install', '-C', BUILD, '--no-rebuild', '--destdir', self.root)
        pc = next(self.root.rglob('pymodhost.pc'))
        # Below a DESTDIR the prefix is not where the file says; everything else in it is to be as it is.
        text = pc.read_text()
        prefix = re.match(r'prefix=(.*)\n', text)[1]
        pc.write_text(text.replace(f'prefix={prefix}\n', f'prefix={self.root}{prefix}\n', 1))
        self.environment = {
            'PATH': f'{PYMODFS.parent}:{PYMODHOST.parent}:{PATH}',
            'PKG_CONFIG_PATH': pc.parent,
            'LD_LIBRARY_PATH': next(self.root.rglob('libpymodhost.so')).parent,
            'PYTHONPATH': next(self.root.rglob('pymodhost.cpython-*.so')).parent,
        }
        if sanitize := os.environ.get('PYMODFS_SANITIZE_FLAGS'):
            self._sanitize(sanitize)

    def _sanitize(self, flags):
        """Programs that use a library with a sanitizer need it too."""
        for name in ('cc', 'c++'):
            self._wrap(name, f'exec /usr/bin/{name} {flags} "$@"')
        self._wrap('python3', f'LD_PRELOAD={os.environ.get("PYMODFS_PRELOAD", "")} exec /usr/bin/python3 "$@"')
        self.environment.update(CFLAGS=flags, CXXFLAGS=flags, PATH=f'{self.root}/wrapped:{self.environment["PATH"]}')

    def _wrap(self, name, command):
        file = self.root / 'wrapped' / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f'#!/bin/sh\n{command}\n')
        file.chmod(0o755)

    def remove(self):
        shutil.rmtree(self.root)
