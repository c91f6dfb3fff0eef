"""The program pymodhost: runs a module or a script, applies changes between ticks, obeys signals, says what happens."""

import json
import re
import signal
import unittest

from tests.support import PYMODHOST, PYTHON, Process, TestCase, environment, run, wait_until

TICKING = """
import os
VERSION = {0}
count = 0
__reload_keep__ = ('count',)
def tick():
    global count
    count += 1
    print('version', VERSION, 'tick', count, 'pid', os.getpid(), flush=True)
"""


class ProgramCase(TestCase):
    def write(self, name, text):
        path = self.dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def run_host(self, *args, **options):
        return run(PYMODHOST, *args, env=environment(), **options)

    def start(self, *args):
        return self.process(Process(PYMODHOST, *args, env=environment()))


class Scripts(ProgramCase):
    def test_a_script_gets_its_arguments_and_its_own_directory(self):
        self.write('lib.py', 'X = 5')
        script = self.write('script.py', 'import sys, lib\nprint(__name__, sys.argv[1:], lib.X)\n'
                                         'print(sys.argv[0] == __file__, sys.path[0])')
        found = self.run_host(script, 'a', '--path', '-m', 'b').stdout.splitlines()
        self.assertEqual(found, ["__main__ ['a', '--path', '-m', 'b'] 5", f'True {self.dir}'])

    def test_the_exit_status_is_the_scripts(self):
        for text, status in (('pass', 0), ('import sys; sys.exit(7)', 7), ('import sys; sys.exit()', 0), ('raise SystemExit(3)', 3),
                             ('import sys; sys.exit("words")', 1), ('1 / 0', 1), ('import sys; sys.exit(256 + 5)', 5)):
            with self.subTest(text):
                found = self.run_host(self.write('script.py', text), check=False)
                self.assertEqual(found.returncode, status, found.stderr)
        self.assertIn('words', self.run_host(self.write('script.py', 'raise SystemExit("words")'), check=False).stderr)

    def test_an_uncaught_exception_prints_its_traceback(self):
        script = self.write('script.py', 'def f():\n    return 1 / 0  # here\nf()')
        found = self.run_host(script, check=False).stderr
        self.assertIn('ZeroDivisionError: division by zero', found)
        self.assertIn('return 1 / 0  # here', found)
        self.assertIn(f'File "{script}", line 3', found)

    def test_what_is_no_utf8_in_an_error_is_told_escaped(self):
        for text in ('raise ValueError("a\\udcffb\\0c") from KeyError("z\\0")', 'raise SystemExit("a\\udcffb\\0c")'):
            with self.subTest(text):
                script = self.write('script.py', text)
                self.assertIn(r'a\udcffb\x00c', self.run_host(script, check=False).stderr)

    def test_other_processes_run_the_interpreter_that_the_host_was_built_with(self):
        (self.dir / 'bin').mkdir()
        decoy = self.write('bin/python3', '#!/bin/sh\necho decoy\nexit 9\n')
        decoy.chmod(0o755)
        script = self.write('script.py', """
            import concurrent.futures, multiprocessing, subprocess, sys
            def work(x):
                return x * 2, sys.version
            if __name__ == '__main__':
                for method in 'fork', 'spawn', 'forkserver':
                    context = multiprocessing.get_context(method)
                    with context.Pool(1) as pool:
                        assert pool.map(work, [1]) == [(2, sys.version)], method
                    with concurrent.futures.ProcessPoolExecutor(1, context) as pool:
                        assert list(pool.map(work, [1])) == [(2, sys.version)], method
                command = [sys.executable, '-c', 'import sys; print(sys.version)']
                assert subprocess.run(command, capture_output=True, text=True).stdout.strip() == sys.version
                print(sys.executable)
        """.replace('\n            ', '\n'))
        env = environment(PATH=f'{decoy.parent}:/usr/bin:/bin')
        for options in ([], ['-I']):
            self.assertEqual(run(PYMODHOST, *options, script, env=env).stdout, '/usr/bin/python3.11\n')

    def test_the_packages_of_the_active_virtual_environment_are_found(self):
        venv = self.dir / 'venv'
        run(PYTHON, '-m', 'venv', '--without-pip', venv)
        package = self.write('venv/lib/python3.11/site-packages/only_there.py', 'X = 5')
        script = self.write('script.py', 'import sys\ntry: import only_there; print(only_there.__file__, sys.executable)\n'
                                         'except ImportError: print("none")')
        env = environment(VIRTUAL_ENV=venv)
        self.assertEqual(run(PYMODHOST, script, env=env).stdout, f'{package} {venv}/bin/python3\n')
        self.assertEqual(run(PYMODHOST, '-I', script, env=env).stdout, 'none\n')
        self.assertEqual(run(PYMODHOST, script, env=environment(VIRTUAL_ENV=None)).stdout, 'none\n')
        (venv / 'bin/python3').unlink()
        self.write('venv/bin/python3', '').chmod(0o755)
        found = run(PYMODHOST, script, env=env)
        self.assertEqual(found.stdout, 'none\n')
        self.assertEqual(found.stderr, f'pymodhost: VIRTUAL_ENV: {venv} was not made by /usr/bin/python3.11: its packages are not used\n')

    def test_finalisation_is_complete(self):
        script = self.write('script.py', 'import atexit, sys, threading\n'
                                         'atexit.register(lambda: print("atexit"))\n'
                                         'threading.Thread(target=lambda: print("thread")).start()\n'
                                         'sys.stdout.write("no newline ")')
        found = self.run_host(script).stdout
        self.assertEqual(sorted(found.split()), ['atexit', 'newline', 'no', 'thread'])

    def test_a_module_is_run_and_stays_importable_by_its_name(self):
        self.write('app/__init__.py', '')
        self.write('app/main.py', 'import sys\nprint(sys.argv[1:])\nimport app.main\nprint(app.main.__name__)')
        found = self.run_host('--path', self.dir, '-m', 'app.main', 'x').stdout
        self.assertIn("['x']", found)

    def test_several_paths_are_searched_in_their_order(self):
        for name in ('one', 'two'):
            self.write(f'{name}/m.py', f'X = "{name}"')
        self.write('two/only.py', 'Y = 1')
        script = self.write('s/script.py', 'import m, only\nprint(m.X, only.Y)')
        found = self.run_host('--path', self.dir / 'one', '--path', self.dir / 'two', script).stdout
        self.assertEqual(found, 'one 1\n')

    def test_it_writes_no_bytecode_beside_the_modules(self):
        self.write('lib/m.py', 'X = 1')
        self.run_host('--path', self.dir / 'lib', self.write('s/script.py', 'import m'))
        self.assertEqual([p.name for p in self.dir.rglob('*') if '__pycache__' in p.parts], [])


