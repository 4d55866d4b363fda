//! The same over real sockets, with control on a thread of its own.

use tokio::net::TcpListener;

use super::*;

async fn node(id: i32, control: &tokio::runtime::Handle) -> (Peers, Arc<Served>, String) {
    let control = control.clone();
    let settings = PeerSettings {
        spawn_control: Arc::new(move |task| drop(control.spawn(task))),
        ..PeerSettings::default()
    };
    let peers = Peers::new(settings, hello(id, 7), Arc::new(TcpConnect));
    let served = Arc::new(Served::default());
    peers.serve_with(Arc::<Served>::clone(&served));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("localhost:{}", listener.local_addr().unwrap().port());
    let accepting = peers.clone();
    tokio::spawn(async move {
        while let Ok((stream, remote)) = listener.accept().await {
            let accepting = accepting.clone();
            tokio::spawn(async move { accepting.accept_tcp(stream, remote.to_string()).await });
        }
    });
    (peers, served, address)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_over_loopback_live_and_answer() {
    let control = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (one, _, _) = node(1, control.handle()).await;
    let (two, served, address) = node(2, control.handle()).await;
    let (from, answer) = one.call_address(&address, text("who"), 10 * SECOND).await.unwrap();
    assert_eq!((from.node_id, answer), (Some(2), Bytes::from("who")));
    one.set_address(2, address);
    let body = Bytes::from(vec![5; 3 << 20]);
    let calls: Vec<_> = (0..20)
        .map(|n: u8| one.call(2, Lane::Data, vec![Bytes::from(vec![n]), body.clone()], 10 * SECOND))
        .collect();
    for (n, answer) in (0..20).zip(futures_util::future::join_all(calls).await) {
        let answer = answer.unwrap();
        assert_eq!((answer.len(), answer[0], answer[1]), (body.len() + 1, n, 5));
    }
    let firsts: Vec<u8> = served.bodies()[1..].iter().map(|body| body[0]).collect();
    assert_eq!(firsts, (0..20).collect::<Vec<u8>>());
    assert_eq!(one.call(2, Lane::Control, text("hi"), 10 * SECOND).await.unwrap(), "hi");
    one.close().await;
    two.close().await;
    control.shutdown_background();
}
