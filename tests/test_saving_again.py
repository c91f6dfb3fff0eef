"""Who saves a module again soon has the inode that he had; everybody sees what he saved, as if he had got a new one."""

import contextlib
import ctypes
import json
import os
import sqlite3
import threading
from collections import Counter

from tests.support import TestCase, run, wait_until

IN_ATTRIB, IN_DELETE_SELF = 0x4, 0x400


class SavingAgainTest(TestCase):
    def setUp(self):
        super().setUp()
        # The echo looks names up after each change by others, and leaves none of them cached.
        self.mnt = self.mount({'a': 'V = 0\n'}, *(['echo=off'] if 'though' in self.id() else []))
        self.path = self.mnt.path / 'a.py'

    def save(self, text, flags=os.O_TRUNC):
        fd = os.open(self.path, os.O_WRONLY | flags)
        os.write(fd, text.encode())
        os.close(fd)

    def check(self, text):
        """Another process sees that, and so does this one: also what is cached, which an open alone would put right."""
        self.assertEqual(self.path.stat().st_size, len(text))
        self.assertEqual(run('cat', self.path).stdout, text)
        self.assertEqual(self.path.read_text(), text)
        self.assertEqual(self.mnt.database.read('a'), text.encode())

    @contextlib.contextmanager
    def held(self):
        """A path that leads to the inode to which the name leads now, without another look-up."""
        fd = os.open(self.path, os.O_PATH)
        try:
            yield f'/proc/self/fd/{fd}'
        finally:
            os.close(fd)

    @contextlib.contextmanager
    def watch(self):
        """This process watches the file itself; yields what reads the events so far, as one mask."""
        libc = ctypes.CDLL(None, use_errno=True)
        fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self.assertGreaterEqual(libc.inotify_add_watch(fd, os.fsencode(self.path), IN_ATTRIB | IN_DELETE_SELF), 0)
        seen = bytearray()

        def events():
            with contextlib.suppress(BlockingIOError):
                seen.extend(os.read(fd, 4096))
            mask = 0
            for at in range(0, len(seen), 16):
                mask |= int.from_bytes(seen[at + 4:at + 8], 'little')
            return mask
        try:
            yield events
        finally:
            os.close(fd)

    def requests(self):
        return Counter(json.loads((self.mnt.control / 'status').read_text())['requests'])

    def test_it_takes_a_look_up_and_an_open(self):
        self.save('V = 1\n')
        before = self.requests()
        for number in range(20):
            self.save(f'V = {number}\n')
        found = self.requests() - before
        self.assertEqual((found['write'], found['flush']), (20, 20))
        self.assertLess(found['lookup'], 30)  # with those of the status, and of a kernel that is short of memory
        self.assertLess(found['open'], 30)
        self.check('V = 19\n')

    def test_everybody_sees_each_save_whether_others_have_read_the_one_before_or_not(self):
        for number in range(1, 13):
            self.save(f'V = {number}\n' + '#' * (number * 7 % 5))
            if number % 3 == 0:
                self.check(f'V = {number}\n' + '#' * (number * 7 % 5))
            elif number % 3 == 1:
                self.assertEqual(len(os.listdir(self.mnt.path)), 1)

    def test_what_others_commit_in_between_is_read_and_added_to(self):
        self.save('V = 1\n')
        self.save('V = 2\n')
        self.mnt.database.update('a', 'V = 30000\n')
        self.save('# more\n', os.O_APPEND)
        self.check('V = 30000\n# more\n')
        self.save('# and more\n', os.O_APPEND)
        self.check('V = 30000\n# more\n# and more\n')

    def test_readers_keep_what_they_opened(self):
        self.save('V = 1\n' * 100)
        with open(self.path, encoding='utf-8') as mine:
            self.save('V = 2\n')
            self.check('V = 2\n')
            self.assertEqual(mine.read(), 'V = 1\n' * 100)

    def test_a_reader_who_was_led_to_it_is_not_shown_what_is_not_saved(self):
        self.save('V = 1\n')
        with open(self.path, 'w', encoding='utf-8') as writer:
            writer.write('V =')
            writer.flush()
            self.assertEqual((self.path.read_text(), run('cat', self.path).stdout), ('V = 1\n', 'V = 1\n'))
            writer.write(' 2\n')
        self.check('V = 2\n')

    def test_it_is_seen_though_others_were_led_past_it_before_it_was_opened(self):
        for number in range(1, 5):
            self.save(f'V = {-number}\n')
            with self.held() as link:
                self.assertEqual(run('cat', self.path).stdout, f'V = {-number}\n')
                fd = os.open(link, os.O_WRONLY | os.O_TRUNC)
                os.write(fd, f'V = {number}\n'.encode())
                self.assertEqual(run('cat', self.path).stdout, f'V = {-number}\n')
                os.close(fd)
                self.check(f'V = {number}\n')

    def test_it_is_seen_though_the_row_was_made_anew_while_it_was_open(self):
        fd = os.open(self.path, os.O_WRONLY | os.O_TRUNC)
        with contextlib.closing(sqlite3.connect(self.mnt.database.path, timeout=10)) as connection, connection:
            connection.execute("DELETE FROM module WHERE name = 'a'")
            connection.execute("INSERT INTO module VALUES ('a', 'V = 1' || char(10))")
        wait_until(lambda: self.mnt.generation() == self.mnt.database.newest())
        self.assertEqual(run('cat', self.path).stdout, 'V = 1\n')
        os.write(fd, b'V = 2222\n')
        os.close(fd)
        self.check('V = 2222\n')

    def test_a_file_that_was_removed_in_between_is_made_anew_by_its_name_only(self):
        self.save('V = 1\n')
        with self.held() as link:
            run('rm', self.path)
            with open(link, 'w', encoding='utf-8') as lost:
                lost.write('V = 2\n')
        self.assertEqual(self.mnt.database.rows(), {})
        self.save('V = 3\n', os.O_CREAT)
        self.check('V = 3\n')

    def test_threads_of_one_process_read_whole_saves(self):
        ended, wrong = threading.Event(), []

        def look():
            while not ended.is_set():
                text = self.path.read_text()
                if text != text[:6] * 50:
                    wrong.append(text)
        self.save('V = 0\n' * 50)
        readers = [threading.Thread(target=look) for _ in range(2)]
        for reader in readers:
            reader.start()
        for number in range(200):
            self.save(f'V = {number % 10}\n' * 50)
        ended.set()
        for reader in readers:
            reader.join()
        self.assertEqual(wrong, [])
        self.check('V = 9\n' * 50)

    def test_a_watch_of_the_file_sees_what_others_make_of_it(self):
        changes = {
            'an update by SQL': lambda: self.mnt.database.update('a', 'V = 9\n'),
            'a save by another process': lambda: run('sh', '-c', f'echo V = 8 > {self.path}'),
            'a removal by another process': lambda: run('rm', self.path),
        }
        for title, change in changes.items():
            with self.subTest(title):
                self.save('V = 1\n')
                with self.watch() as events:
                    change()
                    wait_until(lambda events=events: events() & IN_DELETE_SELF)
