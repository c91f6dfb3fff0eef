"""Random edits of modules under a running host: after each batch they must be what a new interpreter makes of the sources.

A program is a few modules that import from those before them; a batch changes, adds, removes, renames and breaks things in some.
Where a new interpreter can't import all of them, the batch must be reported as failed and change nothing. Between batches a module is
reloaded without a change, or unloaded and imported again. Functions, instances, members of enums and generators that were held
before go on, and so do a thread that calls them all the time and one that waits inside one.
"""

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.support import PYTHON, environment, preloaded
from tests.support.process import PATIENCE

from .sequence import Difference

MODULES = ['m0', 'm1', 'pkg.__init__', 'pkg.low', 'm2', 'pkg.sub.__init__', 'pkg.sub.leaf', 'm3']
NAMES = ['a', 'b', 'c', 'd', 'e']

# Imports all modules, and says what is in each. Runs in both interpreters.
DESCRIBE = r'''
import enum, functools, importlib, re, sys, types

def home(value):
    """Where an object should be found, and whether it is there."""
    here = sys.modules.get(value.__module__)
    for part in value.__qualname__.split('.'):
        here = getattr(here, part, None)
    return f'{value.__module__}.{value.__qualname__}{"" if here is value else " (another)"}'

def outcome(function, *arguments):
    try:
        words = repr(function(*arguments))
    except Exception as error:
        words = f'{type(error).__name__}: {error}'
    return re.sub(' at 0x[0-9a-f]+', '', words)

def describe_class(value):
    members = {name: describe(member) for name, member in sorted(vars(value).items())
               if not name.startswith('__') and name != '_abc_impl'}
    one = outcome(lambda: sorted(vars(value()).items()))
    calls = {name: outcome(lambda: getattr(value(), name)()) for name in members}
    return ['class', home(value), type(value).__name__, [base.__name__ for base in value.__mro__], value.__doc__, members, one, calls,
            outcome(isinstance, 3, value), outcome(hash, value) == outcome(hash, value)]

def describe(value):
    if isinstance(value, types.ModuleType):
        return ['module', value.__name__, sys.modules.get(value.__name__) is value]
    if isinstance(value, types.FunctionType):
        return ['function', home(value), value.__doc__, repr(value.__defaults__), outcome(value), outcome(value, 3)]
    if isinstance(value, type):
        return describe_class(value)
    if type(value).__module__ in names:
        return ['instance', home(type(value)), outcome(lambda: sorted(vars(value).items()))]
    if isinstance(value, functools.partial):
        return ['partial', home(value.func), outcome(value)]
    return outcome(lambda: value)

def dump():
    found = {}
    for name in names:
        module = sys.modules.get(name)
        found[name] = module and {key: describe(value) for key, value in sorted(vars(module).items())
                                  if not key.startswith('__')} | {'doc': module.__doc__}
    return found

def import_all():
    for name in names:
        importlib.import_module(name)
'''

NEW = 'import json, sys\nnames = json.loads(sys.argv[1])\n' + DESCRIBE + r'''
sys.path.insert(0, sys.argv[2])
sys.dont_write_bytecode = True
import_all()
print(json.dumps(dump()))
'''

