// Reads a topic of keyed lines to its end and prints what the harness compares: counts and SHA-256 sums by partition and by key.
//   partition P COUNT SUM | key K COUNT SUM
// A sum runs over length and bytes of key and value, lengths as 4 bytes big-endian, in offset order.
package compat;

import static compat.Client.check;
import static compat.Client.text;

import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.HexFormat;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;

final class Lines {
    /** Longest silence before the read counts as stuck, in seconds. */
    private static final int SILENCE_SECONDS = 60;

    private static final class Sum {
        final MessageDigest digest = MessageDigest.getInstance("SHA-256");
        final ByteBuffer length = ByteBuffer.allocate(4);
        long count;
        int partition = -1;

        Sum() throws Exception {}

        void add(byte[] key, byte[] value) {
            put(key);
            put(value);
            count++;
        }

        private void put(byte[] bytes) {
            digest.update(length.clear().putInt(bytes.length).array());
            digest.update(bytes);
        }

        @Override
        public String toString() {
            return count + " " + HexFormat.of().formatHex(digest.digest());
        }
    }

    private Lines() {}

    static void read(Client client, String topic) throws Exception {
        Map<Integer, Sum> partitions = new TreeMap<>();
        Map<String, Sum> keys = new TreeMap<>();
        try (var consumer = client.consumer("max.poll.records", "5000")) {
            var assigned = Client.partitions(topic, consumer.partitionsFor(topic).size());
            for (var partition : assigned) {
                partitions.put(partition.partition(), new Sum());
            }
            var ends = consumer.endOffsets(assigned);
            consumer.assign(assigned);
            long heard = System.nanoTime();
            while (assigned.stream().anyMatch(p -> consumer.position(p) < ends.get(p))) {
                var records = consumer.poll(Duration.ofMillis(200));
                check(System.nanoTime() - heard < TimeUnit.SECONDS.toNanos(SILENCE_SECONDS), "no record for " + SILENCE_SECONDS + " s");
                for (var record : records) {
                    heard = System.nanoTime();
                    partitions.get(record.partition()).add(record.key(), record.value());
                    Sum sum = keys.get(text(record.key()));
                    if (sum == null) {
                        sum = new Sum();
                        sum.partition = record.partition();
                        keys.put(text(record.key()), sum);
                    }
                    check(sum.partition == record.partition(), "key " + text(record.key()) + " is in two partitions");
                    sum.add(record.key(), record.value());
                }
            }
        }
        partitions.forEach((partition, sum) -> System.out.println("partition " + partition + " " + sum));
        keys.forEach((key, sum) -> System.out.println("key " + key + " " + sum));
    }
}
