"""Names, values and attributes of a module follow its source, and the module stays the same object."""

import unittest

from tests.host.harness import HostCase


class Names(HostCase):
    """What the new source no longer defines goes; what others injected stays; constants change."""

    def test_a_function_runs_the_new_code(self):
        self.host("""
            write('m', 'def f(): return 1')
            import m
            eq(m.f(), 1)
            write('m', 'def f(): return 2')
            good('m')
            eq(m.f(), 2)
        """)

    def test_a_constant_has_the_new_value(self):
        self.host("""
            write('m', 'X = 1')
            import m
            write('m', 'X = 2')
            good('m')
            eq(m.X, 2)
        """)

    def test_a_new_name_appears(self):
        self.host("""
            write('m', 'X = 1')
            import m
            write('m', 'X = 1; Y = 2')
            good('m')
            eq(m.Y, 2)
        """)

    def test_removed_names_of_every_kind_go(self):
        self.host("""
            write('m', '''
                import os
                from os import path as where
                X = 1
                _private = 2
                __version__ = '3'
                def f(): pass
                class C: pass
                key = lambda: 0
            ''')
            import m
            write('m', 'Y = 1')
            good('m')
            for name in ('os', 'where', 'X', '_private', '__version__', 'f', 'C', 'key'):
                assert not hasattr(m, name), name
        """)

    def test_all_names_go_with_an_emptied_source(self):
        self.host("""
            write('m', 'X = 1')
            import m
            write('m', '')
            good('m')
            eq([name for name in vars(m) if not name.startswith('__')], [])
            eq(m.__name__, 'm')
        """)

    def test_a_removed_name_that_comes_back_is_there(self):
        self.host("""
            write('m', 'X = 1')
            import m
            write('m', '')
            good('m')
            write('m', 'X = 3')
            good('m')
            eq(m.X, 3)
        """)

    def test_an_injected_name_stays(self):
        self.host("""
            write('m', 'X = 1')
            import m
            marker = m.injected = object()
            for value in (2, 3):
                write('m', f'X = {value}')
                good('m')
                assert m.injected is marker
        """)

    def test_an_injected_name_stays_when_the_source_defined_it_once_and_dropped_it_before(self):
        self.host("""
            write('m', 'X = 1')
            import m
            write('m', '')
            good('m')
            m.X = 'injected'
            write('m', 'Y = 1')
            good('m')
            eq(m.X, 'injected')
        """)

    def test_an_injected_name_that_the_source_now_defines_is_the_sources(self):
        self.host("""
            write('m', 'X = 1')
            import m
            m.debug = True
            write('m', 'X = 1; debug = False')
            good('m')
            eq(m.debug, False)
        """)

    def test_a_constant_patched_from_outside_follows_the_source_again(self):
        self.host("""
            write('m', 'X = 1; Y = 1')
            import m
            m.X = 99
            write('m', 'X = 1; Y = 2')
            good('m')
            eq((m.X, m.Y), (1, 2))
        """)

    def test_a_name_that_the_body_deletes_is_not_there(self):
        self.host("""
            write('m', 'X = 1; tmp = 2')
            import m
            write('m', 'X = 1; tmp = 2; del tmp')
            good('m')
            assert not hasattr(m, 'tmp')
        """)

    def test_names_made_by_exec_and_globals_follow_the_source(self):
        self.host("""
            write('m', '''
                for n in 'ab':
                    exec(f'def f_{n}(): return {n!r} + "1"')
                globals()['made'] = 1
                def define():
                    global late
                    late = 1
                define()
            ''')
            import m
            held = m.f_a
            write('m', '''
                for n in 'ac':
                    exec(f'def f_{n}(): return {n!r} + "2"')
                globals()['made'] = 2
            ''')
            good('m')
            eq((held(), m.f_a(), m.f_c(), m.made), ('a2', 'a2', 'c2', 2))
            assert not hasattr(m, 'f_b') and not hasattr(m, 'late')
        """)

    def test_conditional_names_follow_the_condition(self):
        self.host("""
            write('m', '''
                FAST = True
                if FAST:
                    def f(): return 'fast'
                    def only_fast(): pass
                else:
                    def f(): return 'slow'
            ''')
            import m
            write('m', '''
                FAST = False
                if FAST:
                    def f(): return 'fast'
                    def only_fast(): pass
                else:
                    def f(): return 'slow'
            ''')
            good('m')
            eq(m.f(), 'slow')
            assert not hasattr(m, 'only_fast')
        """)

    def test_a_mutable_global_is_the_new_bodys(self):
        self.host("""
            write('m', 'ITEMS = [1]; TABLE = {1: 1}')
            import m
            m.ITEMS.append('at run time')
            write('m', 'ITEMS = [1, 2]; TABLE = {2: 2}')
            good('m')
            eq((m.ITEMS, m.TABLE), ([1, 2], {2: 2}))
        """)

    def test_a_name_may_change_its_kind(self):
        kinds = ("X = 1", "def X(): return 2", "class X: pass", "import os as X", "X = lambda: 3", "X = None")
        self.host(f"""
            kinds = {kinds!r}
            checks = [lambda x: x == 1, lambda x: x() == 2, lambda x: isinstance(x(), x),
                      lambda x: x.__name__ == 'os', lambda x: x() == 3, lambda x: x is None]
            write('m', '')
            import m
            import itertools
            for a, b in itertools.permutations(range(len(kinds)), 2):
                for i in (a, b):
                    write('m', kinds[i] + '  # ' + str((a, b)))
                    good('m')
                    assert checks[i](m.X), (kinds[a], kinds[b], m.X)
        """)

    def test_a_held_function_whose_name_became_a_constant_still_runs(self):
        self.host("""
            write('m', '''
                def helper(): return 1
                def f(): return helper()
            ''')
            from m import f
            import m
            write('m', '''
                def helper(): return 1
                f = 5
            ''')
            good('m')
            eq(m.f, 5)
            eq(f(), 1)
        """)

    def test_two_names_of_one_function_stay_one_function(self):
        self.host("""
            write('m', '''
                def f(): return 1
                g = f
            ''')
            from m import f, g
            import m
            write('m', '''
                def f(): return 2
                g = f
            ''')
            good('m')
            assert f is g is m.f is m.g
            eq(g(), 2)
        """)

    def test_two_functions_that_swap_names_swap(self):
        self.host("""
            write('m', '''
                def a(): return 'a1'
                def b(): return 'b1'
            ''')
            from m import a, b
            import m
            write('m', '''
                def b(): return 'b2'
                def a(): return 'a2'
                a, b = b, a
            ''')
            good('m')
            eq((m.a(), m.b()), ('b2', 'a2'))
        """)

    def test_an_import_under_another_name_sees_the_change(self):
        self.host("""
            write('m', 'X = 1')
            import m as other
            write('m', 'X = 2')
            good('m')
            eq(other.X, 2)
        """)


