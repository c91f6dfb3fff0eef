"""A module whose body used a changed module runs again: after it, once, in the right order; others don't."""

import unittest

from tests.host.harness import HostCase


class Used(HostCase):
    """What counts as use of another module by a body."""

    def follows(self, first, second, dependent, check_first, check_second, more=''):
        """Module `a` changes from first to second; `b` uses it; the checks are expressions over a and b."""
        self.host(f"""
            write({{'a': {first!r}, 'b': {dependent!r}, **{dict(more or {})!r}}})
            import a, b
            assert {check_first}, vars(b)
            write('a', {second!r})
            good('a', 'b')
            assert {check_second}, vars(b)
        """)

    def test_a_constant_imported_by_name(self):
        self.follows('X = 1', 'X = 2', 'from a import X', 'b.X == 1', 'b.X == 2')

    def test_a_constant_imported_under_another_name(self):
        self.follows('X = 1', 'X = 2', 'from a import X as Y', 'b.Y == 1', 'b.Y == 2')

    def test_a_star_import(self):
        self.follows('X = 1\nZ = 1', 'X = 2\nY = 3', 'from a import *', 'b.X == 1 and b.Z == 1',
                     'b.X == 2 and b.Y == 3 and not hasattr(b, "Z")')

    def test_a_derived_constant(self):
        self.follows('X = 1', 'X = 2', 'import a\nY = a.X * 10', 'b.Y == 10', 'b.Y == 20')

    def test_a_derived_constant_through_an_alias_and_a_function(self):
        self.follows('def area(): return 1', 'def area(): return 2', 'import a as geometry\nY = geometry.area() + 1',
                     'b.Y == 2', 'b.Y == 3')

    def test_a_base_class(self):
        self.follows('class A: X = 1', 'class A: X = 2', 'import a\nclass B(a.A): Y = a.A.X', 'b.B.Y == 1', 'b.B.Y == b.B.X == 2')

    def test_a_decorator(self):
        self.follows('def d(f): return lambda: ("one", f())', 'def d(f): return lambda: ("two", f())',
                     'from a import d\n@d\ndef f(): return 0', 'b.f() == ("one", 0)', 'b.f() == ("two", 0)')

    def test_a_default_argument(self):
        self.follows('N = 1', 'N = 2', 'import a\ndef f(n=a.N): return n', 'b.f() == 1', 'b.f() == 2')

    def test_a_class_attribute(self):
        self.follows('N = 1', 'N = 2', 'import a\nclass B:\n    limit = a.N', 'b.B.limit == 1', 'b.B.limit == 2')

    def test_an_import_in_a_try_statement(self):
        self.follows('X = 1', 'X = 2', 'try:\n    from a import X\nexcept ImportError:\n    X = None', 'b.X == 1', 'b.X == 2')

    def test_importlib_and_dunder_import(self):
        self.follows('X = 1', 'X = 2', 'import importlib\nX = importlib.import_module("a").X', 'b.X == 1', 'b.X == 2')
        self.follows('X = 1', 'X = 2', 'X = __import__("a").X', 'b.X == 1', 'b.X == 2')

    def test_an_import_by_a_function_that_the_body_calls(self):
        self.follows('X = 1', 'X = 2', 'def get():\n    from a import X\n    return X\nX = get()', 'b.X == 1', 'b.X == 2')

    def test_getattr_and_sys_modules(self):
        self.follows('X = 1', 'X = 2', 'import a, sys\nX = getattr(a, "X")', 'b.X == 1', 'b.X == 2')

    def test_a_name_that_appears_only_now(self):
        self.follows('', 'X = 2', 'try:\n    from a import X\nexcept ImportError:\n    X = None', 'b.X is None', 'b.X == 2')

    def test_an_import_by_exec(self):
        self.follows('X = 1', 'X = 2', 'exec("from a import X")', 'b.X == 1', 'b.X == 2')

    def test_a_dependent_that_a_pyc_free_fresh_import_made_later(self):
        self.host("""
            write('a', 'X = 1')
            import a
            write('a', 'X = 2')
            good('a')
            write('b', 'from a import X')
            import b
            write('a', 'X = 3')
            good('a', 'b')
            eq(b.X, 3)
        """)

    def test_modules_imported_before_watching_began_are_dependents_too(self):
        self.host("""
            import tempfile, shutil
            late = tempfile.mkdtemp()
            try:
                Path(late, 'late_a.py').write_text('X = 1')
                Path(late, 'late_b.py').write_text('from late_a import X')
                sys.path.insert(0, late)
                import late_a, late_b
                pymodhost.watch([late])
                Path(late, 'late_a.py').write_text('X = 22')
                good('late_a', 'late_b')
                eq(late_b.X, 22)
            finally:
                shutil.rmtree(late)
        """)


