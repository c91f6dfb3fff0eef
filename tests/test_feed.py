"""The stream of changes (docs/control-directory.md), without a mount: fs/tree/feed.c run by tests/fs/feed_test.c."""

import unittest

from tests.support import TestCase, run
from tests.support.build import BUILD


class FeedTest(TestCase):
    def feed(self, *commands, generation=70, limit=100000):
        """Runs commands on a new feed; returns the lines printed, and with `%` instead of the mount's random name."""
        script = '\n'.join([f'new {generation} {limit}', *commands, ''])
        out = run(BUILD / 'tests' / 'feed_test', input=script).stdout.splitlines()
        return [line[:-16] + '%' if '\tnow\t' in line else line for line in out]

    def test_a_stream_begins_with_the_generation_of_now_and_the_name_of_the_mount(self):
        self.assertEqual(self.feed('batch 71 i a a.py 1', 'open 0', 'read 0 4096', 'read 0 4096'),
                         ['1 published', '71\tnow\t-\t%', '= 26', '= 0'])

    def test_two_mounts_have_two_names(self):
        script = 'new 1 1000\nopen 0\nread 0 4096\n'
        names = {run(BUILD / 'tests' / 'feed_test', input=script).stdout.split()[3] for _ in range(3)}
        self.assertEqual(len(names), 3)
        self.assertRegex(names.pop(), '^[0-9a-f]{16}$')

    def test_a_batch_is_one_generation_with_a_line_for_each_change(self):
        self.assertEqual(
            self.feed('open 0', 'read 0 4096',
                      'batch 75 i a.b a/b.py 31 u a.__init__ a/__init__.py 32 d c c.py 0 a a.b a/b.py 31 i - a 0',
                      'batch 76 u c c.py 40', 'read 0 4096', 'generation'),
            ['70\tnow\t-\t%', '= 26', '1 published', '2 published',
             '75\tinsert\ta.b\t31', '75\tupdate\ta.__init__\t32', '75\tdelete\tc\t-', '75\tattr\ta.b\t-',
             '75\tinsert\t./a\t-', '76\tupdate\tc\t40', '= 100', '76'])

    def test_a_batch_without_a_change_is_no_generation(self):
        self.assertEqual(self.feed('batch 71', 'generation'), ['0 published', '70'])

    def test_special_characters_are_escaped(self):
        self.assertEqual(self.feed('open 0', 'batch 71 i - a%09b%0ac%0dd%5ce.txt 5', 'read 0 4096')[2:-1],
                         ['71\tinsert\t./a\\tb\\nc\\rd\\\\e.txt\t5'])

    def test_a_read_gives_whole_lines_only(self):
        batch = 'batch 73 i a a.py 1 i b b.py 2 i c c.py 3'
        self.assertEqual(self.feed('open 0', 'read 0 27', batch, 'read 0 29', 'read 0 14', 'read 0 14', 'read 0 14'),
                         ['70\tnow\t-\t%', '= 26', '1 published', '73\tinsert\ta\t1', '73\tinsert\tb\t2', '= 28',
                          '73\tinsert\tc\t3', '= 14', '= 0', '= 0'])

    def test_a_buffer_smaller_than_a_line_is_an_error_and_loses_nothing(self):
        self.assertEqual(self.feed('open 0', 'read 0 25', 'read 0 26', 'batch 71 i a a.py 1', 'read 0 13', 'read 0 14'),
                         ['EINVAL', '= -1', '70\tnow\t-\t%', '= 26', '1 published', 'EINVAL', '= -1',
                          '71\tinsert\ta\t1', '= 14'])

    def test_a_stream_is_readable_exactly_when_a_read_gives_something(self):
        self.assertEqual(self.feed('open 0', 'readable 0', 'read 0 4096', 'readable 0', 'batch 71 i a a.py 1',
                                   'readable 0', 'read 0 4096', 'readable 0'),
                         ['yes', '70\tnow\t-\t%', '= 26', 'no', '1 published', 'yes', '71\tinsert\ta\t1', '= 14', 'no'])

    def test_each_stream_has_its_own_position(self):
        self.assertEqual(self.feed('open 0', 'batch 75 i a a.py 1', 'open 1', 'batch 90 d a a.py 0',
                                   'read 1 99', 'close 1', 'read 0 99'),
                         ['1 published', '2 published', '75\tnow\t-\t%', '90\tdelete\ta\t-', '= 40',
                          '70\tnow\t-\t%', '75\tinsert\ta\t1', '90\tdelete\ta\t-', '= 54'])

    def test_a_reader_some_batches_behind_goes_on_with_the_next_one(self):
        self.assertEqual(self.feed('open 0', 'batch 75 i a a.py 1', 'read 0 99', 'batch 80 u a a.py 2', 'batch 95 u a a.py 3',
                                   'batch 96 u a a.py 4', 'read 0 28', 'read 0 99')[4:],
                         ['2 published', '3 published', '4 published', '80\tupdate\ta\t2', '95\tupdate\ta\t3', '= 28',
                          '96\tupdate\ta\t4', '= 14'])

    def test_a_slow_reader_gets_an_overflow_and_then_the_batches_that_are_kept(self):
        batches = [f'batch {70 + 2 * i} u a a.py {i % 9 + 1}' for i in range(1, 15)]
        out = self.feed('open 0', *batches, 'read 0 4096', 'readable 0', limit=75)[14:]
        self.assertEqual(out, ['70\tnow\t-\t%', '88\toverflow\t-\t-',
                               *(f'{70 + 2 * i}\tupdate\ta\t{i % 9 + 1}' for i in range(10, 15)), '= 112', 'no'])

    def test_a_reader_that_lost_the_rest_of_a_generation_gets_an_overflow(self):
        out = self.feed('open 0', 'batch 72 u a a.py 1 u b b.py 2', 'read 0 40', 'burst 74 2 10', 'read 0 4096', limit=50)
        self.assertEqual(out, ['1 published', '70\tnow\t-\t%', '72\tupdate\ta\t1', '= 40', '72\toverflow\t-\t-',
                               '74\tupdate\tmmmmmmmmmm\t1', '74\tupdate\tmmmmmmmmmm\t2', '= 62'])

    def test_a_batch_that_is_too_large_to_keep_reads_as_an_overflow(self):
        self.assertEqual(self.feed('open 0', 'read 0 99', 'batch 71 u a a.py 1', 'burst 1071 1000 100', 'generation',
                                   'read 0 99', 'readable 0', 'batch 1073 u a a.py 2', 'read 0 99', limit=2000)[2:],
                         ['1 published', '1071', '1071\toverflow\t-\t-', '= 18', 'no', '3 published',
                          '1073\tupdate\ta\t2', '= 16'])

    def test_the_newest_generation_up_to_a_number_is_found(self):
        self.assertEqual(self.feed('batch 75 u a a.py 1', 'batch 90 u a a.py 2', 'find 70', 'find 75', 'find 90',
                                   'find 74', 'find 89', 'find 1000', 'find 69', 'find -1')[2:],
                         ['70', '75', '90', '70', '75', '90', 'ENOENT', 'ENOENT'])

    def test_many_generations_are_found_and_the_oldest_forgotten(self):
        bursts = [f'burst {1000 + 2 * i} 1 1' for i in range(1, 66001)]
        self.assertEqual(self.feed(*bursts, 'generation', 'find 1000', 'find 1929', 'find 1931', 'find 81000',
                                   'find 132999', 'find 133000', generation=1000),
                         ['133000', 'ENOENT', 'ENOENT', '1930', '81000', '132998', '133000'])

    def test_readers_beside_the_publisher_see_whole_generations_in_order(self):
        for limit in (100000, 600):
            with self.subTest(limit=limit):
                self.assertEqual(self.feed('race 20000 5', generation=0, limit=limit), ['0 wrong, read'] * 3)


if __name__ == '__main__':
    unittest.main()