# Answers each line: polls, then does what it says. What is held from before must act as what there is now.
HOST = 'import json, sys\n' + DESCRIBE + r'''
import inspect, threading
import pymodhost
functions, instances, members, generators = {}, {}, {}, {}
# What they return depends on no state.
STATELESS = 'get', 'own', 'make', 'fixed', 'tag'

def own(name, kind):
    return [(key, value) for key, value in vars(sys.modules[name]).items()
            if isinstance(value, kind) and value.__module__ == name and value.__qualname__ == key]

def hold():
    for name in names:
        for key, value in own(name, types.FunctionType):
            functions.setdefault((name, key), value)
            if inspect.isgeneratorfunction(value):
                generators.setdefault((name, key), value())
        for key, value in own(name, type):
            if isinstance(value, enum.EnumMeta):
                members.setdefault((name, key), value.A)
            elif (name, key) not in instances:
                try:
                    instances[name, key] = value()
                except Exception:
                    pass

def present(held, kind):
    for (name, key), old in list(held.items()):
        now = dict(own(name, kind)).get(key) if name in sys.modules else None
        if now is None:
            del held[name, key]
        else:
            yield f'{name}.{key}', old, now

def check_instance(where, old, now):
    if not isinstance(old, now):
        return f'an old instance of {where} is none of the new class'
    for method in STATELESS:
        if isinstance(getattr(now, method, None), (types.FunctionType, types.MethodType)):
            theirs, ours = outcome(lambda: getattr(now(), method)()), outcome(lambda: getattr(old, method)())
            if theirs != ours:
                return f'{method}() of an old instance of {where} is {ours}, of a new one {theirs}'

def check_held():
    for where, old, now in present(functions, types.FunctionType):
        if now is not old:
            return f'{where} is another function than before'
    for where, old, now in present(instances, type):
        if not isinstance(now, enum.EnumMeta) and (wrong := check_instance(where, old, now)):
            return wrong
    for where, old, now in present(members, type):
        if isinstance(now, enum.EnumMeta) and isinstance(old, now) and now.A is not old:
            return f'{where}.A is another member than before'
    for (name, key), generator in list(generators.items()):
        next(generator)

stop, waiting = threading.Event(), {}

def call_on():
    while not stop.wait(0.0005):
        for function in list(functions.values()):
            outcome(function)

def wait_in(key, function):
    event, result = threading.Event(), []
    thread = threading.Thread(target=lambda: result.append(outcome(function, event)), daemon=True)
    thread.start()
    waiting[key] = event, thread, result, outcome(function)

def let_go(wrong):
    for key, (event, thread, result, expected) in list(waiting.items()):
        event.set()
        thread.join()
        if result != [expected]:
            wrong = f'{key} returned {result} after a wait, should be {expected}'
        del waiting[key]
    return wrong

def forget(name):
    for held in (functions, instances, members, generators):
        for key in [key for key in held if (key[0] + '.').startswith(name + '.')]:
            del held[key]

def do(what, name):
    if what == 'reload':
        return pymodhost.reload(name).errors
    if what == 'run':
        return pymodhost.run(f'import {name} as m\nassert m.__name__ == {name!r}').errors
    errors = pymodhost.unload(name).errors
    forget(name)
    import_all()
    return errors + pymodhost.reload_all().errors

threading.Thread(target=call_on, daemon=True).start()
pymodhost.watch([sys.argv[1]])
sys.dont_write_bytecode = True
for line in sys.stdin:
    order = json.loads(line)
    report = pymodhost.poll()
    names = order['names']
    errors, wrong = [str(error) for error in report.errors], None
    if not errors:
        import_all()
        for what, name in order['do']:
            errors += [f'{what} {name}: {error}' for error in do(what, name)]
        wrong = let_go(check_held())
        hold()
        for (name, key), function in functions.items():
            if 'event' in function.__code__.co_varnames:
                wait_in(f'{name}.{key}', function)
    print(json.dumps({'errors': errors, 'held': wrong, 'dump': dump()}), flush=True)
stop.set()
let_go(None)
'''


# ---- a program, as data ----

def any_value(random):
    return random.choice([random.randrange(100), 'text', [1, 2], None, 1.5])


def any_item(random, position, modules):
    """One statement of a module at a position: [kind, name, ...]."""
    name, lower = random.choice(NAMES), [m for m in modules[:position] if m]
    other = random.choice(lower) if lower else None
    kinds = ['value', 'function', 'class', 'nested', 'default', 'instance', 'decorated', 'lambda', 'doc', 'state', 'property',
             'calls', 'cached', 'slots', 'dataclass', 'slotted', 'enum', 'metaclass', 'abstract', 'dispatch', 'weak', 'named_tuple',
             'exception', 'partial', 'generator', 'waits', 'hooks', 'generic', 'initsub']
    if other:
        kinds += ['from', 'star', 'attribute', 'base', 'import', 'late', 'relative', 'factory'] * 3
    return [random.choice(kinds), name, any_value(random), other, random.choice(NAMES)]


