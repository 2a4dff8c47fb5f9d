//! What a store on SQLite does when something is wrong with its file, its disk or its clock.
#![expect(clippy::unwrap_used, reason = "a failed test panics, and says why")]

mod folder;

use std::{
    env, fs, io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    process::Command,
    time::Duration,
};

use agentmail_inbox::{
    BoxError, Filter, Finish, Inbox, InboxError, InboxStore, Message, MessageKey, NewMessage,
    Outcome, Page, SqliteConfig, SqliteError, SqliteStore, State, Stored, Take, TakeToken,
    rusqlite::Connection, testing::ManualClock,
};

use self::folder::Folder;

fn message(id: u32) -> NewMessage {
    sized(id, 10)
}

fn sized(id: u32, bytes: usize) -> NewMessage {
    let body = format!(r#"{{"type":"mail.bounced","id":{id},"x":"{}"}}"#, "x".repeat(bytes));
    NewMessage::new(MessageKey::of_body(body.as_bytes()), "mail.bounced", body)
}

async fn open(folder: &Folder) -> SqliteStore {
    SqliteStore::open(folder.path("inbox.db")).await.unwrap()
}

/// Opens a connection of the app.
fn connect(folder: &Folder) -> Connection {
    Connection::open(folder.path("inbox.db")).unwrap()
}

async fn works(_: Message) -> Result<(), BoxError> {
    Ok(())
}

/// Returns the error of the store below an error of the inbox.
fn cause(error: &InboxError) -> &SqliteError {
    let InboxError::Failed(error) = error else { panic!("{error:?}") };
    error.downcast_ref().unwrap()
}

async fn counts(inbox: &Inbox) -> (u64, u64, u64, u64) {
    let counts = inbox.counts().await.unwrap();
    (counts.waiting, counts.taken, counts.done, counts.dead)
}

#[tokio::test]
async fn a_file_that_is_in_use_or_cannot_be_created_is_a_clear_error() {
    let folder = Folder::new();
    let store = open(&folder).await;

    let error = SqliteStore::open(folder.path("inbox.db")).await.unwrap_err();
    assert!(matches!(error, SqliteError::InUse(_)), "{error:?}");
    assert!(error.to_string().ends_with("another process uses it"), "{error}");
    drop(store);
    open(&folder).await;

    let error = SqliteStore::open(folder.path("no/such/folder/inbox.db")).await.unwrap_err();
    assert!(
        matches!(&error, SqliteError::File(_, error) if error.kind() == io::ErrorKind::NotFound)
    );
    let error = SqliteStore::open(folder.path("")).await.unwrap_err();
    assert!(matches!(error, SqliteError::File(..) | SqliteError::Database(_)), "{error:?}");
}

#[tokio::test]
async fn a_database_in_memory_is_refused() {
    let folder = Folder::new();
    let error = SqliteStore::open(":memory:").await.unwrap_err();
    _ = fs::remove_file(":memory:");
    _ = fs::remove_file(":memory:.lock");
    assert!(matches!(error, SqliteError::NoWriteAheadLog(_)), "{error:?}");
    drop(folder);
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_not_changed() {
    let folder = Folder::new();
    drop(open(&folder).await);
    connect(&folder).execute("UPDATE agentmail_inbox_schema SET version = 99", []).unwrap();
    let before = fs::read(folder.path("inbox.db")).unwrap();

    let error = SqliteStore::open(folder.path("inbox.db")).await.unwrap_err();

    assert!(matches!(error, SqliteError::NewerSchema { found: 99, .. }), "{error:?}");
    assert!(error.to_string().contains("use the newer version"), "{error}");
    assert_eq!(fs::read(folder.path("inbox.db")).unwrap(), before);
}

#[tokio::test]
async fn a_file_that_is_locked_at_the_start_is_a_clear_error() {
    let folder = Folder::new();
    drop(open(&folder).await);
    let operator = connect(&folder);
    operator.execute_batch("BEGIN IMMEDIATE").unwrap();

    let config = SqliteConfig::default().with_busy_timeout(Duration::from_millis(20));
    let error = SqliteStore::open_with(folder.path("inbox.db"), config).await.unwrap_err();

    assert!(matches!(error, SqliteError::Database(_)), "{error:?}");
    assert_eq!(format!("{error:?}"), "the database of the inbox failed: database is locked");
}

#[tokio::test]
async fn a_database_that_becomes_read_only_refuses_messages_and_loses_none() {
    let folder = Folder::new();
    let store = open(&folder).await;
    let inbox = Inbox::new(store.clone());
    inbox.store_message(message(1)).await.unwrap();

    // The error is that of a file system that was remounted.
    store
        .transaction(|transaction| Ok(transaction.execute_batch("PRAGMA query_only = ON")?))
        .await
        .unwrap();
    let error = inbox.store_message(message(2)).await.unwrap_err();
    let SqliteError::Database(source) = cause(&error) else { panic!("{error:?}") };
    assert!(source.to_string().contains("readonly"), "{source}");

    drop((store, inbox));
    let inbox = Inbox::new(open(&folder).await);
    assert_eq!(inbox.store_message(message(2)).await.unwrap(), Stored::New);
    assert_eq!(inbox.worker(works).run_once().await.unwrap().done, 2);
}

/// File modes do not apply to root, so that a copy of this test runs as another user.
#[tokio::test]
#[expect(clippy::print_stdout, reason = "the copy tells this test its error")]
async fn a_file_that_is_read_only_at_the_start_is_a_clear_error() {
    const PATH: &str = "AGENTMAIL_INBOX_OF_THIS_TEST";
    if let Ok(path) = env::var(PATH) {
        let error = SqliteStore::open(path).await.unwrap_err();
        println!("{error:?}");
        return;
    }
    let test = "a_file_that_is_read_only_at_the_start_is_a_clear_error";
    let folder = Folder::new();
    drop(open(&folder).await);
    for (what, file_mode, folder_mode, expected) in [
        ("the file", 0o444, 0o777, "attempt to write a readonly database"),
        ("the folder", 0o666, 0o555, "ermission denied"),
    ] {
        fs::set_permissions(folder.path("inbox.db"), fs::Permissions::from_mode(file_mode))
            .unwrap();
        _ = fs::remove_file(folder.path("inbox.db.lock"));
        fs::set_permissions(folder.path(""), fs::Permissions::from_mode(folder_mode)).unwrap();
        let mut command = Command::new("setpriv");
        if fs::metadata("/proc/self").unwrap().uid() == 0 {
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        }
        // The folder of this program may be closed to others.
        let copy = env::temp_dir().join(format!("agentmail-inbox-copy-{}", std::process::id()));
        fs::copy(env::current_exe().unwrap(), &copy).unwrap();
        let output = command
            .arg(&copy)
            .args(["--exact", test, "--nocapture"])
            .env(PATH, folder.path("inbox.db"))
            .current_dir("/")
            .output()
            .unwrap();
        fs::set_permissions(folder.path(""), fs::Permissions::from_mode(0o777)).unwrap();
        fs::remove_file(copy).unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && stdout.contains(expected), "{what}: {output:?}");
    }
}

#[tokio::test]
async fn an_operator_attaches_while_a_receiver_owns_the_file() {
    let folder = Folder::new();
    let missing = SqliteStore::attach(folder.path("inbox.db")).await.unwrap_err();
    assert!(matches!(missing, SqliteError::File(..)), "{missing:?}");
    assert!(!folder.path("inbox.db").exists(), "it is not created");
    let store = open(&folder).await;
    let inbox = Inbox::new(store.clone());
    inbox.store_message(message(1)).await.unwrap();
    let take = Take::new(TakeToken::random(), 1, Duration::from_secs(60));
    let taken = store.take(take).await.unwrap();

    let operator = Inbox::new(SqliteStore::attach(folder.path("inbox.db")).await.unwrap());

    assert_eq!(counts(&operator).await, (0, 1, 0, 0));
    assert_eq!(operator.oldest_due().await.unwrap(), None, "the lease has not ended");
    let finish = Finish::new(taken.first().unwrap().lease(), Outcome::dead("no"));
    store.finish(vec![finish]).await.unwrap();
    assert_eq!(operator.redrive(Filter::new(), "ann").await.unwrap(), 1);
    assert_eq!(inbox.worker(works).run_once().await.unwrap().done, 1);
    drop((inbox, store, operator));
    connect(&folder).execute("UPDATE agentmail_inbox_schema SET version = 0", []).unwrap();
    let older = SqliteStore::attach(folder.path("inbox.db")).await.unwrap_err();
    assert!(matches!(older, SqliteError::OlderSchema { found: 0, .. }), "{older:?}");
}

#[tokio::test]
async fn only_the_owner_may_read_the_files() {
    let folder = Folder::new();
    let store = open(&folder).await;
    Inbox::new(store.clone()).store_message(message(1)).await.unwrap();

    for suffix in ["", "-wal", "-shm", ".lock"] {
        let metadata = fs::metadata(folder.path(&format!("inbox.db{suffix}"))).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "inbox.db{suffix}");
    }
}

