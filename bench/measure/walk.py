"""find and grep over a large tree."""

import os
import time
from pathlib import Path

from bench.common import Case, Comparison
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

    def compare(title, what, most, place, mount, **more):
        found = Comparison(bench, [Case('local disk', place), Case('pymodfs', mount, **more)], 'local disk')
        tables.append(f'{title}:\n\n{found}')
        found.goal(what, f'at most {most} times the local disk', most)
    for name, command in (('find', lambda top: ('find', top, '-name', '*.py', '-newermt', '2100-01-01')),
                          ('grep -r', lambda top: ('grep', '-rq', 'no such text', top))):
        def cold_local(command=command):
            os.sync()
            CACHES.write_text('2')
            return timed(*command(local))

        def cold_mount(command=command):
            mounted.again()
            return timed(*command(mounted.path))
        if os.access(CACHES, os.W_OK):
            compare(f'`{name}`, cold (local disk: names and inodes dropped; mount: just mounted)', f'`{name}` over 100,000 modules, cold', 3,
                    cold_local, cold_mount)
        for top in (local, mounted.path):
            timed(*command(top))
        compare(f'`{name}`, warm', f'`{name}` over 100,000 modules, warm', 1.2, lambda: timed(*command(local)),
                lambda: timed(*command(mounted.path)), pids=mounted.pids, requests=mounted.requests)
    return '\n'.join(tables)
