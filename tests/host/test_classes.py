"""Classes stay the same objects with the new code, and instances go on."""

import unittest

from tests.host.harness import HostCase


class Plain(HostCase):
    def test_an_old_instance_runs_the_new_method(self):
        self.host("""
            write('m', '''
                class C:
                    def f(self): return 1
            ''')
            from m import C
            import m
            c = C()
            write('m', '''
                class C:
                    def f(self): return 2
            ''')
            good('m')
            assert C is m.C and type(c) is m.C and isinstance(c, m.C)
            eq((c.f(), C().f()), (2, 2))
        """)

    def test_methods_and_class_attributes_appear_and_go(self):
        self.host("""
            write('m', '''
                class C:
                    X = 1
                    gone = 2
                    def old(self): pass
            ''')
            from m import C
            c = C()
            write('m', '''
                class C:
                    X = 10
                    Y = 20
                    def new(self): return self.Y
            ''')
            good('m')
            eq((c.X, c.new()), (10, 20))
            assert not hasattr(c, 'old') and not hasattr(C, 'gone')
        """)

    def test_instance_state_stays(self):
        self.host("""
            write('m', '''
                class C:
                    def __init__(self): self.hp = 100
            ''')
            from m import C
            c = C()
            c.hp = 37
            write('m', '''
                class C:
                    def __init__(self): self.hp, self.mana = 50, 5
                    def hurt(self): self.hp -= 1; return self.hp
            ''')
            good('m')
            eq((c.hurt(), C().mana), (36, 5))
        """)

    def test_an_attribute_that_others_set_on_a_class_stays(self):
        self.host("""
            write('m', 'class C: X = 1')
            from m import C
            C.injected = lambda self: 'injected'
            write('m', 'class C: X = 2')
            good('m')
            eq((C.X, C().injected()), (2, 'injected'))
        """)

    def test_properties_change_appear_and_go(self):
        self.host("""
            write('m', '''
                class C:
                    @property
                    def a(self): return 1
                    @property
                    def gone(self): return 1
            ''')
            from m import C
            c = C()
            write('m', '''
                class C:
                    @property
                    def a(self): return 2
                    @a.setter
                    def a(self, value): self.saved = value
                    @property
                    def b(self): return 3
            ''')
            good('m')
            c.a = 5
            eq((c.a, c.b, c.saved), (2, 3, 5))
            assert not hasattr(c, 'gone')
        """)

    def test_a_method_changes_its_kind(self):
        self.host("""
            kinds = {
                'method': 'def f(self): return "method"',
                'class': '@classmethod\\n    def f(cls): return "class"',
                'static': '@staticmethod\\n    def f(): return "static"',
                'attribute': 'f = staticmethod(lambda: "attribute")',
            }
            write('m', '')
            import itertools, m
            for a, b in itertools.permutations(kinds, 2):
                for kind in (a, b):
                    write('m', 'class C:\\n    ' + kinds[kind] + '\\n#' + a + b)
                    good('m')
                    c = m.C() if kind == a else c
                    eq(c.f(), kind)
        """)

    def test_zero_argument_super_and_dunder_class_find_the_class(self):
        self.host("""
            source = '''
                class Base:
                    def f(self): return ['base %d']
                    @classmethod
                    def make(cls): return cls()
                class C(Base):
                    def f(self): return super().f() + ['c %d']
                    def own(self): return __class__
                    def nested(self): return [(lambda: __class__)() for _ in 'x'][0]
                    def explicit(self): return super(C, self).f()
                    @classmethod
                    def make(cls): return super().make()
            '''
            write('m', source % (1, 1))
            import m
            c = m.C()
            write('m', source % (2, 2))
            good('m')
            eq((c.f(), m.C().f(), c.explicit()), (['base 2', 'c 2'], ['base 2', 'c 2'], ['base 2']))
            assert c.own() is m.C and c.nested() is m.C and type(m.C.make()) is m.C
        """)

    def test_a_method_that_gains_super_finds_the_class(self):
        self.host("""
            write('m', '''
                class Base:
                    def f(self): return 'base'
                class C(Base):
                    def f(self): return 'c'
            ''')
            import m
            c = m.C()
            write('m', '''
                class Base:
                    def f(self): return 'base'
                class C(Base):
                    def f(self): return 'c over ' + super().f()
            ''')
            good('m')
            eq((c.f(), m.C().f()), ('c over base',) * 2)
        """)

    def test_special_methods_appear_and_go(self):
        self.host("""
            write('m', 'class C: pass')
            from m import C
            c = C()
            raises(TypeError, len, c)
            write('m', '''
                class C:
                    def __len__(self): return 3
                    def __call__(self): return 'called'
                    def __getitem__(self, i): return i
                    def __iter__(self): return iter('ab')
                    def __bool__(self): return False
                    def __add__(self, other): return 'sum'
                    def __radd__(self, other): return 'rsum'
                    def __eq__(self, other): return True
                    def __hash__(self): return 7
                    def __repr__(self): return 'me'
                    def __str__(self): return 'text'
                    def __contains__(self, x): return True
                    def __enter__(self): return 'in'
                    def __exit__(self, *a): return True
                    def __getattr__(self, name): return name.upper()
                    def __int__(self): return 9
                    def __format__(self, spec): return spec
                    def __lt__(self, other): return True
                    def __index__(self): return 4
            ''')
            good('m')
            eq((len(c), c(), c[5], list(c), bool(c), c + 1, 1 + c, c == 2, hash(c)),
               (3, 'called', 5, ['a', 'b'], False, 'sum', 'rsum', True, 7))
            eq((repr(c), str(c), 99 in c, c.what, int(c), f'{c:x}', c < 1, [0] * 4 == [0] * c.__index__()),
               ('me', 'text', True, 'WHAT', 9, 'x', True, True))
            with c as value:
                eq(value, 'in')
            write('m', 'class C: pass')
            good('m')
            for operation in (len, iter, lambda c: c(), lambda c: c[5], lambda c: c + 1, lambda c: 1 + c, int,
                              lambda c: 9 in c, lambda c: c < 1):
                raises(TypeError, operation, c)
            assert bool(c) and c != 2 and 'object at' in repr(c) and hash(c) != 7
            raises(AttributeError, lambda: c.what)
        """)

    def test_equality_without_a_hash_makes_instances_unhashable(self):
        self.host("""
            write('m', 'class C: pass')
            from m import C
            c = C()
            write('m', '''
                class C:
                    def __eq__(self, other): return True
            ''')
            good('m')
            raises(TypeError, hash, c)
            write('m', 'class C: pass')
            good('m')
            assert isinstance(hash(c), int)
        """)

    def test_construction_changes(self):
        self.host("""
            write('m', 'class C: pass')
            from m import C
            raises(TypeError, C, 1)
            write('m', '''
                class C:
                    def __new__(cls, *args):
                        self = super().__new__(cls)
                        self.made = args
                        return self
                    def __init__(self, *args): self.args = args
            ''')
            good('m')
            eq((C(1).made, C(1).args), ((1,), (1,)))
            write('m', 'class C: pass')
            good('m')
            raises(TypeError, C, 1)
            assert not hasattr(C(), 'made')
        """)

    def test_a_finalizer_appears(self):
        self.host("""
            write('m', 'class C: pass')
            from m import C
            c = C()
            write('m', '''
                import sys
                class C:
                    def __del__(self): sys.finalized = True
            ''')
            good('m')
            del c
            collect()
            assert sys.finalized
        """)

    def test_docstring_annotations_and_names_follow_the_source(self):
        self.host("""
            write('m', '''
                class C:
                    "old"
                    x: int
            ''')
            from m import C
            write('m', '''
                class C:
                    "new"
                    __match_args__ = ('y',)
                    y: str
            ''')
            good('m')
            eq((C.__doc__, C.__annotations__, C.__name__, C.__qualname__, C.__module__, C.__match_args__),
               ('new', {'y': str}, 'C', 'C', 'm', ('y',)))
            write('m', 'class C: pass')
            good('m')
            eq((C.__doc__, C.__annotations__), (None, {}))
        """)

    def test_nested_classes_stay_the_same_objects(self):
        self.host("""
            write('m', '''
                class Outer:
                    class Inner:
                        class Core:
                            def f(self): return 1
            ''')
            from m import Outer
            core, inner = Outer.Inner.Core, Outer.Inner
            c = core()
            write('m', '''
                class Outer:
                    class Inner:
                        class Core:
                            def f(self): return 2
            ''')
            good('m')
            assert Outer.Inner is inner and inner.Core is core
            eq(c.f(), 2)
        """)

    def test_a_function_object_of_a_method_stays_the_same(self):
        self.host("""
            write('m', '''
                class C:
                    def f(self): return 1
            ''')
            from m import C
            function = C.f
            write('m', '''
                class C:
                    def f(self): return 2
            ''')
            good('m')
            assert C.f is function is C.__dict__['f']
            eq(function(None), 2)
        """)

    def test_a_class_that_is_gone_still_works_for_its_instances(self):
        self.host("""
            write('m', '''
                class C:
                    def f(self): return helper()
                def helper(): return 1
            ''')
            import m
            c = m.C()
            write('m', 'def helper(): return 2')
            good('m')
            assert not hasattr(m, 'C')
            eq(c.f(), 2)
        """)

    def test_a_class_made_by_calling_type_keeps_its_identity(self):
        self.host("""
            write('m', 'C = type("C", (), {"f": lambda self: 1})')
            from m import C
            import m
            c = C()
            write('m', 'C = type("C", (), {"f": lambda self: 2})')
            good('m')
            assert C is m.C
            eq(c.f(), 2)
        """)

    def test_a_class_made_in_a_function_at_run_time_gets_the_new_methods(self):
        self.host("""
            write('m', '''
                def make():
                    class Local:
                        def f(self): return 1
                    return Local
            ''')
            import m
            local = m.make()()
            write('m', '''
                def make():
                    class Local:
                        def f(self): return 2
                    return Local
            ''')
            good('m')
            eq(local.f(), 2)
            eq(m.make()().f(), 2)
        """)

    def test_two_classes_under_one_name_in_turn(self):
        self.host("""
            source = '''
                class C:
                    def f(self): return 'first %d'
                First = C
                class C:
                    def f(self): return 'second %d'
            '''
            write('m', source % (1, 1))
            import m
            first, second = m.First(), m.C()
            write('m', source % (2, 2))
            good('m')
            eq((m.First().f(), m.C().f(), first.f(), second.f()), ('first 2', 'second 2', 'first 2', 'second 2'))
            assert m.First is not m.C
        """)

    def test_functions_stored_on_instances_run_the_new_code(self):
        self.host("""
            write('m', '''
                def strategy(self): return 1
                class C:
                    def __init__(self):
                        self.act = strategy.__get__(self)
                        self.local = lambda: 1
            ''')
            import m
            c = m.C()
            write('m', '''
                def strategy(self): return 2
                class C:
                    def __init__(self):
                        self.act = strategy.__get__(self)
                        self.local = lambda: 2
            ''')
            good('m')
            eq((c.act(), c.local()), (2, 2))
        """)