class ModuleObject(HostCase):
    """The module is the same object, and its attributes are right."""

    def test_the_module_stays_the_same_object(self):
        self.host("""
            write('m', 'X = 1')
            import m
            before, namespace = m, vars(m)
            write('m', 'X = 2')
            good('m')
            assert sys.modules['m'] is before and vars(before) is namespace
            eq(namespace['X'], 2)
        """)

    def test_dunder_attributes_are_right_after_a_reload(self):
        self.host("""
            write('m', 'X = 1')
            import m
            spec, loader = m.__spec__, m.__loader__
            write('m', 'X = 2')
            good('m')
            eq(m.__name__, 'm')
            eq(m.__package__, '')
            eq(m.__file__, str(here / 'm.py'))
            eq(m.__spec__.name, 'm')
            eq(m.__spec__.origin, m.__file__)
            assert m.__spec__.loader is m.__loader__ and m.__loader__ is not None
            eq(type(m.__loader__), type(loader))
            assert m.__builtins__
        """)

    def test_dunder_attributes_are_right_while_the_body_runs(self):
        self.host("""
            body = 'SEEN = (__name__, __package__, __file__, __spec__.name, __loader__ is not None, __doc__)'
            write('m', body)
            import m
            write('m', '"new"; ' + body + '; Y = 1')
            good('m')
            eq(m.SEEN, ('m', '', str(here / 'm.py'), 'm', True, 'new'))
        """)

    def test_the_spec_does_not_say_initializing_after_a_reload(self):
        self.host("""
            write('m', 'X = 1')
            import m
            write('m', 'X = 2')
            good('m')
            assert not getattr(m.__spec__, '_initializing', False)
        """)

    def test_the_docstring_follows_the_source(self):
        self.host("""
            write('m', '"old"')
            import m
            eq(m.__doc__, 'old')
            write('m', '"new"')
            good('m')
            eq(m.__doc__, 'new')
            write('m', 'X = 1')
            good('m')
            eq(m.__doc__, None)
        """)

    def test_module_annotations_follow_the_source(self):
        self.host("""
            write('m', 'x: int = 1; y: str')
            import m
            write('m', 'x: float = 1')
            good('m')
            eq(m.__annotations__, {'x': float})
            write('m', 'x = 1')
            good('m')
            eq(m.__annotations__, {})
        """)

    def test_dunder_all_and_star_imports_follow_the_source(self):
        self.host("""
            write('m', '__all__ = ["a"]; a = 1; b = 2')
            import m
            write('m', '__all__ = ["b"]; a = 1; b = 3')
            good('m')
            names = {}
            exec('from m import *', names)
            eq((names.get('a'), names.get('b')), (None, 3))
        """)

    def test_module_level_getattr_and_dir_change_and_go(self):
        self.host("""
            write('m', '''
                def __getattr__(name): return 'old ' + name
                def __dir__(): return ['old']
            ''')
            import m
            eq((m.what, dir(m)), ('old what', ['old']))
            write('m', '''
                def __getattr__(name): return 'new ' + name
                def __dir__(): return ['new']
            ''')
            good('m')
            eq((m.what, dir(m)), ('new what', ['new']))
            write('m', 'X = 1')
            good('m')
            raises(AttributeError, lambda: m.what)
            assert 'X' in dir(m)
        """)

    def test_functions_old_and_new_live_in_the_modules_globals(self):
        self.host("""
            write('m', '''
                def f(): return X
                X = 1
            ''')
            from m import f
            import m
            write('m', '''
                def f(): return X
                def g(): return X
                class C:
                    def method(self): return X
                key = lambda: X
                X = 2
            ''')
            good('m')
            for function in (f, m.g, m.C.method, m.key):
                assert function.__globals__ is vars(m), function
                eq(function.__module__, 'm')
            m.X = 7
            eq([f(), m.g(), m.C().method(), m.key()], [7] * 4)
        """)

    def test_a_function_that_sets_a_global_sets_the_modules(self):
        self.host("""
            write('m', '''
                count = 0
                def bump():
                    global count
                    count += 1
            ''')
            import m
            write('m', '''
                count = 10
                def bump():
                    global count
                    count += 2
            ''')
            good('m')
            m.bump()
            eq(m.count, 12)
        """)

    def test_what_the_body_kept_of_its_globals_is_the_modules_dict(self):
        self.host("""
            write('m', 'X = 1')
            import m
            write('m', '''
                import sys
                G = globals()
                SELF = sys.modules[__name__]
                X = 2
            ''')
            good('m')
            assert m.G is vars(m)
            assert m.SELF is m
        """)

    def test_another_modules_exec_in_the_namespace_is_not_undone(self):
        self.host("""
            write('m', 'X = 1')
            import m
            exec('def added(): return X', vars(m))
            write('m', 'X = 2')
            good('m')
            eq(m.added(), 2)
        """)


