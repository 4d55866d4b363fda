"""What each node itself has of each partition, read by Fetch from that very node, and whether the copies are the same.

Clients read from leaders, so a follower's copy shows only when it leads. A follower serves consumers up to the high watermark that
it knows (KIP-392); batches are compared by base offset, last offset, leader epoch and checksum.
"""

import socket
import struct
import time
from collections import defaultdict

from network import CLIENTS

FETCH, VERSION = 1, 11  # the last version without flexible fields, and the first that followers answer
ANSWER_SECONDS = 10
MAX_BYTES = 4 << 20
# Longest time until a follower has heard of the last high watermark.
SETTLE_SECONDS = 20
BATCH_HEADER = struct.Struct(">qiibIhi")  # base offset, length, leader epoch, magic, checksum, attributes, last offset delta
LENGTH_FROM = 12  # a batch's length counts what follows it
RETRIABLE = {3: "UNKNOWN_TOPIC_OR_PARTITION", 6: "NOT_LEADER_OR_FOLLOWER", 78: "OFFSET_NOT_AVAILABLE", 9: "REPLICA_NOT_AVAILABLE"}


class ReplicaError(Exception):
    """A node did not show its copy."""


def compare(copies):
    """What is wrong with `copies`: by partition and node, (end, [(base offset, last offset, epoch, checksum)])."""
    problems = []
    for partition, by_node in sorted(copies.items()):
        topic, number = partition
        where = f"{topic}-{number}"
        ends = {node: end for node, (end, _) in by_node.items()}
        if len(set(ends.values())) > 1:
            problems.append(f"{where}: high watermarks differ: {ends}")
        kept = {node: {batch[0]: batch for batch in batches} for node, (_, batches) in by_node.items()}
        for base in sorted(set().union(*kept.values())):
            # A copy that ends earlier was told of above.
            seen = {node: batches.get(base) for node, batches in kept.items() if base < ends[node]}
            if len(set(seen.values())) > 1:
                problems.append(f"{where}: the batch at offset {base} (base, last, epoch, checksum): {seen}")
                break
    return problems


def read_all(net, nodes, partitions):
    """Every node's copy of `partitions`, as `compare` wants them, and what could not be read."""
    copies, problems, ends = defaultdict(dict), [], {}
    for node in nodes:
        for partition in partitions:
            try:
                end, batches = net.inside(CLIENTS, _settled, node.host, node.port, partition, ends.get(partition, 0))
            except (OSError, ReplicaError) as error:
                problems.append(f"{partition[0]}-{partition[1]} on {node}: {error}")
                continue
            ends[partition] = max(end, ends.get(partition, 0))
            copies[partition][node.number] = end, batches
    return copies, problems


def _settled(host, port, partition, known_end):
    """One copy, read to an end that is at least `known_end` if that comes in time."""
    deadline = time.monotonic() + SETTLE_SECONDS
    with socket.create_connection((host, port), timeout=ANSWER_SECONDS) as connection:
        batches, offset = [], 0
        while True:
            error, end, records = _fetch(connection, partition, offset)
            if error == 0 and records:
                found = list(_batches(records))
                batches += found
                offset = found[-1][1] + 1 if found else offset
                continue
            late = time.monotonic() > deadline
            if error and (error not in RETRIABLE or late):
                raise ReplicaError(f"Fetch of offset {offset}: error {error} {RETRIABLE.get(error, '')}")
            if error == 0 and offset >= end and (end >= known_end or late):
                return end, batches
            if late:
                raise ReplicaError(f"Fetch of offset {offset} brings nothing, although the high watermark is {end}")


def _fetch(connection, partition, offset):
    """(error, high watermark, records) of one Fetch."""
    topic, number = partition
    request = struct.pack(">hhih", FETCH, VERSION, 7, 5) + b"chaos"
    request += struct.pack(">iiiibii", -1, 200, 1, MAX_BYTES, 0, 0, -1)
    request += struct.pack(">ih", 1, len(topic)) + topic.encode() + struct.pack(">iiiqqi", 1, number, -1, offset, -1, MAX_BYTES)
    request += struct.pack(">ih", 0, 0)
    connection.sendall(struct.pack(">i", len(request)) + request)
    answer = memoryview(_exactly(connection, struct.unpack(">i", _exactly(connection, 4))[0]))
    _, _, error, _, topics = struct.unpack_from(">iihii", answer)
    if error or topics != 1:
        return error or -1, 0, b""
    at = 18 + 2 + len(topic) + 4
    _, error, high, _, _, aborted = struct.unpack_from(">ihqqqi", answer, at)
    at += 34 + max(aborted, 0) * 16 + 4
    (length,) = struct.unpack_from(">i", answer, at)
    return error, high, bytes(answer[at + 4 : at + 4 + max(length, 0)])


def _batches(records):
    """Header facts of the whole batches in `records`; the last may be cut off."""
    at = 0
    while at + BATCH_HEADER.size <= len(records):
        base, length, epoch, _, checksum, _, last_delta = BATCH_HEADER.unpack_from(records, at)
        if at + LENGTH_FROM + length > len(records):
            return
        yield base, base + last_delta, epoch, checksum
        at += LENGTH_FROM + length


def _exactly(connection, count):
    data = bytearray()
    while len(data) < count:
        part = connection.recv(min(count - len(data), 1 << 20))
        if not part:
            raise ReplicaError("the node closed the connection")
        data += part
    return data
