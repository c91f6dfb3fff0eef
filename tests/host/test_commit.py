"""Between the first and the last step of a commit no Python code runs, whatever the objects are that it replaces.

Each case has an object with Python code at a place where the commit comes by. That code looks at the module, as another thread could
that gets the interpreter there: a function that is new in this version must have the module's own namespace, which is
the last thing that a commit sees to.
"""

import textwrap
import unittest

from tests.host.harness import HostCase

PREAMBLE = """
import sys
seen = []
def look(who):
    if 'm' in globals() and not sys.in_body and hasattr(m, 'new'):
        seen.append((who, m.new.__globals__ is vars(m), m.A == m.f()))
sys.look, sys.in_body = look, 0

def save(n, body):
    write('m', 'import sys\\nsys.in_body = 1\\nA = %d\\ndef f(): return %d\\n' % (n, n) + text(body)
        + ('def new(): return f()\\n' if n > 1 else '') + 'sys.in_body = 0\\n')

def whole():
    eq([entry for entry in seen if entry[1:] != (True, True)], [])
"""


class Commit(HostCase):
    def case(self, script):
        self.host(PREAMBLE + textwrap.dedent(script))

    def test_keys_that_hash_by_python_code_are_not_hashed_within_it(self):
        self.case("""
            import collections
            class Key:
                def __init__(self, n): self.n = n
                def __hash__(self): look(f'hash {self.n}'); return hash(self.n)
                def __eq__(self, other): look(f'eq {self.n}'); return isinstance(other, Key) and other.n == self.n
            sys.keys, sys.table, sys.set = [Key(i) for i in range(9)], {}, set()
            body = '''
                K = sys.keys
                TABLE = {K[0]: f, K[1]: 1}
                TUPLES, SET, FROZEN = {(f, K[2]): f}, {(f, K[3])}, frozenset([(f, K[4]), f])
                ORDERED = __import__('collections').OrderedDict([(K[5], f), ((f, K[5]), 1)])
                sys.table[K[6]] = f
                sys.table[f, K[6]] = f
                sys.set.add((f, K[7]))
            '''
            save(1, body)
            import m
            f = m.f
            for n in (2, 3):
                save(n, body)
                good('m')
                assert m.f is f and f() == n
                assert m.TABLE[sys.keys[0]] is f and m.TUPLES[f, sys.keys[2]] is f and (f, sys.keys[3]) in m.SET
                eq(m.FROZEN, {f, (f, sys.keys[4])})
                eq(list(m.ORDERED.items()), [(sys.keys[5], f), ((f, sys.keys[5]), 1)])
                assert m.ORDERED[f, sys.keys[5]] == 1 and sys.table[sys.keys[6]] is f and sys.table[f, sys.keys[6]] is f
                eq((len(sys.table), len(sys.set), (f, sys.keys[7]) in sys.set), (2, 1, True))
            whole()
        """)

    def test_keys_that_collide_are_not_compared_within_it(self):
        self.case("""
            class Key:
                def __hash__(self): return 1
                def __eq__(self, other): look('eq'); return self is other
            sys.keys = [Key() for _ in range(5)]
            body = 'TABLE = {key: f for key in sys.keys}; MIXED = {key: 1 for key in [*sys.keys, f]}\\n'
            save(1, body)
            import m
            save(2, body)
            good('m')
            eq((set(m.TABLE.values()), m.MIXED[m.f], len(m.MIXED)), ({m.f}, 1, 6))
            whole()
        """)

    def test_a_metaclass_is_not_asked_within_it(self):
        self.case("""
            import abc
            class Watching:
                def __get__(self, *_): sys.look('get'); return 5
                def __set__(self, *_): sys.look('set'); raise RuntimeError('set')
            class Meta(abc.ABCMeta):
                __len__ = __doc__ = Watching()
                def __getattribute__(cls, name): sys.look('getattribute'); return super().__getattribute__(name)
                def __setattr__(cls, name, value): sys.look('setattr'); super().__setattr__(name, value)
                def __hash__(cls): sys.look('hash'); return 7
                def __eq__(cls, other): sys.look('eq'); return cls is other
                def mro(cls): sys.look('mro'); return super().mro()
            sys.Meta = Meta
            body = '''
                class B: pass
                class %s: pass
                class C(%s, metaclass=sys.Meta):
                    "A class."
                    def __len__(self): return A
                    def __bool__(self): return True
                TABLE, SET = {C: f}, {C}
            '''
            save(1, body % ('D', 'B'))
            import m
            C, c = m.C, m.C()
            save(2, body % ('D', 'D'))
            good('m')
            assert m.C is C and type(c) is C and C.__dict__['__len__'](c) == 2 == len(c) and isinstance(c, m.D)
            assert m.TABLE[C] is m.f and C in m.SET and not isinstance(c, m.B)
            whole()
        """)

    def test_audit_hooks_hear_nothing_within_it(self):
        self.case("""
            body = 'class B: pass\\nclass C%s:\\n    "A class."\\n    def __len__(self): return A\\n'
            save(1, body % '')
            import m
            heard = []
            sys.addaudithook(lambda event, arguments: heard.append(event) or look(event))
            save(2, body % '(B)')
            good('m')
            assert issubclass(m.C, m.B) and 'compile' in heard
            whole()
        """)

    def test_a_subclass_of_deque_is_not_asked_within_it(self):
        self.case("""
            import collections
            class Queue(collections.deque):
                def __len__(self): look('len'); return super().__len__()
                def __getitem__(self, index): look('getitem'); return super().__getitem__(index)
                def __setitem__(self, index, value): look('setitem'); super().__setitem__(index, value)
            sys.queue = Queue()
            save(1, 'sys.queue.append(f)\\n')
            import m
            save(2, 'sys.queue.append(f)\\n')
            good('m')
            eq(list(collections.deque.__iter__(sys.queue)), [m.f, m.f])
            whole()
        """)

    def test_what_goes_dies_after_it(self):
        self.case("""
            import weakref
            class Dying:
                def __del__(self): look('del')
            sys.Dying = Dying
            body = '''
                VALUE = sys.Dying()
                f.value = sys.Dying()
                class C:
                    value = sys.Dying()
                LIST = [sys.Dying()]
                def g(x=sys.Dying()): pass
            '''
            save(1, body)
            import m
            refs = [weakref.ref(value, lambda ref: look('weakref'))
                for value in (m.VALUE, m.f.value, m.C.value, m.LIST[0], m.g.__defaults__[0])]
            save(2, body)
            good('m')
            collect()
            eq([ref() for ref in refs], [None] * 5)
            assert len(seen) >= 10, seen
            whole()
        """)

    def test_a_dict_that_another_thread_changes_meanwhile_loses_nothing(self):
        self.case("""
            import threading, time
            sys.setswitchinterval(0.0001)
            class Key:
                def __init__(self, n): self.n = n
                def __hash__(self): return hash(self.n)
                def __eq__(self, other): return isinstance(other, Key) and other.n == self.n
            sys.table, sys.set, sys.keys = {}, set(), [Key(i) for i in range(50)]
            body = 'for key in sys.keys: sys.table[f, key] = A; sys.set.add((f, key))\\n'
            save(1, body)
            import m
            added, done = 0, False
            def adding():
                global added
                while not done:
                    sys.table[added] = added
                    sys.set.add(added)
                    added += 1
                    time.sleep(0.0005)
            thread = threading.Thread(target=adding)
            thread.start()
            for n in range(2, 20):
                save(n, body)
                good('m')
            done = True
            thread.join()
            assert added
            eq((len(sys.table), len(sys.set)), (added + 50, added + 50))
            eq([n for n in range(added) if sys.table[n] != n or n not in sys.set], [])
            eq({sys.table[m.f, key] for key in sys.keys}, {19})
        """)


