//! `Roster`: who is alive, by name. Pure: it is told and tells what changed. Not here: how anybody knows (`watch`).

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::net::SocketAddr;

use super::tags::Tags;

/// How many members are believed at a time; others are refused, so that a stranger's inventions end somewhere.
pub(super) const MAX_MEMBERS: usize = 1_000;

/// How many lost members are looked for again; the oldest are forgotten first.
const MAX_LOST: usize = 32;

/// One start of a node at one address: what memberlist knows as a member.
///
/// memberlist refuses a member that comes back with another address until it has seen the old one die. So the address
/// is part of what we give it as identity: a node that moved is a new member there at once, and the same name here.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Whereabouts {
    pub(super) name: String,
    pub(super) address: SocketAddr,
}

impl Whereabouts {
    /// None if `identity` was not made by [`Whereabouts`]'s `Display`.
    pub(super) fn parse(identity: &str) -> Option<Whereabouts> {
        let (name, address) = identity.rsplit_once('@')?;
        let address = address.parse().ok()?;
        (!name.is_empty()).then(|| Whereabouts { name: name.to_owned(), address })
    }
}

impl fmt::Display for Whereabouts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.address)
    }
}

/// What the handler is to hear.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Change {
    Join(String, Tags),
    Leave(String, Tags),
}

/// Who is alive, without ourselves.
#[derive(Debug)]
pub(super) struct Roster {
    own: String,
    /// Never an empty list. The last of a list came last, and is the one that counts.
    alive: HashMap<String, Vec<(SocketAddr, Tags)>>,
    lost: VecDeque<Whereabouts>,
}

impl Roster {
    pub(super) fn new(own: &str) -> Roster {
        Roster { own: own.to_owned(), alive: HashMap::new(), lost: VecDeque::new() }
    }

    /// Whether there is room for `who`, or it has its place already.
    pub(super) fn admits(&self, who: &Whereabouts) -> bool {
        let has_place = |list: &Vec<(SocketAddr, Tags)>| list.iter().any(|(at, _)| *at == who.address);
        self.alive.get(&who.name).is_some_and(has_place)
            || self.alive.values().map(Vec::len).sum::<usize>() < MAX_MEMBERS
    }

    /// `who` is alive and says `tags` of itself.
    pub(super) fn hear(&mut self, who: Whereabouts, tags: Tags) -> Option<Change> {
        self.lost.retain(|lost| lost.name != who.name && lost.address != who.address);
        if who.name == self.own {
            return None;
        }
        let list = self.alive.entry(who.name.clone()).or_default();
        let newest = list.len().saturating_sub(1);
        if let Some(place) = list.iter().position(|(at, _)| *at == who.address) {
            let news = list[place].1 != tags && place == newest;
            list[place].1 = tags.clone();
            return news.then_some(Change::Join(who.name, tags));
        }
        list.push((who.address, tags.clone()));
        Some(Change::Join(who.name, tags))
    }

    /// `who` left, or was not heard. If its name was heard at another address too, that one counts from now on.
    pub(super) fn miss(&mut self, who: Whereabouts) -> Option<Change> {
        let list = self.alive.get_mut(&who.name)?;
        let place = list.iter().position(|(at, _)| *at == who.address)?;
        let counted = place + 1 == list.len();
        let (_, tags) = list.remove(place);
        if let Some((_, other)) = list.last() {
            return counted.then(|| Change::Join(who.name.clone(), other.clone()));
        }
        self.alive.remove(&who.name);
        if self.lost.len() == MAX_LOST {
            self.lost.pop_front();
        }
        let name = who.name.clone();
        self.lost.push_back(who);
        Some(Change::Leave(name, tags))
    }

    pub(super) fn members(&self) -> Vec<(String, Tags)> {
        let newest = |(name, list): (&String, &Vec<(SocketAddr, Tags)>)| {
            list.last().map(|(_, tags)| (name.clone(), tags.clone()))
        };
        self.alive.iter().filter_map(newest).collect()
    }

    /// Whether somebody who is alive says to be at `address`.
    pub(super) fn is_met(&self, address: SocketAddr) -> bool {
        self.alive.values().flatten().any(|(at, _)| *at == address)
    }

