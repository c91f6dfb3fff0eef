"""A class of any kind becomes one of any other kind, and back: its instances and subclasses go on with the new code."""

import os
import unittest

from tests.host.harness import HostCase

KINDS = {
    'plain': 'class C:\n  def f(self): return N',
    'derived': 'class B:\n  b = 1\nclass C(B):\n  def f(self): return N',
    'abstract': 'import abc\nclass B(abc.ABC):\n  @abc.abstractmethod\n  def f(self): ...\nclass C(B):\n  def f(self): return N',
    'empty_slots': 'class B:\n  __slots__ = ()\nclass C(B):\n  def f(self): return N',
    'all_slots': 'class C:\n  __slots__ = ("x", "__dict__", "__weakref__")\n  def f(self): return N',
    'slots': 'class C:\n  __slots__ = ("x",)\n  def f(self): return N',
    'dataclass': 'from dataclasses import dataclass\n@dataclass\nclass C:\n  x: int = 1\n  def f(self): return N',
    'generic': 'import typing\nclass C(typing.Generic[typing.TypeVar("T")]):\n  def f(self): return N',
    'metaclass': 'class M(type):\n  def __instancecheck__(cls, o): return type.__instancecheck__(cls, o)\n'
                 'class C(metaclass=M):\n  def f(self): return N',
    'list': 'class C(list):\n  def f(self): return N',
    'exception': 'class C(Exception):\n  def f(self): return N',
    'mapping': 'import collections.abc\nclass C(collections.abc.Mapping):\n  def f(self): return N\n  def __getitem__(self, k): return 1\n'
               '  def __iter__(self): return iter(())\n  def __len__(self): return 0\n  __hash__ = object.__hash__',
    'getattr': 'class C:\n  def __getattr__(self, n):\n    if n != "f": raise AttributeError(n)\n    return lambda: N',
}

EVERY_KIND = """
import itertools, weakref
KINDS = %r
WITHOUT_DICT = ('slots',)

def check(kind, first, m, c, sub, s, n):
    assert (c.f(), s.f(), m.C().f()) == (n, n, n)
    assert isinstance(c, m.C) and isinstance(s, m.C) and issubclass(sub, m.C) and not isinstance(3, m.C) and not issubclass(int, m.C)
    bool(c), bool(s), hash(m.C), c == s
    if first not in WITHOUT_DICT:
        vars(c)['a'] = c.b = 1
    vars(s)['a'] = s.b = 1
    if kind not in WITHOUT_DICT:
        vars(m.C())
        assert kind == 'list' or weakref.ref(m.C())() is None

wrong = []
for i, (first, second) in enumerate(itertools.permutations(KINDS, 2)):
    name = f'm{i}'
    write(name, KINDS[first].replace('N', '1'))
    m = __import__(name)
    c, sub = m.C(), type('Sub', (m.C,), {})
    s = sub()
    for kind, n in ((second, 2), (second, 3), (first, 4)):
        write(name, KINDS[kind].replace('N', str(n)))
        good(name)
        try:
            check(kind, first, m, c, sub, s, n)
        except Exception as error:
            wrong.append(f'{first} -> {second}, version {n}: {error!r}')
    pymodhost.unload(name)
assert not wrong, '\\n'.join(wrong)
"""

