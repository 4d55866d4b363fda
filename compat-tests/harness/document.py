"""Writes docs/compatibility.md from a whole run: what each client was seen to do, and why where it was not asked.

Only from a run in which everything passed, so nothing stands there that was not proven; the same run writes the same bytes.
"""

from harness.families import HERE
from harness.report import SECTIONS

PATH = HERE.parent / "docs" / "compatibility.md"

INTRO = """\
# Compatibility

Written by `compat-tests/run --write-doc`, by a run against Bateau in which everything here passed; not edited by hand. The same
tests pass against Apache Kafka (`compat-tests/run --broker kafka`). Every client comes from its registry's ordinary package.

✓ is proven by the run. – is not exercised, for the reason that the number stands for in the list of reasons.
"""

# What a row proves, in a few words.
MEANINGS = {
    "describe_cluster": "the broker, the controller and the cluster id",
    "create_topic": "partitions and configs as asked; what is wrong with a request is said",
    "auto_create_topic": "producing to a topic that is not there creates it",
    "unknown_topic": "consuming does not",
    "create_partitions": "a topic gets more partitions, never fewer",
    "describe_configs": "values and where they come from",
    "incremental_alter_configs": "single values set and deleted",
    "alter_configs": "all values replaced, as before incremental changes",
    "delete_records": "a log start moves, and readers and watermarks see it",
    "delete_topic": "gone with its records, and the name can be used again",
    "codec_none": "text and noise come back byte for byte, uncompressed",
    "codec_gzip": "the same by gzip",
    "codec_snappy": "the same by snappy",
    "codec_lz4": "the same by lz4",
    "codec_zstd": "the same by zstd",
    "keys": "keys, missing keys, and the partitions that they choose",
    "headers": "headers in order, repeated, empty and null",
    "tombstones": "null values stay null",
    "empty_value": "empty values stay empty",
    "timestamps": "create time as produced, log append time where the topic demands it",
    "acks": "acks 0, 1 and all",
    "idempotent_producer": "many small batches in flight, none lost, doubled or out of order",
    "large_message": "900,000 bytes in one record, also to a reader that asks for less",
    "too_large_message": "2 MB are refused, and the producer goes on",
    "assigned_partitions": "partitions read by assignment, each in its order",
    "seek_offset": "reading from any offset",
    "seek_time": "the first record from a time on",
    "list_offsets": "the earliest and the latest offset",
    "max_timestamp": "the offset of the greatest timestamp",
    "tail": "a waiting fetch is woken by a new record",
    "offset_out_of_range": "the error, and the reset",
    "group_consume": "a member of a group reads a whole topic",
    "commit_resume": "the next member goes on exactly at the commits",
    "offset_metadata": "a commit's text comes back",
    "group_grows": "one member, two, three: shares of equal size, nothing lost",
    "group_shrinks": "members leave, the others take over at once",
    "member_lost": "a member dies: after the session timeout others go on at its last commits",
    "static_member": "a static member returns to its partitions, and nobody else notices",
    "cooperative": "cooperative-sticky: what need not move is never given up",
    "pattern_subscribe": "a topic that is created later is found by its pattern",
    "group_restart": "two members and their commits live through a restart of the broker",
    "group_kill": "and through its `kill -9`",
    "list_groups": "groups with state and type",
    "describe_group": "members, their client ids and their partitions",
    "alter_group_offsets": "an empty group's offsets are set",
    "delete_group_offsets": "and deleted, unless a member is subscribed",
    "delete_group": "refused while it has members, then gone with its offsets",
    "restart_clean": "a producer and a consumer live through a restart of the broker: none lost, doubled or out of order",
    "restart_kill": "and through its `kill -9`",
    "mixed_every_record": "every record is processed, in order within each ownership",
    "mixed_commits_forward": "committed offsets never go back",
    "mixed_one_owner": "no partition has two owners",
    "mixed_rebalance_time": "none is without one for longer than the session timeout and 2 s",
    "grpc_book_produce_consume": "a client generated from the book's file writes and reads, and knows no topics",
    "grpc_book_out_of_range": "OUT_OF_RANGE with the details that the book's client looks for",
    "grpc_book_streams": "its two streams, and following",
    "grpc_book_servers": "its resolver finds every node and one leader",
    "grpc_records": "keys, headers, timestamps, tombstones and empty values come back",
    "grpc_follow": "5,000 records through two streams in order, and a reader that resumes",
    "grpc_bulk": "10,000 records in ten messages, one answer",
    "grpc_compression": "gzip both ways",
    "grpc_kafka_agrees": "gRPC and Kafka write alternately and read the same",
    "grpc_errors": "what is refused has a code and a reason; who does not lead names who does",
    "grpc_admin": "topics and groups: made, described, deleted",
    "grpc_health": "every node and service is SERVING",
    "grpc_reflection": "the services are found without their files",
    "lines_produced": "one idempotent kcat ends without an error, across kills of the broker",
    "lines_readers_agree": "librdkafka and Java read the same of each partition",
    "lines_exactly_once": "each line once, each key in its order",
    "groups_every_line": "a group that grows, loses a member and the broker twice processes every line",
    "groups_commits_forward": "committed offsets never go back",
    "groups_one_owner": "no partition has two owners",
    "groups_rebalance_time": "none is without one for longer than the session timeout and 2 s, the broker's absence apart",
}


