"""What the module's functions and classes are held in: containers of every kind, strongly and weakly."""

import unittest

from tests.host.harness import HostCase


class Inside(HostCase):
    """Containers that the body makes."""

    def test_sets_and_frozen_sets(self):
        self.host("""
            source = '''
                def f(): return {0}
                def g(): return {0}
                class C: x = {0}
                FROZEN = frozenset([f, g, C])
                SET = {{f, C}}
            '''
            write('m', source.format(1))
            import m
            for i in (2, 3):
                write('m', source.format(i))
                good('m')
                eq((m.FROZEN == {m.f, m.g, m.C}, m.SET == {m.f, m.C}, hash(m.FROZEN) == hash(frozenset([m.f, m.g, m.C]))), (True,) * 3)
                eq(sorted(x.x if x is m.C else x() for x in m.FROZEN), [i] * 3)
        """)

    def test_tuples_and_frozen_sets_as_keys(self):
        self.host("""
            source = '''
                def f(): return {0}
                class C: pass
                D = {{frozenset([f]): {0}, (C, 1): {0}, (1, frozenset([C])): {0}}}
                S = {{frozenset([frozenset([f])])}}
            '''
            write('m', source.format(1))
            import m
            write('m', source.format(2))
            good('m')
            eq((m.D[frozenset([m.f])], m.D[m.C, 1], m.D[1, frozenset([m.C])]), (2, 2, 2))
            assert frozenset([frozenset([m.f])]) in m.S
        """)

    def test_keys_that_hash_by_what_is_in_them(self):
        self.host("""
            source = '''
                import collections, dataclasses, typing
                class C:
                    def method(self): return {0}
                class Pair(typing.NamedTuple):
                    kind: type
                    n: int
                @dataclasses.dataclass(frozen=True)
                class Key:
                    kind: type
                c = C()
                KEYS = [c.method, C | None, list[C], Pair(C, 1), Key(C), (Key(C), 2), frozenset([Pair(C, 3)])]
                D = dict.fromkeys(KEYS, {0})
                O = collections.OrderedDict.fromkeys(KEYS, {0})
                S = set(KEYS)
                F = frozenset(KEYS)
            '''
            write('m', source.format(1))
            import m
            for i in (2, 3):
                write('m', source.format(i))
                good('m')
                keys = [m.c.method, m.C | None, list[m.C], m.Pair(m.C, 1), m.Key(m.C)]
                eq([m.D.get(k) for k in keys], [i] * 5)
                eq([m.O.get(k) for k in keys], [i] * 5)
                eq(([k in m.S for k in keys], [k in m.F for k in keys]), ([True] * 5,) * 2)
                eq((len(m.D), len(m.O), len(m.S), len(m.F)), (7,) * 4)
        """)

    def test_a_key_whose_hash_raises_loses_nothing(self):
        self.host("""
            source = '''
                class C: x = {0}
                class Key:
                    fails = False
                    def __init__(self, kind): self.kind = kind
                    def __eq__(self, other): return isinstance(other, Key) and self.kind is other.kind
                    def __hash__(self):
                        if self.fails and not hasattr(self.kind, "__reload_test__"): raise ValueError("no hash")
                        return hash(self.kind)
                D = {{Key(C): {0}, "other": 5}}
                Key.fails = True
            '''
            write('m', source.format(1))
            import m
            write('m', source.format(2))
            good('m')
            eq((len(m.D), m.D["other"], [k.kind is m.C for k in m.D if k != "other"]), (2, 5, [True]))
        """)

    def test_dicts_of_the_standard_library(self):
        self.host("""
            source = '''
                import collections
                def f(): return {0}
                def g(): return {0}
                ORDERED = collections.OrderedDict([(f, g), (g, f), ('x', f)])
                ORDERED.move_to_end(f)
                DEFAULT = collections.defaultdict(list, {{f: [g]}})
                COUNTER = collections.Counter([f, f, g])
                CHAIN = collections.ChainMap({{f: {0}}})
            '''
            write('m', source.format(1))
            import m
            write('m', source.format(2))
            good('m')
            eq(list(m.ORDERED.items()) == [(m.g, m.f), ('x', m.f), (m.f, m.g)], True)
            m.ORDERED.move_to_end(m.g)
            del m.ORDERED['x']
            eq(m.ORDERED.popitem() == (m.g, m.f) and list(m.ORDERED) == [m.f], True)
            eq((m.DEFAULT[m.f] == [m.g], m.DEFAULT['new'], m.COUNTER[m.f], m.CHAIN[m.f]), (True, [], 2, 2))
        """)


