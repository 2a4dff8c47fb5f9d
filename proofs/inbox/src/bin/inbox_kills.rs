//! Kills receivers, and the PostgreSQL server, while a sender delivers messages.
//!
//! ```sh
//! inbox_kills sqlite|postgres effect|twice [MESSAGES]
//! ```
//!
//! `effect`: the effect is in the transaction that records a message as done. `twice`: the effect
//! is a line in a file, so it may happen twice for each attempt that is running at a kill.
//!
//! Each receiver is killed before or after one execution of a statement, or at a random time.
#![forbid(unsafe_code)]

use std::{
    collections::{BTreeMap, HashMap},
    env,
    error::Error,
    fs,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use agentmail_inbox::{MessageKey, rusqlite::Connection};
use agentmail_inbox_proofs::{FaultPoints, Moment, Node, PostgresServer, Proxy, Sender, signal};

type BoxError = Box<dyn Error + Send + Sync>;

/// How many messages a receiver works on at once: the default of a worker.
const CONCURRENCY: usize = 16;

/// The database of the inbox, as an operator reads it.
enum Database {
    Sqlite(PathBuf),
    Postgres(Arc<std::sync::Mutex<PostgresServer>>),
}

impl Database {
    /// Returns the rows of a statement with one column.
    fn rows(&self, sql: &str) -> Result<Vec<String>, BoxError> {
        match self {
            Self::Sqlite(path) => {
                let connection = Connection::open(path)?;
                connection.busy_timeout(Duration::from_secs(60))?;
                let mut statement = connection.prepare(sql)?;
                let rows = statement.query_map([], |row| row.get(0))?;
                Ok(rows.collect::<Result<_, _>>()?)
            }
            Self::Postgres(server) => {
                let server = server.lock().map_err(|_| "the disturber has panicked")?;
                Ok(server.sql(sql)?.lines().map(ToOwned::to_owned).collect())
            }
        }
    }

    fn count(&self, sql: &str) -> Result<usize, BoxError> {
        Ok(self.rows(sql)?.first().ok_or("no row")?.parse()?)
    }
}

fn main() -> Result<(), BoxError> {
    let mut arguments = env::args().skip(1);
    let kind = arguments.next().unwrap_or_default();
    let twice = match arguments.next().as_deref() {
        Some("effect") => false,
        Some("twice") => true,
        _ => return Err("usage: inbox_kills sqlite|postgres effect|twice [MESSAGES]".into()),
    };
    let messages = arguments.next().map_or(Ok(100_000), |number| number.parse())?;
    let folder = env::temp_dir().join(format!("agentmail-kills-{}", process::id()));
    fs::create_dir_all(&folder)?;
    let passed = run(&kind, twice, messages, &folder);
    _ = fs::remove_dir_all(&folder);
    if passed? { Ok(()) } else { Err("FAILED".into()) }
}

#[expect(clippy::print_stdout, reason = "it is a report")]
fn run(kind: &str, twice: bool, messages: u32, folder: &Path) -> Result<bool, BoxError> {
    let points = Arc::<FaultPoints>::default();
    let effects = folder.join("effects");
    let log = folder.join("faults");
    let file = folder.join("inbox.db");
    let server = match kind {
        "postgres" => Some(Arc::new(std::sync::Mutex::new(PostgresServer::start(&[])?))),
        _ => None,
    };
    let proxies = match &server {
        Some(server) => {
            let socket = server.lock().map_err(|_| "poisoned")?.socket();
            let proxy = |_| Proxy::start(socket.clone(), Arc::clone(&points));
            [0, 1].into_iter().map(proxy).collect::<Result<Vec<_>, _>>()?
        }
        None => Vec::new(),
    };
    let stores: Vec<String> = match &server {
        Some(_) => proxies.iter().map(Proxy::url).collect(),
        None => vec![file.to_string_lossy().into_owned()],
    };
    let mut nodes = Vec::new();
    for store in &stores {
        let mut variables = vec![("STORE", store.as_str())];
        let (effects, log) = (effects.to_string_lossy(), log.to_string_lossy());
        variables.push(("FAULT_LOG", &log));
        if twice {
            variables.push(("EFFECTS", &effects));
        }
        nodes.push(Node::start(&variables)?);
    }
    let database = match &server {
        Some(server) => Database::Postgres(Arc::clone(server)),
        None => Database::Sqlite(file),
    };

    let wanted: u64 = if messages < 50_000 { 24 } else { 200 };
    let began = Instant::now();
    let sender = Sender::start(nodes.iter().map(Node::address).collect(), messages, 64);
    let stop = Arc::new(AtomicBool::new(false));
    let disturber = server.map(|server| {
        let stop = Arc::clone(&stop);
        // In a long run, the server serves for longer, so that more is written.
        let pause = Duration::from_secs(if messages < 50_000 { 3 } else { 10 });
        thread::spawn(move || disturb(&server, pause, &stop))
    });
    let (mut kills, mut refused_starts) = (0_u32, 0_u32);
    let mut random = fastrand::Rng::new();
    for node in &mut nodes {
        // Without a fault, because no statement is known yet.
        sender.allow(64);
        thread::sleep(Duration::from_millis(400));
        node.kill()?;
    }
    let mut accepted_at_last = (0, Instant::now());
    while sender.accepted() < messages {
        for (at, node) in nodes.iter_mut().enumerate() {
            let Some(status) = node.watch()? else { continue };
            if status.signal() == Some(9) {
                kills = kills.saturating_add(1);
            } else {
                // The server was down when it started.
                refused_starts = refused_starts.saturating_add(1);
                thread::sleep(Duration::from_millis(100));
            }
            read_faults(&log, &points)?;
            let fault = points.next(&mut random);
            // A lease is renewed after two thirds of a second.
            let renews = fault.as_ref().is_some_and(|fault| is_renewal(&fault.statement));
            let life = if renews { 4_000..4_001 } else { 200..2_000 };
            let life = Duration::from_millis(random.u64(life));
            node.restart(fault.as_ref(), Some(life))?;
            if let Some(proxy) = proxies.get(at) {
                proxy.arm(node.id(), fault);
            }
        }
        // The messages are spread over the kills.
        let parts = u64::from(kills).saturating_add(1).saturating_mul(u64::from(messages));
        let allowed = u32::try_from(parts / wanted).unwrap_or(u32::MAX);
        sender.allow(if kills < 3 { 64 } else { allowed.max(64) });
        let accepted = sender.accepted();
        if accepted != accepted_at_last.0 {
            accepted_at_last = (accepted, Instant::now());
        } else if accepted_at_last.1.elapsed() > Duration::from_secs(120) {
            return Err(format!("no progress at {accepted}: {:?}", sender.retries()).into());
        }
        thread::sleep(Duration::from_millis(5));
    }
    stop.store(true, Ordering::Relaxed);
    let outages = disturber.map(|thread| thread.join().map_err(|_| "the disturber has panicked"));
    let outages = outages.transpose()?.transpose()?;
    // The last receivers finish what is left, without faults.
    for (at, node) in nodes.iter_mut().enumerate() {
        if let Some(proxy) = proxies.get(at) {
            proxy.arm(0, None);
        }
        _ = node.kill();
        kills = kills.saturating_add(1);
        node.restart(None, None)?;
    }
    let retries = sender.retries();
    if !sender.join() {
        return Err("a sender has panicked".into());
    }
    let total = usize::try_from(messages)?;
    let done = "SELECT CAST(count(*) AS text) FROM agentmail_inbox WHERE state = 2";
    let mut progress = (0, Instant::now());
    loop {
        let found = database.count(done)?;
        if found >= total {
            break;
        }
        if found > progress.0 {
            progress = (found, Instant::now());
        } else if progress.1.elapsed() > Duration::from_secs(120) {
            let states = database
                .rows("SELECT state || ' ' || count(*) FROM agentmail_inbox GROUP BY state")?;
            return Err(format!("messages that are not done: {states:?}").into());
        }
        thread::sleep(Duration::from_millis(200));
    }
    let mut stopped = true;
    for node in &mut nodes {
        stopped &= node.stop()?;
    }
    read_faults(&log, &points)?;

    let keys = if twice {
        fs::read_to_string(&effects)?.lines().map(ToOwned::to_owned).collect()
    } else {
        database.rows("SELECT message_key FROM effects")?
    };
    let effects = Effects::of(&keys);
    let expected = (0..messages).map(|number| {
        let agent = format!("agent-{}", number % 7);
        MessageKey::of_mail(&agent, &format!("m-{number}")).to_string()
    });
    let lost = expected.filter(|key| !effects.times.contains_key(key.as_str())).count();
    let repeated = effects.times.values().filter(|processes| processes.len() > 1).count();
    let kinds = points.counts();
    println!(
        "{kind}, {}: {messages} messages got 200, each tenth was sent twice; {:.0} s; \
         {kills} kills of a receiver{}",
        if twice { "effects in a file" } else { "`finish_in`" },
        began.elapsed().as_secs_f64(),
        outages.map_or_else(String::new, |outages| format!(
            "; server: {outages:?}; {refused_starts} starts without a server"
        )),
    );
    for (statement, moment, count) in kinds.iter().filter(|(statement, ..)| !is_rare(statement)) {
        let start: String = statement.chars().take(90).collect();
        println!("  {:4} kills {moment:6} {start}", count.kills);
    }
    println!("  deliveries repeated by their cause: {retries:?}");
    println!(
        "  lost: {lost}; effects twice: {repeated}{}",
        if twice {
            format!(
                " (most of one process: {}, of at most {CONCURRENCY} running attempts)",
                effects.most()
            )
        } else {
            String::new()
        }
    );
    let never = kinds.iter().filter(|(_, _, count)| count.kills == 0).count();
    println!(
        "  fault points: {}, of which {never} were not reached by a second process",
        kinds.len()
    );
    let missing: Vec<_> = REQUIRED
        .iter()
        .flat_map(|part| [(part, Moment::Before), (part, Moment::After)])
        .filter(|(part, moment)| {
            let mut of_part =
                kinds.iter().filter(|(sql, at, _)| at == moment && sql.contains(**part));
            // Each store has its own statements.
            let mut found = of_part.by_ref().peekable();
            found.peek().is_some() && found.all(|(_, _, count)| count.kills == 0)
        })
        .collect();
    // In a short run, not each statement is killed.
    let is_long = messages >= 50_000;
    if is_long && !missing.is_empty() {
        println!("  no kill at: {missing:?}");
    }
    let bounded = if twice { effects.most() <= CONCURRENCY } else { repeated == 0 };
    let covered = missing.is_empty() || !is_long;
    Ok(lost == 0 && bounded && stopped && covered)
}

/// Parts of the statements that must have been killed, before and after: those that store, take,
/// renew and finish on both stores, and the limits of their transactions.
const REQUIRED: [&str; 11] = [
    "INSERT INTO agentmail_inbox (",
    "INSERT INTO agentmail_inbox (id,",
    "takes = takes + 1",
    "takes = m.takes + 1",
    "SET due_at = ?3",
    "SET due_at = now() + $3",
    "SET state = 2",
    "SET state = :state",
    "WITH ended",
    "BEGIN",
    "COMMIT",
];

/// Whether a statement extends leases.
fn is_renewal(statement: &str) -> bool {
    ["SET due_at = ?3", "SET due_at = now() + $3"].iter().any(|part| statement.contains(part))
}

/// Whether a statement runs once for a database, or needs a rare event.
fn is_rare(statement: &str) -> bool {
    [
        "CREATE ",
        "pg_advisory_xact_lock",
        "_schema (",
        "_clock (",
        "take_token = $1",
        "take_token = ?1",
    ]
    .iter()
    .any(|part| statement.contains(part) && !statement.contains("takes + 1"))
}

/// Which processes had the effect of which message.
struct Effects<'a> {
    times: HashMap<&'a str, Vec<&'a str>>,
}

