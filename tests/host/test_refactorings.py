"""What people do to code that runs: move, split, wrap, rename; and the libraries that they do it with."""

import unittest

from tests.host.harness import HostCase


class Moved(HostCase):
    def test_a_function_moves_to_another_module_that_is_re_exported(self):
        self.host("""
            write({'a': 'def f(): return 1', 'b': ''})
            import a, b
            held = a.f
            write({'a': 'from b import f', 'b': 'def f(): return 2'})
            good()
            eq((a.f(), b.f(), a.f is b.f), (2, 2, True))
            assert held() in (1, 2)
            write('b', 'def f(): return 3')
            good()
            eq((a.f(), b.f()), (3, 3))
        """)

    def test_a_class_moves_to_another_module_that_is_re_exported(self):
        self.host("""
            write({'a': '''
                class C:
                    def f(self): return 1
            ''', 'b': ''})
            import a, b
            c = a.C()
            write({'a': 'from b import C', 'b': '''
                class C:
                    def f(self): return 2
            '''})
            good()
            eq((a.C().f(), b.C().f(), a.C is b.C, a.C.__module__), (2, 2, True, 'b'))
            assert c.f() in (1, 2)
        """)

    def test_what_takes_the_place_of_an_imported_name_is_the_modules_own(self):
        self.host("""
            made = '''
                import enum, functools
                class C:
                    def f(self): return NAME
                def plain(): return NAME
                @functools.lru_cache
                def cached(): return NAME
                def wrap(function):
                    def wrapper(*args): return NAME, function(*args)
                    return wrapper
                @wrap
                def wrapped(): return NAME
                part = functools.partial(lambda x: (NAME, x), 1)
                @functools.singledispatch
                def dispatched(x): return NAME
                thing = C()
                class E(enum.Enum):
                    A = NAME
            '''
            def seen(m):
                return [m.C().f(), m.plain(), m.cached(), m.wrapped(), m.part(), m.dispatched(1), m.thing.f(), m.E.A.value]
            def own(name):
                return [name, name, name, (name, name), (name, 1), name, name, name]
            def make(name):
                return text(made.replace('NAME', repr(name)))
            for n, other in enumerate(['plain{}', 'package{}.__init__']):
                lib, user = other.format(n).removesuffix('.__init__'), f'user{n}'
                write({other.format(n): make('lib'), user: f'from {lib} import *'})
                m, l = __import__(user), __import__(lib)
                held = dict(vars(l))
                write(user, f'import {lib}\\n' + make('user'))
                good(user)
                eq((seen(l), seen(m)), (own('lib'), own('user')))
                eq([name for name, value in held.items() if vars(l)[name] is not value], [])
        """)

    def test_a_lambda_takes_the_place_of_a_name_from_a_package(self):
        self.host("""
            write({'lib.__init__': 'def f(): return "lib"', 'user': 'from lib import f'})
            import lib, user
            write('user', 'import lib\\nf = lambda: "user"')
            good('user')
            eq((lib.f(), lib.f.__module__, user.f()), ('lib', 'lib', 'user'))
        """)

    def test_two_modules_use_one_factory(self):
        self.host("""
            write({'lib': 'def make(n):\\n  def f(): return n\\n  return f\\nf = make("lib")',
                   'other': 'import lib\\ng = lib.make("other")', 'user': 'from lib import f\\nfrom other import g'})
            import lib, other, user
            write('user', 'import lib\\nf, g = lib.make("user"), lib.make("too")')
            good('user')
            eq((lib.f(), other.g(), user.f(), user.g()), ('lib', 'other', 'user', 'too'))
            f, g = user.f, user.g
            write('user', 'import lib\\nf, g = lib.make("user 2"), lib.make("too 2")')
            good('user')
            eq((lib.f(), other.g(), f(), g(), user.f is f), ('lib', 'other', 'user 2', 'too 2', True))
        """)

    def test_a_module_becomes_a_package_with_the_same_contents(self):
        self.host("""
            source = '''
                class C:
                    def f(self): return %d
                def f(): return %d
            '''
            write('m', source % (1, 1))
            import m
            c, f, module = m.C(), m.f, m
            delete('m')
            write('m.__init__', source % (2, 2))
            good()
            assert sys.modules['m'] is module
            eq((c.f(), f(), module.f(), module.__file__), (2, 2, 2, str(here / 'm/__init__.py')))
        """)

    def test_a_module_is_split_and_its_users_follow_in_one_batch(self):
        self.host("""
            write({'game': 'def hit(): return 1\\ndef heal(): return 1', 'user': 'from game import hit, heal'})
            import user
            write({'combat': 'def hit(): return 2', 'magic': 'def heal(): return 2',
                   'game': 'from combat import hit\\nfrom magic import heal'})
            good()
            eq((user.hit(), user.heal()), (2, 2))
            write('combat', 'def hit(): return 3')
            good()
            eq((user.hit(), user.heal()), (3, 2))
        """)

    def test_a_class_is_split_into_a_base_and_a_mixin(self):
        self.host("""
            write('m', '''
                class Unit:
                    def __init__(self): self.hp = 5
                    def hit(self): return self.hp
                    def heal(self): return self.hp + 1
            ''')
            import m
            unit = m.Unit()
            write('m', '''
                class Healing:
                    def heal(self): return self.hp + 10
                class Fighting:
                    def __init__(self): self.hp = 50
                    def hit(self): return -self.hp
                class Unit(Fighting, Healing): pass
            ''')
            good('m')
            eq((unit.hit(), unit.heal(), m.Unit().hit(), isinstance(unit, m.Healing)), (-5, 15, -50, True))
        """)

    def test_a_function_becomes_a_callable_object_and_back(self):
        self.host("""
            write({'m': 'def f(): return 1', 'user': 'from m import f'})
            import m, user
            write('m', '''
                class F:
                    def __call__(self): return 2
                f = F()
            ''')
            good()
            eq((m.f(), user.f()), (2, 2))
            write('m', 'def f(): return 3')
            good()
            eq((m.f(), user.f()), (3, 3))
        """)

    def test_a_function_becomes_a_class_of_its_name_and_back(self):
        self.host("""
            write({'m': 'def make(x): return x', 'u': 'from m import make\\ndef use(): return make(1)'})
            import m, u
            held = m.make
            write('m', 'class make:\\n  def __init__(self, x): self.x = x')
            good('m', 'u')
            eq((u.use().x, isinstance(u.use(), m.make), held(4)), (1, True, 4))
            one = u.use()
            write('m', 'def make(x): return -x')
            good('m', 'u')
            eq((u.use(), one.x, held(4)), (-1, 1, 4))
        """)

    def test_globals_become_a_class_of_settings(self):
        self.host("""
            write({'settings': 'SPEED = 1', 'm': 'import settings\\ndef f(): return settings.SPEED\\nLIMIT = settings.SPEED * 10'})
            import m
            write('settings', 'class _Settings:\\n    SPEED = 2\\n_s = _Settings()\\ndef __getattr__(name): return getattr(_s, name)')
            good()
            eq((m.f(), m.LIMIT), (2, 20))
        """)

    def test_a_long_chain_of_modules_needs_no_deep_stack(self):
        self.host("""
            names = [f'c{i:03}' for i in range(400)]
            write({n: f'from {names[i - 1]} import X' if i else 'X = 1' for i, n in enumerate(names)})
            for name in names:
                __import__(name)
            write('c000', 'X = 2')
            good(*names)
            eq([sys.modules[n].X for n in names], [2] * 400)
            write({n: f'from {names[i - 1]} import X  # again' if i else 'X = 3' for i, n in enumerate(names)})
            good(*names)
            eq(sys.modules['c399'].X, 3)
        """)


