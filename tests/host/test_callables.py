"""Functions held elsewhere, however they are held, go on with the new code."""

import unittest

from tests.host.harness import HostCase


class Functions(HostCase):
    def test_a_function_imported_by_name_runs_the_new_code(self):
        self.host("""
            write('m', 'def f(): return 1')
            from m import f
            import m
            write('m', 'def f(): return 2')
            good('m')
            assert f is m.f
            eq(f(), 2)
        """)

    def test_a_function_held_in_containers_runs_the_new_code(self):
        self.host("""
            write('m', 'def f(): return 1')
            import m
            held = [m.f, (m.f,), {'f': m.f}, {m.f: 0}, frozenset([m.f])]
            write('m', 'def f(): return 2')
            good('m')
            found = [held[0], held[1][0], held[2]['f'], *held[3], *held[4]]
            assert all(f is m.f for f in found)
            eq([f() for f in found], [2] * 5)
            assert m.f in held[3] and m.f in held[4]
        """)

    def test_defaults_change(self):
        self.host("""
            write('m', 'def f(a=1, *, b=2): return a, b')
            from m import f
            write('m', 'def f(a=10, *, b=20): return a, b')
            good('m')
            eq(f(), (10, 20))
            write('m', 'def f(a, *, b): return a, b')
            good('m')
            raises(TypeError, f)
            eq(f(1, b=2), (1, 2))
        """)

    def test_the_signature_changes(self):
        self.host("""
            import inspect
            write('m', 'def f(a): return a')
            from m import f
            write('m', 'def f(a, b=2, *rest, c, **more) -> int: return a, b, rest, c, more')
            good('m')
            eq(f(1, c=3), (1, 2, (), 3, {}))
            eq(list(inspect.signature(f).parameters), ['a', 'b', 'rest', 'c', 'more'])
            assert inspect.signature(f).return_annotation is int
        """)

    def test_docstring_annotations_and_attributes_follow_the_source(self):
        self.host("""
            write('m', '''
                def f(x: int):
                    "old"
                f.route = '/old'
                f.gone = True
            ''')
            from m import f
            write('m', '''
                def f(x: str):
                    "new"
                f.route = '/new'
            ''')
            good('m')
            eq((f.__doc__, f.__annotations__, f.route), ('new', {'x': str}, '/new'))
            assert not hasattr(f, 'gone')
        """)

    def test_an_attribute_that_others_set_on_a_function_stays(self):
        self.host("""
            write('m', 'def f(): return 1')
            from m import f
            f.calls = 3
            write('m', 'def f(): return 2')
            good('m')
            eq((f(), f.calls), (2, 3))
        """)

    def test_a_helper_that_is_called_by_name_is_the_new_one(self):
        self.host("""
            write('m', '''
                def helper(): return 1
                def f(): return helper()
            ''')
            from m import f
            write('m', '''
                def helper(): return 2
                def f(): return helper()
            ''')
            good('m')
            eq(f(), 2)
        """)

    def test_recursion_goes_through_the_new_code(self):
        self.host("""
            write('m', 'def fact(n): return 1 if n < 2 else n + fact(n - 1)')
            from m import fact
            eq(fact(5), 15)
            write('m', 'def fact(n): return 1 if n < 2 else n * fact(n - 1)')
            good('m')
            eq(fact(5), 120)
        """)

    def test_a_renamed_function_is_a_new_one_and_the_old_one_still_runs(self):
        self.host("""
            write('m', '''
                def old(): return helper()
                def helper(): return 1
            ''')
            from m import old
            import m
            write('m', '''
                def new(): return helper()
                def helper(): return 2
            ''')
            good('m')
            assert not hasattr(m, 'old')
            eq((m.new(), old()), (2, 2))
        """)

    def test_a_function_becomes_a_generator_a_coroutine_and_plain_again(self):
        self.host("""
            import asyncio, inspect
            write('m', 'def f(): return [1]')
            from m import f
            write('m', 'def f(): yield 2')
            good('m')
            assert inspect.isgeneratorfunction(f)
            eq(list(f()), [2])
            write('m', 'async def f(): return [3]')
            good('m')
            eq(asyncio.run(f()), [3])
            write('m', '''
                async def f():
                    yield 4
            ''')
            good('m')
            async def collect(it):
                return [x async for x in it]
            eq(asyncio.run(collect(f())), [4])
            write('m', 'def f(): return [5]')
            good('m')
            eq(f(), [5])
        """)

    def test_a_lambda_runs_the_new_code(self):
        self.host("""
            write('m', 'key = lambda x: x')
            from m import key
            import m
            write('m', 'key = lambda x: -x')
            good('m')
            assert key is m.key
            eq(sorted([1, 2, 3], key=key), [3, 2, 1])
        """)

    def test_a_lambda_becomes_a_def_and_back(self):
        self.host("""
            write('m', 'f = lambda: 1')
            from m import f
            write('m', 'def f(): return 2')
            good('m')
            eq((f(), f.__name__), (2, 'f'))
            write('m', 'f = lambda: 3')
            good('m')
            eq(f(), 3)
        """)

    def test_names_in_a_functions_repr_are_right(self):
        self.host("""
            write('m', 'def f(): return 1')
            from m import f
            write('m', 'def f(): return 2')
            good('m')
            eq((f.__name__, f.__qualname__, f.__module__), ('f', 'f', 'm'))
            eq(f.__code__.co_filename, str(here / 'm.py'))
        """)

    def test_a_function_pickled_before_is_the_same_one_after(self):
        self.host("""
            import pickle
            write('m', 'def f(): return 1')
            from m import f
            text = pickle.dumps(f)
            write('m', 'def f(): return 2')
            good('m')
            assert pickle.loads(text) is f
            assert pickle.loads(pickle.dumps(f)) is f
        """)

    def test_weak_references_to_functions_and_methods_stay_alive(self):
        self.host("""
            import weakref
            write('m', '''
                def f(): return 1
                class C:
                    def method(self): return 1
            ''')
            import m
            c = m.C()
            refs = [weakref.ref(m.f), weakref.WeakMethod(c.method)]
            table = weakref.WeakKeyDictionary({m.f: 'f', m.C: 'C'})
            write('m', '''
                def f(): return 2
                class C:
                    def method(self): return 2
            ''')
            good('m')
            collect()
            eq([ref()() for ref in refs], [2, 2])
            eq((table[m.f], table[m.C], len(table)), ('f', 'C', 2))
        """)


