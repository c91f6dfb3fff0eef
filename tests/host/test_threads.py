"""No thread ever sees half a batch, and none has to wait for one."""

import unittest

from tests.host.harness import HostCase


# A reader that takes a first, then b, then a again has seen both in one state if the two a's are equal: versions only grow.
READER = """
import sys, threading, time
class Reader(threading.Thread):
    def __init__(self, first, second):
        super().__init__(daemon=True)
        self.first, self.second, self.mixed, self.rounds, self.done = first, second, [], 0, False
        self.error = None
        self.start()
    def run(self):
        try:
            while not self.done:
                before, other, after = self.first(), self.second(), self.first()
                self.rounds += 1
                if before == after != other:
                    self.mixed.append((before, other))
        except BaseException as error:
            self.error = error
    def finish(self):
        self.done = True
        self.join()
        assert self.error is None, repr(self.error)
        assert self.rounds > 50, self.rounds
        eq(self.mixed[:5], [])
sys.setswitchinterval(0.0001)
"""


class Half(HostCase):
    def reading(self, script):
        import textwrap
        self.host(READER + textwrap.dedent(script))

    def test_a_module_is_never_half_new(self):
        self.reading("""
            source = 'import time\\nA = %d\\ntime.sleep(0.02)\\nB = %d\\n'
            write('m', source % (1, 1))
            import m
            reader = Reader(lambda: m.A, lambda: m.B)
            for i in range(2, 12):
                write('m', source % (i, i))
                good('m')
            reader.finish()
            eq((m.A, m.B), (11, 11))
        """)

    def test_two_modules_are_never_of_two_batches(self):
        self.reading("""
            a, b = 'import time; V = %d; time.sleep(0.01)', 'import time, a; V = %d; W = a.V; time.sleep(0.01)'
            write({'a': a % 1, 'b': b % 1})
            import a as ma, b as mb
            readers = [Reader(lambda: ma.V, lambda: mb.V), Reader(lambda: mb.V, lambda: ma.V), Reader(lambda: mb.V, lambda: mb.W)]
            for i in range(2, 10):
                write({'a': a % i, 'b': b % i})
                good()
            for reader in readers:
                reader.finish()
        """)

    def test_functions_and_classes_change_in_one_step(self):
        self.reading("""
            source = '''
                import time
                def f(): return %d
                time.sleep(0.005)
                class C:
                    def g(self): return %d
                    X = %d
                    @property
                    def p(self): return %d
                time.sleep(0.005)
                class D(C):
                    def h(self): return %d
            '''
            write('m', source % ((1,) * 5))
            import m
            f, c, d = m.f, m.C(), m.D()
            readers = [Reader(f, c.g), Reader(c.g, lambda: d.X), Reader(d.h, f), Reader(lambda: c.p, d.h)]
            for i in range(2, 10):
                write('m', source % ((i,) * 5))
                good('m')
            for reader in readers:
                reader.finish()
        """)

    def test_a_defaults_and_its_code_change_in_one_step(self):
        self.reading("""
            source = 'def f(x=%d): return x if x == %d else -1\\n'
            write('m', source % (1, 1))
            from m import f
            reader = Reader(f, f)
            for i in range(2, 40):
                write('m', source % (i, i))
                good('m')
            reader.finish()
            assert f() == 39
        """)

    def test_no_name_is_ever_missing(self):
        self.reading("""
            write('pkg.__init__', '')
            source = '''
                import time
                def helper(): return %d
                time.sleep(0.01)
                class C:
                    def f(self): return helper()
                X = %d
            '''
            write('pkg.m', source % (1, 1))
            import pkg.m
            c = pkg.m.C()
            def look():
                c.f(), pkg.m.helper(), pkg.m.X, pkg.m.C().f(), sys.modules['pkg.m'].X, sys.modules['pkg']
                from pkg.m import helper, X, C
                from pkg import m
                return 0
            reader = Reader(look, look)
            for i in range(2, 12):
                write({'pkg.m': source % (i, i), 'pkg.__init__': f'# {i}'})
                good()
            reader.finish()
        """)

    def test_a_failing_batch_is_never_seen(self):
        self.reading("""
            write('m', 'X = 1\\ndef f(): return 1')
            import m
            f = m.f
            reader = Reader(lambda: m.X, lambda: 1)
            other = Reader(f, lambda: 1)
            for i in range(10):
                write('m', f'import time\\nX = 2\\ndef f(): return 2\\ntime.sleep(0.01)\\n1 / 0 # {i}')
                bad()
            reader.finish()
            other.finish()
            eq((m.X, f(), reader.first(), other.first()), (1, 1, 1, 1))
        """)

    def test_sys_modules_never_shows_a_module_under_construction(self):
        self.reading("""
            write('m', 'A = B = 1')
            import m
            def look():
                module = sys.modules['m']
                return module is m and not getattr(module.__spec__, '_initializing', False)
            reader = Reader(look, lambda: True)
            for i in range(2, 8):
                write('m', f'import time\\nA = {i}\\ntime.sleep(0.01)\\nB = {i}')
                good('m')
            reader.finish()
            eq(reader.first(), True)
        """)


