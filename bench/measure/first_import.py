"""The first import after a mount, by a machine that has the bytecode from before."""

from bench.common import Case, Comparison, client
from bench.peers import Mounted

TITLE = 'First import after a mount, bytecode there from before'


def measure(bench):
    rows = bench.rows()
    names = bench.names(rows)
    tmpfs, local = bench.tree('tree', rows, tmpfs=True), bench.tree('tree', rows)
    mounted = Mounted(bench, 'mount', rows)
    for place in (tmpfs, local, mounted.path):
        client('import_all', place, names)

    def first():
        mounted.again()
        return client('import_all', mounted.path, names)
    found = Comparison(bench, [
        Case('tmpfs', lambda: client('import_all', tmpfs, names)),
        Case('local disk', lambda: client('import_all', local, names)),
        Case('pymodfs', first),
    ], 'tmpfs')
    found.goal('first import after a mount, bytecode there from before', 'at most 1.3 times tmpfs', 1.3)
    return found