class Sources(HostCase):
    """Any source that Python takes."""

    def test_future_imports_come_and_go(self):
        self.host("""
            write('m', 'def f(x: int): pass')
            import m
            write('m', '''
                from __future__ import annotations
                def f(x: int): pass
            ''')
            good('m')
            eq(m.f.__annotations__, {'x': 'int'})
            write('m', 'def f(x: int): pass')
            good('m')
            eq(m.f.__annotations__, {'x': int})
            assert not hasattr(m, 'annotations')
        """)

    def test_the_hosts_own_future_imports_do_not_leak_into_modules(self):
        self.host("""
            write('m', 'def f(x: int): pass')
            import m
            exec('from __future__ import annotations\\nimport pymodhost\\npymodhost.poll()')
            write('m', 'def f(x: int): return 1')
            exec('from __future__ import annotations\\nimport pymodhost\\npymodhost.poll()')
            eq((m.f(1), m.f.__annotations__), (1, {'x': int}))
        """)

    def test_encodings_line_ends_and_a_missing_final_newline(self):
        self.host("""
            write('m', 'X = 0')
            import m
            for source, value in [
                (b'# coding: latin-1\\nX = "\\xe4"\\n', '\\xe4'),
                ('X = "\\u20ac"'.encode('utf-8-sig'), '\\u20ac'),
                (b"X = '''a\\r\\nb'''\\r\\nY = 1\\r\\n", 'a\\nb'),
                (b'X = 1\\rY = 2\\r', 1),
                (b'def f():\\n\\treturn 5\\nX = f()', 5),
                ('# coding: cp1252\\nX = "\\u20ac"'.encode('cp1252'), '\\u20ac'),
            ]:
                write('m', source)
                good('m')
                eq(m.X, value)
        """)

    def test_a_source_of_ten_thousand_functions(self):
        self.host("""
            def source(value):
                return '\\n'.join(f'def f{i}(): return {value} + {i}' for i in range(10000))
            write('m', source(1))
            from m import f9999
            write('m', source(2))
            good('m')
            eq(f9999(), 2 + 9999)
        """)


