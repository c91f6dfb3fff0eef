"""Python's own tools do on a mount what they do in a local directory: what they print there is compared.

Each test makes the same tree in a local directory and in a mount, does the same in both, and compares all that is printed, with the
directory's name taken out.
"""

import base64
import hashlib
import io
import re
import shutil
import unittest
import zipfile

from tests.support import PYTHON, TestCase, environment, run

NAME, VERSION = 'parcel', '1.2'
FILES = {
    'parcel/__init__.py': 'from ._native import answer\nVALUE = 42\n',
    'parcel/__main__.py': 'from parcel.tool import main\nmain()\n',
    'parcel/tool.py': 'import parcel\n\n\ndef main():\n    print("tool", parcel.VALUE, parcel.answer())\n',
    'parcel/data/words.txt': 'one\ntwo\n',
    'parcel/data/deep/more.bin': bytes(range(256)),
    'parcel/py.typed': '',
}
EXTENSION = """
#include <Python.h>
static PyObject *answer(PyObject *self, PyObject *args) { return PyLong_FromLong(4711); }
static PyMethodDef methods[] = {{"answer", answer, METH_NOARGS, NULL}, {NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_native", NULL, -1, methods};
PyMODINIT_FUNC PyInit__native(void) { return PyModule_Create(&module); }
"""
USE = """
import importlib.metadata as metadata, importlib.resources as resources, sys
import parcel, parcel._native
print(parcel.VALUE, parcel.answer(), parcel.__file__, parcel._native.__file__)
print(resources.files('parcel').joinpath('data/words.txt').read_text())
print(resources.files('parcel').joinpath('data/deep/more.bin').read_bytes() == bytes(range(256)))
print(sorted(p.name for p in resources.files('parcel').joinpath('data').iterdir()))
with resources.as_file(resources.files('parcel') / 'py.typed') as path:
    print(path)
print(metadata.version('parcel'), metadata.metadata('parcel')['Summary'])
print(sorted((str(f), f.size, f.locate().exists()) for f in metadata.files('parcel') if 'pyc' not in str(f)))
print([(e.name, e.load().__module__) for e in metadata.entry_points(group='console_scripts') if e.name == 'parcel-tool'])
"""


def compiled_extension(directory):
    """A small extension module, as bytes, and its file name."""
    source = directory / '_native.c'
    source.write_text(EXTENSION)
    target = directory / '_native.so'
    include = run(PYTHON, '-c', 'import sysconfig; print(sysconfig.get_path("include"))').stdout.strip()
    suffix = run(PYTHON, '-c', 'import sysconfig; print(sysconfig.get_config_var("EXT_SUFFIX"))').stdout.strip()
    run('gcc', '-shared', '-fPIC', f'-I{include}', '-o', target, source, timeout=120)
    return f'_native{suffix}', target.read_bytes()


def build_wheel(directory):
    """A wheel with a compiled extension, package data and a console script, made without any tool for it."""
    name, extension = compiled_extension(directory)
    info = f'{NAME}-{VERSION}.dist-info'
    files = {path: text.encode() if isinstance(text, str) else text for path, text in FILES.items()}
    files |= {
        f'parcel/{name}': extension,
        f'{info}/METADATA': f'Metadata-Version: 2.1\nName: {NAME}\nVersion: {VERSION}\nSummary: A parcel\n'.encode(),
        f'{info}/WHEEL': b'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: false\nTag: py3-none-any\n',
        f'{info}/entry_points.txt': b'[console_scripts]\nparcel-tool = parcel.tool:main\n',
    }
    record = io.StringIO()
    for path, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b'=').decode()
        record.write(f'{path},sha256={digest},{len(content)}\n')
    record.write(f'{info}/RECORD,,\n')
    wheel = directory / f'{NAME}-{VERSION}-py3-none-any.whl'
    with zipfile.ZipFile(wheel, 'w') as archive:
        for path, content in {**files, f'{info}/RECORD': record.getvalue().encode()}.items():
            archive.writestr(path, content)
    return wheel


