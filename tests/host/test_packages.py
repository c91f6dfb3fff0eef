"""Packages, their attributes, namespace packages, relative imports."""

import unittest

from tests.host.harness import HostCase


class Packages(HostCase):
    def test_a_submodule_changes(self):
        self.host("""
            write({'pkg.__init__': '', 'pkg.sub': 'X = 1'})
            import pkg.sub
            from pkg import sub
            before = sub
            write('pkg.sub', 'X = 2')
            good('pkg.sub')
            assert pkg.sub is before is sys.modules['pkg.sub']
            eq((sub.X, sub.__package__, sub.__name__), (2, 'pkg', 'pkg.sub'))
        """)

    def test_a_changed_init_keeps_its_submodules(self):
        self.host("""
            write({'pkg.__init__': 'X = 1', 'pkg.sub': 'Y = 1', 'pkg.deep.__init__': '', 'pkg.deep.leaf': ''})
            import pkg.sub, pkg.deep.leaf
            sub, deep, path = pkg.sub, pkg.deep, list(pkg.__path__)
            write('pkg.__init__', 'X = 2')
            good('pkg')
            eq((pkg.X, pkg.__path__, pkg.__package__, pkg.__file__), (2, path, 'pkg', str(here / 'pkg/__init__.py')))
            assert pkg.sub is sub and pkg.deep is deep and pkg.deep.leaf is sys.modules['pkg.deep.leaf']
            eq(pkg.__spec__.submodule_search_locations, path)
            import pkg.sub as again
            assert again is sub
        """)

    def test_an_init_runs_again_for_what_it_re_exports(self):
        self.host("""
            write({'pkg.__init__': 'from .impl import X, f\\nfrom .other import *', 'pkg.impl': 'X = 1\\ndef f(): return 1',
                   'pkg.other': '__all__ = ["Z"]\\nZ = 1', 'user': 'from pkg import X, Z'})
            import pkg, user
            write({'pkg.impl': 'X = 2\\ndef f(): return 2', 'pkg.other': '__all__ = ["Z"]\\nZ = 2'})
            good()
            eq((pkg.X, pkg.f(), pkg.Z, user.X, user.Z), (2, 2, 2, 2, 2))
        """)

    def test_an_init_that_only_names_its_submodules_keeps_them(self):
        self.host("""
            write({'pkg.__init__': 'from . import a, b', 'pkg.a': 'X = 1', 'pkg.b': 'from .a import X'})
            import pkg
            a = pkg.a
            write('pkg.a', 'X = 2')
            good()
            assert pkg.a is a
            eq((pkg.a.X, pkg.b.X), (2, 2))
            write('pkg.__init__', 'from . import a')
            good('pkg')
            assert pkg.a is a and 'pkg.b' in sys.modules
        """)

    def test_relative_imports_of_every_kind(self):
        self.host("""
            write({'pkg.__init__': 'TOP = 1', 'pkg.a': 'X = 1', 'pkg.sub.__init__': 'Y = 1',
                   'pkg.sub.leaf': '''
                        from . import Y
                        from .. import TOP, a
                        from ..a import X
                        from ..sub import Y as Y2
                        from .near import N
                   ''', 'pkg.sub.near': 'N = 1'})
            import pkg.sub.leaf as leaf
            for name, text, get in [('pkg.a', 'X = 2', lambda: (leaf.X, leaf.a.X)),
                                    ('pkg.sub.__init__', 'Y = 2', lambda: (leaf.Y, leaf.Y2)),
                                    ('pkg.__init__', 'TOP = 2', lambda: (leaf.TOP, 2)),
                                    ('pkg.sub.near', 'N = 2', lambda: (leaf.N, 2))]:
                write(name, text)
                good()
                eq(get(), (2, 2))
        """)

    def test_a_new_submodule_becomes_importable(self):
        self.host("""
            write('pkg.__init__', '')
            import pkg
            raises(ImportError, __import__, 'pkg.fresh')
            write('pkg.fresh', 'X = 1')
            poll()
            from pkg import fresh
            eq((fresh.X, pkg.fresh), (1, fresh))
        """)

    def test_a_deleted_submodule_leaves_its_package(self):
        self.host("""
            write({'pkg.__init__': '', 'pkg.sub': 'X = 1', 'pkg.stays': ''})
            import pkg.sub, pkg.stays
            delete('pkg.sub')
            report = good()
            eq(list(report.unloaded), ['pkg.sub'])
            assert not hasattr(pkg, 'sub') and 'pkg.sub' not in sys.modules and pkg.stays
            raises(ImportError, lambda: exec('from pkg import sub'))
            raises(ModuleNotFoundError, __import__, 'pkg.sub')
        """)

    def test_a_deleted_package_takes_its_children_along(self):
        self.host("""
            write({'pkg.__init__': '', 'pkg.a': '', 'pkg.sub.__init__': '', 'pkg.sub.leaf': ''})
            import pkg.a, pkg.sub.leaf
            delete('pkg/')
            report = good()
            eq(sorted(report.unloaded), ['pkg', 'pkg.a', 'pkg.sub', 'pkg.sub.leaf'])
            eq([n for n in sys.modules if n.split('.')[0] == 'pkg'], [])
            raises(ModuleNotFoundError, __import__, 'pkg')
        """)

    def test_a_package_is_renamed(self):
        self.host("""
            write({'old.__init__': 'N = 1', 'old.sub': 'from . import N'})
            import old.sub
            rename('old/', 'new/')
            report = good()
            eq(sorted(report.unloaded), ['old', 'old.sub'])
            raises(ModuleNotFoundError, __import__, 'old')
            import new.sub
            eq((new.sub.N, new.__name__), (1, 'new'))
        """)

    def test_a_module_becomes_a_package_and_back(self):
        self.host("""
            write('m', 'X = 1')
            import m
            delete('m')
            write({'m.__init__': 'X = 2', 'm.sub': 'Y = 2'})
            report = good()
            import m.sub
            eq((sys.modules['m'].X, m.sub.Y, sys.modules['m'].__file__), (2, 2, str(here / 'm/__init__.py')))
            delete('m/')
            write('m', 'X = 3')
            good()
            import m
            eq((sys.modules['m'].X, sys.modules['m'].__file__, 'm.sub' in sys.modules), (3, str(here / 'm.py'), False))
            raises(ImportError, __import__, 'm.sub')
        """)

    def test_a_package_with_a_lazy_getattr(self):
        self.host("""
            write({'pkg.__init__': '''
                def __getattr__(name):
                    import importlib
                    if name == 'lazy':
                        return importlib.import_module('.lazy', __name__)
                    raise AttributeError(name)
            ''', 'pkg.lazy': 'X = 1'})
            import pkg
            eq(pkg.lazy.X, 1)
            write('pkg.lazy', 'X = 2')
            good()
            eq(pkg.lazy.X, 2)
        """)

    def test_a_star_import_gets_the_submodules_that_it_would_get_in_a_new_process(self):
        self.host("""
            write({'pkg.__init__': 'X = 1', 'pkg.early': 'E = 1', 'pkg.same': 'from pkg import *', 'pkg.late': '',
                   'user': 'import pkg.early, pkg.same\\nfrom pkg import *'})
            import user, pkg.late
            def names(module):
                return sorted(n for n in vars(module) if not n.startswith('__'))
            for n, changed in enumerate([['user'], ['pkg.__init__'], ['pkg.early'], ['pkg.same', 'user'], ['pkg.late'],
                                         ['pkg.early', 'pkg.late', 'user'], ['pkg.__init__', 'pkg.same']]):
                write({name: (here / (name.replace('.', '/') + '.py')).read_text() + f'\\n# {n}' for name in changed})
                good()
                eq((names(user), names(pkg.same)), (['X', 'early', 'pkg', 'same'], ['X', 'early']))
                eq((user.early is pkg.early, user.same, pkg.early), (True, sys.modules['pkg.same'], sys.modules['pkg.early']))
                eq(names(pkg), ['X', 'early', 'late', 'same'])
        """)

    def test_a_loaded_submodule_comes_before_the_packages_getattr(self):
        self.host("""
            write({'pkg.__init__': 'asked = []\\ndef __getattr__(name):\\n  asked.append(name)\\n  raise AttributeError(name)',
                   'pkg.sub': 'X = 1', 'user': 'import pkg.sub\\nX = pkg.sub.X'})
            import user
            asked = list(user.pkg.asked)
            for n, name in enumerate(['user', 'pkg.sub', 'pkg.__init__']):
                write(name, (here / (name.replace('.', '/') + '.py')).read_text() + f'\\n# {n}')
                good()
                eq((user.X, 'sub' in user.pkg.asked), (1, False))
        """)

    def test_a_cycle_between_a_package_and_its_submodule(self):
        self.host("""
            write({'pkg.__init__': 'BASE = 1\\nfrom .sub import Y', 'pkg.sub': 'from . import BASE\\nY = BASE * 10'})
            import pkg
            write('pkg.__init__', 'BASE = 2\\nfrom .sub import Y')
            good()
            eq((pkg.BASE, pkg.Y, pkg.sub.Y), (2, 20, 20))
        """)

    def test_a_failed_import_of_a_new_submodule_leaves_no_attribute(self):
        self.host("""
            write({'pkg.__init__': 'X = 1'})
            import pkg
            write({'pkg.__init__': 'X = 2\\nfrom . import fresh', 'pkg.fresh': '1 / 0'})
            bad('fresh.py')
            assert not hasattr(pkg, 'fresh') and 'pkg.fresh' not in sys.modules and pkg.X == 1
            write('pkg.fresh', '')
            good()
            assert pkg.fresh and pkg.X == 2
        """)

    def test_dunder_path_changed_by_the_body_is_the_bodys(self):
        self.host("""
            write({'pkg.__init__': 'X = 1', 'parts/extra.py': 'Y = 1'})
            import pkg
            write('pkg.__init__', 'import os\\n__path__.append(os.path.join(os.path.dirname(__path__[0]), "parts"))')
            good('pkg')
            import pkg.extra
            eq((pkg.extra.Y, len(pkg.__path__)), (1, 2))
            write('pkg.__init__', 'X = 3')
            good('pkg')
            eq(len(pkg.__path__), 1)
        """)

    def test_package_data_is_no_module(self):
        self.host("""
            write({'pkg.__init__': 'import sys; sys.ran = getattr(sys, "ran", 0) + 1', 'pkg/data.txt': 'one'})
            import importlib.resources, pkg
            write('pkg/data.txt', 'two')
            report = good()
            eq((sys.ran, list(report.reloaded)), (1, []))
            eq((importlib.resources.files('pkg') / 'data.txt').read_text(), 'two')
        """)

    def test_pkgutil_and_importlib_see_the_present_state(self):
        self.host("""
            import importlib.util, pkgutil
            write({'pkg.__init__': '', 'pkg.a': '', 'pkg.b': ''})
            import pkg.a
            delete('pkg.b')
            write('pkg.c', '')
            good()
            eq([info.name for info in pkgutil.iter_modules(pkg.__path__)], ['a', 'c'])
            eq((importlib.util.find_spec('pkg.b'), importlib.util.find_spec('pkg.c').name), (None, 'pkg.c'))
        """)

    def test_a_class_hierarchy_over_a_package(self):
        self.host("""
            write({'game.__init__': 'from .units import Orc', 'game.base': '''
                class Unit:
                    def power(self): return 1
            ''', 'game.units': '''
                from .base import Unit
                class Orc(Unit):
                    def power(self): return super().power() * 10
            '''})
            import game
            orc = game.Orc()
            write('game.base', '''
                class Unit:
                    def power(self): return 2
            ''')
            good('game.base', 'game.units', 'game')
            eq((orc.power(), game.Orc().power(), type(orc) is game.Orc is sys.modules['game.units'].Orc), (20, 20, True))
        """)


