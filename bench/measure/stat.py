"""stat of files that are there, access to names that are not."""

from bench.common import Case, Comparison, client
from bench.peers import Mounted, PlainFuse, modules, path_of

TITLE = '`stat` of 10,000 modules and of 10,000 absent names, warm'


def measure(bench):
    rows = modules(*bench.size((100, 100), (2, 10)))
    names = bench.names(rows, how=lambda rows: map(path_of, rows))
    local, mounted = bench.tree('tree', rows), Mounted(bench, 'mount', rows)
    plain = PlainFuse(bench, 'plain', local)
    tables = []
    for title, action, what in (('There', 'stat_all', '`stat` of 10,000 modules'), ('Absent', 'absent_all', '`access` to 10,000 absent names')):
        def case(label, place, action=action, **more):
            client(action, place, names, 1)
            return Case(label, lambda: client(action, place, names, 3), **more)
        found = Comparison(bench, [
            case('local disk', local),
            case('pymodfs', mounted.path, requests=mounted.requests, pids=mounted.pids),
            case('FUSE with libfuse\'s defaults', plain.path, requests=plain.requests, pids=plain.pids),
        ], 'local disk')
        tables.append(f'{title}, a pass over all:\n\n{found}')
        found.goal(what, 'at most 1.1 times the local disk', 1.1)
        requests = found.waited('pymodfs')
        bench.goal('FUSE requests of that', 'none', f'{requests}', requests == 0)
    return '\n'.join(tables)
