"""Rounds, statistics, processors, tables."""

import json
import os
import statistics
import subprocess
from collections import Counter
from pathlib import Path

from tests.support import PYTHON, environment, run

CLIENT = Path(__file__).with_name('client.py')
NOT_WAITED_FOR = ('release', 'forget')


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


def alternate(bench, cases, processors):
    """Takes samples of all cases by turns, on these processors, in as many rounds as there is time for; returns samples and
    requests a call, by label."""
    before = os.sched_getaffinity(0)
    samples, requests = {case.label: [] for case in cases}, {}
    os.sched_setaffinity(0, processors)  # children inherit it
    try:
        for case in cases:
            pin(case.pids(), processors)
        for turn in bench.turns():
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


class Comparison:
    """Each case on one processor and on all, as medians and as ratios to the case `base`."""

    def __init__(self, bench, cases, base):
        self._bench, self._cases, self._base = bench, cases, base
        self._columns, self._requests = {}, {}
        for name, processors in bench.processors.items():
            self._columns[name], self._requests = alternate(bench, cases, processors)

    def ratios(self, label, base=None):
        """By the names of the columns."""
        return {name: statistics.median(samples[label]) / statistics.median(samples[base or self._base])
                for name, samples in self._columns.items()}

    def waited(self, label):
        """How many requests of the last sample somebody waited for."""
        return sum(number for kind, number in self._requests[label].items() if kind not in NOT_WAITED_FOR)

    def goal(self, what, aim, most, label='pymodfs', base=None, columns=None):
        """Notes whether the ratio is `most` at most."""
        ratios = self.ratios(label, base)
        self._bench.goal(what, aim, {name: f'{ratio:.2f}' for name, ratio in ratios.items()},
                         {name: round(ratio, 2) <= most for name, ratio in ratios.items() if name in (ratios if columns is None else columns)})

    def remark(self, what, why, label, base=None):
        """Notes a ratio that explains others."""
        self.goal(what, why, 0, label, base, columns=())

    def __str__(self):
        rows = []
        for case in self._cases:
            row = [case.label]
            for name, samples in self._columns.items():
                row += [spread(samples[case.label]), f'{self.ratios(case.label)[name]:.2f}']
            rows.append([*row, format_requests(self._requests[case.label]) if case.label in self._requests else ''])
        heads = [head for name in self._columns for head in (f'{name}: median (quartiles)', f'to {self._base}')]
        return table(['', *heads, 'FUSE requests'], rows)


class Distribution:
    """Latencies: median and 99th percentile on one processor and on all."""

    def __init__(self, bench, cases):
        self._bench, self._cases = bench, cases
        self._columns = {name: alternate(bench, cases, processors)[0] for name, processors in bench.processors.items()}

    def goal(self, what, aim, label, median, worst):
        """Notes whether the median and the 99th percentile are at most so many milliseconds."""
        found = {name: (statistics.median(samples[label]), quantile(samples[label], .99)) for name, samples in self._columns.items()}
        self._bench.goal(what, aim, {name: ', '.join(map(format_time, pair)) for name, pair in found.items()},
                         {name: pair[0] <= median * 1e6 and pair[1] <= worst * 1e6 for name, pair in found.items()})

    def __str__(self):
        rows = []
        for case in self._cases:
            row = [case.label]
            for samples in self._columns.values():
                found = samples[case.label]
                row += [format_time(statistics.median(found)), format_time(quantile(found, .99)), len(found)]
            rows.append(row)
        heads = [head for name in self._columns for head in (f'{name}: median', '99th percentile', 'samples')]
        return table(['', *heads], rows)


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
