"""Detection never misses a change, and a touch that changes no byte runs nothing."""

import unittest

from tests.host.harness import HostCase


class Seen(HostCase):
    def test_a_hundred_quick_edits_of_the_same_length(self):
        self.host("""
            write('m', 'X = 100')
            import m
            for x in range(101, 200):
                write('m', f'X = {x}')
                good('m')
                eq(m.X, x)
        """)

    def test_quick_edits_in_place_of_the_same_length(self):
        self.host("""
            write('m', 'X = 100')
            import m
            for x in range(101, 150):
                write('m', f'X = {x}', how='inplace')
                good('m')
                eq(m.X, x)
        """)

    def test_quick_edits_by_rename_of_the_same_length(self):
        self.host("""
            write('m', 'X = 100')
            import m
            for x in range(101, 150):
                write('m', f'X = {x}', how='rename')
                good('m')
                eq(m.X, x)
        """)

    def test_an_edit_right_after_the_import(self):
        self.host("""
            for i in range(30):
                write(f'm{i}', 'X = 1')
                m = __import__(f'm{i}')
                write(f'm{i}', 'X = 2')
                good(f'm{i}')
                eq(m.X, 2)
        """)

    def test_an_edit_of_the_same_length_with_the_same_mtime(self):
        self.host("""
            write('m', 'X = 1')
            touch('m', 1_700_000_000_123_456_789)
            import m
            for x in (2, 3, 4):
                write('m', f'X = {x}', how='inplace')
                touch('m', 1_700_000_000_123_456_789)
                good('m')
                eq(m.X, x)
        """)

    def test_an_edit_whose_mtime_goes_back(self):
        self.host("""
            write('m', 'X = 1')
            touch('m', 1_700_000_000_000_000_000)
            import m
            for x, seconds in ((2, 1_600_000_000), (3, 1), (4, 1_500_000_000), (5, 0)):
                write('m', f'X = {x}')
                touch('m', seconds * 10**9)
                good('m')
                eq(m.X, x)
        """)

    def test_an_mtime_in_the_future(self):
        self.host("""
            write('m', 'X = 1')
            touch('m', 4_000_000_000 * 10**9)
            import m
            write('m', 'X = 2')
            good('m')
            write('m', 'X = 3')
            touch('m', 4_000_000_000 * 10**9)
            good('m')
            eq(m.X, 3)
        """)

    def test_a_delete_and_a_new_file_of_the_same_length_and_mtime(self):
        self.host("""
            write('m', 'X = 1')
            touch('m', 1_700_000_000_000_000_000)
            import m
            for x in (2, 3, 4):
                delete('m')
                write('m', f'X = {x}')
                touch('m', 1_700_000_000_000_000_000)
                good('m')
                eq(m.X, x)
        """)

    def test_a_module_that_is_unloaded_and_imported_again_runs_the_present_bytes(self):
        self.host("""
            write('m', 'X = 1')
            touch('m', 1_700_000_000_000_000_000)
            import m
            delete('m')
            good()
            write('m', 'X = 2')
            touch('m', 1_700_000_000_000_000_000)
            good()
            import m
            eq(m.X, 2)
        """)

    def test_a_stale_pyc_is_not_trusted(self):
        self.host("""
            import py_compile
            write('m', 'X = 1')
            touch('m', 1_700_000_000_000_000_000)
            import m
            py_compile.compile(m.__file__, doraise=True)
            write('m', 'X = 2', how='inplace')
            touch('m', 1_700_000_000_000_000_000)
            good('m')
            eq(m.X, 2)
        """)

    def test_several_edits_between_two_polls_are_one_change(self):
        self.host("""
            write('m', 'import sys; sys.ran = getattr(sys, "ran", 0) + 1; X = 0')
            import m
            for x in range(1, 6):
                write('m', f'import sys; sys.ran += 1; X = {x}')
            good('m')
            eq((m.X, sys.ran), (5, 2))
        """)

    def test_changes_of_several_modules_between_two_polls_are_one_batch(self):
        self.host("""
            write({f'm{i}': 'X = 1' for i in range(10)})
            modules = [__import__(f'm{i}') for i in range(10)]
            for i in range(10):
                write(f'm{i}', 'X = 2')
            report = good()
            eq((sorted(report.reloaded), [m.X for m in modules]), (sorted(f'm{i}' for i in range(10)), [2] * 10))
        """)

    def test_a_change_made_by_a_module_while_the_poll_runs_is_seen_by_the_next(self):
        self.host("""
            write({'a': 'X = 1', 'b': 'Y = 1'})
            import a, b
            write('a', '''
                import sys
                sys.modules['__main__'].write('b', 'Y = 2')
                X = 2
            ''')
            poll()
            poll()
            eq((a.X, b.Y), (2, 2))
        """)

    def test_a_module_that_rewrites_itself(self):
        self.host("""
            write('m', 'X = 1')
            import m
            write('m', '''
                import sys
                sys.modules['__main__'].write('m', 'X = 3')
                X = 2
            ''')
            poll()
            poll()
            eq(m.X, 3)
        """)

    def test_a_change_made_while_a_new_module_was_being_imported(self):
        self.host("""
            write('m', '''
                import sys
                sys.modules['__main__'].write('m', 'X = 2')
                X = 1
            ''')
            import m
            eq(m.X, 1)
            good('m')
            eq(m.X, 2)
        """)

    def test_a_program_that_changes_its_directory(self):
        self.host("""
            import os
            write('m', 'X = 1')
            import m
            os.chdir('/')
            write('m', 'X = 2')
            good('m')
            eq(m.X, 2)
        """)

    def test_changes_while_nobody_polled_for_a_while(self):
        self.host("""
            import time
            write('m', 'X = 1')
            import m
            write('m', 'X = 2')
            time.sleep(0.3)
            good('m')
            eq(m.X, 2)
        """)

    def test_a_long_source_that_differs_in_its_last_byte(self):
        self.host("""
            text = '# ' + 'x' * 1_000_000 + '\\nX = '
            write('m', text + '1')
            import m
            write('m', text + '2')
            good('m')
            eq(m.X, 2)
        """)

    def test_two_modules_exchange_their_contents(self):
        self.host("""
            write({'a': 'X = 1', 'b': 'X = 2'})
            import a, b
            write({'a': 'X = 2', 'b': 'X = 1'})
            good()
            eq((a.X, b.X), (2, 1))
        """)


