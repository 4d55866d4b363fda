"""Which errors a client may see while nodes fail: those that Kafka calls retriable, and those that tell a member to join again."""

from confluent_kafka import KafkaError

# Kafka's own list (subclasses of its RetriableException), by code.
RETRIABLE = {
    2: "CORRUPT_MESSAGE", 3: "UNKNOWN_TOPIC_OR_PARTITION", 5: "LEADER_NOT_AVAILABLE", 6: "NOT_LEADER_OR_FOLLOWER", 7: "REQUEST_TIMED_OUT",
    9: "REPLICA_NOT_AVAILABLE", 13: "NETWORK_EXCEPTION", 14: "COORDINATOR_LOAD_IN_PROGRESS", 15: "COORDINATOR_NOT_AVAILABLE",
    16: "NOT_COORDINATOR", 19: "NOT_ENOUGH_REPLICAS", 20: "NOT_ENOUGH_REPLICAS_AFTER_APPEND", 41: "NOT_CONTROLLER",
    51: "CONCURRENT_TRANSACTIONS", 56: "KAFKA_STORAGE_ERROR", 70: "FETCH_SESSION_ID_NOT_FOUND", 71: "INVALID_FETCH_SESSION_EPOCH",
    72: "LISTENER_NOT_FOUND", 74: "FENCED_LEADER_EPOCH", 75: "UNKNOWN_LEADER_EPOCH", 78: "OFFSET_NOT_AVAILABLE",
    80: "PREFERRED_LEADER_NOT_AVAILABLE", 83: "ELIGIBLE_LEADERS_NOT_AVAILABLE", 88: "UNSTABLE_OFFSET_COMMIT",
    89: "THROTTLING_QUOTA_EXCEEDED", 100: "UNKNOWN_TOPIC_ID", 103: "INCONSISTENT_TOPIC_ID", 106: "FETCH_SESSION_TOPIC_ID_ERROR",
}
# A member that a failure has kept from its heartbeats is told so, and joins again.
REJOIN = {22: "ILLEGAL_GENERATION", 25: "UNKNOWN_MEMBER_ID", 27: "REBALANCE_IN_PROGRESS", 79: "MEMBER_ID_REQUIRED"}
# librdkafka's own words for connections that broke, time that ran out, and partitions that went to another member.
LOCAL = {
    KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._MSG_TIMED_OUT, KafkaError._TIMED_OUT, KafkaError._TIMED_OUT_QUEUE,
    KafkaError._WAIT_COORD, KafkaError._RESOLVE, KafkaError._RETRY, KafkaError._DESTROY, KafkaError._PARTITION_EOF, KafkaError._NO_OFFSET,
    KafkaError._ASSIGNMENT_LOST, KafkaError._STATE,
}


def harmless(error):
    """Whether a client that just goes on will get over it."""
    return not error.fatal() and (error.code() in RETRIABLE or error.code() in REJOIN or error.code() in LOCAL)