class Namespaces(HostCase):
    """Packages without an __init__."""

    def test_a_module_of_a_namespace_package_changes(self):
        self.host("""
            write('space.m', 'X = 1')
            import space.m
            write('space.m', 'X = 2')
            good('space.m')
            eq((space.m.X, space.__file__ if hasattr(space, '__file__') else None), (2, None))
        """)

    def test_a_module_of_a_namespace_package_appears_and_goes(self):
        self.host("""
            write('space.a', 'X = 1')
            import space.a
            write('space.b', 'Y = 1')
            good()
            import space.b
            delete('space.a')
            report = good()
            eq((list(report.unloaded), hasattr(space, 'a'), space.b.Y), (['space.a'], False, 1))
            raises(ModuleNotFoundError, __import__, 'space.a')
        """)

    def test_a_namespace_package_of_two_watched_directories(self):
        self.host("""
            import tempfile, shutil
            second = tempfile.mkdtemp()
            try:
                write('space.a', 'X = 1')
                Path(second, 'space').mkdir()
                Path(second, 'space/b.py').write_text('from .a import X')
                sys.path.append(second)
                pymodhost.watch([second])
                import space.a, space.b
                write('space.a', 'X = 2')
                good('space.a', 'space.b')
                eq(space.b.X, 2)
            finally:
                shutil.rmtree(second)
        """)

    def test_relative_imports_in_a_namespace_package(self):
        self.host("""
            write({'space.a': 'X = 1', 'space.b': 'from .a import X\\nfrom . import a'})
            import space.b
            write('space.a', 'X = 2')
            good('space.a', 'space.b')
            eq((space.b.X, space.b.a.X), (2, 2))
        """)

    def test_a_namespace_package_gets_an_init(self):
        self.host("""
            write('space.a', 'X = 1')
            import space.a
            write('space.__init__', 'Y = 2')
            good()
            import space, space.a
            eq((space.a.X, getattr(sys.modules['space'], 'Y', None)), (1, 2))
        """)


if __name__ == '__main__':
    unittest.main()
