use std::{io, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    inbound::Flags,
    service::Service,
    settings::Settings,
    smtp::{
        data::Flaw,
        lines::{Content, Line, content, line},
        reply::Reply,
        session::{Next, Session},
    },
    time::now,
};

/// Accepts connections of SMTP. It never ends. Open connections are closed when this future is
/// dropped.
pub(crate) async fn serve(listener: TcpListener, service: Arc<Service>) {
    let capacity = Arc::new(Semaphore::new(Settings::SMTP_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let mut stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection of SMTP could not be accepted");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&capacity).try_acquire_owned() else {
            let busy = Reply::new(421, "too many connections");
            // A client that does not read it gets the end of the connection.
            _ = stream.try_write(&busy.to_bytes());
            _ = stream.shutdown().await;
            continue;
        };
        let service = Arc::clone(&service);
        connections.spawn(async move {
            if let Err(error) = talk(stream, &service).await {
                tracing::debug!(%error, "a connection of SMTP ended early");
            }
            drop(permit);
        });
    }
}

/// Serves one connection.
async fn talk(stream: TcpStream, service: &Service) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut session = Session::default();
    send(&mut stream, &Session::greeting()).await?;
    loop {
        let (reply, next) = match timeout(Settings::SMTP_TIME, line(&mut stream)).await {
            Err(_) => (Reply::new(421, "no command came in time"), Next::Close),
            Ok(line) => match line? {
                Line::Whole(line) => session.line(&line, |agent_id| is_agent(service, agent_id)),
                Line::BareLineEnd => session.bare_line_end(),
                Line::TooLong => (Reply::new(500, "the line is too long"), Next::Close),
                Line::Closed => return Ok(()),
            },
        };
        send(&mut stream, &reply).await?;
        match next {
            Next::Command => {}
            Next::Close => return stream.shutdown().await,
            Next::Content(agents) => {
                let read = content(&mut stream, Settings::MAIL_BYTES);
                let Ok(read) = timeout(Settings::SMTP_TIME, read).await else {
                    send(&mut stream, &Reply::new(421, "the mail did not end in time")).await?;
                    return stream.shutdown().await;
                };
                let reply = match read? {
                    Content::Whole(raw) => receive(service, &agents, &raw).await,
                    Content::Refused(flaw) => refusal(flaw),
                    Content::Closed => return Ok(()),
                };
                send(&mut stream, &reply).await?;
            }
        }
    }
}

fn is_agent(service: &Service, agent_id: &str) -> bool {
    service.read(|state| state.account(agent_id).is_ok())
}

/// Gives a mail to each agent.
async fn receive(service: &Service, agents: &[String], raw: &[u8]) -> Reply {
    let mut ids = Vec::new();
    for agent_id in agents {
        let flags = Flags::new(None, None, None, None, None);
        match service.receive_raw(agent_id, raw, flags, now()).await {
            Ok(message) => ids.push(message.message_id.clone()),
            Err(problem) => {
                let code = if problem.status == 503 { 451 } else { 554 };
                return Reply::new(code, problem.detail);
            }
        }
    }
    Reply::new(250, format!("accepted as {}", ids.join(", ")))
}

fn refusal(flaw: Flaw) -> Reply {
    match flaw {
        Flaw::TooLong => {
            Reply::new(552, format!("the mail is longer than {} bytes", Settings::MAIL_BYTES))
        }
        Flaw::LineTooLong => {
            Reply::new(554, format!("a line is longer than {} bytes", Settings::LINE_BYTES))
        }
        Flaw::BareLineEnd => Reply::new(554, "a line of the mail does not end with CR and LF"),
    }
}

async fn send(stream: &mut BufReader<TcpStream>, reply: &Reply) -> io::Result<()> {
    let bytes = reply.to_bytes();
    timeout(Settings::BODY_TIME, stream.write_all(&bytes))
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}