# At the end of a body: a module is done before the one that imports it.
COUNT = '\nimport sys; sys.ran.append(__name__)'


class Order(HostCase):
    """Each once, dependencies first, unrelated ones not at all."""

    def ordered(self, files, edit, expected):
        """`expected` is the order of the bodies that run; a list of orders where several are right."""
        orders = expected if isinstance(expected[0], list) else [expected]
        self.host(f"""
            COUNT = {COUNT!r}
            sys.ran = []
            write({{name: text + COUNT for name, text in {files!r}.items()}})
            for name in {list(files)!r}:
                __import__(name)
            del sys.ran[:]
            write({{name: text + COUNT for name, text in {edit!r}.items()}})
            good()
            assert sys.ran in {orders!r}, sys.ran
        """)

    def test_a_chain_runs_in_order(self):
        self.ordered({'a': 'X = 1', 'b': 'from a import X', 'c': 'from b import X', 'd': 'from c import X'},
                     {'a': 'X = 2'}, ['a', 'b', 'c', 'd'])

    def test_a_diamond_runs_its_tip_once(self):
        self.ordered({'a': 'X = 1', 'b': 'from a import X', 'c': 'from a import X', 'd': 'from b import X\nfrom c import X'},
                     {'a': 'X = 2'}, [['a', 'b', 'c', 'd'], ['a', 'c', 'b', 'd']])

    def test_a_dependency_does_not_run_when_its_dependent_changes(self):
        self.ordered({'a': 'X = 1', 'b': 'from a import X'}, {'b': 'from a import X\nY = 1'}, ['b'])

    def test_unrelated_modules_do_not_run(self):
        self.ordered({'a': 'X = 1', 'b': 'from a import X', 'other': 'Y = 1', 'third': 'import other\nZ = other.Y'},
                     {'a': 'X = 2'}, ['a', 'b'])

    def test_two_changes_of_one_batch_run_in_the_order_of_their_imports(self):
        self.ordered({'z': 'X = 1', 'a': 'from z import X'}, {'a': 'from z import X\nY = 2', 'z': 'X = 2'}, ['z', 'a'])

    def test_many_changes_of_one_batch_run_once_each_in_order(self):
        names = [f'm{i:02}' for i in range(20)]
        files = {n: f'from {names[i - 1]} import X' if i else 'X = 1' for i, n in enumerate(names)}
        # Written in the reverse order of the alphabet, so that neither the names nor the directory give it away.
        edit = {n: files[n] + '  # changed' for n in reversed(names)}
        edit['m00'] = 'X = 2'
        self.ordered(files, edit, names)

    def test_an_import_that_is_new_in_the_batch_orders_it(self):
        self.ordered({'a': 'X = 1', 'b': 'Y = 1'}, {'a': 'from b import Z as X', 'b': 'Z = 5'}, ['b', 'a'])

    def test_an_order_that_turns_around(self):
        self.ordered({'a': 'X = 1', 'b': 'from a import X'}, {'a': 'from b import Y', 'b': 'Y = 1'}, ['b', 'a'])

    def test_an_import_that_the_batch_drops_no_longer_counts(self):
        self.host(f"""
            COUNT = {COUNT!r}
            sys.ran = []
            write({{'a': 'X = 1' + COUNT, 'b': 'from a import X' + COUNT}})
            import b
            write('b', 'X = 0' + COUNT)
            good('b')
            del sys.ran[:]
            write('a', 'X = 2' + COUNT)
            good('a')
            eq((sys.ran, b.X), (['a'], 0))
        """)

    def test_a_function_level_import_needs_no_run(self):
        self.host(f"""
            COUNT = {COUNT!r}
            sys.ran = []
            write({{'a': 'def f(): return 1' + COUNT, 'b': text('''
            def g():
                from a import f
                return f()
            def h():
                import a
                return a.f()
            ''') + COUNT}})
            import a, b
            eq((b.g(), b.h()), (1, 1))
            del sys.ran[:]
            write('a', 'def f(): return 2' + COUNT)
            good('a')
            eq((b.g(), b.h(), sys.ran), (2, 2, ['a']))
        """)

    def test_dependents_that_are_not_loaded_are_not_loaded(self):
        self.host("""
            write({'a': 'X = 1', 'b': 'from a import X'})
            import a
            write({'a': 'X = 2', 'b': 'from a import X\\nY = 1'})
            good('a')
            assert 'b' not in sys.modules
        """)

    def test_main_is_never_run_again(self):
        self.host("""
            counter = globals().get('counter', 0) + 1
            write('a', 'X = 1')
            from a import X
            import a
            write('a', 'X = 2')
            good('a')
            eq((counter, X, a.X), (1, 1, 2))
        """)

    def test_modules_outside_the_watched_directories_do_not_run(self):
        self.host("""
            import tempfile, shutil
            outside = tempfile.mkdtemp()
            try:
                Path(outside, 'outsider.py').write_text('import sys; sys.ran = getattr(sys, "ran", 0) + 1\\nfrom a import X, f')
                sys.path.append(outside)
                write('a', 'X = 1\\ndef f(): return 1')
                import a, outsider
                write('a', 'X = 2\\ndef f(): return 2')
                good('a')
                eq((sys.ran, outsider.f()), (1, 2))
            finally:
                shutil.rmtree(outside)
        """)

    def test_a_dependent_runs_with_what_it_keeps(self):
        self.host("""
            write({'a': 'X = 1', 'b': '''
                from a import X
                __reload_keep__ = ('players',)
                players = []
            '''})
            import b
            b.players.append('ann')
            players = b.players
            write('a', 'X = 2')
            good('a', 'b')
            assert b.players is players and b.X == 2
        """)


