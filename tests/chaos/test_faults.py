"""The plan of faults: the seed decides it, and it keeps what it promises."""

import unittest

import faults


class PlanTest(unittest.TestCase):
    def plan(self, seed=7, kinds=faults.KINDS, seconds=600):
        return faults.plan(seed, kinds, [1, 2, 3], seconds, (5.0, 15.0))

    def test_the_same_seed_gives_the_same_faults_and_another_one_others(self):
        self.assertEqual(self.plan(), self.plan())
        self.assertNotEqual(self.plan(), self.plan(seed=8))

    def test_the_order_in_which_kinds_are_named_does_not_matter(self):
        self.assertEqual(self.plan(kinds=("kill", "stop")), self.plan(kinds=("stop", "kill")))

    def test_each_fault_is_over_before_the_next_and_before_the_end(self):
        planned = self.plan()
        for one, following in zip(planned, planned[1:]):
            self.assertGreaterEqual(following.at - one.at, 5.0)
            self.assertLessEqual(following.at - one.at, 15.0)
            self.assertGreaterEqual(following.at - one.at - one.lasts, faults.BETWEEN - 1e-9)
        self.assertLessEqual(planned[-1].at + planned[-1].lasts, 600)

    def test_every_kind_and_every_node_comes(self):
        planned = self.plan()
        self.assertEqual({fault.kind for fault in planned}, set(faults.KINDS))
        self.assertEqual({fault.victim for fault in planned}, {1, 2, 3})

    def test_a_shorter_run_has_the_first_faults_of_a_longer_one(self):
        short = self.plan(seconds=100)
        self.assertEqual(short, self.plan()[: len(short)])


if __name__ == "__main__":
    unittest.main()
