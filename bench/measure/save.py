"""A save that outlasts a power cut."""

from bench.common import Case, Comparison, client
from bench.peers import Mounted

TITLE = 'A durable save'


def measure(bench):
    rows = bench.rows()
    count = bench.size(30, 3)
    local, mounted = bench.tree('tree', rows), Mounted(bench, 'mount', rows)
    found = Comparison(bench, [
        Case('local disk: write, fsync, rename, fsync of the directory',
             lambda: client('save_by_rename', local / 'p000/m0001.py', count)),
        Case('pymodfs: open, write, close', lambda: client('save_in_place', mounted.path / 'p000/m0001.py', count),
             pids=mounted.pids, requests=mounted.requests),
        Case('pymodfs: open, write, close, read by another process in between',
             lambda: client('save_between_readers', mounted.path / 'p000/m0004.py', count), pids=mounted.pids, requests=mounted.requests),
        Case('pymodfs: write, fsync, rename', lambda: client('save_by_rename', mounted.path / 'p000/m0002.py', count),
             pids=mounted.pids, requests=mounted.requests),
        Case('SQL: UPDATE and COMMIT', lambda: client('save_by_sql', mounted.database.path, 'p000.m0003', count)),
    ], 'local disk: write, fsync, rename, fsync of the directory')
    found.goal('a durable save: open, write, close', 'no slower than write, fsync, rename, fsync of the directory', 1,
               'pymodfs: open, write, close')
    found.remark('`UPDATE` and `COMMIT` alone, beside that', 'the database\'s share', 'SQL: UPDATE and COMMIT')
    return found
