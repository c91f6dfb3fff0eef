"""Modules appear, are deleted, renamed and come back; unloading leaves nothing behind."""

import unittest

from tests.host.harness import HostCase


class Deleted(HostCase):
    def test_a_deleted_module_leaves_sys_modules(self):
        self.host("""
            write('m', 'X = 1')
            import m
            delete('m')
            report = good()
            eq((list(report.unloaded), list(report.reloaded)), (['m'], []))
            assert 'm' not in sys.modules
            raises(ModuleNotFoundError, __import__, 'm')
        """)

    def test_a_held_function_of_a_deleted_module_still_runs(self):
        self.host("""
            write('m', '''
                import os
                X = 5
                def helper(): return X
                def f(): return helper(), os.sep
                class C:
                    def g(self): return f()
            ''')
            import m
            from m import f, C
            c = C()
            del m
            delete('m')
            good()
            collect()
            eq((f(), c.g(), C().g()), ((5, '/'),) * 3)
        """)

    def test_a_held_module_object_keeps_its_names(self):
        self.host("""
            write('m', 'X = 1\\ndef f(): return X')
            import m
            delete('m')
            good()
            eq((m.X, m.f()), (1, 1))
        """)

    def test_a_function_level_import_of_a_deleted_module_fails_from_then_on(self):
        self.host("""
            write({'a': 'X = 1', 'b': 'def f():\\n    import a\\n    return a.X'})
            import a, b
            eq(b.f(), 1)
            delete('a')
            good()
            raises(ModuleNotFoundError, b.f)
        """)

    def test_a_deletion_is_reported_once(self):
        self.host("""
            write('m', 'X = 1')
            import m
            delete('m')
            good()
            report = good()
            eq((list(report.unloaded), list(report.changed)), ([], []))
        """)

    def test_deleting_a_module_that_was_never_loaded_is_nothing(self):
        self.host("""
            write({'m': 'X = 1', 'other': ''})
            import other
            delete('m')
            report = good()
            eq(list(report.unloaded), [])
        """)

    def test_a_module_of_that_name_elsewhere_on_the_path_comes_into_view(self):
        self.host("""
            import tempfile, shutil
            elsewhere = tempfile.mkdtemp()
            try:
                Path(elsewhere, 'm.py').write_text('X = "elsewhere"')
                sys.path.append(elsewhere)
                write('m', 'X = "here"')
                import m
                delete('m')
                good()
                import m
                eq(m.X, 'elsewhere')
            finally:
                shutil.rmtree(elsewhere)
        """)

    def test_importer_caches_forget_a_deleted_package(self):
        self.host("""
            write({'pkg.__init__': '', 'pkg.m': ''})
            import pkg.m
            delete('pkg/')
            good()
            eq([path for path in sys.path_importer_cache if str(path).startswith(str(here / 'pkg'))], [])
        """)

    def test_everything_deleted_at_once(self):
        self.host("""
            write({f'm{i}': f'X = {i}' for i in range(10)})
            for i in range(10):
                __import__(f'm{i}')
            delete(*(f'm{i}' for i in range(10)))
            report = good()
            eq(sorted(report.unloaded), [f'm{i}' for i in range(10)])
        """)

    def test_a_dependent_that_no_longer_needs_the_deleted_module(self):
        self.host("""
            write({'a': 'X = 1', 'b': 'from a import X'})
            import a, b
            delete('a')
            write('b', 'X = 2')
            report = good('b')
            eq((list(report.unloaded), b.X), (['a'], 2))
        """)


class Appearing(HostCase):
    def test_a_new_module_is_importable_at_once_after_a_failed_import(self):
        self.host("""
            write('other', '')
            import other
            for i in range(20):
                raises(ModuleNotFoundError, __import__, f'm{i}')
                write(f'm{i}', f'X = {i}')
                good()
                eq(__import__(f'm{i}').X, i)
        """)

    def test_a_new_package_in_a_new_directory_is_importable(self):
        self.host("""
            raises(ModuleNotFoundError, __import__, 'pkg.sub.leaf')
            write({'pkg.__init__': '', 'pkg.sub.__init__': '', 'pkg.sub.leaf': 'X = 1'})
            good()
            import pkg.sub.leaf
            eq(pkg.sub.leaf.X, 1)
        """)

    def test_a_directory_that_was_missing_when_watching_began(self):
        self.host("""
            import tempfile, shutil
            base = tempfile.mkdtemp()
            late = Path(base, 'late')
            try:
                late.mkdir()
                pymodhost.watch([str(late)])
                if str(late) not in sys.path:
                    sys.path.append(str(late))
                shutil.rmtree(late)
                raises(ModuleNotFoundError, __import__, 'tardy')
                poll()
                late.mkdir()
                (late / 'tardy.py').write_text('X = 1')
                good()
                import tardy
                (late / 'tardy.py').write_text('X = 22')
                good('tardy')
                eq(tardy.X, 22)
            finally:
                shutil.rmtree(base)
        """)

    def test_a_changed_module_may_import_a_module_that_appears_in_the_same_batch(self):
        self.host("""
            write('m', 'X = 1')
            import m
            write({'m': 'from fresh import X', 'fresh': 'X = 2'})
            good()
            eq((m.X, sys.modules['fresh'].X), (2, 2))
            write('fresh', 'X = 3')
            good('fresh', 'm')
            eq(m.X, 3)
        """)

    def test_a_module_that_first_failed_for_a_missing_one_works_when_it_appears(self):
        self.host("""
            write('m', 'X = 1')
            import m
            write('m', 'from fresh import X')
            bad('fresh')
            write('fresh', 'X = 2')
            good()
            eq(m.X, 2)
        """)

    def test_a_deleted_module_comes_back(self):
        self.host("""
            write('m', 'X = 1')
            import m
            held = m
            delete('m')
            good()
            write('m', 'X = 2')
            good()
            import m
            eq((m.X, held.X), (2, 1))
            write('m', 'X = 3')
            good('m')
            eq(m.X, 3)
        """)

    def test_a_module_deleted_and_made_again_between_two_polls_is_a_change(self):
        self.host("""
            write('m', 'X = 1\\ndef f(): return 1')
            from m import f
            import m
            delete('m')
            write('m', 'X = 2\\ndef f(): return 2')
            good('m')
            eq((sys.modules['m'] is m, m.X, f()), (True, 2, 2))
        """)

    def test_a_module_made_and_deleted_between_two_polls_is_nothing(self):
        self.host("""
            write('other', '')
            import other
            write('m', 'X = 1')
            delete('m')
            report = good()
            eq((list(report.reloaded), list(report.unloaded)), ([], []))
            raises(ModuleNotFoundError, __import__, 'm')
        """)