class Nothing(HostCase):
    """No byte changed: nothing runs."""

    def quiet(self, script):
        self.host("""
            sys.ran = 0
            write({'m': 'import sys; sys.ran += 1; X = 1', 'other': 'from m import X'})
            import m, other
        """ + script + """
            report = good()
            eq((sys.ran, list(report.reloaded), list(report.unloaded)), (1, [], []))
        """)

    def test_a_touch(self):
        self.quiet("""
            touch('m')
        """)

    def test_a_save_of_the_same_bytes(self):
        self.quiet("""
            write('m', 'import sys; sys.ran += 1; X = 1', how='inplace')
        """)

    def test_a_save_of_the_same_bytes_by_rename(self):
        self.quiet("""
            write('m', 'import sys; sys.ran += 1; X = 1', how='rename')
        """)

    def test_an_edit_that_is_undone(self):
        self.quiet("""
            write('m', 'import sys; sys.ran += 1; X = 2')
            write('m', 'import sys; sys.ran += 1; X = 1')
        """)

    def test_a_delete_that_is_undone(self):
        self.quiet("""
            delete('m')
            write('m', 'import sys; sys.ran += 1; X = 1')
        """)

    def test_a_mode_change(self):
        self.quiet("""
            (here / 'm.py').chmod(0o600)
        """)

    def test_other_files_beside_it(self):
        self.quiet("""
            write({'notes.txt': 'text', 'data/more.txt': 'more', 'never_loaded': '1 / 0'})
        """)