class Libraries(HostCase):
    def test_a_patch_of_unittest_mock_is_undone_to_the_new_code(self):
        self.host("""
            from unittest import mock
            write('m', 'def f(): return 1\\nclass C:\\n    def g(self): return 1')
            import m
            with mock.patch('m.f', return_value='mocked'), mock.patch.object(m.C, 'g', lambda self: 'mocked'):
                write('m', 'def f(): return 2\\nclass C:\\n    def g(self): return 2')
                good('m')
            eq((m.f(), m.C().g()), (2, 2))
        """)

    def test_a_module_that_sets_its_own_class(self):
        self.host("""
            source = '''
                import sys, types
                class Module(types.ModuleType):
                    @property
                    def computed(self): return %d
                sys.modules[__name__].__class__ = Module
            '''
            write('m', 'X = 1')
            import m
            for n in (1, 2):
                write('m', source % n)
                good('m')
                eq((m.computed, type(m) is m.Module), (n, True))
            write('m', 'X = 1')
            good('m')
            assert not hasattr(m, 'computed') and m.X == 1
        """)

    def test_type_hints_resolve_after_a_reload(self):
        self.host("""
            import typing
            source = '''
                from __future__ import annotations
                import dataclasses
                @dataclasses.dataclass
                class Node:
                    next: Node | None = None
                    value: %s = 0
                def walk(node: Node) -> %s: ...
            '''
            write('m', source % ('int', 'int'))
            import m
            eq(typing.get_type_hints(m.walk), {'node': m.Node, 'return': int})
            write('m', source % ('float', 'float'))
            good('m')
            eq(typing.get_type_hints(m.walk), {'node': m.Node, 'return': float})
            eq(typing.get_type_hints(m.Node), {'next': m.Node | None, 'value': float})
            assert [f.type for f in __import__('dataclasses').fields(m.Node)] == ['Node | None', 'float']
        """)

    def test_loggers_contexts_and_locals_that_are_kept(self):
        self.host("""
            import contextvars
            source = '''
                import contextvars, logging, threading
                __reload_keep__ = ('current', 'local')
                log = logging.getLogger(__name__)
                current = contextvars.ContextVar('current', default=0)
                local = threading.local()
                V = %d
            '''
            write('m', source % 1)
            import m
            m.current.set(5)
            m.local.x = 6
            log = m.log
            write('m', source % 2)
            good('m')
            eq((m.current.get(), m.local.x, m.log is log, m.V), (5, 6, True, 2))
        """)

    def test_an_abstract_collection_changes(self):
        self.host("""
            source = '''
                from collections.abc import MutableMapping, Sequence
                class Bag(MutableMapping):
                    def __init__(self): self.data = {}
                    def __getitem__(self, k): return self.data[k] %s
                    def __setitem__(self, k, v): self.data[k] = v
                    def __delitem__(self, k): del self.data[k]
                    def __iter__(self): return iter(self.data)
                    def __len__(self): return len(self.data)
            '''
            write('m', source % '')
            import m
            from collections.abc import Mapping
            bag = m.Bag()
            bag.update(a=1, b=2)
            write('m', source % '* 10')
            good('m')
            eq((dict(bag), bag.pop('a'), isinstance(bag, Mapping), isinstance(bag, m.Bag)), ({'a': 10, 'b': 20}, 10, True, True))
        """)

    def test_a_generic_class_and_its_aliases_held_elsewhere(self):
        self.host("""
            source = '''
                import typing
                T = typing.TypeVar('T')
                class Stack(typing.Generic[T]):
                    def __init__(self): self.items = []
                    def push(self, item: T): self.items.append((item, %d))
                class Ints(Stack[int]): pass
                UserId = typing.NewType('UserId', int)
            '''
            write('m', source % 1)
            import m
            alias, ints = m.Stack[str], m.Ints()
            write('m', source % 2)
            good('m')
            stack = alias()
            stack.push('a'), ints.push(1)
            eq((stack.items, ints.items, type(stack) is m.Stack, m.UserId(5)), ([('a', 2)], [(1, 2)], True, 5))
        """)

    def test_an_argument_parser_and_a_test_case_class(self):
        self.host("""
            import io, unittest
            source = '''
                import argparse, unittest
                parser = argparse.ArgumentParser()
                parser.add_argument('--level', type=lambda text: int(text) * %d)
                class Case(unittest.TestCase):
                    def test_it(self): self.assertEqual(%d, 2)
            '''
            write('m', source % (1, 1))
            import m
            suite = unittest.defaultTestLoader.loadTestsFromTestCase(m.Case)
            write('m', source % (2, 2))
            good('m')
            eq(m.parser.parse_args(['--level', '5']).level, 10)
            assert unittest.TextTestRunner(io.StringIO()).run(suite).wasSuccessful()
        """)

    def test_the_same_file_loaded_under_two_names(self):
        self.host("""
            write({'pkg.__init__': '', 'pkg.m': 'X = 1\\ndef f(): return 1'})
            import pkg.m
            sys.path.insert(0, str(here / 'pkg'))
            import m
            assert m is not pkg.m
            one, two = m.f, pkg.m.f
            for x, how in ((2, 'inplace'), (3, 'rename'), (4, 'inplace')):
                write('pkg.m', f'X = {x}\\ndef f(): return {x}', how=how)
                report = good()
                eq((sorted(report.reloaded), m.X, pkg.m.X, one(), two(), one is two), (['m', 'pkg.m'], x, x, x, x, False))
            pymodhost.unload('m')
            write('pkg.m', 'X = 5', how='inplace')
            good('pkg.m')
        """)

    def test_a_module_of_another_alphabet_and_one_that_no_statement_can_import(self):
        self.host("""
            import importlib
            for name in ('m\\u00f6dul', '\\u4e16\\u754c', 'with-dash', 'with blank', '2nd'):
                write(name, 'X = 1\\ndef f(): return 1')
                good()
                module = importlib.import_module(name)
                f = module.f
                write(name, 'X = 2\\ndef f(): return 2')
                good(name)
                eq((module.X, f()), (2, 2))
                delete(name)
                eq(list(good().unloaded), [name])
        """)


