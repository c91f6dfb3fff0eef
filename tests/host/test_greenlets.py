"""Greenlets, which move pieces of the C stack away and back: one may be suspended in a module's body, in an import or in a batch.

Not under the address sanitizer, which knows nothing of that.
"""

import unittest

from tests.host.harness import HostCase


class Suspended(HostCase):
    def test_in_the_body_of_a_first_import_while_other_modules_are_reloaded(self):
        self.host("""
            from greenlet import getcurrent, greenlet
            write({'m': 'def f(): return 1', 'b': '''
                from greenlet import getcurrent
                V = 1
                if getcurrent().parent:
                    getcurrent().parent.switch('in the body')
                import m
                W = m.f()
            '''})
            import m
            def load():
                import b
                return b.W
            loading = greenlet(load)
            eq(loading.switch(), 'in the body')
            write('m', 'def f(): return 10')
            good('m')
            import json, decimal
            eq(loading.switch(), 10)
            write('m', 'def f(): return 100')
            good('m', 'b')
        """)

    def test_in_two_bodies_of_which_the_one_that_began_first_ends_first(self):
        self.host("""
            from greenlet import getcurrent, greenlet
            for name in 'a', 'b':
                write(name, f'''
                    from greenlet import getcurrent
                    import m
                    if getcurrent().parent:
                        getcurrent().parent.switch('{name}')
                    V = m.V
                ''')
            write('m', 'V = 1')
            loading = [greenlet(lambda name=name: __import__(name)) for name in 'ab']
            eq([each.switch() for each in loading], ['a', 'b'])
            eq([each.switch().V for each in loading], [1, 1])
            import json, fractions
            write('m', 'V = 2')
            report = good()
            eq(sorted(report.reloaded), ['a', 'b', 'm'])
        """)

    def test_in_a_batch_others_go_on_with_the_old_code_and_poll_nothing_until_it_has_ended(self):
        self.host("""
            from greenlet import getcurrent, greenlet
            write({'b': 'V = 1', 'm': 'def f(): return 1'})
            import b, m
            def suspend(value):
                write('b', f'''
                    from greenlet import getcurrent
                    V = {value}
                    if getcurrent().parent:
                        getcurrent().parent.switch('away')
                ''')
                polling = greenlet(pymodhost.poll)
                eq(polling.switch(), 'away')
                return polling
            polling = suspend(2)
            write('m', 'def f(): return 2')
            eq((poll().reloaded, b.V, m.f()), ([], 1, 1))
            import json, fractions
            eq((list(polling.switch().reloaded), b.V), (['b'], 2))
            good('m')
            polling = suspend(3)
            polling = None  # its end is an exception in the body
            collect()
            eq((b.V, m.f()), (2, 2))
            write('m', 'def f(): return 3')
            good()
            eq(m.f(), 3)
        """)


if __name__ == '__main__':
    unittest.main()
