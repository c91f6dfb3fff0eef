"""The mount goes away under a running host and comes back."""

import unittest

from tests.host.harness import HostCase


class Lost(HostCase):
    places = ('mount',)

    def tearDown(self):
        # A case that failed in between must not leave the next one without a mount.
        super().tearDown()
        while self._places:
            self._places.popitem()[1].close()

    def test_the_host_goes_on_with_the_code_that_it_has_and_catches_up(self):
        self.host("""
            import time
            write({'m': 'X = 1\\ndef f(): return 1', 'other': 'Y = 1'})
            import m, other
            f = m.f
            write('m', 'X = 2\\ndef f(): return 2')
            good('m')
            killmount()
            for _ in range(3):
                poll()
                eq((m.X, f(), other.Y, sys.modules['m'] is m, sys.modules['other'] is other), (2, 2, 1, True, True))
            remount()
            write('m', 'X = 3\\ndef f(): return 3')
            write('other', 'Y = 2')
            until = time.monotonic() + 20
            while (m.X, other.Y) != (3, 2) and time.monotonic() < until:
                poll()
                time.sleep(0.02)
            eq((m.X, f(), other.Y, sys.modules['m'] is m), (3, 3, 2, True))
            write('m', 'X = 4')
            good('m')
            eq(m.X, 4)
        """)

    def test_changes_made_while_the_mount_was_gone_are_found(self):
        self.host("""
            import time
            write({'m': 'X = 1', 'gone': 'Y = 1', 'same': 'import sys; sys.ran = getattr(sys, "ran", 0) + 1'})
            import m, gone, same
            killmount()
            poll()
            by_sql({'m': 'X = 2'}, ['gone'])
            poll()
            remount()
            until = time.monotonic() + 20
            while (m.X != 2 or 'gone' in sys.modules) and time.monotonic() < until:
                poll()
                time.sleep(0.02)
            eq((m.X, 'gone' in sys.modules, sys.ran), (2, False, 1))
        """)


if __name__ == '__main__':
    unittest.main()
