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
        Call::new(Command::Script(self), key)
    }
}

/// A call that touches one key.
pub(super) struct Call<'a> {
    command: Command<'a>,
    key: String,
    arguments: Vec<String>,
    wait: Option<Wait>,
}

enum Command<'a> {
    Set,
    Script(&'a Script),
}

/// The result of a call.
pub(super) struct Reply<T> {
    pub(super) value: T,
    /// How many replicas have the write, for a call that waits for them.
    pub(super) replicas: Option<usize>,
}

impl<'a> Call<'a> {
    /// Sets a key that is absent, and returns whether it was.
    pub(super) fn set_if_absent(key: String, value: String, millis: u64) -> Self {
        Self::new(Command::Set, key).arg(value).arg("NX").arg("PX").arg(millis)
    }

    fn new(command: Command<'a>, key: String) -> Self {
        Self { command, key, arguments: Vec::new(), wait: None }
    }

    pub(super) fn arg(mut self, argument: impl ToString) -> Self {
        self.arguments.push(argument.to_string());
        self
    }

    /// Waits for replicas after the call.
    pub(super) fn wait(self, wait: Option<Wait>) -> Self {
        Self { wait, ..self }
    }

    /// Makes the call: one round trip. A script is called by its hash, and a server that does not
    /// know the hash gets the source. The client's `Script` would load it on each node of a
    /// cluster, also on those that are down.
    pub(super) async fn run<T: FromRedisValue>(
        &self,
        connection: &mut (impl ConnectionLike + Send),
    ) -> RedisResult<Reply<T>> {
        let script = match self.command {
            Command::Set => return self.send(redis::cmd("SET"), connection).await,
            Command::Script(script) => script,
        };
        let mut by_hash = redis::cmd("EVALSHA");
        by_hash.arg(&*script.hash).arg(1);
        match self.send(by_hash, connection).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                let mut by_source = redis::cmd("EVAL");
                by_source.arg(script.source).arg(1);
                self.send(by_source, connection).await
            }
            result => result,
        }
    }

    /// Sends a command with the key and the arguments.
    async fn send<T: FromRedisValue>(
        &self,
        mut command: Cmd,
        connection: &mut (impl ConnectionLike + Send),
    ) -> RedisResult<Reply<T>> {
        command.arg(&self.key).arg(&self.arguments);
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
