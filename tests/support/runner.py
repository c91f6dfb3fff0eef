"""Runs the tests of one file: `python3 -m tests.support.runner tests.test_x [NAME...]`.

Prints each test as a sentence and what failed in full; writes the counts as one JSON object into the file that
PYMODFS_RESULTS names, for tools/run-tests. A skipped test is a failure: what can't be tested here has no green result.
"""

import json
import os
import signal
import sys
import time
import unittest


class Result(unittest.TextTestResult):
    current = None

    def startTest(self, test):
        Result.current = self
        super().startTest(test)
        # A test that hangs is then the last one named.
        self.stream.flush()

    def getDescription(self, test):
        return test.id().rpartition('.')[2].removeprefix('test_').replace('_', ' ')


def end_in_time(*_):
    """The deadline of the whole file is over: the test fails where it hangs, clears up, and is the last one."""
    Result.current.stop()
    raise TimeoutError('the tests of this file took too long')


def report(result, seconds):
    failed = [(kind, test.id(), text) for kind, found in (('fail', result.failures), ('error', result.errors),
              ('skip', result.skipped)) for test, text in found]
    failed += [('unexpected success', test.id(), '') for test in result.unexpectedSuccesses]
    # One test may fail more than once (in itself, in a subtest, in its clean-up); count it once.
    names = {name.split(' ')[0] for _, name, _ in failed}
    return {'run': result.testsRun, 'failed': max(len(names), int(bool(failed))), 'seconds': round(seconds, 2),
            'failures': [{'kind': kind, 'test': name, 'text': text} for kind, name, text in failed]}


def main(arguments):
    begun = time.monotonic()
    module, names = arguments[0], arguments[1:]
    loader = unittest.defaultTestLoader
    suite = loader.loadTestsFromNames([f'{module}.{name}' for name in names] or [module])
    signal.signal(signal.SIGTERM, end_in_time)
    runner = unittest.TextTestRunner(verbosity=2, resultclass=Result, stream=sys.stdout)
    result = runner.run(suite)
    for test, reason in result.skipped:
        print(f'SKIPPED (counts as failed): {test.id()}: {reason}')
    summary = report(result, time.monotonic() - begun)
    if path := os.environ.get('PYMODFS_RESULTS'):
        with open(path, 'w', encoding='utf-8') as file:
            json.dump(summary, file)
    if summary['run'] == 0:
        print(f'{module}: no test was run')
        return 1
    return 1 if summary['failed'] else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
