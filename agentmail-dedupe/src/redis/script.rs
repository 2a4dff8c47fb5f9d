use redis::{
    Arg, Cmd, ErrorKind, FromRedisValue, RedisError, RedisResult, ServerErrorKind, ToRedisArgs,
    Value, aio::ConnectionLike, from_redis_value,
};

use crate::redis::wait::Wait;

/// The calls that are Lua scripts. The value of a key is `claimed:` or `handled:`, and the owner.
///
/// Each script touches one key, so it is one atomic step on any topology. It takes the server twice
/// as long as a `SET`, so the two calls of a new message are a `SET` each.
pub(super) struct Scripts {
    pub(super) claim: Script,
    pub(super) renew: Script,
    pub(super) release: Script,
    pub(super) forget: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            claim: Script::new(include_str!("claim.lua")),
            renew: Script::new(include_str!("renew.lua")),
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

    /// Calls the script for a key.
    pub(super) fn call(&self, key: &str) -> Call<'_> {
        let mut command = redis::cmd("EVALSHA");
        command.arg(&*self.hash).arg(1).arg(key);
        Call { command, source: Some(self.source), wait: None }
    }
}

/// A call that touches one key.
pub(super) struct Call<'a> {
    command: Cmd,
    /// The source of a script, for a server that does not know its hash.
    source: Option<&'a str>,
    wait: Option<Wait>,
}

/// The result of a call.
pub(super) struct Reply<T> {
    pub(super) value: T,
    /// How many replicas have the write, for a call that waits for them.
    pub(super) replicas: Option<usize>,
}

impl Call<'_> {
    /// Sets a key that is absent, and returns whether it was.
    pub(super) fn set_if_absent(key: &str, value: &str, millis: u64) -> Self {
        Self::set(key, value, millis).arg("NX")
    }

    /// Sets a key, and returns its old value.
    pub(super) fn replace(key: &str, value: &str, millis: u64) -> Self {
        Self::set(key, value, millis).arg("GET")
    }

    fn set(key: &str, value: &str, millis: u64) -> Self {
        // The capacity avoids most allocations.
        let mut command = Cmd::with_capacity(6, 192);
        command.arg("SET").arg(key).arg(value).arg("PX").arg(millis);
        Self { command, source: None, wait: None }
    }

    pub(super) fn arg(mut self, argument: impl ToRedisArgs) -> Self {
        self.command.arg(argument);
        self
    }

    /// Sets whether the call waits for replicas.
    pub(super) fn set_wait(&mut self, wait: Option<Wait>) {
        self.wait = wait;
    }

    /// Makes the call: one round trip. A script is called by its hash, and a server that does not
    /// know the hash gets the source. The client's `Script` would load it on each node of a
    /// cluster, also on those that are down.
    pub(super) async fn run<T: FromRedisValue>(
        &self,
        connection: &mut (impl ConnectionLike + Send),
    ) -> RedisResult<Reply<T>> {
        match (self.send(&self.command, connection).await, self.source) {
            (Err(error), Some(source)) if is_unknown_script(&error) => {
                self.send(&self.by_source(source), connection).await
            }
            (result, _) => result,
        }
    }

    /// Returns the command for a server that does not know the hash.
    fn by_source(&self, source: &str) -> Cmd {
        let mut command = redis::cmd("EVAL");
        command.arg(source);
        // Without the name and the hash.
        for argument in self.command.args_iter().skip(2) {
            let Arg::Simple(bytes) = argument else { unreachable!("no call has a cursor") };
            command.arg(bytes);
        }
        command
    }

    /// Sends a command, and waits for replicas.
    async fn send<T: FromRedisValue>(
        &self,
        command: &Cmd,
        connection: &mut (impl ConnectionLike + Send),
    ) -> RedisResult<Reply<T>> {
        let Some(wait) = self.wait else {
            return Ok(Reply { value: command.query_async(connection).await?, replicas: None });
        };
        let mut pipeline = redis::pipe();
        pipeline.add_command(command.clone()).add_command(wait.command());
        let values = connection.req_packed_commands(&pipeline, 0, 2).await?;
        let [value, replicas] = <[Value; 2]>::try_from(values).map_err(|_| {
            (ErrorKind::UnexpectedReturnType, "a pipeline of two has other replies")
        })?;
        let value = from_redis_value(value.extract_error()?)?;
        Ok(Reply { value, replicas: Some(from_redis_value(replicas.extract_error()?)?) })
    }
}

fn is_unknown_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}