class Interface(HostCase):
    """The built-in module: what the calls do and report."""

    def test_a_report_names_what_changed_and_ran(self):
        self.host("""
            write('m', 'X = 1')
            import m
            write('m', 'X = 2')
            report = poll()
            eq((list(report.changed), list(report.reloaded)), (['m'], ['m']))
            eq((list(report.unloaded), list(report.errors)), ([], []))
            assert isinstance(report.seconds, float) and report.seconds > 0
        """)

    def test_a_poll_without_changes_reports_nothing(self):
        self.host("""
            write('m', 'X = 1')
            import m
            for _ in range(3):
                report = poll()
                eq([len(report.changed), len(report.reloaded), len(report.unloaded), len(report.errors)], [0] * 4)
        """)

    def test_load_imports_a_module(self):
        self.host("""
            write('pkg.__init__', '')
            write('pkg.m', 'X = 1')
            report = pymodhost.load('pkg.m')
            assert not report.errors, errors(report)
            eq(sys.modules['pkg.m'].X, 1)
            assert sys.modules['pkg'].m is sys.modules['pkg.m']
        """)

    def test_load_of_a_missing_or_raising_module_reports_it(self):
        self.host("""
            write('broken', '1 / 0')
            report = pymodhost.load('absent')
            assert 'absent' in errors(report), errors(report)
            report = pymodhost.load('broken')
            assert 'ZeroDivisionError' in errors(report) and 'broken.py' in errors(report), errors(report)
            assert 'absent' not in sys.modules and 'broken' not in sys.modules
        """)

    def test_load_of_a_loaded_module_does_not_run_it_again(self):
        self.host("""
            write('m', 'import sys; sys.ran = getattr(sys, "ran", 0) + 1')
            pymodhost.load('m')
            report = pymodhost.load('m')
            assert not report.errors
            eq(sys.ran, 1)
        """)

    def test_reload_runs_an_unchanged_module_again(self):
        self.host("""
            write('m', 'import sys; sys.ran = getattr(sys, "ran", 0) + 1')
            import m
            report = pymodhost.reload('m')
            eq((list(report.reloaded), sys.ran), (['m'], 2))
        """)

    def test_reload_of_a_module_that_raises_now_leaves_it_as_it_was(self):
        self.host("""
            write('m', 'import sys; X = 1 // sys.divisor')
            sys.divisor = 1
            import m
            sys.divisor = 0
            report = pymodhost.reload('m')
            assert 'ZeroDivisionError' in errors(report)
            eq((list(report.reloaded), m.X), ([], 1))
        """)

    def test_unload_removes_a_module(self):
        self.host("""
            write('pkg.__init__', '')
            write('pkg.m', 'X = 1')
            import pkg.m
            report = pymodhost.unload('pkg.m')
            eq(list(report.unloaded), ['pkg.m'])
            assert 'pkg.m' not in sys.modules and not hasattr(pkg, 'm')
            import pkg.m
            eq(pkg.m.X, 1)
        """)

    def test_reload_all_lets_go_of_a_module_whose_file_is_gone(self):
        self.host("""
            write({'m': 'X = 1', 'n': 'Y = 1'})
            import m, n
            delete('n')
            report = pymodhost.reload_all()
            eq((list(report.reloaded), list(report.unloaded), errors(report), 'n' in sys.modules), (['m'], ['n'], '', False))
            eq(list(pymodhost.reload_all().reloaded), ['m'])
        """)

    def test_reload_all_runs_every_module_once_in_order(self):
        self.host("""
            sys.order = []
            write({'a': 'import sys; sys.order.append("a"); X = 1',
                   'b': 'import sys; from a import X; sys.order.append("b")',
                   'c': 'import sys; from b import X; sys.order.append("c")'})
            import c
            del sys.order[:]
            report = pymodhost.reload_all()
            assert not report.errors, errors(report)
            eq(sys.order, ['a', 'b', 'c'])
            assert {'a', 'b', 'c'} <= set(report.reloaded)
        """)

    def test_source_gives_the_text_of_the_module(self):
        self.host("""
            write('pkg.__init__', '# the package')
            write('pkg.m', 'X = "\\u20ac"')
            text = pymodhost.source('pkg.m')
            eq(text if isinstance(text, bytes) else text.encode(), 'X = "\\u20ac"'.encode())
            assert 'the package' in str(pymodhost.source('pkg'))
            write('pkg.m', 'X = 22')
            assert '22' in str(pymodhost.source('pkg.m'))
            raises(Exception, pymodhost.source, 'absent')
        """)

    def test_run_executes_a_text_in_a_namespace_of_its_own(self):
        self.host("""
            write('m', 'X = 1')
            report = pymodhost.run('import m\\nm.X = 5\\nleaked = here_too = 1')
            assert not report.errors, errors(report)
            eq(sys.modules['m'].X, 5)
            assert 'leaked' not in globals() and not hasattr(sys.modules['m'], 'leaked')
            report = pymodhost.run('leaked')
            assert 'NameError' in errors(report)
        """)

    def test_run_takes_the_text_as_it_is(self):
        self.host(r"""
            import builtins
            builtins.seen = []
            eq(pymodhost.run('# coding: latin-1\nseen.append("\xe9")').errors, [])
            eq(seen, ['\xe9'])
            assert 'null' in errors(pymodhost.run('seen.append(1)\0seen.append(2)'))
            eq(seen, ['\xe9'])
        """)

    def test_run_reports_what_the_text_raises(self):
        self.host("""
            for text, word in [('1 / 0', 'ZeroDivisionError'), ('def', 'SyntaxError'), ('raise SystemExit(3)', 'SystemExit'),
                               ('raise KeyboardInterrupt', 'KeyboardInterrupt')]:
                report = pymodhost.run(text)
                assert word in errors(report), (text, errors(report))
        """)

    def test_events_are_called_back(self):
        self.host("""
            events = []
            pymodhost.on_event(lambda event: events.append((event.kind, event.module)))
            write('m', 'X = 1')
            import m
            write('m', 'X = 2')
            good('m')
            assert ('reloaded', 'm') in events, events
            write('m', '1 / 0')
            bad()
            assert ('failed', 'm') in events, events
            eq(events.count(('reloaded', 'm')), 1)
            write('m', 'X = 3')
            good('m')
            delete('m')
            good()
            assert ('unloaded', 'm') in events, events
        """)

    def test_a_body_that_runs_again_stays_one_observer(self):
        self.host("""
            source = '''
                import pymodhost
                __reload_keep__ = ['seen']
                seen = []
                def log(event): seen.append(event.module)
                pymodhost.on_event(log)
            '''
            write('m', source)
            import m
            for i in range(3):
                m.seen.clear()
                write('m', source + f'    V = {i}')
                good('m')
                eq(m.seen, ['m'])
        """)

    def test_a_body_that_raises_leaves_no_observer(self):
        self.host("""
            import builtins
            builtins.seen = []
            write('m', '')
            import m
            write('m', 'import pymodhost; pymodhost.on_event(seen.append); 1 / 0')
            bad()
            write('m', 'X = 1')
            good('m')
            eq(seen, [])
        """)

    def test_a_built_in_module_goes_before_one_of_the_same_name(self):
        self.host("""
            name = next(name for name in sys.builtin_module_names if name not in sys.modules)
            write(name, 'MINE = 1')
            module = __import__(name)
            assert not hasattr(module, 'MINE'), module
        """)

    def test_a_directory_watched_later_loads_nothing_that_is_put_off(self):
        self.host("""
            import importlib.util, tempfile
            spec = importlib.util.find_spec('wave')
            spec.loader = importlib.util.LazyLoader(spec.loader)
            module = sys.modules['wave'] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            with tempfile.TemporaryDirectory() as directory:
                pymodhost.watch([directory])
            eq(type(module).__name__, '_LazyModule')
        """)

    def test_wrong_arguments_raise_at_the_call(self):
        self.host("""
            for call in (pymodhost.load, pymodhost.reload, pymodhost.unload, pymodhost.source, pymodhost.run):
                raises(TypeError, call)
                raises(TypeError, call, 5)
            raises(TypeError, pymodhost.on_event, 5)
        """)


if __name__ == '__main__':
    unittest.main()
