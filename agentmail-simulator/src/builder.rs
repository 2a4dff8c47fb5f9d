use std::{fmt, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use tokio::net::TcpListener;

use crate::{
    api::{self, App},
    deliver::dispatch,
    error::StartError,
    retry::Retry,
    server::{Allowed, serve},
    service::Service,
    settings::Settings,
    simulator::Simulator,
    smtp,
    state::State,
    storage::{Bucket, Journal},
};

/// The settings of a [`Simulator`].
///
/// # Defaults
///
/// | setting | default |
/// | --- | --- |
/// | address | a free port of the loopback interface |
/// | address of SMTP | none: mail comes by HTTP only |
/// | operator's token | none |
/// | agents | none |
/// | names in `Host` | addresses and `localhost` |
/// | retries | [`Retry::new`] |
/// | messages that are kept | 1,000, and 1,000 with dead letters |
/// | age of messages | no limit |
/// | deliveries that are pending at once | 100,000 |
/// | endpoints | HTTPS, or HTTP to a loopback address |
/// | folder of the bucket | a temporary one |
/// | data file | none: everything is in memory |
#[derive(Clone)]
#[must_use]
pub struct SimulatorBuilder {
    listen: String,
    smtp: Option<String>,
    operator_token: Option<String>,
    agents: Vec<(String, Option<String>)>,
    hosts: Vec<String>,
    settings: Settings,
    bucket: Option<PathBuf>,
    #[cfg(feature = "data")]
    data: Option<PathBuf>,
}

impl SimulatorBuilder {
    pub(crate) fn new() -> Self {
        Self {
            listen: "127.0.0.1:0".to_owned(),
            smtp: None,
            operator_token: None,
            agents: Vec::new(),
            hosts: Vec::new(),
            settings: Settings::default(),
            bucket: None,
            #[cfg(feature = "data")]
            data: None,
        }
    }

    /// Sets the address and the port, for example `127.0.0.1:8026`. Port 0 is a free port. An
    /// address that is not a loopback address also needs
    /// [`with_operator_token`](Self::with_operator_token).
    pub fn with_listen(mut self, address: impl Into<String>) -> Self {
        self.listen = address.into();
        self
    }

    /// Accepts mail by SMTP at this address and port, for example `127.0.0.1:2525`. Port 0 is a
    /// free port. It must be a loopback address, because SMTP accepts every login.
    ///
    /// The recipient `my-agent@anything` is the agent `my-agent`. A recipient that is no agent gets
    /// 550.
    pub fn with_smtp(mut self, address: impl Into<String>) -> Self {
        self.smtp = Some(address.into());
        self
    }

    /// Sets the bearer token of the operator, who creates agents and sees all of them. Without one,
    /// a request without a token is the operator's.
    pub fn with_operator_token(mut self, token: impl Into<String>) -> Self {
        self.operator_token = Some(token.into());
        self
    }

    /// Adds an agent with this bearer token, or with a random one.
    pub fn with_agent(mut self, agent_id: impl Into<String>, token: Option<String>) -> Self {
        self.agents.push((agent_id.into(), token));
        self
    }

    /// Accepts this name in the header `Host`, beside addresses and `localhost`.
    pub fn with_host(mut self, name: impl Into<String>) -> Self {
        self.hosts.push(name.into());
        self
    }

    /// Sets when a delivery is tried again.
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.settings.retry = retry;
        self
    }

    /// Sets how many messages are kept: so many whose deliveries were delivered, and so many with a
    /// dead letter. The oldest are removed. A message with a pending delivery is never removed.
    pub fn with_max_messages(mut self, max: usize) -> Self {
        self.settings.max_messages = max;
        self
    }

    /// Removes messages of this age. A message with a pending delivery is never removed.
    pub fn with_max_age(mut self, age: Duration) -> Self {
        self.settings.max_age = Some(age);
        self
    }

    /// Sets how many deliveries may be pending. Beyond that, mails are refused with 503.
    pub fn with_max_pending(mut self, max: usize) -> Self {
        self.settings.backlog = max;
        self
    }

    /// Limits endpoints to loopback addresses.
    pub fn with_loopback_only(mut self, loopback_only: bool) -> Self {
        self.settings.loopback_only = loopback_only;
        self
    }

    /// Sets the folder that acts as the bucket. It is created if it does not exist.
    pub fn with_bucket_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.bucket = Some(folder.into());
        self
    }

    /// Keeps everything in this file, which is an `SQLite` database. It is created if it does not
    /// exist. Without [`with_bucket_folder`](Self::with_bucket_folder), the folder of the bucket is
    /// beside it, and has `.mails` at the end of its name.
    ///
    /// What a call has returned survives a crash of the process. After a power cut, the last
    /// changes may be missing.
    #[cfg(feature = "data")]
    pub fn with_data(mut self, file: impl Into<PathBuf>) -> Self {
        self.data = Some(file.into());
        self
    }

    /// Starts the simulator on the current tokio runtime.
    ///
    /// # Errors
    ///
    /// - The address cannot be listened at.
    /// - It is not a loopback address, and there is no operator's token.
    /// - The address of SMTP is not a loopback address.
    /// - The bucket's folder cannot be created.
    /// - The data file cannot be read or written, or another process uses it.
    /// - The id or the token of an agent is not valid.
    pub async fn start(self) -> Result<Simulator, StartError> {
        let listener = TcpListener::bind(&self.listen)
            .await
            .map_err(StartError::io(format!("cannot listen at {}", self.listen)))?;
        let address: SocketAddr =
            listener.local_addr().map_err(StartError::io("the address is unknown"))?;
        if !address.ip().is_loopback()
            && self.operator_token.as_ref().is_none_or(|token| token.trim().is_empty())
        {
            let message = format!(
                "{} is not a loopback address: others can reach it, so set an operator's token",
                self.listen
            );
            return Err(StartError::new(message));
        }
        let smtp = match &self.smtp {
            Some(address) => Some(listen_for_smtp(address).await?),
            None => None,
        };
        let (state, journal, folder) = self.restore()?;
        let bucket = Bucket::open(folder.as_deref())
            .map_err(StartError::io("the folder of the bucket cannot be created"))?;
        let service = Arc::new(Service::new(self.settings, bucket, state, journal));
        for (agent_id, token) in self.agents {
            let message = format!("the agent {agent_id:?} cannot be created");
            service.agent(&agent_id, token).await.map_err(|problem| {
                StartError::caused(message, crate::error::ApiError::from(problem))
            })?;
        }
        let app = App { service: Arc::clone(&service), operator_token: self.operator_token };
        let router = api::router(Arc::new(app), Allowed { hosts: self.hosts });
        let mut tasks = vec![
            tokio::spawn(serve(listener, router)),
            tokio::spawn(dispatch(Arc::clone(&service))),
            tokio::spawn(sweep(Arc::clone(&service))),
        ];
        let mut smtp_address = None;
        if let Some((listener, address)) = smtp {
            smtp_address = Some(address);
            tasks.push(tokio::spawn(smtp::serve(listener, Arc::clone(&service))));
        }
        Ok(Simulator::new(address, smtp_address, service, tasks))
    }

    #[cfg(feature = "data")]
    fn restore(&self) -> Result<(State, Option<Journal>, Option<PathBuf>), StartError> {
        let Some(file) = &self.data else {
            return Ok((State::new(false), None, self.bucket.clone()));
        };
        let (state, journal) = crate::storage::open(file, self.settings.retry.longest_pause())?;
        let folder = self.bucket.clone().unwrap_or_else(|| beside(file));
        Ok((state, Some(journal), Some(folder)))
    }

    #[cfg(not(feature = "data"))]
    fn restore(&self) -> Result<(State, Option<Journal>, Option<PathBuf>), StartError> {
        Ok((State::new(false), None, self.bucket.clone()))
    }
}

impl fmt::Debug for SimulatorBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimulatorBuilder")
            .field("listen", &self.listen)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

async fn listen_for_smtp(address: &str) -> Result<(TcpListener, SocketAddr), StartError> {
    let listener = TcpListener::bind(address)
        .await
        .map_err(StartError::io(format!("cannot listen for SMTP at {address}")))?;
    let local = listener.local_addr().map_err(StartError::io("the address of SMTP is unknown"))?;
    if !local.ip().is_loopback() {
        let message = format!("SMTP at {address}: it is not a loopback address");
        return Err(StartError::new(message));
    }
    Ok((listener, local))
}

#[cfg(feature = "data")]
fn beside(file: &std::path::Path) -> PathBuf {
    let mut folder = file.as_os_str().to_owned();
    folder.push(".mails");
    folder.into()
}

/// Removes what has reached its age, while nothing else happens.
async fn sweep(service: Arc<Service>) {
    let mut second = tokio::time::interval(Duration::from_secs(1));
    while service.settings.max_age.is_some() {
        second.tick().await;
        if let Err(problem) = service.sweep().await {
            tracing::error!(error = problem.detail, "old messages could not be removed");
        }
    }
}