impl<'a> Effects<'a> {
    /// From lines: the key, and in a file also the process.
    fn of(lines: &'a [String]) -> Self {
        let mut times = HashMap::<_, Vec<_>>::new();
        for line in lines {
            let (key, process) = line.split_once(' ').unwrap_or((line, ""));
            times.entry(key).or_default().push(process);
        }
        Self { times }
    }

    /// Returns the most effects of one process that another process had again.
    fn most(&self) -> usize {
        let mut repeated = BTreeMap::<_, usize>::new();
        for processes in self.times.values() {
            if let Some((_, earlier)) = processes.split_last() {
                for process in earlier {
                    *repeated.entry(process).or_default() += 1;
                }
            }
        }
        repeated.into_values().max().unwrap_or_default()
    }
}

/// Reads what the receivers on SQLite have written about statements and kills.
fn read_faults(log: &Path, points: &FaultPoints) -> Result<(), BoxError> {
    let Ok(lines) = fs::read_to_string(log) else { return Ok(()) };
    fs::remove_file(log)?;
    for line in lines.lines() {
        if let Some(statement) = line.strip_prefix("saw ") {
            points.saw(statement);
        } else if let Some(statement) = line.strip_prefix("killed before ") {
            points.killed(statement, Moment::Before);
        } else if let Some(statement) = line.strip_prefix("killed after ") {
            points.killed(statement, Moment::After);
        }
    }
    Ok(())
}

