// The admin features: topics, partitions, configs, records deleted, the cluster itself.
package compat;

import static compat.Client.answer;
import static compat.Client.bytes;
import static compat.Client.check;
import static compat.Client.eventually;
import static compat.Client.refused;
import static compat.Client.same;
import static compat.Client.text;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.InvalidPartitionsException;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

final class Topics {
    private Topics() {}

    static void register(Map<String, Main.Check> checks) {
        checks.put("describe_cluster", Topics::describeCluster);
        checks.put("create_topic", Topics::createTopic);
        checks.put("auto_create_topic", Topics::autoCreateTopic);
        checks.put("unknown_topic", Topics::unknownTopic);
        checks.put("create_partitions", Topics::createPartitions);
        checks.put("describe_configs", Topics::describeConfigs);
        checks.put("incremental_alter_configs", Topics::incrementalAlterConfigs);
        checks.put("delete_records", Topics::deleteRecords);
        checks.put("delete_topic", Topics::deleteTopic);
    }

    private static void describeCluster(Client client) throws Exception {
        var cluster = client.admin.describeCluster();
        var nodes = answer(cluster.nodes());
        same(client.addresses.size(), nodes.size(), "nodes");
        for (var node : nodes) {
            same(client.addresses.get(node.id() - 1), node.host() + ":" + node.port(), "advertised address of node " + node.id());
        }
        check(answer(cluster.controller()) != null, "no controller");
        check(!answer(cluster.clusterId()).isEmpty(), "no cluster id");
    }

    private static void createTopic(Client client) throws Exception {
        String name = client.name("create_topic");
        var topic = client.newTopic(name, 3).configs(Map.of("retention.ms", "86400000"));
        var created = client.admin.createTopics(List.of(topic));
        answer(created.all());
        same(3, answer(created.numPartitions(name)), "partitions of the answer");
        check(!answer(created.topicId(name)).equals(Uuid.ZERO_UUID), "a zero topic id");
        same("86400000", answer(created.config(name)).get("retention.ms").value(), "retention.ms of the answer");
        eventually(() -> same(3, client.describe(name).partitions().size(), "partitions"));
        var described = client.describe(name);
        same(answer(created.topicId(name)), described.topicId(), "topic id");
        check(described.partitions().stream().allMatch(p -> p.leader() != null && p.isr().size() == client.addresses.size()),
            "no leader or a wrong isr: " + described.partitions());
        check(listed(client, name), "not listed");
        refused(TopicExistsException.class, () -> answer(client.admin.createTopics(List.of(topic)).all()));
        refused(InvalidTopicException.class, () -> client.create(client.newTopic("not a name", 1)));
        refused(InvalidConfigurationException.class,
            () -> client.create(client.newTopic(name + "-2", 1).configs(Map.of("retention.ms", "soon"))));
    }

    private static void autoCreateTopic(Client client) throws Exception {
        String name = client.name("auto_create_topic");
        try (var producer = client.producer()) {
            var sent = producer.send(new ProducerRecord<>(name, bytes("first"))).get(Client.ANSWER_SECONDS, TimeUnit.SECONDS);
            same(0L, sent.offset(), "first offset");
        }
        check(listed(client, name), "not listed");
    }

    private static void unknownTopic(Client client) throws Exception {
        String name = client.name("unknown_topic");
        refused(UnknownTopicOrPartitionException.class, () -> client.describe(name));
        try (var consumer = client.consumer()) {
            var partitions = consumer.partitionsFor(name);
            check(partitions == null || partitions.isEmpty(), "partitions of a topic that is not there: " + partitions);
        }
        check(!listed(client, name), "asking created it");
    }

