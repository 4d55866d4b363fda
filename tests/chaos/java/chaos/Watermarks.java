// The role that asks for high watermarks. The Java client never goes back to the leader of an older epoch, so neither may the answers.
package chaos;

import java.time.Duration;
import java.util.List;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

final class Watermarks extends Role {
    private static final Duration ANSWER = Duration.ofSeconds(2);
    private static final long EVERY_MS = 40;

    Watermarks(String name) {
        super("watermarks", name);
    }

    @Override
    void play() throws InterruptedException {
        var all = partitions();
        var settings = settings("enable.auto.commit", "false");
        try (var consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            // One by one: a partition without a leader keeps no other from being asked for.
            for (int turn = 0; !stopped; turn++) {
                var at = all.get(turn % all.size());
                long began = now();
                try {
                    var ends = consumer.endOffsets(List.of(at), ANSWER);
                    write("W", began, now(), at.topic(), at.partition(), ends.get(at));
                    flush();
                } catch (RetriableException e) {
                    judge(e, "watermark");
                }
                Thread.sleep(EVERY_MS); // the pace of the questions, not a wait for something
            }
        }
    }
}
