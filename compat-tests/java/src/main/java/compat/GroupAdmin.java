// The features of an administrator of groups: they are listed, described, moved and deleted.
package compat;

import static compat.Client.answer;
import static compat.Client.check;
import static compat.Client.eventually;
import static compat.Client.refused;
import static compat.Client.same;

import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import org.apache.kafka.clients.admin.DescribeConsumerGroupsOptions;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.admin.ListGroupsOptions;
import org.apache.kafka.clients.admin.MemberDescription;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.ClassicGroupState;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.errors.GroupSubscribedToTopicException;
import org.apache.kafka.common.errors.UnknownMemberIdException;

final class GroupAdmin {
    private GroupAdmin() {}

    static void register(Map<String, Main.Check> checks) {
        checks.put("list_groups", GroupAdmin::listGroups);
        checks.put("describe_group", GroupAdmin::describeGroup);
        checks.put("alter_group_offsets", GroupAdmin::alterGroupOffsets);
        checks.put("delete_group_offsets", GroupAdmin::deleteGroupOffsets);
        checks.put("delete_group", GroupAdmin::deleteGroup);
    }

    /** A group with one member, whose topic of two partitions is read and committed; topic and group have one name. */
    private static GroupMember live(Client client, String topic) throws Exception {
        Groups.produceSpread(client, topic, 2, 0, 20);
        var member = new GroupMember(client, topic, topic, "client.id", "client of " + topic);
        eventually(() -> same(Map.of(0, 10L, 1, 10L), Groups.committed(client, topic), "committed offsets"));
        return member;
    }

    private static void listGroups(Client client) throws Exception {
        String group = client.topic("list_groups", 2);
        var stable = new ListGroupsOptions().inGroupStates(Set.of(GroupState.STABLE)).withTypes(Set.of(GroupType.CLASSIC));
        var empty = new ListGroupsOptions().inGroupStates(Set.of(GroupState.EMPTY)).withProtocolTypes(Set.of("consumer"));
        try (var member = live(client, group)) {
            var listing = listing(client, group, new ListGroupsOptions());
            same("consumer", listing.protocol(), "protocol type");
            same(Optional.of(GroupState.STABLE), listing.groupState(), "state");
            same(Optional.of(GroupType.CLASSIC), listing.type(), "type");
            check(listing(client, group, stable) != null, "not among the stable classic groups");
            check(listing(client, group, empty) == null, "among the empty groups");
            member.alive();
        }
        eventually(() -> check(listing(client, group, empty) != null, "not among the empty groups"));
        check(listing(client, group, stable) == null, "still among the stable groups");
        same(Optional.of(GroupState.EMPTY), listing(client, group, new ListGroupsOptions()).groupState(), "state of the empty group");
    }

    private static GroupListing listing(Client client, String group, ListGroupsOptions options) throws Exception {
        return answer(client.admin.listGroups(options).valid()).stream().filter(one -> one.groupId().equals(group)).findAny().orElse(null);
    }

    private static void describeGroup(Client client) throws Exception {
        String group = client.topic("describe_group", 2);
        try (var member = live(client, group)) {
            var options = new DescribeConsumerGroupsOptions().includeAuthorizedOperations(true);
            var described = answer(client.admin.describeConsumerGroups(List.of(group), options).all()).get(group);
            same(GroupState.STABLE, described.groupState(), "state");
            same("range", described.partitionAssignor(), "assignor");
            var coordinator = described.coordinator();
            same(client.addresses.get(coordinator.id() - 1), coordinator.host() + ":" + coordinator.port(), "the coordinator's address");
            same(GroupType.CLASSIC, described.type(), "type");
            same(Set.of(AclOperation.READ, AclOperation.DESCRIBE, AclOperation.DELETE, AclOperation.DESCRIBE_CONFIGS,
                AclOperation.ALTER_CONFIGS), described.authorizedOperations(), "authorized operations");
            oneMember(group, described.members());
            var classic = answer(client.admin.describeClassicGroups(List.of(group)).all()).get(group);
            same(ClassicGroupState.STABLE, classic.state(), "state as a classic group");
            same("consumer range", classic.protocol() + " " + classic.protocolData(), "protocol as a classic group");
            oneMember(group, classic.members());
            member.alive();
        }
        eventually(() -> same(GroupState.EMPTY, state(client, group), "state once the member left"));
        refused(GroupIdNotFoundException.class, () -> state(client, group + "-missing"));
    }

