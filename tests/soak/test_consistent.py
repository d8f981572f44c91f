"""Contradictions between answers and journal are found."""

import unittest

from consistent import contradictions, roles, roles_by_generation


def assignment(generation, stable, canary=None):
    return {"generation": generation, "stable": stable, "canary": canary, "teacher": "t", "previous": None}


def seat(generation, role, version):
    return {"generation": generation, "role": role, "version": version}


class Contradictions(unittest.TestCase):
    def setUp(self):
        entries = [
            {"action": "start_canary", "to": assignment(2, "a", "b")},
            {"action": "upload_version"},
            {"action": "promote", "to": assignment(3, "b")},
        ]
        self.journal = {1: roles(assignment(1, "a"))} | roles_by_generation(entries)

    def found(self, *seats, last=3):
        return contradictions(self.journal, seats, last)

    def test_what_the_journal_says_is_right(self):
        right = [seat(1, "stable", "a"), seat(2, "canary", "b"), seat(2, "teacher", "t"), seat(3, "stable", "b")]
        self.assertEqual(self.found(*right), [])

    def test_another_version_role_or_generation_is_not(self):
        for wrong in (seat(3, "stable", "a"), seat(1, "canary", "b"), seat(4, "stable", "b"), seat(3, "judge", "b")):
            self.assertEqual(len(self.found(wrong)), 1, wrong)

    def test_a_generation_that_was_never_written_down_is_found(self):
        del self.journal[2]
        self.assertIn("[2]", self.found()[0])

    def test_a_generation_that_nobody_was_told_of_is_found(self):
        self.assertEqual(len(self.found(last=2)), 1)
        self.assertIn("[4]", self.found(last=4)[0])


if __name__ == "__main__":
    unittest.main()
