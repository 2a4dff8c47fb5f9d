use std::{fmt, net::SocketAddr, path::Path, sync::Arc};

use tokio::task::JoinHandle;

use crate::{
    agent::Agent,
    builder::SimulatorBuilder,
    error::{ApiError, StartError},
    service::Service,
};

/// A simulator that runs on the current tokio runtime until it is dropped.
///
/// ```
/// use agentmail_simulator::{Mail, Simulator};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let simulator = Simulator::start().await?;
/// let agent = simulator.agent("my-agent").await?;
///
/// let mail = agent.receive(Mail::new("user@example.com").with_subject("Hello")).await?;
/// assert!(mail.payload().contains(r#""subject": "Hello""#));
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct Simulator {
    address: SocketAddr,
    smtp_address: Option<SocketAddr>,
    service: Arc<Service>,
    tasks: Vec<JoinHandle<()>>,
}

impl Simulator {
    /// Starts a simulator on a free port of the loopback interface.
    ///
    /// # Errors
    ///
    /// There is no free port, or no folder for temporary files.
    pub async fn start() -> Result<Self, StartError> {
        Self::builder().start().await
    }

    /// Returns the settings of a simulator, to change them before it starts.
    pub fn builder() -> SimulatorBuilder {
        SimulatorBuilder::new()
    }

    pub(crate) fn new(
        address: SocketAddr,
        smtp_address: Option<SocketAddr>,
        service: Arc<Service>,
        tasks: Vec<JoinHandle<()>>,
    ) -> Self {
        Self { address, smtp_address, service, tasks }
    }

    /// Returns the URL of the API, for example `http://127.0.0.1:8026`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the address that the API listens at.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the address that accepts mail by SMTP, if
    /// [`with_smtp`](SimulatorBuilder::with_smtp) has set one.
    #[must_use]
    pub fn smtp_address(&self) -> Option<SocketAddr> {
        self.smtp_address
    }

    /// Returns the folder that acts as the bucket.
    #[must_use]
    pub fn bucket_folder(&self) -> &Path {
        self.service.bucket_folder()
    }

    /// Returns an agent. It is created if it does not exist.
    ///
    /// Agents see nothing of each other: use one for each test that shares a simulator.
    ///
    /// # Errors
    ///
    /// The id is not valid: it is 1 to 64 letters, digits, `-`, `_` or `.`, of which the first is a
    /// letter or a digit.
    pub async fn agent(&self, agent_id: &str) -> Result<Agent, ApiError> {
        let (token, _) = self.service.agent(agent_id, None).await?;
        Ok(Agent::new(Arc::clone(&self.service), agent_id.to_owned(), token))
    }

    /// Stops the simulator. Open connections are closed. Pending deliveries are lost, unless the
    /// simulator keeps its data in a file: then the file is complete, and closed.
    pub async fn stop(mut self) {
        for task in std::mem::take(&mut self.tasks) {
            task.abort();
            // The task has been cancelled, which is the expected error.
            _ = task.await;
        }
        self.service.close().await;
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulator").field("address", &self.address).finish_non_exhaustive()
    }
}