class Inheritance(HostCase):
    def test_a_changed_base_in_another_module_changes_instances_of_the_derived_class(self):
        self.host("""
            write({'base': '''
                class Base:
                    def f(self): return 1
            ''', 'derived': '''
                from base import Base
                class Derived(Base): pass
            '''})
            from derived import Derived
            import base
            d = Derived()
            write('base', '''
                class Base:
                    def f(self): return 2
            ''')
            good('base', 'derived')
            eq((d.f(), Derived().f()), (2, 2))
            assert isinstance(d, base.Base) and issubclass(Derived, base.Base) and type(d) is Derived
            eq(Derived.__mro__, (Derived, base.Base, object))
        """)

    def test_a_base_has_each_subclass_once_after_reloads(self):
        self.host("""
            write('base', 'class Base: pass')
            import base
            for i in range(5):
                write('m', f'''
                    from base import Base
                    class Derived(Base): X = {i}
                ''')
                import m
                good()
                collect()
                eq(base.Base.__subclasses__(), [m.Derived])
        """)

    def test_bases_change(self):
        self.host("""
            write('m', '''
                class A:
                    def f(self): return 'a'
                class B:
                    def f(self): return 'b'
                class C(A): pass
            ''')
            import m
            c = m.C()
            write('m', '''
                class A:
                    def f(self): return 'a'
                class B:
                    def f(self): return 'b'
                class C(B): pass
            ''')
            good('m')
            eq((c.f(), m.C().f()), ('b', 'b'))
            assert isinstance(c, m.B) and not isinstance(c, m.A) and type(c) is m.C
        """)

    def test_a_mixin_is_added_and_removed(self):
        self.host("""
            source = '''
                class Mixin:
                    def extra(self): return 'extra'
                class Base:
                    def f(self): return 'base'
                class C(%s): pass
            '''
            write('m', source % 'Base')
            import m
            c = m.C()
            write('m', source % 'Mixin, Base')
            good('m')
            eq((c.extra(), c.f()), ('extra', 'base'))
            write('m', source % 'Base')
            good('m')
            assert not hasattr(c, 'extra')
            eq(c.f(), 'base')
        """)

    def test_a_first_base_is_given_and_taken(self):
        self.host("""
            write('m', 'class C: pass')
            import m
            C, c = m.C, m.C()
            write('m', '''
                class Base:
                    def f(self): return 'base'
                class C(Base): pass
            ''')
            good('m')
            assert m.C is C
            eq((c.f(), C().f()), ('base', 'base'))
            assert isinstance(c, m.Base)
            write('m', 'class C: pass')
            good('m')
            assert m.C is C and not hasattr(c, 'f')
            eq(C.__mro__, (C, object))
        """)

    def test_a_method_moves_to_the_base(self):
        self.host("""
            write('m', '''
                class Base: pass
                class C(Base):
                    def f(self): return 1
            ''')
            import m
            c, held = m.C(), m.C().f
            write('m', '''
                class Base:
                    def f(self): return 2
                class C(Base): pass
            ''')
            good('m')
            eq(c.f(), 2)
            assert 'f' not in vars(m.C)
            assert held() in (1, 2)
        """)

    def test_a_diamond_keeps_its_order(self):
        self.host("""
            source = '''
                class A:
                    def f(self): return ['A%d']
                class B(A):
                    def f(self): return ['B%d'] + super().f()
                class C(A):
                    def f(self): return ['C%d'] + super().f()
                class D(B, C):
                    def f(self): return ['D%d'] + super().f()
            '''
            write('m', source % (1, 1, 1, 1))
            import m
            d = m.D()
            write('m', source % (2, 2, 2, 2))
            good('m')
            eq(d.f(), ['D2', 'B2', 'C2', 'A2'])
            eq(m.D.__mro__, (m.D, m.B, m.C, m.A, object))
        """)

    def test_subclasses_of_builtins_keep_their_contents(self):
        self.host("""
            source = '''
                class L(list):
                    def f(self): return %d
                class D(dict):
                    def f(self): return %d
                class I(int):
                    def f(self): return %d
                class S(str):
                    def f(self): return %d
                class T(tuple):
                    def f(self): return %d
            '''
            write('m', source % ((1,) * 5))
            import m
            things = [m.L([1]), m.D(a=1), m.I(5), m.S('x'), m.T((1,))]
            write('m', source % ((2,) * 5))
            good('m')
            eq([x.f() for x in things], [2] * 5)
            eq(things, [[1], {'a': 1}, 5, 'x', (1,)])
            eq([type(x) for x in things], [m.L, m.D, m.I, m.S, m.T])
        """)

    def test_a_class_derived_by_the_host_sees_the_change(self):
        self.host("""
            write('m', '''
                class Base:
                    def f(self): return 1
                    def g(self): return self.f()
            ''')
            import m
            class Mine(m.Base):
                def f(self): return 10 + super().f()
            mine = Mine()
            write('m', '''
                class Base:
                    def f(self): return 2
                    def g(self): return -self.f()
                    def h(self): return 'h'
            ''')
            good('m')
            eq((mine.f(), mine.g(), mine.h()), (12, -12, 'h'))
            eq(m.Base.__subclasses__(), [Mine])
        """)

    def test_init_subclass_and_set_name_get_the_class_that_the_module_has(self):
        self.host("""
            write('base', '''
                plugins = {}
                class Base:
                    def __init_subclass__(cls, **options):
                        plugins[cls.__name__] = cls, options
                class Field:
                    def __set_name__(self, owner, name): self.owner, self.name = owner, name
            ''')
            source = '''
                from base import Base, Field
                class P(Base, speed=%d):
                    field = Field()
                    def f(self): return %d
            '''
            write('m', source % (1, 1))
            import m, base
            p = m.P()
            write('m', source % (2, 2))
            good('m')
            assert base.plugins['P'][0] is m.P and type(p) is m.P
            eq(base.plugins['P'][1], {'speed': 2})
            assert m.P.field.owner is m.P and m.P.field.name == 'field'
            eq((base.plugins['P'][0]().f(), p.f()), (2, 2))
        """)

    def test_init_subclass_of_a_changed_base_is_called_for_its_dependents_again(self):
        self.host("""
            source = '''
                seen = []
                class Base:
                    def __init_subclass__(cls): seen.append((%d, cls))
            '''
            write('base', source % 1)
            write('m', '''
                from base import Base
                class P(Base): pass
            ''')
            import m, base
            write('base', source % 2)
            good('base', 'm')
            eq(base.seen, [(2, m.P)])
            assert base.seen[0][1] is m.P
        """)


