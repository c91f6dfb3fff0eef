"""Import in a fresh process, bytecode there."""

from bench.common import Case, Comparison, client
from bench.peers import Mounted, PlainFuse, write_table, write_zip

TITLE = 'Import of 1,000 modules in 20 packages, fresh process, bytecode there'


def measure(bench):
    rows = bench.rows()
    packages = sum(name.endswith('.__init__') for name in rows)
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
    with_bytecode, executed = 'zipimport, .pyc in the archive', 'their code objects executed, nothing else'
    found = Comparison(bench, [
        case('tmpfs', tmpfs),
        case('local disk', local),
        case('pymodfs', mounted.path, requests=mounted.requests, pids=mounted.pids),
        case(with_bytecode, archive),
        case('zipimport, sources in the archive', sources),
        case('importer over SQLite, marshal in a side table', f'sqlite:{database}'),
        case('FUSE with libfuse\'s defaults', plain.path, requests=plain.requests, pids=plain.pids),
        Case(executed, lambda: client('execute_all', tmpfs, names)),
    ], 'tmpfs')
    what = 'import of 1,000 modules, bytecode there'
    found.goal(what, 'at most 1.05 times tmpfs', 1.05)
    found.goal(what, 'a tenth of zipimport', .1, base=with_bytecode)
    found.remark('from tmpfs, beside zipimport', 'CPython\'s own share', 'tmpfs', with_bytecode)
    found.remark('to execute the code objects and nothing else, beside zipimport', 'the least there is', executed, with_bytecode)
    requests = found.waited('pymodfs')
    bench.goal('FUSE requests of that import', 'one a directory, none a module', f'{requests}',
               requests <= packages)
    return found
