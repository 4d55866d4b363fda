// The features of several members: the group grows, shrinks, loses one, knows a static one again, rebalances cooperatively.
package compat;

import static compat.Client.check;
import static compat.Client.eventually;
import static compat.Client.same;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.kafka.clients.consumer.ConsumerRecord;

final class Rebalances {
    static final int PARTITIONS = 6;
    private static final long SESSION_MILLIS = 6000;
    /** What a rebalance may take besides the session timeout of a lost member. */
    private static final long REBALANCE_MILLIS = 4000;

    private Rebalances() {}

    static void register(Map<String, Main.Check> checks) {
        checks.put("group_grows", Rebalances::groupGrows);
        checks.put("group_shrinks", Rebalances::groupShrinks);
        checks.put("member_lost", Rebalances::memberLost);
        checks.put("static_member", Rebalances::staticMember);
        checks.put("cooperative", Rebalances::cooperative);
    }

    private static void groupGrows(Client client) throws Exception {
        String topic = client.topic("group_grows", PARTITIONS);
        var load = new Load(client, topic, PARTITIONS);
        List<GroupMember> members = new ArrayList<>();
        try {
            for (int count = 1; count <= 3; count++) {
                members.add(new GroupMember(client, topic, topic));
                settled(topic, members);
            }
            int total = load.stop();
            eventually(() -> same(Groups.numbers(0, total), Groups.seen(members), "numbers seen"));
            settled(topic, members);
        } finally {
            load.stop();
            close(members);
        }
    }

    private static void groupShrinks(Client client) throws Exception {
        String topic = client.topic("group_shrinks", PARTITIONS);
        List<GroupMember> members = new ArrayList<>();
        try {
            for (int count = 0; count < 3; count++) {
                members.add(new GroupMember(client, topic, topic));
            }
            settled(topic, members);
            while (members.size() > 1) {
                long began = System.nanoTime();
                members.remove(0).close();
                settled(topic, members);
                long millis = (System.nanoTime() - began) / 1_000_000;
                check(millis < SESSION_MILLIS - 1000, "the others owned all only " + millis + " ms after a polite leave");
            }
            Groups.produceSpread(client, topic, PARTITIONS, 0, 60);
            eventually(() -> same(Groups.numbers(0, 60), Groups.seen(members), "numbers seen by the last"));
        } finally {
            close(members);
        }
    }

    private static void memberLost(Client client) throws Exception {
        String topic = client.topic("member_lost", PARTITIONS);
        Path file = Files.createTempFile(Path.of(System.getenv().getOrDefault("SCRATCH", "/tmp")), "member", ".out");
        var load = new Load(client, topic, PARTITIONS);
        Process lost = Member.start(topic, topic, file);
        List<GroupMember> members = new ArrayList<>(List.of(new GroupMember(client, topic, topic, "partition.assignment.strategy",
            "org.apache.kafka.clients.consumer.RangeAssignor")));
        try {
            eventually(() -> {
                var owned = new MemberFile(file).owned;
                check(owned.size() == 3 && members.get(0).owned().size() == 3, "owned " + owned + " and " + members.get(0).owned());
                check(new MemberFile(file).committed.keySet().containsAll(owned), "no commit yet of all of " + owned);
            });
            lost.destroyForcibly().waitFor();
            int before = members.get(0).read().size();
            long began = System.nanoTime();
            settled(topic, members);
            long millis = (System.nanoTime() - began) / 1_000_000;
            check(millis > 2000, "its partitions were taken after " + millis + " ms, although nobody said that it is gone");
            check(millis < SESSION_MILLIS + REBALANCE_MILLIS, "its partitions were taken only after " + millis + " ms");
            int total = load.stop();
            var left = new MemberFile(file);
            eventually(() -> {
                var seen = Groups.seen(members);
                seen.addAll(left.numbers);
                same(Groups.numbers(0, total), seen, "numbers seen by the lost one or the other");
            });
            goesOn(members.get(0).read(), before, left);
        } finally {
            lost.destroyForcibly();
            load.stop();
            close(members);
        }
    }

