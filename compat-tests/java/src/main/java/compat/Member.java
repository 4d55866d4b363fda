// The `member` mode: one member of GROUP on TOPIC, for groups of several clients, that writes what happens to OUT_FILE:
//   A <unix-ms> p,p,p   the complete assignment after a rebalance    R <unix-ms>   given up or lost
//   M <partition> <offset> <value>   a record processed              C <partition> <next-offset>   an acknowledged commit
// SIGTERM: commit, leave, exit 0. A retriable error is tried again, any other is printed and ends it with 1.
package compat;

import static compat.Client.bytes;

import java.io.BufferedOutputStream;
import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.RangeAssignor;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RebalanceInProgressException;
import org.apache.kafka.common.errors.RetriableException;

final class Member implements ConsumerRebalanceListener {
    private static final long COMMIT_MILLIS = 500;
    /** A commit that is not answered is given up, so that the member polls again before the group counts it as stuck. */
    private static final Duration COMMIT = Duration.ofSeconds(2);
    /** Longest time that SIGTERM waits for the last commit and the goodbye. */
    private static final long LEAVE_MILLIS = 20_000;

    private final KafkaConsumer<byte[], byte[]> consumer;
    private final OutputStream out;
    private final Map<TopicPartition, OffsetAndMetadata> uncommitted = new HashMap<>();
    private volatile boolean leaving;

    private Member(Client client) throws IOException {
        String instance = System.getenv("INSTANCE_ID");
        String[] settings = GroupMember.settings(System.getenv("GROUP"),
            "client.id", System.getenv().getOrDefault("CLIENT_ID", "java"),
            "partition.assignment.strategy", RangeAssignor.class.getName());
        if (instance != null && !instance.isEmpty()) {
            settings = Stream.concat(Stream.of(settings), Stream.of("group.instance.id", instance)).toArray(String[]::new);
        }
        consumer = client.consumer(settings);
        out = new BufferedOutputStream(new FileOutputStream(System.getenv("OUT_FILE"), true), 1 << 16);
    }

    /** Runs until SIGTERM or a fatal error; the exit code. */
    static void run(Client client) throws Exception {
        Member member = new Member(client);
        Thread main = Thread.currentThread();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            if (!main.isAlive()) {
                return;
            }
            member.leaving = true;
            try {
                main.join(LEAVE_MILLIS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
            // A JVM that ends by SIGTERM would report the signal, also after an orderly end.
            Runtime.getRuntime().halt(main.isAlive() ? 1 : 0);
        }));
        try {
            member.work(System.getenv("TOPIC"));
        } catch (Exception e) {
            System.out.println("member: " + e);
            System.out.flush();
            Runtime.getRuntime().halt(1);
        }
    }

    /** Starts this mode as a process of its own. */
    static Process start(String group, String topic, Path file) throws IOException {
        String java = ProcessHandle.current().info().command().orElse("java");
        var builder = new ProcessBuilder(java, "-Xmx200m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
            "-cp", System.getProperty("java.class.path"), "compat.Main", "member");
        builder.environment().putAll(Map.of("GROUP", group, "TOPIC", topic, "OUT_FILE", file.toString()));
        return builder.redirectErrorStream(true).redirectOutput(new File(file + ".log")).start();
    }

    private void work(String topic) throws IOException {
        try (out; consumer) {
            consumer.subscribe(List.of(topic), this);
            long committed = System.nanoTime();
            while (!leaving) {
                poll();
                out.flush();
                if (System.nanoTime() - committed > COMMIT_MILLIS * 1_000_000) {
                    commit();
                    committed = System.nanoTime();
                }
            }
            commit();
        }
    }

    private void poll() throws IOException {
        try {
            for (var record : consumer.poll(Duration.ofMillis(50))) {
                out.write(bytes("M " + record.partition() + " " + record.offset() + " "));
                if (record.value() != null) {
                    out.write(record.value());
                }
                out.write('\n');
                uncommitted.put(new TopicPartition(record.topic(), record.partition()), new OffsetAndMetadata(record.offset() + 1));
            }
        } catch (RetriableException e) {
            System.out.println("member: tries again after " + e);
        }
    }

    private void commit() {
        if (uncommitted.isEmpty()) {
            return;
        }
        try {
            out.flush();
            consumer.commitSync(uncommitted, COMMIT);
            uncommitted.forEach((partition, offset) -> line("C " + partition.partition() + " " + offset.offset()));
            uncommitted.clear();
        } catch (CommitFailedException e) {
            // Out of the group: the records belong to whoever owns their partitions now.
            uncommitted.clear();
        } catch (RetriableException | RebalanceInProgressException e) {
            System.out.println("member: tries again after " + e);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
        // Eager: each assignment is the whole one.
        String all = partitions.stream().map(TopicPartition::partition).sorted().map(String::valueOf).collect(Collectors.joining(","));
        line("A " + System.currentTimeMillis() + " " + all);
    }

    @Override
    public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
        commit();
        uncommitted.clear();
        line("R " + System.currentTimeMillis());
    }

    @Override
    public void onPartitionsLost(Collection<TopicPartition> partitions) {
        uncommitted.clear();
        line("R " + System.currentTimeMillis());
    }

    private void line(String line) {
        try {
            out.write(bytes(line + "\n"));
            out.flush();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
