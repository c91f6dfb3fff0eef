"""Rounds, statistics, processors, tables."""

import json
import os
import statistics
import subprocess
from collections import Counter
from pathlib import Path

from tests.support import PYTHON, environment, run

CLIENT = Path(__file__).with_name('client.py')
ONE, ALL = 'one', 'all'


class Case:
    """One thing to compare: `sample()` returns a list of nanoseconds; `requests()`, if known, how many there were so far of each
    kind (a Counter); `pids()` are the processes that work for it."""

    def __init__(self, label, sample, requests=None, pids=tuple):
        self.label, self.sample, self.requests, self.pids = label, sample, requests, pids


def pin(pids, processors):
    """Moves all threads of these processes; those that they start later inherit it."""
    for pid in pids:
        for task in os.listdir(f'/proc/{pid}/task'):
            os.sched_setaffinity(int(task), processors)


def client(*args, bytecode=True, timeout=600):
    """Runs client.py in a fresh interpreter and returns its samples."""
    flags = ['-I'] if bytecode else ['-I', '-B']
    # -I: no PYTHONDONTWRITEBYTECODE, no user's site directory.
    return json.loads(run(PYTHON, *flags, CLIENT, *args, timeout=timeout, env=environment()).stdout)


def alternate(cases, rounds, processors):
    """Takes samples of all cases by turns, on these processors; returns samples and requests a call, by label."""
    before = os.sched_getaffinity(0)
    samples, requests = {case.label: [] for case in cases}, {}
    os.sched_setaffinity(0, processors)  # children inherit it
    try:
        for case in cases:
            pin(case.pids(), processors)
        for turn in range(rounds):
            shift = turn % len(cases)
            for case in cases[shift:] + cases[:shift]:
                first = case.requests() if case.requests else Counter()
                samples[case.label] += case.sample()
                if case.requests:
                    requests[case.label] = case.requests() - first
    finally:
        os.sched_setaffinity(0, before)
    return samples, requests


def quantile(samples, part):
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def format_time(ns):
    for unit, size in (('s', 1e9), ('ms', 1e6), ('us', 1e3)):
        if ns >= size:
            return f'{ns / size:.3g} {unit}'
    return f'{ns:.0f} ns'


def format_requests(counts):
    """The kinds that came more than by chance, most first; RELEASE and FORGET are those that nobody waits for."""
    total = sum(counts.values())
    kinds = [f'{number:,} {kind.upper()}' for kind, number in counts.most_common() if number * 100 >= total]
    return ', '.join(kinds) or '0'


def spread(samples):
    """Median, and in brackets the quartiles."""
    return (f'{format_time(statistics.median(samples))} '
            f'({format_time(quantile(samples, .25))} to {format_time(quantile(samples, .75))})')


def table(header, rows):
    lines = [header, ['---'] * len(header), *rows]
    return '\n'.join('| ' + ' | '.join(str(cell) for cell in line) + ' |' for line in lines) + '\n'


def compare(bench, cases, base):
    """The table of one comparison: each case on one processor and on all, as medians and as ratios to the case `base`."""
    columns, last = {}, {}
    for name, processors in bench.processors.items():
        columns[name], last = alternate(cases, bench.rounds, processors)
    rows = []
    for case in cases:
        row = [case.label]
        for samples in columns.values():
            ratio = statistics.median(samples[case.label]) / statistics.median(samples[base])
            row += [spread(samples[case.label]), f'{ratio:.2f}']
        rows.append([*row, format_requests(last[case.label]) if case.label in last else ''])
    heads = [head for name in columns for head in (f'{name}: median (quartiles)', f'to {base}')]
    return table(['', *heads, 'FUSE requests'], rows)


def distribution(bench, cases):
    """The table of latencies: median and 99th percentile on one processor and on all."""
    rows = {case.label: [case.label] for case in cases}
    for processors in bench.processors.values():
        samples, _ = alternate(cases, bench.rounds, processors)
        for label, found in samples.items():
            rows[label] += [format_time(statistics.median(found)), format_time(quantile(found, .99)), len(found)]
    heads = [head for name in bench.processors for head in (f'{name}: median', '99th percentile', 'samples')]
    return table(['', *heads], rows.values())


def switches(pids):
    """How often all threads of these processes have gone to sleep by themselves."""
    total = 0
    for pid in pids:
        for status in Path(f'/proc/{pid}/task').glob('*/status'):
            total += sum(int(line.split()[1]) for line in status.read_text().splitlines()
                         if line.startswith('voluntary_ctxt_switches'))
    return total


def file_system(path):
    # Where mounts are stacked the last one counts.
    found = subprocess.run(['findmnt', '-n', '-o', 'FSTYPE', '-T', path], capture_output=True, text=True, check=True).stdout
    return found.split()[-1]