/// Restarts, kills and freezes the server in turns. Returns how often each.
fn disturb(
    server: &std::sync::Mutex<PostgresServer>,
    pause: Duration,
    stop: &AtomicBool,
) -> Result<BTreeMap<&'static str, u32>, BoxError> {
    let mut outages = BTreeMap::<_, u32>::new();
    let lock = || server.lock().map_err(|_| "the report has panicked");
    for kind in ["restarted", "killed", "frozen", "a backend killed"].into_iter().cycle() {
        while !lock()?.is_ready()? {
            thread::sleep(Duration::from_millis(50));
        }
        let began = Instant::now();
        while began.elapsed() < pause {
            thread::sleep(Duration::from_millis(50));
            if stop.load(Ordering::Relaxed) {
                return Ok(outages);
            }
        }
        let mut server = lock()?;
        match kind {
            "restarted" => {
                server.stop()?;
                server.resume()?;
            }
            "killed" => {
                server.kill()?;
                server.resume()?;
            }
            "frozen" => {
                server.freeze()?;
                thread::sleep(Duration::from_millis(1_500));
                server.thaw()?;
            }
            _ => {
                // The server then restarts all of its processes, and recovers from the log.
                let backend = server.sql(
                    "SELECT pid FROM pg_stat_activity WHERE application_name = 'agentmail-inbox' \
                     LIMIT 1",
                );
                if let Ok(backend) = backend
                    && let Ok(process) = backend.parse()
                {
                    signal::send("KILL", [process])?;
                }
            }
        }
        *outages.entry(kind).or_default() += 1;
    }
    Ok(outages)
}
