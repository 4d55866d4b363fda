// The features of one member in a group: it consumes, commits, resumes at its commit, and finds topics by a pattern.
package compat;

import static compat.Client.answer;
import static compat.Client.bytes;
import static compat.Client.check;
import static compat.Client.eventually;
import static compat.Client.refused;
import static compat.Client.same;
import static compat.Client.text;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.OffsetMetadataTooLarge;

final class Groups {
    /** Kafka's default of `offset.metadata.max.bytes`. */
    private static final int METADATA_BYTES = 4096;

    private Groups() {}

    static void register(Map<String, Main.Check> checks) {
        checks.put("group_consume", Groups::groupConsume);
        checks.put("commit_resume", Groups::commitResume);
        checks.put("offset_metadata", Groups::offsetMetadata);
        checks.put("pattern_subscribe", Groups::patternSubscribe);
    }

    private static void groupConsume(Client client) throws Exception {
        String topic = client.topic("group_consume", 3);
        produceSpread(client, topic, 3, 0, 300);
        try (var member = new GroupMember(client, topic, topic)) {
            eventually(() -> same(numbers(0, 300), seen(List.of(member)), "numbers seen"));
            same(names(topic, 3), member.owned(), "partitions owned");
            same(300, member.read().size(), "records read");
            eventually(() -> same(Map.of(0, 100L, 1, 100L, 2, 100L), committed(client, topic), "committed offsets"));
        }
    }

    private static void commitResume(Client client) throws Exception {
        String topic = client.topic("commit_resume", 3);
        produceSpread(client, topic, 3, 0, 300);
        Map<Integer, Long> places = Map.of(0, 50L, 1, 1L, 2, 99L);
        try (var first = subscribed(client, topic)) {
            firstOffsets(first, 3);
            Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
            places.forEach((p, offset) -> offsets.put(new TopicPartition(topic, p), new OffsetAndMetadata(offset)));
            first.commitSync(offsets);
        }
        try (var second = subscribed(client, topic)) {
            same(places, firstOffsets(second, 3), "first offset read after the commit, by partition");
        }
    }

    private static void offsetMetadata(Client client) throws Exception {
        String topic = client.topic("offset_metadata", 2);
        var partition = new TopicPartition(topic, 1);
        try (var consumer = client.consumer(GroupMember.settings(topic))) {
            consumer.assign(List.of(partition));
            same(null, consumer.committed(Set.of(partition)).get(partition), "committed before any commit");
            consumer.commitSync(Map.of(partition, new OffsetAndMetadata(17, "grüße at 17")));
            consumer.commitSync(Map.of(new TopicPartition(topic, 0), new OffsetAndMetadata(3, "m".repeat(METADATA_BYTES))));
            refused(OffsetMetadataTooLarge.class,
                () -> consumer.commitSync(Map.of(partition, new OffsetAndMetadata(18, "m".repeat(METADATA_BYTES + 1)))));
        }
        try (var consumer = client.consumer(GroupMember.settings(topic))) {
            var committed = consumer.committed(Set.of(partition)).get(partition);
            same(17L, committed.offset(), "committed offset");
            same("grüße at 17", committed.metadata(), "its metadata");
        }
        var offsets = answer(client.admin.listConsumerGroupOffsets(topic).partitionsToOffsetAndMetadata());
        same(2, offsets.size(), "partitions with a committed offset");
        same("grüße at 17", offsets.get(partition).metadata(), "metadata, by admin");
        same(METADATA_BYTES, offsets.get(new TopicPartition(topic, 0)).metadata().length(), "length of the longest metadata");
    }

    private static void patternSubscribe(Client client) throws Exception {
        String prefix = client.topic("pattern_subscribe", 1);
        client.create(client.newTopic("not-" + prefix, 1));
        Records.produceNumbers(client, prefix, 0, 0, 10);
        try (var member = new GroupMember(client, prefix, Pattern.compile(prefix + ".*"), "metadata.max.age.ms", "500")) {
            eventually(() -> same(numbers(0, 10), seen(List.of(member)), "numbers seen of the first topic"));
            String later = prefix + "-later";
            client.create(client.newTopic(later, 2));
            Records.produceNumbers(client, later, 1, 10, 20);
            eventually(() -> same(numbers(0, 20), seen(List.of(member)), "numbers seen of both topics"));
            var expected = names(later, 2);
            expected.addAll(names(prefix, 1));
            same(expected, member.owned(), "partitions owned");
        }
    }

    /** A consumer that has joined `topic`'s own group, which is named like it. */
    private static KafkaConsumer<byte[], byte[]> subscribed(Client client, String topic) {
        var consumer = client.consumer(GroupMember.settings(topic));
        consumer.subscribe(List.of(topic));
        return consumer;
    }

    /** Polls until each of `count` partitions has given a record; the offset of the first of each. */
    private static Map<Integer, Long> firstOffsets(KafkaConsumer<byte[], byte[]> consumer, int count) {
        Map<Integer, Long> first = new TreeMap<>();
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(GroupMember.SETTLE_SECONDS);
        while (first.size() < count) {
            check(System.nanoTime() < deadline, "records only of the partitions " + first.keySet());
            consumer.poll(Duration.ofMillis(100)).forEach(record -> first.putIfAbsent(record.partition(), record.offset()));
        }
        return first;
    }

    /** Produces the numbers from (inclusive) to (exclusive), number n into partition n % partitions; all are acknowledged. */
    static void produceSpread(Client client, String topic, int partitions, int from, int to) throws Exception {
        try (var producer = client.producer()) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int n = from; n < to; n++) {
                sent.add(producer.send(new ProducerRecord<>(topic, n % partitions, null, bytes(String.valueOf(n)))));
            }
            for (var one : sent) {
                one.get(Client.ANSWER_SECONDS, TimeUnit.SECONDS);
            }
        }
    }

    /** The committed offset of each partition that has one. */
    static Map<Integer, Long> committed(Client client, String group) throws Exception {
        Map<Integer, Long> offsets = new TreeMap<>();
        answer(client.admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata()).forEach((partition, offset) -> {
            if (offset != null) {
                offsets.put(partition.partition(), offset.offset());
            }
        });
        return offsets;
    }

    /** The numbers from (inclusive) to (exclusive), to be compared with what was seen. */
    static Set<Integer> numbers(int from, int to) {
        Set<Integer> numbers = new HashSet<>();
        for (int n = from; n < to; n++) {
            numbers.add(n);
        }
        return new Seen(numbers);
    }

    /** All numbers that any of `members` has read. */
    static Set<Integer> seen(List<GroupMember> members) throws Exception {
        Set<Integer> numbers = new HashSet<>();
        for (var member : members) {
            member.alive();
            for (ConsumerRecord<byte[], byte[]> record : member.read()) {
                numbers.add(Integer.parseInt(text(record.value())));
            }
        }
        return new Seen(numbers);
    }

    /** The names of all partitions of `topic`, as `GroupMember.owned` gives them. */
    static Set<String> names(String topic, int partitions) {
        Set<String> names = new TreeSet<>();
        for (int p = 0; p < partitions; p++) {
            names.add(topic + "-" + p);
        }
        return names;
    }

    /** A set of numbers that shows only its size and bounds: a reason with ten thousand numbers helps nobody. */
    private static final class Seen extends HashSet<Integer> {
        Seen(Set<Integer> numbers) {
            super(numbers);
        }

        @Override
        public String toString() {
            return size() + " numbers" + (isEmpty() ? "" : " to " + Collections.max(this));
        }
    }
}