class Wrapped(HostCase):
    """Decorators, closures, partials."""

    DECO = """
        import functools
        def twice(function):
            @functools.wraps(function)
            def wrapper(*args):
                return [function(*args), function(*args)]
            return wrapper
        def repeat(n):
            def decorate(function):
                @functools.wraps(function)
                def wrapper(*args):
                    return [function(*args)] * n
                return wrapper
            return decorate
        registry = {}
        def register(name):
            def decorate(function):
                registry[name] = function
                return function
            return decorate
    """

    def decorated(self, script):
        self.host(f'DECO = {self.DECO!r}\nwrite("deco", DECO)\n' + __import__('textwrap').dedent(script))

    def test_a_wrapped_function_held_runs_the_new_code(self):
        self.decorated("""
            write('m', '''
                from deco import twice
                @twice
                def f(): return 1
            ''')
            from m import f
            import m
            write('m', '''
                from deco import twice
                @twice
                def f(): return 2
            ''')
            good('m')
            eq((f(), m.f()), ([2, 2], [2, 2]))
            eq(f.__wrapped__(), 2)
        """)

    def test_two_functions_of_one_decorator_keep_apart(self):
        self.decorated("""
            write('m', '''
                from deco import twice
                @twice
                def f(): return 'f1'
                @twice
                def g(): return 'g1'
            ''')
            from m import f, g
            write('m', '''
                from deco import twice
                @twice
                def g(): return 'g2'
                @twice
                def f(): return 'f2'
            ''')
            good('m')
            eq((f(), g()), (['f2', 'f2'], ['g2', 'g2']))
        """)

    def test_a_decorators_argument_changes(self):
        self.decorated("""
            write('m', '''
                from deco import repeat
                @repeat(1)
                def f(): return 1
            ''')
            from m import f
            write('m', '''
                from deco import repeat
                @repeat(3)
                def f(): return 2
            ''')
            good('m')
            eq(f(), [2, 2, 2])
        """)

    def test_stacked_decorators_change_their_order(self):
        self.decorated("""
            write('m', '''
                from deco import repeat, twice
                @twice
                @repeat(3)
                def f(): return 1
            ''')
            from m import f
            write('m', '''
                from deco import repeat, twice
                @repeat(3)
                @twice
                def f(): return 2
            ''')
            good('m')
            eq(f(), [[2, 2]] * 3)
        """)

    def test_a_decorator_is_added_to_a_held_function(self):
        self.decorated("""
            write('m', 'def f(): return 1')
            from m import f
            import m
            write('m', '''
                from deco import twice
                @twice
                def f(): return 2
            ''')
            good()
            eq((f(), m.f()), ([2, 2], [2, 2]))
        """)

    def test_a_decorator_is_removed_from_a_held_function(self):
        self.decorated("""
            write('m', '''
                from deco import twice
                @twice
                def f(): return 1
            ''')
            from m import f
            import m
            write('m', 'def f(): return 2')
            good('m')
            eq((f(), m.f()), (2, 2))
        """)

    def test_a_changed_decorator_module_changes_held_wrappers(self):
        self.decorated("""
            write('m', '''
                from deco import twice
                @twice
                def f(): return 1
            ''')
            from m import f
            write('deco', DECO.replace('[function(*args), function(*args)]', '("new", function(*args))'))
            good('deco', 'm')
            eq(f(), ('new', 1))
        """)

    def test_a_registered_function_is_the_one_that_the_module_has(self):
        self.decorated("""
            write('m', '''
                from deco import register
                @register('go')
                def go(): return 1
            ''')
            import m, deco
            held = m.go
            write('m', '''
                from deco import register
                @register('go')
                def go(): return 2
                @register('stop')
                def stop(): return 3
            ''')
            good('m')
            assert deco.registry['go'] is m.go is held
            assert deco.registry['stop'] is m.stop
            eq((deco.registry['go'](), deco.registry['stop']()), (2, 3))
            assert deco.registry['stop'].__globals__ is vars(m)
        """)

    def test_a_class_based_decorator_is_held_and_runs_the_new_code(self):
        self.host("""
            write('deco', '''
                class counted:
                    def __init__(self, function):
                        self.function, self.calls = function, 0
                    def __call__(self):
                        self.calls += 1
                        return self.function()
            ''')
            write('m', '''
                from deco import counted
                @counted
                def f(): return 1
            ''')
            from m import f
            f()
            write('m', '''
                from deco import counted
                @counted
                def f(): return 2
            ''')
            good('m')
            eq(f(), 2)
        """)

    def test_a_closure_made_at_run_time_runs_the_new_code_with_its_own_values(self):
        self.host("""
            write('m', '''
                def adder(n):
                    def add(x): return x + n
                    return add
            ''')
            import m
            add10, add20 = m.adder(10), m.adder(20)
            write('m', '''
                def adder(n):
                    def add(x): return x * n
                    return add
            ''')
            good('m')
            eq((m.adder(3)(2), add10(2), add20(2)), (6, 20, 40))
        """)

    def test_a_closure_whose_free_variables_changed_still_runs(self):
        self.host("""
            write('m', '''
                def make(a):
                    def inner(): return a
                    return inner
            ''')
            import m
            held = m.make(1)
            write('m', '''
                def make(a, b=5):
                    def inner(): return a + b
                    return inner
            ''')
            good('m')
            assert held() in (1, 6), held()
            eq(m.make(1)(), 6)
        """)

    def test_a_closures_shared_state_survives(self):
        self.host("""
            write('m', '''
                def counter():
                    n = 0
                    def bump():
                        nonlocal n
                        n += 1
                        return n
                    def peek(): return n
                    return bump, peek
            ''')
            import m
            bump, peek = m.counter()
            bump(), bump()
            write('m', '''
                def counter():
                    n = 0
                    def bump():
                        nonlocal n
                        n += 10
                        return n
                    def peek(): return n
                    return bump, peek
            ''')
            good('m')
            eq((bump(), peek()), (12, 12))
        """)

    def test_a_module_level_closure_gets_the_new_free_variables(self):
        self.host("""
            write('m', '''
                def make(n):
                    def f(): return n
                    return f
                one = make(1)
                two = make(2)
            ''')
            from m import one, two
            write('m', '''
                def make(n):
                    def f(): return n * 10
                    return f
                one = make(3)
                two = make(4)
            ''')
            good('m')
            eq((one(), two()), (30, 40))
        """)

    def test_partials_run_the_new_code(self):
        self.host("""
            import functools
            write('m', '''
                import functools
                def f(a, b): return a + b
                ready = functools.partial(f, 1)
            ''')
            import m
            from m import ready
            held = functools.partial(m.f, 10, b=3)
            write('m', '''
                import functools
                def f(a, b): return a * b
                ready = functools.partial(f, 1)
            ''')
            good('m')
            eq((held(), ready(5), m.ready(5)), (30, 5, 5))
        """)

    def test_a_cached_function_gives_the_new_result(self):
        self.host("""
            write('m', '''
                import functools
                @functools.lru_cache
                def f(x): return x + 1
                @functools.cache
                def g(): return 'old'
            ''')
            from m import f, g
            import m
            eq((f(1), g()), (2, 'old'))
            write('m', '''
                import functools
                @functools.lru_cache
                def f(x): return x + 100
                @functools.cache
                def g(): return 'new'
            ''')
            good('m')
            eq((m.f(1), m.g()), (101, 'new'))
            eq((f(1), g()), (101, 'new'))
        """)

    def test_single_dispatch_runs_the_new_code(self):
        self.host("""
            write('m', '''
                import functools
                @functools.singledispatch
                def show(x): return 'object 1'
                @show.register
                def _(x: int): return 'int 1'
                @show.register(str)
                def show_str(x): return 'str 1'
            ''')
            from m import show
            eq((show(0), show(''), show(None)), ('int 1', 'str 1', 'object 1'))
            write('m', '''
                import functools
                @functools.singledispatch
                def show(x): return 'object 2'
                @show.register
                def _(x: int): return 'int 2'
                @show.register(str)
                def show_str(x): return 'str 2'
                @show.register(list)
                def show_list(x): return 'list 2'
            ''')
            good('m')
            eq((show(0), show(''), show(None), show([])), ('int 2', 'str 2', 'object 2', 'list 2'))
        """)

    def test_a_context_manager_made_of_a_generator_runs_the_new_code(self):
        self.host("""
            write('m', '''
                import contextlib
                @contextlib.contextmanager
                def scope(): yield 1
            ''')
            from m import scope
            write('m', '''
                import contextlib
                @contextlib.contextmanager
                def scope(): yield 2
            ''')
            good('m')
            with scope() as value:
                eq(value, 2)
        """)

    def test_a_dispatch_table_of_functions_and_lambdas_held_elsewhere(self):
        self.host("""
            write('m', '''
                def go(): return 'go 1'
                TABLE = {'go': go, 'stop': lambda: 'stop 1'}
            ''')
            from m import TABLE, go
            import m
            stop = TABLE['stop']
            write('m', '''
                def go(): return 'go 2'
                TABLE = {'go': go, 'stop': lambda: 'stop 2'}
            ''')
            good('m')
            eq((TABLE['go'](), m.TABLE['go'](), m.TABLE['stop']()), ('go 2', 'go 2', 'stop 2'))
            assert TABLE['go'] is m.TABLE['go'] is go
            eq((TABLE['stop'](), stop()), ('stop 2', 'stop 2'))
        """)

    def test_a_function_held_as_another_modules_default_argument(self):
        self.host("""
            write('m', 'def f(): return 1')
            import m
            def use(function=m.f): return function()
            write('m', 'def f(): return 2')
            good('m')
            eq(use(), 2)
        """)

    def test_a_function_wrapped_by_the_host_stays_wrapped(self):
        self.host("""
            import functools
            write('m', 'def f(): return 1')
            import m
            original = m.f
            @functools.wraps(original)
            def traced(): return 'traced', original()
            write('m', 'def f(): return 2')
            good('m')
            eq(traced(), ('traced', 2))
        """)

    def test_a_generator_function_held_makes_new_generators(self):
        self.host("""
            write('m', 'def numbers(): yield 1')
            from m import numbers
            write('m', '''
                def numbers():
                    yield 2
                    yield 3
            ''')
            good('m')
            eq(list(numbers()), [2, 3])
        """)