class Registered(HostCase):
    """What the new body registered elsewhere is the object that the module has."""

    def test_a_class_registered_by_a_decorator(self):
        self.host("""
            write('registry', '''
                by_name, in_order = {}, []
                def register(cls):
                    by_name[cls.__name__] = cls
                    in_order.append(cls)
                    return cls
            ''')
            source = '''
                from registry import register
                @register
                class C:
                    def f(self): return X
                X = %d
            '''
            write('m', source % 1)
            import m, registry
            for i in (2, 3):
                write('m', source % i)
                good('m')
                assert registry.by_name['C'] is m.C
                assert all(cls is m.C for cls in registry.in_order), registry.in_order
                eq(registry.by_name['C']().f(), i)
        """)

    def test_a_new_class_registered_lives_in_the_modules_globals(self):
        self.host("""
            write('registry', 'items = []')
            write('m', 'X = 1')
            import m, registry
            write('m', '''
                import registry
                class New:
                    def f(self): return X
                instance = New()
                registry.items += [New, instance, instance.f, New.f, lambda: X]
                X = 2
            ''')
            good('m')
            m.X = 9
            cls, instance, bound, function, anonymous = registry.items
            assert cls is m.New and type(instance) is m.New and instance is m.instance and function is m.New.f
            eq((cls().f(), bound(), anonymous()), (9, 9, 9))
        """)

    def test_instances_that_the_body_made_are_of_the_modules_class(self):
        self.host("""
            write('registry', 'items = []')
            source = '''
                import registry
                class C:
                    def f(self): return %d
                default = C()
                table = {'a': [C(), (C(), {C(): C()})]}
                registry.items.append(C())
            '''
            write('m', source % 1)
            import m, registry
            write('m', source % 2)
            good('m')
            inner = m.table['a']
            found = [m.default, inner[0], inner[1][0], *inner[1][1], *inner[1][1].values(), *registry.items]
            eq([type(x) is m.C for x in found], [True] * 7)
            eq([x.f() for x in found], [2] * 7)
        """)

    def test_a_bound_method_registered_with_a_framework(self):
        self.host("""
            write('bus', 'handlers = {}')
            source = '''
                import bus
                class Game:
                    def on_hit(self): return %d
                game = Game()
                bus.handlers['hit'] = game.on_hit
            '''
            write('m', source % 1)
            import m, bus
            held = bus.handlers['hit']
            write('m', source % 2)
            good('m')
            eq((held(), bus.handlers['hit']()), (2, 2))
            assert bus.handlers['hit'].__self__ is m.game
            assert isinstance(held.__self__, m.Game)
        """)