# Three classes, one derived from the other, and a mixin: other slots, bases and special methods with each version. Instances of all
# versions, and of classes that the program derived from them, keep the values of their slots and find the rest in the new classes.
HIERARCHIES = """
import random
random = random.Random(SEED)
NAMES = 'pqrs'

def class_of(name, bases, n):
    kind, slots = random.choice(['slots', 'slots', 'slots', 'open', 'dict']), random.sample(NAMES, random.randrange(3))
    if kind == 'dict':
        slots += random.sample(['__dict__', '__weakref__'], random.randrange(3))
    lines = [f'class {name}({", ".join(bases)}):', f'  def who(self): return {name!r}, {n}']
    lines += [] if kind == 'open' else [f'  __slots__ = {tuple(slots)!r}']
    lines += random.choice([[], [], [f'  def __len__(self): return {n}'], ['  def __eq__(self, other): return self is other', '  __hash__ = object.__hash__']])
    return lines

def program(n):
    mixed = random.random() < 0.5
    lines = class_of('M', [], n) if mixed else []
    for name, base in (('A', random.choice(['', '', '', 'Exception', 'list', 'dict'])), ('B', 'A'), ('C', random.choice('AB'))):
        bases = [base] if base else []
        if mixed and random.random() < 0.4:
            bases.insert(random.randrange(len(bases) + 1), 'M')
        lines += class_of(name, bases, n)
    return '\\n'.join(lines)

def is_valid(source):
    try:
        exec(source, {'__name__': 'm'})
    except TypeError:
        return False
    return True

def hold(kind, name):
    values, x = {}, kind()
    for slot in NAMES:
        try:
            setattr(x, slot, value := [slot])
        except AttributeError:
            continue
        values[slot] = value
    held.append((x, name, values))

held = []
for n in range(VERSIONS):
    source = program(n)
    while not is_valid(source):
        source = program(n)
    write('m', source)
    import m
    good()
    for name in 'ABC':
        hold(getattr(m, name), name)
    name = random.choice('ABC')
    hold(type('Sub', (getattr(m, name),), random.choice([{}, {'__slots__': ()}, {'__slots__': ('z',)}])), name)
    for x, name, values in held:
        kind = getattr(m, name)
        assert isinstance(x, kind) and x.who() == (name, n), (n, name, x.who())
        eq({slot: getattr(x, slot) for slot in values}, values)
        kind.told = told = [n]
        eq([getattr(x, slot, None) for slot in (*NAMES, 'told')][-1], told)
        eq(bool(x), bool(len(x)) if hasattr(x, '__len__') else True)
        repr(x), type(x).__subclasses__()
    del held[random.randrange(len(held))]
"""


