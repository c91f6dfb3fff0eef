"""A forked child follows changes by itself, whatever its parent was doing."""

import unittest

from tests.host.harness import HostCase

FORK_IN = """
import os, signal, threading
write('m', 'import sys\\nX = 1\\ndef __unload__(): sys.unloading()')
import m
go, forked = threading.Event(), threading.Event()
def wait(*_):
    go.set()
    assert forked.wait(10)
def nothing(*_):
    pass
sys.unloading, sys.running, sys.reloading = [wait if where == name else nothing for name in ('unload', 'body', 'reload')]
status = []
def fork():
    import gc
    go.wait()
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        sys.unloading = sys.running = sys.reloading = nothing
        report = pymodhost.poll()
        cycle = []
        cycle.append(cycle)
        del cycle
        ok = not report.errors and m.X == 2 and type(sys.modules) is dict and gc.collect() > 0
        os._exit(0 if ok else 1)
    forked.set()
    status.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
thread = threading.Thread(target=fork)
thread.start()
write('m', 'import sys\\nX = 2\\nsys.running()\\ndef __reload__(previous): sys.reloading()')
good('m')
thread.join()
eq((status, m.X), ([0], 2))
"""


class Forks(HostCase):

    def test_parent_and_child_both_see_a_change(self):
        self.host("""
            import os
            write({'m': 'X = 1', 'n': 'X = 1'})
            import m, n
            go, begin = os.pipe()
            answer, tell = os.pipe()
            child = os.fork()
            if child == 0:
                try:
                    for expected in (2, 3):
                        os.read(go, 1)
                        good()
                        os.write(tell, b'y' if m.X == n.X == expected else b'n')
                finally:
                    os._exit(0)
            write({'m': 'X = 2', 'n': 'X = 2'})
            os.write(begin, b'x')
            eq(os.read(answer, 1), b'y')
            good()
            eq((m.X, n.X), (2, 2))
            write({'m': 'X = 3', 'n': 'X = 3'})
            good()
            os.write(begin, b'x')
            eq(os.read(answer, 1), b'y')
            eq((m.X, n.X), (3, 3))
            os.waitpid(child, 0)
        """)

    def test_a_change_that_failed_before_the_fork_is_tried_again_in_the_child(self):
        self.host("""
            import os
            write({'m': 'X = 1', 'lib': 'OK = 0'})
            import m, lib
            write('m', 'import lib\\nassert lib.OK\\nX = 2')
            bad('AssertionError')
            child = os.fork()
            if child == 0:
                os._exit(0 if not pymodhost.poll().reloaded and m.X == 1 else 1)
            eq(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)
            write('lib', 'OK = 1')
            child = os.fork()
            if child == 0:
                os._exit(0 if not pymodhost.poll().errors and m.X == 2 else 1)
            eq(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)
            good('lib', 'm')
        """)

    def test_a_child_is_not_stopped_by_a_body_that_another_thread_ran(self):
        self.host("where = 'body'\n" + FORK_IN)

    def test_a_child_is_not_stopped_by_an_unload_hook_that_another_thread_ran(self):
        self.host("where = 'unload'\n" + FORK_IN)

    def test_a_child_is_not_stopped_by_a_reload_hook_that_another_thread_ran(self):
        self.host("where = 'reload'\n" + FORK_IN)

    def test_a_body_and_a_hook_may_fork(self):
        self.host("""
            import os
            write('m', 'X = 1')
            import m
            source = '''
                import os, sys
                def child():
                    pid = os.fork()
                    if pid == 0:
                        os._exit(7)
                    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                in_body = child()
                def __unload__(): sys.unloaded = child()
                def __reload__(previous): sys.reloaded = child()
                X = %d
            '''
            for x in (2, 3):
                write('m', source % x)
                good('m')
            eq((m.X, m.in_body, sys.unloaded, sys.reloaded), (3, 7, 7, 7))
        """)

    def test_workers_of_multiprocessing_follow_changes(self):
        self.host("""
            import multiprocessing
            write('m', 'def f(): return 1')
            import m
            def work(pipe):
                while pipe.recv():
                    pymodhost.poll()
                    pipe.send(m.f())
            context = multiprocessing.get_context('fork')
            workers = []
            for _ in range(3):
                mine, theirs = context.Pipe()
                process = context.Process(target=work, args=(theirs,))
                process.start()
                workers.append((mine, process))
            for version in (2, 3):
                write('m', f'def f(): return {version}')
                good('m')
                for pipe, _ in workers:
                    pipe.send(True)
                eq([pipe.recv() for pipe, _ in workers], [version] * 3)
            for pipe, process in workers:
                pipe.send(False)
                process.join()
        """)


if __name__ == '__main__':
    unittest.main()
