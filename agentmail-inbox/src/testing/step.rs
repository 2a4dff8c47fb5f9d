use std::time::Duration;

use agentmail_receive::MessageKey;

use crate::{
    filter::Filter, new_message::NewMessage, outcome::Outcome, state::State,
    testing::random::Random,
};

/// The messages of a test are numbers below this.
pub(super) const MESSAGES: usize = 9;
/// The lease of each take.
pub(super) const LEASE: Duration = minutes(10);
/// How far a clock is set back: further than the horizon, and than the time of a run.
pub(super) const SET_BACK: Duration = minutes(1_000 * 24 * 60);

/// A step of a test. The number of a lease is taken modulo the number of leases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Store(Vec<usize>),
    Take { limit: usize, interrupted: usize, ordered: bool },
    TakeAgain,
    Renew(Vec<usize>),
    Finish(Vec<(usize, Outcome)>),
    Redrive(Filter),
    GiveUp(Filter),
    Prune { dead: bool },
    Advance(Duration),
    SetClockBack,
    Reopen,
}

impl Step {
    /// Returns a random step. Those that make progress are more likely.
    pub(super) fn random(random: &mut Random) -> Self {
        match random.below(24) {
            0..5 => Self::Store(some(random, MESSAGES)),
            5..10 => Self::Take {
                limit: random.below(5),
                interrupted: random.below(3),
                ordered: random.below(3) == 0,
            },
            10 => Self::TakeAgain,
            11 => Self::Renew(some(random, 12)),
            12..17 => {
                let leases = some(random, 12);
                let finish = |lease| (lease, outcome(random));
                Self::Finish(leases.into_iter().map(finish).collect())
            }
            17 => Self::Redrive(filter(random)),
            18 => Self::GiveUp(filter(random)),
            19 => Self::Prune { dead: random.below(2) == 0 },
            20..22 => Self::Advance(random.one_of(&[minutes(3), minutes(11), minutes(70)])),
            22 => match random.below(3) {
                0 => Self::Advance(minutes(62 * 24 * 60)),
                1 => Self::SetClockBack,
                _ => Self::Advance(minutes(11)),
            },
            _ => Self::Reopen,
        }
    }
}

/// Returns a message of the test. Messages of one number are the same.
pub(super) fn message(number: usize) -> NewMessage {
    let long = "é".repeat(5_000);
    let (agent_id, message_id) = match number % 5 {
        0 => (None, None),
        1 => (Some("a"), Some("m")),
        2 => (Some("a"), Some("NUL \0 and a line\n")),
        3 => (Some("b \0"), Some(&*long)),
        _ => (Some("b \0"), Some("a lone surrogate \u{fffd}")),
    };
    let body = vec![u8::try_from(number).unwrap_or(0); number * 100];
    let kind = if number.is_multiple_of(2) { "mail.received" } else { "mail.\0" };
    let message = NewMessage::new(key(number), kind, body);
    let message = match agent_id {
        Some(agent_id) => message.with_agent_id(agent_id),
        None => message,
    };
    let message = match message_id {
        Some(message_id) => message.with_message_id(message_id),
        None => message,
    };
    match number % 3 {
        0 => message.with_fresh_for(minutes(100 * 24 * 60)),
        1 => message.with_trace_parent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        _ => message,
    }
}

pub(super) fn key(number: usize) -> MessageKey {
    MessageKey::of_body(number.to_string().as_bytes())
}

fn outcome(random: &mut Random) -> Outcome {
    match random.below(6) {
        0..3 => Outcome::Done,
        3 => Outcome::retry(random.one_of(&[minutes(1), minutes(5), minutes(40)]), "down \0"),
        4 => Outcome::dead("hopeless"),
        _ => Outcome::Returned,
    }
}

fn filter(random: &mut Random) -> Filter {
    let filter = Filter::new();
    match random.below(6) {
        0 => filter,
        1 => filter.with_state(random.one_of(&State::ALL)),
        2 => filter.with_agent_id(random.one_of(&["a", "b \0", "nobody"])),
        3 => filter.with_key(key(random.below(MESSAGES))),
        4 => filter.with_kind("mail.\0").with_state(State::Dead),
        _ => filter.with_state(State::Done).with_agent_id("a"),
    }
}

/// Returns one to three numbers below `end`.
fn some(random: &mut Random, end: usize) -> Vec<usize> {
    let more = random.below(3);
    (0..=more).map(|_| random.below(end)).collect()
}

const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}