class SameCase(TestCase):
    def setUp(self):
        super().setUp()
        self.mnt = self.mount()
        self.local = self.dir / 'loc'  # as long a name as the mount's: columns of tables depend on it
        self.local.mkdir()

    def output(self, top, *args, input=None):
        """What `python3 ARGS` says in a directory that is on its path; TOP stands for the directory."""
        result = run(PYTHON, *args, check=False, cwd=top, input=input, timeout=120, env=environment(PYTHONPATH=top))
        return re.sub(r'\d+\.\d+s', 'TIME', f'{result.returncode}\n{result.stdout}\n{result.stderr}'.replace(str(top), 'TOP'))

    def same(self, *args, input=None):
        """The tool says the same in both; returns what."""
        local, mounted = (self.output(top, *args, input=input) for top in (self.local, self.mnt.path))
        self.assertEqual(mounted, local)
        return mounted

    def fill(self, files):
        for top in (self.local, self.mnt.path):
            for name, text in files.items():
                path = top / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)


class PipTest(SameCase):
    def test_a_wheel_with_data_a_script_and_an_extension_is_installed_and_used(self):
        wheel = build_wheel(self.dir)
        for top in (self.local, self.mnt.path):
            run(PYTHON, '-m', 'pip', 'install', '--no-index', '--no-deps', '--target', top, '--root-user-action=ignore', wheel, timeout=120)
        said = self.same('-c', USE)
        self.assertIn('42 4711 TOP/parcel/__init__.py', said)
        self.assertIn("('parcel-tool', 'parcel.tool')", said)
        self.assertIn('tool 42 4711', self.same('-m', 'parcel'))
        self.assertIn('tool 42 4711', self.same('bin/parcel-tool'))
        self.assertEqual(run(self.mnt.path / 'bin/parcel-tool', env=environment(PYTHONPATH=self.mnt.path)).stdout, 'tool 42 4711\n')
        self.assertEqual(set(self.mnt.database.rows()), {'parcel.__init__', 'parcel.__main__', 'parcel.tool'})
        self.mnt.umount()
        self.mnt.mount()
        self.assertEqual(self.same('-c', USE), said)
        self.assertIn('tool 42 4711', self.same('bin/parcel-tool'))
        self.assertIn('parcel', self.same('-m', 'pip', 'list', '--path', '.', '--disable-pip-version-check'))

    def test_it_is_upgraded_in_place(self):
        wheel = build_wheel(self.dir)
        for _ in range(2):
            run(PYTHON, '-m', 'pip', 'install', '--no-index', '--no-deps', '--upgrade', '--target', self.mnt.path, '--root-user-action=ignore',
                wheel, timeout=120)
        self.assertIn('42 4711', self.output(self.mnt.path, '-c', USE))


