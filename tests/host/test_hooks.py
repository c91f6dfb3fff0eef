"""State and clean-up in the module's hands: __reload_keep__, __unload__, __reload__."""

import unittest

from tests.host.harness import HostCase


class Keep(HostCase):
    """Globals named in __reload_keep__ keep their values."""

    def test_a_kept_value_is_the_same_object(self):
        self.host("""
            source = '''
                __reload_keep__ = ('players', 'tick')
                players = {}
                tick = 0
                VERSION = %d
                def step():
                    global tick
                    tick += 1
            '''
            write('m', source % 1)
            import m
            m.players['ann'] = 100
            m.step(), m.step()
            players = m.players
            for version in (2, 3):
                write('m', source % version)
                good('m')
                assert m.players is players
                eq((m.players, m.tick, m.VERSION), ({'ann': 100}, 2, version))
            m.step()
            eq(m.tick, 3)
        """)

    def test_a_list_and_a_single_element_do_as_well(self):
        self.host("""
            source = '__reload_keep__ = %s; a = [0]; V = %d'
            for spelling in ("['a']", "('a',)", "{'a'}"):
                write('m', source % (spelling, 1))
                poll()
                import m
                m.a.append(1)
                a = m.a
                write('m', source % (spelling, 2))
                good('m')
                assert m.a is a
        """)

    def test_a_name_that_is_new_gets_its_first_value_from_the_body(self):
        self.host("""
            write('m', 'X = 1')
            import m
            write('m', '__reload_keep__ = ("fresh",); fresh = [1]')
            good('m')
            eq(m.fresh, [1])
            m.fresh.append(2)
            write('m', '__reload_keep__ = ("fresh",); fresh = [9]')
            good('m')
            eq(m.fresh, [1, 2])
        """)

    def test_a_name_that_is_no_longer_kept_follows_the_source(self):
        self.host("""
            write('m', '__reload_keep__ = ("a",); a = [1]')
            import m
            m.a.append(2)
            write('m', 'a = [7]')
            good('m')
            eq(m.a, [7])
        """)

    def test_none_and_falsy_values_are_kept(self):
        self.host("""
            source = '__reload_keep__ = ("a", "b"); a = "default"; b = 5; V = %d'
            write('m', source % 1)
            import m
            m.a, m.b = None, 0
            write('m', source % 2)
            good('m')
            eq((m.a, m.b, m.V), (None, 0, 2))
        """)

    def test_a_kept_name_that_was_deleted_at_run_time_comes_from_the_body(self):
        self.host("""
            source = '__reload_keep__ = ("a",); a = "default"; V = %d'
            write('m', source % 1)
            import m
            del m.a
            write('m', source % 2)
            good('m')
            eq(m.a, 'default')
        """)

    def test_kept_instances_are_of_the_modules_class_and_run_the_new_code(self):
        self.host("""
            source = '''
                __reload_keep__ = ('world',)
                class World:
                    def __init__(self): self.age = 0
                    def tick(self): self.age += %d; return self.age
                world = World()
            '''
            write('m', source % 1)
            import m
            m.world.tick()
            write('m', source % 10)
            good('m')
            eq((m.world.tick(), type(m.world) is m.World), (11, True))
        """)

    def test_kept_values_survive_a_failed_attempt_and_the_next_good_one(self):
        self.host("""
            source = '__reload_keep__ = ("a",); a = []; V = %d'
            write('m', source % 1)
            import m
            m.a.append(1)
            a = m.a
            write('m', source % 2 + '; 1 / 0')
            bad()
            assert m.a is a
            write('m', source % 3)
            good('m')
            assert m.a is a
            eq((m.a, m.V), ([1], 3))
        """)

    def test_kept_values_survive_pymodhost_reload_and_reload_all(self):
        self.host("""
            write('m', '__reload_keep__ = ("a",); a = []')
            import m
            a = m.a
            pymodhost.reload('m')
            pymodhost.reload_all()
            assert m.a is a
        """)

    def test_what_is_kept_does_not_outlive_a_deletion(self):
        self.host("""
            write('m', '__reload_keep__ = ("a",); a = [1]')
            import m
            m.a.append(2)
            delete('m')
            good()
            write('m', '__reload_keep__ = ("a",); a = [1]')
            good()
            import m
            eq(m.a, [1])
        """)

    def test_a_keep_that_is_no_sequence_of_names_is_an_error(self):
        self.host("""
            write('m', 'X = 1')
            import m
            for wrong in ('5', '(1, 2)', 'None.x'):
                write('m', f'__reload_keep__ = {wrong}\\nX = 2')
                bad('m')
                eq(m.X, 1)
        """)