class Renamed(HostCase):
    def test_a_rename_is_a_deletion_and_a_creation(self):
        self.host("""
            write('old', 'X = 1\\ndef f(): return X')
            import old
            f = old.f
            rename('old', 'new')
            report = good()
            eq((list(report.unloaded), 'old' in sys.modules, f()), (['old'], False, 1))
            raises(ModuleNotFoundError, __import__, 'old')
            import new
            eq((new.X, new.__name__, new.__file__), (1, 'new', str(here / 'new.py')))
        """)

    def test_a_rename_with_its_users_in_one_batch(self):
        self.host("""
            write({'old': 'X = 1', 'user': 'from old import X'})
            import user
            rename('old', 'new')
            write('user', 'from new import X\\nY = X')
            good()
            eq((user.Y, 'old' in sys.modules, 'new' in sys.modules), (1, False, True))
        """)

    def test_two_modules_exchange_their_names(self):
        self.host("""
            write({'a': 'X = "a"', 'b': 'X = "b"'})
            import a, b
            rename('a', 'c')
            rename('b', 'a')
            rename('c', 'b')
            good()
            eq((a.X, b.X, sys.modules['a'] is a, sys.modules['b'] is b), ('b', 'a', True, True))
        """)

    def test_a_rename_over_a_loaded_module_changes_it(self):
        self.host("""
            write({'a': 'X = "a"', 'b': 'X = "b"'})
            import a, b
            delete('a')
            rename('b', 'a')
            good()
            eq((a.X, 'b' in sys.modules), ('b', False))
        """)

    def test_a_module_moves_into_a_package(self):
        self.host("""
            write({'m': 'X = 1', 'pkg.__init__': ''})
            import m, pkg
            rename('m', 'pkg.m')
            good()
            import pkg.m
            eq(('m' in sys.modules, pkg.m.X, pkg.m.__package__), (False, 1, 'pkg'))
        """)


class Unloaded(HostCase):
    """Unloading leaves nothing behind."""

    def test_functions_classes_and_values_are_freed(self):
        self.host("""
            import weakref
            write('m', '''
                class Token: pass
                token = Token()
                def f(): return token
                class C:
                    def g(self): return super().__init__()
                registry = {'f': f, 'C': C}
            ''')
            import m
            refs = [weakref.ref(x) for x in (m, m.token, m.f, m.C, m.Token)]
            del m
            delete('m')
            good()
            collect()
            eq([ref() for ref in refs], [None] * 5)
        """)

    def test_loading_and_unloading_leaves_sys_modules_as_before(self):
        self.host("""
            def state():
                return ([name for name in sys.modules if name.startswith('pkg')],
                        [path for path in sys.path_importer_cache if path.startswith(str(here / 'pkg'))], sys.meta_path[:], sys.path[:])
            before = state()
            for i in range(3):
                write({'pkg.__init__': 'from . import m', 'pkg.m': f'X = {i}'})
                good()
                report = pymodhost.load('pkg')
                assert not report.errors, errors(report)
                report = pymodhost.unload('pkg')
                eq(sorted(report.unloaded), ['pkg', 'pkg.m'])
            delete('pkg/')
            good()
            eq(state(), before)
        """)

    def test_an_unloaded_module_leaves_linecache(self):
        self.host("""
            import linecache
            write('m', 'X = 1')
            import m
            assert linecache.getline(m.__file__, 1)
            file = m.__file__
            delete('m')
            good()
            eq(linecache.getlines(file), [])
        """)


if __name__ == '__main__':
    unittest.main()
