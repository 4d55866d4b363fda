// The features of reading at a place: assigned partitions, seeks, listed offsets, the end of the log and beyond it.
package compat;

import static compat.Client.answer;
import static compat.Client.bytes;
import static compat.Client.check;
import static compat.Client.refused;
import static compat.Client.same;
import static compat.Client.text;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;

final class Offsets {
    /** The timestamp of record n is BASE_TIME + n * STEP, except where a feature says otherwise. */
    private static final long BASE_TIME = 1_700_000_000_000L;
    private static final long STEP = 1000;

    private Offsets() {}

    static void register(Map<String, Main.Check> checks) {
        checks.put("assigned_partitions", Offsets::assignedPartitions);
        checks.put("seek_offset", Offsets::seekOffset);
        checks.put("seek_time", Offsets::seekTime);
        checks.put("list_offsets", Offsets::listOffsets);
        checks.put("max_timestamp", Offsets::maxTimestamp);
        checks.put("tail", Offsets::tail);
        checks.put("offset_out_of_range", Offsets::offsetOutOfRange);
    }

    private static void assignedPartitions(Client client) throws Exception {
        String topic = client.topic("assigned_partitions", 3);
        for (int p = 0; p < 3; p++) {
            Records.produceNumbers(client, topic, p, p * 1000, p * 1000 + 100);
        }
        long[] next = new long[3];
        var read = client.readAll(topic, 3);
        for (var record : read) {
            int p = record.partition();
            same(next[p], record.offset(), "next offset of partition " + p);
            same(String.valueOf(p * 1000 + next[p]), text(record.value()), "value at that offset");
            next[p]++;
        }
        same(300, read.size(), "records");
        try (var consumer = client.consumer()) {
            var only = List.of(new TopicPartition(topic, 1));
            consumer.assign(only);
            check(Client.readToEnd(consumer, only).stream().allMatch(r -> r.partition() == 1), "a partition that was not assigned");
        }
    }

    private static void seekOffset(Client client) throws Exception {
        String topic = client.topic("seek_offset", 1);
        Records.produceNumbers(client, topic, 0, 0, 500);
        var partition = new TopicPartition(topic, 0);
        try (var consumer = client.consumer("max.poll.records", "10")) {
            consumer.assign(List.of(partition));
            // Odd places: inside a batch, back again, the first and the last record.
            for (long offset : new long[] {317, 42, 0, 499}) {
                consumer.seek(partition, offset);
                var read = pollSome(consumer);
                var first = read.records(partition).get(0);
                same(offset, first.offset(), "first offset after the seek");
                same(String.valueOf(offset), text(first.value()), "its value");
            }
            consumer.seekToEnd(List.of(partition));
            same(500L, consumer.position(partition), "position at the end");
        }
    }

    private static void seekTime(Client client) throws Exception {
        String topic = client.topic("seek_time", 1);
        produceTimes(client, topic, 100);
        var partition = new TopicPartition(topic, 0);
        try (var consumer = client.consumer()) {
            same(30L, at(consumer.offsetsForTimes(Map.of(partition, BASE_TIME + 30 * STEP)), partition), "offset at a record's time");
            same(31L, at(consumer.offsetsForTimes(Map.of(partition, BASE_TIME + 30 * STEP + 1)), partition), "offset between two");
            same(0L, at(consumer.offsetsForTimes(Map.of(partition, 1L)), partition), "offset before all");
            same(null, at(consumer.offsetsForTimes(Map.of(partition, BASE_TIME + 100 * STEP)), partition), "offset after all");
            var found = consumer.offsetsForTimes(Map.of(partition, BASE_TIME + 70 * STEP)).get(partition);
            same(BASE_TIME + 70 * STEP, found.timestamp(), "timestamp found");
            consumer.assign(List.of(partition));
            consumer.seek(partition, found.offset());
            same(30, Client.readToEnd(consumer, List.of(partition)).size(), "records from there");
        }
    }