    /** From index `before` on, the first record read of each partition of the lost one stands at its last commit, or the one under way. */
    private static void goesOn(List<ConsumerRecord<byte[], byte[]>> read, int before, MemberFile left) {
        Map<Integer, Long> first = new TreeMap<>();
        for (var record : read.subList(before, read.size())) {
            first.putIfAbsent(record.partition(), record.offset());
        }
        for (int partition : left.owned) {
            long from = left.committed.get(partition);
            long to = left.next.getOrDefault(partition, from);
            check(first.containsKey(partition) && first.get(partition) >= from && first.get(partition) <= to,
                "partition " + partition + " went on at " + first.get(partition) + ", its last commit was " + from + ", read until " + to);
        }
    }

    private static void staticMember(Client client) throws Exception {
        String topic = client.topic("static_member", PARTITIONS);
        List<GroupMember> members = new ArrayList<>();
        try {
            for (int n = 0; n < 2; n++) {
                members.add(new GroupMember(client, topic, topic, "group.instance.id", "instance-" + n));
            }
            settled(topic, members);
            // One of the two is the leader of the group: each is restarted once.
            for (int n = 0; n < 2; n++) {
                var other = members.get(1 - n);
                int rebalances = other.rebalances();
                int generation = other.generation();
                var owned = members.get(n).owned();
                members.get(n).close();
                members.set(n, new GroupMember(client, topic, topic, "group.instance.id", "instance-" + n));
                var again = members.get(n);
                eventually(() -> same(owned, again.owned(), "partitions of the restarted member"));
                Groups.produceSpread(client, topic, PARTITIONS, n * 60, n * 60 + 60);
                int from = n * 60;
                eventually(() -> check(Groups.seen(members).containsAll(Groups.numbers(from, from + 60)), "numbers are missing"));
                same(rebalances, other.rebalances(), "rebalances of the other member");
                same(generation, other.generation(), "its generation");
                same(generation, again.generation(), "generation of the restarted member");
            }
        } finally {
            close(members);
        }
    }

    private static void cooperative(Client client) throws Exception {
        String topic = client.topic("cooperative", PARTITIONS);
        String[] sticky = {"partition.assignment.strategy", "org.apache.kafka.clients.consumer.CooperativeStickyAssignor"};
        var load = new Load(client, topic, PARTITIONS);
        List<GroupMember> members = new ArrayList<>(List.of(new GroupMember(client, topic, topic, sticky)));
        try {
            settled(topic, members);
            var first = members.get(0);
            members.add(new GroupMember(client, topic, topic, sticky));
            settled(topic, members);
            same(3, first.revoked().size(), "partitions that the first member gave up, " + first.revoked());
            var kept = first.owned();
            kept.retainAll(first.revoked());
            check(kept.isEmpty(), "the first member gave up " + kept + " and has it again");
            int total = load.stop();
            eventually(() -> same(Groups.numbers(0, total), Groups.seen(members), "numbers seen"));
        } finally {
            load.stop();
            close(members);
        }
    }

    /** Waits until the partitions of `topic` are shared evenly and each has one owner among `members`. */
    static void settled(String topic, List<GroupMember> members) throws Exception {
        eventually(() -> {
            List<String> all = new ArrayList<>();
            List<Integer> sizes = new ArrayList<>();
            for (var member : members) {
                member.alive();
                all.addAll(member.owned());
                sizes.add(member.owned().size());
            }
            String shape = members.size() + " members own " + sizes + " partitions";
            check(sizes.stream().allMatch(size -> size == PARTITIONS / members.size()), shape);
            check(all.size() == PARTITIONS && new TreeSet<>(all).equals(Groups.names(topic, PARTITIONS)), shape + ": " + all);
        });
    }

    static void close(List<GroupMember> members) throws Exception {
        for (var member : members) {
            member.close();
        }
    }
}
