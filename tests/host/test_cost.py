"""A reload costs what it affects, and old versions are freed."""

import unittest

from tests.host.harness import HostCase


class Freed(HostCase):
    sparse = True

    def test_what_the_old_globals_alone_held_is_freed(self):
        self.host("""
            import weakref
            write('lib', 'class Token: pass')
            write('m', 'from lib import Token\\ntoken = Token()\\ntable = {"t": token}')
            import m
            refs = []
            for i in range(5):
                refs.append(weakref.ref(m.token))
                write('m', f'from lib import Token\\ntoken = Token()\\ntable = {{"t": token}}  # {i}')
                good('m')
            collect()
            eq([ref() for ref in refs], [None] * 5)
        """)

    def test_removed_functions_and_classes_are_freed(self):
        self.host("""
            import weakref
            write('m', '''
                def f(): return C
                class C:
                    def g(self): return super()
                class D(C): pass
            ''')
            import m
            refs = [weakref.ref(x) for x in (m.f, m.C, m.D)]
            write('m', 'X = 1')
            good('m')
            collect()
            eq([ref() for ref in refs], [None] * 3)
        """)

    def test_a_hundred_reloads_leave_no_old_class_function_or_dict(self):
        self.host("""
            import gc, types
            source = '''
                import functools
                N = %d
                class Base:
                    def f(self): return N
                class C(Base):
                    x = N
                    def f(self): return super().f()
                    @property
                    def p(self): return self.x
                def deco(function):
                    @functools.wraps(function)
                    def wrapper(*a): return function(*a)
                    return wrapper
                @deco
                def g(): return [i for i in range(N)]
                key = lambda: N
                TABLE = {'g': g, 'key': key, 'C': C}
            '''
            write('m', source % 0)
            import m
            held = m.g, m.C(), m.key
            def counts():
                collect()
                objects = gc.get_objects()
                return [sum(type(o) is kind for o in objects) for kind in (type, types.FunctionType, dict, types.CellType)] + [
                    sum(isinstance(o, dict) and o.get('__name__') == 'm' for o in objects)]
            for i in range(1, 6):
                write('m', source % i)
                good('m')
            before = counts()
            for i in range(6, 106):
                write('m', source % i)
                good('m')
            after = counts()
            assert all(b - a <= 3 for a, b in zip(before, after)), (before, after)
            eq((held[1].f(), held[2]()), (105, 105))
        """)

    def test_a_hundred_failed_reloads_leave_nothing(self):
        self.host("""
            import gc, types
            source = 'class C:\\n    def f(self): return super()\\ndef g(): return %d\\nt = {}\\n1 / 0'
            write('m', 'def g(): return 0')
            import m
            def counts():
                collect()
                objects = gc.get_objects()
                return [sum(type(o) is kind for o in objects) for kind in (type, types.FunctionType, dict, types.FrameType, types.TracebackType)]
            for i in range(5):
                write('m', source % i)
                bad()
            before = counts()
            for i in range(5, 105):
                write('m', source % i)
                bad()
            after = counts()
            assert all(b - a <= 3 for a, b in zip(before, after)), (before, after)
        """)

    def test_objects_of_a_failed_attempt_are_freed(self):
        self.host("""
            import weakref
            write({'lib': 'class Token: pass', 'm': 'X = 1'})
            import lib, m
            sys.refs = []
            write('m', 'import sys, lib, weakref\\ntoken = lib.Token()\\nsys.refs.append(weakref.ref(token))\\n1 / 0')
            bad()
            collect()
            eq([ref() for ref in sys.refs], [None])
        """)

    def test_memory_blocks_stay_flat(self):
        self.host("""
            source = '''
                class C:
                    def f(self): return %d
                def g(x=%d): return x
                DATA = list(range(1000))
            '''
            write('m', source % (0, 0))
            import m
            live = [m.C() for _ in range(100)]
            def run(first, last):
                for i in range(first, last):
                    write('m', source % (i, i))
                    good('m')
                collect()
                return sys.getallocatedblocks()
            run(1, 150) # till the interpreter's lists of spare objects have filled
            before = run(150, 160)
            after = run(160, 360)
            assert after - before < 400, (before, after)
            eq(live[0].f(), 359)
        """)

    def test_reference_counts_of_shared_objects_balance(self):
        self.host("""
            write({'lib': 'class Base: pass\\ndef helper(): pass', 'm': ''})
            import lib, m
            source = 'import lib\\nclass C(lib.Base): pass\\nfrom lib import helper\\nX = %d'
            things = lib.Base, lib.helper, lib, vars(lib), m, vars(m), m.__spec__, None.__class__, object
            def run(first, last):
                for i in range(first, last):
                    write('m', source % i)
                    good('m')
                collect()
                return [sys.getrefcount(x) for x in things]
            run(0, 5)
            before = run(5, 10)
            after = run(10, 60)
            assert all(b - a <= 3 for a, b in zip(before, after)), (before, after)
        """)

    def test_bookkeeping_outside_the_module_does_not_grow(self):
        self.host("""
            import linecache
            write({f'm{i}': 'X = 0' for i in range(5)})
            for i in range(5):
                __import__(f'm{i}')
            def sizes():
                return [len(sys.modules), len(linecache.cache), len(sys.path_importer_cache), len(sys.meta_path), len(sys.path_hooks),
                        len(sys.path)]
            def run(first, last):
                for x in range(first, last):
                    write({f'm{i}': f'X = {x}' for i in range(5)})
                    good()
                return sizes()
            run(1, 5)
            eq(run(5, 10), run(10, 60))
        """)

    def test_instances_do_not_grow(self):
        self.host("""
            source = '''
                class C:
                    def __init__(self): self.x = 1
                    def f(self): return %d
            '''
            write('m', source % 0)
            import m
            c = m.C()
            keys, size = dict(vars(c)), sys.getsizeof(vars(c))
            for i in range(1, 50):
                write('m', source % i)
                good('m')
            eq((vars(c), sys.getsizeof(vars(c)) <= size, c.f()), (keys, True, 49))
        """)

    def test_function_attributes_and_closures_do_not_pile_up(self):
        self.host("""
            source = '''
                import functools
                def d(f):
                    @functools.wraps(f)
                    def wrapper(): return f() + [%d]
                    return wrapper
                @d
                @d
                def f(): return []
            '''
            write('m', source % 0)
            import m
            held = m.f
            for i in range(1, 30):
                write('m', source % i)
                good('m')
            eq((held(), m.f()), ([29, 29], [29, 29]))
            depth, f = 0, held
            while hasattr(f, '__wrapped__'):
                depth, f = depth + 1, f.__wrapped__
            eq((depth, len(held.__closure__)), (2, 1))
        """)

    def test_the_number_of_subclasses_stays(self):
        self.host("""
            import abc, enum
            write('lib', 'import abc\\nclass Base(abc.ABC): pass')
            import lib
            source = 'import enum, lib\\nclass A(lib.Base): X = %d\\nclass B(A): pass\\nclass E(enum.Enum):\\n    X = %d'
            write('m', source % (0, 0))
            import m
            write('m', source % (1, 1))
            good('m')
            collect()
            before = len(object.__subclasses__())
            for i in range(2, 20):
                write('m', source % (i, i))
                good('m')
            collect()
            eq((lib.Base.__subclasses__(), m.A.__subclasses__()), ([m.A], [m.B]))
            eq([c for c in enum.Enum.__subclasses__() if c.__module__ == 'm'], [m.E])
            eq(len(object.__subclasses__()), before)
        """)


