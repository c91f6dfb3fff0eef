"""Random system calls on a mount and the same on a local directory: each must end alike, and so must the trees.

What docs/limits.md says is different is not compared: what others see of a file that is open for writing, numbers of inodes,
times of directories. A sequence ends with a new mount of the same database, which must show the same tree.
"""

import ctypes
import errno
import mmap
import os
import shutil
import stat
import tempfile
from pathlib import Path

from tests.support import Database, Mount, wait_until
from tests.support.process import CommandFailed

from .sequence import Difference

DIRS = ['', 'd', 'd/e', 'p', 'p.q', 'd/e/é']
BASES = ['a.py', 'b.py', '__init__.py', 'c.txt', 'with space.py', 'é.py', 'x.y.py', 'data', 'sub', 'd', 'e', "q'uote.py", 'py.typed']
# In memory only; gone with the mount.
DROPPINGS = ['a.py~', '.a.py.swp', '#a.py#', 'b.py~', '4913', 'c.txt~']
TEMPORARY = ['a.py.AbCdEf', 'sedQwErTy', '.b.py.x1Y2z3']
HANDLES = 3
RENAME_NOREPLACE, RENAME_EXCHANGE = 1, 2
libc = ctypes.CDLL(None, use_errno=True)


# ---- making a sequence ----

def any_path(random):
    bases = BASES if random.random() < 0.8 else random.choice([DROPPINGS, TEMPORARY, ['n' * 252 + '.py', 'n' * 256]])
    directory, base = random.choice(DIRS), random.choice(bases)
    return f'{directory}/{base}' if directory else base


def any_dir(random):
    return random.choice([d for d in DIRS if d] + ['sub', 'd/sub', 'p/d'])


def any_text(random):
    """A piece, and how often."""
    return [random.choice(['x', 'V = 1\n', 'é', '\0']), random.choice([0, 1, 10, 100, 5000, 70000])]


def data_of(text):
    return text[0].encode() * text[1]


FLAGS = [os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, os.O_RDWR | os.O_CREAT,
         os.O_WRONLY | os.O_CREAT | os.O_EXCL, os.O_WRONLY | os.O_APPEND | os.O_CREAT, os.O_RDWR | os.O_TRUNC]


def any_operation(random):
    path, other, slot = any_path(random), any_path(random), random.randrange(HANDLES)
    if random.random() < 0.15:
        path, other = any_dir(random), any_dir(random)
    return random.choices([
        lambda: ['save', path, any_text(random)],
        lambda: ['open', slot, path, random.choice(FLAGS)],
        lambda: ['write', slot, random.choice([0, 3, 4096, 9000]), any_text(random)],
        lambda: ['append', slot, any_text(random)],
        lambda: ['read', slot, random.choice([0, 5, 4096])],
        lambda: ['ftruncate', slot, random.choice([0, 7, 5000])],
        lambda: ['fsync', slot],
        lambda: ['map', slot, any_text(random)],
        lambda: ['close', slot],
        lambda: ['truncate', path, random.choice([0, 3, 10000])],
        lambda: ['look', path],
        lambda: ['list', random.choice([any_dir(random), ''])],
        lambda: ['rename', path, other, random.choice([0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE])],
        lambda: ['unlink', path],
        lambda: ['mkdir', random.choice([path, any_dir(random)])],
        lambda: ['rmdir', any_dir(random)],
        lambda: ['symlink', random.choice(['a.py', '../a.py', 'd', 'nowhere']), path],
        lambda: ['chmod', path, random.choice([0o644, 0o600, 0o755, 0o444, 0o000])],
        lambda: ['utime', path, random.choice([0, 10 ** 18, 10 ** 18 + 123456789])],
        lambda: ['backup', f'{random.choice(["a", "b", "d/a"])}.py', any_text(random)],
        lambda: ['sql', random.choice(['a', 'b', 'with space']), any_text(random)],
        lambda: ['sql_delete', random.choice(['a', 'b', 'with space'])],
    ], [14, 12, 10, 5, 6, 4, 3, 3, 10, 3, 8, 3, 16, 8, 8, 4, 3, 4, 3, 3, 3, 1])[0]()


def generate(random):
    start = [['mkdir', d] for d in DIRS if d] + [['save', 'a.py', ['V = 1\n', 1]], ['save', 'd/a.py', ['V = 2\n', 1]]]
    return start + [any_operation(random) for _ in range(random.choice([20, 60, 150]))]


# ---- carrying it out ----

def rename(old, new, flags):
    if libc.renameat2(-100, os.fsencode(old), -100, os.fsencode(new), flags) < 0:
        raise OSError(ctypes.get_errno(), 'renameat2')


def attributes(path):
    found = os.lstat(path)
    link = os.readlink(path) if stat.S_ISLNK(found.st_mode) else None
    return [stat.S_IFMT(found.st_mode), found.st_mode & 0o7777 if link is None else None,
            found.st_size if stat.S_ISREG(found.st_mode) else None, link]


