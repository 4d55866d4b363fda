// Numbers produced on a thread of its own, one each two milliseconds, number n into partition n % partitions, until it is stopped.
package compat;

import static compat.Client.bytes;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;

final class Load {
    /** Bounds the records of a feature that hangs. */
    private static final int MOST = 60_000;

    private final List<Future<RecordMetadata>> sent = new ArrayList<>();
    private final Thread thread;
    private volatile boolean stopped;

    Load(Client client, String topic, int partitions) {
        thread = new Thread(() -> {
            try (var producer = client.producer("delivery.timeout.ms", "140000", "max.block.ms", "140000")) {
                for (int n = 0; n < MOST && !stopped; n++) {
                    sent.add(producer.send(new ProducerRecord<>(topic, n % partitions, null, bytes(String.valueOf(n)))));
                    Thread.sleep(2); // the pace of the load, not a wait for something
                }
            } catch (InterruptedException e) {
                stopped = true;
            }
        }, "load of " + topic);
        thread.setDaemon(true);
        thread.start();
    }

    /** Ends the load; how many numbers were produced, all of them acknowledged. */
    int stop() throws Exception {
        stopped = true;
        thread.join();
        for (var one : sent) {
            one.get(Client.ANSWER_SECONDS, TimeUnit.SECONDS);
        }
        return sent.size();
    }
}
