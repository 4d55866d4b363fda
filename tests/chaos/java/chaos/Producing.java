// The role that produces: idempotent, acks=all, a steady rate over all partitions, and a line for what became of each record.
package chaos;

import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArraySerializer;

final class Producing extends Role {
    /** A record is given up after this long, longer than any outage: after that a producer may itself send others a second time. */
    private static final String DELIVERY_MS = "600000";
    /** An unanswered request is sent again after this long; the client's own 30 s would outlast most faults. */
    private static final String REQUEST_MS = "5000";

    Producing(String name) {
        super("produce", name);
    }

    @Override
    void play() {
        var found = partitions();
        Map<TopicPartition, Long> sequences = new HashMap<>();
        long every = (long) (1e9 / Double.parseDouble(System.getenv("RATE")));
        long due = System.nanoTime();
        var settings = settings("enable.idempotence", "true", "acks", "all", "linger.ms", "2", "delivery.timeout.ms", DELIVERY_MS,
            "request.timeout.ms", REQUEST_MS, "max.block.ms", DELIVERY_MS);
        try (var producer = new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
            for (int turn = 0; !stopped; turn++) {
                var partition = found.get(turn % found.size());
                send(producer, partition, sequences.merge(partition, 1L, Long::sum) - 1);
                // What could not be sent in time is not sent in a burst later.
                due = Math.max(due + every, System.nanoTime() - 100_000_000);
                LockSupport.parkNanos(due - System.nanoTime());
            }
            producer.flush();
        }
    }

    private void send(KafkaProducer<byte[], byte[]> producer, TopicPartition at, long sequence) {
        long sent = now();
        var value = new Value(name, sequence).write(at);
        producer.send(new ProducerRecord<>(at.topic(), at.partition(), null, value), (metadata, e) -> {
            if (e == null) {
                write("A", now(), sent, at.topic(), at.partition(), sequence, metadata.offset());
            } else {
                write("F", now(), sent, at.topic(), at.partition(), sequence, e.getClass().getSimpleName());
                judge(e, "delivery");
            }
            flush();
        });
    }
}
