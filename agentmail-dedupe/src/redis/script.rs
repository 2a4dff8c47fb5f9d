use redis::{
    Cmd, ErrorKind, FromRedisValue, RedisResult, ServerErrorKind, Value, aio::ConnectionLike,
    from_redis_value,
};

use crate::redis::wait::Wait;

/// The five calls as Lua scripts. The value of a key is `claimed:` or `handled:`, and the owner.
///
/// Each script touches one key, so it is one atomic step on any topology.
pub(super) struct Scripts {
    pub(super) claim: Script,
    pub(super) renew: Script,
    pub(super) complete: Script,
    pub(super) release: Script,
    pub(super) forget: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            claim: Script::new(include_str!("claim.lua")),
            renew: Script::new(include_str!("renew.lua")),
            complete: Script::new(include_str!("complete.lua")),
            release: Script::new(include_str!("release.lua")),
            forget: Script::new(include_str!("forget.lua")),
        }
    }
}

pub(super) struct Script {
    source: &'static str,
    hash: Box<str>,
}

impl Script {
    fn new(source: &'static str) -> Self {
        Self { source, hash: redis::Script::new(source).get_hash().into() }
    }

    pub(super) fn call(&self, key: String) -> Call<'_> {
        Call { script: self, key, arguments: Vec::new(), wait: None }
    }
}

/// A call of a script.
pub(super) struct Call<'a> {
    script: &'a Script,
    key: String,
    arguments: Vec<String>,
    wait: Option<Wait>,
}

/// The result of a script.
pub(super) struct Reply<T> {
    pub(super) value: T,
    /// How many replicas have the write, for a call that waits for them.
    pub(super) replicas: Option<usize>,
}

impl Call<'_> {
    pub(super) fn arg(mut self, argument: impl ToString) -> Self {
        self.arguments.push(argument.to_string());
        self
    }

    /// Waits for replicas after the script.
    pub(super) fn wait(self, wait: Option<Wait>) -> Self {
        Self { wait, ..self }
    }

    /// Calls the script by its hash: one round trip. A server that does not know the hash gets the
    /// source. The client's `Script` would load it on each node of a cluster, also on those that
    /// are down.
    pub(super) async fn run<T: FromRedisValue>(
        &self,
        connection: &mut (impl ConnectionLike + Send),
    ) -> RedisResult<Reply<T>> {
        match self.send("EVALSHA", &self.script.hash, connection).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                self.send("EVAL", self.script.source, connection).await
            }
            result => result,
        }
    }

    async fn send<T: FromRedisValue>(
        &self,
        name: &str,
        script: &str,
        connection: &mut (impl ConnectionLike + Send),
    ) -> RedisResult<Reply<T>> {
        let mut command = Cmd::new();
        command.arg(name).arg(script).arg(1).arg(&self.key).arg(&self.arguments);
        let Some(wait) = self.wait else {
            return Ok(Reply { value: command.query_async(connection).await?, replicas: None });
        };
        let mut pipeline = redis::pipe();
        pipeline.add_command(command).add_command(wait.command());
        let values = connection.req_packed_commands(&pipeline, 0, 2).await?;
        let [value, replicas] = <[Value; 2]>::try_from(values).map_err(|_| {
            (ErrorKind::UnexpectedReturnType, "a pipeline of two has other replies")
        })?;
        let value = from_redis_value(value.extract_error()?)?;
        Ok(Reply { value, replicas: Some(from_redis_value(replicas.extract_error()?)?) })
    }
}
