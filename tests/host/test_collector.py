"""The cyclic collector, and tables of callbacks that it doesn't know."""

import unittest

from tests.host.harness import HostCase

BEFORE = """
import gc, threading
write('m', 'def f(): return 1\\nclass C:\\n  def g(self): return 1\\nregistry = []')
import m
f, c, C = m.f, m.C(), m.C
source = '''
import gc
def f(): return %d
class C:
    def g(self): return %d
%s
'''
"""
CHANGE = """
write('m', source % (2, 2, '{}'))
good('m')
"""
AFTER = """
eq((f(), c.g(), m.f is f, m.C is C, f.__globals__ is vars(m)), (2, 2, True, True, True))
"""


class Collector(HostCase):

    def change(self, last_line):
        self.host(BEFORE + CHANGE.format(last_line) + AFTER)

    def test_a_body_that_collects_garbage(self):
        self.change('gc.collect()')

    def test_a_body_that_turns_the_collector_on(self):
        self.change('gc.enable(); x = [[] for _ in range(100000)]')

    def test_a_body_that_freezes_what_there_is(self):
        self.change('gc.freeze(); D = type("D", (C,), {})')

    def test_a_body_that_freezes_and_thaws(self):
        self.change('gc.freeze(); gc.unfreeze()')

    def test_another_thread_that_collects_all_the_time(self):
        self.host(BEFORE + """
stop = threading.Event()
def collect_on():
    while not stop.is_set():
        gc.collect()
thread = threading.Thread(target=collect_on)
thread.start()
try:
    for i in [*range(3, 20), 2]:
        write('m', source % (i, i, 'import time; time.sleep(0.005)'))
        good('m')
        eq((f(), c.g(), m.f is f, m.C is C), (i, i, True, True))
finally:
    stop.set()
    thread.join()
""" + AFTER)

    def test_the_collector_works_after_a_batch_that_failed(self):
        self.host("""
            import gc
            write('m', 'X = 1')
            import m
            write('m', '1 / 0')
            bad()
            gc.collect()
            cycle = []
            cycle.append(cycle)
            del cycle
            eq(gc.collect() > 0, True)
        """)

    def test_a_registry_that_was_frozen_has_the_modules_function(self):
        self.host("""
            import gc
            sys.registry = []
            write('m', 'import sys\\ndef f(): return 1\\nsys.registry.append(f)')
            import m
            gc.collect()
            gc.freeze()
            write('m', 'import sys\\ndef f(): return 2\\nsys.registry.append(f)')
            good('m')
            eq([g is m.f and g.__globals__ is vars(m) for g in sys.registry], [True, True])
        """)

    def test_a_program_that_only_reloads_gets_rid_of_what_it_replaced(self):
        self.host("""
            import gc
            write('m', 'class Ring:\\n  def __init__(self): self.me = self\\nrings = [Ring() for _ in range(200)]')
            import m
            for _ in range(300):
                pymodhost.reload('m')
            rings = sum(type(x) is m.Ring for x in gc.get_objects())
            assert 200 <= rings < 20000, f'{rings} of 60200 are alive'
        """)

    def test_a_program_that_turned_the_collector_off_collects_older_objects_itself(self):
        self.host("""
            import gc
            write('m', 'class Ring:\\n  def __init__(self): self.me = self\\nring = Ring()')
            import m
            gc.collect()
            gc.disable()
            for _ in range(200):
                pymodhost.reload('m')
            eq(sum(type(x) is m.Ring for x in gc.get_objects()) > 150, True)
        """)


class Tables(HostCase):

    def test_a_signal_handler_that_the_new_body_sets_is_the_modules_function(self):
        self.host("""
            import signal
            source = 'import signal\\ndef handle(number, frame, x={0}): got.append((x, {0}))\\ngot = []\\n' \\
                     'signal.signal(signal.SIGUSR1, handle)'
            write('m', source.format(1))
            import m
            for i in (2, 3):
                write('m', source.format(i))
                good('m')
                assert signal.getsignal(signal.SIGUSR1) is m.handle
                signal.raise_signal(signal.SIGUSR1)
                eq(m.got, [(i, i)])
        """)

    def test_a_signal_handler_runs_the_new_code_when_another_thread_polls(self):
        self.host("""
            import signal, threading
            write('m', 'def handle(number, frame): got.append(1)\\ngot = []')
            import m
            signal.signal(signal.SIGUSR1, m.handle)
            write('m', 'def handle(number, frame): got.append(2)\\ngot = []')
            thread = threading.Thread(target=good, args=('m',))
            thread.start()
            thread.join()
            signal.raise_signal(signal.SIGUSR1)
            eq(m.got, [2])
        """)

    def test_what_the_body_registers_for_the_exit_is_the_modules_function(self):
        self.host("""
            import atexit
            source = 'import atexit\\ndef leave(x={0}): got.append((x, {0}))\\ngot = []\\natexit.register(leave)'
            write('m', source.format(1))
            import m
            for i in (2, 3):
                write('m', source.format(i))
                good('m')
            atexit._run_exitfuncs()
            eq(m.got, [(3, 3)] * 3)
            write('m', source.format(4))
            good('m')
            atexit.unregister(m.leave)
            atexit._run_exitfuncs()
            eq(m.got, [])
        """)

    def test_a_batch_that_begins_during_a_collection_of_another_thread_leaves_the_collector_on(self):
        self.host("""
            import gc, threading, weakref
            sys.began, sys.go, sys.ended = [threading.Event() for i in range(3)]
            class Slow:
                def __init__(self): self.me = self
                def __del__(self): sys.began.set(), sys.go.wait(20)
            class Cycle:
                def __init__(self): self.me = self
            def collect_and_tell():
                gc.collect()
                sys.ended.set()
            write('m', 'X = 1')
            import m
            Slow()
            thread = threading.Thread(target=collect_and_tell)
            thread.start()
            assert sys.began.wait(20)
            write('m', 'import sys\\nsys.go.set()\\nsys.ended.wait(20)\\nX = 2')
            good('m')
            thread.join(20)
            reference = weakref.ref(Cycle())
            gc.collect()
            eq((m.X, reference()), (2, None))
        """)


if __name__ == '__main__':
    unittest.main()