class Registries(HostCase):
    """Containers of others, to which each version's body adds."""

    def test_registries_of_every_kind_have_the_modules_objects(self):
        self.host("""
            import collections, queue
            sys.registries = dict(list=[], dict={}, set=set(), deque=collections.deque(), ordered=collections.OrderedDict(),
                                  default=collections.defaultdict(list), queue=queue.Queue(), simple=queue.SimpleQueue())
            source = '''
                import sys
                r = sys.registries
                def f(): return {0}
                class C: pass
                for x in f, C:
                    r['list'].append(x)
                    r['dict'][x] = x
                    r['set'].add(x)
                    r['deque'].append(x)
                    r['ordered'][x] = x
                    r['default'][x].append(x)
                    r['queue'].put(x)
                    r['simple'].put(x)
            '''
            write('m', source.format(1))
            import m
            write('m', source.format(2))
            good('m')
            r, two = sys.registries, [m.f, m.C]
            eq(r['list'] == list(r['deque']) == two * 2, True)
            eq(list(r['dict']) == list(r['ordered']) == list(r['ordered'].values()) == list(r['default']) == two, True)
            eq(r['set'] == set(two), True)
            eq([r['queue'].get_nowait() for _ in range(4)] == [r['simple'].get_nowait() for _ in range(4)] == two * 2, True)
        """)

    def test_single_dispatch_keeps_what_others_registered(self):
        self.host("""
            source = '''
                import functools
                class Own: pass
                @functools.singledispatch
                def show(x): return 'object {0}'
                @show.register
                def _(x: int): return 'int {0}'
                @show.register(Own)
                def own(x): return 'own {0}'
            '''
            write('m', text(source.format(1)) + '@show.register(bytes)\\ndef gone(x): return 1')
            import m
            show = m.show
            @m.show.register
            def other(x: str): return 'mine'
            @m.show.register
            def other(x: m.Own): return 'overridden'
            write('m', source.format(2))
            good('m')
            eq((m.show(1), m.show(None), show(''), m.show(b'')), ('int 2', 'object 2', 'mine', 'object 2'))
            eq((m.show(m.Own()), len(m.show.registry)), ('own 2', 4))
        """)


class Weak(HostCase):

    def test_what_the_new_body_registers_weakly_stays_alive(self):
        self.host("""
            import weakref
            sys.ws, sys.wk, sys.wv, sys.wl = weakref.WeakSet(), weakref.WeakKeyDictionary(), weakref.WeakValueDictionary(), []
            source = '''
                import sys, weakref
                def f(): return {0}
                class C: pass
                for x in f, C:
                    sys.ws.add(x)
                    sys.wk[x] = {0}
                    sys.wv[x.__name__] = x
                    sys.wl.append(weakref.ref(x))
            '''
            write('m', source.format(1))
            import m
            for i in (2, 3):
                write('m', source.format(i))
                good('m')
                collect()
                eq((set(sys.ws) == {m.f, m.C}, sys.wk[m.f], sys.wk[m.C], len(sys.wk)), (True, i, i, 2))
                eq((sys.wv['f'] is m.f, sys.wv['C'] is m.C), (True, True))
                eq([r() is x for r, x in zip(sys.wl, [m.f, m.C] * i)], [True] * 2 * i)
        """)

    def test_a_bus_that_holds_its_receivers_weakly(self):
        for registry, discard, each in (('[]', 'receivers[:] = [r for r in receivers if r() is not f]', '[r() for r in receivers]'),
                                        ('weakref.WeakSet()', 'receivers.discard(f)', 'receivers')):
            add = 'receivers.add(f)' if 'Set' in registry else 'receivers.append(weakref.ref(f))'
            with self.subTest(registry=registry):
                self.host(f"""
                    write('bus', '''
                        import weakref
                        receivers = {registry}
                        def connect(f): {add}
                        def disconnect(f): {discard}
                        def send(): return [f() for f in {each}]
                    ''')
                    source = 'import bus\\ndef f(): return %d\\nbus.connect(f)\\ndef __unload__(): bus.disconnect(f)'
                    write('m', source % 1)
                    import m, bus
                    for i in (2, 3, 4):
                        write('m', source % i)
                        good('m')
                        collect()
                        eq(bus.send(), [i])
                """)

    def test_methods_held_weakly(self):
        self.host("""
            import weakref
            sys.held = []
            source = '''
                import sys, weakref
                class C:
                    def method(self): return {0}
                c = C()
                sys.held.append(weakref.WeakMethod(c.method))
            '''
            write('m', source.format(1))
            import m
            write('m', source.format(2))
            good('m')
            collect()
            eq((sys.held[0]() is None, sys.held[1]()(), sys.held[1]().__self__ is m.c), (True, 2, True))
        """)

    def test_nobody_is_told_of_the_death_of_what_goes_on(self):
        self.host("""
            import weakref
            sys.told = []
            source = '''
                import sys, weakref
                def f(): return {0}
                class C: pass
                sys.refs = [weakref.ref(f, sys.told.append), weakref.ref(C, sys.told.append), weakref.ref(sys.modules[__name__])]
                sys.proxy = weakref.proxy(f, sys.told.append)
                sys.finalizers = [weakref.finalize(f, sys.told.append, 'f'), weakref.finalize(C, sys.told.append, 'C')]
            '''
            write('m', source.format(1))
            import m
            for i in (2, 3):
                write('m', source.format(i))
                good('m')
                collect()
                eq((sys.told, sys.refs[0]() is m.f, sys.refs[1]() is m.C, sys.refs[2]() is m, sys.proxy()), ([], True, True, True, i))
                eq([x.peek()[0] is y for x, y in zip(sys.finalizers, (m.f, m.C))], [True, True])
            write('m', '')
            good('m')
            collect()
            eq(len(sys.told), 9)
        """)


if __name__ == '__main__':
    unittest.main()
