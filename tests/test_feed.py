"""The stream of changes (docs/control-directory.md), without a mount: fs/tree/feed.c run by tests/fs/feed_test.c."""

import unittest

from tests.support import TestCase, run
from tests.support.build import BUILD


class FeedTest(TestCase):
    def feed(self, *commands, generation=7, change=70, limit=100000):
        """Runs commands on a new feed; returns the lines printed, and with `%` instead of the mount's random name."""
        script = '\n'.join([f'new {generation} {change} {limit}', *commands, ''])
        out = run(BUILD / 'tests' / 'feed_test', input=script).stdout.splitlines()
        return [line[:-16] + '%' if '\tnow\t' in line else line for line in out]

    def test_a_stream_begins_with_the_generation_of_now_and_the_name_of_the_mount(self):
        self.assertEqual(self.feed('batch 71 i a a.py 1', 'open 0', 'read 0 4096', 'read 0 4096'),
                         ['1 published', '8\tnow\t-\t%', '= 25', '= 0'])

    def test_two_mounts_have_two_names(self):
        script = 'new 1 1 1000\nopen 0\nread 0 4096\n'
        names = {run(BUILD / 'tests' / 'feed_test', input=script).stdout.split()[3] for _ in range(3)}
        self.assertEqual(len(names), 3)
        self.assertRegex(names.pop(), '^[0-9a-f]{16}$')

    def test_a_batch_is_one_generation_with_a_line_for_each_change(self):
        self.assertEqual(
            self.feed('open 0', 'read 0 4096',
                      'batch 75 i a.b a/b.py 31 u a.__init__ a/__init__.py 32 d c c.py 0 a a.b a/b.py 31 i - a 0',
                      'batch 76 u c c.py 40', 'read 0 4096', 'generation'),
            ['7\tnow\t-\t%', '= 25', '1 published', '2 published',
             '8\tinsert\ta.b\t31', '8\tupdate\ta.__init__\t32', '8\tdelete\tc\t-', '8\tattr\ta.b\t-',
             '8\tinsert\t./a\t-', '9\tupdate\tc\t40', '= 94', '9'])

    def test_a_batch_without_a_change_is_no_generation(self):
        self.assertEqual(self.feed('batch 70', 'generation'), ['0 published', '7'])

    def test_special_characters_are_escaped(self):
        self.assertEqual(self.feed('open 0', 'batch 71 i - a%09b%0ac%0dd%5ce.txt 5', 'read 0 4096')[2:-1],
                         ['8\tinsert\t./a\\tb\\nc\\rd\\\\e.txt\t5'])

    def test_a_read_gives_whole_lines_only(self):
        batch = 'batch 71 i a a.py 1 i b b.py 2 i c c.py 3'
        self.assertEqual(self.feed('open 0', 'read 0 26', batch, 'read 0 27', 'read 0 13', 'read 0 13', 'read 0 13'),
                         ['7\tnow\t-\t%', '= 25', '1 published', '8\tinsert\ta\t1', '8\tinsert\tb\t2', '= 26',
                          '8\tinsert\tc\t3', '= 13', '= 0', '= 0'])

    def test_a_buffer_smaller_than_a_line_is_an_error_and_loses_nothing(self):
        self.assertEqual(self.feed('open 0', 'read 0 24', 'read 0 25', 'batch 71 i a a.py 1', 'read 0 12', 'read 0 13'),
                         ['EINVAL', '= -1', '7\tnow\t-\t%', '= 25', '1 published', 'EINVAL', '= -1',
                          '8\tinsert\ta\t1', '= 13'])

    def test_a_stream_is_readable_exactly_when_a_read_gives_something(self):
        self.assertEqual(self.feed('open 0', 'readable 0', 'read 0 4096', 'readable 0', 'batch 71 i a a.py 1',
                                   'readable 0', 'read 0 4096', 'readable 0'),
                         ['yes', '7\tnow\t-\t%', '= 25', 'no', '1 published', 'yes', '8\tinsert\ta\t1', '= 13', 'no'])

    def test_each_stream_has_its_own_position(self):
        self.assertEqual(self.feed('open 0', 'batch 71 i a a.py 1', 'open 1', 'batch 72 d a a.py 0',
                                   'read 1 99', 'close 1', 'read 0 99'),
                         ['1 published', '2 published', '8\tnow\t-\t%', '9\tdelete\ta\t-', '= 38',
                          '7\tnow\t-\t%', '8\tinsert\ta\t1', '9\tdelete\ta\t-', '= 51'])

    def test_a_slow_reader_gets_an_overflow_and_then_the_batches_that_are_kept(self):
        batches = [f'batch {70 + i} u a a.py {i}' for i in range(1, 21)]
        out = self.feed('open 0', *batches, 'read 0 4096', 'readable 0', limit=75)[20:]
        self.assertEqual(out, ['7\tnow\t-\t%', '22\toverflow\t-\t-', *(f'{7 + i}\tupdate\ta\t{i}' for i in range(16, 21)),
                               '= 116', 'no'])

    def test_a_reader_that_lost_the_rest_of_a_generation_gets_an_overflow(self):
        out = self.feed('open 0', 'batch 71 u a a.py 1 u b b.py 2', 'read 0 38', 'burst 72 2 10', 'read 0 4096', limit=50)
        self.assertEqual(out, ['1 published', '7\tnow\t-\t%', '8\tupdate\ta\t1', '= 38', '8\toverflow\t-\t-',
                               '9\tupdate\tmmmmmmmmmm\t1', '9\tupdate\tmmmmmmmmmm\t2', '= 59'])

    def test_a_batch_that_is_too_large_to_keep_reads_as_an_overflow(self):
        self.assertEqual(self.feed('open 0', 'read 0 99', 'batch 71 u a a.py 1', 'burst 72 1000 100', 'generation',
                                   'read 0 99', 'readable 0', 'batch 73 u a a.py 2', 'read 0 99', limit=2000)[2:],
                         ['1 published', '9', '9\toverflow\t-\t-', '= 15', 'no', '3 published', '10\tupdate\ta\t2', '= 14'])

    def test_a_generation_is_found_by_its_newest_change(self):
        self.assertEqual(self.feed('batch 75 u a a.py 1', 'batch 90 u a a.py 2', 'find 7', 'find 8', 'find 9',
                                   'find 6', 'find 10', 'find -1')[2:],
                         ['70', '75', '90', 'ENOENT', 'ENOENT', 'ENOENT'])

    def test_many_generations_are_found_and_the_oldest_forgotten(self):
        bursts = [f'burst {1000 + i} 1 1' for i in range(1, 66001)]
        self.assertEqual(self.feed(*bursts, 'generation', 'find 0', 'find 464', 'find 465', 'find 40000', 'find 66000',
                                   generation=0, change=1000),
                         ['66000', 'ENOENT', 'ENOENT', '1465', '41000', '67000'])

    def test_readers_beside_the_publisher_see_whole_generations_in_order(self):
        for limit in (100000, 600):
            with self.subTest(limit=limit):
                self.assertEqual(self.feed('race 20000 5', generation=0, change=0, limit=limit),
                                 ['0 wrong, read'] * 3)


if __name__ == '__main__':
    unittest.main()
