"""open, read, close."""

from bench.common import Case, Comparison, client
from bench.peers import ONE, Mounted, PlainFuse, path_of

TITLE = 'open, read, close of 1,000 modules, warm'
PASSES = 3


def measure(bench):
    rows = bench.rows()
    names = bench.names(rows, how=lambda rows: map(path_of, rows))
    local, mounted = bench.tree('tree', rows), Mounted(bench, 'mount', rows)
    plain = PlainFuse(bench, 'plain', local)

    def case(label, place, **more):
        client('read_all', place, names, 1)
        return Case(label, lambda: client('read_all', place, names, PASSES), **more)
    found = Comparison(bench, [
        case('local disk', local),
        case('pymodfs', mounted.path, requests=mounted.requests, pids=mounted.pids),
        case('FUSE with libfuse\'s defaults', plain.path, requests=plain.requests, pids=plain.pids),
    ], 'local disk')
    found.goal('open, read, close of a module, warm', 'on one processor at most 5 times the local disk', 5, columns=[ONE])
    each = found.waited('pymodfs') / (PASSES + 1) / len(rows)
    bench.goal('FUSE requests of that that somebody waits for', '1, an OPEN', f'{each:.2f}', each <= 1.01)
    return f'{found}\nThe requests are those of {PASSES + 1} passes.\n'
