use std::sync::Arc;

use crate::service::Service;

/// What the API shares among its handlers.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) service: Arc<Service>,
    /// Always there if the simulator listens beyond the loopback interface.
    pub(crate) operator_token: Option<String>,
}
