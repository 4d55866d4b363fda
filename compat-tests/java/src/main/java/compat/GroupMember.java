// One consumer of a group, on a thread of its own, that remembers what happened to it: what it owned, gave up and read.
// It commits what it read after each poll, so that at a rebalance nothing that it read comes again.
package compat;

import static compat.Client.check;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RebalanceInProgressException;
import org.apache.kafka.common.errors.RetriableException;

final class GroupMember implements ConsumerRebalanceListener, AutoCloseable {
    /** Longest time in which a group must become what a feature expects, in seconds. */
    static final int SETTLE_SECONDS = 30;
    private static final Duration COMMIT = Duration.ofSeconds(5);

    private final KafkaConsumer<byte[], byte[]> consumer;
    private final Thread thread;
    private final List<ConsumerRecord<byte[], byte[]>> read = new ArrayList<>();
    private final Set<String> owned = new TreeSet<>();
    private final List<String> revoked = new ArrayList<>();
    private int rebalances;
    private int generation = -1;
    private volatile boolean leaving;
    private volatile Exception fault;

    /** The settings of every member of these tests; `settings` are pairs of name and value over them. */
    static String[] settings(String group, String... settings) {
        List<String> all = new ArrayList<>(List.of("group.id", group, "session.timeout.ms", "6000", "heartbeat.interval.ms", "500",
            "max.poll.interval.ms", "10000", "fetch.max.wait.ms", "100"));
        all.addAll(Arrays.asList(settings));
        return all.toArray(String[]::new);
    }

    /** Joins `group` for `topic`. */
    GroupMember(Client client, String group, String topic, String... settings) {
        this(client, group, Pattern.compile(Pattern.quote(topic)), List.of(topic), settings);
    }

    /** Joins `group` for all topics whose names match `pattern`. */
    GroupMember(Client client, String group, Pattern pattern, String... settings) {
        this(client, group, pattern, null, settings);
    }

    private GroupMember(Client client, String group, Pattern pattern, List<String> topics, String... settings) {
        consumer = client.consumer(settings(group, settings));
        if (topics == null) {
            consumer.subscribe(pattern, this);
        } else {
            consumer.subscribe(topics, this);
        }
        thread = new Thread(this::work, "member of " + group);
        thread.setDaemon(true);
        thread.start();
    }

    private void work() {
        boolean uncommitted = false;
        try (consumer) {
            while (!leaving) {
                var records = consumer.poll(Duration.ofMillis(100));
                synchronized (this) {
                    records.forEach(read::add);
                }
                uncommitted |= !records.isEmpty();
                uncommitted = uncommitted && !commit();
            }
        } catch (Exception e) {
            fault = e;
        }
    }

    /** Whether the positions were committed; if not, another commit follows, or the records come again to their next owner. */
    private boolean commit() {
        try {
            consumer.commitSync(COMMIT);
            return true;
        } catch (RetriableException | CommitFailedException | RebalanceInProgressException e) {
            return false;
        }
    }

    @Override
    public synchronized void onPartitionsAssigned(Collection<TopicPartition> partitions) {
        rebalances++;
        generation = consumer.groupMetadata().generationId();
        partitions.forEach(partition -> owned.add(partition.toString()));
    }

    @Override
    public synchronized void onPartitionsRevoked(Collection<TopicPartition> partitions) {
        for (var partition : partitions) {
            owned.remove(partition.toString());
            revoked.add(partition.toString());
        }
    }

    /** Leaves the group politely; a static member only ends. */
    @Override
    public void close() throws Exception {
        leaving = true;
        thread.join(Duration.ofSeconds(SETTLE_SECONDS).toMillis());
        check(!thread.isAlive(), "a member did not close within " + SETTLE_SECONDS + " s");
        alive();
    }

    /** Fails with what ended the member, if something did. */
    void alive() throws Exception {
        if (fault != null) {
            throw fault;
        }
    }

    /** The partitions owned now, as `topic-partition`. */
    synchronized Set<String> owned() {
        return new TreeSet<>(owned);
    }

    /** Every partition given up or lost so far, in order. */
    synchronized List<String> revoked() {
        return List.copyOf(revoked);
    }

    /** How many rebalances it has completed. */
    synchronized int rebalances() {
        return rebalances;
    }

    /** The generation of its last rebalance. */
    synchronized int generation() {
        return generation;
    }

    @Override
    public synchronized String toString() {
        return "a member of generation " + generation + " after " + rebalances + " rebalances with " + owned + " and " + read.size()
            + " records read";
    }

    /** Everything read so far, in order. */
    synchronized List<ConsumerRecord<byte[], byte[]>> read() {
        return List.copyOf(read);
    }
}
