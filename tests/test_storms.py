"""Names that others replace, and attributes that others change, at that very moment.

Every call does what it would do on a local file, and none answers ESTALE: each worker is a process of its own that makes one kind of
call again and again until the renamers are done. PYMODFS_STORM says how many renames each of them makes (default 150). And nobody is left
with attributes from before a change because he looked just then.
"""

import collections
import contextlib
import json
import os
import stat
import unittest

from tests.support import PYTHON, Process, TestCase, wait_until

RENAMES = int(os.environ.get('PYMODFS_STORM', '150'))

WORKER = r'''
import collections, errno, json, os, pathlib, sys, time

top, name, kind, index, renames = pathlib.Path(sys.argv[1]), *sys.argv[2:5], int(sys.argv[5])
target, done, found = str(top / name), str(top.parent / 'done'), collections.Counter()
text = ('V = %r\n' % kind).encode()


def save(path, flags):
    fd = os.open(path, flags, 0o644)
    try:
        os.write(fd, text)
    finally:
        os.close(fd)


def read():
    fd = os.open(target, os.O_RDONLY)
    try:
        os.fstat(fd)
        return os.read(fd, 4096)
    finally:
        os.close(fd)


def read_whole():
    if not read().startswith(b'V = '):
        found['torn'] += 1


def replace(suffix):
    other = str(top / (suffix % index))
    save(other, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.rename(other, target)


def link(i):
    other = str(top / ('link_%s' % index))
    os.symlink('to%d' % i, other)
    os.rename(other, target)


def remove():
    os.unlink(target)


def away_and_back():
    other = str(top / ('away_%s_%s' % (index, name)))
    os.rename(target, other)
    os.rename(other, target)


calls = {
    'replace_module': lambda i: replace('new_%s.py'),
    'replace_dropping': lambda i: replace('.x.py.sw%s'),
    'replace_temporary': lambda i: replace('x.py.tmpab%s'),
    'replace_file': lambda i: replace('new_%s.bin'),
    'link': link,
    'remove': lambda i: (save(target, os.O_WRONLY | os.O_CREAT), remove()),
    'away': lambda i: (save(target, os.O_WRONLY | os.O_CREAT), away_and_back()),
    'write': lambda i: save(target, os.O_WRONLY | os.O_TRUNC),
    'overwrite': lambda i: save(target, os.O_RDWR),
    'create': lambda i: save(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
    'truncate': lambda i: os.truncate(target, 8),
    'read': lambda i: read(),
    'read_whole': lambda i: read_whole(),
    'stat': lambda i: (os.stat(target), os.access(target, os.W_OK)),
    'chmod': lambda i: os.chmod(target, 0o640 + i % 2 * 4),
    'utime': lambda i: os.utime(target, (i, i)),
    'readlink': lambda i: os.readlink(target),
}
ends = kind.startswith('replace') or kind in ('link', 'remove', 'away')
i = 0
while i < renames if ends else not os.path.exists(done):
    i += 1
    try:
        calls[kind](i)
        found['ok'] += 1
    except OSError as error:
        found[errno.errorcode[error.errno]] += 1
print(json.dumps(found))
'''


# Looks at each file just when somebody else is about to change it: the number of that file is in the first bytes of a shared file.
LOOKER = r'''
import mmap, os, random, sys

path, names = sys.argv[1], sys.argv[3:]
with open(sys.argv[2], 'r+b') as file, mmap.mmap(file.fileno(), 8) as shared:
    for number, name in enumerate(names, 1):
        while int.from_bytes(shared[:4], 'little') < number:
            pass
        for _ in range(random.randrange(3000)):
            pass
        os.stat(os.path.join(path, name))
'''


