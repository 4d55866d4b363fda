"""The checker against made-up histories: each kind of violation is recognised, and a clean history passes."""

import unittest

from checker import KINDS, Checker

HERE = ("topic", 0)
THERE = ("topic", 1)


def clean(records=4):
    """Two producers in turn, everything acknowledged where it is, two readers that saw all of it."""
    checker = Checker()
    for offset in range(records):
        checker.acknowledged(f"p{offset % 2}", HERE, offset // 2, offset)
    for reader in ("live", "final"):
        for offset in range(records):
            checker.read(reader, HERE, offset, f"p{offset % 2}", offset // 2)
    checker.whole("final")
    return checker


class CheckerTest(unittest.TestCase):
    def found(self, checker, *kinds):
        """Exactly these kinds are found; returns the texts."""
        violations = checker.judge()
        self.assertEqual({violation.kind for violation in violations}, set(kinds), [str(one) for one in violations])
        self.assertLessEqual(set(kinds), KINDS.keys())
        return " ".join(str(violation) for violation in violations)

    def test_a_clean_history_passes(self):
        checker = clean()
        checker.watermark("w", HERE, 2)
        checker.watermark("w", HERE, 4)
        checker.commit("g", HERE, 10, 2)
        checker.committed("o", "g", HERE, 11, 2)
        checker.committed("o", "g", HERE, 12, 3)
        self.found(checker)
        self.assertEqual(checker.acknowledged_count(), 4)
        self.assertEqual(checker.log_ends(), {HERE: 4})

    def test_nothing_at_all_passes(self):
        self.found(Checker())

    def test_an_unknown_record_may_be_in_the_log_and_may_be_missing(self):
        checker = clean()
        checker.unknown("p0", HERE, 2)
        checker.unknown("p0", HERE, 3)
        for reader in ("live", "final"):
            checker.read(reader, HERE, 4, "p0", 3)
        self.found(checker)

    def test_a_record_that_was_acknowledged_without_an_offset_may_be_anywhere_but_must_be_there(self):
        checker = clean()
        checker.acknowledged("p0", HERE, 2, None)
        for reader in ("live", "final"):
            checker.read(reader, HERE, 4, "p0", 2)
        self.found(checker)
        checker = clean()
        checker.acknowledged("p0", HERE, 2, None)
        self.found(checker, "lost")

    def test_an_acknowledged_record_behind_the_end_is_lost(self):
        checker = clean()
        checker.acknowledged("p0", HERE, 2, 4)
        self.assertIn("p0/2", self.found(checker, "lost"))

    def test_an_acknowledged_record_whose_offset_has_another_one_is_lost(self):
        checker = clean(0)
        checker.acknowledged("p0", HERE, 0, 0)
        checker.acknowledged("p1", HERE, 0, 0)
        checker.read("final", HERE, 0, "p1", 0)
        self.assertIn("p0/0", self.found(checker, "lost"))

    def test_a_partition_that_nobody_could_read_is_lost(self):
        checker = clean()
        checker.acknowledged("p0", THERE, 0, 0)
        self.found(checker, "lost")

    def test_what_a_live_reader_saw_and_the_final_one_did_not_is_lost(self):
        checker = clean()
        checker.unknown("p0", HERE, 2)
        checker.read("live", HERE, 4, "p0", 2)
        self.assertIn("final read to the end", self.found(checker, "lost"))

    def test_one_of_two_final_readers_that_ends_early_is_found(self):
        checker = clean()
        checker.read("final-2", HERE, 0, "p0", 0)
        checker.whole("final-2")
        self.assertIn("final-2", self.found(checker, "lost"))

    def test_a_record_at_two_offsets_is_a_duplicate(self):
        checker = clean()
        for reader in ("live", "final"):
            checker.read(reader, HERE, 4, "p1", 1)
        self.assertIn("p1/1 is at offsets 3 and 4", self.found(checker, "duplicate"))

    def test_an_unknown_record_at_two_offsets_is_a_duplicate_too(self):
        checker = clean()
        checker.unknown("p0", HERE, 2)
        for offset in (4, 5):
            checker.read("final", HERE, offset, "p0", 2)
        self.found(checker, "duplicate")

    def test_records_of_one_producer_out_of_order_are_found(self):
        checker = clean(0)
        checker.acknowledged("p0", HERE, 0, 1)
        checker.acknowledged("p0", HERE, 1, 0)
        checker.read("final", HERE, 0, "p0", 1)
        checker.read("final", HERE, 1, "p0", 0)
        self.assertIn("p0/0 at offset 1 comes after number 1", self.found(checker, "reordered"))

    def test_records_of_two_producers_have_no_order_between_them(self):
        checker = clean(0)
        for offset, (producer, sequence) in enumerate([("p1", 0), ("p1", 1), ("p0", 0), ("p1", 2), ("p0", 1)]):
            checker.acknowledged(producer, HERE, sequence, offset)
            checker.read("final", HERE, offset, producer, sequence)
        self.found(checker)

    def test_a_record_that_nobody_sent_is_a_phantom(self):
        checker = clean()
        for reader in ("live", "final"):
            checker.read(reader, HERE, 4, "p0", 2)
        self.found(checker, "phantom")

    def test_a_record_of_an_unheard_of_producer_is_a_phantom(self):
        checker = clean()
        checker.read("final", HERE, 4, "ghost", 0)
        self.found(checker, "phantom")

    def test_what_a_producer_that_ended_early_sent_last_is_no_phantom(self):
        checker = clean()
        checker.unfinished("p0")
        checker.read("final", HERE, 4, "p0", 2)
        self.found(checker)

    def test_a_damaged_record_is_a_phantom_and_its_original_is_lost(self):
        checker = clean()
        checker.acknowledged("p0", HERE, 2, 4)
        checker.read_damaged("final", HERE, 4, "checksum")
        self.found(checker, "phantom", "lost")

    def test_two_readers_that_differ_at_an_offset_are_inconsistent(self):
        checker = clean()
        checker.unknown("p0", HERE, 2)
        checker.unknown("p1", HERE, 2)
        checker.read("live", HERE, 4, "p0", 2)
        checker.read("final", HERE, 4, "p1", 2)
        self.found(checker, "inconsistent")

    def test_a_record_that_is_not_where_it_was_acknowledged_is_inconsistent(self):
        checker = clean()
        checker.acknowledged("p0", HERE, 2, 5)
        checker.acknowledged("p1", HERE, 2, 4)
        checker.read("final", HERE, 4, "p0", 2)
        checker.read("final", HERE, 5, "p1", 2)
        self.assertIn("was acknowledged at offset 5 but is at 4", self.found(checker, "inconsistent"))

    def test_an_acknowledgement_without_an_offset_is_inconsistent(self):
        checker = clean()
        checker.acknowledged("p0", HERE, 2, -1)
        self.found(checker, "inconsistent")

    def test_a_record_acknowledged_at_two_offsets_is_inconsistent(self):
        checker = clean()
        checker.acknowledged("p0", HERE, 0, 3)
        self.assertIn("at offset 0 and at 3", self.found(checker, "inconsistent"))

    def test_a_gap_is_found(self):
        checker = clean()
        checker.acknowledged("p0", HERE, 2, 5)
        checker.read("live", HERE, 5, "p0", 2)
        checker.read("final", HERE, 5, "p0", 2)
        self.found(checker, "unsteady")

    def test_a_log_that_does_not_begin_at_its_start_is_found(self):
        checker = Checker()
        checker.acknowledged("p0", HERE, 0, 1)
        checker.read("final", HERE, 1, "p0", 0)
        self.found(checker, "unsteady")

    def test_a_reader_that_goes_back_is_found(self):
        checker = clean()
        checker.read("live", HERE, 1, "p1", 0)
        self.found(checker, "unsteady")

    def test_a_member_of_a_group_may_jump_but_must_see_the_same(self):
        checker = clean()
        checker.read("member", HERE, 2, "p0", 1, steady=False)
        checker.read("member", HERE, 1, "p1", 0, steady=False)
        self.assertEqual(checker.violations, [])
        checker.read("member", HERE, 1, "p0", 1, steady=False)
        self.found(checker, "inconsistent")

    def test_a_high_watermark_that_goes_back_is_found(self):
        checker = clean()
        checker.watermark("w", HERE, 4)
        checker.watermark("w", THERE, 1)
        checker.watermark("w", HERE, 3)
        self.found(checker, "watermark")

    def test_high_watermarks_of_two_observers_are_not_compared(self):
        checker = clean()
        checker.watermark("v", HERE, 4)
        checker.watermark("w", HERE, 3)
        self.found(checker)

    def test_a_committed_offset_that_goes_back_is_found(self):
        checker = clean()
        checker.committed("o", "g", HERE, 1, 3)
        checker.committed("o", "g", HERE, 2, 2)
        self.found(checker, "commit")

    def test_a_committed_offset_that_vanishes_is_found(self):
        checker = clean()
        checker.committed("o", "g", HERE, 1, 3)
        checker.committed("o", "g", HERE, 2, -1)
        self.found(checker, "commit")

    def test_a_commit_that_a_later_question_does_not_see_is_found(self):
        checker = clean()
        checker.commit("g", HERE, 5, 3)
        checker.committed("o", "g", HERE, 6, 2)
        self.assertIn("got 3 acknowledged", self.found(checker, "commit"))

    def test_a_question_that_was_asked_before_the_acknowledgement_need_not_see_the_commit(self):
        checker = clean()
        checker.commit("g", HERE, 5, 3)
        checker.committed("o", "g", HERE, 4, 2)
        self.found(checker)


if __name__ == "__main__":
    unittest.main()
