"""What nobody uses should not wake up."""

import time

from bench.common import switches, table
from bench.measure.propagation import Host
from bench.peers import Mounted, modules

TITLE = 'Wake-ups of an idle daemon and an idle host'


def measure(bench):
    seconds = bench.size(30, 0.5)
    rows = []
    for packages in bench.size((10, 1000), (2, 4)):
        sources = modules(packages, 100 if packages > 5 else 5) | {'one': 'V = 0\n'}
        mounted = Mounted(bench, f'mount-{packages}', sources)
        host = Host(bench, mounted, ['one'])
        time.sleep(bench.size(15, 0.2))  # what the first requests left to be done later
        # Listed once: looking is a request.
        daemon = mounted.pids()
        before = switches(daemon), switches([host.pid])
        time.sleep(seconds)
        after = switches(daemon), switches([host.pid])
        rows.append([f'{len(sources):,}', *(f'{(b - a) / seconds:.2f}' for a, b in zip(before, after))])
        host.close()
        mounted.close()
    return table(['modules in the table', 'daemon, a second', 'host, a second'], rows)
