"""A class of any kind becomes one of any other kind, and back: its instances and subclasses go on with the new code."""

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


if __name__ == '__main__':
    unittest.main()