class Special(HostCase):
    """Dataclasses, enums, named tuples, slots, metaclasses, abstract classes, descriptors, generics."""

    def test_a_dataclass_changes(self):
        self.host("""
            write('m', '''
                from dataclasses import dataclass, field
                @dataclass
                class P:
                    x: int
                    y: int = 2
            ''')
            import dataclasses, m
            from m import P
            old = P(1)
            write('m', '''
                from dataclasses import dataclass, field
                @dataclass(order=True)
                class P:
                    x: int
                    y: int = 20
                    tags: list = field(default_factory=list)
                    def total(self): return self.x + self.y
            ''')
            good('m')
            assert P is m.P
            eq((P(1), repr(P(1))), (P(1, 20, []), 'P(x=1, y=20, tags=[])'))
            eq([f.name for f in dataclasses.fields(P)], ['x', 'y', 'tags'])
            eq(old.total(), 3)
            assert P(1) < P(2)
            eq(dataclasses.replace(P(1), x=5).x, 5)
        """)

    def test_a_frozen_dataclass_with_slots_changes(self):
        self.host("""
            source = '''
                from dataclasses import dataclass
                @dataclass(frozen=True, slots=True)
                class P:
                    x: int
                    def f(self): return self.x * %d
            '''
            write('m', source % 1)
            import m
            from m import P
            old = P(3)
            write('m', source % 2)
            good('m')
            assert P is m.P and type(old) is m.P
            eq((old.f(), P(3).f(), old == P(3), hash(old) == hash(P(3))), (6, 6, True, True))
        """)

    def test_enum_members_keep_their_identity(self):
        self.host("""
            write('m', '''
                import enum
                class Color(enum.Enum):
                    RED = 1
                    GREEN = 2
                    def text(self): return 'old ' + self.name
            ''')
            import m, pickle
            from m import Color
            red, green = Color.RED, Color.GREEN
            table, text = {red: 'r'}, pickle.dumps(red)
            write('m', '''
                import enum
                class Color(enum.Enum):
                    RED = 1
                    GREEN = 3
                    BLUE = 4
                    def text(self): return 'new ' + self.name
            ''')
            good('m')
            assert Color is m.Color and red is m.Color.RED and m.Color(1) is red and m.Color['RED'] is red
            assert isinstance(red, m.Color) and pickle.loads(text) is red
            eq((table[m.Color.RED], red.text(), m.Color.BLUE.text(), [c.name for c in m.Color]),
               ('r', 'new RED', 'new BLUE', ['RED', 'GREEN', 'BLUE']))
            assert m.Color.GREEN is green
            eq((green.value, m.Color(3) is green), (3, True))
            raises(ValueError, m.Color, 2)
        """)

    def test_an_enum_member_goes(self):
        self.host("""
            write('m', '''
                import enum
                class Color(enum.Enum):
                    RED = 1
                    GREEN = 2
            ''')
            import m
            green = m.Color.GREEN
            write('m', '''
                import enum
                class Color(enum.Enum):
                    RED = 1
            ''')
            good('m')
            eq((list(m.Color), hasattr(m.Color, 'GREEN'), green.name), ([m.Color.RED], False, 'GREEN'))
            raises(ValueError, m.Color, 2)
        """)

    def test_flags_and_integer_enums_keep_their_identity(self):
        self.host("""
            source = '''
                import enum
                class Perm(enum.Flag):
                    R = enum.auto()
                    W = enum.auto()
                class Level(enum.IntEnum):
                    LOW = 1
                    HIGH = %d
                class Kind(enum.StrEnum):
                    A = enum.auto()
            '''
            write('m', source % 2)
            import m
            r, low, a = m.Perm.R, m.Level.LOW, m.Kind.A
            both = m.Perm.R | m.Perm.W
            write('m', source % 20)
            good('m')
            assert r is m.Perm.R and low is m.Level.LOW and a is m.Kind.A
            eq((both == m.Perm.R | m.Perm.W, m.Perm.R in both, m.Level.HIGH + low), (True, True, 21))
        """)

    def test_an_enum_matches_in_a_running_match_statement(self):
        self.host("""
            source = '''
                import enum
                class State(enum.Enum):
                    ON = 1
                    OFF = 2
                def describe(state):
                    match state:
                        case State.ON: return 'on %d'
                        case State.OFF: return 'off %d'
            '''
            write('m', source % (1, 1))
            import m
            on, describe = m.State.ON, m.describe
            write('m', source % (2, 2))
            good('m')
            eq((describe(on), describe(m.State.OFF)), ('on 2', 'off 2'))
        """)

    def test_named_tuples_keep_their_class(self):
        self.host("""
            source = '''
                import collections, typing
                P = collections.namedtuple('P', 'x y')
                class Q(typing.NamedTuple):
                    a: int
                    b: int = %d
                    def total(self): return self.a * %d
            '''
            write('m', source % (1, 1))
            import m, pickle
            from m import P, Q
            p, q = P(1, 2), Q(5)
            text = pickle.dumps((p, q))
            write('m', source % (2, 2))
            good('m')
            assert P is m.P and Q is m.Q and type(p) is m.P and isinstance(q, m.Q)
            eq((p.x, p.y, q.total(), Q(5).b, pickle.loads(text)), (1, 2, 10, 2, (p, q)))
        """)

    def test_a_named_tuple_gets_another_field(self):
        self.host("""
            write('m', '''
                import collections
                P = collections.namedtuple('P', 'x y')
            ''')
            import m
            old = m.P(1, 2)
            write('m', '''
                import collections
                P = collections.namedtuple('P', 'x y z', defaults=[3])
            ''')
            good('m')
            new = m.P(1, 2)
            eq((new.z, new._fields, len(new), old.x, old.y), (3, ('x', 'y', 'z'), 3, 1, 2))
        """)

    def test_classes_with_the_same_slots_keep_their_identity(self):
        self.host("""
            source = '''
                class C:
                    __slots__ = ('x', '_y')
                    def __init__(self): self.x = 1; self._y = 2
                    def f(self): return self.x, self._y, %d
            '''
            write('m', source % 1)
            import m
            c, C = m.C(), m.C
            write('m', source % 2)
            good('m')
            assert m.C is C and type(c) is C
            eq((c.f(), C().f()), ((1, 2, 2), (1, 2, 2)))
            raises(AttributeError, setattr, c, 'z', 1)
        """)

    def test_a_class_whose_slots_change(self):
        self.host("""
            write('m', '''
                class C:
                    __slots__ = ('x',)
                    def __init__(self): self.x = 1
                    def f(self): return 'old', self.x
            ''')
            from m import C
            import m
            c = C()
            write('m', '''
                class C:
                    __slots__ = ('x', 'y')
                    def __init__(self): self.x = 1; self.y = 2
                    def f(self): return 'new', self.x
            ''')
            good('m')
            assert C is m.C
            new = C()
            eq((new.x, new.y, new.f()), (1, 2, ('new', 1)))
            eq((c.x, c.f()), (1, ('new', 1)))
            assert isinstance(c, m.C)
        """)

    def test_instances_with_a_dict_keep_what_is_in_it_when_slots_are_introduced(self):
        self.host("""
            write('m', '''
                from dataclasses import dataclass
                @dataclass
                class P:
                    x: int
            ''')
            import m
            p = m.P(1)
            write('m', '''
                from dataclasses import dataclass
                @dataclass(slots=True)
                class P:
                    x: int
                    y: int = 5
            ''')
            good('m')
            eq((p.x, isinstance(p, m.P), m.P(1), hasattr(p, 'y')), (1, True, m.P(1, 5), False))
            eq(str(raises(AttributeError, lambda: p.y)), "'P' object has no attribute 'y'")
            p.x, p.y = 3, 4
            eq((p.x, p.y, repr(p)), (3, 4, 'P(x=3, y=4)'))
        """)

    def test_slots_are_given_up_and_introduced(self):
        self.host("""
            write('m', '''
                class C:
                    __slots__ = ('x',)
            ''')
            from m import C
            import m
            write('m', 'class C: pass')
            good('m')
            c = m.C()
            c.anything = 1
            assert C is m.C
            write('m', '''
                class C:
                    __slots__ = ('x',)
            ''')
            good('m')
            raises(AttributeError, setattr, m.C(), 'anything', 1)
            assert C is m.C
        """)

    def test_a_metaclass_in_another_module(self):
        self.host("""
            write('meta', '''
                registry = {}
                class Meta(type):
                    def __new__(meta, name, bases, namespace, **options):
                        cls = super().__new__(meta, name, bases, namespace)
                        registry[name] = cls
                        return cls
                    def __init__(cls, name, bases, namespace, **options):
                        super().__init__(name, bases, namespace)
                        cls.options = options
                    def describe(cls): return 'I am ' + cls.__name__
            ''')
            source = '''
                from meta import Meta
                class C(metaclass=Meta, level=%d):
                    def f(self): return %d
            '''
            write('m', source % (1, 1))
            import m, meta
            C, c = m.C, m.C()
            write('m', source % (2, 2))
            good('m')
            assert m.C is C and meta.registry['C'] is C and type(C) is meta.Meta
            eq((c.f(), C.describe(), C.options), (2, 'I am C', {'level': 2}))
        """)

    def test_a_metaclass_in_the_same_module_changes(self):
        self.host("""
            source = '''
                class Meta(type):
                    def __call__(cls, *args): return super().__call__(*args)
                    def describe(cls): return %d
                    def __len__(cls): return %d
                class C(metaclass=Meta):
                    def f(self): return %d
            '''
            write('m', source % (1, 1, 1))
            import m
            C, c, Meta = m.C, m.C(), m.Meta
            write('m', source % (2, 2, 2))
            good('m')
            assert m.C is C and m.Meta is Meta and type(C) is Meta
            eq((C.describe(), len(C), c.f(), C().f()), (2, 2, 2, 2))
        """)

    def test_a_metaclass_that_orders_its_classes(self):
        self.host("""
            source = '''
                class Meta(type):
                    def mro(cls):
                        calls.append(cls.__name__)
                        return super().mro()
                calls = []
                class Mixin:
                    def mixed(self): return {0}
                class A({1}metaclass=Meta):
                    def f(self): return {0}
                class B(A): pass
            '''
            write('m', source.format(1, ''))
            import m
            class Below(m.B): pass
            b, below = m.B(), Below()
            write('m', source.format(2, 'Mixin, '))
            good('m')
            eq((b.f(), b.mixed(), below.f(), below.mixed(), m.B.__mro__[:3] == (m.B, m.A, m.Mixin), m.calls), (2, 2, 2, 2, True, ['A', 'B']))
            write('m', source.format(3, ''))
            good('m')
            eq((b.f(), hasattr(b, 'mixed'), hasattr(below, 'mixed')), (3, False, False))
        """)

    def test_classes_and_functions_that_say_they_are_another_modules(self):
        self.host("""
            source = '''
                def f(): return {0}
                class C:
                    def g(self): return {0}
                    of{0} = 1
                f.of{0} = 1
                f.__module__ = C.__module__ = 'public.api'
            '''
            write('m', source.format(1))
            import m
            f, C, c = m.f, m.C, m.C()
            C.injected = f.injected = 5
            write('m', source.format(2))
            good('m')
            eq((f(), c.g(), m.f is f, m.C is C, C.injected, f.injected), (2, 2, True, True, 5, 5))
            eq([hasattr(x, name) for x in (C, f) for name in ('of1', 'of2')], [False, True] * 2)
        """)

    def test_a_class_gets_a_metaclass(self):
        self.host("""
            write('m', 'class C: X = 1')
            import m
            write('m', '''
                class Meta(type):
                    def hello(cls): return 'hello'
                class C(metaclass=Meta): X = 2
            ''')
            from m import C
            good('m')
            eq((m.C.hello(), m.C.X, C is m.C), ('hello', 2, True))
        """)

    def test_abstract_methods_appear_and_go(self):
        self.host("""
            write('m', '''
                import abc
                class Base(abc.ABC):
                    @abc.abstractmethod
                    def a(self): ...
                class C(Base):
                    def a(self): return 1
            ''')
            from m import Base, C
            import m
            c = C()
            raises(TypeError, Base)
            write('m', '''
                import abc
                class Base(abc.ABC):
                    @abc.abstractmethod
                    def b(self): ...
                class C(Base):
                    def a(self): return 2
            ''')
            good('m')
            raises(TypeError, C)
            raises(TypeError, Base)
            eq((c.a(), Base.__abstractmethods__, isinstance(c, Base)), (2, frozenset('b'), True))
            write('m', '''
                import abc
                class Base(abc.ABC): pass
                class C(Base): pass
            ''')
            good('m')
            Base(), C()
        """)

    def test_virtual_subclasses_stay_and_come(self):
        self.host("""
            write('m', '''
                import abc
                class Shape(abc.ABC): pass
                Shape.register(int)
            ''')
            import m
            class Mine: pass
            m.Shape.register(Mine)
            assert isinstance(1, m.Shape) and isinstance(Mine(), m.Shape) and not isinstance('', m.Shape)
            write('m', '''
                import abc
                class Shape(abc.ABC): pass
                Shape.register(int)
                Shape.register(str)
            ''')
            good('m')
            assert isinstance(1, m.Shape) and isinstance(Mine(), m.Shape) and isinstance('', m.Shape)
        """)

    def test_a_subclass_hook_changes(self):
        self.host("""
            source = '''
                import abc
                class Sized(abc.ABC):
                    @classmethod
                    def __subclasshook__(cls, other): return hasattr(other, %r)
            '''
            write('m', source % 'size')
            import m
            class A: size = 1
            class B: length = 1
            eq((issubclass(A, m.Sized), issubclass(B, m.Sized)), (True, False))
            write('m', source % 'length')
            good('m')
            eq((issubclass(A, m.Sized), issubclass(B, m.Sized)), (False, True))
        """)

    def test_descriptors_of_the_module_run_the_new_code(self):
        self.host("""
            source = '''
                class Field:
                    def __init__(self, default): self.default = default
                    def __set_name__(self, owner, name): self.name = '_' + name
                    def __get__(self, obj, owner):
                        return (%d, getattr(obj, self.name, self.default))
                    def __set__(self, obj, value): setattr(obj, self.name, value)
                class C:
                    x = Field(%d)
            '''
            write('m', source % (1, 1))
            import m
            c, unset = m.C(), m.C()
            c.x = 5
            write('m', source % (2, 2))
            good('m')
            eq((c.x, unset.x, m.C().x), ((2, 5), (2, 2), (2, 2)))
        """)

    def test_cached_properties_partial_methods_and_single_dispatch_methods(self):
        self.host("""
            source = '''
                import functools
                class C:
                    @functools.cached_property
                    def cached(self): return %d
                    def base(self, n): return n * %d
                    part = functools.partialmethod(base, 5)
                    @functools.singledispatchmethod
                    def show(self, x): return 'object'
                    @show.register
                    def _(self, x: int): return 'int %d'
                    @functools.lru_cache
                    def lru(self): return %d
            '''
            write('m', source % (1, 1, 1, 1))
            import m
            seen, unseen = m.C(), m.C()
            seen.cached, seen.lru()
            write('m', source % (2, 2, 2, 2))
            good('m')
            eq((seen.cached, unseen.cached), (1, 2))
            eq((seen.part(), seen.show(1), seen.show(''), seen.lru()), (10, 'int 2', 'object', 2))
        """)

    def test_decorated_methods_run_the_new_code(self):
        self.host("""
            write('deco', '''
                import functools
                def log(function):
                    @functools.wraps(function)
                    def wrapper(self, *args): return 'log', function(self, *args)
                    return wrapper
            ''')
            source = '''
                from deco import log
                class C:
                    @log
                    def f(self): return %d
                    @classmethod
                    @log
                    def g(cls): return %d
            '''
            write('m', source % (1, 1))
            import m
            c, f, g = m.C(), m.C().f, m.C.g
            write('m', source % (2, 2))
            good('m')
            eq((c.f(), f(), g(), m.C.g()), (('log', 2),) * 4)
        """)

    def test_a_decorated_class_keeps_its_identity(self):
        self.host("""
            write('deco', '''
                import functools
                def mark(cls):
                    cls.marked = True
                    return cls
            ''')
            source = '''
                import functools
                from deco import mark
                @mark
                @functools.total_ordering
                class C:
                    def __init__(self, x): self.x = x
                    def __eq__(self, other): return self.x == other.x
                    def __lt__(self, other): return self.x %s other.x
            '''
            write('m', source % '<')
            import m
            a, b, C = m.C(1), m.C(2), m.C
            assert a < b and b >= a
            write('m', source % '>')
            good('m')
            assert m.C is C and C.marked and b < a and a >= b and b <= a
        """)

    def test_protocols_generics_and_typed_dicts(self):
        self.host("""
            source = '''
                import typing
                T = typing.TypeVar('T')
                class Box(typing.Generic[T]):
                    def __init__(self, x): self.x = x
                    def f(self): return %d
                IntBox = Box[int]
                @typing.runtime_checkable
                class Closes(typing.Protocol):
                    def %s(self): ...
                class TD(typing.TypedDict):
                    a: int
            '''
            write('m', source % (1, 'close'))
            import m
            box, Box = m.IntBox(5), m.Box
            class A:
                def close(self): pass
            class B:
                def shut(self): pass
            assert isinstance(A(), m.Closes) and not isinstance(B(), m.Closes)
            write('m', source % (2, 'shut'))
            good('m')
            assert m.Box is Box and isinstance(box, m.Box) and m.IntBox.__origin__ is Box
            eq((box.f(), m.IntBox(1).f(), m.Box[str](1).f()), (2, 2, 2))
            eq((isinstance(A(), m.Closes), isinstance(B(), m.Closes)), (False, True))
        """)

    def test_match_patterns_and_private_names(self):
        self.host("""
            source = '''
                class P:
                    __match_args__ = ('x',)
                    def __init__(self, x): self.x = x; self.__secret = x
                    def secret(self): return self.__secret, %d
                def which(p):
                    match p:
                        case P(1): return 'one %d'
                        case P(x): return x
            '''
            write('m', source % (1, 1))
            import m
            p = m.P(1)
            write('m', source % (2, 2))
            good('m')
            eq((m.which(p), m.which(m.P(7)), p.secret()), ('one 2', 7, (1, 2)))
        """)

    def test_attribute_access_hooks_appear(self):
        self.host("""
            write('m', 'class C: x = 1')
            import m
            c = m.C()
            write('m', '''
                class C:
                    x = 1
                    def __getattribute__(self, name): return 'got ' + name
                    def __setattr__(self, name, value): raise AttributeError(name)
                    def __class_getitem__(cls, key): return key
            ''')
            good('m')
            eq((c.x, m.C[5]), ('got x', 5))
            raises(AttributeError, setattr, c, 'y', 1)
        """)

    def test_a_singleton_instance_held_elsewhere_goes_on(self):
        self.host("""
            source = '''
                class Singleton:
                    _instance = None
                    def __new__(cls):
                        if cls._instance is None:
                            cls._instance = super().__new__(cls)
                        return cls._instance
                    def f(self): return %d
            '''
            write('m', source % 1)
            import m
            held = m.Singleton()
            held.state = 5
            write('m', source % 2)
            good('m')
            eq((held.f(), held.state, m.Singleton().f()), (2, 5, 2))
            assert type(held) is m.Singleton
        """)


