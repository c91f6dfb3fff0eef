"""What nobody uses should not wake up."""

import time

from bench.common import switches, table
from bench.measure.propagation import Host
from bench.peers import Mounted, modules

TITLE = 'Wake-ups of an idle daemon and an idle host'


def measure(bench):
    seconds = bench.size(30, 0.5)
    tables = []
    for packages in bench.size((10, 1000), (2, 4)):
        sources = modules(packages, 100 if packages > 5 else 5) | {'one': 'V = 0\n'}
        mounted = Mounted(bench, f'mount-{packages}', sources)
        host = Host(bench, mounted, ['one'])
        tables.append((f'{len(sources):,}', mounted.pids(), [host.pid]))  # listed once: looking is a request
    time.sleep(bench.size(15, 0.2))  # what the first requests left to be done later
    before = [[switches(pids) for pids in line[1:]] for line in tables]
    time.sleep(seconds)
    after = [[switches(pids) for pids in line[1:]] for line in tables]
    rows = []
    for line, first, second in zip(tables, before, after):
        daemon, host = ((b - a) / seconds for a, b in zip(first, second))
        rows.append([line[0], f'{daemon:.2f}', f'{host:.2f}'])
        bench.goal(f'wake-ups of an idle daemon and host, {line[0]} modules', '0 a second, but for one look of the daemon in 30 s',
                   f'{daemon:.2f}, {host:.2f}', daemon <= 2 / seconds and host == 0)
    return table(['modules in the table', 'daemon, a second', 'host, a second'], rows)