class StormTest(TestCase):
    def setUp(self):
        super().setUp()
        self.mnt = self.mount()

    def storm(self, name, renamers, others):
        """What all calls gave, by kind: {'read': {'ok': 900}, ...}."""
        def start(kind, index):
            return kind, self.process(Process(PYTHON, '-c', WORKER, self.mnt.path, name, kind, index, RENAMES))

        def collect(workers):
            for kind, process in workers:
                self.assertEqual(process.wait(120), 0, process.output)
                found[kind] += collections.Counter(json.loads(process.output))

        found = collections.defaultdict(collections.Counter)
        path = self.mnt.path / name
        if 'link' in renamers:
            path.symlink_to('to0')
        else:
            path.write_text('V = 0\n')
        callers = [start(kind, index) for index, kind in enumerate(others)]
        collect([start(kind, index) for index, kind in enumerate(renamers)])
        (self.dir / 'done').touch()
        collect(callers)
        return {kind: dict(counts) for kind, counts in found.items()}

    def assert_calls_give(self, found, allowed):
        """Every kind of call has succeeded, and given no error but those allowed."""
        wrong = {kind: counts for kind, counts in found.items() if set(counts) - {'ok'} - set(allowed)}
        self.assertEqual(wrong, {}, found)
        self.assertEqual([kind for kind, counts in found.items() if not counts.get('ok')], [], found)

    def test_two_writers_of_a_module_that_two_others_replace_never_fail(self):
        found = self.storm('x.py', ['replace_module', 'replace_dropping'], ['write', 'overwrite'])
        self.assert_calls_give(found, [])

    def test_two_writers_of_a_plain_file_that_two_others_replace_never_fail(self):
        found = self.storm('x.bin', ['replace_file', 'replace_temporary'], ['write', 'overwrite'])
        self.assert_calls_give(found, [])

    def test_whatever_is_done_with_a_module_that_others_replace_succeeds(self):
        found = self.storm('x.py', ['replace_module', 'replace_temporary'],
                           ['create', 'read_whole', 'stat', 'chmod', 'utime'])
        self.assert_calls_give(found, [])

    def test_whatever_is_done_with_a_plain_file_that_others_replace_succeeds(self):
        found = self.storm('x.bin', ['replace_file', 'replace_temporary'],
                           ['create', 'read_whole', 'stat', 'chmod', 'utime'])
        self.assert_calls_give(found, [])

    def test_a_file_that_others_replace_can_always_be_truncated(self):
        for name in ('x.py', 'x.bin'):
            with self.subTest(name=name):
                (self.dir / 'done').unlink(missing_ok=True)
                found = self.storm(name, ['replace_file', 'replace_module'], ['truncate', 'truncate', 'read'])
                self.assert_calls_give(found, [])

    def test_a_symbolic_link_that_others_replace_can_always_be_read(self):
        found = self.storm('l', ['link', 'link'], ['readlink', 'readlink'])
        self.assert_calls_give(found, [])

    def test_of_a_file_that_others_remove_and_move_away_nothing_worse_is_said_than_that_it_is_not_there(self):
        for name in ('x.py', 'x.bin'):
            with self.subTest(name=name):
                (self.dir / 'done').unlink(missing_ok=True)
                found = self.storm(name, ['remove', 'away'], ['write', 'overwrite', 'truncate', 'read', 'stat', 'chmod'])
                self.assert_calls_give(found, ['ENOENT'])


class AttributeStormTest(TestCase):
    """Of what the kernel doesn't know yet: its first look-up comes while another mount, or SQL, changes it."""

    def look_while(self, change, mnt, names):
        shared = self.dir / 'shared'
        shared.write_bytes(bytes(8))
        with Process(PYTHON, '-c', LOOKER, mnt.path, shared, *names) as looker, open(shared, 'r+b', 0) as file:
            for number, name in enumerate(names, 1):
                os.pwrite(file.fileno(), number.to_bytes(4, 'little'), 0)
                change(name)
            self.assertEqual(looker.wait(60), 0, looker.output)

    def assert_soon_none(self, wrong):
        with contextlib.suppress(AssertionError):
            wait_until(lambda: not wrong())
        self.assertEqual(wrong(), [])

    def test_a_first_look_keeps_no_mode_from_before_a_chmod_in_another_mount(self):
        names = [f'm{i}.py' for i in range(2 * RENAMES)]
        mnt = self.mount({name[:-3]: '' for name in names})
        other = self.mount(database=mnt.database, mountpoint='other')
        self.look_while(lambda name: os.chmod(other.path / name, 0o600), mnt, names)

        def wrong():
            return [name for name in names if stat.S_IMODE((mnt.path / name).stat().st_mode) != 0o600]
        self.assert_soon_none(wrong)

    def test_a_first_look_keeps_no_time_of_a_directory_from_before_a_new_entry(self):
        names = [f'd{i}' for i in range(2 * RENAMES)]
        mnt = self.mount({f'{name}.old': '' for name in names})
        self.look_while(lambda name: mnt.database.put({f'{name}.new': ''}), mnt, names)

        def wrong():
            times = dict(mnt.database.execute("SELECT path, mtime FROM pymodfs_node WHERE kind = 'd'"))
            return [name for name in names if (mnt.path / name).stat().st_mtime_ns != times[name]]
        self.assert_soon_none(wrong)


if __name__ == '__main__':
    unittest.main()
