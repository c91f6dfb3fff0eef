"""What a save, a change by another process and a reload cost, against the size of the table."""

import contextlib
import os
import statistics

from bench.common import client, format_time, table
from bench.measure.million import shared
from bench.measure.propagation import Changes, Host
from bench.peers import Mounted
from bench.plot import line_chart

TITLE = 'Growth: the cost of a change against the size of the table'
SAVE, SEEN, RELOAD = 'a save', '`COMMIT` to visible', '`COMMIT` to new code'
PLOT = 'growth.svg'


def measure_one(bench, size):
    each = min(1000, size // 10)
    directory = f'mount-{size}'
    database = shared(bench, size // each, each)
    os.sync()  # the disk is done with the new table before anything is measured
    database.put({'one': 'V = 0\n', 'two': 'V = 0\n'})
    mounted = Mounted(bench, directory, database=database)
    samples = {SAVE: [], SEEN: [], RELOAD: []}
    with contextlib.closing(Changes(mounted, bench.size(20, 2))) as changes:
        host = Host(bench, mounted, ['two'])
        for _ in bench.turns():
            samples[SAVE] += client('save_in_place', mounted.path / 'p0000/m0000.py', bench.size(20, 2))
            changes.look(mounted.path / 'one.py')
            samples[SEEN] += changes.latencies(lambda: changes.by_sql(['one']), lambda: changes.wait_visible(mounted.path / 'one.py'))
            samples[RELOAD] += changes.latencies(lambda: changes.by_sql(['two']), host.wait)
        host.close()
    mounted.close()
    return {what: statistics.median(found) for what, found in samples.items()}


def measure(bench):
    sizes = bench.size([1000, 10_000, 100_000, 1_000_000], [200, 2000])
    found = {size: measure_one(bench, size) for size in sizes}
    series = {what: [found[size][what] for size in sizes] for what in (SAVE, SEEN, RELOAD)}
    bench.plots[PLOT] = line_chart(TITLE, sizes, {what.replace('`', ''): values for what, values in series.items()})
    rows = [[what, *(format_time(ns) for ns in values), f'{values[-1] / values[0]:.2f}'] for what, values in series.items()]
    for what, values in series.items():
        bench.goal(f'{what}, {sizes[-1]:,} modules beside {sizes[0]:,}', 'flat: at most 1.25 times', f'{values[-1] / values[0]:.2f}',
                   values[-1] / values[0] < 1.255)
    return table(['median, all processors', *(f'{size:,} modules' for size in sizes), 'largest to smallest'], rows)
