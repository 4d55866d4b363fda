//! Requests and answers.

use futures_util::future::join_all;

use super::*;

#[tokio::test(start_paused = true)]
async fn requests_of_a_lane_are_served_in_the_order_of_the_calls_whoever_polls_the_futures() {
    let (_network, (one, _), (_two, served)) = pair().await;
    let mut calls: Vec<_> =
        (0..500).map(|n| one.call(2, Lane::Data, text(&format!("{n}")), SECOND)).collect();
    calls.reverse();
    let answers = join_all(calls).await;
    let expected: Vec<Bytes> = (0..500).map(|n| Bytes::from(format!("{n}"))).collect();
    assert_eq!(served.bodies(), expected);
    let mut answers: Vec<Bytes> = answers.into_iter().map(Result::unwrap).collect();
    answers.reverse();
    assert_eq!(answers, expected);
}

#[tokio::test(start_paused = true)]
async fn a_request_leaves_without_anybody_polling_and_a_dropped_future_drops_the_answer_only() {
    let (_network, (one, _), (_two, served)) = pair().await;
    drop(one.call(2, Lane::Control, text("dropped"), SECOND));
    let kept = one.call(2, Lane::Control, text("kept"), SECOND);
    until(|| served.bodies().len() == 2).await;
    assert_eq!(kept.await.unwrap(), "kept");
}

#[tokio::test(start_paused = true)]
async fn answers_come_as_they_are_done() {
    let (_network, (one, _), _two) = pair().await;
    let late = one.call(2, Lane::Data, text("late 300 first"), SECOND);
    let soon = one.call(2, Lane::Data, text("late 100 second"), SECOND);
    tokio::select! {
        _ = late => panic!("the late one came first"),
        answer = soon => assert_eq!(answer.unwrap(), "second"),
    }
}

