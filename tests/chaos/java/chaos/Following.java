// The roles that read every partition from its start: `follow` goes along while others produce, `read` only reads to the end.
package chaos;

import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

final class Following extends Role {
    /** Longest time from the end of producing until a reader has everything. */
    private static final long CATCH_UP_SECONDS = 90;
    private static final Duration ANSWER = Duration.ofSeconds(5);
    private final List<TopicPartition> all = partitions();

    Following(String kind, String name) {
        super(kind, name);
        stopped = kind.equals("read");
    }

    @Override
    void play() {
        // An offset that is out of range is an error here: nothing is ever deleted in these topics.
        var settings = settings("auto.offset.reset", "none", "enable.auto.commit", "false", "check.crcs", "true");
        try (var consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.assign(all);
            consumer.seekToBeginning(all);
            while (!stopped) {
                poll(consumer);
            }
            readToEnd(consumer);
        }
    }

    private void readToEnd(KafkaConsumer<byte[], byte[]> consumer) {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(CATCH_UP_SECONDS);
        Map<TopicPartition, Long> ends = new HashMap<>();
        Map<TopicPartition, Long> at = new HashMap<>();
        while (ends.isEmpty() || all.stream().anyMatch(p -> at.getOrDefault(p, -1L) < ends.get(p))) {
            if (System.nanoTime() > deadline) {
                throw new IllegalStateException("not at the end after " + CATCH_UP_SECONDS + " s: at " + at + " of " + ends);
            }
            poll(consumer);
            try {
                if (ends.isEmpty()) {
                    ends.putAll(consumer.endOffsets(all, ANSWER));
                }
                for (var partition : all) {
                    at.put(partition, consumer.position(partition, ANSWER));
                }
            } catch (RetriableException e) {
                judge(e, "end offset");
            }
        }
    }

    private void poll(KafkaConsumer<byte[], byte[]> consumer) {
        for (var record : consumer.poll(Duration.ofMillis(100))) {
            write(this, record);
        }
        flush();
    }

    /** One line for one record, whole or damaged. */
    static void write(Role role, ConsumerRecord<byte[], byte[]> record) {
        try {
            var value = Value.read(record.value(), new TopicPartition(record.topic(), record.partition()));
            role.write("R", now(), record.topic(), record.partition(), record.offset(), value.producer(), value.sequence());
        } catch (Value.Damaged | NumberFormatException e) {
            role.write("X", now(), record.topic(), record.partition(), record.offset(), e.getMessage());
        }
    }
}