def plain_name(module):
    return module.removesuffix('.__init__')


def relative(module, other):
    """How a module names another one of its package."""
    if not other or not module.startswith('pkg.') or not other.startswith('pkg.'):
        return other
    package = module.rpartition('.')[0]
    return '.' * (package.count('.') + 1) + other.removeprefix('pkg').lstrip('.')


def render_item(item, module):
    kind, name, value, other, theirs = item
    other = other and plain_name(other)
    return {
        'value': lambda: f'{name} = {value!r}',
        'function': lambda: f'def {name}(): return {value!r}',
        'default': lambda: f'def {name}(x={value!r}, *, y=1): "doc of {name}"; return [x, y]',
        'class': lambda: f'class {name}:\n    shared = {value!r}\n    def get(self): return [self.shared, {value!r}]\n'
                         f'    @classmethod\n    def make(cls): return cls.__name__\n    @staticmethod\n    def fixed(): return {value!r}',
        'property': lambda: f'class {name}:\n    "about {value!r}"\n    def __init__(self): self.inner = {value!r}\n'
                            f'    @property\n    def got(self): return [self.inner, {value!r}]',
        'nested': lambda: f'def _outer_{name}(n):\n    def {name}(): return [n, {value!r}]\n    return {name}\n{name} = _outer_{name}(3)()',
        'instance': lambda: f'class _C{name}:\n    def get(self): return {value!r}\n{name} = _C{name}().get()',
        'decorated': lambda: f'import functools as _f\ndef _wrap(f):\n    @_f.wraps(f)\n    def inner(*a): return ["w", f(*a)]\n'
                             f'    return inner\n@_wrap\ndef {name}(): return {value!r}',
        'cached': lambda: f'import functools as _f\n@_f.lru_cache\ndef _cached_{name}(): return {value!r}\ndef {name}(): return _cached_{name}()',
        'lambda': lambda: f'{name} = lambda: {value!r}',
        'doc': lambda: f'__doc__ = {str(value)!r}',
        'state': lambda: f'_list_{name} = [{value!r}]\ndef {name}(): return list(_list_{name})',
        'calls': lambda: f'def {name}(): return {theirs}() if callable(globals().get({theirs!r})) and {theirs!r} < {name!r} else 0',
        'from': lambda: f'from {other} import {theirs} as {name}',
        'star': lambda: f'from {other} import *',
        'attribute': lambda: f'import {other}\n{name} = {other}.{theirs}',
        'base': lambda: f'from {other} import {theirs} as _base\nclass {name}(_base if isinstance(_base, type) else object):\n'
                        f'    def own(self): return {value!r}',
        'import': lambda: f'import {other} as {name}',
        'relative': lambda: f'from {relative(module, other)} import {theirs} as {name}',
        'factory': lambda: f'import {other}\n_make = getattr({other}, "_make", None)\n{name} = _make({value!r}) if _make else None',
        'slots': lambda: f'class {name}:\n    __slots__ = ("x", {theirs!r})\n    def __init__(self): self.x = {value!r}\n'
                         f'    def get(self): return {value!r}\n    def __len__(self): return 3',
        'dataclass': lambda: f'import dataclasses as _d\n@_d.dataclass\nclass {name}:\n    x: object = 1\n'
                             f'    y{theirs}: object = _d.field(default_factory=lambda: {value!r})\n    def get(self): return {value!r}',
        'slotted': lambda: f'import dataclasses as _d\n@_d.dataclass(slots=True, frozen=True)\nclass {name}:\n    {theirs}: object = 1\n'
                           f'    def get(self): return {value!r}',
        'enum': lambda: f'import enum as _e\nclass {name}(_e.Enum):\n    A = "first"\n    B{theirs} = {value!r}\n'
                        f'    def get(self): return [self.name, {value!r}]',
        'metaclass': lambda: f'class _M{name}(type):\n    def tag(cls): return {value!r}\nclass {name}(metaclass=_M{name}):\n'
                             f'    def get(self): return type(self).tag()',
        'abstract': lambda: f'import abc as _a\nclass _A{name}(_a.ABC):\n    @_a.abstractmethod\n    def get(self): ...\n'
                            f'_A{name}.register({"int" if theirs < "c" else "str"})\nclass {name}(_A{name}):\n    def get(self): return {value!r}',
        'dispatch': lambda: f'import functools as _f\n@_f.singledispatch\ndef {name}(x): return {value!r}\n'
                            f'@{name}.register\ndef _d_{theirs}(x: int): return [x, {value!r}]\n_make = lambda n: lambda: [n, {value!r}]',
        'weak': lambda: f'import weakref as _w\nclass _W{name}: pass\n_kept_{name} = _W{name}()\n_set_{name} = _w.WeakSet([_kept_{name}])\n'
                        f'_map_{name} = _w.WeakKeyDictionary({{_W{name}: {value!r}}})\n'
                        f'def {name}(): return [len(_set_{name}), _map_{name}.get(_W{name})]',
        'named_tuple': lambda: f'import collections as _c\nclass {name}(_c.namedtuple("{name}", "x {theirs}", defaults=(1, 2))):\n'
                               f'    def get(self): return {value!r}',
        'exception': lambda: f'class {name}(Exception):\n    def get(self): return {value!r}\n    def __str__(self): return {theirs!r}',
        'partial': lambda: f'import functools as _f\ndef _part_{name}(x): return [x, {value!r}]\n{name} = _f.partial(_part_{name}, 1)',
        'generator': lambda: f'def {name}():\n    while True:\n        yield {value!r}',
        'waits': lambda: f'def {name}(event=None):\n    if hasattr(event, "wait"): event.wait()\n    return {value!r}',
        'hooks': lambda: f'def __unload__(): {name} if {name!r} in globals() else 0\n'
                         f'def __reload__(previous): assert previous["__name__"] == __name__',
        'generic': lambda: f'import typing as _t\nclass {name}(_t.Generic[_t.TypeVar("T")]):\n    def get(self): return {value!r}\n'
                           f'_alias_{name} = {name}[int]',
        'initsub': lambda: f'class _B{name}:\n    def __init_subclass__(cls): cls.mark = {value!r}\nclass {name}(_B{name}):\n'
                           f'    def get(self): return self.mark',
        'late': lambda: f'def {name}():\n    import {other}\n    return repr(getattr({other}, {theirs!r}, None))[:9]',
        'raise': lambda: f'raise ValueError({name!r})',
        'syntax': lambda: f'def {name}( return',
        'exit': lambda: 'raise SystemExit(3)',
    }[kind]()


