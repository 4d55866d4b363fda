//! Bytes that no peer of ours would send.

use proptest::prelude::*;

use super::*;
use crate::peer::frame::Frame;
use crate::peer::hello::{Purpose, read_opening, read_verdict, send_opening};
use crate::peer::inlet::Inlet;

#[test]
fn a_frame_that_announces_more_than_it_has_reserves_nothing() {
    let mut inlet = Inlet::new(256 * 1024 * 1024);
    inlet.feed(&(200_u32 * 1024 * 1024).to_be_bytes());
    inlet.feed(&[1; 1000]);
    assert!(inlet.next().unwrap().is_none());
    assert!(inlet.held() < 4096, "{} bytes", inlet.held());
    let mut inlet = Inlet::new(1000);
    inlet.feed(&1010_u32.to_be_bytes());
    assert!(inlet.next().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_frame_sent_byte_by_byte_takes_little_more_memory_than_it_has_bytes() {
    let (mut ours, theirs) = tokio::io::duplex(PIPE_BYTES);
    let mut theirs: BoxedStream = Box::new(theirs);
    let mut inlet = Inlet::new(64 * 1024 * 1024);
    ours.write_all(&(32_u32 * 1024 * 1024).to_be_bytes()).await.unwrap();
    let mut came = 4;
    while came < 1 << 20 {
        ours.write_all(&[1; 1000]).await.unwrap();
        came += 1000;
        std::future::poll_fn(|cx| inlet.poll_fill(&mut *theirs, cx)).await.unwrap();
        assert!(inlet.next().unwrap().is_none());
        assert!(inlet.held() <= 64 * 1024 + 3 * came, "{} bytes for {came}", inlet.held());
    }
}

async fn feed(bytes: &[u8]) {
    let network = Network::new();
    let (one, _) = network.node(1, &[2], 1);
    for opened in [false, true] {
        let (mut ours, theirs) = tokio::io::duplex(1 << 20);
        let accepting = one.clone();
        let served =
            tokio::spawn(async move { accepting.accept(Box::new(theirs), "garbage".to_owned()).await });
        if opened {
            send_opening(&mut ours, Purpose::Lane(Lane::Control, 1), &hello(2, 2)).await.unwrap();
            read_verdict(&mut ours).await.unwrap();
        }
        let _ = ours.write_all(bytes).await;
        let _ = ours.shutdown().await;
        let mut rest = Vec::new();
        let _ = ours.read_to_end(&mut rest).await;
        served.await.unwrap();
    }
    one.close().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn garbage_ends_a_connection_and_nothing_else(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        runtime.unwrap().block_on(feed(&bytes));
    }

    #[test]
    fn frames_of_any_content_never_panic(
        frames in prop::collection::vec((0_u8..10, prop::collection::vec(any::<u8>(), 0..40)), 0..10),
    ) {
        let mut bytes = Vec::new();
        for (kind, body) in frames {
            bytes.extend_from_slice(&(body.len() as u32 + 1).to_be_bytes());
            bytes.push(kind);
            bytes.extend_from_slice(&body);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        runtime.unwrap().block_on(feed(&bytes));
    }

    #[test]
    fn any_opening_and_any_frame_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Frame::take(Bytes::from(bytes.clone()));
        let _ = read_verdict(&mut &bytes[..]).now_or_never();
        let mut opening = b"\x01bateau".to_vec();
        opening.extend_from_slice(&bytes);
        let _ = read_opening(&mut &opening[..]).now_or_never();
    }
}

/// Whoever answers a connection with garbage.
struct Liar(Vec<u8>);

impl Connect for Liar {
    fn connect(&self, _address: String) -> BoxFuture<'static, io::Result<BoxedStream>> {
        let bytes = self.0.clone();
        async move {
            let (ours, mut theirs) = tokio::io::duplex(PIPE_BYTES);
            tokio::spawn(async move {
                let _ = read_opening(&mut theirs).await;
                let _ = theirs.write_all(&bytes).await;
            });
            Ok(Box::new(ours) as BoxedStream)
        }
        .boxed()
    }
}

#[tokio::test(start_paused = true)]
async fn garbage_in_place_of_a_hello_or_an_answer_fails_the_call() {
    let mut answers_nothing = vec![0];
    let mut opening = Vec::new();
    send_opening(&mut opening, Purpose::Lane(Lane::Data, 1), &hello(2, 2)).await.unwrap();
    answers_nothing.extend_from_slice(&opening[12..]);
    answers_nothing.extend_from_slice(b"\0\0\0\x09\x02\xff\xff\xff\xff\xff\xff\xff\xff");
    for lie in [b"HTTP/1.1 400 Bad Request".to_vec(), b"\x01\xff\xff".to_vec(), answers_nothing] {
        let peers = Peers::new(PeerSettings::default(), hello(1, 1), Arc::new(Liar(lie)));
        peers.set_address(2, "liar".to_owned());
        let failed = peers.call(2, Lane::Data, text("never"), 10 * SECOND).await;
        assert!(matches!(failed, Err(PeerError::NotConnected { .. })), "{failed:?}");
        let failed = peers.call_address("liar", text("never"), SECOND).await;
        assert!(failed.is_err());
        peers.close().await;
    }
}
