"""open, read, close."""

from bench.common import Case, client, compare
from bench.peers import Mounted, PlainFuse, path_of

TITLE = 'open, read, close of 1,000 modules, warm'


def measure(bench):
    rows = bench.rows()
    names = bench.names(rows, how=lambda rows: map(path_of, rows))
    local, mounted = bench.tree('tree', rows), Mounted(bench, 'mount', rows)
    plain = PlainFuse(bench, 'plain', local)

    def case(label, place, **more):
        client('read_all', place, names, 1)
        return Case(label, lambda: client('read_all', place, names, 3), **more)
    return compare(bench, [
        case('local disk', local),
        case('pymodfs', mounted.path, requests=mounted.requests, pids=mounted.pids),
        case('FUSE with libfuse\'s defaults', plain.path, requests=plain.requests, pids=plain.pids),
    ], 'local disk') + '\nThe requests are those of four passes.\n'
