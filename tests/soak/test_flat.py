"""Growth is detected, however slow, and nothing else."""

import random
import unittest

import flat

MB = 1_000_000


def noisy(values, by=0.04):
    """As a busy machine shows them."""
    dice = random.Random(7)
    return [value * (1 + dice.uniform(-by, by)) for value in values]


class Memory(unittest.TestCase):
    def verdict(self, values):
        return flat.memory("memory", values).flat

    def test_a_level_is_flat(self):
        for rounds in (6, 7, 40, 41):
            self.assertTrue(self.verdict(noisy([50 * MB] * rounds)), rounds)

    def test_a_leak_is_not(self):
        for rounds, whole in ((7, 40), (40, 12)):
            leak = [(50 + whole * n / rounds) * MB for n in range(rounds)]
            self.assertFalse(self.verdict(noisy(leak)), rounds)

    def test_warming_up_is_flat(self):
        self.assertTrue(self.verdict([30 * MB, 40 * MB, 48 * MB, *noisy([50 * MB] * 7)]))

    def test_one_round_that_stands_out_is_flat(self):
        self.assertTrue(self.verdict([50 * MB] * 8 + [80 * MB]))

    def test_a_step_that_stays_is_not(self):
        self.assertFalse(self.verdict([50 * MB] * 6 + [60 * MB] * 3))

    def test_less_is_flat(self):
        self.assertTrue(self.verdict([80 * MB] * 6 + [50 * MB] * 3))

    def test_too_few_rounds_say_nothing(self):
        self.assertFalse(self.verdict([50 * MB] * 5))


class Count(unittest.TestCase):
    def verdict(self, values):
        return flat.count("threads", values)

    def test_the_same_or_fewer_is_flat(self):
        self.assertTrue(self.verdict([20, 20, 19, 20]).flat)

    def test_one_more_is_not_even_once(self):
        for more in ([20, 21, 21, 21], [20, 20, 20, 21], [20, 21, 20, 20]):
            self.assertFalse(self.verdict(more).flat, more)

    def test_it_says_when(self):
        self.assertIn("22 after round 2", self.verdict([20, 20, 22, 24]).found)


class Slope(unittest.TestCase):
    def test_it_is_the_growth_in_an_hour(self):
        self.assertAlmostEqual(flat.per_hour([0, 36, 72, 108], [5, 6, 7, 8]), 100)

    def test_an_outlier_moves_it_not(self):
        self.assertEqual(flat.per_hour(range(9), [5, 5, 5, 5, 500, 5, 5, 5, 5]), 0)


if __name__ == "__main__":
    unittest.main()