class Free(HostCase):
    """Other threads go on while a body runs."""

    def test_another_thread_imports_another_module_meanwhile(self):
        self.host("""
            import threading
            sys.running, sys.imported = threading.Event(), threading.Event()
            write({'m': 'X = 1', 'other': 'Y = 1'})
            import m
            def work():
                sys.running.wait(10)
                import other
                assert other.Y == 1
                sys.imported.set()
            thread = threading.Thread(target=work)
            thread.start()
            write('m', 'import sys\\nsys.running.set()\\nassert sys.imported.wait(10), "the other thread had to wait"\\nX = 2')
            good('m')
            thread.join()
            eq((m.X, sys.modules['other'].Y), (2, 1))
        """)

    def test_another_thread_that_imports_the_module_meanwhile_gets_the_old_version_whole(self):
        self.host("""
            import threading
            sys.running, sys.imported, sys.seen = threading.Event(), threading.Event(), []
            write('m', 'X = 1\\nY = 1')
            import m
            def work():
                sys.running.wait(10)
                from m import X, Y
                import m as again
                sys.seen.append((X, Y, again is m))
                sys.imported.set()
            thread = threading.Thread(target=work)
            thread.start()
            write('m', 'import sys\\nX = 2\\nsys.running.set()\\nassert sys.imported.wait(10), "the other thread had to wait"\\nY = 2')
            good('m')
            thread.join()
            eq((sys.seen, m.X, m.Y), ([(1, 1, True)], 2, 2))
        """)

    def test_a_body_may_start_a_thread_that_imports_its_module(self):
        self.host("""
            write('m', 'X = 1')
            import m
            write('m', '''
                import threading
                X = 2
                seen = []
                def work():
                    import m
                    seen.append(m.X)
                thread = threading.Thread(target=work)
                thread.start()
                thread.join(10)
                alive = thread.is_alive()
            ''')
            good('m')
            eq((m.alive, m.X, m.seen), (False, 2, [1]))
        """)

    def test_a_thread_imports_what_the_batch_is_the_first_to_import(self):
        self.host("""
            import threading
            write({'m': 'X = 1', 'n': 'X = 5\\nclass C: pass\\ndef f(): return C'})
            import m
            sys.go, sys.done, got = threading.Event(), threading.Event(), []
            def other():
                sys.go.wait()
                import n
                got.extend([n, n.C, n.f])
                sys.done.set()
            thread = threading.Thread(target=other)
            thread.start()
            write('m', 'import sys, n\\nfrom n import C, f\\nX = n.X\\nsys.go.set()\\nassert sys.done.wait(10)')
            good('m')
            thread.join()
            import n
            eq((m.X, m.n is n is got[0], m.C is n.C is got[1], m.f is n.f is got[2], n.f() is n.C), (5, True, True, True, True))
            write('n', 'X = 6\\nclass C: pass\\ndef f(): return C')
            good('n', 'm')
            eq(m.X, 6)
        """)

    def test_a_batch_waits_for_its_turn_while_a_thread_imports_the_same_new_module(self):
        self.host("""
            import threading
            write({'m': 'X = 1', 'n': 'import sys\\nX = 5\\nsys.running(X)'})
            import m
            go, inside, leave = threading.Event(), threading.Event(), threading.Event()
            main = threading.current_thread()
            def running(x):
                if threading.current_thread() is not main:
                    inside.set()
                    assert leave.wait(10)
            sys.running = running
            def other():
                go.wait()
                import n
            thread = threading.Thread(target=other)
            thread.start()
            sys.start = lambda: (go.set(), inside.wait(10))
            write('m', 'import sys, n\\nX = n.X\\nsys.start()')
            bad('another thread is importing', 'tried again')
            eq(m.X, 1)
            leave.set()
            thread.join()
            sys.start = lambda: None
            good('m')
            import n
            eq((m.X, m.n is n), (5, True))
        """)

    def test_polls_of_several_threads_take_turns(self):
        self.host("""
            import threading
            write('m', 'import sys, time; sys.ran = getattr(sys, "ran", 0) + 1; time.sleep(0.05)')
            import m
            write('m', 'import sys, time; sys.ran += 1; time.sleep(0.05); X = 2')
            reports = []
            threads = [threading.Thread(target=lambda: reports.append(pymodhost.poll())) for _ in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            eq((len(reports), [e for r in reports for e in r.errors]), (6, []))
            eq((sys.ran, m.X, sorted(len(r.reloaded) for r in reports)), (2, 2, [0] * 5 + [1]))
        """)

    def test_a_body_may_wait_for_a_thread_that_polls(self):
        self.host("""
            import concurrent.futures
            sys.pool = concurrent.futures.ThreadPoolExecutor(1)
            sys.pool.submit(int).result()
            write('m', 'X = 1')
            import m
            write('m', '''
                import pymodhost, sys, threading
                def ask():
                    global reports
                    reports = [pymodhost.poll(), pymodhost.load('json'), pymodhost.reload('m'), pymodhost.reload_all(), pymodhost.unload('m')]
                thread = threading.Thread(target=ask)
                thread.start()
                thread.join()
                waited = sys.pool.submit(pymodhost.poll).result()
                X = 2
            ''')
            good('m')
            eq((m.X, list(m.waited.errors), list(m.waited.reloaded)), (2, [], []))
            eq([[str(error)[:12] for error in report.errors] for report in m.reports], [[], [], *[['RuntimeError']] * 3])
            eq([list(report.reloaded) for report in m.reports], [[]] * 5)
        """)

    def test_a_body_may_wait_for_a_lock_that_a_thread_holds_that_polls(self):
        self.host("""
            import threading
            sys.lock, sys.going, sys.held = threading.Lock(), threading.Event(), threading.Event()
            write('m', 'X = 1')
            import m
            write('m', 'import sys; sys.going.set(); sys.lock.acquire(); X = 2')
            def polling():
                with sys.lock:
                    sys.held.set()
                    sys.going.wait()
                    reports.append(pymodhost.poll())
            reports = []
            thread = threading.Thread(target=polling)
            thread.start()
            sys.held.wait()
            good('m')
            thread.join()
            eq((m.X, list(reports[0].reloaded), list(reports[0].errors)), (2, [], []))
        """)

    def test_what_was_started_before_a_reload_waits_for_it_and_reloads(self):
        self.host("""
            import threading
            write({'m': 'X = 1', 'n': 'import sys; sys.ran = getattr(sys, "ran", 0) + 1'})
            import m, n
            sys.going, sys.go = threading.Event(), threading.Event()
            def reloading():
                sys.go.wait()
                reports.append(pymodhost.reload('n'))
            reports = []
            thread = threading.Thread(target=reloading)
            thread.start()
            write('m', 'import sys, time; sys.go.set(); time.sleep(0.3); X = sys.ran')
            good('m')
            thread.join()
            eq((m.X, sys.ran, list(reports[0].reloaded)), (1, 2, ['n']))
        """)

    def test_a_body_that_waits_for_an_older_thread_that_reloads_gets_it_back_with_an_error(self):
        self.host("""
            import os, threading
            os.environ['PYMODHOST_PATIENCE'] = '300'
            write('m', 'X = 1')
            import m
            sys.go, reports = threading.Event(), []
            sys.thread = threading.Thread(target=lambda: (sys.go.wait(), reports.append(pymodhost.reload('m'))))
            sys.thread.start()
            write('m', 'import sys; sys.go.set(); sys.thread.join(); X = 2')
            good('m')
            eq((m.X, ['which may wait for this thread' in str(error) for error in reports[0].errors]), (2, [True]))
        """)

    def test_a_poll_in_another_thread_than_the_main_one(self):
        self.host("""
            import threading
            write('m', 'X = 1\\ndef f(): return 1')
            from m import f
            import m
            write('m', 'X = 2\\ndef f(): return 2')
            reports = []
            thread = threading.Thread(target=lambda: reports.append(pymodhost.poll()))
            thread.start()
            thread.join()
            eq((list(reports[0].reloaded), list(reports[0].errors), f(), m.X), (['m'], [], 2, 2))
        """)

    def test_a_module_first_imported_by_another_thread_is_reloaded(self):
        self.host("""
            import threading
            write({'a': 'X = 1', 'b': 'from a import X'})
            thread = threading.Thread(target=__import__, args=('b',))
            thread.start()
            thread.join()
            write('a', 'X = 2')
            good('a', 'b')
            eq(sys.modules['b'].X, 2)
        """)

    def test_a_poll_during_the_first_import_in_another_thread_runs_it_once(self):
        self.host("""
            import threading
            sys.runs, sys.entered, sys.go_on = [], threading.Event(), threading.Event()
            write('m', 'X = 1')
            import m
            write('slow', 'import sys\\nsys.runs.append(1)\\nsys.entered.set()\\nsys.go_on.wait(5)\\nX = 1')
            thread = threading.Thread(target=__import__, args=('slow',))
            thread.start()
            sys.entered.wait()
            write('m', 'X = 2')
            try:
                good('m')
            finally:
                sys.go_on.set()
                thread.join()
            eq((m.X, sys.runs, list(poll().reloaded)), (2, [1], []))
            write('slow', 'X = 2')
            good('slow')
            eq(sys.modules['slow'].X, 2)
        """)

    def test_imports_of_two_threads_are_attributed_to_their_modules(self):
        self.host("""
            import threading
            write({'a': 'X = 1', 'b': 'Y = 1',
                   'slow_a': 'import time; time.sleep(0.05)\\nfrom a import X\\ntime.sleep(0.05)',
                   'slow_b': 'import time; time.sleep(0.07)\\nfrom b import Y\\ntime.sleep(0.05)'})
            threads = [threading.Thread(target=__import__, args=(n,)) for n in ('slow_a', 'slow_b')]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            write('a', 'X = 2')
            good('a', 'slow_a')
            write('b', 'Y = 2')
            good('b', 'slow_b')
        """)

    def test_a_threads_loop_picks_up_the_new_helper(self):
        self.host("""
            import threading, time
            write('m', '''
                import threading
                seen, stop = [], threading.Event()
                __reload_keep__ = ('seen', 'stop')
                def helper(): return 1
                def loop():
                    while not stop.wait(0.001):
                        seen.append(helper())
            ''')
            import m
            seen, stop = m.seen, m.stop
            thread = threading.Thread(target=m.loop)
            thread.start()
            while 1 not in seen:
                time.sleep(0.001)
            write('m', '''
                import threading
                seen, stop = [], threading.Event()
                __reload_keep__ = ('seen', 'stop')
                def helper(): return 2
                def loop():
                    while not stop.wait(0.001):
                        seen.append(helper())
            ''')
            good('m')
            until = time.monotonic() + 10
            while 2 not in seen and time.monotonic() < until:
                time.sleep(0.001)
            stop.set()
            thread.join()
            eq((seen[0], seen[-1]), (1, 2))
            assert seen == sorted(seen)
        """)

    def test_a_thread_that_waits_inside_a_function_finishes_with_its_old_code(self):
        self.host("""
            import threading
            source = '''
                import threading
                __reload_keep__ = ('go',)
                go = threading.Event()
                def f(out):
                    go.wait(10)
                    out.append((%d, helper()))
                def helper(): return %d
            '''
            write('m', source % (1, 1))
            import m
            out = []
            thread = threading.Thread(target=m.f, args=(out,))
            thread.start()
            write('m', source % (2, 2))
            good('m')
            m.go.set()
            thread.join()
            m.f(out)
            eq(out, [(1, 2), (2, 2)])
        """)

    def test_locks_held_across_a_reload_still_work(self):
        self.host("""
            import threading
            source = '''
                import threading
                __reload_keep__ = ('lock',)
                lock = threading.Lock()
                def locked():
                    with lock: return %d
            '''
            write('m', source % 1)
            import m
            with m.lock:
                write('m', source % 2)
                good('m')
                thread = threading.Thread(target=m.locked)
                thread.start()
            thread.join(10)
            eq((thread.is_alive(), m.locked()), (False, 2))
        """)

    def test_many_threads_call_while_modules_change(self):
        self.host(READER + """
files = lambda n: {'base': f'class Base:\\n    V = {n}\\n    def v(self): return {n}',
                   'mid': f'from base import Base\\nclass Mid(Base):\\n    def m(self): return self.v()',
                   'top': f'from mid import Mid\\nclass Top(Mid):\\n    W = Mid.V\\n    def w(self): return {n}'}
write(files(1))
import top
t = top.Top()
readers = [Reader(t.v, t.w) for _ in range(2)] + [Reader(lambda: top.Top.W, t.v), Reader(t.m, lambda: top.Top.V)]
for i in range(2, 30):
    write(files(i))
    good()
for reader in readers:
    reader.finish()
eq((t.v(), t.w(), top.Top.W), (29, 29, 29))
""")

    def test_what_a_thread_of_a_body_was_given_is_what_the_module_has(self):
        self.host("""
            source = '''
                import queue, threading
                asked, answered = queue.Queue(), queue.Queue()
                class Job: pass
                def work(kind, namespace):
                    for job in iter(asked.get, None):
                        answered.put((isinstance(job, kind), kind is Job, namespace['V']))
                V = %d
            '''
            write('m', source % 1)
            import m
            write('m', source % 2 + '''
                thread = threading.Thread(target=work, args=(Job, globals()), daemon=True)
                thread.start()
            ''')
            good('m')
            m.asked.put(m.Job())
            eq(m.answered.get(timeout=20), (True, True, 2))
            m.asked.put(None)
            m.thread.join(20)
        """)


if __name__ == '__main__':
    unittest.main()
