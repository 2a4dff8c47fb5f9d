//! The inbox as an operator runs it: a process over HTTP, with a file on disk, signals and crashes.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a failed test panics, and says why")]

mod receiver;

use std::{fs, io, path::Path, thread};

use agentmail_inbox::{Filter, Page, Row, State};

use self::receiver::{Folder, Receiver, mail, touch, until};

fn counts(waiting: u32, taken: u32, done: u32, dead: u32) -> String {
    format!(r#"{{"waiting":{waiting},"taken":{taken},"done":{done},"dead":{dead}}}"#)
}

#[test]
fn copies_one_after_the_other_and_at_once_are_handled_once() {
    let folder = Folder::new();
    let receiver = Receiver::start(&folder, &[]);

    for round in 0..10 {
        let id = format!("msg-{round}");
        let statuses: Vec<u16> = thread::scope(|scope| {
            let copies: Vec<_> = (0..16).map(|_| scope.spawn(|| receiver.mail(&id))).collect();
            copies.into_iter().map(|copy| copy.join().unwrap()).collect()
        });
        assert_eq!(statuses, [200; 16], "copies of {id}");
        assert_eq!(receiver.mail(&id), 200, "a later copy of {id}");
    }

    receiver.waits_for_counts(&counts(0, 0, 10, 0));
    assert_eq!(receiver.get("/handled"), "10");
    let (succeeded, log) = receiver.stop("TERM");
    assert!(succeeded, "{log}");
    assert_eq!(log.matches(": begun").count(), 10, "{log}");
    assert_eq!(log.matches("mail of an unverified sender").count(), 10, "{log}");
    assert_eq!(log.matches("new=true").count(), 10, "{log}");
    assert_eq!(log.matches("new=false").count(), 160, "{log}");
    assert!(!log.contains("Quarterly"), "{log}");
}

#[test]
fn mail_of_another_agent_and_other_types_of_event_are_not_copies() {
    let folder = Folder::new();
    let receiver = Receiver::start(&folder, &[]);
    let bounce = |reason| mail("m").replace("received", "bounced").replace("Quarterly", reason);

    for body in [
        mail("m"),
        mail("m").replace("my-agent", "another"),
        mail("m").replace("my-agent", "my-agen").replace(r#":"m""#, r#":"tm""#),
        mail("m").replace("Quarterly", "the same message with other bytes"),
        bounce("full"),
        bounce("unknown"),
        bounce("full"),
    ] {
        assert_eq!(receiver.send(body.as_bytes()), 200, "{body}");
    }

    receiver.waits_for_counts(&counts(0, 0, 5, 0));
    let kept: Vec<u8> = folder
        .database()
        .query_row("SELECT body FROM agentmail_inbox WHERE agent_id = 'my-agent'", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(kept, mail("m").as_bytes());
}

#[test]
fn a_crash_loses_no_mail_that_got_200() {
    let folder = Folder::new();
    let hold = touch(&folder.path("hold"));
    let receiver = Receiver::start(&folder, &[("HOLD", &hold), ("TIME_LIMIT", "86400000")]);
    for id in 0..7 {
        assert_eq!(receiver.mail(&format!("msg-{id}")), 200);
    }
    // Four workers have one message each, and three messages have not begun.
    receiver.waits_for_counts(&counts(3, 4, 0, 0));

    let (succeeded, log) = receiver.stop("KILL");

    assert!(!succeeded);
    assert_eq!(log.matches(": begun").count(), 4, "{log}");
    let receiver = Receiver::start(&folder, &[]);
    receiver.waits_for_counts(&counts(0, 0, 7, 0));
    // The attempts that the crash interrupted are counted too.
    let (_, log) = receiver.stop("TERM");
    for (attempt, messages) in [(1, 3), (2, 4), (3, 0)] {
        let begun = |line: &&str| {
            line.contains(": begun") && line.contains(&format!(" attempt={attempt} "))
        };
        assert_eq!(log.lines().filter(begun).count(), messages, "{log}");
    }
}

#[test]
fn a_crash_between_the_work_and_its_record_repeats_the_work() {
    let folder = Folder::new();
    let operator = folder.database();
    let mut receiver = with_a_message_in_work(&folder);

    // This transaction blocks the receiver's writes while the work ends.
    operator.execute_batch("BEGIN IMMEDIATE").unwrap();
    fs::remove_file(folder.path("hold")).unwrap();
    receiver.waits_for_log("mail of an unverified sender");
    let (_, log) = receiver.stop("KILL");
    assert_eq!(log.matches("mail of an unverified sender").count(), 1, "{log}");
    operator.execute_batch("ROLLBACK").unwrap();

    let receiver = Receiver::start(&folder, &[]);
    receiver.waits_for_counts(&counts(0, 0, 1, 0));
    let (_, log) = receiver.stop("TERM");
    assert_eq!(log.matches("mail of an unverified sender").count(), 1, "again: {log}");
}

#[test]
fn an_outcome_is_recorded_when_the_database_can_be_written_again() {
    let folder = Folder::new();
    let operator = folder.database();
    let mut receiver = with_a_message_in_work(&folder);

    operator.execute_batch("BEGIN IMMEDIATE").unwrap();
    fs::remove_file(folder.path("hold")).unwrap();
    receiver.waits_for_log("call=\"finish\"");
    operator.execute_batch("ROLLBACK").unwrap();

    receiver.waits_for_counts(&counts(0, 0, 1, 0));
    let (_, log) = receiver.stop("TERM");
    assert_eq!(log.matches(": begun").count(), 1, "{log}");
}

/// Starts a receiver with one message, whose work goes on until the file `hold` is removed.
fn with_a_message_in_work(folder: &Folder) -> Receiver {
    let hold = touch(&folder.path("hold"));
    let receiver = Receiver::start(folder, &[("HOLD", &hold), ("TIME_LIMIT", "86400000")]);
    assert_eq!(receiver.mail("msg-1"), 200);
    receiver.waits_for_counts(&counts(0, 1, 0, 0));
    receiver
}

#[test]
fn messages_that_were_done_long_ago_are_forgotten_and_others_are_kept() {
    let folder = Folder::new();
    let receiver = Receiver::start(&folder, &[("POISON", "bad"), ("ATTEMPTS", "1")]);
    for id in ["long ago", "lately", "bad"] {
        assert_eq!(receiver.mail(id), 200);
    }
    receiver.waits_for_counts(&counts(0, 0, 2, 1));
    receiver.stop("TERM");
    let aged = "UPDATE agentmail_inbox SET due_at = 0 WHERE message_id <> 'lately'";
    assert_eq!(folder.database().execute(aged, []), Ok(2));

    let receiver = Receiver::start(&folder, &[]);

    until("one is forgotten", || receiver.get("/inbox") == counts(0, 0, 1, 1));
}

#[test]
fn a_message_that_crashes_the_process_is_dead_after_the_last_attempt() {
    let folder = Folder::new();
    let hold = touch(&folder.path("hold"));
    let held = [("HOLD", &*hold), ("TIME_LIMIT", "86400000"), ("ATTEMPTS", "2")];

    for crash in 0..2 {
        let mut receiver = Receiver::start(&folder, &held);
        assert_eq!(receiver.mail("msg-1"), 200, "before crash {crash}");
        receiver.waits_for_log(": begun");
        receiver.stop("KILL");
    }

    let receiver = Receiver::start(&folder, &held);
    receiver.waits_for_counts(&counts(0, 0, 0, 1));
    let (succeeded, log) = receiver.stop("TERM");
    assert!(
        succeeded && log.contains("ERROR") && log.contains("its last attempt was cut off"),
        "{log}"
    );
}

#[test]
fn a_message_that_always_fails_ends_dead_and_blocks_no_other() {
    let folder = Folder::new();
    let receiver = Receiver::start(&folder, &[("POISON", "bad"), ("ATTEMPTS", "5")]);

    for id in ["bad", "good-1", "good-2"] {
        assert_eq!(receiver.mail(id), 200);
    }

    receiver.waits_for_counts(&counts(0, 0, 2, 1));
    assert_eq!(receiver.mail("bad"), 200, "a copy of a dead message is not new");
    receiver.waits_for_counts(&counts(0, 0, 2, 1));
    let (_, log) = receiver.stop("TERM");
    assert_eq!(log.matches("the work panicked").count(), 5, "{log}");
    assert_eq!(log.matches("ERROR").count(), 1, "{log}");

    // The operator has fixed the cause.
    assert_eq!(folder.redrive(State::Dead), 1);
    let receiver = Receiver::start(&folder, &[]);
    receiver.waits_for_counts(&counts(0, 0, 3, 0));
}

#[test]
fn a_failure_is_tried_again_and_a_slow_attempt_is_a_failure() {
    let folder = Folder::new();
    let receiver = Receiver::start(&folder, &[("FAIL_FIRST", "3"), ("ATTEMPTS", "4")]);
    assert_eq!(receiver.mail("fails thrice"), 200);
    receiver.waits_for_counts(&counts(0, 0, 1, 0));
    let (_, log) = receiver.stop("TERM");
    assert_eq!(log.matches("FAIL_FIRST asks for it").count(), 3, "{log}");

    let hold = touch(&folder.path("hold"));
    let slow = [("HOLD", &*hold), ("TIME_LIMIT", "1"), ("ATTEMPTS", "2")];
    let receiver = Receiver::start(&folder, &slow);
    assert_eq!(receiver.mail("never ends"), 200);
    receiver.waits_for_counts(&counts(0, 0, 1, 1));
    let (_, log) = receiver.stop("TERM");
    assert_eq!(log.matches("not done within the time limit").count(), 2, "{log}");
}

#[test]
fn an_operator_can_end_a_pause_that_a_wrong_clock_made_too_long() {
    let folder = Folder::new();
    let in_a_day = [("FAIL_FIRST", "1"), ("FIRST_PAUSE", "86400000")];
    let mut receiver = Receiver::start(&folder, &in_a_day);
    assert_eq!(receiver.mail("msg-1"), 200);
    receiver.waits_for_log("tried again after the pause");
    receiver.waits_for_counts(&counts(1, 0, 0, 0));

    assert_eq!(folder.redrive(State::Waiting), 1);

    // With all its attempts: the first one fails again.
    until("it is tried again", || receiver.log().matches(": begun").count() == 2);
}

#[test]
fn a_row_or_body_that_cannot_be_read_is_dead_at_once() {
    let folder = Folder::new();
    Receiver::start(&folder, &[]).stop("TERM");
    folder
        .database()
        .execute_batch(
            "PRAGMA ignore_check_constraints = ON;
             INSERT INTO agentmail_inbox
                 (message_key, kind, body, received_at, due_at, fresh_for)
             VALUES (zeroblob(32), 'x', x'00', 0, 0, 0), (x'00', 'x', x'00', 0, 0, 0)",
        )
        .unwrap();

    let receiver = Receiver::start(&folder, &[]);

    receiver.waits_for_counts(&counts(0, 0, 0, 2));
    let dead = Filter::new().with_state(State::Dead);
    let dead = folder.operate(async |inbox| inbox.list(dead, Page::first(10)).await.unwrap());
    for reason in ["not an event: ", "the row cannot be read: the column message_key"] {
        let is_listed = |row: &Row| row.reason.as_deref().is_some_and(|it| it.contains(reason));
        assert!(dead.iter().any(is_listed), "{dead:?}");
    }
}

#[test]
fn both_signals_let_the_current_work_end_and_leave_the_rest() {
    for signal in ["TERM", "INT"] {
        let folder = Folder::new();
        let hold = touch(&folder.path("hold"));
        let mut receiver = Receiver::start(&folder, &[("HOLD", &hold), ("TIME_LIMIT", "86400000")]);
        for id in 0..6 {
            assert_eq!(receiver.mail(&format!("msg-{id}")), 200);
        }
        receiver.waits_for_counts(&counts(2, 4, 0, 0));

        receiver.signal(signal);
        receiver.waits_for_log("shutting down");
        fs::remove_file(&hold).unwrap();
        let (succeeded, log) = receiver.end();

        assert!(succeeded, "SIG{signal}: {log}");
        assert_eq!(log.matches(": begun").count(), 4, "SIG{signal}: {log}");
        assert_eq!(log.matches(": done").count(), 4, "SIG{signal}: {log}");
        let receiver = Receiver::start(&folder, &[]);
        receiver.waits_for_counts(&counts(0, 0, 6, 0));
        let (_, log) = receiver.stop(signal);
        assert_eq!(log.matches(": begun").count(), 2, "SIG{signal}: {log}");
    }
}

#[test]
fn a_locked_database_is_503_until_it_is_free() {
    let folder = Folder::new();
    let receiver = Receiver::start(&folder, &[]);
    let operator = folder.database();

    operator.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(receiver.mail("msg-1"), 503);
    operator.execute_batch("ROLLBACK").unwrap();

    until("the mail is accepted", || receiver.mail("msg-1") == 200);
    receiver.waits_for_counts(&counts(0, 0, 1, 0));
    let (_, log) = receiver.stop("TERM");
    assert!(log.contains("could not be stored"), "{log}");
}

#[test]
fn a_full_disk_is_503_and_loses_no_mail_that_got_200() {
    let folder = Folder::new();
    let receiver = Receiver::start_on_small_disk(&folder, 2_000);
    let long_mail =
        |id: u32| mail(&id.to_string()).replace("Quarterly", &"x".repeat(100_000)).into_bytes();
    let mut accepted = 0;
    loop {
        match receiver.send(&long_mail(accepted)) {
            200 => accepted += 1,
            status => break assert_eq!(status, 503, "after {accepted}"),
        }
    }
    receiver.stop("KILL");

    let receiver = Receiver::start(&folder, &[]);
    assert!(accepted > 0);
    receiver.waits_for_counts(&counts(0, 0, accepted, 0));
    assert_eq!(receiver.send(&long_mail(accepted)), 200, "the disk has space again");
    receiver.waits_for_counts(&counts(0, 0, accepted + 1, 0));
}

#[test]
fn a_database_file_that_is_removed_or_replaced_is_503_until_a_restart() {
    let remove = |path: &Path| fs::remove_file(path);
    let replace = |path: &Path| {
        fs::copy(path, path.with_extension("copy"))?;
        fs::rename(path.with_extension("copy"), path)
    };
    for (name, change) in [
        ("inbox.db", &remove as &dyn Fn(&Path) -> io::Result<()>),
        ("inbox.db-wal", &remove),
        ("inbox.db", &replace),
    ] {
        let folder = Folder::new();
        let receiver = Receiver::start(&folder, &[]);
        assert_eq!(receiver.mail("msg-1"), 200);

        change(&folder.path(name)).unwrap();

        assert_eq!(receiver.mail("msg-2"), 503, "{name}");
        let (_, log) = receiver.stop("TERM");
        assert!(log.contains(&format!("{name} was removed or replaced")), "{name}: {log}");
        for file in ["inbox.db", "inbox.db-wal", "inbox.db-shm"] {
            _ = fs::remove_file(folder.path(file));
        }
        let receiver = Receiver::start(&folder, &[]);
        assert_eq!(receiver.mail("msg-2"), 200, "{name}");
        receiver.waits_for_counts(&counts(0, 0, 1, 0));
    }
}

#[test]
fn a_wrong_setup_is_reported_in_one_sentence() {
    let folder = Folder::new();
    let missing = folder.path("no/such/folder/inbox.db");
    let running = Receiver::start(&folder, &[]);

    for (variables, sentence) in [
        (&[("WEBHOOK_SIGNING_SECRET", "")][..], "the signing secret is empty"),
        (&[("INBOX", missing.to_str().unwrap())], "No such file"),
        (&[], "another process uses it"),
        (&[("ATTEMPTS", "0")], "ATTEMPTS: number would be zero"),
        (&[("FAIL_FIRST", "-1")], "FAIL_FIRST: invalid digit"),
    ] {
        let output = Receiver::output(&folder, variables);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{sentence}");
        assert_eq!((output.stdout.len(), stderr.lines().count()), (0, 1), "{stderr}");
        assert!(stderr.contains(sentence), "{stderr}");
    }
    running.stop("TERM");
}