class ToolTest(SameCase):
    def test_compileall_compiles_all_and_tells_errors(self):
        self.fill({'a.py': 'V = 1\n', 'pkg/__init__.py': '', 'pkg/b.py': 'W = 2\n', 'pkg/broken.py': 'def f(:\n'})
        self.assertIn('SyntaxError', self.same('-m', 'compileall', '.'))
        self.assertEqual(self.same('-m', 'compileall', '-q', 'a.py'), '0\n\n')
        self.same('-m', 'compileall', '-f', '-o', '0', '-o', '2', '--invalidation-mode', 'checked-hash', 'pkg/b.py')
        self.assertEqual(sorted(path.name for path in (self.mnt.path / 'pkg/__pycache__').iterdir()),
                         sorted(path.name for path in (self.local / 'pkg/__pycache__').iterdir()))

    def test_unittest_discovers_tests(self):
        self.fill({'code.py': 'def twice(x):\n    return 2 * x\n', 'tests/__init__.py': '',
                   'tests/test_code.py': 'import unittest, code\n\n\nclass CodeTest(unittest.TestCase):\n'
                                         '    def test_good(self):\n        self.assertEqual(2, 2)\n\n'
                                         '    def test_bad(self):\n        self.assertEqual(2, 3)\n'})
        self.assertIn('FAILED (failures=1)', self.same('-m', 'unittest', 'discover', '-v'))

    def test_pdb_stops_at_breakpoints_and_shows_sources(self):
        self.fill({'prog.py': 'import part\n\nresult = part.work(3)\nprint(result)\n',
                   'part.py': 'def work(n):\n    total = 0\n    for i in range(n):\n        total += i\n    return total\n'})
        said = self.same('-m', 'pdb', 'prog.py', input='b part.py:4\nc\nw\np total\nl\ncl 1\nc\nq\n')
        self.assertIn('-> total += i', said)

    def test_inspect_and_tracebacks_show_sources_as_they_are_now(self):
        self.fill({'shown.py': 'def f():\n    """Says."""\n    return 1 / 0\n\n\nclass C:\n    def m(self):\n        return f()\n'})
        self.same('-c', 'import inspect, shown; print(inspect.getsource(shown.C), inspect.getsource(shown.f), inspect.getsourcefile(shown))')
        self.assertIn('return 1 / 0', self.same('-c', 'import shown; shown.C().m()'))
        for top in (self.local, self.mnt.path):
            (top / 'shown.py').write_text('\n\ndef f():\n    raise ValueError("new")\n\n\nclass C:\n    m = staticmethod(f)\n')
        self.assertIn('line 4, in f', self.same('-c', 'import shown; shown.C().m()'))
        self.same('-c', 'import linecache; print(linecache.getline("shown.py", 4))')
        self.same('-m', 'trace', '--count', '--summary', '-C', str(self.dir / 'trace'), 'shown.py')
        self.same('-m', 'tabnanny', '-v', 'shown.py')
        self.same('-m', 'py_compile', 'shown.py')
        self.same('-m', 'pydoc', 'shown')

    def test_packages_are_walked(self):
        self.fill({'a.py': '', 'p/__init__.py': '', 'p/q/__init__.py': '', 'p/q/r.py': '', 'n/m.py': '', 'p/data.txt': 'x'})
        said = self.same('-c', 'import pkgutil; print([(m.name, m.ispkg) for m in pkgutil.walk_packages(["."])]); '
                               'print(pkgutil.get_data("p", "data.txt")); import n.m; print(n.__path__)')
        self.assertIn("('p.q.r', False)", said)
        self.same('-c', 'import zipimport, modulefinder; f = modulefinder.ModuleFinder(["."]); f.run_script("a.py"); print(sorted(f.modules))')

    def test_an_archive_is_made_of_a_mounted_program_and_run_from_the_mount(self):
        self.fill({'app/__main__.py': 'import helper; print(helper.V)\n', 'app/helper.py': 'V = 5\n'})
        for top in (self.local, self.mnt.path):
            run(PYTHON, '-m', 'zipapp', 'app', '-o', 'app.pyz', cwd=top)
            shutil.make_archive(str(top / 'whole'), 'gztar', top / 'app')
        self.assertIn('5\n', self.same('app.pyz'))
        self.same('-m', 'tarfile', '-l', 'whole.tar.gz')

    def test_a_virtual_environment_in_the_mount_works(self):
        run(PYTHON, '-m', 'venv', '--without-pip', self.mnt.path / 'env', timeout=120)
        (self.mnt.path / 'env/lib/python3.11/site-packages/inside.py').write_text('V = "inside"\n')
        said = run(self.mnt.path / 'env/bin/python', '-c', 'import inside, sys; print(inside.V, sys.prefix)').stdout
        self.assertEqual(said, f'inside {self.mnt.path}/env\n')


if __name__ == '__main__':
    unittest.main()