class Layouts(HostCase):
    places = ('plain',)

    def test_every_kind_becomes_every_other_and_back(self):
        self.host(EVERY_KIND % KINDS)

    def test_special_methods_of_later_versions_reach_instances_of_an_earlier_layout(self):
        self.host("""
            source = '''
                class C:
                    __slots__ = ({0})
                    {1}
            '''
            write('m', source.format('"a",', ''))
            import m
            class Sub(m.C):
                pass
            c, s = m.C(), Sub()
            write('m', source.format('"a", "b"', ''))
            good('m')
            raises(TypeError, len, c)
            write('m', source.format('"a", "b"', 'def __len__(self): return 3'))
            good('m')
            eq((len(c), len(s), len(m.C())), (3, 3, 3))
            write('m', source.format('"a", "b", "c"', 'def __len__(self): return 4\\n        def __call__(self): return 5'))
            good('m')
            eq((len(c), len(s), c(), s(), m.C()()), (4, 4, 5, 5, 5))
            write('m', source.format('"a", "b", "c"', ''))
            good('m')
            for old in (c, s, m.C()):
                raises(TypeError, len, old)
                eq((bool(old), callable(old)), (True, False))
        """)

    def test_an_instance_of_an_earlier_layout_has_a_class_of_the_new_metaclass(self):
        self.host("""
            write('m', 'class C(Exception): pass')
            import m
            c = m.C()
            for n in (1, 2):
                write('m', f'class M(type):\\n  def tag(cls): return {n}\\nclass C(metaclass=M):\\n  def f(self): return type(self).tag()')
                good('m')
                eq((c.f(), m.C().f()), (n, n))
        """)

    def test_instances_of_an_earlier_layout_see_each_later_value_of_the_class(self):
        self.host("""
            source = 'class C:\\n  __slots__ = ({0})\\n  count = [{1}]\\n  def f(self): return self.count'
            write('m', source.format('"a",', 0))
            import m
            class Sub(m.C):
                pass
            old = m.C(), Sub()
            for n in range(1, 30):
                write('m', source.format('"a", "b"', n))
                good('m')
                for _ in range(20):
                    eq([(x.count, x.f()) for x in old], [([n], [n])] * 2)
        """)

    def test_a_class_that_becomes_abstract_has_its_own_registry(self):
        self.host("""
            write('m', 'class C: pass')
            import m
            c = m.C()
            for n in (1, 2):
                write('m', f'import abc\\nclass B(abc.ABC): pass\\nB.register(int)\\nclass C(B): pass\\nC.register(str)\\nN = {n}')
                good('m')
                eq([isinstance(x, k) for x in (3, '', c, 1.5) for k in (m.B, m.C)], [True, False, True, True, True, True, False, False])
        """)

    def test_a_base_with_the_instances_dict_goes(self):
        self.host("""
            write('m', 'class B: pass\\nclass C(B): pass')
            import m, weakref
            c = m.C()
            c.x = 1
            write('m', 'class C: pass')
            good('m')
            eq((vars(c), c.__dict__, vars(m.C()), weakref.ref(c)() is c, c.__weakref__ is not None), ({'x': 1}, {'x': 1}, {}, True, False))
        """)

    def test_what_a_program_sets_on_a_class_is_seen_by_instances_of_an_earlier_layout(self):
        self.host("""
            write('m', 'class B: __slots__ = ()\\nclass C(B):\\n  __slots__ = ("a",)\\n  count = 0')
            import m
            class Sub(m.C):
                pass
            old = m.C(), Sub()
            write('m', 'class B: __slots__ = ()\\nclass C(B):\\n  __slots__ = ("a", "b")\\n  count = 1')
            good('m')
            for n in range(200):
                m.C.count, m.B.other, m.C.__len__ = [n], [n], lambda self, n=n: n
                eq([(x.count, x.other, len(x)) for x in old], [([n], [n], n)] * 2)
                del m.C.__len__
            raises(TypeError, len, old[0])
            m.C.__bases__ = (type('Mixin', (), {'__slots__': (), 'mixed': lambda self: 7}), m.B)
            eq([x.mixed() for x in old], [7, 7])
        """)

    def test_instances_of_an_earlier_layout_find_what_new_bases_have(self):
        self.host("""
            source = '''
                import functools
                {}
                {}
                {}
                @functools.singledispatch
                def name(x): return 'object'
                @name.register
                def _(x: C): return 'C'
            '''
            write('m', source.format('class B: __slots__ = ("b",)', 'class C(B): __slots__ = ("a",)', ''))
            import m
            class Sub(m.C):
                pass
            old = m.C(), Sub()
            for x in old:
                x.a, x.b = 1, 2
            write('m', source.format('class Mixin: __slots__, mixed = ("z",), lambda self: 4', 'class Low: __slots__, __len__ = (), lambda self: 3',
                                     'class C(Low, Mixin): __slots__ = ("a", "b", "c")'))
            good('m')
            for x in (*old, m.C()):
                eq((len(x), x.mixed(), m.name(x), isinstance(x, m.Mixin)), (3, 4, 'C', True))
            eq([(x.a, x.b) for x in old], [(1, 2)] * 2)
            for name in ('c', 'z'):
                raises(AttributeError, getattr, old[0], name)
            eq((m.C.__subclasses__(), m.Mixin.__subclasses__(), m.C.__class__), ([Sub], [m.C], type))
        """)

    def test_an_instance_of_an_earlier_layout_makes_instances_of_the_new_one(self):
        self.host("""
            source = '''
                class C:
                    __slots__ = ({0})
                    def __init__(self, a): self.a = a; {1}
                    def __add__(self, n): return type(self)(self.a + n)
                    def moved(self): return self.__class__(self.a + 1)
                    def clone(self): return type(self).__new__(type(self))
            '''
            write('m', source.format('"a",', ''))
            import m
            class Sub(m.C):
                pass
            old, sub = m.C(5), Sub(6)
            for slots in ('"a", "b"', '"a", "b", "c"'):
                write('m', source.format(slots, 'self.b = 2'))
                good('m')
                for made in (old + 1, old.moved()):
                    eq((type(made), made.a, made.b), (m.C, 6, 2))
                eq((type(old.clone()), old.__class__, isinstance(old, m.C)), (m.C, m.C, True))
                for made in (sub + 1, sub.moved(), Sub(7)):
                    eq((type(made), made.a, made.__class__), (Sub, 7, Sub))
                eq((type(sub.clone()), type(object.__new__(Sub))), (Sub, Sub))
                raises(TypeError, old.__new__, 3)
                raises(TypeError, old.__new__)
        """)

    def test_the_layouts_of_a_class_and_its_bases_in_other_modules_change(self):
        self.host("""
            base = 'class A:\\n  __slots__ = ("x", {})\\n  def __init__(self): self.x = 1; self.{} = 2\\n  def who(self): return ["A"]'
            def derived(name, base):
                return f'from {base.lower()} import {base}\\nclass {name}({base}):\\n  def who(self): return ["{name}", *super().who()]'
            write({'a': base.format('"w"', 'w'), 'b': derived('B', 'A'), 'c': derived('C', 'B')})
            import a, b, c
            class D(c.C):
                def who(self): return ['D', *super().who()]
            old = a.A(), b.B(), c.C(), D()
            for slot in ('y', 'z'):
                write('a', base.format(f'"w", "{slot}"', slot))
                good('a', 'b', 'c')
                for n, x in enumerate(old, 1):
                    eq((x.who(), [isinstance(x, k) for k in (a.A, b.B, c.C, D)]), (['A', 'B', 'C', 'D'][:n][::-1], [k < n for k in range(4)]))
                    eq((type(x)().x, getattr(type(x)(), slot), type(type(x)())), (1, 2, (a.A, b.B, c.C, D)[n - 1]))
                eq([k.__subclasses__() for k in (a.A, b.B, c.C)], [[b.B], [c.C], [D]])
        """)

    def test_a_slot_of_a_base_that_gets_another_name_is_another_one(self):
        self.host("""
            source = 'class A:\\n  __slots__ = ({0!r},)\\nclass B(A):\\n  __slots__ = ()\\n  def f(self): return {1}'
            write('m', source.format('p', 1))
            import m
            b = m.B()
            b.p = 5
            write('m', source.format('q', 2))
            good('m')
            eq((b.f(), b.p, hasattr(b, 'q'), isinstance(b, m.B), hasattr(m.B(), 'p')), (2, 5, False, True, False))
        """)

    def test_instances_keep_their_values_through_changes_of_their_whole_hierarchy(self):
        self.host(HIERARCHIES.replace('SEED', '3').replace('VERSIONS', os.environ.get('PYMODFS_HOST_HIERARCHIES', '40')), deadline=600)

    def test_a_hundred_layouts_leave_only_those_that_have_instances(self):
        self.host("""
            import gc
            source = 'class B{0}:\\n  def g(self): return {0}\\nclass C({1}):\\n  __slots__ = ("a", {2})\\n  def f(self): return {0}\\n  {3}'
            write('m', source.format(0, 'object', '"b"', 'x = 1'))
            import m
            class Sub(m.C):
                pass
            old = [m.C(), Sub()]
            old[0].a = old[1].a = 5
            for n in range(1, 100):
                write('m', source.format(n, 'object', f'"c{n}"', f'c{n - 1} = property(lambda self: {n})'))
                good('m')
                if n == 50:
                    old.append(m.C())
                    old[2].a = 5
                eq([(x.f(), x.a) for x in old], [(n, 5)] * len(old))
                eq([getattr(x, f'c{n - 1}') for x in old[:2]], [n] * 2)
            collect()
            eq(len([x for x in gc.get_objects() if isinstance(x, type) and x.__module__ == 'm' and x.__name__ == 'C']), 3)
            eq([len(type(x).__mro__) for x in old], [3, 4, 3])
            write('m', source.format(100, 'B100', '"d"', 'y = 2'))
            good('m')
            eq([(x.f(), x.g(), x.a, x.y, hasattr(x, 'd'), isinstance(x, m.B100)) for x in old], [(100, 100, 5, 2, False, True)] * 3)
            del old[:], Sub
            collect()
            eq(len([x for x in gc.get_objects() if isinstance(x, type) and x.__module__ == 'm' and x.__name__ == 'C']), 1)
        """)

    def test_a_copy_or_pickle_of_an_instance_of_an_earlier_layout_is_one_of_the_new_class(self):
        self.host("""
            import copy, pickle
            def copies(x):
                return [copy.copy(x), copy.deepcopy([x])[0], *(pickle.loads(pickle.dumps(x, p)) for p in range(2, 6))]
            def check(x, **expected):
                for y in copies(x):
                    eq((type(y), {n: getattr(y, n) for n in ('a', 'b', 'c') if hasattr(y, n)}), (m.C, expected))
            write('m', 'class C: __slots__ = ("a", "b")')
            import m
            slotted = m.C()
            slotted.a, slotted.b = 1, [2]
            write('m', 'class C: __slots__ = ("b", "c")')
            good('m')
            check(slotted, b=[2])
            second = m.C()
            second.b = second.c = 3
            write('m', 'class C: pass')
            good('m')
            check(slotted, a=1, b=[2])
            check(second, b=3, c=3)
            plain = m.C()
            plain.a, plain.c = 4, 5
            write('m', 'class C:\\n  __slots__ = ("a",)\\n  def __setstate__(self, state): self.a = state[0]["c"]')
            good('m')
            check(plain, a=5)
            write('m', '''
                class C:
                    __slots__ = ('a', 'b')
                    def __init__(self, a): self.a = a
                    def __reduce__(self): return type(self), (self.a,)
            ''')
            good('m')
            check(plain, a=4)
            eq({p: pickle.loads(pickle.dumps(plain, p)).a for p in (0, 1)}, {0: 4, 1: 4})
        """)

    def test_an_instance_laid_out_by_another_built_in_type_is_never_taken_for_one_of_the_new(self):
        self.host("""
            write('m', 'class C(dict):\\n  def f(self): return 1')
            import m
            c = m.C(x=1)
            write('m', 'class B(list):\\n  def g(self): return 3\\nclass C(B):\\n  def f(self): return 2')
            good('m')
            eq((c.f(), c.g(), c['x'], isinstance(c, m.C), list in type(c).__mro__, m.C().f()), (2, 3, 1, True, False, 2))
            raises(TypeError, list.append, c, 1)
            class Other(list):
                def f(self): return 3
            raises(TypeError, setattr, m.C, '__bases__', (Other,))
            for n in (4, 5):
                write('m', f'class A(list):\\n  pass\\nclass C(A):\\n  def f(self): return {n}')
                good('m')
                eq((c.f(), list in type(c).__mro__, m.C().f()), (n, False, n))
        """)

    def test_c_types_of_one_size_are_not_one_layout(self):
        self.host("""
            write('m', 'class C(map):\\n  def f(self): return 1')
            import m
            c = m.C(str, [1, 2])
            write('m', 'class C(filter):\\n  def f(self): return 2')
            good('m')
            eq((next(c), c.f(), list(m.C(None, [0, 3]))), ('1', 2, [3]))
        """)

    def test_an_exception_that_gets_another_base_stays_the_class_it_is(self):
        self.host("""
            write('m', 'class E(ValueError): pass')
            import m
            E, e = m.E, m.E(1)
            write('m', 'class E(KeyError): pass')
            good('m')
            eq((m.E is E, isinstance(e, KeyError), isinstance(e, ValueError)), (True, True, False))
        """)

    def test_fields_of_ctypes_that_change_are_another_layout_and_methods_are_none(self):
        self.host("""
            source = '''
                import ctypes
                class Point(ctypes.Structure):
                    _fields_ = [('x', ctypes.c_int)]
                class Node(ctypes.Structure):
                    def total(self): return self.value * %d
                Node._fields_ = [('next', ctypes.POINTER(Node)), ('at', Point), ('value', ctypes.c_int)%s]
            '''
            write('m', source % (1, ''))
            import ctypes, m
            Node, node, size = m.Node, m.Node(value=3), ctypes.sizeof(m.Node)
            write('m', source % (2, ''))
            good('m')
            eq((m.Node is Node, node.total(), node.at.x), (True, 6, 0))
            node.next = ctypes.pointer(m.Node(value=4))
            write('m', source % (3, ", ('more', ctypes.c_int * 1000), ('last', ctypes.c_int)"))
            good('m')
            assert ctypes.sizeof(m.Node) > size + 4000
            new = m.Node(value=1, last=5)
            eq((node.total(), new.total(), new.last, node.next.contents.value), (9, 3, 5, 4))
            raises(AttributeError, getattr, node, 'last')
            node.value = 7
            eq((node.value, isinstance(node, m.Node)), (7, True))
        """)


if __name__ == '__main__':
    unittest.main()
