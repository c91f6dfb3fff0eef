"""After `kill -9` of anybody at any moment the database is sound, what was acknowledged is there, and a mount works.

And however a mount ends while everybody works in it, nobody hangs and nothing is left behind. PYMODFS_ENDS says how many
times it is ended, by turns in each of the ways (default: once in each; under a sanitizer in three of them).
"""

import os
import re
import signal
import time
import unittest

from tests.support import (PATIENCE, PYMODFS, PYMODHOST, PYTHON, Mount, Process, Terminal, TestCase, daemons_of, files_of, is_mounted, pymodfs,
                           run, wait_until)

WAYS = ('SIGTERM', 'pymodfs umount', 'SIGKILL', 'fusermount3 -u', 'SIGINT', 'fusermount3 -uz', 'SIGSTOP and SIGKILL',
        'fusermount3 -uz and SIGKILL')
ENDS = int(os.environ.get('PYMODFS_ENDS', len(WAYS) if PATIENCE == 1 else 3))

# Saves its modules one after the other, in the way that argv names, and prints each save once it has returned. Its working directory
# is the mount, so that it doesn't go on in the directory below when the mount goes between two calls.
SAVE_FOR_EVER = """
import os, sys
top, way, name = sys.argv[1:4]
os.chdir(top)
for number in range(1, 1000000):
    path = f'{name}{number % 5}.py'
    text = f'V = {number}\\n' + '# filler\\n' * 2000
    target = f'{path}.tmp' if way == 'rename' else path
    with open(target, 'w') as file:
        for start in range(0, len(text), 4096):
            file.write(text[start:start + 4096])
            file.flush()
        if way == 'fsync':
            os.fsync(file.fileno())
    if way == 'rename':
        os.rename(target, path)
    print(f'saved {name}{number % 5} {number}', flush=True)
"""

# Changes a module by SQL all the time, so that the publisher has something to tell the kernel; leaves the lock to others in between.
UPDATE_FOR_EVER = """
import itertools, sqlite3, sys, time
database = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
for number in itertools.count():
    database.execute('UPDATE module SET source = ? WHERE name = ?', (f'V = {number}\\n', 'still'))
    time.sleep(0.01)
"""

# Makes, looks up and removes names, so that the kernel holds the directory's lock most of the time.
LIST_FOR_EVER = """
import os, sys
os.chdir(sys.argv[1])
while True:
    os.close(os.open('made', os.O_CREAT | os.O_WRONLY))
    os.stat('still.py')
    os.listdir('.')
    os.unlink('made')
"""

# Four readers, of whatever is there. They name it in full, so that they don't keep the mount from being taken down for long; what they meet
# after its end doesn't matter, but that each call returns.
READ_FOR_EVER = """
import errno, os, sys, threading, time
top = sys.argv[1]
def read_all():
    while True:
        try:
            for name in os.listdir(top):
                with open(os.path.join(top, name), 'rb') as file:
                    file.read()
        except OSError as error:
            time.sleep(0.001)
            if error.errno not in (errno.ENOENT, errno.ENOTCONN, errno.ECONNABORTED):
                print(error, flush=True)
for _ in range(4):
    threading.Thread(target=read_all).start()
print('reading', flush=True)
"""

# Waits at the feed, as a host does.
FOLLOW_FOR_EVER = """
import os, select, sys
feed = os.open(os.path.join(sys.argv[1], '.pymodfs/feed'), os.O_RDONLY)
poll = select.poll()
poll.register(feed, select.POLLIN)
print('following', flush=True)
while True:
    poll.poll()
    os.read(feed, 65536)
"""

HOLD_MODULE = """
import time, pymodhost, rules
print('ready', flush=True)
while True:
    pymodhost.poll()
    time.sleep(0.01)
"""


def number_in(source):
    """The number of the save that a source is of; fails for one that is not whole."""
    match = re.fullmatch(rb'V = (\d+)\n(?:# filler\n){2000}', source)
    if not match:
        raise AssertionError(f'not a whole save: {source[:60]!r}... of {len(source)} bytes')
    return int(match[1])


def acknowledged(output):
    """The last acknowledged save of each module, from what a writer printed."""
    return {name: int(number) for name, number in re.findall(r'saved (\w+) (\d+)\n', output)}