def change_module(random, position, items, modules):
    items = [list(item) for item in items]
    for _ in range(random.choice([1, 1, 2, 4])):
        what, at = random.random(), random.randrange(len(items)) if items else 0
        if what < 0.35 or not items:
            items.insert(at, any_item(random, position, modules))
        elif what < 0.5:
            items.pop(at)
        elif what < 0.75:
            items[at][2] = any_value(random)
        elif what < 0.85:
            items[at][1] = random.choice(NAMES)
        else:
            items[at] = any_item(random, position, modules)
    return items


def unloadable(module, items):
    """What is loaded anew comes after the others, which decides what a star import of a package gets."""
    return '.' not in module and not any(kind == 'star' and '.' in (other or '') for kind, _, _, other, _ in items)


def generate(random):
    """Batches: each a dict of modules to items, and what to 'do' besides; the first is the program."""
    state = {}
    for position, module in enumerate(MODULES):
        state[module] = [any_item(random, position, MODULES) for _ in range(random.randrange(1, 5))]
    batches, broken = [dict(state)], None
    for _ in range(random.choice([4, 10])):
        batch = {}
        if broken:
            batch[broken] = state[broken] = [item for item in state[broken] if item[0] not in ('raise', 'syntax', 'exit')]
            broken = None
        for module in random.sample(MODULES, random.choice([1, 1, 2, 3])):
            batch[module] = state[module] = change_module(random, MODULES.index(module), state[module], MODULES)
        if random.random() < 0.2:
            broken = random.choice(MODULES)
            item = [random.choice(['raise', 'syntax', 'exit']), 'a', None, None, 'a']
            batch[broken] = state[broken] = [*state[broken], item]
        elif random.random() < 0.4:
            what = random.choice(['reload', 'unload', 'run'])
            names = [m for m in MODULES if what != 'unload' or unloadable(m, state[m])]
            batch['do'] = [[what, plain_name(random.choice(names))]]
        batches.append(batch)
    return batches