class Callbacks(HostCase):
    """Functions that only C code or the standard library holds."""

    def callback(self, setup, call, first='1', second='2', signature='*args, **kw'):
        """`setup` hands over m.f; `call` is an expression that makes it be called, and gives what f returned."""
        self.host(f"""
write('m', 'def f({signature}): out.append(1); return {first}\\nout = []')
import m
f = m.f
{__import__('textwrap').dedent(setup)}
write('m', 'def f({signature}): out.append(2); return {second}\\nout = []')
del f
good('m')
{__import__('textwrap').dedent(call)}
eq(m.out[-1:], [2])
        """)

    def test_bound_methods(self):
        self.host("""
            write('m', '''
                class C:
                    def method(self): return 1
                    @classmethod
                    def make(cls): return 1
                    @staticmethod
                    def plain(): return 1
                    @property
                    def value(self): return 1
            ''')
            import m, operator
            c = m.C()
            held = [c.method, c.make, m.C.make, c.plain, m.C.plain, lambda: m.C.method(c), operator.methodcaller('method')]
            unbound = m.C.method
            write('m', '''
                class C:
                    def method(self): return 2
                    @classmethod
                    def make(cls): return 2
                    @staticmethod
                    def plain(): return 2
                    @property
                    def value(self): return 2
            ''')
            good('m')
            eq([h() for h in held[:-1]] + [held[-1](c), unbound(c), c.value], [2] * 9)
            assert unbound is m.C.method
        """)

    def test_atexit(self):
        self.callback('import atexit; atexit.register(f)', 'atexit._run_exitfuncs()')

    def test_signal_handlers(self):
        self.callback('import signal; signal.signal(signal.SIGUSR1, f)', 'signal.raise_signal(signal.SIGUSR1)')

    def test_trace_and_profile_functions(self):
        self.host("""
            source = 'seen = []\\ndef f(frame, event, arg): seen.append(%d); return f'
            write('m', source % 1)
            import m
            sys.settrace(m.f)
            write('m', source % 2)
            sys.settrace(None)
            sys.settrace(m.f); held = sys.gettrace(); sys.settrace(None)
            good('m')
            def traced(): pass
            sys.settrace(held); traced(); sys.settrace(None)
            assert held is m.f and set(m.seen) == {2}, m.seen
            write('m', source % 3)
            sys.setprofile(held)
            sys.setprofile(None)
            good('m')
            sys.setprofile(held); traced(); sys.setprofile(None)
            assert 3 in m.seen
        """)

    def test_a_trace_function_that_is_set_during_the_poll(self):
        self.host("""
            source = 'seen = []\\ndef f(frame, event, arg): seen.append(%d); return None'
            write('m', source % 1)
            import m
            write('m', source % 2)
            sys.settrace(m.f)
            report = pymodhost.poll()
            def traced(): pass
            traced()
            sys.settrace(None)
            assert not report.errors, errors(report)
            eq(m.seen[-1], 2)
        """)

    def test_sort_keys_and_comparisons(self):
        self.host("""
            import functools
            write('m', '''
                def key(x): return x
                def compare(a, b): return a - b
            ''')
            import m
            sort = functools.partial(sorted, key=m.key)
            compare = functools.cmp_to_key(m.compare)
            write('m', '''
                def key(x): return -x
                def compare(a, b): return b - a
            ''')
            good('m')
            eq((sort([1, 2]), sorted([1, 2], key=compare)), ([2, 1], [2, 1]))
        """)

    def test_excepthook_and_displayhook(self):
        self.callback('sys.excepthook = f; sys.displayhook = f',
                      'sys.excepthook(None, None, None); sys.displayhook(0)')

    def test_garbage_collector_callbacks(self):
        self.callback('import gc; gc.callbacks.append(f)', 'gc.collect(); gc.callbacks.clear()')

    def test_codec_error_handlers(self):
        self.callback('import codecs; codecs.register_error("mine", f)', 'eq(b"\\xff".decode("ascii", "mine"), "two")',
                      first='"one", 1', second='"two", 1')

    def test_copyreg_reducers(self):
        self.callback('''
            import copyreg, copy
            class Thing: pass
            copyreg.pickle(Thing, f)
        ''', 'eq(copy.copy(Thing()), "22")', first='str, (11,)', second='str, (22,)')

    def test_weak_reference_callbacks_and_finalizers(self):
        self.callback('''
            import weakref
            class Thing: pass
            thing = Thing()
            ref = weakref.ref(thing, f)
            finalizer = weakref.finalize(thing, f)
        ''', 'del thing; collect(); eq(m.out, [2, 2])')

    def test_ctypes_callbacks(self):
        self.callback('''
            import ctypes
            callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(f)
        ''', 'eq(callback(0), 2)')

    def test_sqlite_functions(self):
        self.callback('''
            import sqlite3
            db = sqlite3.connect(":memory:")
            db.create_function("f", 0, f)
        ''', 'eq(db.execute("SELECT f()").fetchone(), (2,))')

    def test_what_new_bodies_hand_to_c_code_follows_later_versions(self):
        self.host("""
            import ctypes, sqlite3, xml.parsers.expat
            sys.database, sys.callbacks, sys.parsers = sqlite3.connect(':memory:'), [], []
            source = '''
                import sys, ctypes, xml.parsers.expat
                def f(k={0}): return k * 10 + {0}
                def start(name, attributes, k={0}): out.append((k, {0}))
                out = []
                sys.database.create_function('f', 0, f)
                sys.callbacks.append(ctypes.CFUNCTYPE(ctypes.c_int)(f))
                parser = xml.parsers.expat.ParserCreate()
                parser.StartElementHandler = start
                sys.parsers.append(parser)
            '''
            write('m', source.format(1))
            import m
            for i in (2, 3):
                write('m', source.format(i))
                good('m')
                eq([callback() for callback in sys.callbacks], [11 * i] * i)
            write('m', 'def f(k=7): return k * 10 + 7\\ndef start(name, attributes, k=7): out.append((k, 7))\\nout = []')
            good('m')
            eq([callback() for callback in sys.callbacks], [77] * 3)
            eq(sys.database.execute('select f()').fetchone()[0], 77)
            for parser in sys.parsers:
                parser.Parse('<a/>')
            eq(m.out, [(7, 7)] * 3)
        """)

    def test_regular_expression_replacements_and_json_defaults(self):
        self.callback('''
            import json, re, functools
            replace = functools.partial(re.sub, "x", f)
            encoder = json.JSONEncoder(default=f)
        ''', 'eq((replace("x"), encoder.encode(object())), ("new", \'"new"\'))', first='"old"', second='"new"')

    def test_iterators_over_a_function(self):
        self.callback('''
            import itertools
            it = iter(f, None)
            mapped = map(f, itertools.count())
            filtered = filter(f, itertools.count())
            starred = itertools.starmap(f, iter([()] * 9))
            grouped = itertools.groupby([1], f)
            eq((next(it), next(mapped), next(starred)), (1, 1, 1))
        ''', 'eq((next(it), next(mapped), next(starred), next(grouped)[0]), (2, 2, 2, 2)); next(filtered)')

    def test_default_factories(self):
        self.callback('''
            import collections
            table = collections.defaultdict(f)
            eq(table[1], 1)
        ''', 'eq((table[1], table[2]), (1, 2))')

    def test_threads_timers_and_executors(self):
        self.callback('''
            import concurrent.futures, threading
            thread = threading.Thread(target=f)
            timer = threading.Timer(0, f)
        ''', '''
            thread.start(); thread.join(); timer.start(); timer.join()
            eq(m.out, [2, 2])
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                eq(pool.submit(m.f).result(), 2)
        ''')

    def test_asyncio_callbacks_and_futures(self):
        self.callback('''
            import asyncio
            loop = asyncio.new_event_loop()
            loop.call_soon(f)
            future = loop.create_future()
            future.add_done_callback(f)
        ''', '''
            future.set_result(0)
            loop.run_until_complete(asyncio.sleep(0, 0))
            loop.close()
            eq(m.out, [2, 2])
        ''')

    def test_schedulers_and_queues(self):
        self.callback('''
            import queue, sched
            scheduler = sched.scheduler()
            scheduler.enter(0, 0, f)
            waiting = queue.SimpleQueue()
            waiting.put(f)
        ''', 'scheduler.run(); waiting.get()(); eq(m.out, [2, 2])')

    def test_logging_filters_and_warning_hooks(self):
        self.callback('''
            import logging, warnings
            logger = logging.getLogger("case")
            logger.addFilter(f)
            warnings.showwarning = f
        ''', 'logger.warning("x"); warnings.warn("y"); eq(m.out, [2, 2])')

    def test_audit_hooks(self):
        self.callback('sys.addaudithook(f)', 'sys.audit("case.event")')

    def test_import_hooks(self):
        self.host("""
            source = '''
                seen = []
                class Finder:
                    @staticmethod
                    def find_spec(name, path=None, target=None): seen.append(%d)
            '''
            write('m', source % 1)
            import m
            sys.meta_path.append(m.Finder)
            write('m', source % 2)
            good('m')
            raises(ImportError, __import__, 'no_such_module')
            eq(m.seen, [2])
        """)

    def test_context_variables_and_tokens(self):
        self.callback('''
            import contextvars
            context = contextvars.copy_context()
            run = lambda: context.run(f_held)
            f_held = f
        ''', 'eq(run(), 2)')

    def test_the_value_that_a_body_gave_a_context_variable(self):
        self.host("""
            source = '''
                import contextvars, lib
                def f(): return %d
                own = contextvars.ContextVar('own')
                own.set(f)
                lib.current.set(f)
            '''
            write({'lib': 'import contextvars\\ncurrent = contextvars.ContextVar("current")', 'm': source % 1})
            import gc, lib, m
            f = m.f
            for n in (2, 3):
                write('m', source % n)
                good('m')
                gc.collect()
                [object() for i in range(1000)], [lambda: i for i in range(100)]
                eq((m.own.get() is f, lib.current.get() is f, f()), (True, True, n))
        """)

    def test_a_held_closure_keeps_its_code_where_its_defaults_do_not_fit_the_new(self):
        self.host("""
            source = '''
                def make():
                    def f(x, y=1, *, k=2): return x, y, k%s
                    def g(x, y=1%s): return x, y%s
                    def h(x, *, k=2%s): return x, k%s
                    return f, g, h
            '''
            write('m', source % ('', '', '', '', ''))
            import m
            f, g, h = m.make()
            write('m', source % (', 3', ', z=4', ', z', ', o=5', ', o'))
            good('m')
            eq((f(0), g(0), h(0)), ((0, 1, 2, 3), (0, 1), (0, 2)))
            f, g, h = m.make()
            eq((f(0), g(0), h(0)), ((0, 1, 2, 3), (0, 1, 4), (0, 2, 5)))
        """)


if __name__ == '__main__':
    unittest.main()
