"""A mount namespace of a test's own: what it finds in /usr/sbin, /etc and /dev is the test's affair."""

import subprocess
from pathlib import Path

from .build import PYMODFS
from .process import environment, run

# The name by which mount(8) finds a file system's program; where it looks is compiled into it.
_SETUP = r'''
set -eu
mount --make-rprivate /
umount --all --lazy --types fuse.pymodfs || :
mount -t tmpfs none "$1"
mkdir "$1/sbin" "$1/work" "$1/dev"
ln -s "$2" "$1/sbin/mount.fuse.pymodfs"
mount -t overlay none -o "lowerdir=/usr/sbin,upperdir=$1/sbin,workdir=$1/work" /usr/sbin
for device in null zero full random urandom; do
	touch "$1/dev/$device"
	mount --bind "/dev/$device" "$1/dev/$device"
done
mknod -m 666 "$1/dev/fuse" c 10 229
mkdir -p /run/mount
mount -t tmpfs none /run/mount
touch "$1/dev/log"
ln -s /proc/self/fd "$1/dev/fd"
mount --rbind "$1/dev" /dev
echo ready
exec cat
'''


class Namespace:
    """Commands and mounts in it are seen by nobody else. `place` is an empty directory for what it needs.

    The program of the build is there under the name of mount(8)'s helper, and /dev holds little more than
    a /dev/fuse that everybody may use, as Debian has it. The mounts of other tests are taken out of it: else they would live on in it
    after their `umount`, and their daemons too.
    """

    def __init__(self, place):
        self.place = Path(place)
        self._keeper = None

    def __enter__(self):
        self.place.mkdir(exist_ok=True)
        self._keeper = subprocess.Popen(['unshare', '--mount', 'sh', '-c', _SETUP, 'sh', self.place, PYMODFS],
                                        env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self._keeper.stdout.readline() != 'ready\n':
            self.__exit__()
            raise AssertionError('no mount namespace')
        return self

    def __exit__(self, *_):
        self._keeper.kill()
        self._keeper.wait()
        self._keeper.stdin.close()
        self._keeper.stdout.close()

    def command(self, *words):
        """The command that runs these words inside."""
        return ['nsenter', f'--target={self._keeper.pid}', '--mount', '--', *words]

    def run(self, *words, **options):
        return run(*self.command(*words), **options)
