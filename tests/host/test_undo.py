"""A commit that fails in the middle (it is out of memory) is undone: everything is as it was, and the next one goes through.

The library that is built with -Dfault_points=true fails at the step whose number is in PYMODHOST_FAIL_STEP. Each step of a batch in
which as many kinds of steps occur as there are is made to fail once (by default each seventh, see PYMODFS_HOST_STRIDE).
"""

import os
import unittest

from tests.host.harness import HostCase

# Every how manieth step is made to fail; by hand 1, which takes half a minute.
STRIDE = int(os.environ.get('PYMODFS_HOST_STRIDE', '7'))

SCRIPT = """
import abc, collections, os, types, weakref
STRIDE = %d

class Backwards(type):
    def mro(cls): return [cls, *reversed(super().mro()[1:-1]), object]
class Holder:
    def __init__(self): self.handler = None
sys.Backwards, sys.Holder, sys.held = Backwards, Holder, {}

BASE = '''
    import abc
    class A:
        def who(self): return 'A', %d
    class B:
        def who(self): return 'B', %d
    class Plain(%s): pass
    class Abstract(abc.ABC):
        @abc.abstractmethod
        def %s(self): ...
'''
MAIN = '''
    import base, collections, dataclasses, enum, functools, sys, weakref
    N = %d
    class Kind(enum.Enum):
        ONE = N
        %s = 'x'
    class Ordered(%s, metaclass=sys.Backwards): pass
    class Below(Ordered): pass
    class Changing:
        __slots__ = (%s)
    class Under(Changing): pass
    class Sub(base.Plain, base.Abstract):
        value = N
        def f(self): return N
        go = f
        @property
        def p(self): return self.value
        @staticmethod
        def s(x=N): return x
    @dataclasses.dataclass(frozen=True)
    class Key:
        kind: type
    def f(x=N): return x
    f.attribute = N
    def gone_%d(): pass
    def counter(start):
        def count(): return start, %d
        return count
    def generate():
        yield N
        yield f
    running = generate()
    next(running)
    @functools.singledispatch
    def show(x): return N
    @functools.lru_cache
    def cached(x): return N
    table = {f: Kind.ONE, (Sub, 1): f, Key(Sub): f}
    ordered = collections.OrderedDict({f: 1, Sub: f})
    group, frozen, queue = {f, Sub}, frozenset([f, (Sub, 2)]), collections.deque([f, Sub])
    sys.held['f'], sys.held[f, N %% 1] = f, Sub
    sys.held['set'] = {f}
    holder = sys.Holder()
    holder.handler = f
    partial = functools.partial(f, 1)
'''
def files(n):
    odd = n % 2
    return {'base': BASE % (n, n, 'B' if odd else 'A', 'f' if odd else 'go'),
            'main': MAIN % (n, 'ODD' if odd else 'EVEN', 'base.A, base.B' if odd else 'base.B, base.A', '"a",' if odd else '"a", "b"', n, n),
            'pkg.__init__': f'N = {n}', f'pkg.only{n}': 'X = 1'}

def picture(value, depth=0, seen=None):
    # What can be seen of an object, down to code and identities.
    seen = {} if seen is None else seen
    if id(value) in seen or depth > 6:
        return 'seen', id(value)
    seen[id(value)] = value
    def inside(x): return picture(x, depth + 1, seen)
    kind = type(value)
    if isinstance(value, types.ModuleType) and value.__name__ not in ('main', 'base', 'pkg'):
        return id(value)
    if isinstance(value, types.FunctionType):
        return (id(value), value.__code__, inside(value.__defaults__), inside(value.__dict__), value.__name__, id(value.__globals__),
                [id(cell.cell_contents) for cell in value.__closure__ or ()])
    if isinstance(value, type):
        own = value.__module__ in ('main', 'base')
        return (id(value), value.__mro__, value.__bases__, kind, sorted(map(repr, type.__subclasses__(value))) if own else None,
                [(k, inside(v)) for k, v in sorted(vars(value).items())
                 if k not in ('__dict__', '__weakref__', '_abc_impl', '__doc__')] if own else None)
    if isinstance(value, dict):
        return id(value), sorted((repr(k), value[k] is v, inside(v)) for k, v in value.items())
    if isinstance(value, (set, frozenset)):
        return id(value), sorted((repr(x), id(x), x in value) for x in value)
    if isinstance(value, (list, tuple, collections.deque)):
        return id(value), [inside(x) for x in value]
    if isinstance(value, types.GeneratorType):
        return id(value), id(value.gi_frame.f_globals), value.gi_code
    if isinstance(value, (property, staticmethod, classmethod)):
        return id(value), inside(getattr(value, 'fget', None) or getattr(value, '__func__', None))
    return id(value), id(kind), inside(vars(value)) if hasattr(value, '__dict__') else repr(value)

write(files(0))
import base, main, pkg.only0
held = [main.f, main.Sub(), main.Kind.ONE, main.counter(3), main.generate(), main.Changing(), main.Under(), main.Ordered(), main.Below(),
        main.partial, {main.Sub: main.f}, [main.f], main.holder, main.show, main.cached, main.Key(main.Sub), weakref.ref(main.f), main.Sub().f]
next(held[4])

def everything():
    names = {name: module for name, module in sys.modules.items() if name.split('.')[0] in ('main', 'base', 'pkg')}
    return {'modules': [picture(module) for _, module in sorted(names.items())], 'held': picture(held), 'names': sorted(names),
            'answers': (held[1].f(), held[1].go(), held[1].p, held[3](), held[7].who(), held[8].who(), held[9](), main.table[main.f],
                        main.show(1), pkg.N, repr(main.Kind.ONE), held[0](), main.Below.__mro__)}

def difference(a, b, path=''):
    if a == b:
        return None
    if isinstance(a, (tuple, list)) and type(a) is type(b) and len(a) == len(b):
        return next(filter(None, (difference(x, y, f'{path} / {str(x[0])[:30] if isinstance(x, tuple) and x else i}')
                                  for i, (x, y) in enumerate(zip(a, b)))))
    return f'{path}: {a!r:.300} became {b!r:.300}'

before = everything()
delete('pkg.only0')
write(files(1))
steps = 0
while True:
    os.environ['PYMODHOST_FAIL_STEP'] = str(steps)
    report = pymodhost.reload_all()
    if not report.errors:
        break
    assert 'MemoryError' in errors(report), errors(report)
    eq((list(report.reloaded), list(report.unloaded)), ([], []))
    after = everything()
    for name, value in before.items():
        assert after[name] == value, f'step {steps}: {name}{difference(value, after[name])}'
    steps += STRIDE
del os.environ['PYMODHOST_FAIL_STEP']
assert steps > 100, steps
eq((held[1].f(), held[0](), pkg.N, main.Below.__mro__[1:3], held[3]()), (1, 1, 1, (main.base.A, main.base.B), (3, 1)))
assert 'pkg.only0' not in sys.modules and isinstance(held[5], main.Changing)
"""


class Undo(HostCase):
    places = ('plain',)

    def test_after_each_step_that_fails_everything_is_as_it_was(self):
        self.host(SCRIPT.replace('STRIDE = %d', f'STRIDE = {STRIDE}'), deadline=600)


if __name__ == '__main__':
    unittest.main()
