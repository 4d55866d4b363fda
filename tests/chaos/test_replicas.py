"""Copies of partitions, made up and compared."""

import unittest

import replicas

HERE = ("topic", 0)
BATCHES = [(0, 4, 1, 11), (5, 5, 1, 12), (6, 9, 2, 13)]


class CompareTest(unittest.TestCase):
    def problems(self, *copies):
        return " ".join(replicas.compare({HERE: dict(enumerate(copies, 1))}))

    def test_equal_copies_are_well(self):
        self.assertEqual(self.problems((10, BATCHES), (10, BATCHES), (10, list(BATCHES))), "")

    def test_a_copy_that_ends_earlier_is_told(self):
        self.assertIn("high watermarks differ: {1: 10, 2: 6}", self.problems((10, BATCHES), (6, BATCHES[:2])))

    def test_another_checksum_is_told(self):
        self.assertIn("offset 5", self.problems((10, BATCHES), (10, [BATCHES[0], (5, 5, 1, 99), BATCHES[2]])))

    def test_another_epoch_is_told(self):
        self.assertIn("offset 6", self.problems((10, BATCHES), (10, [*BATCHES[:2], (6, 9, 3, 13)])))

    def test_a_missing_batch_in_the_middle_is_told(self):
        self.assertIn("offset 5", self.problems((10, BATCHES), (10, [BATCHES[0], BATCHES[2]])))

    def test_batches_are_taken_apart_and_a_cut_one_is_left(self):
        header = replicas.BATCH_HEADER
        whole = header.pack(5, header.size - replicas.LENGTH_FROM, 3, 2, 77, 0, 4)
        self.assertEqual(list(replicas._batches(whole + whole[:-1])), [(5, 9, 3, 77)])


if __name__ == "__main__":
    unittest.main()
