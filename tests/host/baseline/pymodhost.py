"""importlib.reload behind the interface of the engine: what the cases are compared with, to see that they can fail."""

import importlib
import importlib.machinery
import sys
import time
import traceback
from pathlib import Path
from types import SimpleNamespace

_paths = []
_seen = {}


class _Loader(importlib.machinery.SourceFileLoader):
    def source_to_code(self, data, path, **more):
        _seen[path] = data
        return super().source_to_code(data, path, **more)


def watch(paths):
    _paths.extend(str(path) for path in paths)
    sys.path_importer_cache.clear()
    hook = importlib.machinery.FileFinder.path_hook((_Loader, ['.py']))
    sys.path_hooks.insert(0, lambda path: hook(path) if any(path.startswith(p) for p in _paths) else _no(path))


def _no(path):
    raise ImportError(path)


def _report(**parts):
    return SimpleNamespace(**{'changed': [], 'reloaded': [], 'unloaded': [], 'errors': [], 'seconds': 0.0, **parts})


def _watched():
    for name, module in list(sys.modules.items()):
        file = getattr(module, '__file__', None)
        if file and any(file.startswith(path + '/') for path in _paths):
            yield name, file


def _run(name, report):
    try:
        importlib.reload(sys.modules[name])
        report.reloaded.append(name)
    except BaseException:
        report.errors.append(SimpleNamespace(module=name, traceback=traceback.format_exc()))


def poll():
    importlib.invalidate_caches()
    report, begun = _report(), time.monotonic()
    for name, file in list(_watched()):
        try:
            source = Path(file).read_bytes()
        except OSError:
            del sys.modules[name]
            report.unloaded.append(name)
            continue
        if _seen.get(file) != source:
            report.changed.append(name)
            _run(name, report)
    report.seconds = time.monotonic() - begun
    return report


def load(name):
    report = _report()
    try:
        importlib.import_module(name)
    except BaseException:
        report.errors.append(SimpleNamespace(module=name, traceback=traceback.format_exc()))
    return report


def reload(name):
    report = _report()
    _run(name, report)
    return report


def unload(name):
    del sys.modules[name]
    return _report(unloaded=[name])


def reload_all():
    report = _report()
    for name, _ in list(_watched()):
        _run(name, report)
    return report


def source(name):
    return Path(sys.modules[name].__file__).read_bytes()


def run(text):
    report = _report()
    try:
        exec(text, {'__name__': '__run__'})
    except BaseException:
        report.errors.append(SimpleNamespace(module='', traceback=traceback.format_exc()))
    return report


def on_event(callback):
    pass


def holders(name):
    return []
