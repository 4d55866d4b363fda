"""Pauses and percentiles from made-up times."""

import unittest

from pauses import Pause, longest_pause, percentile, summary

HERE = ("topic", 0)


class PausesTest(unittest.TestCase):
    def test_the_longest_gap_in_the_window_is_found(self):
        self.assertEqual(longest_pause([0, 10, 20, 100, 110], HERE, 5, 110), Pause(HERE, 20, 80))

    def test_a_gap_that_began_before_the_window_counts_whole(self):
        self.assertEqual(longest_pause([0, 50, 55, 60], HERE, 20, 60), Pause(HERE, 0, 50))

    def test_a_gap_that_goes_on_after_the_window_counts_to_its_end(self):
        self.assertEqual(longest_pause([0, 10, 500], HERE, 5, 30), Pause(HERE, 10, 20))

    def test_gaps_outside_of_the_window_do_not_count(self):
        self.assertEqual(longest_pause([0, 900, 910, 920, 3000], HERE, 905, 915), Pause(HERE, 900, 10))

    def test_without_acknowledgements_there_is_no_pause_to_tell(self):
        self.assertIsNone(longest_pause([], HERE, 0, 10))
        self.assertIsNone(longest_pause([5], HERE, 0, 10))

    def test_percentiles_are_values_that_were_measured(self):
        self.assertEqual([percentile([3, 1, 2], share) for share in (0, 0.5, 0.99, 1)], [1, 2, 3, 3])
        self.assertIsNone(percentile([], 0.5))

    def test_a_summary_of_nothing_says_so(self):
        self.assertEqual(summary([]), "none")


if __name__ == "__main__":
    unittest.main()
