"""Import in a fresh process, without any bytecode."""

from bench.common import Case, Comparison, client
from bench.peers import Mounted, PlainFuse, write_table, write_zip

TITLE = 'The same without any bytecode (`python3 -B`)'


def measure(bench):
    rows = bench.rows()
    names = bench.names(rows)
    tmpfs, local = bench.tree('tree', rows, tmpfs=True), bench.tree('tree', rows)
    archive = write_zip(bench.directory('zip') / 'modules.zip', rows, bytecode=False)
    database = write_table(bench.directory('importer') / 'modules.db', rows)
    mounted, plain = Mounted(bench, 'mount', rows), PlainFuse(bench, 'plain', local)

    def case(label, place, **more):
        return Case(label, lambda: client('import_all', place, names, bytecode=False), **more)
    found = Comparison(bench, [
        case('tmpfs', tmpfs),
        case('local disk', local),
        case('pymodfs', mounted.path, requests=mounted.requests, pids=mounted.pids),
        case('zipimport, sources', archive),
        case('importer over SQLite', f'sqlite:{database}'),
        case('FUSE with libfuse\'s defaults', plain.path, requests=plain.requests, pids=plain.pids),
    ], 'tmpfs')
    what = 'import of 1,000 modules without bytecode'
    found.goal(what, 'at most 1.5 times tmpfs', 1.5)
    found.goal(what, 'faster than zipimport', 1, base='zipimport, sources')
    each = found.waited('pymodfs') / len(rows)
    bench.goal('FUSE requests of that import that somebody waits for', 'at most 2 a module', f'{each:.2f}', each <= 2.05)
    return found