class Affected(HostCase):
    """What is not affected does not run."""

    def test_only_the_affected_of_many_modules_run(self):
        self.host("""
            sys.ran = []
            write({f'm{i:03}': 'import sys; sys.ran.append(__name__); X = 1' for i in range(200)})
            for i in range(200):
                __import__(f'm{i:03}')
            del sys.ran[:]
            write('m077', 'import sys; sys.ran.append(__name__); X = 2')
            good('m077')
            eq(sys.ran, ['m077'])
        """)

    def test_a_poll_without_changes_runs_no_python_and_makes_no_garbage(self):
        self.host("""
            write('m', 'X = 1')
            import m
            write('m', 'X = 2')
            good('m')
            for _ in range(10):
                pymodhost.poll()
            before = sys.getallocatedblocks()
            calls = []
            sys.setprofile(lambda frame, event, arg: event == 'call' and calls.append(frame.f_code.co_name))
            for _ in range(200):
                pymodhost.poll()
            sys.setprofile(None)
            eq(calls, [])
            assert sys.getallocatedblocks() - before < 50
        """)

    def test_a_body_runs_once_however_many_things_changed_below_it(self):
        self.host("""
            sys.ran = 0
            write({f'part{i}': 'X = 1' for i in range(20)})
            write('whole', 'import sys; sys.ran += 1\\n' + '\\n'.join(f'from part{i} import X as x{i}' for i in range(20)))
            import whole
            write({f'part{i}': 'X = 2' for i in range(20)})
            report = good()
            eq((sys.ran, len(report.reloaded), whole.x0, whole.x19), (2, 21, 2, 2))
        """)

    def test_objects_that_nobody_affected_are_not_touched(self):
        self.host("""
            write({'m': 'def f(): return 1', 'other': 'class C: pass'})
            import m, other
            touched = []
            class Watch:
                def __getattribute__(self, name):
                    touched.append(name)
                    return object.__getattribute__(self, name)
                def __eq__(self, x): touched.append('eq'); return False
                def __hash__(self): touched.append('hash'); return 1
            watch = [Watch(), {'x': Watch()}, (Watch(),)]
            write('m', 'def f(): return 2')
            good('m')
            eq(touched, [])
        """)


if __name__ == '__main__':
    unittest.main()
