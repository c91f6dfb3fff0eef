"""Judges what readers saw while writers wrote: was anything stale, ahead of its time, or going backwards?

Every name is a register: what is there (the number of a content, or that it is a directory) or that nothing is. A record says
what was done to, or seen of, one register, and between which two moments of CLOCK_MONOTONIC (nanoseconds) that happened. Nothing is
known of the order of what overlaps; what doesn't overlap must be seen in its order:

- A write is overwritten once another one, that began after its end, has ended; for readers of another place than the writer's
  (another mount, SQL), once the propagation time has passed as well. Nobody who begins later may see it.
- Nobody may see what nobody has begun to write.
- Once anybody in a place has seen a write, nobody who begins later there may see one that had ended before it began. Where others than
  that place write, listings and look-ups go forward each by itself: the kernel's listing may be behind until the change is published.
"""

import bisect
import collections
import heapq
import itertools
import math

ABSENT, PRESENT = '-', '+'  # PRESENT: something is there, whatever it is (a directory; an entry in a listing)

# place: where it is certain to be seen at its end (None: nowhere before the propagation time has passed).
Write = collections.namedtuple('Write', 'register value begin end place')
# place: where the reader looked.
Seen = collections.namedtuple('Seen', 'register value begin end place how')


class _Candidates:
    """The writes that one observation may come from, by their begin."""

    def __init__(self, writes, overwritten):
        writes = sorted(writes, key=lambda write: write.begin)
        self.begins = [write.begin for write in writes]
        self.single = writes[0] if len(writes) == 1 else None
        self._lasts = list(itertools.accumulate((overwritten(write) for write in writes), max))
        self._ends = list(itertools.accumulate((write.end for write in writes), max))

    def last(self, seen):
        """Until when one of those that had begun may have been seen; None: none had begun."""
        count = bisect.bisect_left(self.begins, seen.end)
        return self._lasts[count - 1] if count else None

    def end(self, seen):
        """The latest end of those that had begun."""
        return self._ends[bisect.bisect_left(self.begins, seen.end) - 1]


class _Register:
    """The writes of one register, as a reader of one place may see them."""

    def __init__(self, writes, place, propagation):
        writes = sorted(writes, key=lambda write: write.begin)
        self.is_foreign = any(write.place != place for write in writes)
        self._begins = [write.begin for write in writes]
        certain = [write.end + (0 if write.place == place else propagation) for write in writes]
        self._certain = list(itertools.accumulate(reversed(certain), min))[::-1]
        by_value = collections.defaultdict(list)
        for write in writes:
            by_value[write.value].append(write)
            if write.value != ABSENT:
                by_value[PRESENT, None].append(write)
        self._candidates = {value: _Candidates(found, self._overwritten) for value, found in by_value.items()}

    def _overwritten(self, write):
        """When another write, that began after its end, was certain to be seen."""
        after = bisect.bisect_right(self._begins, write.end)
        return self._certain[after] if after < len(self._certain) else math.inf

    def candidates(self, value):
        return self._candidates.get((PRESENT, None) if value == PRESENT else value)


def _backwards(register, seen):
    """Those of one place that saw what had been replaced before somebody else had already seen."""
    known, pending = 0, []
    for one in sorted(seen, key=lambda one: one.begin):
        while pending and pending[0][0] < one.begin:
            known = max(known, heapq.heappop(pending)[1])
        candidates = register.candidates(one.value)
        if candidates is None or candidates.last(one) is None:
            continue
        if candidates.end(one) < known:
            yield f'backwards: {one}'
        if candidates.single:
            heapq.heappush(pending, (one.end, candidates.single.begin))


def _is_listing(one):
    return one.how.startswith('list')


def _that_go_forward_together(register, seen):
    if not register.is_foreign:
        return [seen]
    return [[one for one in seen if _is_listing(one)], [one for one in seen if not _is_listing(one)]]


def _judge(register, seen):
    for one in seen:
        candidates = register.candidates(one.value)
        last = candidates.last(one) if candidates else None
        if last is None:
            yield f'nobody had written that: {one}'
        elif last <= one.begin:
            yield f'stale by {(one.begin - last) / 1e6:.3f} ms: {one}'


def violations(writes, seen, propagation):
    """A line for each observation that should not have been possible; propagation is in nanoseconds.

    What is there before the first write has to be a write too.
    """
    by_register = collections.defaultdict(list)
    for write in writes:
        by_register[write.register].append(write)
    by_place = collections.defaultdict(list)
    for one in seen:
        by_place[one.register, one.place].append(one)
    found = []
    for (name, place), observations in sorted(by_place.items()):
        register = _Register(by_register[name], place, propagation)
        found += _judge(register, observations)
        for together in _that_go_forward_together(register, observations):
            found += _backwards(register, together)
    return found
