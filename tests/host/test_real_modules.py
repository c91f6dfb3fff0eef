"""Real code: a module takes on the source of one standard module after the other, and each time is what a fresh import is."""

import unittest

from tests.host.harness import HostCase

SCRIPT = '''
import sysconfig, types, warnings
warnings.simplefilter('ignore')

# Left out: what prints or starts something at its import (this, antigravity, site), needs what may not be there (turtle), or
# changes other modules, so that its second run is not like its first (ast, _distutils_system_mod, rlcompleter).
LEFT_OUT = {'this', 'antigravity', '__hello__', 'site', 'sitecustomize', 'turtle', 'ast', '_distutils_system_mod', 'rlcompleter'}
# The address sanitizer takes crypt() over, and does not find the real one in a library that is loaded later.
if 'libasan' in Path('/proc/self/maps').read_text():
    LEFT_OUT.add('crypt')
LIBRARY = Path(sysconfig.get_path('stdlib'))
NAMES = sorted(path.stem for path in LIBRARY.glob('*.py') if path.stem not in LEFT_OUT and not path.stem.startswith('_sysconfig'))
PLAIN = (int, float, complex, str, bytes, bool, type(None), type(...))

def code_shape(code):
    return (code.co_name, code.co_code, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars, code.co_flags,
            [code_shape(c) if isinstance(c, types.CodeType) else type(c).__name__ for c in code.co_consts])

def shape(value, seen, depth=0):
    """What two loads of one source must have in common; names of the module itself are left out of it."""
    kind = type(value)
    if isinstance(value, PLAIN) and kind in PLAIN:
        return value if kind is not str or value not in seen['names'] else 'MODULE'
    if id(value) in seen or depth > 6:
        return kind.__qualname__
    seen[id(value)] = value
    if isinstance(value, types.FunctionType):
        own = value.__module__ in seen['names']
        return ('function', value.__qualname__, code_shape(value.__code__) if own else None, sorted(vars(value)),
                shape(value.__defaults__, seen, depth + 1), shape(value.__kwdefaults__, seen, depth + 1),
                len(value.__closure__ or ()), shape(getattr(value, '__annotations__', None), seen, depth + 1))
    if isinstance(value, type):
        if value.__module__ not in seen['names']:
            return 'class', value.__module__, value.__qualname__
        return ('class', value.__qualname__, [c.__qualname__ for c in value.__mro__], type(value).__qualname__, value.__basicsize__,
                value.__flags__ & ~((1 << 19) | (1 << 20) | (1 << 12)),
                {name: shape(item, seen, depth + 1) for name, item in sorted(vars(value).items())
                 if name not in ('__weakref__', '__dict__', '__doc__', '_abc_impl', '__subclasshook__')})
    if kind in (tuple, list):
        return kind.__name__, [shape(item, seen, depth + 1) for item in value[:50]]
    if kind is dict:
        return 'dict', len(value), [shape(item, seen, depth + 1) for item in list(value.values())[:50]]
    if isinstance(value, (staticmethod, classmethod)):
        return kind.__name__, shape(value.__func__, seen, depth + 1)
    if isinstance(value, property):
        return 'property', [shape(f, seen, depth + 1) for f in (value.fget, value.fset, value.fdel)]
    return kind.__qualname__

def module_shape(module, name):
    seen = {'names': {name}}
    skipped = {'__file__', '__spec__', '__loader__', '__cached__', '__builtins__', '__name__', '__doc__', '__annotations__',
               '__warningregistry__'}
    return {name: shape(value, seen) for name, value in sorted(vars(module).items()) if name not in skipped}

def first_difference(a, b, where):
    if type(a) is type(b) and isinstance(a, dict):
        for key in sorted(a.keys() | b.keys(), key=str):
            if key not in a or key not in b:
                return f'{where}.{key} is only in the {"reloaded" if key in a else "fresh"} one'
            if a[key] != b[key]:
                return first_difference(a[key], b[key], f'{where}.{key}')
    if type(a) is type(b) and isinstance(a, (tuple, list)) and len(a) == len(b):
        for i, (x, y) in enumerate(zip(a, b)):
            if x != y:
                return first_difference(x, y, f'{where}[{i}]')
    return f'{where}: reloaded {str(a)[:300]}, fresh {str(b)[:300]}'

def kept(module):
    return {name: value for name, value in vars(module).items()
            if isinstance(value, (type, types.FunctionType)) and value.__module__ == 'm' and value.__name__ == name}

write('m', '')
import m
problems = []
for number, name in enumerate(NAMES):
    source = (LIBRARY / (name + '.py')).read_bytes()
    write({'m': source, f'fresh{number}': source})
    report = poll()
    try:
        fresh = __import__(f'fresh{number}')
    except BaseException as error:
        if not report.errors:
            problems.append(f'{name}: a fresh import raises {error!r}, the reload does not')
        continue
    if report.errors:
        problems.append(f'{name}: ' + errors(report))
        continue
    found, expected = module_shape(m, 'm'), module_shape(fresh, f'fresh{number}')
    if found != expected:
        problems.append(first_difference(found, expected, name))
    before = kept(m)
    write('m', source + b'\\n# edited\\n')
    report = poll()
    if report.errors:
        problems.append(f'{name}, edited: ' + errors(report))
        continue
    changed = [n for n, value in before.items() if vars(m).get(n) is not value]
    if changed:
        problems.append(f'{name}: not the same objects after an edit: {changed}')
    found = module_shape(m, 'm')
    if found != expected:
        problems.append('edited: ' + first_difference(found, expected, name))
    # typing makes classes look like submodules.
    for child in [n for n in sys.modules if n.startswith(('m.', 'fresh'))]:
        del sys.modules[child]
assert len(NAMES) > 120, NAMES
assert not problems, f'{len(problems)} of {len(NAMES)} modules:\\n' + '\\n'.join(problems)
'''


class Real(HostCase):
    sparse = True

    def test_a_module_is_after_a_reload_what_a_fresh_import_is(self):
        self.host(SCRIPT, deadline=120)


if __name__ == '__main__':
    unittest.main()
