"""find and grep over a large tree."""

import os
import time
from pathlib import Path

from bench.common import Case, compare
from bench.peers import Mounted, modules
from tests.support import run

TITLE = 'Walk of 100,000 modules'
CACHES = Path('/proc/sys/vm/drop_caches')


def timed(*command):
    begin = time.perf_counter_ns()
    # grep finds nothing, which is its status 1
    run(*command, check=False, timeout=600)
    return [time.perf_counter_ns() - begin]


def measure(bench):
    rows = modules(*bench.size((1000, 100), (5, 10)))
    local, mounted = bench.tree('tree', rows), Mounted(bench, 'mount', rows)
    tables = []
    for name, command in (('find', lambda top: ('find', top, '-name', '*.py', '-newermt', '2100-01-01')),
                          ('grep -r', lambda top: ('grep', '-rq', 'no such text', top))):
        def cold_local(command=command):
            os.sync()
            CACHES.write_text('2')
            return timed(*command(local))

        def cold_mount(command=command):
            mounted.again()
            return timed(*command(mounted.path))

        def warm(top, command=command):
            timed(*command(top))
            return timed(*command(top))
        tables.append(f'`{name}`, warm:\n\n' + compare(bench, [
            Case('local disk', lambda: warm(local)),
            Case('pymodfs', lambda: warm(mounted.path), pids=mounted.pids, requests=mounted.requests),
        ], 'local disk'))
        if os.access(CACHES, os.W_OK):
            tables.append(f'`{name}`, cold (local disk: names and inodes dropped; mount: just mounted):\n\n' + compare(bench, [
                Case('local disk', cold_local), Case('pymodfs', cold_mount)], 'local disk'))
    return '\n'.join(tables)