class Exceptions(HostCase):
    """`except` clauses and raised exceptions across a reload."""

    def test_an_exception_raised_by_new_code_is_caught_by_its_old_name(self):
        self.host("""
            source = '''
                class GameError(Exception):
                    code = %d
                def fail(): raise GameError(%d)
            '''
            write('m', source % (1, 1))
            from m import GameError, fail
            import m
            write('m', source % (2, 2))
            good('m')
            try:
                fail()
            except GameError as error:
                eq((error.code, error.args), (2, (2,)))
                assert type(error) is m.GameError
            try:
                raise GameError
            except m.GameError:
                pass
        """)

    def test_an_exception_in_flight_during_a_reload_is_caught_by_the_new_name(self):
        self.host("""
            source = 'class E(Exception): X = %d'
            write('m', source % 1)
            import m
            try:
                try:
                    raise m.E('x')
                finally:
                    write('m', source % 2)
                    good('m')
            except m.E as error:
                eq(error.X, 2)
        """)

    def test_an_exception_hierarchy_changes(self):
        self.host("""
            write('m', '''
                class Base(Exception): pass
                class E(Exception): pass
            ''')
            import m
            E = m.E
            write('m', '''
                class Base(Exception): pass
                class E(Base): pass
            ''')
            good('m')
            try:
                raise E
            except m.Base:
                pass
        """)

    def test_exceptions_pickle(self):
        self.host("""
            import pickle
            source = 'class E(Exception): X = %d'
            write('m', source % 1)
            import m
            text = pickle.dumps(m.E(5))
            write('m', source % 2)
            good('m')
            error = pickle.loads(text)
            eq((type(error) is m.E, error.args, error.X), (True, (5,), 2))
        """)


