use std::{
    fs,
    net::Ipv4Addr,
    sync::{Arc, atomic::AtomicU64},
};

use tokio::{net::TcpListener, runtime::Builder};

use super::{forward::Forward, receiver::Receiver, server};
use crate::{
    cli::{
        args::ListenArgs, exit::Exit, failure::Failure, output::Output, secret_args::VARIABLE,
        send::sender,
    },
    sender::Target,
};

pub(in crate::cli) fn run(arguments: &ListenArgs, output: &Output) -> Result<Exit, Failure> {
    let text = arguments.secret.text()?;
    match &text {
        Some(text) => _ = text.secret().map_err(Failure::secret)?,
        None if arguments.exec.is_some() => {
            return Err(Failure::usage(format!("--exec needs a secret: set {VARIABLE}")));
        }
        None => output.note(&format!("there is no secret, so nothing verifies: set {VARIABLE}")),
    }
    if let Some(dir) = &arguments.dir {
        fs::create_dir_all(dir).map_err(|error| Failure::file(dir, &error))?;
    }
    let forward = arguments.forward.as_deref().map(|url| {
        Target::parse(url)?;
        Ok::<_, Failure>(Forward {
            url: url.to_owned(),
            sender: sender(None, &arguments.connect)?,
            verified_only: arguments.verified_only,
        })
    });
    let forward = forward.transpose()?;

    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(Failure::unreachable)?;
    runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, arguments.port)).await;
        let listener = listener.map_err(|error| {
            Failure::unreachable(format!("127.0.0.1:{}: {error}", arguments.port))
        })?;
        let address = listener.local_addr().map_err(Failure::unreachable)?;
        output.note(&format!("listening on http://{address}"));
        if let Some(forward) = &forward {
            output.note(&forward.state());
        }
        let receiver = Receiver {
            text,
            forward,
            dir: arguments.dir.clone(),
            exec: arguments.exec.clone(),
            output: Output::new(output.is_json()),
            number: AtomicU64::new(0),
        };
        server::serve(listener, Arc::new(receiver), arguments.count)
            .await
            .map_err(Failure::unreachable)
    })?;
    Ok(Exit::AsExpected)
}
