//! What a worker promises, on any store.

mod leases;
mod order;
mod outcomes;
mod tested;

use crate::testing::fixture::StoreFixture;

/// A test of what workers promise on a store: retries, time limits, leases, order, shutdown, and a
/// server that comes and goes.
///
/// Like [`StoreTest`](super::StoreTest), it takes a [`StoreFixture`].
#[derive(Debug, Clone, Copy, Default)]
#[must_use = "call `run`"]
pub struct WorkerTest(());

impl WorkerTest {
    /// Creates the test.
    pub const fn new() -> Self {
        Self(())
    }

    /// Runs the test.
    ///
    /// # Panics
    ///
    /// A worker does not keep a promise on this store.
    pub async fn run<F: StoreFixture>(self, fixture: &mut F) {
        outcomes::ids_of_any_kind_are_stored_and_worked_on(fixture).await;
        outcomes::a_failure_is_tried_again_and_then_the_message_is_dead(fixture).await;
        outcomes::an_error_says_what_happens_next(fixture).await;
        outcomes::what_is_not_an_event_is_dead_at_once(fixture).await;
        outcomes::work_that_hangs_is_ended_at_its_time_limit(fixture).await;
        leases::a_process_that_hangs_is_passed_over_and_changes_nothing_later(fixture).await;
        leases::the_lease_of_long_work_is_renewed(fixture).await;
        order::messages_of_an_agent_are_worked_on_in_order(fixture).await;
        leases::interrupted_messages_are_tried_one_at_a_time(fixture).await;
        order::draining_waits_for_the_current_work_and_leaves_the_rest(fixture).await;
        leases::a_server_that_comes_and_goes_kills_no_message(fixture).await;
        order::an_operator_can_redrive_and_give_up(fixture).await;
    }
}
