"""Code that does its worst: the host goes on, and says what happened."""

import unittest

from tests.host.harness import HostCase


class Bodies(HostCase):
    def test_sys_exit_in_a_body_does_not_end_the_host(self):
        self.host("""
            write('m', 'X = 1')
            import m
            for text in ('import sys; sys.exit(5)', 'exit()', 'quit(3)', 'raise SystemExit("bye")', 'import sys; sys.exit([1])'):
                write('m', text)
                report = poll()
                assert report.errors, text
                eq(m.X, 1)
        """)

    def test_exit_in_a_forked_child_ends_the_child_only(self):
        self.host("""
            write('m', 'X = 1')
            import m
            write('m', '''
                import os
                child = os.fork()
                if child == 0:
                    os._exit(7)
                STATUS = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
                X = 2
            ''')
            good('m')
            eq((m.X, m.STATUS), (2, 7))
        """)

    def test_a_forked_child_may_use_its_copy_of_the_host(self):
        self.host("""
            import os
            write('m', 'def f(): return 1')
            import m
            child = os.fork()
            if child == 0:
                try:
                    assert m.f() == 1
                    pymodhost.poll()
                    os._exit(0)
                except BaseException:
                    os._exit(1)
            eq(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)
            write('m', 'def f(): return 2')
            good('m')
            eq(m.f(), 2)
        """)

    def test_a_sub_interpreter_is_refused(self):
        self.host("""
            import _xxsubinterpreters as interpreters
            write('m', 'X = 1')
            import m
            other = interpreters.create()
            for _ in range(2):
                error = raises(interpreters.RunFailedError, interpreters.run_string, other, 'import pymodhost')
                assert 'main interpreter only' in str(error), error
            interpreters.run_string(other, 'import json, sys; assert json.loads("[1]") == [1]')
            interpreters.destroy(other)
            write('m', 'X = 2')
            good('m')
            eq(m.X, 2)
        """)

    def test_endless_recursion_is_an_error(self):
        self.host("""
            write('m', 'X = 1')
            import m
            for text in ('def f(): f()\\nf()', 'class C:\\n    def __getattr__(self, n): return getattr(self, n)\\nC().x',
                         'class C:\\n    def __repr__(self): return repr(self)\\nrepr(C())',
                         'def f(n):\\n    return [f(n) for _ in "x"]\\nf(1)'):
                write('m', text)
                bad('RecursionError')
                eq(m.X, 1)
            write('m', 'X = 2')
            good('m')
        """)

    def test_endless_imports_are_errors(self):
        self.host("""
            write('m', 'X = 1')
            import m
            write('m', 'import importlib, sys\\ndef again():\\n    importlib.import_module("m").__name__\\n    again()\\nagain()')
            bad('RecursionError')
            eq(m.X, 1)
        """)

    def test_a_deeply_nested_source_is_an_error(self):
        self.host("""
            write('m', 'X = 1')
            import m
            for text in ('X = ' + '(' * 5000 + ')' * 5000, 'X = ' + '-' * 100000 + '1', 'X = ' + '[' * 150 + ']' * 150):
                write('m', text)
                poll()
                assert m.X == 1 or isinstance(m.X, list)
            write('m', 'X = 2')
            good('m')
            eq(m.X, 2)
        """)

    def test_a_finalizer_that_raises(self):
        self.host("""
            sys.unraisablehook = lambda what: None
            write('m', '''
                class C:
                    def __del__(self): raise ValueError('in del')
                c = C()
            ''')
            import m
            for i in range(3):
                write('m', f'''
                    class C:
                        def __del__(self): raise SystemExit({i})
                    c = C()
                ''')
                good('m')
            write('m', 'X = 1')
            good('m')
            collect()
            eq(m.X, 1)
        """)

    def test_a_finalizer_that_looks_at_its_module(self):
        self.host("""
            sys.seen = []
            source = '''
                import sys
                class C:
                    def __del__(self): sys.seen.append((A, sys.modules['m'].A, sys.modules['m'].B))
                A = %d
                c = C()
                B = %d
            '''
            write('m', source % (1, 1))
            import m
            write('m', source % (2, 2))
            good('m')
            collect()
            eq(sys.seen, [(2, 2, 2)])
        """)

    def test_a_finalizer_that_polls(self):
        self.host("""
            write('m', '''
                class C:
                    def __del__(self):
                        import pymodhost
                        pymodhost.poll()
                c = C()
            ''')
            import m
            write('m', 'X = 2')
            good('m')
            collect()
            eq(m.X, 2)
        """)

    def test_a_body_that_polls_or_reloads(self):
        self.host("""
            sys.unraisablehook = lambda what: None
            write({'m': 'X = 1', 'other': 'Y = 1'})
            import m, other
            write({'m': 'import pymodhost\\ntry:\\n    pymodhost.poll()\\nexcept RuntimeError:\\n    pass\\nX = 2', 'other': 'Y = 2'})
            poll()
            poll()
            eq((m.X, other.Y), (2, 2))
            write('m', 'import pymodhost\\ntry:\\n    pymodhost.reload("m")\\nexcept RuntimeError:\\n    pass\\nX = 3')
            poll()
            poll()
            eq(m.X, 3)
        """)

    def test_a_body_that_calls_importlib_reload(self):
        self.host("""
            write({'m': 'X = 1', 'other': 'Y = 1'})
            import m, other
            write('m', 'import importlib, other\\nimportlib.reload(other)\\nX = 2')
            good()
            eq((m.X, other.Y), (2, 1))
        """)

    def test_a_body_that_reloads_a_module_of_the_batch_and_a_package_by_importlib(self):
        self.host("""
            body = 'import importlib, other, pkg\\nimportlib.reload(other), importlib.reload(pkg)\\nX = other.Y, pkg.Z, %d'
            write({'m': body % 1, 'other': 'Y = 1\\ndef f(): return 1', 'pkg.__init__': 'Z = 1'})
            import m, other, pkg
            f, modules = other.f, (other, pkg)
            write({'m': body % 2, 'other': 'Y = 2\\ndef f(): return 2'})
            good('other', 'm')
            eq((m.X, other.Y, f(), (m.other, m.pkg) == modules), ((2, 1, 2), 2, 2, True))
            write('pkg.__init__', 'Z = 3')
            good('pkg', 'm')
            eq((m.X, pkg.Z, sys.modules['pkg'] is pkg), ((2, 3, 2), 3, True))
        """)

    def test_a_private_copy_of_a_module_is_not_taken_for_the_module(self):
        self.host("""
            import importlib.util
            copy = 'import importlib.util\\nspec = importlib.util.find_spec("m")\\ncopy = importlib.util.module_from_spec(spec)'
            write({'m': 'X = 1', 'other': 'V = 1'})
            import m, other
            spec = importlib.util.find_spec('m')
            private = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(private)
            write('other', copy + '\\nspec.loader.exec_module(copy)')
            good('other')
            write('m', 'X = 2')
            good('m')
            eq((m.X, private.X, other.copy.X), (2, 1, 1))
        """)

    def test_a_module_that_removes_itself_from_sys_modules(self):
        self.host("""
            write({'m': 'X = 1', 'other': 'Y = 1'})
            import m, other
            write({'m': 'import sys\\ndel sys.modules[__name__]\\nX = 2', 'other': 'Y = 2'})
            poll()
            poll()
            write({'m': 'X = 3', 'other': 'Y = 3'})
            poll()
            import m as again
            eq((again.X, other.Y, sys.modules['m'] is again), (3, 3, True))
            write('m', 'X = 4')
            good('m')
            eq(again.X, 4)
        """)

    def test_a_module_that_replaces_itself_in_sys_modules(self):
        self.host("""
            source = '''
                import sys
                class Facade:
                    value = %d
                sys.modules[__name__] = Facade()
            '''
            write('m', source % 1)
            import m
            eq(m.value, 1)
            write('m', source % 2)
            poll()
            import m as again
            eq(again.value, 2)
            write({'m': source % 3, 'other': 'X = 1'})
            poll()
            import other
            write('other', 'X = 2')
            poll()
            eq(other.X, 2)
        """)

    def test_a_module_that_no_longer_replaces_itself_is_itself_again(self):
        self.host("""
            facade = 'import sys\\nclass Facade:\\n  value = {}\\nsys.modules[__name__] = Facade()'
            write({'pkg.__init__': '', 'pkg.m': facade.format(1), 'm': 'value = 1', 'user': 'import pkg.m\\nvalue = pkg.m.value'})
            import m, pkg, user
            module, numbers = m, iter(range(2, 9))
            for text in ('value = {}', facade, facade, 'value = {}'):
                n = next(numbers)
                write({'pkg.m': text.format(n), 'm': text.format(n)})
                good()
                import m, pkg.m
                from pkg import m as sub
                eq((m.value, pkg.m.value, sub.value, user.value), (n, n, n, n))
            eq((m is module, sys.modules['pkg.m'] is pkg.m), (True, True))
            sys.modules['m'] = theirs = object()
            write('m', 'value = 9')
            good('m')
            eq((sys.modules['m'] is theirs, module.value), (True, 9))
        """)

    def test_a_module_that_was_taken_out_of_sys_modules_by_the_program(self):
        self.host("""
            write({'m': 'X = 1', 'other': 'Y = 1'})
            import m, other
            del sys.modules['m']
            write({'m': 'X = 2', 'other': 'Y = 2'})
            good()
            eq(other.Y, 2)
            import m
            eq(m.X, 2)
            write('m', 'X = 3')
            good('m')
            eq(m.X, 3)
        """)

    def test_something_else_than_a_module_in_sys_modules(self):
        self.host("""
            write({'m': 'X = 1', 'other': 'Y = 1'})
            import m, other
            sys.modules['strange'] = None
            sys.modules['stranger'] = 5
            sys.modules['strangest'] = type('T', (), {'__getattr__': lambda self, name: 1 / 0})()
            sys.modules['other'] = None
            write({'m': 'X = 2', 'other': 'Y = 2'})
            poll()
            eq(m.X, 2)
        """)

    def test_a_module_without_its_attributes(self):
        self.host("""
            write('m', 'X = 1')
            import m
            for name in ('__file__', '__spec__', '__loader__', '__name__', '__package__', '__doc__'):
                vars(m).pop(name, None)
            write('m', 'X = 2')
            poll()
            import m as again
            eq(again.X, 2)
        """)

    def test_a_body_that_changes_its_own_attributes(self):
        self.host("""
            write('m', 'X = 1')
            import m
            write('m', '__file__ = 5\\n__name__ = None\\n__spec__ = "x"\\n__loader__ = 1\\nX = 2')
            poll()
            write('m', 'X = 3')
            poll()
            eq(sys.modules['m'].X, 3)
        """)

    def test_metaclasses_whose_methods_raise(self):
        self.host("""
            source = '''
                class Meta(type):
                    def __getattribute__(cls, name): raise ValueError(name)
                    def __setattr__(cls, name, value): raise ValueError(name)
                    def __delattr__(cls, name): raise ValueError(name)
                    def __eq__(cls, other): raise ValueError('eq')
                    __hash__ = None
                    def __instancecheck__(cls, x): raise ValueError
                    def __subclasscheck__(cls, x): raise ValueError
                class C(metaclass=Meta):
                    def f(self): return %d
                X = %d
            '''
            write('m', source % (1, 1))
            import m
            c = m.C()
            write('m', source % (2, 2))
            good('m')
            eq((m.X, c.f()), (2, 2))
        """)

    def test_values_whose_comparisons_raise(self):
        self.host("""
            source = '''
                class Mean:
                    def __eq__(self, other): raise ValueError('eq')
                    def __bool__(self): raise ValueError('bool')
                    def __repr__(self): raise ValueError('repr')
                    def __getattr__(self, name): raise ValueError(name)
                    __hash__ = None
                X = %d
                a = Mean()
                b = [a]
            '''
            write('m', source % 1)
            import m
            m.injected = m.Mean()
            write('m', source % 2)
            good('m')
            eq(m.X, 2)
        """)

    def test_module_attributes_of_odd_names(self):
        self.host("""
            write('m', 'X = 1')
            import m
            vars(m)[5] = 'number'
            vars(m)[('t',)] = 'tuple'
            class Odd(str):
                def __eq__(self, other): return str.__eq__(self, other)
                __hash__ = str.__hash__
            vars(m)[Odd('odd')] = 1
            setattr(m, 'with blank', 2)
            write('m', 'X = 2; globals()["made up"] = 3')
            good('m')
            eq((m.X, vars(m)[5], vars(m)[('t',)], m.odd, vars(m)['with blank'], vars(m)['made up']), (2, 'number', 'tuple', 1, 2, 3))
        """)

    def test_infinite_data_structures(self):
        self.host("""
            source = '''
                loop = []
                loop.append(loop)
                table = {}
                table['self'] = table
                class C: pass
                C.me = C
                def f(): return %d
                f.me = f
                nested = []
                for _ in range(100000):
                    nested = [nested]
            '''
            write('m', source % 1)
            import m
            f = m.f
            write('m', source % 2)
            good('m')
            eq((f(), f.me is f, m.C.me is m.C), (2, True, True))
        """)

    def test_a_file_that_is_replaced_by_a_directory_a_pipe_or_a_dead_link(self):
        self.places = ['plain']
        self.host("""
            import os
            write({'m': 'X = 1', 'other': 'Y = 1'})
            import m, other
            for i, make in enumerate((lambda p: os.mkdir(p), lambda p: os.mkfifo(p), lambda p: os.symlink('/no/where', p), lambda p: os.symlink(p, p))):
                os.remove(here / 'm.py')
                make(here / 'm.py')
                write('other', f'Y = {i + 2}')
                poll()
                poll()
                (os.rmdir if i == 0 else os.remove)(here / 'm.py')
                write({'m': f'X = {i}', 'other': f'Y = {i + 20}'})
                poll()
                import m, other
                eq((m.X, sys.modules['other'].Y), (i, i + 20))
        """)

    def test_a_file_that_grows_while_it_is_read(self):
        self.host("""
            import threading
            write('m', 'X = 0')
            import m
            stop = threading.Event()
            def writer():
                i = 0
                while not stop.is_set():
                    i += 1
                    with open(here / 'm.py', 'w') as file:
                        file.write(f'X = {i}\\n')
                        file.flush()
                        file.write('#' * 5000 + '\\n')
            thread = threading.Thread(target=writer)
            thread.start()
            for _ in range(100):
                poll()
            stop.set()
            thread.join()
            write('m', 'X = "end"')
            poll()
            eq(m.X, 'end')
        """)


