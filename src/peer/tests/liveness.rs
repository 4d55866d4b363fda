//! Who is alive, who was told so, and what was promised.

use super::*;
use crate::peer::jitter::Jitter;

#[tokio::test(start_paused = true)]
async fn silence_is_death_after_dead_after_and_not_earlier_and_speech_is_life_again() {
    let (network, (one, seen), (two, _)) = pair().await;
    tokio::time::sleep(ms(5030)).await;
    assert_eq!(seen.events(), [Event::Up(2, 22)]);
    let cut = Instant::now();
    network.cut(2, 1);
    network.cut(1, 2);
    until(|| !one.is_alive(2)).await;
    until(|| seen.events().len() == 2).await;
    let died = seen.when(Event::Down(2)) - cut;
    assert!((ms(400)..=ms(501)).contains(&died), "{died:?}");
    tokio::time::sleep(10 * SECOND).await;
    network.heal();
    let healed = Instant::now();
    until(|| one.is_alive(2) && two.is_alive(1)).await;
    assert!(healed.elapsed() <= ms(1200), "{:?}", healed.elapsed());
    assert_eq!(seen.events(), [Event::Up(2, 22), Event::Down(2), Event::Up(2, 22)]);
}

#[tokio::test(start_paused = true)]
async fn silence_in_one_direction_is_death_on_both_sides() {
    let (network, (one, saw), (two, seen)) = pair().await;
    let cut = Instant::now();
    network.cut(1, 2);
    until(|| !one.is_alive(2) && !two.is_alive(1)).await;
    assert!((ms(400)..=ms(800)).contains(&cut.elapsed()), "{:?}", cut.elapsed());
    until(|| saw.events().len() == 2 && seen.events().len() == 2).await;
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(saw.events(), [Event::Up(2, 22), Event::Down(2)]);
    assert_eq!(seen.events(), [Event::Up(1, 11), Event::Down(1)]);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_only_answers_pings_is_not_alive() {
    let network = Network::new();
    let (one, _) = network.node(1, &[2], 1);
    let (two, _) = network.node(2, &[], 2);
    tokio::time::sleep(5 * SECOND).await;
    assert!(!one.is_alive(2) && !two.is_alive(1));
    assert_eq!(one.call(2, Lane::Control, text("still"), SECOND).await.unwrap(), "still");
    two.set_address(1, "node-1".to_owned());
    until(|| one.is_alive(2) && two.is_alive(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_renewed_while_pings_are_answered_and_ends_before_the_other_side_calls_us_dead() {
    let (network, (one, _), (_two, seen)) = pair().await;
    assert_eq!(one.lease_until(3), None);
    for _ in 0..50 {
        tokio::time::sleep(ms(37)).await;
        let left = one.lease_until(2).unwrap() - Instant::now();
        assert!((ms(300)..=ms(400)).contains(&left), "{left:?}");
    }
    network.cut(1, 2);
    tokio::time::sleep(ms(50)).await;
    let until_then = one.lease_until(2).unwrap();
    until(|| seen.events().len() == 2).await;
    assert!(seen.when(Event::Down(1)) >= until_then + ms(90));
    tokio::time::sleep(5 * SECOND).await;
    assert_eq!(one.lease_until(2), None);
}

#[tokio::test(start_paused = true)]
async fn a_lease_never_outlives_life_on_the_other_side_however_the_network_is_cut() {
    for seed in 0..60_u64 {
        let (network, (one, _), (two, _)) = pair().await;
        let mut random = Jitter::new(seed);
        for _ in 0..30 {
            match random.spread(ms(1000)).as_micros() % 5 {
                0 => network.cut(1, 2),
                1 => network.cut(2, 1),
                _ => network.heal(),
            }
            for _ in 0..random.spread(ms(200)).as_millis() / 7 {
                tokio::time::sleep(ms(7)).await;
                for (ours, theirs) in [(&one, two.is_alive(1)), (&two, one.is_alive(2))] {
                    let other = if std::ptr::eq(ours, &raw const one) { 2 } else { 1 };
                    let promised = ours.lease_until(other).is_some_and(|until| until > Instant::now());
                    assert!(theirs || !promised, "seed {seed}: promised to live, and is dead");
                }
            }
        }
        one.close().await;
        two.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_started_anew_within_dead_after_is_told_by_its_start_id() {
    let (network, (one, seen), (two, _)) = pair().await;
    two.close().await;
    let (_again, _) = network.node(2, &[1, 2], 33);
    until(|| seen.events().len() >= 2).await;
    tokio::time::sleep(5 * SECOND).await;
    assert_eq!(seen.events(), [Event::Up(2, 22), Event::Up(2, 33)]);
    assert!(one.is_alive(2));
    assert_eq!(one.call(2, Lane::Data, text("hello"), SECOND).await.unwrap(), "hello");
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_node_is_neither_alive_nor_asked_and_nobody_is_told() {
    let (_network, (one, seen), _two) = pair().await;
    one.forget(2);
    assert!(!one.is_alive(2));
    assert_eq!(one.nodes(), Vec::<i32>::new());
    let refused = one.call(2, Lane::Data, text("x"), SECOND).await;
    assert!(matches!(refused, Err(PeerError::NotConnected { sent: false, .. })));
    tokio::time::sleep(5 * SECOND).await;
    assert_eq!(seen.events(), [Event::Up(2, 22)]);
}

#[tokio::test(start_paused = true)]
async fn control_lives_while_data_is_stuck() {
    let network = Network::new();
    let (one, seen) = network.node(1, &[2], 1);
    let (_two, _) = network.node(2, &[1], 2);
    until(|| one.is_alive(2)).await;
    let stuck: Vec<_> = (0..64)
        .map(|_| one.call(2, Lane::Data, vec![Bytes::from(vec![b'x'; 1 << 20])], 20 * SECOND))
        .collect();
    let echoed = futures_util::future::join_all(stuck).await;
    assert!(echoed.iter().all(Result::is_ok));
    assert_eq!(seen.events(), [Event::Up(2, 2)]);
}
