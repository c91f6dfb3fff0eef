"""Tracebacks, linecache and inspect show the source of the code that runs."""

import unittest

from tests.host.harness import HostCase


class Places(HostCase):
    def test_a_traceback_shows_the_new_line(self):
        self.host("""
            import traceback
            write('m', 'def f(): return 1 / 0  # old')
            import m
            def shown():
                try:
                    m.f()
                except ZeroDivisionError:
                    return traceback.format_exc()
            assert '# old' in shown()
            for i in range(5):
                write('m', f'def f(): return 1 / 0  # v{i}')
                good('m')
                assert f'# v{i}' in shown() and 'line 1' in shown(), shown()
        """)

    def test_code_below_inserted_lines_has_the_right_lines(self):
        self.host("""
            import inspect, traceback
            function = 'def f(): return 1 / 0  # the line'
            write('m', function)
            from m import f
            for lines in (3, 50, 1, 0):
                write('m', '# above\\n' * lines + function)
                good('m')
                try:
                    f()
                except ZeroDivisionError:
                    shown = traceback.format_exc()
                assert f'line {lines + 1}, in f' in shown and '# the line' in shown, shown
                eq((f.__code__.co_firstlineno, inspect.getsourcelines(f)), (lines + 1, ([function + '\\n'], lines + 1)))
        """)

    def test_an_uncaught_exceptions_lines_are_right(self):
        self.host("""
            import io, traceback
            write('m', 'def f(): raise ValueError("old")')
            import m
            write('m', '#\\n#\\ndef f():\\n    x = 1\\n    raise ValueError("new")  # here')
            good('m')
            try:
                m.f()
            except ValueError as error:
                out = io.StringIO()
                traceback.print_exception(error, file=out)
            assert 'line 5, in f' in out.getvalue() and 'raise ValueError("new")  # here' in out.getvalue()
        """)

    def test_lines_in_methods_lambdas_comprehensions_and_generators(self):
        self.host("""
            import traceback
            source = text('''
                class C:
                    def f(self):
                        return 1 / 0  # method
                key = lambda: 1 / 0  # lambda
                def comp():
                    return [1 / 0  # comprehension
                            for _ in 'x']
                def gen():
                    yield 1 / 0  # generator
            ''')
            write('m', source)
            import m
            c, key, comp, gen = m.C(), m.key, m.comp, m.gen
            write('m', '\\n\\n\\n\\n' + source)
            good('m')
            for call, word in ((c.f, 'method'), (key, 'lambda'), (comp, 'comprehension'), (lambda: next(gen()), 'generator')):
                try:
                    call()
                except ZeroDivisionError:
                    shown = traceback.format_exc()
                    assert f'# {word}' in shown, (word, shown)
        """)

    def test_inspect_getsource_of_functions_classes_methods_and_modules(self):
        self.host("""
            import inspect
            source = text('''
                def f():
                    return {0}

                class C:
                    def g(self):
                        return {0}
            ''')
            write('m', source.format(1))
            import m
            from m import f, C
            for thing in (m, f, C, C.g):
                assert 'return 1' in inspect.getsource(thing)
            write('m', '# one\\n# two' + source.format(22))
            good('m')
            for thing in (m, f, C, C.g):
                assert 'return 22' in inspect.getsource(thing), thing
            eq(inspect.getsource(f), 'def f():\\n    return 22\\n')
            eq(inspect.getsource(C.g), '    def g(self):\\n        return 22\\n')
            eq(inspect.getsourcefile(f), str(here / 'm.py'))
        """)

    def test_inspect_getsource_of_same_length_edits_within_a_second(self):
        self.host("""
            import inspect
            write('m', 'def f(): return 0')
            import m
            for i in range(10):
                write('m', f'def f(): return {i}')
                poll()
                eq(inspect.getsource(m.f).strip(), f'def f(): return {i}')
        """)

    def test_linecache_has_the_new_lines(self):
        self.host("""
            import linecache
            write('m', 'X = 1')
            import m
            eq(linecache.getline(m.__file__, 1), 'X = 1\\n')
            write('m', 'X = 2')
            good('m')
            eq(linecache.getline(m.__file__, 1), 'X = 2\\n')
        """)

    def test_an_entry_of_linecache_is_what_others_expect(self):
        self.host("""
            import linecache
            write('m', 'X = 1')
            import m
            write('m', 'X = 2\\nY = 3')
            good('m')
            entry = linecache.cache[m.__file__]
            size, time, lines, name = entry
            eq((len(entry), size, time, lines, name), (4, 11, None, ['X = 2\\n', 'Y = 3\\n'], m.__file__))
            assert type(lines) is list and lines is entry[2] is entry[-2] is linecache.getlines(m.__file__)
            raises(IndexError, lambda: entry[4])
            linecache.checkcache()
            assert linecache.cache[m.__file__] is entry
            write('m', b'# coding: no-such-codec')
            bad('no-such-codec')
            eq(linecache.getlines(m.__file__), lines)
        """)

    def test_a_failed_change_leaves_the_running_codes_lines(self):
        self.host("""
            import inspect, traceback
            write('m', 'def f(): return 1 / 0  # running')
            import m
            write('m', '#\\n#\\n#\\ndef f(): return 2 / 0  # broken\\n1 / 0')
            bad('line 5')
            try:
                m.f()
            except ZeroDivisionError:
                shown = traceback.format_exc()
            assert '# running' in shown and 'line 1, in f' in shown, shown
            assert '# running' in inspect.getsource(m.f), inspect.getsource(m.f)
        """)

    def test_the_error_of_a_failed_change_shows_the_failed_sources_line(self):
        self.host("""
            import linecache
            write('m', 'X = 1  # running')
            import m
            assert 'running' in linecache.getline(m.__file__, 1)
            write('m', '1 / 0  # failed')
            bad('1 / 0  # failed')
        """)

    def test_a_traceback_that_is_alive_during_a_reload_still_prints(self):
        self.host("""
            import traceback
            write('m', 'def f():\\n    g()\\ndef g():\\n    raise KeyError("alive")')
            import m
            try:
                m.f()
            except KeyError as error:
                held = error
            write('m', 'def h(): pass')
            good('m')
            shown = ''.join(traceback.format_exception(held))
            assert 'alive' in shown and 'in g' in shown, shown
            held.__traceback__.tb_next.tb_frame.f_locals
            sys.excepthook(type(held), held, held.__traceback__)
        """)

    def test_a_warning_shows_the_new_line(self):
        self.host("""
            import warnings
            write('m', 'import warnings\\ndef f(): warnings.warn("old")')
            import m
            write('m', 'import warnings\\n\\ndef f(): warnings.warn("new")')
            good('m')
            with warnings.catch_warnings(record=True) as seen:
                warnings.simplefilter('always')
                m.f()
            eq((seen[0].lineno, seen[0].filename), (3, str(here / 'm.py')))
            assert 'warnings.warn("new")' in warnings.formatwarning(seen[0].message, UserWarning, seen[0].filename, 3)
        """)

    def test_the_decorated_functions_source_is_right(self):
        self.host("""
            import inspect
            source = text('''
                import functools
                def d(f):
                    @functools.wraps(f)
                    def wrapper(): return f()
                    return wrapper
                @d
                def f():
                    return {0}
            ''')
            write('m', source.format(1))
            from m import f
            write('m', '#\\n' + source.format(2))
            good('m')
            eq(inspect.getsource(f), '@d\\ndef f():\\n    return 2\\n')
        """)

    def test_the_stack_of_a_frame_in_the_new_code_is_right(self):
        self.host("""
            import traceback
            write('m', 'import traceback\\ndef f(): return traceback.extract_stack()[-1]')
            import m
            write('m', 'import traceback\\n\\n\\ndef f(): return traceback.extract_stack()[-1]  # new')
            good('m')
            frame = m.f()
            eq((frame.lineno, frame.filename), (4, str(here / 'm.py')))
            assert frame.line.endswith('# new'), frame.line
        """)

    def test_code_positions_within_a_line_are_right(self):
        self.host("""
            import traceback
            write('m', 'def f(a): return a')
            import m
            write('m', 'def f(a): return a["x"]["y"]["z"]')
            good('m')
            try:
                m.f({'x': {'y': {}}})
            except KeyError:
                shown = traceback.format_exc()
            assert '^^^^^' in shown and 'a["x"]["y"]["z"]' in shown, shown
        """)

    def test_only_line_feeds_end_lines(self):
        self.host("""
            import inspect
            write('m', 'X = 1\\n')
            import m
            write('m', 'X = 2\\n\\f\\nS = "a\\x1cb\\u2028c"  # \\v\\ndef f():\\n    return 1')
            good('m')
            eq(inspect.getsource(m.f), 'def f():\\n    return 1\\n')
        """)


if __name__ == '__main__':
    unittest.main()
