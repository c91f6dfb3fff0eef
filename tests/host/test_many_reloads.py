"""Many reloads of a package with classes, closures, threads and live instances: memory stays flat, all of it goes on.

PYMODFS_HOST_RELOADS sets the number of reloads (default 400; by hand 10000), PYMODFS_HOST_INSTANCES the number of live
instances (default 10000). Prints how long the first and the last hundred took.
"""

import os
import unittest

from tests.host.harness import HostCase

RELOADS = int(os.environ.get('PYMODFS_HOST_RELOADS', '400'))
# KiB. An address sanitizer keeps what was freed for a while; tools/check says how much that may be.
SLACK = int(os.environ.get('PYMODFS_HEAP_SLACK', '0'))
INSTANCES = int(os.environ.get('PYMODFS_HOST_INSTANCES', '10000'))

SCRIPT = """
import array, gc, threading, time
RELOADS, INSTANCES, SLACK = %d, %d, %d

def files(n):
    return {'game.__init__': f'''
        from .units import Orc, Unit
        from .rules import damage, scaled, RULES
        VERSION = {n}
    ''', 'game.units': f'''
        import dataclasses, enum, functools
        from .base import Base, logged
        class Kind(enum.Enum):
            ORC = 1
            ELF = 2
        class Unit(Base):
            __slots__ = ('hp', 'name')
            def __init__(self, name): self.hp, self.name = 100, name
            def power(self): return {n}
        class Orc(Unit):
            __slots__ = ('__dict__',)
            kind = Kind.ORC
            @property
            def strength(self): return super().power() * 10 + {n}
            @logged
            def shout(self, *words): return words, {n}
            @classmethod
            def make(cls): return cls('made')
            @staticmethod
            def version(): return {n}
        @dataclasses.dataclass
        class Position:
            x: int = {n}
            y: int = 0
        TABLE = {{'orc': Orc, 'unit': Unit, 'make': lambda: Orc.make()}}
    ''', 'game.base': f'''
        import functools
        class Base:
            __slots__ = ()
            def describe(self): return type(self).__name__, {n}
        def logged(function):
            @functools.wraps(function)
            def wrapper(self, *args): return function(self, *args)
            return wrapper
    ''', 'game.rules': f'''
        import functools, threading
        from .units import Orc
        __reload_keep__ = ('stop', 'ticks')
        stop = threading.Event()
        ticks = [0]
        RULES = {{i: [i] * 10 for i in range(50)}}
        def damage(unit, amount={n}): return amount + unit.power()
        def scaled(factor):
            def scale(x): return x * factor + {n}
            return scale
        double = scaled(2)
        half = functools.partial(damage, amount={n})
        @functools.lru_cache
        def cached(x): return x + {n}
        def loop():
            while not stop.wait(0.002):
                ticks[0] += tick()
        def tick(): return 1 if {n} >= 0 else 2
    '''}

write(files(0))
import game, game.rules, game.units
orcs = [game.Orc(f'orc{i}') for i in range(INSTANCES)]
for i, orc in enumerate(orcs):
    orc.extra = i
held = [game.damage, orcs[0].power, orcs[1].shout, game.scaled(3), game.rules.double, game.rules.cached, game.units.TABLE['make'],
        game.Orc.version]
worker = threading.Thread(target=game.rules.loop, daemon=True)
worker.start()

def memory():
    while gc.collect():
        pass
    with open('/proc/self/statm') as file:
        return int(file.read().split()[1]) * 4096

names = list(files(0))
spent, marks = array.array('d', bytes(8 * RELOADS)), []
# The allocator has found its size by then, what this test itself needs for its marks included.
marked = RELOADS // 10, RELOADS * 3 // 10, RELOADS
for n in range(1, RELOADS + 1):
    name = names[n %% len(names)]
    write(name, files(n)[name], how='inplace' if n %% 2 else 'rename')
    begun = time.perf_counter()
    report = pymodhost.poll()
    spent[n - 1] = time.perf_counter() - begun
    assert not report.errors, errors(report)
    assert name.removesuffix('.__init__') in report.reloaded, (name, list(report.reloaded))
    if n in marked:
        marks.append((memory(), sys.getallocatedblocks(), len(gc.get_objects())))
write(files(RELOADS + 1))
good()
N = RELOADS + 1
eq((game.VERSION, held[0](orcs[5]), held[1](), held[2]('x'), held[3](1), held[4](1), held[5](1), held[7]()),
   (N, 2 * N, N, (('x',), N), 3 + N, 2 + N, 1 + N, N))
assert all(type(o) is game.Orc is game.units.Orc for o in orcs) and type(held[6]()) is game.Orc
eq((orcs[7].strength, orcs[7].describe(), orcs[7].extra, orcs[7].hp), (11 * N, ('Orc', N), 7, 100))
before = game.rules.ticks[0]
while game.rules.ticks[0] == before:
    time.sleep(0.001)
game.rules.stop.set()
worker.join()
_, (rss, blocks, objects), (rss2, blocks2, objects2) = marks
assert rss2 <= rss * 1.01 + SLACK * 1024, f'resident memory grew from {rss} to {rss2} bytes between reload {marked[1]} and {RELOADS}'
assert blocks2 <= blocks * 1.01 and objects2 <= objects * 1.01, marks
print(f'{RELOADS} reloads, {INSTANCES} instances: first hundred {sum(spent[:100]) * 10:.3f} ms each, '
      f'last hundred {sum(spent[-100:]) * 10:.3f} ms each; {rss} to {rss2} bytes', file=sys.stderr)
"""

HEAP = """
import gc, time
write({'lib': 'X = 0', 'm': 'def f(): return 0'})
import m
def typical(first):
    spent = []
    for i in range(first, first + 30):
        write('m', f'def f(): return {i}')
        begun = time.perf_counter()
        good('m')
        spent.append(time.perf_counter() - begun)
    return sorted(spent)[15]
few = typical(1)
heap = [[i] for i in range(1_000_000)]
many = typical(100)
eq((m.f(), len(heap)), (129, 1_000_000))
print(f'a reload: {few * 1000:.3f} ms; with a million other objects: {many * 1000:.3f} ms', file=sys.stderr)
"""


class Many(HostCase):
    sparse = True
    places = ('plain',)

    def test_memory_is_flat_and_everything_held_goes_on(self):
        self.host(SCRIPT % (RELOADS, INSTANCES, SLACK), deadline=120 + RELOADS / 5)

    def test_a_million_other_objects_do_not_disturb(self):
        self.host(HEAP, deadline=120)


if __name__ == '__main__':
    unittest.main()