class WriterTest(TestCase):
    def writer(self, mnt, way, name):
        return self.process(Process(PYTHON, '-c', SAVE_FOR_EVER, mnt.path, way, name))

    def check(self, mnt, writers):
        """The database is sound; every acknowledged save of the writers is in it, or a later one, whole."""
        self.assertEqual(mnt.database.problems(), [])
        rows = mnt.database.rows()
        for writer in writers:
            saves = acknowledged(writer.output)
            self.assertGreater(len(saves), 0)
            for module, number in saves.items():
                self.assertGreaterEqual(number_in(rows[module]), number, module)


class EndTest(WriterTest):
    def start_load(self):
        """Everybody is at work: four readers, two writers, watchers, who holds the directory's lock, and who changes it by SQL."""
        top = self.mnt.path
        self.writers = [self.writer(self.mnt, way, f'{way}_') for way in ('close', 'rename')]
        self.maker = self.process(Process(PYTHON, '-c', LIST_FOR_EVER, top))
        self.reader = self.process(Process(PYTHON, '-c', READ_FOR_EVER, top))
        self.watchers = [self.process(Process(PYTHON, '-c', FOLLOW_FOR_EVER, top)),
                         self.process(Process('inotifywait', '-q', '-m', top))]
        self.updater = self.process(Process(PYTHON, '-c', UPDATE_FOR_EVER, self.mnt.database.path))
        self.reader.wait_output('reading')
        self.watchers[0].wait_output('following')
        for writer in self.writers:
            writer.wait_output(' 8\n')

    def stop(self, *processes):
        """Kills them and sees them gone: nobody hangs in a call."""
        for process in processes:
            process.signal(signal.SIGKILL)
        for process in processes:
            process.wait()

    def unmount(self, *command):
        """A mount that is in use is not taken down; when those who have a file or their working directory there are dead, it is."""
        def is_down():
            return run(*command, self.mnt.path, check=False).returncode == 0
        self.assertFalse(is_down())
        self.assertTrue(is_mounted(self.mnt.path))
        self.stop(*self.writers, self.maker, *self.watchers)
        if not is_down():
            self.stop(self.reader)
            wait_until(is_down, 20, 'the end of the mount')
        self.assertEqual(self.mnt.wait(), 0)

    def end_lazily(self):
        """Its place is free at once. Who works there goes on until he is done, also beside the next mount; then the daemon ends."""
        run('fusermount3', '-u', '-z', self.mnt.path)
        self.assertEqual(os.listdir(self.mnt.path), [])
        with Mount(self.mnt.database, self.mnt.path):
            for writer in self.writers:
                last = max(acknowledged(writer.output).values())
                writer.wait_output(f' {last + 5}\n')
            self.stop(*self.writers, self.maker, *self.watchers)
            self.assertEqual(self.mnt.wait(), 0)
            self.check(self.mnt, self.writers)
            self.stop(self.reader, self.updater)

    def end(self, way):
        if way in ('SIGTERM', 'SIGINT'):
            self.assertEqual(self.mnt.kill(signal.Signals[way]), 0)
        elif way == 'SIGKILL':
            self.mnt.kill()
        elif way == 'SIGSTOP and SIGKILL':
            os.kill(self.mnt.pid, signal.SIGSTOP)
            time.sleep(0.1)  # everybody waits for an answer
            self.mnt.kill()
        elif way == 'fusermount3 -uz':
            self.end_lazily()
        elif way == 'fusermount3 -uz and SIGKILL':
            run('fusermount3', '-u', '-z', self.mnt.path)
            self.mnt.kill()
        else:
            self.unmount(*([PYMODFS, 'umount'] if way == 'pymodfs umount' else way.split()))

    def check_end(self):
        """Everybody who used the mount is gone, as are the daemon's processes; what was saved is there, and is served again."""
        for process in [*self.writers, self.maker]:
            self.assertNotEqual(process.wait(), 0)
        self.stop(self.reader, *self.watchers, self.updater)
        self.assertEqual(self.reader.output, 'reading\n')
        wait_until(lambda: not daemons_of(self.mnt.path), 20, 'the end of all of its processes')
        self.check(self.mnt, self.writers)
        self.mnt.mount()
        (self.mnt.path / 'still.py').write_text('V = "after"\n')
        self.assertEqual(self.mnt.database.read('still'), b'V = "after"\n')
        self.mnt.umount()

    def test_however_a_mount_ends_while_everybody_works_nobody_hangs_and_every_save_is_kept(self):
        for number in range(ENDS):
            way = WAYS[number % len(WAYS)]
            with self.subTest(number=number, way=way):
                self.mnt = self.mount(database=self.database({'still': 'V = 1\n'}, f'{number}.db'), mountpoint=f'mnt{number}')
                self.start_load()
                self.end(way)
                self.check_end()
                self.mnt.database.path.unlink()


