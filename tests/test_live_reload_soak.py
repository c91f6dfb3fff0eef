"""A program ticks while another process changes its rules again and again, through the mount and by SQL.

PYMODFS_SOAK_SECONDS says how long (default 15); the full run is `PYMODFS_SOAK_SECONDS=60 tools/check test_live_reload_soak`.
"""

import os
import re
import time
import unittest

from tests.support import PYMODHOST, Process, TestCase

# What the heap may grow by from the 50th change to the last, in KiB: a few pages come and go, while 150 leaked modules of this
# size would be some 20 MiB. Under a sanitizer, which keeps what was freed for a while, tools/check allows more.
SLACK = int(os.environ.get('PYMODFS_HEAP_SLACK', '2048'))
SECONDS = float(os.environ.get('PYMODFS_SOAK_SECONDS', '15'))
CHANGES = 200
BROKEN = 10

# Prints each value that it sees, with the number of the tick; a tick that meets an error would end it.
TICK = """
import time, pymodhost, rules
last, ticks = None, 0
while True:
    pymodhost.poll()
    ticks += 1
    now = rules.monster.strength()
    if now != last:
        print('tick', ticks, 'value', now, flush=True)
        last = now
    time.sleep(0.005)
"""

GOOD = """
from dataclasses import dataclass
TABLE = {{i: i * 2 for i in range(1000)}}

@dataclass
class Monster:
    hits: int = {number}
    def strength(self):
        return self.hits and {number}

def strength():
    return Monster().strength()
"""

BROKEN_SOURCES = [
    'def strength() return {number}\n',
    'def strength():\n    return {number}\nraise RuntimeError("not ready")\n',
    'def strength():\n    return {number}\nimport a_module_that_is_not_there\n',
    'def strength():\n    return {number}\nraise SystemExit(3)\n',
    'def strength():\n\treturn {number}\n        x = 1\n',
]


def resident(pid):
    """Resident memory of a process, in KiB."""
    with open(f'/proc/{pid}/status', encoding='ascii') as status:
        return int(re.search(r'VmRSS:\s+(\d+) kB', status.read())[1])


class SoakTest(TestCase):
    def change(self, mnt, number, source):
        """Half of the changes through the mount, half by SQL."""
        if number % 2:
            (mnt.path / 'rules/monster.py').write_text(source)
        else:
            mnt.database.update('rules.monster', source)

    def test_every_good_change_is_live_no_broken_one_ever_is_and_memory_is_flat(self):
        mnt = self.mount({'rules.__init__': 'from . import monster\n', 'rules.monster': GOOD.format(number=1)})
        script = self.dir / 'tick.py'
        script.write_text(TICK)
        host = self.process(Process(PYMODHOST, '--path', mnt.path, script))
        host.wait_output(' value 1\n')
        every = CHANGES // BROKEN
        broken, memory = set(), {}
        begun = time.monotonic()
        for number in range(2, CHANGES + 2):
            if number % every == 5 + number // every % 2:
                broken.add(number)
                self.change(mnt, number, BROKEN_SOURCES[number // every % len(BROKEN_SOURCES)].format(number=number))
            else:
                self.change(mnt, number, GOOD.format(number=number))
                host.wait_output(f' value {number}\n')
            if number in (CHANGES // 4, CHANGES + 1):
                memory[number] = {'host': resident(host.pid), 'daemon': resident(mnt.pid)}
            time.sleep(max(0, begun + SECONDS * (number - 1) / CHANGES - time.monotonic()))
        self.assertEqual(len(broken), BROKEN)
        self.assertIsNone(host.status)
        values = [int(value) for value in re.findall(r'tick \d+ value (\d+)', host.output)]
        self.assertEqual(values, [n for n in range(1, CHANGES + 2) if n not in broken])
        early, late = memory.values()
        for process in early:
            with self.subTest(process):
                self.assertLess(late[process], early[process] + SLACK, memory)


if __name__ == '__main__':
    unittest.main()