def write(families, results):
    """Writes the document if every row of `families` passed and every client told its version; says why not otherwise."""
    reasons = [f"{family.name} did not run whole" for family in families if results.missing(family.name, family.rows)]
    reasons += [f"{family.name} told no VERSION" for family in families if not family.features and family.name not in results.versions]
    if results.failed:
        reasons.append(f"{results.failed} failed")
    if reasons:
        print(f"docs/compatibility.md is not written: {'; '.join(reasons)}", flush=True)
        return False
    PATH.write_text(text(families, results.versions))
    print("docs/compatibility.md is written", flush=True)
    return True


def text(families, versions):
    """The document of a run in which all rows of `families` passed."""
    clients = [family for family in families if not family.features]
    reasons = {}
    parts = [INTRO, "## Clients\n", _table(["", "client", "version"], [_client(family, versions) for family in clients])]
    for heading, rows in SECTIONS.items():
        lines = [[f"`{row}`", *(_cell(family, row, reasons) for family in clients)] for row in rows]
        parts += [f"## {heading}\n", _table(["", *(family.name for family in clients)], lines)]
    members = [family.name for family in families if family.member]
    for family in families:
        if family.features:
            parts.append(f"## {family.client[0].upper()}{family.client[1:]}\n")
            if "members" in family.uses:
                parts.append(f"Members of one group, by \"range\", in rotation: {', '.join(members)}.\n")
            if family.name in versions:
                parts.append(f"{versions[family.name]}.\n")
            parts.append(_table(["", "", ""], [[f"`{row}`", "✓", MEANINGS.get(row, "")] for row in family.features]))
    parts += ["## Reasons\n", "".join(f"{number}. {reason}\n" for reason, number in reasons.items())]
    rows = [row for rows in SECTIONS.values() for row in rows]
    parts += ["## What the rows prove\n", "".join(f"- `{row}`: {MEANINGS[row]}\n" for row in rows)]
    return "\n".join(parts)


def _client(family, versions):
    # `client version (library version)`: the family's own words about its client are in the column before.
    return [family.name, family.client, versions[family.name].partition(" ")[2]]


def _cell(family, row, reasons):
    if row not in family.lacking:
        return "✓"
    return f"– {reasons.setdefault(f'{family.name}: {family.lacking[row]}', len(reasons) + 1)}"


def _table(head, lines):
    rows = [head, ["---"] * len(head), *lines]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |\n" for row in rows)
