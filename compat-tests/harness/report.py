"""What the families report and how it is shown: tables of feature by client, then `N passed, N failed`."""

import threading

CLUSTER_FEATURES = ["describe_cluster"]
TOPIC_FEATURES = [
    "create_topic", "auto_create_topic", "unknown_topic", "create_partitions", "describe_configs", "incremental_alter_configs",
    "alter_configs", "delete_records", "delete_topic",
]
PRODUCE_FEATURES = [
    "codec_none", "codec_gzip", "codec_snappy", "codec_lz4", "codec_zstd", "keys", "headers", "tombstones", "empty_value",
    "timestamps", "acks", "idempotent_producer", "large_message", "too_large_message",
]
CONSUME_FEATURES = [
    "assigned_partitions", "seek_offset", "seek_time", "list_offsets", "max_timestamp", "tail", "offset_out_of_range",
]
RESTART_FEATURES = ["restart_clean", "restart_kill"]
GROUP_FEATURES = [
    "group_consume", "commit_resume", "offset_metadata", "group_grows", "group_shrinks", "member_lost", "static_member",
    "cooperative", "pattern_subscribe", "group_restart", "group_kill",
]
GROUP_ADMIN_FEATURES = [
    "list_groups", "describe_group", "alter_group_offsets", "delete_group_offsets", "delete_group",
]
# The rows of the table, by the heading that they have in docs/compatibility.md.
SECTIONS = {
    "Topics and the cluster": CLUSTER_FEATURES + TOPIC_FEATURES,
    "Producing": PRODUCE_FEATURES,
    "Consuming": CONSUME_FEATURES,
    "Consumer groups": GROUP_FEATURES,
    "Administration of groups": GROUP_ADMIN_FEATURES,
    "Restarts of the broker": RESTART_FEATURES,
}
FEATURES = [feature for features in SECTIONS.values() for feature in features]


class Results:
    """Outcome of every (family, row): None for a pass, otherwise the reason of the failure. Verbs may be called from any thread."""

    def __init__(self):
        self.outcomes = {}
        self.versions = {}
        self.lock = threading.Lock()

    def read_line(self, family, rows, line):
        """Takes a `PASS row`, `FAIL row: reason` or `VERSION client version` line; True if it was one that may stand there."""
        word, _, rest = line.strip().partition(" ")
        if word == "VERSION" and rest:
            self.versions[family] = rest
            return True
        row, _, reason = rest.partition(":")
        if word not in ("PASS", "FAIL") or row not in rows:
            return False
        with self.lock:
            self.outcomes[family, row] = None if word == "PASS" else reason.strip() or "no reason given"
        return True

    def missing(self, family, rows):
        """Those of `rows` that were not reported."""
        with self.lock:
            return [row for row in rows if (family, row) not in self.outcomes]

    def missing_are_failures(self, family, rows, reason):
        """Every one of `rows` that was not reported has failed, for `reason`."""
        for row in self.missing(family, rows):
            self.fail(family, row, reason)

    def fail(self, family, row, reason):
        """Records a failure of the harness itself, such as a broker that did not stop cleanly."""
        with self.lock:
            self.outcomes[family, row] = reason

    def failed_of(self, family):
        """How many rows of one family failed."""
        with self.lock:
            return sum(reason is not None for (name, _), reason in self.outcomes.items() if name == family)

    @property
    def failed(self):
        with self.lock:
            return sum(reason is not None for reason in self.outcomes.values())

    def show(self, families):
        """Prints the tables of `families`, the reasons of the failures, and the last line."""
        common = [family for family in families if not family.features]
        if common:
            self._table(FEATURES, [family.name for family in common])
        for family in families:
            if family.features:
                self._table(family.features, [family.name])
        for family in families:
            if family.name in self.versions:
                print(f"{family.name}: {self.versions[family.name]}")
        for (family, row), reason in self.outcomes.items():
            if reason is not None:
                print(f"FAIL {family} {row}: {reason}")
        print(f"{len(self.outcomes) - self.failed} passed, {self.failed} failed", flush=True)

    def _table(self, rows, columns):
        rows = [row for row in [*rows, "broker"] if any((column, row) in self.outcomes for column in columns)]
        if not rows:
            return
        width = max(len(row) for row in rows) + 2
        widths = [max(len(column), 4) + 2 for column in columns]
        print()
        print("".ljust(width) + "".join(column.ljust(wide) for column, wide in zip(columns, widths)).rstrip())
        for row in rows:
            cells = [self._cell(column, row).ljust(wide) for column, wide in zip(columns, widths)]
            print(row.ljust(width) + "".join(cells).rstrip())
        print()

    def _cell(self, family, row):
        if (family, row) not in self.outcomes:
            return "-"
        return "PASS" if self.outcomes[family, row] is None else "FAIL"
