//! Which replicas go where when a node is emptied. Pure: what is known goes in, moves come out.

use std::collections::{BTreeMap, BTreeSet};

use crate::client::{Metadata, Move, NodeDescription, Partition, PartitionMetadata};

/// Who may take replicas, and how many each has.
#[derive(Debug)]
pub(super) struct Takers<'a> {
    leaving: i32,
    racks: BTreeMap<i32, Option<&'a str>>,
    held: BTreeMap<i32, usize>,
}

/// How a node is to be emptied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) moves: Vec<Move>,
    /// Partitions that have a replica on every node that stays: there is no other place for one more.
    pub(super) without_place: Vec<Partition>,
}

/// Every replica of `leaving` goes to the living node that has fewest replicas, first of all to one in a rack in which the
/// partition has none. Where there is no such node, the partition gets one replica fewer if it `may_shrink` and is not
/// its only one.
pub(super) fn plan(metadata: &Metadata, nodes: &[NodeDescription], leaving: i32, may_shrink: bool) -> Plan {
    let mut takers = Takers::new(metadata, nodes, leaving);
    let mut plan = Plan::default();
    for topic in metadata.topics.values() {
        for placed in topic.partitions.iter().filter(|placed| placed.replicas.contains(&leaving)) {
            let partition = Partition::new(&topic.name, placed.index);
            match takers.take(placed) {
                Some(to) => plan.moves.push(Move { partition, to: Some(to) }),
                None if may_shrink && placed.replicas.len() > 1 => {
                    let to = placed.replicas.iter().copied().filter(|node| *node != leaving).collect();
                    plan.moves.push(Move { partition, to: Some(to) });
                }
                None => plan.without_place.push(partition),
            }
        }
    }
    plan
}

impl<'a> Takers<'a> {
    fn new(metadata: &Metadata, nodes: &'a [NodeDescription], leaving: i32) -> Self {
        let stays = |described: &&NodeDescription| described.is_alive && described.node.id != leaving;
        let racks: BTreeMap<_, _> = nodes
            .iter()
            .filter(stays)
            .map(|described| (described.node.id, described.node.rack.as_deref()))
            .collect();
        let mut held: BTreeMap<i32, usize> = racks.keys().map(|node| (*node, 0)).collect();
        let placed = metadata.topics.values().flat_map(|topic| &topic.partitions);
        for node in placed.flat_map(|partition| &partition.replicas) {
            held.entry(*node).and_modify(|count| *count += 1);
        }
        Self { leaving, racks, held }
    }

    /// The replicas of `placed` with another node in the leaving one's place.
    fn take(&mut self, placed: &PartitionMetadata) -> Option<Vec<i32>> {
        let others = placed.replicas.iter().filter(|node| **node != self.leaving);
        let used: BTreeSet<&str> = others.filter_map(|node| *self.racks.get(node)?).collect();
        let free = self.held.iter().filter(|(node, _)| !placed.replicas.contains(node));
        let doubles_rack = |node: &i32| {
            let rack = self.racks.get(node).copied().flatten();
            rack.is_some_and(|rack| used.contains(rack))
        };
        let (taker, _) = free.min_by_key(|(node, held)| (doubles_rack(node), **held))?;
        let taker = *taker;
        self.held.entry(taker).and_modify(|count| *count += 1);
        let replaced = |node: &i32| if *node == self.leaving { taker } else { *node };
        Some(placed.replicas.iter().map(replaced).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{BrokerNode, TopicMetadata};

    fn nodes(racks: &[&str]) -> Vec<NodeDescription> {
        let node = |(id, rack): (i32, &&str)| {
            let rack = Some((*rack).to_owned()).filter(|rack| !rack.is_empty());
            NodeDescription { node: BrokerNode { id, host: "h".into(), port: 1, rack }, is_alive: true }
        };
        (1..).zip(racks).map(node).collect()
    }

    fn metadata(partitions: &[&[i32]]) -> Metadata {
        let partition = |(index, replicas): (i32, &&[i32])| PartitionMetadata {
            index,
            leader: replicas.first().copied(),
            leader_epoch: 1,
            replicas: replicas.to_vec(),
            in_sync: replicas.to_vec(),
        };
        let topic = TopicMetadata {
            name: "sky".into(),
            id: uuid::Uuid::nil(),
            is_internal: false,
            partitions: (0..).zip(partitions).map(partition).collect(),
            error: None,
        };
        Metadata { topics: [("sky".to_owned(), topic)].into(), ..Metadata::default() }
    }

    fn targets(plan: &Plan) -> Vec<Vec<i32>> {
        plan.moves.iter().map(|wanted| wanted.to.clone().unwrap()).collect()
    }

    #[test]
    fn replicas_go_in_the_same_place_to_the_nodes_that_have_fewest() {
        let metadata = metadata(&[&[3, 1], &[1, 3], &[3, 2], &[1, 2]]);
        let plan = plan(&metadata, &nodes(&["", "", "", ""]), 3, false);
        assert_eq!(targets(&plan), [vec![4, 1], vec![1, 4], vec![4, 2]]);
        assert_eq!(plan.moves[0].partition.to_string(), "sky-0");
    }

    #[test]
    fn a_rack_that_has_a_replica_already_comes_last() {
        let metadata = metadata(&[&[1, 2], &[4, 5], &[4, 5]]);
        let plan = plan(&metadata, &nodes(&["a", "b", "a", "b", "c"]), 2, false);
        // Node 3 has no replica yet, but shares rack a with node 1.
        assert_eq!(targets(&plan), [vec![1, 4]]);
    }

    #[test]
    fn without_another_node_a_partition_shrinks_only_if_it_may_and_never_to_nothing() {
        let metadata = metadata(&[&[1, 2, 3], &[3]]);
        let mut nodes = nodes(&["", "", ""]);
        let kept = plan(&metadata, &nodes, 3, false);
        assert_eq!(kept.without_place, [Partition::new("sky", 0)]);
        assert_eq!(targets(&kept), [vec![1]]);
        assert_eq!(targets(&plan(&metadata, &nodes, 3, true)), [vec![1, 2], vec![1]]);
        for node in &mut nodes {
            node.is_alive = false;
        }
        assert_eq!(plan(&metadata, &nodes, 3, true).without_place, [Partition::new("sky", 1)]);
    }
}
