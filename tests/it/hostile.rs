//! What no client should send harms nobody but its sender, and takes no memory that it did not fill.

use std::io::Write;

use bytes::BufMut;
use kafka_protocol::messages::{ApiVersionsRequest, FetchRequest, MetadataRequest, ProduceRequest};

use crate::client::{Client, batch, fetch, header, produce};
use crate::node::{Node, until};

const MIB: usize = 1 << 20;

#[test]
fn forty_connections_that_announce_90_mib_each_cost_nothing() {
    let node = Node::start();
    let mut client = Client::new(&node);
    client.call(0, &ApiVersionsRequest::default());
    let before = node.resident();
    let announced = i32::try_from(90 * MIB).unwrap().to_be_bytes();
    let mut idle: Vec<Client> = (0..40).map(|_| Client::new(&node)).collect();
    for client in &mut idle {
        client.stream.write_all(&[&announced[..], &header(0, 9, 1, true), &[0; 1000]].concat()).unwrap();
    }
    for _ in 0..20 {
        client.call(9, &MetadataRequest::default().with_topics(None));
    }
    let grown = node.resident().saturating_sub(before);
    assert!(grown < 8 * MIB, "{grown} bytes more");
}

#[test]
fn half_sent_requests_stop_at_the_budget_and_others_are_still_served() {
    let node = Node::with(&["socket.request.max.bytes=8388608", "queued.max.request.bytes=8388608"]);
    let mut client = Client::new(&node);
    client.create_topic("budget", 1);
    let before = node.resident();
    let announced = i32::try_from(8 * MIB).unwrap().to_be_bytes();
    let part = vec![0; 4 * MIB];
    let mut greedy: Vec<Client> = (0..20).map(|_| Client::new(&node)).collect();
    for client in &mut greedy {
        client.stream.set_write_timeout(Some(std::time::Duration::from_millis(200))).unwrap();
        let _ = client.stream.write_all(&[&announced[..], &header(0, 9, 1, true), &part].concat());
    }
    for _ in 0..20 {
        assert_eq!(
            client.produce("budget", 0, batch(&[b"small"])).responses[0].partition_responses[0].error_code,
            0
        );
    }
    let grown = node.resident().saturating_sub(before);
    assert!(grown < 40 * MIB, "{grown} bytes more");
    drop(greedy);
    let large = batch(&[&vec![1; 900_000]]);
    assert_eq!(client.produce("budget", 0, large).responses[0].partition_responses[0].error_code, 0);
}

#[test]
fn a_client_that_drips_half_a_request_loses_its_memory_to_those_who_wait_for_it() {
    let node = Node::with(&["socket.request.max.bytes=8388608", "queued.max.request.bytes=8388608"]);
    let mut client = Client::new(&node);
    client.create_topic("drip", 1);
    let announced = i32::try_from(8 * MIB).unwrap().to_be_bytes();
    let mut dripping: Vec<Client> = (0..3).map(|_| Client::new(&node)).collect();
    for greedy in &mut dripping {
        greedy.stream.set_write_timeout(Some(std::time::Duration::from_millis(200))).unwrap();
        let part = [&announced[..], &header(0, 9, 1, true), &vec![0; 7 * MIB]].concat();
        let _ = greedy.stream.write_all(&part);
    }
    // A byte now and then is no progress: the wait for the first answer must end all the same.
    let others: Vec<_> = dripping.iter().map(|greedy| greedy.stream.try_clone().unwrap()).collect();
    let done = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stop = std::sync::Arc::clone(&done);
    let dripper = std::thread::spawn(move || {
        while !stop.load(std::sync::atomic::Ordering::Relaxed) {
            for mut stream in &others {
                let _ = stream.write(&[0]);
            }
            std::thread::park_timeout(std::time::Duration::from_millis(100));
        }
    });
    for _ in 0..3 {
        let produced = client.produce("drip", 0, batch(&[&vec![1; 900_000]]));
        assert_eq!(produced.responses[0].partition_responses[0].error_code, 0);
    }
    done.store(true, std::sync::atomic::Ordering::Relaxed);
    dripper.join().unwrap();
}

#[test]
fn what_is_sent_behind_a_waiting_fetch_takes_nothing_of_the_budget() {
    let node = Node::with(&["socket.request.max.bytes=2097152", "queued.max.request.bytes=2097152"]);
    let mut client = Client::new(&node);
    client.create_topic("behind", 1);
    let announced = i32::try_from(2 * MIB).unwrap().to_be_bytes();
    let mut waiting: Vec<Client> = (0..8).map(|_| Client::new(&node)).collect();
    for greedy in &mut waiting {
        // A large request proves that the client sends large ones.
        greedy.produce("behind", 0, batch(&[&vec![1; 900_000]]));
        greedy.send(12, &fetch("behind", 0, 1_000).with_max_wait_ms(i32::MAX));
        greedy.receive::<kafka_protocol::messages::FetchResponse>(12);
    }
    let end = i64::try_from(waiting.len()).unwrap();
    for greedy in &mut waiting {
        greedy.send(12, &fetch("behind", 0, end).with_max_wait_ms(i32::MAX));
        greedy.stream.set_write_timeout(Some(std::time::Duration::from_millis(200))).unwrap();
        let _ = greedy.stream.write_all(&[&announced[..], &vec![0; MIB]].concat());
    }
    let start = std::time::Instant::now();
    client.create_topic("other", 1);
    let produced = client.produce("other", 0, batch(&[&vec![1; 900_000]]));
    assert_eq!(produced.responses[0].partition_responses[0].error_code, 0);
    assert!(start.elapsed() < std::time::Duration::from_secs(9), "nobody was waited for");
}

