"""The host library's public functions, as a C program sees them: one case of embed_test.c, one process."""

import re
import unittest

from tests.support import BUILD, TOP, TestCase, environment, run

SOURCE = TOP / 'tests' / 'host' / 'embed_test.c'
PROGRAM = BUILD / 'tests' / 'host' / 'embed_test'


class Library(TestCase):
    def case(self, name):
        found = run(PROGRAM, name, self.dir, env=environment())
        self.assertEqual((found.stdout, found.stderr), ('', ''))

    def test_one_host_in_the_life_of_a_process(self):
        self.case('life')

    def test_destructors_and_counts_take_null(self):
        self.case('null')

    def test_a_missing_directory_is_named(self):
        self.case('missing_directory')

    def test_functions_are_called_with_every_kind_of_argument_and_result(self):
        self.case('call')

    def test_each_way_that_a_call_fails_has_its_code_and_words(self):
        self.case('call_errors')

    def test_modules_are_loaded_reloaded_unloaded_and_read(self):
        self.case('modules')

    def test_a_poll_applies_a_change_or_reports_why_not(self):
        self.case('poll')

    def test_the_descriptor_is_readable_while_a_change_waits(self):
        self.case('fd')

    def test_a_string_runs_in_a_namespace_of_its_own(self):
        self.case('run_string')

    def test_modules_and_scripts_run_as_programs(self):
        self.case('programs')

    def test_the_callback_is_told_what_happened(self):
        self.case('events')

    def test_threads_without_the_lock_call_while_another_polls(self):
        self.case('threads')

    def test_signal_handlers_are_left_alone(self):
        self.case('signals')

    def test_an_isolated_host_ignores_the_environment(self):
        self.case('isolated')

    def test_arguments_reach_sys_argv(self):
        self.case('arguments')

    def test_an_application_with_its_own_interpreter_keeps_it(self):
        self.case('own_interpreter')

    def test_objects_are_passed_with_their_references_in_balance(self):
        self.case('objects')

    def test_changes_are_applied_between_bytecodes_if_asked_for(self):
        self.case('async')

    def test_every_case_of_the_program_is_run_here(self):
        cases = set(re.findall(r'^\t\{"(\w+)", test_', SOURCE.read_text(), re.MULTILINE))
        here = set(re.findall(r"self\.case\('(\w+)'\)", (TOP / 'tests/host/test_library.py').read_text()))
        self.assertEqual(cases, here)


if __name__ == '__main__':
    unittest.main()