#[tokio::test]
async fn a_transaction_has_reached_the_disk_when_it_is_committed() {
    let folder = Folder::new();
    let store = open(&folder).await;

    let settings = store.transaction(|transaction| {
        let mode: String = transaction.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
        let synchronous: i64 = transaction.query_row("PRAGMA synchronous", [], |row| row.get(0))?;
        Ok((mode, synchronous))
    });

    assert_eq!(settings.await.unwrap(), ("wal".to_owned(), 2), "2 is FULL");
}

#[tokio::test]
async fn a_full_disk_is_an_error_and_loses_nothing_that_was_stored() {
    let folder = Folder::new();
    let store = open(&folder).await;
    let inbox = Inbox::new(store.clone());
    let limit = |pages: u32| {
        store.transaction(move |transaction| {
            let limit = format!("PRAGMA max_page_count = {pages}");
            Ok(transaction.query_row(&limit, [], |row| row.get::<_, u32>(0))?)
        })
    };
    limit(60).await.unwrap();
    let mut stored = 0;
    let error = loop {
        match inbox.store_message(sized(stored, 10_000)).await {
            Ok(_) => stored += 1,
            Err(error) => break error,
        }
    };

    assert!(stored > 5, "{stored}");
    let SqliteError::Database(source) = cause(&error) else { panic!("{error:?}") };
    assert!(source.to_string().contains("full"), "{source}");
    assert_eq!(counts(&inbox).await, (u64::from(stored), 0, 0, 0));
    limit(1_000_000).await.unwrap();
    assert_eq!(inbox.worker(works).run_once().await.unwrap().done, u64::from(stored));
    assert_eq!(inbox.store_message(sized(stored, 10_000)).await.unwrap(), Stored::New);
    assert_eq!(inbox.stats().unavailable, 1);
}

