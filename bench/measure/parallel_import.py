"""Several processes import the same modules at once."""

import subprocess
import time

from bench.common import CLIENT, Case, Comparison, client
from bench.peers import Mounted
from tests.support import PYTHON, environment

TITLE = '8 processes importing 1,000 modules at once: until the last one ends'


def at_once(place, names, count):
    begin = time.perf_counter_ns()
    processes = [subprocess.Popen([PYTHON, '-I', CLIENT, 'import_all', place, names], env=environment(),
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) for _ in range(count)]
    if any([process.wait() for process in processes]):
        raise RuntimeError(f'an import from {place} failed')
    return [time.perf_counter_ns() - begin]


def measure(bench):
    rows = bench.rows()
    names = bench.names(rows)
    tmpfs, local = bench.tree('tree', rows, tmpfs=True), bench.tree('tree', rows)
    mounted = Mounted(bench, 'mount', rows)
    for place in (tmpfs, local, mounted.path):
        client('import_all', place, names)
    mounted.again()
    count = bench.size(8, 2)
    found = Comparison(bench, [
        Case('tmpfs', lambda: at_once(tmpfs, names, count)),
        Case('local disk', lambda: at_once(local, names, count)),
        Case('pymodfs', lambda: at_once(mounted.path, names, count), requests=mounted.requests, pids=mounted.pids),
    ], 'tmpfs')
    found.goal('8 processes importing at once', 'at most 1.2 times tmpfs', 1.2)
    return found
