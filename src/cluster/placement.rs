//! Which nodes get the replicas of a new partition: leaders in turn, racks apart, the rest where least is.
//!
//! Pure. Source of the aims: Kafka's `StripedReplicaPlacer`; the way is our own.

use std::collections::{BTreeMap, BTreeSet};

use super::metadata::MetadataImage;

/// Counts what each node has, so that what comes next goes where least is.
#[derive(Clone, Debug)]
pub struct Placer {
    /// Nodes that may be given replicas, and their racks.
    racks: BTreeMap<i32, Option<String>>,
    led: BTreeMap<i32, usize>,
    held: BTreeMap<i32, usize>,
}

impl Placer {
    /// Over the nodes for which `may_hold` is true, with what they hold in `image`.
    pub fn new(image: &MetadataImage, may_hold: impl Fn(i32) -> bool) -> Self {
        let nodes = image.nodes.values().filter(|node| may_hold(node.id));
        let racks = nodes.map(|node| (node.id, node.rack.clone())).collect();
        let mut placer = Self { racks, led: BTreeMap::new(), held: BTreeMap::new() };
        for partition in image.topics().flat_map(|topic| &topic.partitions) {
            placer.count(&partition.nodes());
        }
        placer
    }

    pub fn nodes(&self) -> usize {
        self.racks.len()
    }

    fn count(&mut self, nodes: &[i32]) {
        if let Some(leader) = nodes.first() {
            *self.led.entry(*leader).or_default() += 1;
        }
        for node in nodes {
            *self.held.entry(*node).or_default() += 1;
        }
    }

    /// Nodes for one more partition, `factor` in all, the first ones `given`; the preferred leader first.
    /// `None` if there are not that many nodes.
    pub fn next(&mut self, given: &[i32], factor: usize) -> Option<Vec<i32>> {
        let mut chosen = given.to_vec();
        while chosen.len() < factor {
            let node = self.choose(&chosen)?;
            chosen.push(node);
        }
        self.count(&chosen);
        Some(chosen)
    }

    fn choose(&self, chosen: &[i32]) -> Option<i32> {
        let used: BTreeSet<&Option<String>> = chosen.iter().filter_map(|node| self.racks.get(node)).collect();
        let free = self.racks.iter().filter(|(node, _)| !chosen.contains(node));
        let load = |node: &i32| {
            let led = self.led.get(node).copied().unwrap_or(0);
            let held = self.held.get(node).copied().unwrap_or(0);
            if chosen.is_empty() { (led, held) } else { (held, led) }
        };
        // Without a rack a node is as good as alone in its own.
        let best =
            free.min_by_key(|(node, rack)| (rack.is_some() && used.contains(rack), load(node), **node));
        best.map(|(node, _)| *node)
    }
}

/// Nodes for each of `count` new partitions with `factor` replicas; `None` if there are not that many nodes.
pub fn place(
    image: &MetadataImage,
    may_hold: impl Fn(i32) -> bool,
    count: usize,
    factor: usize,
) -> Option<Vec<Vec<i32>>> {
    let mut placer = Placer::new(image, may_hold);
    (0..count).map(|_| placer.next(&[], factor)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::NodeImage;

    fn image(racks: &[(i32, Option<&str>)]) -> MetadataImage {
        let mut image = MetadataImage::default();
        for (id, rack) in racks {
            let node = NodeImage {
                id: *id,
                directory_id: uuid::Uuid::nil(),
                endpoints: vec![crate::cluster::Endpoint::default()],
                rack: rack.map(str::to_owned),
                rpc_addr: String::new(),
                metadata_replica: 0,
            };
            image.nodes.insert(*id, node);
        }
        image
    }

    #[test]
    fn leaders_and_replicas_are_spread_evenly() {
        let image = image(&[(1, None), (2, None), (3, None), (4, None)]);
        let placed = place(&image, |_| true, 8, 3).unwrap();
        for node in 1..=4 {
            assert_eq!(placed.iter().filter(|nodes| nodes[0] == node).count(), 2, "{placed:?}");
            assert_eq!(placed.iter().flatten().filter(|n| **n == node).count(), 6, "{placed:?}");
        }
    }

    #[test]
    fn racks_are_kept_apart_as_long_as_there_are_enough() {
        let image = image(&[(1, Some("a")), (2, Some("a")), (3, Some("b")), (4, Some("b")), (5, Some("c"))]);
        for nodes in place(&image, |_| true, 20, 3).unwrap() {
            let racks: BTreeSet<_> = nodes.iter().map(|node| image.nodes[node].rack.clone()).collect();
            assert_eq!(racks.len(), 3, "{nodes:?}");
        }
        assert!(place(&image, |_| true, 1, 5).is_some(), "rather twice in a rack than not at all");
    }

    #[test]
    fn more_replicas_than_nodes_are_not_to_be_had() {
        let image = image(&[(1, None), (2, None)]);
        assert_eq!(place(&image, |node| node == 1, 1, 2), None);
        assert_eq!(place(&image, |_| true, 1, 2).map(|p| p.len()), Some(1));
    }
}
