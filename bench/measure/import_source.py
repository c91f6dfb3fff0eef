"""Import in a fresh process, without any bytecode."""

from bench.common import Case, client, compare
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
    return compare(bench, [
        case('tmpfs', tmpfs),
        case('local disk', local),
        case('pymodfs', mounted.path, requests=mounted.requests, pids=mounted.pids),
        case('zipimport, sources', archive),
        case('importer over SQLite', f'sqlite:{database}'),
        case('FUSE with libfuse\'s defaults', plain.path, requests=plain.requests, pids=plain.pids),
    ], 'tmpfs')
