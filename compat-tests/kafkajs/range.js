// Kafka's range assignor for kafkajs, which has only a round robin of its own name: with it a kafkajs member can be in one group
// with members of other clients, and lead it.
'use strict';

const { AssignerProtocol: { MemberAssignment, MemberMetadata } } = require('kafkajs');

/** For each topic, consecutive partitions to the members in order of their ids; the first members get what does not divide. */
function range({ cluster }) {
  return {
    name: 'range',
    version: 0,

    async assign({ members }) {
      const subscribed = members.map(({ memberId, memberMetadata }) => {
        const { topics } = MemberMetadata.decode(memberMetadata);
        return { memberId, topics };
      });
      subscribed.sort((a, b) => (a.memberId < b.memberId ? -1 : 1));
      const topics = [...new Set(subscribed.flatMap(member => member.topics))];
      await cluster.addMultipleTargetTopics(topics);
      const assignments = new Map(subscribed.map(({ memberId }) => [memberId, {}]));
      for (const topic of topics) {
        const partitions = cluster.findTopicPartitionMetadata(topic).map(one => one.partitionId).sort((a, b) => a - b);
        const readers = subscribed.filter(member => member.topics.includes(topic));
        readers.forEach(({ memberId }, place) => {
          const each = Math.floor(partitions.length / readers.length);
          const more = partitions.length % readers.length;
          const start = each * place + Math.min(place, more);
          const mine = partitions.slice(start, start + each + (place < more ? 1 : 0));
          if (mine.length > 0) {
            assignments.get(memberId)[topic] = mine;
          }
        });
      }
      return [...assignments].map(([memberId, assignment]) => ({
        memberId, memberAssignment: MemberAssignment.encode({ version: this.version, assignment }),
      }));
    },

    protocol({ topics }) {
      return { name: this.name, metadata: MemberMetadata.encode({ version: this.version, topics }) };
    },
  };
}

module.exports = { range };