class Cycles(HostCase):
    """Cycles run as Python itself would run them."""

    def test_a_cycle_of_two_modules(self):
        self.host("""
            source_a = '''
                X = %d
                import b
                def f(): return b.Y
            '''
            write({'a': source_a % 1, 'b': '''
                import a
                Y = a.X * 10
                def g(): return a.f()
            '''})
            import a, b
            eq((b.Y, a.f(), b.g()), (10, 10, 10))
            write('a', source_a % 2)
            good()
            eq((b.Y, a.f(), b.g()), (20, 20, 20))
        """)

    def test_a_cycle_by_from_imports_of_functions(self):
        self.host("""
            source_a = '''
                def helper(): return %d
                from b import g
                def f(): return g()
            '''
            write({'a': source_a % 1, 'b': '''
                from a import helper
                def g(): return helper()
            '''})
            import a, b
            eq((a.f(), b.g()), (1, 1))
            write('a', source_a % 2)
            good()
            eq((a.f(), b.g()), (2, 2))
            write('b', '''
                from a import helper
                def g(): return helper() * 100
            ''')
            good()
            eq((a.f(), b.g()), (200, 200))
        """)

    def test_a_cycle_of_three_in_one_batch(self):
        self.host("""
            def files(n):
                return {'a': f'N = {n}\\nimport b\\ndef f(): return N, b.f()',
                        'b': f'N = {n}\\nimport c\\ndef f(): return N, c.f()',
                        'c': f'N = {n}\\nimport a\\ndef f(): return N, a.N'}
            write(files(1))
            import a
            write(files(2))
            good()
            eq(a.f(), (2, (2, (2, 2))))
        """)

    def test_a_cycle_that_python_could_not_import_is_an_error(self):
        self.host("""
            write({'a': 'X = 1', 'b': 'from a import X\\nY = 1'})
            import a, b
            write('a', 'from b import Y\\nX = 2')
            text = bad('ImportError')
            eq((a.X, b.X, b.Y), (1, 1, 1))
        """)

    def test_a_module_that_imports_itself(self):
        self.host("""
            source = '''
                import m as me
                X = %d
                Y = me.X
            '''
            write('m', source % 1)
            import m
            write('m', source % 2)
            good('m')
            eq((m.X, m.Y, m.me is m), (2, 2, True))
        """)

    def test_members_of_a_cycle_run_once(self):
        self.host(f"""
            COUNT = {COUNT!r}
            sys.ran = []
            write({{'a': 'X = 1; import b' + COUNT, 'b': 'import a; Y = a.X' + COUNT}})
            import a
            del sys.ran[:]
            write('a', 'X = 2; import b' + COUNT)
            good()
            eq((sorted(sys.ran), sys.modules['b'].Y), (['a', 'b'], 2))
        """)


if __name__ == '__main__':
    unittest.main()
