//! What each API needs, and what it answers without: each row once with the permission and once without.

use uuid::Uuid;

use crate::client::Client;
use crate::node::{ADMIN, Line, Node};
use crate::{of_groups, of_the_cluster, of_topics};

/// Codes of Kafka.
pub(crate) const NONE: i16 = 0;
pub(crate) const TOPIC_DENIED: i16 = 29;
pub(crate) const GROUP_DENIED: i16 = 30;
pub(crate) const CLUSTER_DENIED: i16 = 31;

/// What a permission is about, and what it allows, in the words of the policy.
pub(crate) type Permission = (&'static str, &'static str);

pub(crate) struct Row {
    pub(crate) what: &'static str,
    /// What both users have.
    pub(crate) given: &'static [Permission],
    /// What one of them has beside it.
    pub(crate) needs: Permission,
    /// Does it and says with what code it was answered.
    pub(crate) call: fn(&mut Client, &Topics) -> i16,
    /// The code with the permission.
    pub(crate) allowed: i16,
    /// The code without it.
    pub(crate) denied: i16,
}

/// The ids of topics that are there.
pub(crate) struct Topics {
    pub(crate) orders: Uuid,
    pub(crate) doomed: Uuid,
}

pub(crate) fn rows() -> impl Iterator<Item = &'static Row> {
    [of_topics::ROWS, of_groups::ROWS, of_the_cluster::ROWS].into_iter().flatten()
}

#[test]
fn each_api_asks_for_its_permission_and_says_so_when_it_is_missing() {
    let rows: Vec<&Row> = rows().collect();
    let mut policy: Vec<Line> = Vec::new();
    let names: Vec<[String; 2]> =
        (0..rows.len()).map(|row| [format!("without{row}"), format!("with{row}")]).collect();
    for (row, [without, with]) in rows.iter().zip(&names) {
        for (object, action) in row.given {
            policy.extend([without, with].map(|user| (user.clone(), *object, *action)));
        }
        policy.push((with.clone(), row.needs.0, row.needs.1));
    }
    let everybody: Vec<&str> = names.iter().flatten().map(String::as_str).collect();
    let node = Node::start(&policy, &everybody);
    let mut admin = Client::new(&node, ADMIN);
    let topics = Topics { orders: admin.create_topic("orders"), doomed: admin.create_topic("doomed-by-id") };
    admin.create_topic("doomed");
    of_groups::commit_as(&mut admin);
    let mut wrong = Vec::new();
    for (row, users) in rows.iter().zip(&names) {
        // First without it: what is refused leaves everything as it was.
        for (user, expected) in users.iter().zip([row.denied, row.allowed]) {
            let code = (row.call)(&mut Client::new(&node, user), &topics);
            if code != expected {
                wrong.push(format!("{} as {user}: {code}, not {expected}", row.what));
            }
        }
        let code = (row.call)(&mut Client::new(&node, ADMIN), &topics);
        if [TOPIC_DENIED, GROUP_DENIED, CLUSTER_DENIED].contains(&code) {
            wrong.push(format!("{} as a super user: {code}", row.what));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