class Unload(HostCase):
    """__unload__ is called, once, when the old version goes, with its globals intact."""

    SOURCE = """
        import sys
        V = {0}
        def helper(): return V
        def __unload__(): sys.log.append(('unload', helper(), V))
    """

    def hooked(self, script):
        self.host(f'SOURCE = {self.SOURCE!r}\nsys.log = []\n' + __import__('textwrap').dedent(script))

    def test_it_is_called_when_a_new_version_replaces_the_old(self):
        self.hooked("""
            write('m', SOURCE.format(1))
            import m
            for v in (2, 3):
                del sys.log[:]
                write('m', SOURCE.format(v))
                good('m')
                eq(sys.log, [('unload', v - 1, v - 1)])
            poll()
            eq(len(sys.log), 1)
        """)

    def test_it_is_called_when_the_module_is_deleted_or_unloaded(self):
        self.hooked("""
            write('m', SOURCE.format(1))
            import m
            delete('m')
            good()
            eq(sys.log, [('unload', 1, 1)])
            write('m', SOURCE.format(2))
            good()
            import m
            pymodhost.unload('m')
            eq(sys.log, [('unload', 1, 1), ('unload', 2, 2)])
        """)

    def test_it_is_not_called_for_a_version_that_stays(self):
        self.hooked("""
            write('m', SOURCE.format(1))
            import m
            write('m', SOURCE.format(2) + '\\n        1 / 0')
            bad()
            eq(sys.log, [])
            write('m', SOURCE.format(3))
            good('m')
            eq(sys.log, [('unload', 1, 1)])
        """)

    def test_it_is_not_called_when_another_module_of_the_batch_fails(self):
        self.hooked("""
            write({'m': SOURCE.format(1), 'other': ''})
            import m, other
            write({'m': SOURCE.format(2), 'other': '1 / 0'})
            bad()
            eq((sys.log, m.V), ([], 1))
        """)

    def test_it_is_called_for_dependents_that_run_again(self):
        self.hooked("""
            write({'a': 'X = 1', 'm': SOURCE.format(1) + '\\n        from a import X'})
            import a, m
            write('a', 'X = 2')
            good('a', 'm')
            eq(sys.log, [('unload', 1, 1)])
        """)

    def test_it_is_called_for_every_module_of_a_deleted_package(self):
        self.host("""
            sys.log = []
            hook = 'import sys\\ndef __unload__(): sys.log.append(__name__)'
            write({'pkg.__init__': hook, 'pkg.a': hook, 'pkg.b': hook})
            import pkg.a, pkg.b
            delete('pkg/')
            good()
            eq(sorted(sys.log), ['pkg', 'pkg.a', 'pkg.b'])
        """)

    def test_the_old_versions_hook_runs_even_if_the_new_one_has_none_or_another(self):
        self.host("""
            sys.log = []
            write('m', 'import sys\\ndef __unload__(): sys.log.append("one")')
            import m
            write('m', 'import sys\\ndef __unload__(): sys.log.append("two")')
            good('m')
            write('m', 'X = 1')
            good('m')
            write('m', 'X = 2')
            good('m')
            eq(sys.log, ['one', 'two'])
            assert not hasattr(m, '__unload__')
        """)

    def test_an_exception_in_it_is_reported_and_blocks_nothing(self):
        self.host("""
            for text in ('1 / 0', 'raise SystemExit', 'raise KeyboardInterrupt'):
                write({'m': f'X = 1\\ndef __unload__(): {text}', 'other': 'Y = 1'})
                poll()
                import m, other
                write({'m': 'X = 2', 'other': 'Y = 2'})
                report = poll()
                assert '__unload__' in errors(report), errors(report)
                eq((sorted(report.reloaded), m.X, other.Y), (['m', 'other'], 2, 2))
                report = good()
        """)

    def test_an_exception_in_it_does_not_stop_a_deletion(self):
        self.host("""
            write('m', 'def __unload__(): 1 / 0')
            import m
            delete('m')
            report = poll()
            assert 'ZeroDivisionError' in errors(report)
            eq((list(report.unloaded), 'm' in sys.modules), (['m'], False))
        """)

    def test_what_it_releases_is_free_for_the_new_version(self):
        self.host("""
            source = '''
                import socket
                def open(port):
                    global server
                    server = socket.socket()
                    server.bind(('127.0.0.1', port))
                    server.listen()
                    return server.getsockname()[1]
                def __unload__():
                    server.close()
                def __reload__(previous):
                    open(previous['server_port'])
                    globals()['server_port'] = previous['server_port']
                V = %d
            '''
            write('m', source % 1)
            import m
            m.server_port = m.open(0)
            port = m.server_port
            write('m', source % 2)
            good('m')
            eq((m.server.getsockname()[1], m.V), (port, 2))
            m.server.close()
        """)

    def test_it_can_stop_the_thread_of_the_old_version(self):
        self.host("""
            source = '''
                import threading
                stop = threading.Event()
                thread = threading.Thread(target=stop.wait)
                thread.start()
                def __unload__():
                    stop.set()
                    thread.join()
                V = %d
            '''
            write('m', source % 1)
            import m, threading
            old = m.thread
            write('m', source % 2)
            good('m')
            assert not old.is_alive() and m.thread.is_alive() and m.thread is not old
            delete('m')
            good()
            eq(threading.active_count(), 1)
        """)

    def test_the_last_version_is_not_told_twice(self):
        self.hooked("""
            write('m', SOURCE.format(1))
            import m
            delete('m')
            good()
            pymodhost.unload('m') if 'm' in sys.modules else None
            good()
            eq(sys.log, [('unload', 1, 1)])
        """)

    def test_it_is_not_called_when_another_thread_is_importing_what_the_batch_imports_first(self):
        self.hooked("""
            import threading
            write({'m': SOURCE.format(1), 'n': 'import sys\\nsys.running()'})
            import m
            go, inside, leave = threading.Event(), threading.Event(), threading.Event()
            main = threading.current_thread()
            sys.running = lambda: threading.current_thread() is main or (inside.set(), leave.wait(10))
            sys.start = lambda: (go.set(), inside.wait(10))
            thread = threading.Thread(target=lambda: (go.wait(), __import__('n')))
            thread.start()
            write('m', SOURCE.format(2) + '\\n        import n; sys.start()')
            bad('another thread is importing')
            eq((sys.log, m.V), ([], 1))
            leave.set()
            thread.join()
            good('m')
            eq(sys.log, [('unload', 1, 1)])
        """)

    def test_it_is_called_once_where_there_was_no_memory_for_the_commit_that_followed(self):
        self.hooked("""
            import os
            write('m', SOURCE.format(1))
            import m
            for v in (2, 3):
                os.environ['PYMODHOST_FAIL_STEP'] = '0'
                write('m', SOURCE.format(v))
                bad('MemoryError')
                eq(m.V, v - 1)
                del os.environ['PYMODHOST_FAIL_STEP']
                write('m', SOURCE.format(v) + '\\n')
                good('m')
                eq((m.V, sys.log), (v, [('unload', n, n) for n in range(1, v)]))
        """)


