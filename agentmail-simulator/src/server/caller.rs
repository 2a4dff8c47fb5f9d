use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::{StatusCode, header::AUTHORIZATION, request::Parts};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::{api::App, error::Problem, server::Query};

/// An agent, by its bearer token. The calls of the guide need one.
#[derive(Debug)]
pub(crate) struct AgentCaller(pub(crate) String);

/// An agent, or the operator, who sees all agents.
#[derive(Debug)]
pub(crate) struct Scope(Option<String>);

/// The operator of the simulator.
#[derive(Debug)]
pub(crate) struct Operator;

impl Scope {
    /// The agent that the caller is limited to. `None`: all agents.
    pub(crate) fn agent_id(&self) -> Option<&str> {
        self.0.as_deref()
    }

    pub(crate) fn covers(&self, agent_id: &str) -> bool {
        self.0.as_deref().is_none_or(|own| own == agent_id)
    }

    /// Returns the one agent that the call is for.
    pub(crate) fn agent(self) -> Result<String, Problem> {
        let detail = "is missing: use an agent's token, or name the agent in the query";
        self.0.ok_or_else(|| Problem::field("agent_id", detail))
    }
}

enum Caller {
    Agent(String),
    Operator,
}

impl FromRequestParts<Arc<App>> for AgentCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        match caller(parts, app)? {
            Caller::Agent(agent_id) => Ok(Self(agent_id)),
            Caller::Operator => Err(unauthorized("this call needs the bearer token of an agent")),
        }
    }
}

#[derive(Debug, Deserialize)]
struct Named {
    agent_id: Option<String>,
}

impl FromRequestParts<Arc<App>> for Scope {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let Query(Named { agent_id }) = Query::read(&parts.uri)?;
        match (caller(parts, app)?, agent_id) {
            (Caller::Agent(own), Some(named)) if own != named => {
                let detail = "the token is that of another agent";
                Err(Problem::new(StatusCode::FORBIDDEN, detail))
            }
            (Caller::Agent(own), _) => Ok(Self(Some(own))),
            (Caller::Operator, Some(named)) => {
                app.service.read(|state| state.account(&named).map(|_| ()))?;
                Ok(Self(Some(named)))
            }
            (Caller::Operator, None) => Ok(Self(None)),
        }
    }
}

impl FromRequestParts<Arc<App>> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        match caller(parts, app)? {
            Caller::Operator => Ok(Self),
            Caller::Agent(_) => {
                let detail = "this call is for the operator, not for an agent";
                Err(Problem::new(StatusCode::FORBIDDEN, detail))
            }
        }
    }
}

/// Without an operator's token, which is possible on the loopback interface only, a request
/// without a token is the operator's.
fn caller(parts: &Parts, app: &App) -> Result<Caller, Problem> {
    let Some(value) = parts.headers.get(AUTHORIZATION) else {
        return match app.operator_token {
            Some(_) => Err(unauthorized("the bearer token is missing")),
            None => Ok(Caller::Operator),
        };
    };
    let token = value
        .to_str()
        .ok()
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .ok_or_else(|| unauthorized("`Authorization` is not a bearer token"))?;
    // The digests are compared, so that the time does not depend on the token.
    if let Some(operator) = &app.operator_token
        && Sha256::digest(operator) == Sha256::digest(token)
    {
        return Ok(Caller::Operator);
    }
    app.service
        .read(|state| state.agent_of(token).map(|agent_id| Caller::Agent(agent_id.to_owned())))
        .ok_or_else(|| unauthorized("the token is unknown"))
}

fn unauthorized(detail: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, detail)
}
