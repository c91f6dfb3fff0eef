"""Import in a fresh process, bytecode there."""

from bench.common import Case, client, compare
from bench.peers import Mounted, PlainFuse, write_table, write_zip

TITLE = 'Import of 1,000 modules in 20 packages, fresh process, bytecode there'


def measure(bench):
    rows = bench.rows()
    names = bench.names(rows)
    tmpfs, local = bench.tree('tree', rows, tmpfs=True), bench.tree('tree', rows)
    archive = write_zip(bench.directory('zip') / 'modules.zip', rows, bytecode=True)
    sources = write_zip(bench.directory('zip-sources') / 'modules.zip', rows, bytecode=False)
    database = write_table(bench.directory('importer') / 'modules.db', rows)
    mounted = Mounted(bench, 'mount', rows)
    for place in (tmpfs, local, mounted.path, f'sqlite:{database}'):
        client('import_all', place, names)  # writes the bytecode
    plain = PlainFuse(bench, 'plain', local)
    mounted.again()  # the second import ever is by a mount that found the bytecode there
    client('import_all', mounted.path, names)

    def case(label, place, **more):
        return Case(label, lambda: client('import_all', place, names), **more)
    return compare(bench, [
        case('tmpfs', tmpfs),
        case('local disk', local),
        case('pymodfs', mounted.path, requests=mounted.requests, pids=mounted.pids),
        case('zipimport, .pyc in the archive', archive),
        case('zipimport, sources in the archive', sources),
        case('importer over SQLite, marshal in a side table', f'sqlite:{database}'),
        case('FUSE with libfuse\'s defaults', plain.path, requests=plain.requests, pids=plain.pids),
    ], 'tmpfs')
