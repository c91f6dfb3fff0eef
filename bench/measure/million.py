"""A table of a million modules."""

import sqlite3
import statistics
import time
from pathlib import Path

from bench.common import client, format_time, table
from bench.peers import SOURCE
from tests.support import Database, is_mounted, pymodfs
from tests.support.mount import Mount

TITLE = 'A table of 1,000,000 modules'


def create(path, packages, each):
    """The table as somebody has it already, then `pymodfs init`: much faster than filling one that is watched by triggers."""
    source = SOURCE.format(number=1)
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("CREATE TABLE module(name TEXT PRIMARY KEY NOT NULL, source NOT NULL DEFAULT '')")
        for p in range(packages):
            connection.execute('INSERT INTO module(name, source) VALUES (?, ?)', (f'p{p:04}.__init__', ''))
            connection.executemany('INSERT INTO module(name, source) VALUES (?, ?)',
                                   ((f'p{p:04}.m{m:04}', source) for m in range(each)))
    connection.close()
    pymodfs('init', path, timeout=600)
    return Database(path)


def shared(bench, packages, each):
    """Made once in a run of several measurements."""
    directory = bench.share(f'{packages}-{each}', lambda directory: create(directory / 'modules.db', packages, each))
    return Database(directory / 'modules.db')


def resident(pid):
    """VmRSS in KiB."""
    lines = Path(f'/proc/{pid}/status').read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith('VmRSS'))


def measure(bench):
    packages, each = bench.size((1000, 1000), (5, 20))
    directory, database = bench.directory('mount'), shared(bench, packages, each)
    answers, first, memory = [], [], []
    for turn in bench.turns():
        mount = Mount(database, directory / 'mnt', background=True, env={'XDG_CACHE_HOME': directory / f'cache-{turn}'})
        mount.path.mkdir(exist_ok=True)
        bench.stack.callback(lambda: is_mounted(mount.path) and pymodfs('umount', mount.path))
        begin = time.perf_counter_ns()
        mount.mount()
        answers.append(time.perf_counter_ns() - begin)
        names = bench.names([f'p{packages // 2 + turn % 2:04}.m{each // 2:04}'])
        first += client('import_all', mount.path, names)
        memory.append(resident(mount.pid))
        mount.umount()
    bench.goal('1,000,000 modules: the mount answers', '0.2 s', format_time(max(answers)), max(answers) <= 2e8)
    bench.goal('first import of one of them', '50 ms', format_time(max(first)), max(first) <= 5e7)
    bench.goal('memory of the daemon then', '64 MiB', f'{max(memory) / 1024:.1f} MiB', max(memory) <= 64 * 1024)
    return table(['', 'median', 'worst'], [
        ['`pymodfs mount` returns: it answers', format_time(statistics.median(answers)), format_time(max(answers))],
        ['first import of one module', format_time(statistics.median(first)), format_time(max(first))],
        ['VmRSS of the daemon after that', f'{statistics.median(memory) / 1024:.1f} MiB', f'{max(memory) / 1024:.1f} MiB'],
    ])
