"""What a record holds: `producer/topic/partition/sequence/padding/checksum`, as text. The Java program writes the same.

The name of its partition is in it, so that a record in a wrong place is recognised; the checksum covers all before it.
"""

import zlib

# Padding differs in length and content from record to record, so that a shift by a few bytes cannot go unseen.
PADDING = "the quick brown fox jumps over the lazy dog and then does it all over again until somebody counts to a thousand " * 2


class Damaged(Exception):
    """A value that no producer can have written there."""


def write(producer, topic, partition, sequence):
    """The value of one record."""
    body = f"{producer}/{topic}/{partition}/{sequence}/{PADDING[:20 + sequence * 37 % 180]}"
    return f"{body}/{zlib.crc32(body.encode()):08x}".encode()


def read(value, topic, partition):
    """The (producer, sequence) of a value that was read from there."""
    body, slash, checksum = (value or b"").rpartition(b"/")
    if not slash or checksum != b"%08x" % zlib.crc32(body):
        raise Damaged("its checksum is wrong")
    producer, named_topic, named_partition, sequence, _ = body.decode().split("/", 4)
    if (named_topic, named_partition) != (topic, str(partition)):
        raise Damaged(f"it belongs into {named_topic}-{named_partition}")
    return producer, int(sequence)
