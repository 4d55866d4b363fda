"""What the families report and how it is shown: a table of feature by client, then `N passed, N failed`."""

FEATURES = [
    "describe_cluster", "create_topic", "auto_create_topic", "unknown_topic", "create_partitions", "describe_configs",
    "incremental_alter_configs", "alter_configs", "delete_records", "delete_topic",
    "codec_none", "codec_gzip", "codec_snappy", "codec_lz4", "codec_zstd",
    "keys", "headers", "tombstones", "empty_value", "timestamps", "acks", "idempotent_producer",
    "large_message", "too_large_message",
    "assigned_partitions", "seek_offset", "seek_time", "list_offsets", "max_timestamp", "tail", "offset_out_of_range",
    "restart_clean", "restart_kill",
]

# What a client has no means for. Everything else must be reported: a feature that a program forgot has failed.
LACKING = {
    # kcat has no admin commands, and its librdkafka may be too old to ask for the greatest timestamp.
    "kcat": {
        "create_topic", "create_partitions", "describe_configs", "incremental_alter_configs", "alter_configs",
        "delete_records", "delete_topic", "max_timestamp",
    },
    # The crate binds neither rd_kafka_IncrementalAlterConfigs nor rd_kafka_ListOffsets.
    "rdkafka": {"incremental_alter_configs", "max_timestamp"},
    # Kafka 4.0 removed Admin.alterConfigs.
    "java": {"alter_configs"},
    "franz-go": set(),
}
LINES_FEATURES = ["lines_produced", "lines_readers_agree", "lines_exactly_once"]


def features_of(family):
    """What `family` must report, in order."""
    if family == "lines":
        return LINES_FEATURES
    return [feature for feature in FEATURES if feature not in LACKING[family]]


class Results:
    """Outcome of every (family, feature): None for a pass, otherwise the reason of the failure."""

    def __init__(self):
        self.outcomes = {}

    def read_line(self, family, line):
        """Takes a `PASS feature` or `FAIL feature: reason` line; True if it was one."""
        word, _, rest = line.strip().partition(" ")
        feature, _, reason = rest.partition(":")
        if word not in ("PASS", "FAIL") or feature not in features_of(family):
            return False
        self.outcomes[family, feature] = None if word == "PASS" else reason.strip() or "no reason given"
        return True

    def missing_are_failures(self, family, expected, reason):
        """Every expected feature that was not reported has failed, for `reason`."""
        for feature in expected:
            self.outcomes.setdefault((family, feature), reason)

    def fail(self, family, feature, reason):
        """Records a failure of the harness itself, such as a broker that did not stop cleanly."""
        self.outcomes[family, feature] = reason

    @property
    def failed(self):
        return sum(reason is not None for reason in self.outcomes.values())

    def show(self):
        """Prints the table, the reasons of the failures, and the last line."""
        families = list(dict.fromkeys(family for family, _ in self.outcomes))
        clients = [family for family in families if family != "lines"]
        if clients:
            rows = list(FEATURES)
            rows += [feature for family, feature in self.outcomes if family != "lines" and feature not in rows]
            rows = [row for row in dict.fromkeys(rows) if any((client, row) in self.outcomes for client in clients)]
            self._table(rows, clients)
        if "lines" in families:
            self._table([feature for family, feature in self.outcomes if family == "lines"], ["lines"])
        for (family, feature), reason in self.outcomes.items():
            if reason is not None:
                print(f"FAIL {family} {feature}: {reason}")
        print(f"{len(self.outcomes) - self.failed} passed, {self.failed} failed", flush=True)

    def _table(self, rows, columns):
        width = max(len(row) for row in rows) + 2
        print()
        print("".ljust(width) + "".join(column.ljust(10) for column in columns).rstrip())
        for row in rows:
            cells = [self._cell(column, row).ljust(10) for column in columns]
            print(row.ljust(width) + "".join(cells).rstrip())
        print()

    def _cell(self, family, feature):
        if (family, feature) not in self.outcomes:
            return "-"
        return "PASS" if self.outcomes[family, feature] is None else "FAIL"