class CrashTest(WriterTest):
    def test_killing_the_daemon_loses_no_save_that_had_returned(self):
        mnt = self.mount({'still': 'V = 1\n'})
        for round_ in range(2):
            with self.subTest(round=round_):
                writers = [self.writer(mnt, way, f'{way}_{round_}_') for way in ('close', 'fsync', 'rename')]
                for writer in writers:
                    writer.wait_output(f' {10 + round_ * 7}\n')
                mnt.kill()
                for writer in writers:
                    self.assertNotEqual(writer.wait(), 0)
                self.check(mnt, writers)
                mnt.mount()
                # A file that was about to be renamed is no module, and may have been closed when the daemon died.
                files = {path: source for path, source in files_of(mnt.path).items() if not path.endswith('.tmp')}
                rows = mnt.database.rows()
                self.assertEqual(files, {f'{name}.py': source for name, source in rows.items()})

    def test_a_dead_mount_is_mounted_over_at_once_by_the_same_command(self):
        mnt = self.mount({'a': 'V = 1\n'}, background=True)
        mnt.kill()
        with self.assertRaises(OSError):
            os.listdir(mnt.path)
        mnt.mount()
        self.assertEqual(files_of(mnt.path), {'a.py': b'V = 1\n'})

    def test_a_dead_mount_can_be_unmounted(self):
        mnt = self.mount({'a': 'V = 1\n'})
        mnt.kill()
        (self.dir / 'link').symlink_to('mnt')
        pymodfs('umount', self.dir / 'link')
        self.assertEqual(os.listdir(mnt.path), [])

    def test_killing_the_host_leaves_mount_and_database_as_they_are(self):
        mnt = self.mount({'rules': 'V = 1\n'})
        script = self.dir / 'hold.py'
        script.write_text(HOLD_MODULE)
        host = self.process(Process(PYMODHOST, '--path', mnt.path, script))
        writer = self.writer(mnt, 'close', 'other')
        host.wait_output('ready')
        writer.wait_output(' 20\n')
        host.kill()
        before = max(acknowledged(writer.output).values())
        writer.wait_output(f' {before + 20}\n')
        writer.kill()
        self.check(mnt, [writer])
        again = self.process(Process(PYMODHOST, '--path', mnt.path, script))
        again.wait_output('ready')

    def test_killing_a_program_in_the_middle_of_saves_harms_no_other_save(self):
        mnt = self.mount({'still': 'V = 1\n'})
        for way in ('close', 'fsync', 'rename'):
            with self.subTest(way):
                writers = [self.writer(mnt, way, f'{way}_killed'), self.writer(mnt, way, f'{way}_other')]
                for writer in writers:
                    writer.wait_output(' 25\n')
                writers[0].kill()
                writers[1].wait_output(' 50\n')
                writers[1].signal(signal.SIGSTOP)
                self.check(mnt, writers[1:])
                writers[1].kill()
                self.assertEqual(mnt.database.read('still'), b'V = 1\n')
                (mnt.path / f'{way}_killed1.py').write_text('V = "again"\n')
                self.assertEqual(mnt.database.read(f'{way}_killed1'), b'V = "again"\n')

    def test_killing_vim_in_the_middle_of_saves_keeps_what_it_had_saved(self):
        mnt = self.mount({'a': 'V = 0\n'})
        loop = ("for i in range(1, 100000) | call setline(1, 'V = ' . i) | silent write! | "
                f"call writefile([i], '{self.dir}/saved', 'a') | endfor")
        with Terminal('vim', '-n', '-c', loop, 'a.py', cwd=mnt.path) as terminal:
            saved = self.dir / 'saved'
            wait_until(lambda: saved.exists() and saved.read_text().count('\n') > 30, 30, 'saves by vim')
            os.kill(terminal.pid, signal.SIGKILL)
            terminal.wait_end()
        last = int(saved.read_text().split()[-1])
        now = mnt.database.read('a')
        self.assertRegex(now, rb'\AV = \d+\n\Z')
        self.assertGreaterEqual(int(now.split()[-1]), last)
        self.assertEqual(mnt.database.problems(), [])
        mnt.umount()
        mnt.mount()
        self.assertEqual((mnt.path / 'a.py').read_bytes(), now)
        self.assertEqual(list(mnt.database.rows()), ['a'])


if __name__ == '__main__':
    unittest.main()
