// The broker is restarted or killed while an idempotent producer and a consumer are at work: no loss, no duplicate, no disorder.
package compat;

import static compat.Client.bytes;
import static compat.Client.check;
import static compat.Client.same;
import static compat.Client.text;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.Socket;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;

final class Restarts {
    /** Records before the restart and again after it; between them one each millisecond, at most MIDDLE. */
    private static final int AROUND = 1000;
    private static final int MIDDLE = 60_000;
    private static final int PARTITIONS = 2;

    private Restarts() {}

    static void register(Map<String, Main.Check> checks) {
        checks.put("restart_clean", client -> restart(client, "restart"));
        checks.put("restart_kill", client -> restart(client, "kill"));
    }

    /** Asks the harness to `restart` or `kill` the broker; returns when it is ready again. */
    static void control(String command) throws Exception {
        String[] at = System.getenv("BROKER_CTL").split(":");
        try (var socket = new Socket(at[0], Integer.parseInt(at[1]))) {
            socket.getOutputStream().write(bytes(command + "\n"));
            String answer = new BufferedReader(new InputStreamReader(socket.getInputStream())).readLine();
            same("ok", answer, command + " of the broker");
        }
    }

    private static void restart(Client client, String how) throws Exception {
        String topic = client.topic("restart_" + how, PARTITIONS);
        AtomicInteger total = new AtomicInteger(-1);
        var reader = CompletableFuture.supplyAsync(() -> follow(client, topic, total));
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (var producer = client.producer("enable.idempotence", "true", "delivery.timeout.ms", "140000", "max.block.ms", "140000")) {
            Runnable next = () -> sent.add(
                producer.send(new ProducerRecord<>(topic, sent.size() % PARTITIONS, null, bytes(String.valueOf(sent.size())))));
            for (int n = 0; n < AROUND; n++) {
                next.run();
            }
            producer.flush();
            var control = CompletableFuture.runAsync(() -> {
                try {
                    control(how);
                } catch (Exception e) {
                    throw new IllegalStateException(e);
                }
            });
            while (!control.isDone()) {
                if (sent.size() < MIDDLE) {
                    next.run();
                }
                Thread.sleep(1); // the pace of the load, not a wait for something
            }
            control.get();
            for (int n = 0; n < AROUND; n++) {
                next.run();
            }
            for (var one : sent) {
                one.get(Client.ANSWER_SECONDS, TimeUnit.SECONDS);
            }
        }
        total.set(sent.size());
        inOrder(reader.get(Client.ANSWER_SECONDS, TimeUnit.SECONDS), sent.size(), "the consumer that lived through it");
        var read = new ArrayList<int[]>();
        client.readAll(topic, PARTITIONS).forEach(r -> read.add(new int[] {r.partition(), Integer.parseInt(text(r.value()))}));
        inOrder(read, sent.size(), "a new consumer");
    }

    /** Reads from the beginning until as many records as `total` says were seen; pairs of partition and number. */
    private static List<int[]> follow(Client client, String topic, AtomicInteger total) {
        List<int[]> read = new ArrayList<>();
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(140);
        try (var consumer = client.consumer()) {
            consumer.assign(Client.partitions(topic, PARTITIONS));
            while ((total.get() < 0 || read.size() < total.get()) && System.nanoTime() < deadline) {
                for (var record : consumer.poll(Duration.ofMillis(100))) {
                    read.add(new int[] {record.partition(), Integer.parseInt(text(record.value()))});
                }
            }
        }
        return read;
    }

    private static void inOrder(List<int[]> read, int total, String reader) {
        int[] next = {0, 1};
        for (int[] one : read) {
            same(next[one[0]], one[1], reader + ", next number of partition " + one[0]);
            next[one[0]] += PARTITIONS;
        }
        check(read.size() == total, reader + " saw " + read.size() + " of " + total + " records");
    }
}
