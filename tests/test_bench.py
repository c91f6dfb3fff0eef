"""The benchmarks run: every measurement, in a tiny size. What they measure here means nothing and is not looked at."""

import re
import unittest
from xml.etree import ElementTree

from tests.support import PYTHON, TOP, TestCase, run


class BenchTest(TestCase):
    def bench(self, *arguments, check=True):
        return run(PYTHON, TOP / 'bench/run', *arguments, check=check, timeout=120)

    def test_every_measurement_runs_and_prints_its_table(self):
        titles = self.bench('--list').stdout.split()
        printed = self.bench('--quick').stdout
        sections = re.split(r'^## ', printed, flags=re.MULTILINE)[1:]
        self.assertEqual(len(sections), len(titles) + 1, printed)  # and the summary
        for section in sections:
            with self.subTest(section.split('\n')[0]):
                self.assertRegex(section, r'\| --- \|.*\n(\| [^|]+\|[^\n]+\n)+')
                self.assertNotIn('nan', section)
        self.assertIn('no figure means anything', printed)

    def test_tables_are_put_into_a_page_and_plots_beside_it(self):
        page = self.dir / 'page.md'
        page.write_text('before\n<!-- bench growth -->\nold\n<!-- end growth -->\nafter\n')
        self.bench('--quick', '--write', page, 'growth')
        text = page.read_text()
        self.assertTrue(text.startswith('before\n<!-- bench growth -->\n### '), text)
        self.assertTrue(text.endswith('\n<!-- end growth -->\nafter\n'), text)
        self.assertNotIn('old', text)
        self.assertEqual(ElementTree.parse(self.dir / 'growth.svg').getroot().tag, '{http://www.w3.org/2000/svg}svg')

    def test_the_projects_page_has_a_place_for_every_measurement(self):
        page = (TOP / 'docs/performance.md').read_text()
        for name in ['summary', *self.bench('--list').stdout.split()]:
            with self.subTest(name):
                self.assertIn(f'<!-- bench {name} -->\n', page)
                self.assertIn(f'<!-- end {name} -->\n', page)

    def test_the_summary_says_of_each_aim_whether_it_is_met(self):
        printed = self.bench('--quick', 'million', 'save').stdout.split('## Summary')[1]
        self.assertRegex(printed, r'(?m)^\| memory of the daemon then \| 64 MiB \| [0-9.]+ MiB \| yes \|$')
        self.assertRegex(printed, r'(?m)^\| a durable save: .* \| [0-9.]+ \| (yes|\*\*no\*\*) \|$')

    def test_an_unknown_measurement_is_refused(self):
        result = self.bench('weather', check=False)
        self.assertEqual((result.returncode, result.stdout), (2, ''))
        self.assertIn("there is no measurement 'weather'", result.stderr)


if __name__ == '__main__':
    unittest.main()