class Tables(HostCase):
    def test_a_table_of_another_module_with_keys_of_functions_and_classes_finds_them(self):
        self.host("""
            write('tables', 'PAIRS, SET, GROUPS = {}, set(), {}')
            body = '''
                import tables
                class A: pass
                def f(): return %d
                tables.PAIRS[A, f] = %d
                tables.SET.add((f, 'x'))
                tables.GROUPS[frozenset([A, f])] = %d
            '''
            write('m', body % (1, 1, 1))
            import m, tables
            write('m', body % (2, 2, 2))
            good('m')
            eq((tables.PAIRS, tables.SET, tables.GROUPS), ({(m.A, m.f): 2}, {(m.f, 'x')}, {frozenset([m.A, m.f]): 2}))
        """)


class Names(HostCase):
    def test_names_that_are_no_strings_are_kept_and_replaced(self):
        self.host("""
            source = '''
                class C:
                    %s
                    vars()[%d] = f'a class'
                    vars()[''] = 5
                def f(): return %d
                globals()[1] = f
                globals()[2, 3] = %d
                f.__dict__[''] = 1
            '''
            write('m', source % ('', 1, 1, 1))
            import m
            c, f = m.C(), m.f
            write('m', source % ('', 2, 2, 2))
            good('m')
            eq((vars(m)[1] is f, f(), vars(m)[2, 3], 1 in vars(m.C), 2 in vars(m.C)), (True, 2, 2, False, True))
            write('m', source % ('__slots__ = ("a",)', 3, 3, 3))
            good('m')
            eq((vars(m)[1]() , isinstance(c, m.C), vars(m.C)[3]), (3, True, 'a class'))
            write('m', 'X = 1')
            good('m')
            eq([name for name in vars(m) if not isinstance(name, str)], [])
        """)


if __name__ == '__main__':
    unittest.main()
