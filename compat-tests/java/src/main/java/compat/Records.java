// The features of records: codecs, keys, headers, null and empty values, sizes, acks, the idempotent producer.
package compat;

import static compat.Client.bytes;
import static compat.Client.check;
import static compat.Client.refused;
import static compat.Client.same;
import static compat.Client.text;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.header.internals.RecordHeader;

final class Records {
    private static final int CODEC_RECORDS = 400;

    private Records() {}

    static void register(Map<String, Main.Check> checks) {
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            checks.put("codec_" + codec, client -> codec(client, codec));
        }
        checks.put("keys", Records::keys);
        checks.put("headers", Records::headers);
        checks.put("tombstones", Records::tombstones);
        checks.put("empty_value", Records::emptyValue);
        checks.put("timestamps", Records::timestamps);
        checks.put("acks", Records::acks);
        checks.put("idempotent_producer", Records::idempotentProducer);
        checks.put("large_message", Records::largeMessage);
        checks.put("too_large_message", Records::tooLargeMessage);
    }

    /** Produces the numbers from (inclusive) to (exclusive) as text, and waits until all are acknowledged. */
    static void produceNumbers(Client client, String topic, int partition, int from, int to) throws Exception {
        try (var producer = client.producer()) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int n = from; n < to; n++) {
                sent.add(producer.send(new ProducerRecord<>(topic, partition, null, bytes(String.valueOf(n)))));
            }
            for (var one : sent) {
                one.get(Client.ANSWER_SECONDS, TimeUnit.SECONDS);
            }
        }
    }

    private static RecordMetadata send(KafkaProducer<byte[], byte[]> producer, ProducerRecord<byte[], byte[]> record) throws Exception {
        return producer.send(record).get(Client.ANSWER_SECONDS, TimeUnit.SECONDS);
    }

    private static void codec(Client client, String codec) throws Exception {
        String topic = client.topic("codec_" + codec, 1);
        Random random = new Random(7);
        List<byte[]> values = new ArrayList<>();
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (var producer = client.producer("compression.type", codec, "linger.ms", "20")) {
            for (int n = 0; n < CODEC_RECORDS; n++) {
                byte[] value = new byte[random.nextInt(2000)];
                if (n % 2 == 0) {
                    random.nextBytes(value);
                } else {
                    Arrays.fill(value, (byte) n);
                }
                values.add(value);
                sent.add(producer.send(new ProducerRecord<>(topic, value)));
            }
            for (var one : sent) {
                one.get(Client.ANSWER_SECONDS, TimeUnit.SECONDS);
            }
        }
        var read = client.readAll(topic, 1);
        same(CODEC_RECORDS, read.size(), "records");
        for (int n = 0; n < CODEC_RECORDS; n++) {
            check(Arrays.equals(values.get(n), read.get(n).value()), "record " + n + " differs");
            same((long) n, read.get(n).offset(), "offset");
        }
    }

    private static void keys(Client client) throws Exception {
        String topic = client.topic("keys", 4);
        try (var producer = client.producer()) {
            for (int n = 0; n < 200; n++) {
                producer.send(new ProducerRecord<>(topic, bytes("key-" + n % 10), bytes(String.valueOf(n))));
            }
            send(producer, new ProducerRecord<>(topic, 0, new byte[0], bytes("empty key")));
        }
        Map<String, Integer> home = new HashMap<>();
        Map<String, Integer> last = new HashMap<>();
        int count = 0;
        for (var record : client.readAll(topic, 4)) {
            count++;
            String key = text(record.key());
            if (key.isEmpty()) {
                same("empty key", text(record.value()), "value of the empty key");
                continue;
            }
            int n = Integer.parseInt(text(record.value()));
            same("key-" + n % 10, key, "key");
            same(home.computeIfAbsent(key, k -> record.partition()), record.partition(), "partition of " + key);
            Integer before = last.put(key, n);
            check(before == null || before < n, key + " is out of order: " + n + " after " + before);
        }
        same(201, count, "records");
    }

    private static void headers(Client client) throws Exception {
        String topic = client.topic("headers", 1);
        try (var producer = client.producer()) {
            var record = new ProducerRecord<byte[], byte[]>(topic, bytes("value"));
            record.headers().add("a", bytes("1")).add("b", null).add("a", bytes("2")).add("c", new byte[0]).add("é", bytes("ü"));
            send(producer, record);
        }
        List<String> read = new ArrayList<>();
        for (var header : client.readAll(topic, 1).get(0).headers().toArray()) {
            read.add(((RecordHeader) header).key() + "=" + text(header.value()));
        }
        same(List.of("a=1", "b=null", "a=2", "c=", "é=ü"), read, "headers in order");
    }

    private static void tombstones(Client client) throws Exception {
        String topic = client.topic("tombstones", 1);
        try (var producer = client.producer()) {
            send(producer, new ProducerRecord<>(topic, bytes("k"), bytes("v")));
            send(producer, new ProducerRecord<>(topic, bytes("k"), null));
        }
        var read = client.readAll(topic, 1);
        same(2, read.size(), "records");
        same("k", text(read.get(1).key()), "key");
        same(null, read.get(1).value(), "value");
    }

    private static void emptyValue(Client client) throws Exception {
        String topic = client.topic("empty_value", 1);
        try (var producer = client.producer()) {
            send(producer, new ProducerRecord<>(topic, new byte[0]));
        }
        var read = client.readAll(topic, 1);
        same(1, read.size(), "records");
        check(read.get(0).value() != null && read.get(0).value().length == 0, "an empty value came back null");
        same(null, read.get(0).key(), "key");
    }

    private static void timestamps(Client client) throws Exception {
        String topic = client.topic("timestamps", 1);
        long before = System.currentTimeMillis();
        try (var producer = client.producer()) {
            var sent = send(producer, new ProducerRecord<>(topic, 0, 1_600_000_000_123L, null, bytes("set")));
            same(1_600_000_000_123L, sent.timestamp(), "timestamp of the answer");
            send(producer, new ProducerRecord<>(topic, bytes("now")));
        }
        var read = client.readAll(topic, 1);
        same(1_600_000_000_123L, read.get(0).timestamp(), "timestamp that was set");
        check(read.get(1).timestamp() >= before && read.get(1).timestamp() <= System.currentTimeMillis(), "timestamp of now");
    }

    private static void acks(Client client) throws Exception {
        String topic = client.topic("acks", 1);
        for (String acks : List.of("0", "1", "all")) {
            try (var producer = client.producer("acks", acks, "enable.idempotence", "false")) {
                send(producer, new ProducerRecord<>(topic, bytes(acks)));
            }
        }
        // acks=0 promises no order against later connections, so only the set is judged.
        var read = client.readAll(topic, 1).stream().map(r -> text(r.value())).sorted().toList();
        same(List.of("0", "1", "all"), read, "values");
    }

    private static void idempotentProducer(Client client) throws Exception {
        String topic = client.topic("idempotent_producer", 2);
        try (var first = client.producer("enable.idempotence", "true"); var second = client.producer("enable.idempotence", "true")) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int n = 0; n < 4000; n++) {
                var producer = n % 2 == 0 ? first : second;
                sent.add(producer.send(new ProducerRecord<>(topic, n % 4 / 2, null, bytes(String.valueOf(n)))));
            }
            for (var one : sent) {
                one.get(Client.ANSWER_SECONDS, TimeUnit.SECONDS);
            }
        }
        int[] last = {-1, -1, -1, -1};
        var read = client.readAll(topic, 2);
        same(4000, read.size(), "records");
        for (var record : read) {
            int n = Integer.parseInt(text(record.value()));
            same(last[n % 4] < 0 ? n % 4 : last[n % 4] + 4, n, "next number of one producer in one partition");
            last[n % 4] = n;
        }
    }

    private static void largeMessage(Client client) throws Exception {
        String topic = client.topic("large_message", 1);
        byte[] value = new byte[900_000];
        new Random(9).nextBytes(value);
        try (var producer = client.producer()) {
            send(producer, new ProducerRecord<>(topic, value));
        }
        // A fetch that may carry less than the batch must still return it whole.
        try (var consumer = client.consumer("max.partition.fetch.bytes", "10000", "fetch.max.bytes", "10000")) {
            var assigned = Client.partitions(topic, 1);
            consumer.assign(assigned);
            check(Arrays.equals(value, Client.readToEnd(consumer, assigned).get(0).value()), "the value differs");
        }
    }

    private static void tooLargeMessage(Client client) throws Exception {
        String topic = client.topic("too_large_message", 1);
        byte[] value = new byte[2_000_000];
        new Random(9).nextBytes(value);
        try (var producer = client.producer("max.request.size", "8000000")) {
            refused(RecordTooLargeException.class, () -> send(producer, new ProducerRecord<>(topic, value)));
            send(producer, new ProducerRecord<>(topic, bytes("small")));
        }
        same(1, client.readAll(topic, 1).size(), "records");
    }
}