class Errors(ProgramCase):
    def refused(self, *args, words=()):
        found = self.run_host(*args, check=False)
        self.assertNotEqual(found.returncode, 0)
        self.assertEqual(found.stdout, '')
        for word in words:
            self.assertIn(str(word), found.stderr)
        self.assertNotIn('Traceback', found.stderr)
        return found.stderr

    def test_a_missing_script_module_or_directory_is_named_in_one_line(self):
        script = self.write('script.py', '')
        for args, word in (((self.dir / 'absent.py',), 'absent.py'), (('-m', 'no_such_module'), 'no_such_module'),
                           (('--path', self.dir / 'nowhere', script), 'nowhere'), ((self.dir,), self.dir)):
            with self.subTest(word):
                self.assertEqual(self.refused(*args, words=[word]).count('\n'), 1)

    def test_wrong_arguments_are_refused_by_name(self):
        for args, word in ((('--no-such-option',), '--no-such-option'), (('--hz', 'fast', '-m', 'x'), 'fast'),
                           (('--hz', '-1', '-m', 'x'), '-1'), (('--path',), 'path'), ((), '')):
            with self.subTest(args):
                self.refused(*args, words=[word])

    def test_help_and_version(self):
        self.assertIn('--path', self.run_host('--help').stdout)
        self.assertRegex(self.run_host('--version').stdout, r'^pymodhost \d+\.\d+')
        for option in ('--help', '--version'):
            result = run('sh', '-c', 'exec "$@" >/dev/full', 'sh', PYMODHOST, option, check=False)
            self.assertEqual((result.returncode, result.stderr), (1, "pymodhost: can't write: No space left on device\n"))