class Copies(HostCase):
    """Pickles, copies, weak references to classes and instances."""

    def test_pickles_before_and_after(self):
        self.host("""
            import copy, pickle
            source = '''
                class C:
                    def f(self): return self.x, %d
            '''
            write('m', source % 1)
            import m
            c = m.C()
            c.x = 5
            text = pickle.dumps([c, m.C, m.C.f])
            write('m', source % 2)
            good('m')
            loaded, cls, function = pickle.loads(text)
            assert cls is m.C and function is m.C.f
            eq((loaded.f(), pickle.loads(pickle.dumps(c)).f(), copy.copy(c).f(), copy.deepcopy(c).f()), ((5, 2),) * 4)
        """)

    def test_weak_tables_keep_classes_and_instances(self):
        self.host("""
            import weakref
            source = '''
                class C:
                    def f(self): return %d
            '''
            write('m', source % 1)
            import m
            c = m.C()
            objects, classes, values = weakref.WeakSet([c]), weakref.WeakKeyDictionary({m.C: 1}), weakref.WeakValueDictionary(c=c)
            ref = weakref.ref(m.C)
            write('m', source % 2)
            good('m')
            collect()
            eq((len(objects), classes[m.C], values['c'].f(), ref() is m.C), (1, 1, 2, True))
        """)

    def test_a_classs_own_weak_registry_of_instances(self):
        self.host("""
            source = '''
                import weakref
                __reload_keep__ = ('instances',)
                instances = weakref.WeakSet()
                class C:
                    def __init__(self): instances.add(self)
                    def f(self): return %d
            '''
            write('m', source % 1)
            import m
            c = m.C()
            write('m', source % 2)
            good('m')
            eq(([x.f() for x in m.instances], c in m.instances), ([2], True))
        """)

    def test_a_class_that_no_longer_makes_its_instances_itself(self):
        self.host("""
            write('m', '''
                class Maker:
                    def __new__(cls, *args): return super().__new__(cls)
                class C(Maker):
                    def __init__(self, a): self.a = a
                class E:
                    def __new__(cls, *args): return super().__new__(cls)
                    def __init__(self, a): self.a = a
            ''')
            import m
            class D(m.E): pass
            write('m', '''
                class C:
                    def __init__(self, a): self.a = a
                class E:
                    def __init__(self, a): self.a = a
            ''')
            good('m')
            eq((m.C(1).a, m.E(2).a, D(3).a), (1, 2, 3))
        """)

    def test_match_statements_know_a_class_that_becomes_a_collection_or_is_none_any_more(self):
        self.host("""
            source = '''
                from collections.abc import Mapping, Sequence
                class C%s:
                    def __len__(self): return 1
                    def __iter__(self): return iter([5])
                    def __getitem__(self, key): return [5][key]
                class D(C): pass
                class R: pass
                Sequence.register(R)
                V = %d
            '''
            write('m', source % ('', 1))
            import m
            d, r, R = m.D(), m.R(), m.R
            def kind(value):
                match value:
                    case [*_]: return 'sequence'
                    case {}: return 'mapping'
                    case _: return None
            eq((kind(m.C()), kind(d), kind(r)), (None, None, 'sequence'))
            for n, (bases, expected) in enumerate([('(Sequence)', 'sequence'), ('(Mapping)', 'mapping'), ('', None)], 2):
                write('m', source % (bases, n))
                good('m')
                eq((kind(m.C()), kind(d), kind(r), m.R is R), (expected, expected, 'sequence', True))
        """)


if __name__ == '__main__':
    unittest.main()
