//! Rules that random steps do not test: calls at the same time, and damaged rows.

use std::{collections::HashSet, time::Duration};

use tokio::task::JoinSet;

use crate::{
    filter::Filter,
    lease::LeaseState,
    outcome::{Finish, Outcome},
    state::State,
    store::{InboxStore, Page, Stored},
    take::{Take, TakeToken, Taken},
    testing::{fixture::StoreFixture, step::message},
};

const LEASE: Duration = Duration::from_secs(600);
const AT_ONCE: usize = 8;

/// # Panics
///
/// The store breaks a rule.
pub(super) async fn run<F: StoreFixture>(fixture: &mut F) {
    copies_at_once_are_stored_once(fixture).await;
    takes_at_once_take_each_message_once(fixture).await;
    a_late_worker_changes_nothing(fixture).await;
    a_row_that_cannot_be_read_is_dead_at_once_and_blocks_no_other(fixture).await;
    a_new_message_wakes_a_worker(fixture).await;
}

async fn copies_at_once_are_stored_once<F: StoreFixture>(fixture: &mut F) {
    let store = std::sync::Arc::new(fixture.empty_store().await);
    let mut calls = JoinSet::new();
    for call in 0..AT_ONCE {
        let store = std::sync::Arc::clone(&store);
        let messages = if call.is_multiple_of(2) { [1, 2] } else { [2, 1] };
        calls.spawn(async move { store.store(messages.map(message).to_vec()).await });
    }
    let mut new: usize = 0;
    while let Some(call) = calls.join_next().await {
        let stored = call.expect("the store does not panic").expect("the store works");
        assert_eq!(stored.len(), 2, "one result for each message");
        let stored = stored.into_iter().map(|stored| stored.expect("both can be stored"));
        new += stored.filter(|stored| *stored == Stored::New).count();
    }
    assert_eq!(new, 2, "of {AT_ONCE} copies of two messages, one is new of each");
    let counts = store.counts().await.expect("the store works");
    assert_eq!(counts.waiting, 2, "{counts:?}");
}

async fn takes_at_once_take_each_message_once<F: StoreFixture>(fixture: &mut F) {
    let store = std::sync::Arc::new(fixture.empty_store().await);
    let messages: Vec<_> = (0..9).map(message).collect();
    store.store(messages).await.expect("the store works");
    let mut calls = JoinSet::new();
    for _ in 0..AT_ONCE {
        let store = std::sync::Arc::clone(&store);
        calls.spawn(async move { store.take(Take::new(TakeToken::random(), 2, LEASE)).await });
    }
    let mut taken: Vec<Taken> = Vec::new();
    while let Some(call) = calls.join_next().await {
        let some = call.expect("the store does not panic").expect("the store works");
        assert!(some.len() <= 2, "a take has a limit: {some:?}");
        taken.extend(some);
    }
    // A call may skip messages that another call looks at. Those are taken now.
    loop {
        let take = Take::new(TakeToken::random(), 2, LEASE);
        let rest = store.take(take).await.expect("the store works");
        if rest.is_empty() {
            break;
        }
        taken.extend(rest);
    }
    let keys: HashSet<_> = taken.iter().map(Taken::key).collect();
    assert_eq!((taken.len(), keys.len()), (9, 9), "each message is taken once");
}

async fn a_late_worker_changes_nothing<F: StoreFixture>(fixture: &mut F) {
    let store = fixture.empty_store().await;
    store.store(vec![message(1)]).await.expect("the store works");
    let late = take_one(&store).await.expect("it is due");
    fixture.advance(&store, LEASE + Duration::from_secs(60)).await;
    let second = take_one(&store).await.expect("its lease has ended");
    assert!(second.is_interrupted(), "{second:?}");
    assert_eq!(second.attempt(), 2, "{second:?}");

    for outcome in [Outcome::Done, Outcome::dead("late"), Outcome::Returned] {
        let finish = Finish::new(late.lease(), outcome);
        let finished = store.finish(vec![finish.clone()]).await.expect("the store works");
        assert_eq!(finished, [LeaseState::Lost], "{finish:?}");
        let renewed = store.renew(vec![late.lease()], LEASE).await.expect("the store works");
        assert_eq!(renewed, [LeaseState::Lost], "after {finish:?}");
    }

    let states = store.states(vec![message(1).key()]).await.expect("the store works");
    assert_eq!(states, [Some(State::Taken)], "the late worker has changed nothing");
    // A redrive must not make the number of the late take valid again.
    let done = |taken: &Taken| vec![Finish::new(taken.lease(), Outcome::Done)];
    store.finish(done(&second)).await.expect("the store works");
    store.redrive(Filter::new(), "a test".to_owned()).await.expect("the store works");
    let third = take_one(&store).await.expect("it was redriven");
    assert_eq!(third.attempt(), 1, "{third:?}");
    for late in [&late, &second] {
        let finished = store.finish(done(late)).await.expect("the store works");
        assert_eq!(finished, [LeaseState::Lost], "after a redrive: {late:?}");
    }
    let finished = store.finish(done(&third)).await.expect("the store works");
    assert_eq!(finished, [LeaseState::Held]);
}

async fn a_row_that_cannot_be_read_is_dead_at_once_and_blocks_no_other<F: StoreFixture>(
    fixture: &mut F,
) {
    let store = fixture.empty_store().await;
    store.store((0..4).map(message).collect()).await.expect("the store works");
    let rows = store.list(Filter::new(), Page::first(10)).await.expect("the store works");
    let damaged = rows.first().expect("four messages are stored").id;
    fixture.damage(&store, damaged).await;

    let mut taken = 0;
    for _ in 0..4 {
        taken += usize::from(take_one(&store).await.is_some());
    }

    assert_eq!(taken, 3, "the other messages are taken");
    let dead = Filter::new().with_state(State::Dead);
    let dead = store.list(dead, Page::first(10)).await.expect("it can be listed");
    let [row] = &*dead else { panic!("one message is dead: {dead:?}") };
    assert_eq!(row.id, damaged);
    let reason = row.reason.as_deref().unwrap_or_default();
    assert!(reason.contains("cannot be read"), "the reason is in the row: {reason:?}");
}

async fn a_new_message_wakes_a_worker<F: StoreFixture>(fixture: &mut F) {
    let store = fixture.empty_store().await;
    // A store that does not implement it is polled.
    let changed = tokio::time::timeout(Duration::from_secs(2), async {
        store.store(vec![message(1)]).await.expect("the store works");
        store.changed().await;
    });
    _ = changed.await;
    assert!(take_one(&store).await.is_some());
}

async fn take_one<S: InboxStore>(store: &S) -> Option<Taken> {
    let take = Take::new(TakeToken::random(), 1, LEASE);
    store.take(take).await.expect("the store works").into_iter().next()
}
