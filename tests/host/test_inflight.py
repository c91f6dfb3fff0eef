"""What is running during a reload finishes with its old code, and then finds the new."""

import unittest

from tests.host.harness import HostCase


class Running(HostCase):
    def test_a_function_is_replaced_while_it_is_on_the_stack(self):
        self.host("""
            write('m', '''
                def f(reload):
                    before = 'old'
                    reload()
                    return before, helper(), 'old end'
                def helper(): return 'old helper'
            ''')
            from m import f
            def reload():
                write('m', '''
                    def f(reload):
                        return 'new'
                    def helper(): return 'new helper'
                ''')
                good('m')
            eq(f(reload), ('old', 'new helper', 'old end'))
            eq(f(None), 'new')
        """)

    def test_a_deep_recursion_is_replaced_in_the_middle(self):
        self.host("""
            source = '''
                def down(n, bottom):
                    if n == 0:
                        return bottom()
                    return down(n - 1, bottom) + %d
            '''
            write('m', source % 1)
            from m import down
            def bottom():
                write('m', source % 100)
                good('m')
                return 0
            eq(down(50, bottom), 50)
            eq(down(50, lambda: 0), 5000)
        """)

    def test_a_running_generator_finishes_with_its_old_code(self):
        self.host("""
            write('m', '''
                def numbers():
                    yield 1
                    yield helper()
                    yield 'old end'
                def helper(): return 'old helper'
            ''')
            from m import numbers
            running = numbers()
            fresh = numbers()
            eq(next(running), 1)
            write('m', '''
                def numbers():
                    yield 2
                    yield helper()
                def helper(): return 'new helper'
            ''')
            good('m')
            eq(list(running), ['new helper', 'old end'])
            eq(list(numbers()), [2, 'new helper'])
            assert next(fresh) in (1, 2)
        """)

    def test_a_generator_that_is_sent_to_and_closed_after_the_reload(self):
        self.host("""
            write('m', '''
                def g(log):
                    try:
                        while True:
                            log.append((yield len(log)))
                    finally:
                        log.append('closed')
            ''')
            import m
            log = []
            g = m.g(log)
            next(g)
            g.send('a')
            write('m', 'X = 1')
            good('m')
            g.send('b')
            g.close()
            eq(log, ['a', 'b', 'closed'])
        """)

    def test_generators_coroutines_and_frames_that_the_body_makes(self):
        self.host("""
            source = '''
                import sys
                def generate(function):
                    local = function, C
                    yield {0}
                    yield function() + helper()
                def helper(): return {0}
                class C:
                    def method(self):
                        yield self
                        yield {0}, super().__init__
                async def wait(function): return function
                async def stream(function): yield function
                def frame(function):
                    local = C
                    return sys._getframe()
                def fail(function):
                    raise ValueError(function)
                running, waiting, fresh = generate(helper), wait(helper), generate(helper)
                next(running)
                method = C().method()
                next(method)
                ended = generate(helper)
                list(ended)
                coroutine, streaming = wait(generate), stream(C)
                coroutine.close()
                held_frame = frame(helper)
                try:
                    fail(C)
                except ValueError as error:
                    kept_error = error
                recursive = []
                def deeper(generator): yield from generator
                delegating = deeper(generate(helper))
                next(delegating)
            '''
            write('m', source.format(1))
            import m
            for i in (2, 3):
                m.waiting.close()
                write('m', source.format(i))
                good('m')
                collect()
                eq((next(m.running), next(m.delegating), list(m.fresh), next(m.method)[0]), (2 * i, 2 * i, [i, 2 * i], i))
                eq((m.held_frame.f_locals['function'] is m.helper, m.held_frame.f_globals is vars(m)), (True, True))
                eq((m.kept_error.args[0] is m.C, m.kept_error.__traceback__.tb_next.tb_frame.f_locals['function'] is m.C), (True, True))
                error = raises(StopIteration, m.waiting.send, None)
                eq(error.value is m.helper, True)
        """)

    def test_a_running_coroutine_finishes_with_its_old_code_and_finds_the_new(self):
        self.host("""
            import asyncio
            source = '''
                import asyncio
                async def work(event):
                    first = %d
                    await event.wait()
                    return first, await helper()
                async def helper():
                    await asyncio.sleep(0)
                    return %d
            '''
            write('m', source % (1, 1))
            import m
            async def main():
                event = asyncio.Event()
                task = asyncio.create_task(m.work(event))
                await asyncio.sleep(0)
                write('m', source % (2, 2))
                good('m')
                event.set()
                return await task, await m.work(event)
            eq(asyncio.run(main()), ((1, 2), (2, 2)))
        """)

    def test_a_generator_that_polls_keeps_no_exception_of_its_caller(self):
        self.host("""
            def poller():
                pymodhost.poll()
                yield sys.exc_info()
                yield sys.exc_info()
            try:
                raise ValueError
            except ValueError:
                generator = poller()
                eq(next(generator)[0], ValueError)
            eq(next(generator)[0], None)
        """)

    def test_an_asynchronous_generator_and_context_manager(self):
        self.host("""
            import asyncio
            source = '''
                async def numbers():
                    yield %d
                    yield %d
                class Scope:
                    async def __aenter__(self): return %d
                    async def __aexit__(self, *a): self.left = %d
            '''
            write('m', source % ((1,) * 4))
            import m
            async def main():
                out = []
                async with m.Scope() as entered:
                    scope = m.Scope()
                    async for x in m.numbers():
                        out.append(x)
                        if len(out) == 1:
                            write('m', source % ((2,) * 4))
                            good('m')
                return out, entered, [x async for x in m.numbers()]
            eq(asyncio.run(main()), ([1, 1], 1, [2, 2]))
        """)

    def test_a_with_block_leaves_through_the_present_exit(self):
        self.host("""
            source = '''
                class Scope:
                    def __enter__(self): return self
                    def __exit__(self, *a): self.left = %d
            '''
            write('m', source % 1)
            import m
            with m.Scope() as scope:
                write('m', source % 2)
                good('m')
            assert scope.left in (1, 2)
            with m.Scope() as scope:
                pass
            eq(scope.left, 2)
        """)

    def test_a_generator_based_context_manager_in_a_with_block(self):
        self.host("""
            source = '''
                import contextlib
                @contextlib.contextmanager
                def scope(log):
                    log.append('in %d')
                    yield
                    log.append('out %d')
            '''
            write('m', source % (1, 1))
            import m
            log = []
            with m.scope(log):
                write('m', source % (2, 2))
                good('m')
            with m.scope(log):
                pass
            eq(log, ['in 1', 'out 1', 'in 2', 'out 2'])
        """)

    def test_a_method_with_super_is_replaced_while_it_runs(self):
        self.host("""
            source = '''
                class Base:
                    def f(self, hook): return ['base %d']
                class C(Base):
                    def f(self, hook):
                        hook()
                        return super().f(hook) + [__class__ is type(self), 'c %d']
            '''
            write('m', source % (1, 1))
            import m
            c = m.C()
            def hook():
                write('m', source % (2, 2))
                good('m')
            eq(c.f(hook), ['base 2', True, 'c 1'])
            eq(c.f(lambda: 0), ['base 2', True, 'c 2'])
        """)

    def test_a_constructor_is_replaced_while_it_runs(self):
        self.host("""
            source = '''
                class C:
                    def __init__(self, hook):
                        hook()
                        self.made_by = %d
                    def f(self): return self.made_by, %d
            '''
            write('m', source % (1, 1))
            import m
            def hook():
                write('m', source % (2, 2))
                good('m')
            eq(m.C(hook).f(), (1, 2))
            eq(m.C(lambda: 0).f(), (2, 2))
        """)

    def test_a_removed_function_that_is_running_finishes(self):
        self.host("""
            write('m', '''
                def f(hook):
                    x = 1
                    hook()
                    return x + 1
            ''')
            import m
            def hook():
                write('m', 'Y = 1')
                good('m')
                collect()
            eq(m.f(hook), 2)
            assert not hasattr(m, 'f')
        """)

    def test_a_module_that_is_deleted_under_a_running_function(self):
        self.host("""
            write('m', '''
                LIMIT = 5
                def helper(): return LIMIT
                def f(hook):
                    hook()
                    return helper() + LIMIT
            ''')
            from m import f
            def hook():
                delete('m')
                good()
                sys.modules.pop('m', None)
                collect()
            eq(f(hook), 10)
        """)

    def test_a_frame_of_the_old_version_is_inspected(self):
        self.host("""
            write('m', '''
                import sys
                def f(hook):
                    local = 'value'
                    hook(sys._getframe())
                    return local
            ''')
            import m
            def hook(frame):
                write('m', 'def f(hook, extra=1):\\n    another = 2\\n    return another')
                good('m')
                eq((frame.f_locals['local'], frame.f_lineno, frame.f_code.co_name), ('value', 5, 'f'))
                assert frame.f_globals is vars(m)
                frames.append(frame)
            frames = []
            eq(m.f(hook), 'value')
            eq((m.f(None), frames[0].f_code.co_varnames), (2, ('hook', 'local')))
        """)

    def test_iterators_and_comprehensions_over_the_module_go_on(self):
        self.host("""
            source = '''
                def double(x): return x * %d
                def pipeline(xs): return (double(x) for x in xs)
                def listed(xs, hook): return [double(x) for x in xs if hook(x)]
            '''
            write('m', source % 2)
            import m
            running = m.pipeline([1, 2, 3])
            eq(next(running), 2)
            write('m', source % 10)
            good('m')
            eq(list(running), [20, 30])
            def hook(x):
                if x == 2:
                    write('m', source % 100)
                    good('m')
                return True
            eq(m.listed([1, 2, 3], hook), [10, 200, 300])
        """)

    def test_a_module_that_polls_by_itself(self):
        self.host("""
            source = '''
                import pymodhost
                VERSION = %d
                def tick():
                    report = pymodhost.poll()
                    return %d, VERSION, len(report.reloaded)
            '''
            write('m', source % (1, 1))
            import m
            eq(m.tick(), (1, 1, 0))
            write('m', source % (2, 2))
            eq(m.tick(), (1, 2, 1))
            eq(m.tick(), (2, 2, 0))
        """)

    def test_a_sort_whose_key_is_replaced_in_the_middle(self):
        self.host("""
            write('m', 'def key(x): hook(x); return x\\ndef hook(x): pass')
            import m
            done = []
            def hook(x):
                if x == 5 and not done:
                    done.append(1)
                    write('m', 'def key(x): return -x')
                    good('m')
            m.hook = hook
            eq(len(sorted(range(10), key=m.key)), 10)
            eq(sorted([1, 2, 3], key=m.key), [3, 2, 1])
        """)

    def test_an_event_loop_that_lives_in_the_module(self):
        self.host("""
            import asyncio
            source = '''
                import asyncio
                async def ticker(out, n):
                    for _ in range(n):
                        out.append(step())
                        await asyncio.sleep(0)
                def step(): return %d
            '''
            write('m', source % 1)
            import m
            out = []
            async def main():
                task = asyncio.create_task(m.ticker(out, 4))
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                write('m', source % 2)
                good('m')
                await task
            asyncio.run(main())
            eq((out[0], out[-1], len(out)), (1, 2, 4))
        """)

    def test_a_class_body_that_is_running_elsewhere_finishes(self):
        self.host("""
            write('base', '''
                class Meta(type):
                    def __new__(meta, name, bases, ns, hook=None):
                        if hook: hook()
                        return super().__new__(meta, name, bases, ns)
                class Base(metaclass=Meta):
                    def f(self): return 1
            ''')
            import base
            def hook():
                write('base', '''
                    class Meta(type):
                        def __new__(meta, name, bases, ns, hook=None):
                            return super().__new__(meta, name, bases, ns)
                    class Base(metaclass=Meta):
                        def f(self): return 2
                ''')
                good('base')
            class Mine(base.Base, hook=hook): pass
            eq((Mine().f(), isinstance(Mine(), base.Base), type(Mine) is base.Meta), (2, True, True))
        """)