class Reload(HostCase):
    """__reload__(previous) is called after the commit, with the old version's globals as a mapping."""

    def test_it_gets_the_old_globals(self):
        self.host("""
            source = '''
                V = %d
                state = {'v': V}
                def __reload__(previous):
                    global seen, old
                    seen = V, previous['V'], previous['state'], previous.get('absent', 'no'), 'V' in previous, 'absent' in previous
                    old = dict(previous)
            '''
            write('m', source % 1)
            import m
            assert not hasattr(m, 'seen')
            write('m', source % 2)
            good('m')
            eq(m.seen, (2, 1, {'v': 1}, 'no', True, False))
            eq((m.old['V'], m.old['__name__']), (1, 'm'))
            write('m', source % 3)
            good('m')
            eq(m.seen[:3], (3, 2, {'v': 2}))
        """)

    def test_it_sees_names_that_are_gone(self):
        self.host("""
            write('m', 'score = 7')
            import m
            write('m', '''
                def __reload__(previous):
                    global points
                    points = previous['score']
            ''')
            good('m')
            eq((m.points, hasattr(m, 'score')), (7, False))
        """)

    def test_it_can_hand_over_state(self):
        self.host("""
            source = '''
                class World:
                    def __init__(self): self.units = []
                    def count(self): return %d * len(self.units)
                world = World()
                def __reload__(previous):
                    world.units = previous['world'].units
            '''
            write('m', source % 1)
            import m
            m.world.units.append('orc')
            write('m', source % 10)
            good('m')
            eq((m.world.count(), m.world.units), (10, ['orc']))
        """)

    def test_it_is_not_called_at_the_first_load_nor_after_a_deletion(self):
        self.host("""
            sys.log = []
            source = 'import sys\\ndef __reload__(previous): sys.log.append(1)\\n'
            write('m', source)
            import m
            delete('m')
            good()
            write('m', source + '# again')
            good()
            import m
            eq(sys.log, [])
            write('m', source + '# and again')
            good('m')
            eq(sys.log, [1])
        """)

    def test_it_is_not_called_when_the_batch_fails(self):
        self.host("""
            sys.log = []
            source = 'import sys\\ndef __reload__(previous): sys.log.append(1)\\n'
            write({'m': source, 'other': ''})
            import m, other
            write({'m': source + '# new', 'other': '1 / 0'})
            bad()
            eq(sys.log, [])
        """)

    def test_it_sees_the_whole_batch_in_effect(self):
        self.host("""
            def source(n, partner):
                return f'''
                    import sys
                    V = {n}
                    def __reload__(previous):
                        sys.log.append((V, sys.modules[{partner!r}].V, sys.modules[__name__].V))
                '''
            sys.log = []
            write({'a': source(1, 'b'), 'b': source(1, 'a')})
            import a, b
            write({'a': source(2, 'b'), 'b': source(2, 'a')})
            good()
            eq(sys.log, [(2, 2, 2)] * 2)
        """)

    def test_it_comes_after_unload(self):
        self.host("""
            sys.log = []
            source = '''
                import sys
                V = %d
                def __unload__(): sys.log.append(('unload', V))
                def __reload__(previous): sys.log.append(('reload', V, previous['V']))
            '''
            write('m', source % 1)
            import m
            write('m', source % 2)
            good('m')
            eq(sys.log, [('unload', 1), ('reload', 2, 1)])
        """)

    def test_an_exception_in_it_is_reported_and_blocks_nothing(self):
        self.host("""
            source = 'X = %d\\ndef __reload__(previous): %s\\n'
            write({'m': 'X = 0', 'other': 'Y = 1'})
            import m, other
            for i, text in enumerate(('1 / 0', 'raise SystemExit(0)', 'raise KeyboardInterrupt'), 1):
                write({'m': source % (i, text), 'other': f'Y = {i + 1}'})
                report = poll()
                assert '__reload__' in errors(report), errors(report)
                eq((sorted(report.reloaded), m.X, other.Y), (['m', 'other'], i, i + 1))
            good()
        """)

    def test_it_is_called_for_dependents_and_for_pymodhost_reload(self):
        self.host("""
            sys.log = []
            write({'a': 'X = 1', 'b': 'import sys\\nfrom a import X\\ndef __reload__(previous): sys.log.append((X, previous["X"]))'})
            import a, b
            write('a', 'X = 2')
            good('a', 'b')
            pymodhost.reload('b')
            eq(sys.log, [(2, 1), (2, 2)])
        """)

    def test_previous_can_be_iterated_like_a_mapping(self):
        self.host("""
            write('m', 'A = 1; B = 2')
            import m
            write('m', '''
                def __reload__(previous):
                    global found
                    found = sorted(k for k in previous if len(k) == 1), sorted(k for k in previous.keys() if len(k) == 1), \\
                        [v for k, v in sorted(previous.items()) if len(k) == 1], len(previous) > 2
                    try:
                        previous['absent']
                    except KeyError:
                        found += ('KeyError',)
            ''')
            good('m')
            eq(m.found, (['A', 'B'], ['A', 'B'], [1, 2], True, 'KeyError'))
        """)

    def test_hooks_are_not_called_for_a_touch(self):
        self.host("""
            sys.log = []
            write('m', '''
                import sys
                def __unload__(): sys.log.append('unload')
                def __reload__(previous): sys.log.append('reload')
            ''')
            import m
            touch('m')
            report = good()
            eq((sys.log, list(report.reloaded)), ([], []))
        """)


if __name__ == '__main__':
    unittest.main()