#[test]
fn clients_that_read_no_metadata_stop_nobody_else() {
    let node = Node::start();
    let mut client = Client::new(&node);
    client.create_topic("wide", 1000);
    let all = MetadataRequest::default().with_topics(None);
    let one = client.call(9, &all).topics[0].partitions.len();
    assert_eq!(one, 1000);
    let before = node.resident();
    let mut deaf: Vec<Client> = (0..20).map(|_| Client::new(&node)).collect();
    for client in &mut deaf {
        for _ in 0..30 {
            client.send(9, &all);
        }
    }
    for _ in 0..5 {
        assert_eq!(client.call(9, &all).topics.len(), 1);
    }
    let grown = node.resident().saturating_sub(before);
    assert!(grown < 16 * MIB, "{grown} bytes more");
}

#[test]
fn counts_that_lie_close_the_connection_and_take_no_memory() {
    let node = Node::start();
    let before = node.resident();
    for (key, version, body) in [
        (3, 1, &i32::MAX.to_be_bytes()[..]),
        (3, 9, b"\xff\xff\xff\xff\x0f"),
        (0, 3, b"\xff\xff\0\x01\0\0\0\0\x7f\xff\xff\xff"),
        (0, 9, b"\0\0\x01\0\0\0\0\xff\xff\xff\xff\x0f"),
        (1, 4, b"\xff\xff\xff\xff\0\0\0\0\0\0\0\0\0\0\0\0\0\x7f\xff\xff\xff"),
        (2, 1, b"\xff\xff\xff\xff\x7f\xff\xff\xff"),
        (19, 2, b"\x7f\xff\xff\xff"),
        (20, 1, b"\x7f\xff\xff\xff"),
    ] {
        let mut client = Client::new(&node);
        let flexible = version == 9;
        client.send_frame(&[&header(key, version, 1, flexible)[..], body].concat());
        assert!(client.is_closed(), "key {key} version {version}");
    }
    assert!(node.resident().saturating_sub(before) < 8 * MIB);
    assert_eq!(Client::new(&node).call(0, &ApiVersionsRequest::default()).error_code, 0);
}

#[test]
fn requests_that_end_too_early_close_the_connection() {
    let node = Node::start();
    let mut client = Client::new(&node);
    let whole = [
        client.framed(9, &produce("t", 0, batch(&[b"x"]), 1)),
        client.framed(12, &fetch("t", 0, 0).with_max_wait_ms(1)),
        client.framed(9, &MetadataRequest::default().with_topics(Some(Vec::new()))),
    ];
    for frame in whole {
        for cut in [1, 2, frame.len() / 3] {
            let body = &frame[4..frame.len() - cut];
            let mut client = Client::new(&node);
            client.send_frame(body);
            assert!(client.is_closed(), "cut {cut}");
        }
    }
}

#[test]
fn random_bytes_behind_true_headers_do_not_bring_the_node_down() {
    let node = Node::start();
    let mut seed = 20_260_u64;
    let mut dice = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 56) as u8
    };
    for key in [0, 1, 2, 3, 18, 19, 20, 21, 22, 23, 32, 33, 37, 44, 60] {
        for version in 0..18 {
            let mut body = header(key, version, 1, false);
            let length = dice();
            for _ in 0..length {
                body.put_u8(dice() & dice());
            }
            let mut client = Client::new(&node);
            client.send_frame(&body);
            client.stream.shutdown(std::net::Shutdown::Write).unwrap();
            while !client.is_closed() {}
        }
    }
    assert_eq!(Client::new(&node).call(0, &ApiVersionsRequest::default()).error_code, 0);
}

#[test]
fn a_client_that_reads_nothing_stops_nobody_else() {
    let node = Node::start();
    let mut client = Client::new(&node);
    client.create_topic("slow", 1);
    for _ in 0..20 {
        client.produce("slow", 0, batch(&[&vec![9; 900_000]]));
    }
    let before = node.resident();
    let mut deaf: Vec<Client> = (0..10).map(|_| Client::new(&node)).collect();
    for client in &mut deaf {
        for _ in 0..20 {
            client.send(12, &fetch("slow", 0, 0));
        }
    }
    for _ in 0..10 {
        assert_eq!(client.fetch(12, "slow", 0, 19).responses[0].partitions[0].error_code, 0);
    }
    let grown = node.resident().saturating_sub(before);
    assert!(grown < 32 * MIB, "{grown} bytes more"); // pages of the mapped index and file are not the clients'
}

#[test]
fn empty_requests_are_answered_empty() {
    let node = Node::start();
    let mut client = Client::new(&node);
    assert!(client.call(9, &ProduceRequest::default().with_acks(1)).responses.is_empty());
    assert!(client.call(12, &FetchRequest::default().with_max_wait_ms(60_000)).responses.is_empty());
}

#[test]
fn a_client_that_goes_while_its_fetch_waits_is_let_go() {
    let node = Node::with(&["max.connections=2"]);
    let mut client = Client::new(&node);
    client.create_topic("left", 1);
    let mut waiting = Client::new(&node);
    waiting.send(12, &fetch("left", 0, 0));
    drop(waiting);
    until("the place of the client that left is free", || {
        let mut next = Client::new(&node);
        let frame = next.framed(0, &ApiVersionsRequest::default());
        next.stream.write_all(&frame).is_ok() && !next.is_closed()
    });
}
