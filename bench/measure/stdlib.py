"""Import of a part of CPython's standard library: modules that are not made alike."""

import json
import sysconfig
from pathlib import Path

from bench.common import Case, Comparison, client
from bench.peers import Mounted, write_tree
from tests.support import PYTHON, environment, run

TITLE = "Import of 150 modules of CPython's standard library, fresh process, bytecode there"
# Not to be imported for a look, or not there to be imported.
LEFT_OUT = {'antigravity', 'this', 'test', 'tests', 'idlelib', 'lib2to3', 'tkinter', 'turtle', 'turtledemo', 'ensurepip', 'pydoc_data',
            'site-packages', 'dist-packages', 'lib-dynload', '__phello__', 'sitecustomize', '__pycache__', '__main__'}
# Tries names in order and prints as many as come from the directory and were not there before.
CHOOSE = '''
import json, sys
top, wanted = sys.argv[1], int(sys.argv[2])
sys.path.insert(0, top)
here, chosen = set(sys.modules), []
for name in sys.stdin.read().split():
    try:
        __import__(name)
    except Exception:
        continue
    origin = getattr(getattr(sys.modules.get(name), '__spec__', None), 'origin', None) or ''
    if name not in here and origin.startswith(top + '/'):
        chosen.append(name)
    if len([m for m in set(sys.modules) - here if getattr(sys.modules[m], '__file__', None) and sys.modules[m].__file__.startswith(top)]) >= wanted:
        break
json.dump(chosen, sys.stdout)
'''


def library():
    """Names to sources."""
    top = Path(sysconfig.get_paths()['stdlib'])
    rows = {}
    for path in sorted(top.rglob('*.py')):
        parts = path.relative_to(top).with_suffix('').parts
        if LEFT_OUT.isdisjoint(parts) and all(part.isidentifier() for part in parts):
            rows['.'.join(parts)] = path.read_text(encoding='utf-8')
    return rows


def measure(bench):
    rows = library()
    tmpfs, local = bench.directory('tree', tmpfs=True) / 'top', bench.directory('tree') / 'top'
    for top in (tmpfs, local):
        top.mkdir()
        write_tree(top, rows)
    candidates = '\n'.join(name.removesuffix('.__init__') for name in rows)
    chosen = json.loads(run(PYTHON, '-I', '-B', '-c', CHOOSE, local, bench.size(150, 10), input=candidates, timeout=120,
                            env=environment()).stdout)
    names = bench.names(chosen, how=list)
    mounted = Mounted(bench, 'mount', rows)
    for place in (tmpfs, local, mounted.path):
        client('import_all', place, names)
    mounted.again()
    client('import_all', mounted.path, names)

    def case(label, place, **more):
        return Case(label, lambda: client('import_all', place, names), **more)
    found = Comparison(bench, [
        case('local disk', local),
        case('tmpfs', tmpfs),
        case('pymodfs', mounted.path, requests=mounted.requests, pids=mounted.pids),
    ], 'local disk')
    found.goal("import of 150 modules of CPython's standard library", 'at most 1.05 times the local disk', 1.05)
    return found