class Ticks(ProgramCase):
    def ticking(self, *options):
        self.write('game.py', TICKING.format(1))
        host = self.start('--path', self.dir, '--hz', '200', *options, '-m', 'game')
        host.wait_output('version 1 tick 3 ')
        return host

    def test_changes_are_applied_between_ticks(self):
        host = self.ticking()
        for version in (2, 3):
            self.write('game.py', TICKING.format(version))
            host.wait_output(f'version {version} ')
        ticks = [int(n) for n in re.findall(r' tick (\d+) ', host.output)]
        self.assertEqual(ticks, list(range(1, len(ticks) + 1)))

    def test_a_broken_change_is_told_and_the_ticks_go_on(self):
        host = self.ticking()
        self.write('game.py', TICKING.format(2) + '\n1 / 0  # broken')
        host.wait_output('ZeroDivisionError')
        self.assertIn('1 / 0  # broken', host.output)
        ticks = host.output.count(' tick ')
        wait_until(lambda: host.output.count(' tick ') > ticks + 3, 10, 'more ticks')
        self.assertNotIn('version 2', host.output)
        self.write('game.py', TICKING.format(3))
        host.wait_output('version 3 ')

    def test_a_tick_that_raises_is_told_and_the_next_one_comes(self):
        self.write('game.py', 'def tick(): raise ValueError("in tick")')
        host = self.start('--path', self.dir, '--hz', '100', '-m', 'game')
        host.wait_output('ValueError: in tick')
        self.write('game.py', 'def tick(): print("repaired", flush=True)')
        host.wait_output('repaired')

    def test_it_ends_when_nobody_reads_what_a_tick_prints(self):
        self.write('game.py', TICKING.format(1))
        result = run('sh', '-c', '{ "$@"; echo status $? >&2; } | head -n 1', 'sh', PYMODHOST, '--path', self.dir, '--hz', '200',
                     '-m', 'game', env=environment())
        self.assertEqual(len(result.stdout.splitlines()), 1)
        self.assertEqual(result.stderr.count('in tick'), 1, result.stderr)
        self.assertIn('status 1\n', result.stderr)

    def test_a_broken_pipe_of_its_own_does_not_end_it(self):
        self.write('game.py', 'n = 0\ndef tick():\n  global n\n  n += 1\n  if n == 1: raise BrokenPipeError("a client")\n  print("on", flush=True)\n')
        host = self.start('--path', self.dir, '--hz', '100', '-m', 'game')
        host.wait_output('on')
        self.assertIn('BrokenPipeError: a client', host.output)

    def test_sigterm_ends_it_cleanly(self):
        self.write('game.py', TICKING.format(1) + 'import atexit; atexit.register(lambda: print("goodbye", flush=True))\n')
        host = self.start('--path', self.dir, '--hz', '100', '-m', 'game')
        host.wait_output(' tick 2 ')
        host.signal(signal.SIGTERM)
        self.assertEqual(host.wait(10), 0, host.output)
        self.assertIn('goodbye', host.output)

    def test_sigterm_ends_it_also_while_a_new_body_runs(self):
        slow = 'import time\nprint("body runs", flush=True)\nfor i in range(3000): time.sleep(0.01)'
        ticking, polling = 'def tick(): print("tick", flush=True)', 'import pymodhost\nwhile True: print("tick"); pymodhost.poll()'
        for name, text, command in (('game', ticking, ('-m', 'game')), ('script', polling, (self.dir / 'script.py',))):
            with self.subTest(name):
                self.write('rules.py', '')
                self.write(f'{name}.py', f'import rules, sys\nsys.stdout.reconfigure(line_buffering=True)\n{text}')
                host = self.start('--path', self.dir, *command)
                host.wait_output('tick')
                self.write('rules.py', slow)
                host.wait_output('body runs')
                host.signal(signal.SIGTERM)
                self.assertEqual(host.wait(10), 0, host.output)

    def test_classes_of_the_module_that_runs_stay_what_they_are(self):
        source = ('import sys\nclass C:\n    def f(self): return {0}\nif __name__ == "__main__": sys.kept = C, C()\n'
                  'def tick(): print(sys.kept[0] is C, isinstance(sys.kept[1], C), sys.kept[1].f(), flush=True)')
        self.write('game.py', source.format(1))
        host = self.start('--path', self.dir, '--hz', '100', '-m', 'game')
        host.wait_output('True True 1')
        for version in 2, 3:
            self.write('game.py', source.format(version))
            host.wait_output(f'True True {version}')

    def test_sighup_reloads_everything(self):
        self.write('lib.py', 'print("lib runs", flush=True)')
        self.write('game.py', 'import lib\n' + TICKING.format(1))
        host = self.start('--path', self.dir, '--hz', '100', '-m', 'game')
        host.wait_output(' tick 2 ')
        host.signal(signal.SIGHUP)
        wait_until(lambda: host.output.count('lib runs') == 2, 10, 'lib to run again')
        ticks = host.output.count(' tick ')
        wait_until(lambda: host.output.count(' tick ') > ticks + 2, 10, 'more ticks')

    def test_json_lines_tell_what_happens(self):
        host = self.ticking('--json')
        self.write('game.py', TICKING.format(2))
        host.wait_output('version 2 ')
        self.write('game.py', '1 / 0')
        host.wait_output('ZeroDivisionError')
        events = [json.loads(line) for line in host.output.splitlines() if line.startswith('{')]
        kinds = [(event['event'], event['module']) for event in events]
        self.assertIn(('reloaded', 'game'), kinds)
        self.assertIn(('failed', 'game'), kinds)


if __name__ == '__main__':
    unittest.main()