class Directories(HostCase):
    """Names of watched directories."""

    def other_directory(self, name, script):
        self.host(f"""
            import os, tempfile, shutil
            base = tempfile.mkdtemp()
            try:
                name = {name!r}
                os.makedirs(os.path.join(base, 'real', name))
                top = os.path.join(base, 'real', name)
                def put(text):
                    with open(os.path.join(top, 'elsewhere.py'), 'w') as file:
                        file.write(text)
                put('X = 1')
        """ + script + """
                import elsewhere
                put('X = 2')
                good('elsewhere')
                eq(elsewhere.X, 2)
                os.remove(os.path.join(top, 'elsewhere.py'))
                report = good()
                eq(list(report.unloaded), ['elsewhere'])
            finally:
                shutil.rmtree(base)
        """)

    def test_blanks_and_other_alphabets(self):
        self.other_directory('with blanks \u00e4\u4e16 %s "quoted"', """
                sys.path.insert(0, top)
                pymodhost.watch([top])
        """)

    def test_a_trailing_slash_and_dots(self):
        self.other_directory('d', """
                path = top + '/../d/./'
                sys.path.insert(0, path)
                pymodhost.watch([path])
        """)

    def test_a_relative_name(self):
        self.other_directory('d', """
                os.chdir(os.path.dirname(top))
                sys.path.insert(0, 'd')
                pymodhost.watch(['d'])
                import elsewhere
                os.chdir('/')
        """)

    def test_a_symbolic_link_to_the_directory(self):
        self.other_directory('d', """
                link = os.path.join(base, 'link')
                os.symlink(top, link)
                sys.path.insert(0, link)
                pymodhost.watch([link])
        """)

    def test_the_real_directory_watched_and_a_link_on_the_path(self):
        self.other_directory('d', """
                link = os.path.join(base, 'link')
                os.symlink(top, link)
                sys.path.insert(0, link)
                pymodhost.watch([top])
        """)

    def test_a_path_object_and_a_repeated_watch(self):
        self.other_directory('d', """
                sys.path.insert(0, top)
                pymodhost.watch([Path(top)])
                pymodhost.watch([top, top])
        """)

    def test_watch_puts_the_directory_on_the_path(self):
        self.other_directory('d', """
                pymodhost.watch([top])
        """)

    def test_a_module_that_is_a_symbolic_link(self):
        self.host("""
            import os, tempfile, shutil
            base = Path(tempfile.mkdtemp())
            try:
                (base / 'one').write_text('X = 1')
                (base / 'two').write_text('X = 2')
                (base / 'd').mkdir()
                os.symlink('../one', base / 'd' / 'linked.py')
                sys.path.insert(0, str(base / 'd'))
                pymodhost.watch([base / 'd'])
                import linked
                (base / 'one').write_text('X = 5')
                good('linked')
                eq(linked.X, 5)
                os.symlink('../two', base / 'd' / 'next')
                os.rename(base / 'd' / 'next', base / 'd' / 'linked.py')
                good('linked')
                eq(linked.X, 2)
            finally:
                shutil.rmtree(base)
        """)

    def test_a_directory_that_nobody_watches_becomes_a_package_in_a_modules_place(self):
        self.host("""
            import tempfile, shutil
            base = Path(tempfile.mkdtemp())
            try:
                (base / 'thing').mkdir()
                (base / 'thing.py').write_text('X = 1')
                pymodhost.watch([base])
                import thing
                (base / 'thing.py').write_text('X = 2')
                good('thing')
                (base / 'thing' / '__init__.py').write_text('X = 3')
                (base / 'thing.py').write_text('X = 4')
                good('thing')
                eq((thing.X, thing.__file__), (3, str(base / 'thing' / '__init__.py')))
            finally:
                shutil.rmtree(base)
        """)

    def test_a_directory_that_cannot_be_watched_is_an_error(self):
        self.host("""
            error = raises(Exception, pymodhost.watch, ['/no/such/directory'])
            assert '/no/such/directory' in str(error), error
            raises(TypeError, pymodhost.watch, 5)
        """)


if __name__ == '__main__':
    unittest.main()
