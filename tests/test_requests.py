"""What the kernel asks the daemon for, and what it gets without asking."""

import contextlib
import json
import os
import sqlite3
import threading
from collections import Counter

from tests.support import PYMODHOST, Process, TestCase, wait_until

LARGE = b'# a line that is repeated\n' * 20_000  # more than the daemon gives unasked

MANY = 40
HOST = f'''
import sys, time
import pymodhost
modules = [__import__(f'm{{number}}') for number in range({MANY})]
open(sys.argv[1], 'w').close()
while any(module.V != 2 for module in modules):
    time.sleep(0.01)
    pymodhost.poll()
'''


class RequestsTest(TestCase):
    def requests(self):
        return Counter(json.loads((self.mnt.control / 'status').read_text())['requests'])

    def asked(self, call):
        """How many READs and GETATTRs a call costs."""
        before = self.requests()
        call()
        after = self.requests()
        return after['read'] - before['read'], after['getattr'] - before['getattr']

    def look(self, name, expected):
        path = self.mnt.path / name
        self.assertEqual(path.read_bytes(), expected)
        self.assertEqual(os.stat(path).st_size, len(expected))

    def save(self, name, data):
        fd = os.open(self.mnt.path / name, os.O_WRONLY | os.O_TRUNC)
        os.write(fd, data)
        os.close(fd)

    def test_a_module_is_read_and_looked_at_without_being_asked_for(self):
        self.mnt = self.mount({'a': 'V = 1\n', 'b': 'V = 2\n'})
        status = self.asked(lambda: None)  # what the status itself costs
        self.assertEqual(self.asked(lambda: self.look('a.py', b'V = 1\n')), status)
        self.assertEqual(self.asked(lambda: self.look('a.py', b'V = 1\n')), status)

    def test_a_module_as_it_was_is_read_without_being_asked_for(self):
        self.mnt = self.mount({'a': 'V = 1\n'})
        self.mnt.database.update('a', 'V = 2\n')
        wait_until(lambda: (self.mnt.path / 'a.py').read_bytes() == b'V = 2\n', 10, 'the change')
        status = self.asked(lambda: None)
        path = f'.pymodfs/at/{self.mnt.generation()}/a.py'
        for _ in range(2):
            self.assertEqual(self.asked(lambda: self.assertEqual((self.mnt.path / path).read_bytes(), b'V = 2\n'))[0], status[0])

    def test_a_host_takes_up_a_batch_without_opening_each_module(self):
        self.mnt = self.mount({f'm{number}': 'V = 1\n' for number in range(MANY)}, 'echo=off')
        script, ready = self.dir / 'script.py', self.dir / 'ready'
        script.write_text(HOST)
        host = self.process(Process(PYMODHOST, '--path', self.mnt.path, script, ready))
        wait_until(ready.exists, 20, 'the host')
        before = self.requests()['open']
        with contextlib.closing(sqlite3.connect(self.mnt.database.path, timeout=10)) as connection, connection:
            connection.execute("UPDATE module SET source = 'V = 2'")
        wait_until(lambda: host.status is not None, 20, 'the new code')
        self.assertEqual(host.status, 0)
        self.assertLess(self.requests()['open'] - before, MANY // 2)

    def test_a_save_that_begins_with_an_empty_file_asks_for_no_attributes(self):
        self.mnt = self.mount({'a': 'V = 1\n'})
        status = self.asked(lambda: None)
        # What the look-up tells of them holds for a tick of the kernel's clock; on a busy machine that may pass.
        wait_until(lambda: self.asked(lambda: self.save('a.py', b'V = 2\n')) == status, 20, 'a save without')

    def test_what_is_saved_and_what_others_commit_is_read_anew(self):
        self.mnt = self.mount({'a': 'V = 1\n'})
        for number in range(10, 30):
            text = f'V = {number}\n'.encode()
            if number % 2:
                (self.mnt.path / 'a.py').write_bytes(text)
            else:
                self.mnt.database.update('a', text.decode())
                wait_until(lambda text=text: (self.mnt.path / 'a.py').read_bytes() == text, 10, 'the change')
            self.look('a.py', text)

    def test_a_file_that_is_too_large_to_be_given_is_read_whole(self):
        self.mnt = self.mount({'large': LARGE.decode()})
        for _ in range(2):
            self.look('large.py', LARGE)

    def test_who_reads_files_in_the_order_in_which_they_are_listed_gets_them_ahead(self):
        rows = {f'm{number}': f'V = {number}\n' * 50 for number in range(100)} | {'large': LARGE.decode(), 'empty': ''}
        self.mnt = self.mount(rows)
        for entry in os.listdir(self.mnt.path):
            self.assertEqual((self.mnt.path / entry).read_bytes(), rows[entry.removesuffix('.py')].encode(), entry)
        self.assertGreater(json.loads((self.mnt.control / 'status').read_text())['caches']['given_ahead'], 50)

    def test_many_who_open_the_same_files_for_the_first_time_all_read_them_whole(self):
        rows = {f'm{number}': f'V = {number}\n' * 50 for number in range(300)} | {'large': LARGE.decode()}
        self.mnt = self.mount(rows)
        wrong = []

        def read():
            for name, source in rows.items():
                if (self.mnt.path / f'{name}.py').read_bytes() != source.encode():
                    wrong.append(name)
        threads = [threading.Thread(target=read) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])

    def test_who_opens_a_module_that_was_replaced_gets_the_one_that_is_there_now(self):
        self.mnt = self.mount({'a': 'V = 1\n', 'b': 'V = 2\n'})
        top = self.mnt.path
        row = os.stat(top / 'a.py').st_ino
        self.look('a.py', b'V = 1\n')
        self.look('b.py', b'V = 2\n')
        os.rename(top / 'b.py', top / 'a.py')
        # A save of that row, by the contract of a rename; the kernel still has the inode of the other one.
        with open(top / 'a.py', 'rb') as file:
            self.assertEqual(os.fstat(file.fileno()).st_ino, row)
            self.assertEqual(file.read(), b'V = 2\n')
        self.assertRaises(FileNotFoundError, (top / 'b.py').read_bytes)
