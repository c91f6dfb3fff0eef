"""One transaction over twenty modules that depend on each other, again and again, under threads that call into them.

No thread ever sees a mix of two versions; a batch with an error leaves no trace. PYMODFS_HOST_BATCHES sets the number of
batches (default 200, under a sanitizer 30).
"""

import os
import unittest

from tests.host.harness import PATIENCE, HostCase

BATCHES = int(os.environ.get('PYMODFS_HOST_BATCHES', '200' if PATIENCE == 1 else '30'))

SCRIPT = """
import random, threading, time
BATCHES = %d
random.seed(7)
COUNT = 20
NAMES = [f'link{i:02}' for i in range(COUNT)]

def source(i, version, error=''):
    first = i == 0
    before = NAMES[i - 1]
    return text(f'''
        {'' if first else f'from {before} import BELOW as LOWER, Unit as Base, chain as lower_chain'}
        {'import ' + NAMES[i // 2] + ' as other' if i else ''}
        VERSION = {version}
        BELOW = {f'[{version}]' if first else 'LOWER + [VERSION]'}
        {error}
        class Unit{'' if first else '(Base)'}:
            def at{i}(self): return {version}
            def top(self): return VERSION
        def chain(): return {'[VERSION]' if first else 'lower_chain() + [VERSION]'}
        def version(): return {version}
        leaked_{version} = {version}
    ''')

write({name: source(i, 0) for i, name in enumerate(NAMES)})
modules = [__import__(name) for name in NAMES]
units = [module.Unit() for module in modules]
readings = ([lambda m=m: m.VERSION for m in modules] + [m.version for m in modules] + [u.top for u in units] +
            [getattr(units[-1], f'at{i}') for i in range(COUNT)] + [lambda m=m: m.BELOW[0] for m in modules] +
            [lambda m=m: m.BELOW[-1] for m in modules])
stop, mixed, rounds, failures = threading.Event(), [], [0] * 4, []

# Versions only grow: whoever reads the same version twice has seen no change in between.
def read(number):
    choose = random.Random(number)
    try:
        while not stop.is_set():
            first, second = choose.choice(readings), choose.choice(readings)
            before, other, after = first(), second(), first()
            if before == after != other:
                mixed.append((before, other))
            if choose.random() < 0.02:
                chain = modules[choose.randrange(COUNT)].chain()
                if any(a > b for a, b in zip(chain, chain[1:])):
                    mixed.append(chain)
            rounds[number] += 1
            if rounds[number] %% 50 == 0:
                time.sleep(0.001)
    except BaseException as error:
        failures.append(error)
        raise

ERRORS = ['1 / 0', 'undefined_name', 'def', 'raise SystemExit(1)', 'import no_such_module', 'raise KeyboardInterrupt',
          'from link00 import no_such_name', 'class Broken(5): pass']
threads = [threading.Thread(target=read, args=(n,), daemon=True) for n in range(4)]
sys.setswitchinterval(0.001)
for thread in threads:
    thread.start()
good_version = 0
try:
    for version in range(1, BATCHES + 1):
        broken = random.randrange(COUNT) if version %% 3 == 0 else None
        write({name: source(i, version, random.choice(ERRORS) if i == broken else '') for i, name in enumerate(NAMES)}, how='sql')
        before = set(sys.modules)
        report = pymodhost.poll()
        if broken is None:
            assert not report.errors, errors(report)
            eq(list(report.reloaded), NAMES)
            good_version = version
        else:
            assert report.errors and not report.reloaded
            eq([name for name in set(sys.modules) - before if name.startswith(('link', 'no_such'))], [])
        eq([m.VERSION for m in modules], [good_version] * COUNT)
        eq([sorted(n for n in vars(m) if n.startswith('leaked')) for m in modules], [[f'leaked_{good_version}']] * COUNT)
        eq((modules[-1].BELOW, modules[-1].chain()), ([good_version] * COUNT,) * 2)
        eq([u.top() for u in units], [good_version] * COUNT)
        eq(mixed[:3], [])
        eq(failures, [])
finally:
    stop.set()
for thread in threads:
    thread.join()
assert min(rounds) > BATCHES, rounds
eq(([type(u) is m.Unit for u, m in zip(units, modules)], mixed, failures), ([True] * COUNT, [], []))
print(f'{BATCHES} batches, {sum(rounds)} readings')
"""


class Transactions(HostCase):
    sparse = True

    def test_no_thread_sees_a_mix_and_an_error_leaves_no_trace(self):
        self.host(SCRIPT % BATCHES, deadline=60 + BATCHES)


if __name__ == '__main__':
    unittest.main()
