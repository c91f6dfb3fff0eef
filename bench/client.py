"""What is measured, as a process of its own: `client.py ACTION ARGUMENT...` prints its samples in nanoseconds as a JSON list.

The interpreter's start is never part of a sample.
"""

import json
import os
import sys
import time

now = time.perf_counter_ns


def import_all(where, names):
    """Imports the modules that the file `names` lists; where: `sqlite:DB` or an entry for sys.path."""
    with open(names, encoding='utf-8') as lines:
        todo = lines.read().split()
    if where.startswith('sqlite:'):
        sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
        import sqlite_importer
        sqlite_importer.install(where[len('sqlite:'):])
    else:
        sys.path.insert(0, where)
        if where.endswith('.zip'):
            __import__('zipimport')  # else the interpreter would load it within the sample
    begin = now()
    for name in todo:
        __import__(name)
    return [now() - begin]


def execute_all(top, names):
    """What importing the modules takes at least, whoever does it: their code objects are in memory already, as marshal has them."""
    import marshal
    import types
    codes = []
    with open(names, encoding='utf-8') as lines:
        for name in lines.read().split():
            path = os.path.join(top, name.replace('.', '/'))
            path = os.path.join(path, '__init__.py') if os.path.isdir(path) else f'{path}.py'
            with open(path, 'rb') as source:
                codes.append((name, marshal.dumps(compile(source.read(), path, 'exec'))))
    begin = now()
    for name, code in codes:
        sys.modules[name] = module = types.ModuleType(name)
        exec(marshal.loads(code), module.__dict__)
    return [now() - begin]


def stat_all(top, names, passes):
    """Each pass over all paths is a sample; the first, which fills the caches, isn't one."""
    paths = _paths(top, names)
    return _passes(lambda: [os.stat(path) for path in paths], passes)


def absent_all(top, names, passes):
    paths = [f'{path}x' for path in _paths(top, names)]
    return _passes(lambda: [os.access(path, os.F_OK) for path in paths], passes)


def read_all(top, names, passes):
    paths = _paths(top, names)

    def read():
        for path in paths:
            fd = os.open(path, os.O_RDONLY)
            os.read(fd, 65536)
            os.close(fd)
    return _passes(read, passes)


def _paths(top, names):
    with open(names, encoding='utf-8') as lines:
        return [os.path.join(top, name) for name in lines.read().split('\n') if name]


def _passes(call, passes):
    samples = []
    for _ in range(int(passes) + 1):
        begin = now()
        call()
        samples.append(now() - begin)
    return samples[1:]


def save_in_place(path, count, between=lambda: None):
    """open, write, close: on a mount that is a durable save."""
    def save(data):
        fd = os.open(path, os.O_WRONLY | os.O_TRUNC)
        os.write(fd, data)
        os.close(fd)
    return _saves(save, count, between)


def save_between_readers(path, count):
    """The same, and before each save another process reads what is there."""
    def read():
        child = os.fork()
        if not child:
            with open(path, 'rb') as file:
                file.read()
            os._exit(0)
        os.waitpid(child, 0)
    return save_in_place(path, count, read)


def save_by_rename(path, count):
    """What a durable save takes on a local disk: write, fsync, rename, fsync of the directory."""
    directory = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)

    def save(data):
        fd = os.open(f'{path}.new', os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.write(fd, data)
        os.fsync(fd)
        os.close(fd)
        os.rename(f'{path}.new', path)
        os.fsync(directory)
    return _saves(save, count)


def save_by_sql(database, name, count):
    """What the database itself takes for it: UPDATE and COMMIT, as durable as the mount's saves."""
    import sqlite3
    connection = sqlite3.connect(database, timeout=10, isolation_level=None)
    connection.execute('PRAGMA synchronous = FULL')
    return _saves(lambda data: connection.execute('UPDATE module SET source = ? WHERE name = ?', (data.decode(), name)), count)


def _saves(save, count, between=lambda: None):
    samples = []
    for number in range(int(count) + 1):
        data = f'V = {number}\n'.encode() + b'# what a module of usual size holds\n' * 40
        between()
        begin = now()
        save(data)
        samples.append(now() - begin)
    return samples[1:]


if __name__ == '__main__':
    print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])))