#[tokio::test]
async fn a_file_that_another_process_has_locked_is_an_error_until_it_is_free() {
    let folder = Folder::new();
    let config = SqliteConfig::default().with_busy_timeout(Duration::from_millis(50));
    let store = SqliteStore::open_with(folder.path("inbox.db"), config).await.unwrap();
    let inbox = Inbox::new(store);
    inbox.store_message(message(1)).await.unwrap();
    let operator = connect(&folder);

    operator.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = inbox.store_message(message(2)).await.unwrap_err();
    let SqliteError::Database(source) = cause(&error) else { panic!("{error:?}") };
    assert!(source.to_string().contains("locked"), "{source}");
    assert_eq!(counts(&inbox).await, (1, 0, 0, 0), "it can be read meanwhile");
    operator.execute_batch("ROLLBACK").unwrap();

    assert_eq!(inbox.store_message(message(2)).await.unwrap(), Stored::New);
    assert_eq!(inbox.worker(works).run_once().await.unwrap().done, 2);
}

#[tokio::test]
async fn a_file_that_is_removed_or_replaced_refuses_messages_until_a_restart() {
    let remove = |path: &Path| fs::remove_file(path);
    let replace = |path: &Path| {
        fs::copy(path, path.with_extension("copy"))?;
        fs::rename(path.with_extension("copy"), path)
    };
    for (name, change) in [
        ("inbox.db", &remove as &dyn Fn(&Path) -> io::Result<()>),
        ("inbox.db-wal", &remove),
        ("inbox.db-shm", &remove),
        ("inbox.db", &replace),
    ] {
        let folder = Folder::new();
        let inbox = Inbox::new(open(&folder).await);
        inbox.store_message(message(1)).await.unwrap();

        // A descriptor of the file that is closed here would drop its locks, so this copies first.
        change(&folder.path(name)).unwrap();

        let error = inbox.store_message(message(2)).await.unwrap_err();
        assert!(matches!(cause(&error), SqliteError::FileLost(_)), "{name}: {error:?}");
        assert!(cause(&error).to_string().contains(&format!("{name} was removed or replaced")));
        assert!(inbox.worker(works).run_once().await.unwrap().done >= 1, "{name}: work goes on");
        drop(inbox);
        let inbox = match SqliteStore::open(folder.path("inbox.db")).await {
            Ok(store) => Inbox::new(store),
            Err(error) => panic!("{name}: {error}"),
        };
        assert_eq!(inbox.store_message(message(3)).await.unwrap(), Stored::New, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_messages_or_bytes_that_wait_are_refused_at_once() {
    for (name, config, bytes) in [
        ("messages", SqliteConfig::default().with_max_waiting(3), 10),
        ("bytes", SqliteConfig::default().with_max_waiting_bytes(3_500), 1_000),
    ] {
        let folder = Folder::new();
        let inbox =
            Inbox::new(SqliteStore::open_with(folder.path("inbox.db"), config).await.unwrap());
        let operator = connect(&folder);
        operator.execute_batch("BEGIN IMMEDIATE").unwrap();
        let waiting: Vec<_> = (0..3)
            .map(|id| {
                let inbox = inbox.clone();
                tokio::spawn(async move { inbox.store_message(sized(id, bytes)).await })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(200)).await;
        // One of the three may be refused in place of this one.
        let refused = inbox.store_message(sized(9, bytes)).await.unwrap_err();
        assert!(matches!(cause(&refused), SqliteError::Busy), "{name}: {refused:?}");
        operator.execute_batch("ROLLBACK").unwrap();
        let mut stored = 0;
        for call in waiting {
            stored += u32::from(call.await.unwrap().is_ok());
        }
        assert!(stored >= 2, "{name}: those that waited are stored: {stored}");
        // What has waited counts no longer.
        assert_eq!(inbox.store_message(sized(10, bytes)).await.unwrap(), Stored::New, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_fails_by_itself_does_not_fail_the_others_of_its_batch() {
    let folder = Folder::new();
    let store = open(&folder).await;
    let inbox = Inbox::new(store.clone());
    store
        .transaction(|transaction| {
            Ok(transaction.execute_batch(
                "CREATE TRIGGER refuse BEFORE INSERT ON agentmail_inbox WHEN NEW.kind = 'refused'
                 BEGIN SELECT RAISE(ABORT, 'refused'); END",
            )?)
        })
        .await
        .unwrap();
    // They wait for each other, so that they share transactions.
    let operator = connect(&folder);
    operator.execute_batch("BEGIN IMMEDIATE").unwrap();
    let calls: Vec<_> = (0..64)
        .map(|id| {
            let inbox = inbox.clone();
            let message = if id == 30 {
                NewMessage::new(MessageKey::of_body(b"refused"), "refused", "{}")
            } else {
                message(id)
            };
            tokio::spawn(async move { inbox.store_message(message).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    operator.execute_batch("ROLLBACK").unwrap();

    for (id, call) in calls.into_iter().enumerate() {
        assert_eq!(call.await.unwrap().is_ok(), id != 30, "message {id}");
    }
    assert_eq!(counts(&inbox).await, (63, 0, 0, 0));
}

#[tokio::test]
async fn a_clock_that_is_set_back_an_hour_delays_nothing() {
    const HOUR: Duration = Duration::from_secs(3_600);
    let folder = Folder::new();
    let clock = ManualClock::new();
    let open = async || {
        let config = SqliteConfig::default().with_clock(&clock);
        Inbox::new(SqliteStore::open_with(folder.path("inbox.db"), config).await.unwrap())
    };
    let inbox = open().await;
    inbox.store_message(message(1)).await.unwrap();

    // While the process runs.
    clock.set_back(HOUR);
    inbox.store_message(message(2)).await.unwrap();
    let due = inbox.oldest_due().await.unwrap();
    assert_eq!(due, Some(Duration::ZERO));
    assert_eq!(inbox.worker(works).run_once().await.unwrap().done, 2);

    // While it does not run. A message fails first, and is due a second later.
    clock.advance(Duration::from_secs(5));
    inbox.store_message(message(3)).await.unwrap();
    let failing = inbox.worker(async |_: Message| Err::<(), _>("not yet"));
    assert_eq!(failing.run_once().await.unwrap().retried, 1);
    drop(inbox);
    clock.set_back(HOUR);
    let inbox = open().await;
    inbox.store_message(message(4)).await.unwrap();
    assert_eq!(inbox.worker(works).run_once().await.unwrap().done, 1, "the new one");
    clock.advance(Duration::from_secs(1));
    assert_eq!(
        inbox.worker(works).run_once().await.unwrap().done,
        1,
        "the other one, after its pause"
    );
}

#[tokio::test]
async fn messages_of_a_process_that_has_ended_are_due_when_the_file_is_opened() {
    let folder = Folder::new();
    let store = open(&folder).await;
    let inbox = Inbox::new(store.clone());
    inbox.store_message(message(1)).await.unwrap();
    let stuck =
        inbox.worker(async |_: Message| std::future::pending::<Result<(), BoxError>>().await);
    let workers = stuck.spawn();
    while inbox.stats().attempts == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let drained = workers.drain(Duration::from_millis(10)).await;
    assert_eq!(drained.unfinished, 1);
    // The process ends here: the database is opened again as by another one.
    let copy = Folder::new();
    store
        .transaction({
            let copy = copy.path("inbox.db").to_str().unwrap().to_owned();
            move |transaction| {
                // `VACUUM` is not possible in a transaction.
                transaction.execute("COMMIT", [])?;
                transaction.execute("VACUUM INTO ?1", [copy])?;
                Ok(transaction.execute_batch("BEGIN")?)
            }
        })
        .await
        .unwrap();

    let inbox = Inbox::new(open(&copy).await);

    assert_eq!(counts(&inbox).await, (0, 1, 0, 0));
    assert_eq!(inbox.worker(works).run_once().await.unwrap().done, 1);
    let rows = inbox.list(Filter::new(), Page::first(2)).await.unwrap();
    assert_eq!((rows[0].state, rows[0].attempts), (State::Done, 2));
}

#[tokio::test]
async fn what_waits_is_written_when_the_last_handle_is_dropped() {
    let folder = Folder::new();
    let inbox = Inbox::new(open(&folder).await);
    let message_1 = message(1);
    {
        // The call is sent when it is polled first, and its response is not awaited.
        let mut call = std::pin::pin!(inbox.store_message(message_1));
        let polled = std::future::poll_fn(|context| {
            std::task::Poll::Ready(call.as_mut().poll(context).is_pending())
        });
        polled.await;
    }
    drop(inbox);

    let inbox = Inbox::new(open(&folder).await);
    assert_eq!(inbox.store_message(message(1)).await.unwrap(), Stored::Known);
}