    /// Where members were last that are gone, the latest last.
    pub(super) fn lost(&self) -> Vec<SocketAddr> {
        self.lost.iter().map(|lost| lost.address).collect()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn at(name: &str, port: u16) -> Whereabouts {
        Whereabouts { name: name.to_owned(), address: SocketAddr::from(([127, 0, 0, 1], port)) }
    }

    fn tags(node_id: i32) -> Tags {
        Tags {
            node_id: Some(node_id),
            directory_id: Uuid::from_u128(1),
            cluster_id: None,
            rpc_addr: "h:1".to_owned(),
            version: String::new(),
            may_form: false,
        }
    }

    fn join(name: &str, node_id: i32) -> Change {
        Change::Join(name.to_owned(), tags(node_id))
    }

    #[test]
    fn a_name_may_contain_what_parts_it_from_the_address() {
        for who in [at("a", 1), at("a@b", 2), at("x@1.2.3.4:5", 3)] {
            assert_eq!(Whereabouts::parse(&who.to_string()), Some(who));
        }
        for wrong in ["", "a", "@1.2.3.4:5", "a@b", "a@1.2.3.4"] {
            assert_eq!(Whereabouts::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn news_is_told_once() {
        let mut roster = Roster::new("own");
        assert_eq!(roster.hear(at("a", 1), tags(1)), Some(join("a", 1)));
        assert_eq!(roster.hear(at("a", 1), tags(1)), None);
        assert_eq!(roster.hear(at("a", 1), tags(2)), Some(join("a", 2)));
        assert_eq!(roster.miss(at("a", 1)), Some(Change::Leave("a".to_owned(), tags(2))));
        assert_eq!(roster.miss(at("a", 1)), None);
        assert_eq!(roster.members(), []);
    }

    #[test]
    fn we_are_no_member_of_our_own_roster_wherever_we_were() {
        let mut roster = Roster::new("own");
        assert_eq!(roster.hear(at("own", 1), tags(1)), None);
        assert_eq!(roster.hear(at("own", 2), tags(1)), None);
        assert_eq!(roster.miss(at("own", 1)), None);
        assert_eq!(roster.lost(), []);
    }

    #[test]
    fn the_end_of_an_earlier_start_is_no_leave() {
        let mut roster = Roster::new("own");
        roster.hear(at("a", 1), tags(1));
        assert_eq!(roster.hear(at("a", 2), tags(1)), Some(join("a", 1)), "the address is another");
        assert_eq!(roster.hear(at("a", 1), tags(5)), None, "an earlier start says nothing that counts");
        assert_eq!(roster.miss(at("a", 1)), None);
        assert_eq!(roster.lost(), []);
        assert_eq!(roster.members(), [("a".to_owned(), tags(1))]);
    }

    #[test]
    fn when_the_counted_one_of_two_ends_the_other_counts() {
        let mut roster = Roster::new("own");
        roster.hear(at("a", 2), tags(2));
        roster.hear(at("a", 1), tags(1)); // the earlier start, heard of later
        assert_eq!(roster.miss(at("a", 1)), Some(join("a", 2)));
    }

    #[test]
    fn a_lost_member_is_looked_for_until_its_name_or_its_place_is_heard_of() {
        let mut roster = Roster::new("own");
        for who in [at("a", 1), at("b", 2), at("c", 3)] {
            roster.hear(who.clone(), tags(1));
            roster.miss(who);
        }
        roster.hear(at("a", 9), tags(1));
        roster.hear(at("d", 2), tags(1));
        assert_eq!(roster.lost(), [at("c", 3).address]);
        for port in 100..200 {
            roster.hear(at(&port.to_string(), port), tags(1));
            roster.miss(at(&port.to_string(), port));
        }
        assert_eq!(roster.lost().len(), MAX_LOST);
        assert_eq!(roster.lost().last(), Some(&at("", 199).address));
    }

    #[test]
    fn a_full_roster_admits_those_that_are_in_it() {
        let mut roster = Roster::new("own");
        for port in 1..=MAX_MEMBERS as u16 {
            assert!(roster.admits(&at("a", port)));
            roster.hear(at("a", port), tags(1));
        }
        assert!(!roster.admits(&at("b", 1)));
        assert!(roster.admits(&at("a", 7)));
        roster.miss(at("a", 7));
        assert!(roster.admits(&at("b", 1)));
    }
}