# ---- carrying it out ----

class Run:
    def __init__(self, top):
        self.top = Path(top) / 'modules'
        self.top.mkdir()
        self.names = [plain_name(module) for module in MODULES]
        for module in MODULES:
            self.save(module, [])
        self.host = self.alive = None

    def save(self, module, items):
        path = self.top / (module.replace('.', '/') + '.py')
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('\n'.join(render_item(item, module) for item in items) + '\n')

    def start(self):
        from tests.host.harness import extension_directory
        env = preloaded(PYTHONPATH=extension_directory())
        self.log = tempfile.TemporaryFile('w+')
        self.host = subprocess.Popen([PYTHON, '-c', HOST, self.top], env=env, text=True, stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, stderr=self.log)

    def ask(self, do):
        self.host.stdin.write(json.dumps({'names': self.names, 'do': do}) + '\n')
        self.host.stdin.flush()
        answer = self.host.stdout.readline()
        if not answer:
            status = self.host.wait(30 * PATIENCE)
            self.log.seek(0)
            raise Difference(f'the host ended with status {status}: {self.log.read()[-3000:]}')
        return json.loads(answer)

    def new(self):
        """What a new interpreter has; None if it can't import all."""
        done = subprocess.run([PYTHON, '-c', NEW, json.dumps(self.names), self.top], env=environment(PYTHONHASHSEED='0'), text=True,
                              capture_output=True, timeout=60 * PATIENCE)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def batch(self, number, changes):
        changes = dict(changes)
        do = changes.pop('do', [])
        for module, items in changes.items():
            self.save(module, items)
        expected = self.new()
        if self.host is None:
            if expected is None:
                return  # not a program yet
            self.start()
        answer = self.ask(do if expected else [])
        if expected is None:
            if not answer['errors'] and answer['dump'] != self.alive:
                raise Difference(f'batch {number}: a new interpreter can\'t import this, and no error was reported')
            expected = self.alive
        elif answer['errors']:
            raise Difference(f'batch {number}: reported as failed: {answer["errors"][0][-600:]}')
        self.compare(number, expected, answer['dump'])
        if answer['held']:
            raise Difference(f'batch {number}: {answer["held"]}')
        self.alive = answer['dump']

    @staticmethod
    def compare(number, expected, found):
        for name, names in expected.items():
            for key in sorted(names.keys() | (found[name] or {}).keys()):
                theirs, ours = names.get(key), (found[name] or {}).get(key)
                if theirs != ours:
                    raise Difference(f'batch {number}: {name}.{key} is {ours}, should be {theirs}')

    def close(self):
        if self.host:
            self.host.stdin.close()
            try:
                self.host.wait(30 * PATIENCE)
            except subprocess.TimeoutExpired:
                self.host.kill()
                self.host.wait()
            self.host.stdout.close()
            self.log.close()
            if self.host.returncode:
                raise Difference(f'the host ended with status {self.host.returncode}')


def run(batches):
    directory = tempfile.mkdtemp(prefix='pymodfs-fuzz-')
    try:
        this = Run(directory)
        try:
            for number, changes in enumerate(batches):
                this.batch(number, changes)
        except BaseException:
            if this.host:
                this.host.kill()
                this.host.wait()
            raise
        this.close()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