class Side:
    """One of the two directories: carries operations out and returns what came of each."""

    def __init__(self, top):
        self.top, self.handles = Path(top), {}

    def at(self, path):
        return f'{self.top}/{path}' if path else str(self.top)

    def do(self, name, *arguments):
        try:
            return getattr(self, name)(*arguments)
        except OSError as error:
            return errno.errorcode[error.errno]

    def save(self, path, text):
        fd = os.open(self.at(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            data = data_of(text)
            for start in range(0, len(data), 4096):
                os.write(fd, data[start:start + 4096])
        finally:
            os.close(fd)

    def backup(self, path, text):
        """As editors do it."""
        rename(self.at(path), self.at(f'{path}~'), 0)
        self.save(path, text)

    def open(self, slot, path, flags):
        if slot in self.handles:
            return 'in use'
        self.handles[slot] = os.open(self.at(path), flags, 0o644)

    def write(self, slot, at, text):
        return os.pwrite(self.handles[slot], data_of(text), at)

    def append(self, slot, text):
        os.lseek(self.handles[slot], 0, os.SEEK_END)
        return os.write(self.handles[slot], data_of(text))

    def read(self, slot, at):
        return [os.pread(self.handles[slot], 200000, at), os.fstat(self.handles[slot]).st_size]

    def ftruncate(self, slot, size):
        os.ftruncate(self.handles[slot], size)

    def fsync(self, slot):
        os.fsync(self.handles[slot])

    def map(self, slot, text):
        size = os.fstat(self.handles[slot]).st_size
        if not size:
            return None
        with mmap.mmap(self.handles[slot], size) as mapped:
            data = data_of(text)[:size]
            mapped[:len(data)] = data
            mapped.flush()

    def close(self, slot):
        os.close(self.handles.pop(slot))

    def truncate(self, path, size):
        os.truncate(self.at(path), size)

    def look(self, path):
        found = attributes(self.at(path))
        return found + [Path(self.at(path)).read_bytes() if stat.S_ISREG(found[0]) else None]

    def list(self, path):
        return sorted(os.listdir(self.at(path)))

    def rename(self, old, new, flags):
        rename(self.at(old), self.at(new), flags)

    def unlink(self, path):
        os.unlink(self.at(path))

    def mkdir(self, path):
        os.mkdir(self.at(path), 0o755)

    def rmdir(self, path):
        os.rmdir(self.at(path))

    def symlink(self, target, path):
        os.symlink(target, self.at(path))

    def chmod(self, path, mode):
        os.chmod(self.at(path), mode)

    def utime(self, path, ns):
        os.utime(self.at(path), ns=(ns, ns))
        found = os.stat(self.at(path))
        return [found.st_mtime_ns, found.st_atime_ns]

    def tree(self, skip=lambda name: False):
        found = {}
        for directory, names, files in os.walk(self.top):
            for name in names + files:
                path = os.path.join(directory, name)
                if not skip(name):
                    found[os.path.relpath(path, self.top)] = self.look(os.path.relpath(path, self.top))
            names[:] = [name for name in names if not skip(name)]
        return found

    def finish(self):
        for slot in list(self.handles):
            self.do('close', slot)


class Model:
    """The local side, and what it says about which answers can be compared."""

    def __init__(self, local):
        self.local = local
        self.writers, self.readers, self.behind = {}, {}, set()

    def inode(self, path):
        try:
            return os.stat(self.local.at(path)).st_ino
        except OSError:
            return None

    def being_written(self):
        return set(self.writers.values())

    def is_open(self, path):
        inode = self.inode(path)
        return inode is not None and (inode in self.being_written() or inode in self.readers.values())

    def anything_open(self):
        return bool(self.writers or self.readers)

    def opened(self, slot, flags):
        inode = os.fstat(self.local.handles[slot]).st_ino
        if flags & os.O_ACCMODE == os.O_RDONLY:
            self.readers[slot] = inode
            if inode in self.being_written():
                self.behind.add(slot)
        else:
            self.writers[slot] = inode
            self.changed(inode)

    def changed(self, inode):
        """Who reads it sees the old content on the mount, the new one here."""
        self.behind.update(slot for slot, other in self.readers.items() if other == inode)

    def closed(self, slot):
        for slots in (self.writers, self.readers):
            slots.pop(slot, None)
        self.behind.discard(slot)


def in_memory(path):
    return any(part in DROPPINGS + TEMPORARY for part in path.split('/'))


def below(top, path):
    return not top or path == top or path.startswith(top + '/')


class Run:
    """One sequence on both sides."""

    def __init__(self, directory):
        self.directory = Path(directory)
        (self.directory / 'local').mkdir()
        self.local = Side(self.directory / 'local')
        self.model = Model(self.local)
        self.database = Database.create(self.directory / 'modules.db')
        self.mount = Mount(self.database, self.directory / 'mnt').mount()
        self.side = Side(self.directory / 'mnt')

    def is_left_out(self, name, *arguments):
        """What is known to be otherwise (docs/limits.md), or has no meaning here."""
        if name == 'rename' and arguments[2] == RENAME_EXCHANGE:
            return self.model.anything_open() or self.holds_in_memory(arguments[0]) or self.holds_in_memory(arguments[1])
        # A directory that others' files are open in moves on both sides, but what is not saved yet has no row to move.
        if name == 'map':
            return arguments[0] not in self.model.writers
        if name in ('write', 'append', 'read', 'ftruncate', 'fsync', 'close'):
            return arguments[0] not in self.local.handles
        if name in ('sql', 'sql_delete'):
            path = f'{arguments[0]}.py'
            return self.model.anything_open() or self.model.inode(path) is None or \
                not stat.S_ISREG(os.lstat(self.local.at(path)).st_mode)
        if name in ('save', 'backup'):
            return self.model.is_open(arguments[0])
        if name == 'truncate':
            return self.model.is_open(arguments[0])
        return False

    def holds_in_memory(self, path):
        if in_memory(path):
            return True
        for _, names, files in os.walk(self.local.at(path)):
            if any(name in DROPPINGS + TEMPORARY for name in names + files):
                return True
        return False

    def sql(self, name, text):
        path = self.local.at(f'{name}.py')
        mode = os.stat(path).st_mode
        Path(path).write_bytes(data_of(text))
        os.chmod(path, mode)
        self.database.update(name, data_of(text).decode())
        self.wait_same(f'{name}.py')

    def sql_delete(self, name):
        os.unlink(self.local.at(f'{name}.py'))
        self.database.delete(name)
        self.wait_same(f'{name}.py')

    def wait_same(self, path):
        try:
            wait_until(lambda: self.side.do('look', path) == self.local.do('look', path), 5)
        except AssertionError:
            raise Difference(f'{path} does not become what SQL made it: {shown(self.side.do("look", path))}') from None

    def step(self, name, *arguments):
        if self.is_left_out(name, *arguments):
            return
        if name in ('sql', 'sql_delete'):
            getattr(self, name)(*arguments)
            return
        compared = self.is_compared(name, *arguments)
        expected = self.local.do(name, *arguments)
        found = self.side.do(name, *arguments)
        if name == 'list' and isinstance(expected, list) and isinstance(found, list):
            hidden = self.being_made(arguments[0])
            expected, found = [name for name in expected if name not in hidden], [name for name in found if name not in hidden]
        if isinstance(expected, str) != isinstance(found, str) or (compared and expected != found):
            raise Difference(f'{shown([name, *arguments])}: {shown(found)}, locally {shown(expected)}')
        if not isinstance(expected, str):
            self.note(name, *arguments)

    def is_compared(self, name, *arguments):
        """Whether both must say the same, not only both succeed or fail."""
        if name == 'look':
            return self.model.inode(arguments[0]) not in self.model.being_written()
        if name == 'read':
            return arguments[0] not in self.model.behind
        return True

    def being_made(self, directory):
        """The names of files that are open for writing: not listed before their first save."""
        writers, top = self.model.being_written(), self.local.at(directory)
        return {name for name in os.listdir(top) if self.model.inode(f'{directory}/{name}') in writers}

    def note(self, name, *arguments):
        if name == 'open':
            self.model.opened(arguments[0], arguments[2])
        elif name == 'close':
            self.model.closed(arguments[0])
        elif name in ('write', 'append', 'ftruncate', 'map') and arguments[0] in self.model.writers:
            self.model.changed(self.model.writers[arguments[0]])
        elif name in ('save', 'truncate'):
            self.model.changed(self.model.inode(arguments[0]))

    def compare(self, where, skip=lambda name: False):
        expected, found = self.local.tree(skip), self.side.tree(skip)
        for path in sorted(expected.keys() | found.keys()):
            if expected.get(path) != found.get(path):
                raise Difference(f'{where}: {path}: {shown(found.get(path))}, locally {shown(expected.get(path))}')

    def finish(self):
        for side in (self.local, self.side):
            side.finish()
        self.compare('at the end')
        try:
            self.mount.umount()
        except CommandFailed as failure:
            raise Difference(str(failure)) from None
        if problems := self.database.problems():
            raise Difference(f'the database is not sound: {problems}')
        self.mount.mount()
        self.compare('in a new mount', lambda name: name in DROPPINGS)
        self.mount.umount()

    def close(self):
        for side in (self.local, self.side):
            side.finish()
        self.mount.close()


def shown(value):
    text = repr(value)
    return text if len(text) < 200 else f'{text[:120]}...{text[-40:]}'


def run(operations):
    directory = Path(tempfile.mkdtemp(prefix='pymodfs-fuzz-')).resolve()
    try:
        this = Run(directory)
        try:
            for number, operation in enumerate(operations):
                try:
                    this.step(*operation)
                except Difference as difference:
                    raise Difference(f'step {number}: {difference}') from None
            this.finish()
        finally:
            this.close()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
