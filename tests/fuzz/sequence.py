"""Sequences of operations that are the same for the same seed, and how a failing one is made shorter."""

import json
import random
import time
from pathlib import Path


class Difference(AssertionError):
    """What was found is not what should be."""


def shorten(operations, fails, seconds):
    """Leaves operations out as long as `fails(operations)` stays true and the time lasts; returns what is left."""
    deadline, size = time.monotonic() + seconds, max(1, len(operations) // 2)
    while time.monotonic() < deadline:
        start, before = 0, len(operations)
        while start < len(operations) and time.monotonic() < deadline:
            fewer = operations[:start] + operations[start + size:]
            if fewer and fails(fewer):
                operations = fewer
            else:
                start += size
        if size == 1 and len(operations) == before:
            break
        size = max(1, size // 2)
    return operations


def why_it_fails(run, operations):
    """The first line of what is wrong with these operations, or None."""
    try:
        run(operations)
    except Difference as difference:
        return str(difference)
    return None


def search(name, generate, run, seed, seconds, found, shorten_for=60):
    """Runs one sequence after the other; `generate(random)` makes it, `run(operations)` raises a Difference.

    Returns how many were run, or raises the difference with the shortest sequence that has one; it is then kept in `found`,
    a directory.
    """
    deadline, number = time.monotonic() + seconds, 0
    while number == 0 or time.monotonic() < deadline:
        operations = generate(random.Random(f'{seed}/{number}'))
        number += 1
        if (words := why_it_fails(run, operations)) is None:
            continue
        print(f'{name}: {words}\n{name}: making the sequence of {len(operations)} shorter', flush=True)
        operations = shorten(operations, lambda fewer: why_it_fails(run, fewer) is not None, shorten_for)
        path = Path(found) / f'{name}-{seed}-{number - 1}.json'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('[\n' + ',\n'.join(json.dumps(operation) for operation in operations) + '\n]\n')
        words = why_it_fails(run, operations) or f'{words}\n(not each time)'
        raise Difference(f'{words}\n' + '\n'.join(map(str, operations)) +
                         f'\nagain: tools/fuzz {name} --replay {path}')
    return number