class Holders(HostCase):
    """pymodhost.holders(name) tells who still runs or holds an old version."""

    def test_nobody_holds_an_old_version_of_a_module_that_was_only_replaced(self):
        self.host("""
            write('m', 'def f(): return 1\\nclass C: pass')
            import m
            c = m.C()
            eq(list(pymodhost.holders('m')), [])
            write('m', 'def f(): return 2\\nclass C: pass')
            good('m')
            eq(list(pymodhost.holders('m')), [])
        """)

    def test_a_running_generator_is_a_holder_until_it_ends(self):
        self.host("""
            write('m', 'def numbers():\\n    yield 1\\n    yield 2')
            import m
            running = m.numbers()
            next(running)
            write('m', 'def numbers():\\n    yield 3')
            good('m')
            found = list(pymodhost.holders('m'))
            assert found and any('numbers' in str(holder) for holder in found), found
            eq(list(running), [2])
            del found, running
            collect()
            eq(list(pymodhost.holders('m')), [])
        """)

    def test_a_frame_on_the_stack_is_a_holder(self):
        self.host("""
            write('m', 'def busy(hook):\\n    return hook()')
            import m
            def hook():
                write('m', 'def busy(hook): return 0')
                good('m')
                return [str(holder) for holder in pymodhost.holders('m')]
            found = m.busy(hook)
            assert any('busy' in holder for holder in found), found
            eq(list(pymodhost.holders('m')), [])
        """)

    def test_a_removed_function_that_somebody_holds_is_told(self):
        self.host("""
            write('m', 'def gone(): return 1')
            import m
            held = [m.gone]
            write('m', 'X = 1')
            good('m')
            found = [str(holder) for holder in pymodhost.holders('m')]
            assert any('gone' in holder for holder in found), found
            held.clear()
            collect()
            eq(list(pymodhost.holders('m')), [])
        """)

    def test_an_unknown_module_has_no_holders(self):
        self.host("""
            eq(list(pymodhost.holders('no_such_module')), [])
        """)


if __name__ == '__main__':
    unittest.main()
