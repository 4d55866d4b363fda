// What every feature needs of the Java client: its settings, a topic to itself, a full read of some partitions.
package compat;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

final class Client implements AutoCloseable {
    /** Bounds every single answer that a feature waits for, in seconds. */
    static final int ANSWER_SECONDS = 60;
    /** Longest time in which a change must be shown everywhere, in seconds. */
    private static final int SHOWN_SECONDS = 30;

    final String bootstrap = Objects.requireNonNull(System.getenv("BOOTSTRAP"), "BOOTSTRAP is not set");
    /** Of the nodes 1, 2, ... of the broker; a topic has a replica on each. */
    final List<String> addresses = List.of(bootstrap.split(","));
    final Admin admin;

    Client() {
        admin = Admin.create(Map.of("bootstrap.servers", bootstrap));
    }

    @Override
    public void close() {
        admin.close(Duration.ofSeconds(5));
    }

    /** A name that no other feature, family or run uses. */
    String name(String feature) {
        return "java-" + feature + "-" + System.getenv().getOrDefault("RUN_ID", "0");
    }

    /** Creates a topic for one feature and returns its name. */
    String topic(String feature, int partitions) throws Exception {
        String name = name(feature);
        create(newTopic(name, partitions));
        return name;
    }

    NewTopic newTopic(String name, int partitions) {
        return new NewTopic(name, partitions, (short) addresses.size());
    }

    /** Creates a topic and waits until it is shown with its partitions. */
    void create(NewTopic topic) throws Exception {
        answer(admin.createTopics(List.of(topic)).all());
        eventually(() -> same(topic.numPartitions(), describe(topic.name()).partitions().size(), "partitions"));
    }

    TopicDescription describe(String topic) throws Exception {
        return answer(admin.describeTopics(List.of(topic)).allTopicNames()).get(topic);
    }

    /** Something to try again; throws anything to fail. */
    interface Step {
        void run() throws Exception;
    }

    /** Repeats `step` until it passes, because a broker may show a change a little after it answered that it is made. */
    static void eventually(Step step) throws Exception {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(SHOWN_SECONDS);
        while (true) {
            try {
                step.run();
                return;
            } catch (Exception e) {
                if (System.nanoTime() > deadline) {
                    throw e;
                }
                Thread.sleep(20);
            }
        }
    }

    /** Waits for an admin answer; its error is thrown unwrapped. */
    static <T> T answer(KafkaFuture<T> future) throws Exception {
        try {
            return future.get(ANSWER_SECONDS, TimeUnit.SECONDS);
        } catch (ExecutionException e) {
            throw e.getCause() instanceof Exception cause ? cause : e;
        }
    }

    /** A producer of bytes; `settings` are pairs of name and value over the defaults (idempotent, acks=all). */
    KafkaProducer<byte[], byte[]> producer(String... settings) {
        return new KafkaProducer<>(properties(settings), new ByteArraySerializer(), new ByteArraySerializer());
    }

    /** A consumer without a group, from the beginning, that creates no topic by asking for it. */
    KafkaConsumer<byte[], byte[]> consumer(String... settings) {
        Properties properties = properties("auto.offset.reset", "earliest", "enable.auto.commit", "false",
            "allow.auto.create.topics", "false", "check.crcs", "true");
        properties.putAll(properties(settings));
        return new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    private Properties properties(String... settings) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        for (int i = 0; i < settings.length; i += 2) {
            properties.put(settings[i], settings[i + 1]);
        }
        return properties;
    }

    static List<TopicPartition> partitions(String topic, int count) {
        List<TopicPartition> partitions = new ArrayList<>();
        for (int p = 0; p < count; p++) {
            partitions.add(new TopicPartition(topic, p));
        }
        return partitions;
    }

    /** Everything from the log start to the end offset of now, partition by partition in offset order. */
    List<ConsumerRecord<byte[], byte[]>> readAll(String topic, int partitions) {
        try (var consumer = consumer()) {
            var assigned = partitions(topic, partitions);
            consumer.assign(assigned);
            consumer.seekToBeginning(assigned);
            return readToEnd(consumer, assigned);
        }
    }

    /** Reads on from the consumer's positions to the end offset of now. */
    static List<ConsumerRecord<byte[], byte[]>> readToEnd(KafkaConsumer<byte[], byte[]> consumer, Collection<TopicPartition> of) {
        Map<TopicPartition, Long> ends = consumer.endOffsets(of);
        List<ConsumerRecord<byte[], byte[]>> read = new ArrayList<>();
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(ANSWER_SECONDS);
        while (of.stream().anyMatch(p -> consumer.position(p) < ends.get(p))) {
            check(System.nanoTime() < deadline, "only " + read.size() + " records before the deadline, ends " + ends);
            consumer.poll(Duration.ofMillis(100)).forEach(read::add);
        }
        return read;
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static String text(byte[] bytes) {
        return bytes == null ? null : new String(bytes, StandardCharsets.UTF_8);
    }

    static void check(boolean holds, String otherwise) {
        if (!holds) {
            throw new IllegalStateException(otherwise);
        }
    }

    static void same(Object expected, Object actual, String what) {
        check(Objects.equals(expected, actual), what + ": expected " + expected + ", got " + actual);
    }

    /** Runs `step`, which must end with the error `kind`, itself or as a cause. */
    static void refused(Class<? extends Exception> kind, Step step) throws Exception {
        try {
            step.run();
        } catch (Exception e) {
            for (Throwable cause = e; cause != null; cause = cause.getCause()) {
                if (kind.isInstance(cause)) {
                    return;
                }
            }
            throw e;
        }
        throw new IllegalStateException("not refused with " + kind.getSimpleName());
    }
}
