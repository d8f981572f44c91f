"""Series of deleted versions are distinguished from those of existing ones."""

import pathlib
import tempfile
import unittest

from footprint import names_one_that_is_gone


class Series(unittest.TestCase):
    def test_only_a_version_without_a_folder_is_gone(self):
        with tempfile.TemporaryDirectory() as folder:
            models = pathlib.Path(folder)
            (models / "fashion/s1").mkdir(parents=True)
            for series, gone in (
                ('x_total{model="fashion",role="stable",version="s1"}', False),
                ('x_total{model="fashion",role="stable",version="soak-1"}', True),
                ('x_total{model="other",version="s1"}', True),
                ('x_total{model="fashion"}', False),
                ("process_threads", False),
            ):
                self.assertEqual(names_one_that_is_gone(series, models), gone, series)


if __name__ == "__main__":
    unittest.main()
