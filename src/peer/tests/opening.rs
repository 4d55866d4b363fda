//! Who is spoken with, and how often it is tried.

use super::*;
use crate::peer::hello::{Purpose, read_verdict, send_opening};

#[tokio::test(start_paused = true)]
async fn a_node_of_another_cluster_is_refused_and_told_why() {
    let network = Network::new();
    let (one, served) = network.node(1, &[2], 1);
    *served.cluster.lock() = Some(Uuid::from_u128(1));
    let foreign = Hello { cluster_id: Some(Uuid::from_u128(9)), ..hello(2, 2) };
    let two = network.peers(2, foreign, PeerSettings::default());
    two.serve_with(Arc::new(Served::default()));
    two.set_address(1, "node-1".to_owned());
    let refused = |error: &PeerError| matches!(error, PeerError::Refused { text, .. } if text.contains("this is cluster 00000000-"));
    // By the side that is asked, and by the side that asks.
    let theirs = two.call(1, Lane::Data, text("x"), SECOND).await.unwrap_err();
    assert!(refused(&theirs), "{theirs}");
    let ours = one.call(2, Lane::Data, text("x"), SECOND).await.unwrap_err();
    assert!(refused(&ours), "{ours}");
    let asked = two.call_address("node-1", text("x"), SECOND).await.unwrap_err();
    assert!(refused(&asked), "{asked}");
    tokio::time::sleep(5 * SECOND).await;
    assert!(!one.is_alive(2) && !two.is_alive(1));
    assert!(served.bodies().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_node_without_an_id_asks_an_address_and_becomes_one_of_us_by_its_next_hello() {
    let network = Network::new();
    let (one, served) = network.node(1, &[2], 1);
    let empty = Hello { cluster_id: None, node_id: None, ..hello(2, 2) };
    let two = network.peers(2, empty.clone(), PeerSettings::default());
    two.serve_with(Arc::new(Served::default()));
    let (from, answer) = two.call_address("node-1", text("may I"), SECOND).await.unwrap();
    assert_eq!((from, answer), (hello(1, 1), Bytes::from("may I")));
    assert_eq!(served.requests.lock()[0].0, None);
    let looked_for = one.call(2, Lane::Data, text("x"), SECOND).await.unwrap_err();
    assert!(looked_for.to_string().contains("without an id"), "{looked_for}");
    two.set_hello(hello(2, 2));
    two.set_address(2, "node-2".to_owned());
    two.set_address(1, "node-1".to_owned());
    until(|| one.is_alive(2) && two.is_alive(1)).await;
    assert_eq!(two.nodes(), [1]);
    assert_eq!(one.call(2, Lane::Data, text("x"), SECOND).await.unwrap(), "x");
}

#[tokio::test(start_paused = true)]
async fn another_node_at_an_address_is_refused() {
    let network = Network::new();
    let (one, _) = network.node(1, &[], 1);
    let (_two, _) = network.node(2, &[], 2);
    one.set_address(3, "node-2".to_owned());
    let refused = one.call(3, Lane::Control, text("x"), SECOND).await.unwrap_err();
    assert!(refused.to_string().contains("node 3 was looked for where node 2 is"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_stale_address_where_another_node_is_now_disturbs_no_connection_of_that_one() {
    let (network, (one, _), (_two, served)) = pair().await;
    let call = one.call(2, Lane::Data, text("late 9000 done"), 10 * SECOND);
    until(|| !served.bodies().is_empty()).await;
    one.set_address(3, "node-2".to_owned());
    let tries = network.tries.load(Ordering::Relaxed);
    assert_eq!(call.await.unwrap(), "done");
    assert!(network.tries.load(Ordering::Relaxed) > tries + 10);
    assert!(one.is_alive(2) && !one.is_alive(3));
}

#[tokio::test(start_paused = true)]
async fn a_changed_address_reconnects_at_once() {
    let network = Network::new();
    let (one, _) = network.node(1, &[], 1);
    one.set_address(2, "nowhere".to_owned());
    let failed = one.call(2, Lane::Data, text("x"), SECOND).await;
    assert!(matches!(failed, Err(PeerError::NotConnected { sent: false, .. })), "{failed:?}");
    tokio::time::sleep(10 * SECOND).await;
    let (_two, _) = network.node(2, &[], 2);
    one.set_address(2, "node-2".to_owned());
    let began = Instant::now();
    let asked = || one.call(2, Lane::Data, text("x"), SECOND);
    while asked().await.is_err() {
        tokio::time::sleep(ms(1)).await;
    }
    assert!(began.elapsed() < ms(10), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn tries_are_bounded_by_the_back_off_also_where_connections_open_and_end_at_once() {
    let network = Network::new();
    let (one, _) = network.node(1, &[], 1);
    one.set_address(2, "nowhere".to_owned());
    tokio::time::sleep(60 * SECOND).await;
    let tries = network.tries.swap(0, Ordering::Relaxed);
    assert!((100..300).contains(&tries), "{tries} tries of two lanes in a minute");
    one.forget(2);
    let (_two, _) = network.node(2, &[], 2);
    one.set_address(2, "node-2".to_owned());
    for _ in 0..6000 {
        tokio::time::sleep(ms(10)).await;
        network.break_all();
    }
    let tries = network.tries.swap(0, Ordering::Relaxed);
    assert!((100..300).contains(&tries), "{tries} tries of two lanes in a minute");
}

#[tokio::test(start_paused = true)]
async fn while_a_node_cannot_be_reached_calls_fail_at_once() {
    let network = Network::new();
    let (one, _) = network.node(1, &[2], 1);
    network.cut(1, 2);
    until(|| network.tries.load(Ordering::Relaxed) > 2).await;
    let began = Instant::now();
    let failed = one.call(2, Lane::Data, text("x"), 10 * SECOND).await;
    assert!(matches!(failed, Err(PeerError::NotConnected { sent: false, .. })), "{failed:?}");
    assert_eq!(began.elapsed(), ms(0));
}

#[tokio::test(start_paused = true)]
async fn a_hello_of_a_later_version_is_read_and_the_lower_one_spoken_and_one_too_low_refused() {
    let network = Network::new();
    let (one, served) = network.node(1, &[], 1);
    let open = |version| {
        let one = one.clone();
        let (mut ours, theirs) = tokio::io::duplex(PIPE_BYTES);
        tokio::spawn(async move { one.accept(Box::new(theirs), "raw".to_owned()).await });
        async move {
            let hello = Hello { version, ..hello(2, 2) };
            send_opening(&mut ours, Purpose::Lane(Lane::Data, 1), &hello).await.unwrap();
            read_verdict(&mut ours).await
        }
    };
    assert_eq!(open(VERSION + 6).await.unwrap(), hello(1, 1));
    assert_eq!(*served.versions.lock(), BTreeSet::from([VERSION]));
    let refused = open(VERSION_MIN - 1).await.unwrap_err().to_string();
    assert!(refused.contains("versions 0 and 1 have none in common"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_longer_hello_than_ours_is_read_as_far_as_we_know_it() {
    let network = Network::new();
    let (one, _) = network.node(1, &[], 1);
    let (mut ours, theirs) = tokio::io::duplex(PIPE_BYTES);
    tokio::spawn(async move { one.accept(Box::new(theirs), "raw".to_owned()).await });
    let mut opening = Vec::new();
    send_opening(&mut opening, Purpose::Lane(Lane::Data, 1), &Hello { version: 9, ..hello(2, 2) })
        .await
        .unwrap();
    let length = usize::from(u16::from_be_bytes([opening[12], opening[13]])) + 30;
    opening[12..14].copy_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
    opening.extend_from_slice(&[0xAB; 30]);
    ours.write_all(&opening).await.unwrap();
    assert_eq!(read_verdict(&mut ours).await.unwrap(), hello(1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_newer_connection_of_the_same_node_and_lane_takes_the_older_ones_place() {
    let network = Network::new();
    let (one, _) = network.node(1, &[], 1);
    let open = async |start_id| {
        let one = one.clone();
        let (mut ours, theirs) = tokio::io::duplex(PIPE_BYTES);
        tokio::spawn(async move { one.accept(Box::new(theirs), "raw".to_owned()).await });
        send_opening(&mut ours, Purpose::Lane(Lane::Data, 1), &hello(2, start_id)).await.unwrap();
        read_verdict(&mut ours).await.unwrap();
        ours
    };
    let mut older = open(2).await;
    let _newer = open(2).await;
    assert_eq!(older.read(&mut [0; 10]).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_is_let_go() {
    let network = Network::new();
    let (one, _) = network.node(1, &[], 1);
    let (_ours, theirs) = tokio::io::duplex(PIPE_BYTES);
    let began = Instant::now();
    one.accept(Box::new(theirs), "silent".to_owned()).await;
    assert_eq!(began.elapsed(), SECOND);
}