class Hooks(HostCase):
    def test_hooks_that_are_no_functions(self):
        self.host("""
            for text in ('__unload__ = 5', '__reload__ = "x"', 'def __unload__(a, b): pass', 'def __reload__(): pass',
                         '__unload__ = None', '__reload__ = None'):
                write('m', 'X = 1\\n' + text)
                poll()
                import m
                write('m', 'X = 2\\n' + text + '  # again')
                poll()
                eq(m.X, 2)
                write('m', 'X = 3')
                poll()
                eq(m.X, 3)
        """)

    def test_hooks_that_exit_recurse_or_poll(self):
        self.host("""
            for text in ('import sys; sys.exit(3)', '__unload__()', 'import pymodhost; pymodhost.poll()', 'import os; os.listdir("/no/such")',
                         'import sys; sys.modules.clear' , 'globals().clear()'):
                write({'m': f'X = 1\\ndef __unload__(): {text}', 'other': 'Y = 1'})
                poll()
                import m, other
                write({'m': f'X = 2\\ndef __reload__(previous): {text.replace("__unload__()", "__reload__(previous)")}', 'other': 'Y = 2'})
                poll()
                eq(sys.modules['other'].Y, 2)
                write({'m': 'X = 3', 'other': 'Y = 3'})
                poll()
                eq((sys.modules['m'].X, sys.modules['other'].Y), (3, 3))
        """)

    def test_an_event_callback_that_raises(self):
        self.host("""
            write('m', 'X = 1')
            import m
            called = []
            def callback(event):
                called.append(event)
                raise ValueError('in callback')
            pymodhost.on_event(callback)
            for i in (2, 3):
                write('m', f'X = {i}')
                report = poll()
                eq((m.X, list(report.reloaded)), (i, ['m']))
                assert 'in callback' in errors(report), errors(report)
            assert len(called) >= 2
        """)

    def test_an_event_callback_that_exits_or_polls(self):
        self.host("""
            write('m', 'X = 1')
            import m
            actions = [lambda: sys.exit(4), pymodhost.poll, lambda: pymodhost.reload('m'), lambda: (_ for _ in ()).throw(KeyboardInterrupt)]
            depth = []
            def callback(event):
                if len(depth) < 3:
                    depth.append(1)
                    action()
            pymodhost.on_event(callback)
            for i, action in enumerate(actions):
                del depth[:]
                write('m', f'X = {i + 10}')
                poll()
                eq(m.X, i + 10)
        """)


if __name__ == '__main__':
    unittest.main()