    private static void oneMember(String group, Collection<MemberDescription> members) {
        same(1, members.size(), "members");
        var member = members.iterator().next();
        same("client of " + group, member.clientId(), "client id");
        check(member.consumerId().startsWith(member.clientId() + "-"), "member id " + member.consumerId());
        same("/127.0.0.1", member.host(), "host");
        Set<String> assigned = new TreeSet<>();
        member.assignment().topicPartitions().forEach(partition -> assigned.add(partition.toString()));
        same(Groups.names(group, 2), assigned, "assignment");
    }

    private static GroupState state(Client client, String group) throws Exception {
        return answer(client.admin.describeConsumerGroups(List.of(group)).all()).get(group).groupState();
    }

    private static void alterGroupOffsets(Client client) throws Exception {
        String group = client.topic("alter_group_offsets", 2);
        Map<TopicPartition, OffsetAndMetadata> back = Map.of(new TopicPartition(group, 0), new OffsetAndMetadata(4, "back"));
        try (var member = live(client, group)) {
            refused(UnknownMemberIdException.class, () -> answer(client.admin.alterConsumerGroupOffsets(group, back).all()));
            member.alive();
        }
        eventually(() -> answer(client.admin.alterConsumerGroupOffsets(group, back).all()));
        same(Map.of(0, 4L, 1, 10L), Groups.committed(client, group), "committed offsets");
        try (var member = new GroupMember(client, group, group)) {
            eventually(() -> same(6, member.read().size(), "records read from the altered offset"));
            same(4L, member.read().get(0).offset(), "first offset read");
        }
        String unborn = group + "-unborn";
        answer(client.admin.alterConsumerGroupOffsets(unborn, back).all());
        same(Map.of(0, 4L), Groups.committed(client, unborn), "committed offsets of a group that nobody joined");
    }

    private static void deleteGroupOffsets(Client client) throws Exception {
        String group = client.topic("delete_group_offsets", 2);
        Set<TopicPartition> one = Set.of(new TopicPartition(group, 1));
        try (var member = live(client, group)) {
            refused(GroupSubscribedToTopicException.class, () -> answer(client.admin.deleteConsumerGroupOffsets(group, one).all()));
            member.alive();
        }
        eventually(() -> answer(client.admin.deleteConsumerGroupOffsets(group, one).all()));
        same(Map.of(0, 10L), Groups.committed(client, group), "committed offsets left");
        refused(GroupIdNotFoundException.class, () -> answer(client.admin.deleteConsumerGroupOffsets(group + "-missing", one).all()));
    }

    private static void deleteGroup(Client client) throws Exception {
        String group = client.topic("delete_group", 2);
        try (var member = live(client, group)) {
            refused(GroupNotEmptyException.class, () -> answer(client.admin.deleteConsumerGroups(List.of(group)).all()));
            member.alive();
        }
        eventually(() -> answer(client.admin.deleteConsumerGroups(List.of(group)).all()));
        same(Map.of(), Groups.committed(client, group), "committed offsets of the deleted group");
        check(listing(client, group, new ListGroupsOptions()) == null, "still listed");
        refused(GroupIdNotFoundException.class, () -> answer(client.admin.deleteConsumerGroups(List.of(group)).all()));
        try (var member = new GroupMember(client, group, group)) {
            eventually(() -> same(20, member.read().size(), "records read by a new group of that name"));
        }
    }
}