class Programs(HostCase):
    def test_an_import_hook_set_after_watching_began_is_obeyed(self):
        self.host("""
            import builtins
            seen, before = [], builtins.__import__
            def hook(name, *args, **kw):
                seen.append(name)
                return before(name, *args, **kw)
            builtins.__import__ = hook
            write({'a': 'X = 1', 'b': 'from a import X'})
            import b
            write('a', 'X = 2')
            good('a', 'b')
            eq((b.X, builtins.__import__ is hook), (2, True))
            assert seen.count('a') >= 2, seen
        """)

    def test_an_import_that_is_running_is_not_run_again(self):
        self.host("""
            write({'m': '''
                import sys
                sys.runs = getattr(sys, 'runs', 0) + 1
                main = sys.modules['__main__']
                main.write('lib', 'X = 2')
                main.write('m', '# edited while it runs')
                import pymodhost
                report = pymodhost.poll()
                import lib
                X = lib.X
            ''', 'lib': 'X = 1'})
            import lib, m
            eq((sys.runs, m.X, lib.X), (1, 2, 2))
            poll()
            eq((sys.modules['m'] is m, hasattr(m, 'X')), (True, False))
        """)

    def test_optimised_and_debugging_interpreters_behave_alike(self):
        self.host("""
            import gc
            gc.set_debug(0)
            gc.disable()
            write('m', 'def f(): return 1')
            import m
            f = m.f
            write('m', 'def f(): return 2')
            good('m')
            eq((f(), gc.isenabled()), (2, False))
            gc.enable()
            gc.set_threshold(1)
            write('m', 'class C: pass\\ndef f(): return [C() for _ in range(1000)]')
            good('m')
            eq((len(f()), gc.isenabled(), gc.get_threshold()[0]), (1000, True, 1))
            gc.freeze()
            write('m', 'class C: pass\\ndef f(): return 3')
            good('m')
            eq(f(), 3)
        """)

    def test_recursion_limit_and_switch_interval_are_left_alone(self):
        self.host("""
            sys.setrecursionlimit(200)
            sys.setswitchinterval(0.5)
            write({'a': 'X = 1', 'b': 'from a import X'})
            import b
            write('a', 'X = 2')
            good('a', 'b')
            eq((b.X, sys.getrecursionlimit(), sys.getswitchinterval()), (2, 200, 0.5))
        """)


if __name__ == '__main__':
    unittest.main()
