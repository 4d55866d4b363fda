// The broker is restarted or killed while two members consume: both go on, nothing is missed, no commit is taken back.
package compat;

import static compat.Client.check;
import static compat.Client.eventually;
import static compat.Client.same;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

final class GroupRestarts {
    private static final int PARTITIONS = Rebalances.PARTITIONS;
    private static final int BEFORE = 600;
    private static final int AFTER = 120;

    private GroupRestarts() {}

    static void register(Map<String, Main.Check> checks) {
        checks.put("group_restart", client -> restart(client, "restart"));
        checks.put("group_kill", client -> restart(client, "kill"));
    }

    private static void restart(Client client, String how) throws Exception {
        String topic = client.topic("group_" + how, PARTITIONS);
        Groups.produceSpread(client, topic, PARTITIONS, 0, BEFORE);
        List<GroupMember> members = new ArrayList<>();
        try {
            members.add(new GroupMember(client, topic, topic));
            members.add(new GroupMember(client, topic, topic));
            Rebalances.settled(topic, members);
            eventually(() -> same(Groups.numbers(0, BEFORE), Groups.seen(members), "numbers seen before"));
            var commits = new Commits(client, topic);
            var load = new Load(client, topic, PARTITIONS);
            Restarts.control(how);
            int total = load.stop();
            List<Integer> read = members.stream().map(member -> member.read().size()).toList();
            Groups.produceSpread(client, topic, PARTITIONS, BEFORE, BEFORE + AFTER);
            int expected = Math.max(total, BEFORE + AFTER);
            eventually(() -> same(Groups.numbers(0, expected), Groups.seen(members),
                "numbers seen after, " + total + " meanwhile, by " + members));
            Rebalances.settled(topic, members);
            for (int n = 0; n < members.size(); n++) {
                check(members.get(n).read().size() > read.get(n), "member " + n + " did not go on: it read nothing more");
            }
            eventually(() -> same(ends(client, topic), Groups.committed(client, topic), "committed offsets at the end"));
            commits.stop();
        } finally {
            Rebalances.close(members);
        }
    }

    private static Map<Integer, Long> ends(Client client, String topic) {
        Map<Integer, Long> ends = new TreeMap<>();
        try (var consumer = client.consumer()) {
            consumer.endOffsets(Client.partitions(topic, PARTITIONS)).forEach((partition, end) -> ends.put(partition.partition(), end));
        }
        return ends;
    }

    /** Asks for the committed offsets again and again, and remembers if one went backwards. */
    private static final class Commits {
        private final Map<Integer, Long> highest = new TreeMap<>();
        private final List<String> backwards = new ArrayList<>();
        private final Thread thread;
        private volatile boolean stopped;

        Commits(Client client, String group) {
            thread = new Thread(() -> {
                while (!stopped) {
                    look(client, group);
                }
            }, "commits of " + group);
            thread.setDaemon(true);
            thread.start();
        }

        private void look(Client client, String group) {
            try {
                var now = Groups.committed(client, group);
                highest.forEach((partition, offset) -> {
                    if (now.getOrDefault(partition, -1L) < offset) {
                        backwards.add("partition " + partition + " from " + offset + " to " + now.get(partition));
                    }
                });
                highest.putAll(now);
                Thread.sleep(20); // the pace of the questions, not a wait for something
            } catch (Exception e) {
                // The broker is away: the next question asks again.
            }
        }

        void stop() throws Exception {
            stopped = true;
            thread.join();
            check(!highest.isEmpty(), "no commit was seen");
            check(backwards.isEmpty(), "committed offsets went backwards: " + backwards);
        }
    }
}
