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
        # Programs that are compiled against a library with a sanitizer need it too.
        if sanitize := os.environ.get('PYMODFS_SANITIZE_FLAGS'):
            self.environment.update(CFLAGS=sanitize, CXXFLAGS=sanitize)

    def remove(self):
        shutil.rmtree(self.root)
