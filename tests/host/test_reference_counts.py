"""With CPython's debug build, the total of all reference counts is where it was after any number of cycles.

PYMODFS_HOST_CYCLES sets how often a package is loaded, reloaded, failed and unloaded (default 200; by hand 1000).
"""

import os
import unittest
from pathlib import Path

from tests.support import BUILD, TestCase, preloaded, run

CYCLES = int(os.environ.get('PYMODFS_HOST_CYCLES', '200'))
DEBUG_PYTHON = '/usr/bin/python3.11-dbg'

SCRIPT = r"""
import gc, os, sys, textwrap, weakref
directory, cycles = sys.argv[1], int(sys.argv[2])
sys.path.insert(0, directory)
import pymodhost
pymodhost.watch([directory])
os.mkdir(f'{directory}/pkg')

BASE = '''
    import abc, functools
    def logged(function):
        @functools.wraps(function)
        def wrapper(*args): return function(*args)
        return wrapper
    class Base(abc.ABC):
        def f(self): return %d
'''
MAIN = '''
    import collections, dataclasses, enum, functools, sys, typing, weakref
    from .base import Base, logged
    __reload_keep__ = ('kept',)
    kept = []
    N = %d
    class Kind(enum.Enum):
        A = N
        B = 'b'
    class C(Base):
        __slots__ = (%s)
        def f(self): return super().f() + N
        @property
        def p(self): return self.f
        @functools.cached_property
        def q(self): return N
    @dataclasses.dataclass(frozen=True)
    class Key:
        kind: type
    class Box(typing.Generic[typing.TypeVar('T')]): pass
    @logged
    def g(x=N): return [x for _ in range(3)]
    @functools.singledispatch
    def show(x): return 'object'
    @show.register
    def _(x: int): return 'int'
    def counter(start):
        def count():
            nonlocal start
            start += 1
            return start
        return count
    @functools.lru_cache
    def cached(x): return x
    def generate():
        yield N
        yield g
    cached(C)
    count = counter(N)
    running = generate()
    next(running)
    D = {Key(C): g, (C, 1): C, frozenset([g]): 1, C | None: 2}
    O = collections.OrderedDict({g: C})
    S = frozenset([C, g])
    Q = collections.deque([g])
    sys.registry.append(g)
    sys.weak.add(C)
    sys.refs[:] = [weakref.ref(g, lambda ref: None)]
    def __unload__(): sys.registry.clear()
    def __reload__(previous): previous['C']
'''
sys.registry, sys.weak, sys.refs = [], weakref.WeakSet(), []

def write(name, source):
    with open(f'{directory}/{name}', 'w') as file:
        file.write(textwrap.dedent(source))

def check(report, ok):
    assert bool(report.errors) != ok, [str(error) for error in report.errors]

def held():
    # Somebody holds what is replaced, so that the heap is walked and classes change their layout under instances.
    main = sys.modules['pkg.main']
    return main.C(), main.counter(1), main.g, main.Key(main.C), main.running, main.C().f, main.show, {main.C: 1}

def cycle(n):
    write('pkg/__init__.py', 'from .main import C, g')
    write('pkg/base.py', BASE % n)
    write('pkg/main.py', MAIN % (n, ''))
    check(pymodhost.load('pkg.main'), True)
    holding = held()
    write('pkg/base.py', BASE % (n + 1))
    check(pymodhost.poll(), True)
    write('pkg/main.py', MAIN % (n + 1, '"a",'))
    check(pymodhost.poll(), True)
    write('pkg/main.py', MAIN % (n + 2, '"a",') + '    1 / 0\n')
    check(pymodhost.poll(), False)
    write('pkg/main.py', 'def broken(:')
    check(pymodhost.poll(), False)
    write('pkg/main.py', MAIN % (n + 3, '"a",'))
    check(pymodhost.poll(), True)
    check(pymodhost.reload_all(), True)
    check(pymodhost.run('import pkg'), True)
    assert pymodhost.source('pkg.main') and pymodhost.holders('pkg.main') is not None
    assert holding[0].f() == 2 * n + 4, holding[0].f()
    check(pymodhost.unload('pkg'), True)
    assert not [name for name in sys.modules if name.startswith('pkg')]

def total():
    sys.registry.clear()
    for _ in range(4):
        gc.collect()
    sys._clear_type_cache()
    return sys.gettotalrefcount()

marks = []
for n in range(cycles):
    # Numbers of one size: a larger one would be another object for somebody to keep.
    cycle(1000 + n % 10 * 10)
    if n + 1 in (cycles // 2, cycles):
        marks.append(total())
half, full = marks
print(f'{cycles} cycles: {half} references at half, {full} at the end')
assert full - half < cycles // 20, marks
"""


class ReferenceCounts(TestCase):

    def test_they_balance_over_cycles_of_load_reload_failure_and_unload(self):
        found = sorted(BUILD.glob('tests/host/pymodhost.cpython-311d-*.so'))
        self.assertTrue(found, 'the extension was not built for python3.11-dbg: tools/deps installs what that needs')
        directory = self.dir / 'modules'
        directory.mkdir()
        script = Path(self.dir / 'script.py')
        script.write_text(SCRIPT)
        # The counts say more than the leak sanitizer, which takes what this interpreter keeps to its end for leaks.
        env = preloaded(PYTHONPATH=found[0].parent, ASAN_OPTIONS=os.environ.get('ASAN_OPTIONS', '') + ':detect_leaks=0')
        run(DEBUG_PYTHON, script, directory, CYCLES, timeout=60 + CYCLES, env=env)


if __name__ == '__main__':
    unittest.main()