#[tokio::test(start_paused = true)]
async fn large_frames_in_many_parts_arrive_whole_among_small_ones() {
    let (_network, (one, _), _two) = pair().await;
    let parts: Vec<Bytes> = (0..200_usize).map(|n| Bytes::from(vec![n as u8; n * n])).collect();
    let whole: Vec<u8> = parts.iter().flatten().copied().collect();
    let large = one.call(2, Lane::Data, parts, 10 * SECOND);
    let small = one.call(2, Lane::Data, text("small"), 10 * SECOND);
    let answer = one.call(2, Lane::Data, text("big 5000000"), 10 * SECOND);
    assert_eq!(large.await.unwrap(), whole);
    assert_eq!(small.await.unwrap(), "small");
    assert_eq!(answer.await.unwrap().len(), 5_000_000);
    let stats = one.stats()[&2];
    assert!(stats.bytes_in > 7_000_000 && stats.frames_out > 3, "{stats:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_too_large_or_too_much_is_refused_at_once_and_the_rest_goes_on() {
    let network = Network::new();
    let small = PeerSettings {
        frame_bytes_max: 1000,
        in_flight_bytes_max: 500,
        in_flight_max: 3,
        ..PeerSettings::default()
    };
    let (one, _) = network.node_with(1, &[2], 1, small.clone());
    let (_two, served) = network.node_with(2, &[1], 2, small);
    until(|| one.is_alive(2)).await;
    let call = |bytes: usize| one.call(2, Lane::Data, vec![Bytes::from(vec![b'x'; bytes])], SECOND);
    assert!(matches!(call(1001).await, Err(PeerError::TooLarge { bytes: 1001, max: 1000, .. })));
    let alone = call(1000);
    assert!(matches!(call(1).await, Err(PeerError::Busy { in_flight: 1, bytes: 1000, .. })));
    assert_eq!(alone.await.unwrap().len(), 1000);
    let never: Vec<_> = (0..3).map(|_| one.call(2, Lane::Data, text("never"), SECOND)).collect();
    assert!(matches!(call(1).await, Err(PeerError::Busy { in_flight: 3, .. })));
    for call in never {
        assert!(matches!(call.await, Err(PeerError::TimedOut { within: SECOND, .. })));
    }
    // The other side still serves the three, and says so without ending anything.
    assert!(matches!(call(1).await, Err(PeerError::Busy { .. })));
    assert_eq!(served.bodies().len(), 4);
    let large = one.call(2, Lane::Control, text("big 1001"), SECOND).await;
    assert!(matches!(&large, Err(PeerError::Failed { text, .. }) if text.contains("1001")), "{large:?}");
}

#[tokio::test(start_paused = true)]
async fn an_error_is_the_other_sides_text_and_the_connection_lives_on() {
    let (network, (one, _), _two) = pair().await;
    let tries = network.tries.load(Ordering::Relaxed);
    let failed = one.call(2, Lane::Control, text("fail because"), SECOND).await;
    let node = PeerName::Node(2);
    assert_eq!(failed, Err(PeerError::Failed { node, text: "because".to_owned() }));
    assert_eq!(one.call(2, Lane::Control, text("more"), SECOND).await.unwrap(), "more");
    assert_eq!(network.tries.load(Ordering::Relaxed), tries);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_breaks_fails_its_calls_at_once_and_is_opened_again() {
    let (network, (one, _), (_two, served)) = pair().await;
    let call = one.call(2, Lane::Data, text("never"), 10 * SECOND);
    until(|| !served.bodies().is_empty()).await;
    let broke = Instant::now();
    network.break_all();
    let failed = call.await;
    assert!(matches!(failed, Err(PeerError::NotConnected { sent: true, .. })), "{failed:?}");
    assert!(broke.elapsed() < ms(10));
    assert_eq!(one.call(2, Lane::Data, text("again"), SECOND).await.unwrap(), "again");
}

#[tokio::test(start_paused = true)]
async fn nothing_at_all_for_four_times_dead_after_ends_a_connection_that_should_answer() {
    let (network, (one, _), (_two, served)) = pair().await;
    network.cut(2, 1);
    let (asked, call) = (Instant::now(), one.call(2, Lane::Data, text("lost"), 10 * SECOND));
    let failed = call.await;
    assert!(matches!(failed, Err(PeerError::NotConnected { sent: true, .. })), "{failed:?}");
    assert!((ms(1900)..=ms(2200)).contains(&asked.elapsed()), "{:?}", asked.elapsed());
    assert_eq!(served.bodies().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn whoever_is_only_slow_to_answer_keeps_its_connection() {
    let (network, (one, _), _two) = pair().await;
    let tries = network.tries.load(Ordering::Relaxed);
    let answer = one.call(2, Lane::Data, text("late 9000 done"), 10 * SECOND).await;
    assert_eq!(answer.unwrap(), "done");
    assert_eq!(network.tries.load(Ordering::Relaxed), tries);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_takes_nothing_blocks_nobody_else() {
    let network = Network::new();
    let (one, _) = network.node(1, &[2, 3], 1);
    let (_two, _) = network.node(2, &[1, 3], 2);
    let (_three, _) = network.node(3, &[1, 2], 3);
    until(|| one.is_alive(2) && one.is_alive(3)).await;
    network.cut(1, 2);
    let stuck: Vec<_> =
        (0..100).map(|_| one.call(2, Lane::Data, vec![Bytes::from(vec![0; 1 << 20])], 10 * SECOND)).collect();
    let began = Instant::now();
    assert_eq!(one.call(3, Lane::Data, text("free"), SECOND).await.unwrap(), "free");
    assert!(began.elapsed() < ms(10));
    let ends = join_all(stuck).await;
    assert_eq!(ends.iter().filter(|end| matches!(end, Err(PeerError::Busy { .. }))).count(), 36);
    assert!(ends.iter().all(Result::is_err));
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_future_is_gone_gives_its_place_back_when_its_time_is_over() {
    let network = Network::new();
    let few = PeerSettings { in_flight_max: 1, ..PeerSettings::default() };
    let (one, _) = network.node_with(1, &[2], 1, few);
    let (_two, _) = network.node(2, &[1], 2);
    until(|| one.is_alive(2)).await;
    drop(one.call(2, Lane::Data, text("never"), SECOND));
    let began = Instant::now();
    loop {
        match one.call(2, Lane::Data, text("next"), SECOND).await {
            Ok(answer) => break assert_eq!(answer, "next"),
            Err(PeerError::Busy { .. }) => tokio::time::sleep(ms(10)).await,
            Err(other) => panic!("{other}"),
        }
    }
    assert!((ms(900)..ms(1300)).contains(&began.elapsed()), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn closing_fails_what_waits_and_ends_every_task() {
    let (_network, (one, _), (two, served)) = pair().await;
    let call = one.call(2, Lane::Data, text("never"), 10 * SECOND);
    until(|| !served.bodies().is_empty()).await;
    one.close().await;
    assert_eq!(call.await, Err(PeerError::Closed));
    assert_eq!(one.call(2, Lane::Data, text("more"), SECOND).await, Err(PeerError::Closed));
    two.close().await;
    assert!(Arc::strong_count(&served) == 1, "something still serves");
}