    private static void listOffsets(Client client) throws Exception {
        String topic = client.topic("list_offsets", 2);
        Records.produceNumbers(client, topic, 1, 0, 250);
        var empty = new TopicPartition(topic, 0);
        var full = new TopicPartition(topic, 1);
        try (var consumer = client.consumer()) {
            same(Map.of(empty, 0L, full, 0L), consumer.beginningOffsets(List.of(empty, full)), "beginning offsets");
            same(Map.of(empty, 0L, full, 250L), consumer.endOffsets(List.of(empty, full)), "end offsets");
        }
        var latest = answer(client.admin.listOffsets(Map.of(full, OffsetSpec.latest())).all()).get(full);
        same(250L, latest.offset(), "latest, by admin");
        var earliest = answer(client.admin.listOffsets(Map.of(full, OffsetSpec.earliest())).all()).get(full);
        same(0L, earliest.offset(), "earliest, by admin");
        check(latest.leaderEpoch().isPresent(), "no leader epoch");
    }

    private static void maxTimestamp(Client client) throws Exception {
        String topic = client.topic("max_timestamp", 2);
        try (var producer = client.producer()) {
            long[] times = {5, 90, 40, 90, 10};
            for (long time : times) {
                producer.send(new ProducerRecord<>(topic, 0, BASE_TIME + time, null, bytes("x"))).get(Client.ANSWER_SECONDS, TimeUnit.SECONDS);
            }
        }
        var partition = new TopicPartition(topic, 0);
        var found = answer(client.admin.listOffsets(Map.of(partition, OffsetSpec.maxTimestamp())).all()).get(partition);
        same(1L, found.offset(), "offset of the greatest timestamp");
        same(BASE_TIME + 90, found.timestamp(), "the greatest timestamp");
        var empty = new TopicPartition(topic, 1);
        same(-1L, answer(client.admin.listOffsets(Map.of(empty, OffsetSpec.maxTimestamp())).all()).get(empty).offset(), "of an empty log");
    }

    private static void tail(Client client) throws Exception {
        String topic = client.topic("tail", 1);
        Records.produceNumbers(client, topic, 0, 0, 5);
        var partition = new TopicPartition(topic, 0);
        try (var consumer = client.consumer("fetch.max.wait.ms", "20000")) {
            consumer.assign(List.of(partition));
            consumer.seekToEnd(List.of(partition));
            same(5L, consumer.position(partition), "position");
            check(consumer.poll(Duration.ofMillis(300)).isEmpty(), "a record beyond the end");
            // The fetch waits on the broker by now; the record must end that wait, not the 20 s.
            long start = System.nanoTime();
            Records.produceNumbers(client, topic, 0, 5, 6);
            var read = consumer.poll(Duration.ofSeconds(30));
            same(1, read.count(), "records");
            same("5", text(read.iterator().next().value()), "value");
            check(System.nanoTime() - start < TimeUnit.SECONDS.toNanos(10), "the waiting fetch was not woken");
            // Otherwise it would wait for the end of the fetch that it sent since.
            consumer.close(CloseOptions.timeout(Duration.ZERO));
        }
    }

    private static void offsetOutOfRange(Client client) throws Exception {
        String topic = client.topic("offset_out_of_range", 1);
        Records.produceNumbers(client, topic, 0, 0, 5);
        var partition = new TopicPartition(topic, 0);
        try (var strict = client.consumer("auto.offset.reset", "none")) {
            strict.assign(List.of(partition));
            strict.seek(partition, 1000);
            refused(OffsetOutOfRangeException.class, () -> pollSome(strict));
        }
        try (var lenient = client.consumer("auto.offset.reset", "earliest")) {
            lenient.assign(List.of(partition));
            lenient.seek(partition, 1000);
            var read = pollSome(lenient);
            same(0L, read.records(partition).get(0).offset(), "first offset after the reset");
        }
    }

    /** Polls until there is a record. */
    private static ConsumerRecords<byte[], byte[]> pollSome(KafkaConsumer<byte[], byte[]> consumer) {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(Client.ANSWER_SECONDS);
        while (System.nanoTime() < deadline) {
            var read = consumer.poll(Duration.ofMillis(500));
            if (!read.isEmpty()) {
                return read;
            }
        }
        throw new IllegalStateException("no record before the deadline");
    }

    private static void produceTimes(Client client, String topic, int count) throws Exception {
        // A producer for every ten, so that the records stand in many batches.
        for (int from = 0; from < count; from += 10) {
            try (var producer = client.producer()) {
                for (int n = from; n < from + 10; n++) {
                    producer.send(new ProducerRecord<>(topic, 0, BASE_TIME + n * STEP, null, bytes(String.valueOf(n))));
                }
            }
        }
    }

    private static Long at(Map<TopicPartition, OffsetAndTimestamp> found, TopicPartition partition) {
        return found.get(partition) == null ? null : found.get(partition).offset();
    }
}
