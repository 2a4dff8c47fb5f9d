//! Server-sent events.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

mod support;

use agentmail_simulator::{Mail, Simulator};
use support::{Endpoint, simulator};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    net::{TcpStream, tcp::OwnedReadHalf},
};

/// A client that reads one line after another.
struct Events {
    lines: Lines<BufReader<OwnedReadHalf>>,
    _to: tokio::net::tcp::OwnedWriteHalf,
}

#[derive(Debug, PartialEq, Eq)]
struct Event {
    id: Option<u64>,
    name: String,
    data: serde_json::Value,
}

impl Events {
    async fn connect(simulator: &Simulator, query: &str, token: &str, headers: &str) -> Self {
        let stream = TcpStream::connect(simulator.address()).await.unwrap();
        let (from, mut to) = stream.into_split();
        let request = format!(
            "GET /events{query} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\
             {headers}\r\n"
        );
        to.write_all(request.as_bytes()).await.unwrap();
        let mut lines = BufReader::new(from).lines();
        assert_eq!(lines.next_line().await.unwrap().unwrap(), "HTTP/1.1 200 OK");
        let mut is_stream = false;
        while let Some(line) = lines.next_line().await.unwrap().filter(|line| !line.is_empty()) {
            is_stream |= line == "content-type: text/event-stream";
        }
        assert!(is_stream);
        Self { lines, _to: to }
    }

    async fn next(&mut self) -> Event {
        let mut event = Event { id: None, name: String::new(), data: serde_json::Value::Null };
        loop {
            let line = self.lines.next_line().await.unwrap().unwrap();
            match line.split_once(": ") {
                Some(("id", id)) => event.id = Some(id.parse().unwrap()),
                Some(("event", name)) => event.name = name.to_owned(),
                Some(("data", data)) => event.data = serde_json::from_str(data).unwrap(),
                // The sizes of chunks are between the events.
                _ if line.is_empty() && !event.name.is_empty() => return event,
                _ => {}
            }
        }
    }

    async fn names(&mut self, count: usize) -> Vec<String> {
        let mut names = Vec::new();
        for _ in 0..count {
            names.push(self.next().await.name);
        }
        names
    }
}

#[tokio::test]
async fn events_tell_what_happens_to_a_mail() {
    let (simulator, endpoint) = (simulator().await, Endpoint::start([500]).await);
    let agent = simulator.agent("my-agent").await.unwrap();
    let mut events = Events::connect(&simulator, "", "token", "").await;

    agent.set_webhook(&endpoint.url).await.unwrap();
    let mail = agent.receive(Mail::new("user@example.com")).await.unwrap();
    mail.delivery().await.unwrap();

    let names = events.names(4).await;
    assert_eq!(
        names,
        ["webhook.changed", "message.received", "delivery.created", "delivery.attempted"]
    );
    let last = events.next().await;
    assert_eq!(last.name, "delivery.attempted");
    assert_eq!(last.data["message_id"], mail.message_id());
    assert_eq!((&last.data["state"], &last.data["status"]), (&"delivered".into(), &200.into()));
    assert_eq!((&last.data["attempt"], &last.data["fault"]), (&2.into(), &serde_json::Value::Null));
    assert_eq!(last.data["id"].as_u64(), last.id);
}

#[tokio::test]
async fn a_client_that_reconnects_gets_what_it_missed() {
    let simulator = simulator().await;
    let agent = simulator.agent("my-agent").await.unwrap();
    let mut events = Events::connect(&simulator, "", "token", "").await;
    agent.set_rules([]).await.unwrap();
    let first = events.next().await;
    drop(events);
    agent.clear_faults().await.unwrap();
    agent.set_rules([]).await.unwrap();

    let last = format!("last-event-id: {}\r\n", first.id.unwrap());
    let mut events = Events::connect(&simulator, "", "token", &last).await;

    assert_eq!(events.names(2).await, ["faults.changed", "notifications.changed"]);
}

#[tokio::test]
async fn an_agent_gets_its_own_events_and_the_operator_all() {
    let simulator = Simulator::builder()
        .with_agent("my-agent", Some("token".to_owned()))
        .with_operator_token("operator")
        .start()
        .await
        .unwrap();
    let (own, other) =
        (simulator.agent("my-agent").await.unwrap(), simulator.agent("other").await.unwrap());
    let mut of_agent = Events::connect(&simulator, "?after=0", "token", "").await;
    let mut of_all = Events::connect(&simulator, "?after=0", "operator", "").await;
    let mut of_other = Events::connect(&simulator, "?after=0&agent_id=other", "operator", "").await;

    other.set_rules([]).await.unwrap();
    own.clear_faults().await.unwrap();

    assert_eq!(of_agent.names(2).await, ["agent.created", "faults.changed"]);
    assert_eq!(
        of_all.names(4).await,
        ["agent.created", "agent.created", "notifications.changed", "faults.changed"]
    );
    assert_eq!(of_other.names(2).await, ["agent.created", "notifications.changed"]);
}

#[tokio::test]
async fn what_is_no_longer_kept_is_a_gap() {
    let simulator = simulator().await;
    let mut events = Events::connect(&simulator, "", "token", "last-event-id: 99999999\r\n").await;

    let gap = events.next().await;

    assert_eq!((gap.name.as_str(), gap.id), ("gap", None));
    assert_eq!(events.next().await.name, "agent.created", "it continues with the oldest");
}

#[tokio::test]
async fn many_events_arrive_in_order() {
    let simulator = simulator().await;
    let agent = simulator.agent("my-agent").await.unwrap();
    let mut events = Events::connect(&simulator, "?after=0", "token", "").await;
    for _ in 0..1_000 {
        agent.clear_faults().await.unwrap();
    }

    for id in 1..=1_001 {
        assert_eq!(events.next().await.id, Some(id));
    }
}
