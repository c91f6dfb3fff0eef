"""stat of files that are there, access to names that are not."""

from bench.common import Case, client, compare
from bench.peers import Mounted, PlainFuse, modules, path_of

TITLE = '`stat` of 10,000 modules and of 10,000 absent names, warm'


def measure(bench):
    rows = modules(*bench.size((100, 100), (2, 10)))
    names = bench.names(rows, how=lambda rows: map(path_of, rows))
    local, mounted = bench.tree('tree', rows), Mounted(bench, 'mount', rows)
    plain = PlainFuse(bench, 'plain', local)
    tables = []
    for title, action in (('There', 'stat_all'), ('Absent', 'absent_all')):
        def case(label, place, action=action, **more):
            client(action, place, names, 1)
            return Case(label, lambda: client(action, place, names, 3), **more)
        tables.append(f'{title}, a pass over all:\n\n' + compare(bench, [
            case('local disk', local),
            case('pymodfs', mounted.path, requests=mounted.requests, pids=mounted.pids),
            case('FUSE with libfuse\'s defaults', plain.path, requests=plain.requests, pids=plain.pids),
        ], 'local disk'))
    return '\n'.join(tables)
