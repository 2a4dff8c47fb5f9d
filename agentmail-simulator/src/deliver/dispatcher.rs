use std::{sync::Arc, time::Instant};

use tokio::{task::JoinSet, time};

use crate::{
    deliver::{attempt::attempt, client::Client},
    service::Service,
    state::Lane,
};

/// Starts an attempt for each delivery that is due, as far as the limits allow. It never ends.
/// Attempts that run are dropped with this future. Their deliveries stay pending.
pub(crate) async fn dispatch(service: Arc<Service>) {
    let client = Arc::new(Client::new());
    let mut attempts = JoinSet::new();
    loop {
        let (started, next) = service.start(Instant::now());
        for (lane, number) in started {
            attempts.spawn(run(Arc::clone(&service), Arc::clone(&client), lane, number));
        }
        let due = async {
            match next {
                Some(next) => time::sleep_until(next.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = service.wake.notified() => {}
            () = due => {}
            Some(ended) = attempts.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "an attempt did not end");
                }
            }
        }
    }
}

/// Makes one attempt, and records it.
async fn run(service: Arc<Service>, client: Arc<Client>, lane: Lane, number: u64) {
    let retry = service.settings.retry;
    let written = match service.read(|state| state.plan(number)) {
        Some(plan) => {
            let finished = attempt(&client, plan, &retry).await;
            service.write(|state| state.finish(number, &lane, finished, &retry)).await
        }
        None => service.write(|state| state.give_up(number, &lane)).await,
    };
    if let Err(problem) = written {
        tracing::error!(error = problem.detail, "an attempt could not be recorded");
    }
}
