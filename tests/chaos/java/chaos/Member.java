// The role of a group's member: reads what it is given, commits twice a second, writes down each acknowledged commit.
package chaos;

import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RebalanceInProgressException;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

final class Member extends Role implements ConsumerRebalanceListener {
    private static final long COMMIT_MS = 500;
    private static final Duration COMMIT = Duration.ofSeconds(10);

    /** What it read since its last assignment and did not commit yet; so its commits never go back. */
    private final Map<TopicPartition, OffsetAndMetadata> read = new HashMap<>();

    Member(String name) {
        super("member", name);
    }

    @Override
    void play() {
        var settings = settings("group.id", "chaos", "enable.auto.commit", "false", "auto.offset.reset", "earliest",
            "session.timeout.ms", "6000", "heartbeat.interval.ms", "1000",
            "partition.assignment.strategy", "org.apache.kafka.clients.consumer.RangeAssignor");
        try (var consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.subscribe(partitions().stream().map(TopicPartition::topic).distinct().toList(), this);
            long due = 0;
            while (!stopped) {
                for (var record : consumer.poll(Duration.ofMillis(100))) {
                    Following.write(this, record);
                    read.put(new TopicPartition(record.topic(), record.partition()), new OffsetAndMetadata(record.offset() + 1));
                }
                flush();
                if (now() > due) {
                    due = now() + COMMIT_MS;
                    commit(consumer);
                }
            }
            commit(consumer);
        }
    }

    private void commit(KafkaConsumer<byte[], byte[]> consumer) {
        if (read.isEmpty()) {
            return;
        }
        long began = now();
        try {
            consumer.commitSync(read, COMMIT);
            read.forEach((at, offset) -> write("C", began, now(), at.topic(), at.partition(), offset.offset()));
            read.clear();
            flush();
        } catch (RetriableException | CommitFailedException | RebalanceInProgressException e) {
            judge(e, "commit");
        }
    }

    @Override
    public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
        read.clear();
    }

    @Override
    public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
        read.clear();
    }
}