    private static void createPartitions(Client client) throws Exception {
        String topic = client.topic("create_partitions", 2);
        answer(client.admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(5))).all());
        eventually(() -> same(5, client.describe(topic).partitions().size(), "partitions"));
        try (var producer = client.producer()) {
            producer.send(new ProducerRecord<>(topic, 4, null, bytes("new"))).get(Client.ANSWER_SECONDS, TimeUnit.SECONDS);
        }
        same(1, client.readAll(topic, 5).size(), "records");
        refused(InvalidPartitionsException.class,
            () -> answer(client.admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(3))).all()));
    }

    private static void describeConfigs(Client client) throws Exception {
        String topic = client.name("describe_configs");
        client.create(client.newTopic(topic, 1).configs(Map.of("max.message.bytes", "500000")));
        var entry = config(client, topic, "max.message.bytes");
        same("500000", entry.value(), "max.message.bytes");
        same(ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG, entry.source(), "source of a set config");
        entry = config(client, topic, "retention.ms");
        same("604800000", entry.value(), "retention.ms");
        same(ConfigEntry.ConfigSource.DEFAULT_CONFIG, entry.source(), "source of a default");
        same("delete", config(client, topic, "cleanup.policy").value(), "cleanup.policy");
        refused(UnknownTopicOrPartitionException.class, () -> config(client, topic + "-missing", "retention.ms"));
        var broker = new ConfigResource(ConfigResource.Type.BROKER, "1");
        check(!answer(client.admin.describeConfigs(List.of(broker)).all()).get(broker).entries().isEmpty(), "no broker configs");
    }

    private static void incrementalAlterConfigs(Client client) throws Exception {
        String topic = client.topic("incremental_alter_configs", 1);
        alter(client, topic, AlterConfigOp.OpType.SET, "retention.ms", "1000000");
        alter(client, topic, AlterConfigOp.OpType.SET, "segment.bytes", "10485760");
        hasConfig(client, topic, "segment.bytes", "10485760");
        hasConfig(client, topic, "retention.ms", "1000000");
        alter(client, topic, AlterConfigOp.OpType.DELETE, "retention.ms", "");
        hasConfig(client, topic, "retention.ms", "604800000");
        alter(client, topic, AlterConfigOp.OpType.APPEND, "cleanup.policy", "compact");
        hasConfig(client, topic, "cleanup.policy", "compact,delete");
        alter(client, topic, AlterConfigOp.OpType.SUBTRACT, "cleanup.policy", "compact");
        hasConfig(client, topic, "cleanup.policy", "delete");
        refused(InvalidConfigurationException.class,
            () -> alter(client, topic, AlterConfigOp.OpType.SET, "retention.ms", "soon"));
    }

    private static void deleteRecords(Client client) throws Exception {
        String topic = client.topic("delete_records", 1);
        Records.produceNumbers(client, topic, 0, 0, 100);
        var partition = new TopicPartition(topic, 0);
        var deleted = client.admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(40)));
        same(40L, answer(deleted.lowWatermarks().get(partition)).lowWatermark(), "low watermark");
        var left = client.readAll(topic, 1);
        same(60, left.size(), "records left");
        same(40L, left.get(0).offset(), "first offset left");
        try (var consumer = client.consumer()) {
            same(40L, consumer.beginningOffsets(List.of(partition)).get(partition), "beginning offset");
        }
        answer(client.admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(-1))).all());
        same(0, client.readAll(topic, 1).size(), "records left by -1");
        Records.produceNumbers(client, topic, 0, 100, 101);
        same(100L, client.readAll(topic, 1).get(0).offset(), "offset of the next record");
    }

    private static void deleteTopic(Client client) throws Exception {
        String topic = client.topic("delete_topic", 2);
        Records.produceNumbers(client, topic, 0, 0, 10);
        var id = client.describe(topic).topicId();
        answer(client.admin.deleteTopics(List.of(topic)).all());
        eventually(() -> check(!listed(client, topic), "still listed"));
        refused(UnknownTopicOrPartitionException.class, () -> answer(client.admin.deleteTopics(List.of(topic)).all()));
        same(topic, client.topic("delete_topic", 1), "name of the second topic");
        check(!client.describe(topic).topicId().equals(id), "the topic id was used again");
        Records.produceNumbers(client, topic, 0, 77, 78);
        var read = client.readAll(topic, 1);
        same(1, read.size(), "records of the second topic");
        same(0L, read.get(0).offset(), "its first offset");
        same("77", text(read.get(0).value()), "its first value");
    }

    private static boolean listed(Client client, String topic) throws Exception {
        return answer(client.admin.listTopics().names()).contains(topic);
    }

    /** The config is shown with that value; a list is compared without its order. */
    private static void hasConfig(Client client, String topic, String name, String expected) throws Exception {
        eventually(() -> {
            String[] values = config(client, topic, name).value().split(",");
            Arrays.sort(values);
            same(expected, String.join(",", values), name);
        });
    }

    private static ConfigEntry config(Client client, String topic, String name) throws Exception {
        var resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        var entry = answer(client.admin.describeConfigs(List.of(resource)).all()).get(resource).get(name);
        check(entry != null, "no config " + name);
        return entry;
    }

    private static void alter(Client client, String topic, AlterConfigOp.OpType type, String name, String value) throws Exception {
        var resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        answer(client.admin.incrementalAlterConfigs(
            Map.of(resource, List.of(new AlterConfigOp(new ConfigEntry(name, value), type)))).all());
    }
}
