use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::config::CacheConfig;

/// How many lookups may run and wait: one lane for known tenants, one for all other names.
pub(super) struct Lanes {
    known: Lane,
    other: Lane,
}

impl Lanes {
    pub(super) fn new(config: &CacheConfig) -> Self {
        let at_once = config.max_concurrent_lookups();
        let waiting = config.max_waiting_lookups();
        let known = Lane::new((at_once / 2).max(1), waiting);
        Self { known, other: Lane::new(at_once, waiting) }
    }

    /// Admits a lookup, unless too many wait.
    pub(super) fn admit(&self, is_known: bool) -> Option<Place> {
        let lane = if is_known { &self.known } else { &self.other };
        let admitted = Arc::clone(&lane.places).try_acquire_owned().ok()?;
        Some(Place { turns: Arc::clone(&lane.turns), _admitted: admitted })
    }
}

struct Lane {
    /// One for each lookup that runs or waits.
    places: Arc<Semaphore>,
    /// One for each lookup that runs.
    turns: Arc<Semaphore>,
}

impl Lane {
    fn new(at_once: usize, waiting: usize) -> Self {
        let semaphore =
            |permits: usize| Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS)));
        Self { places: semaphore(at_once.saturating_add(waiting)), turns: semaphore(at_once) }
    }
}

/// The right to run one lookup, when it is its turn. Dropping it makes place for another lookup.
pub(super) struct Place {
    turns: Arc<Semaphore>,
    _admitted: OwnedSemaphorePermit,
}

impl Place {
    /// Waits for the turn, which lasts until the returned permit is dropped. Turns are given in the
    /// order of the calls.
    pub(super) async fn turn(&self) -> OwnedSemaphorePermit {
        let turns = Arc::clone(&self.turns);
        turns.acquire_owned().await.expect("nothing closes the semaphore of a lane")
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn lanes(at_once: usize, waiting: usize) -> Lanes {
        let config = CacheConfig::default().with_max_concurrent_lookups(at_once);
        Lanes::new(&config.with_max_waiting_lookups(waiting))
    }

    /// Returns how many lookups get a place, and how many of them get a turn at once.
    fn filled(lanes: &Lanes, is_known: bool) -> (usize, usize) {
        let places: Vec<_> = std::iter::from_fn(|| lanes.admit(is_known)).collect();
        let turns: Vec<_> = places.iter().filter_map(|it| it.turn().now_or_never()).collect();
        (places.len(), turns.len())
    }

    #[test]
    fn known_tenants_have_half_as_many_turns_of_their_own() {
        for (at_once, waiting, known, other) in [
            (32, 1_024, (1_040, 16), (1_056, 32)),
            (3, 1, (2, 1), (4, 3)),
            (1, 0, (1, 1), (1, 1)),
            (0, 0, (1, 1), (1, 1)),
        ] {
            let lanes = lanes(at_once, waiting);

            assert_eq!(filled(&lanes, true), known, "{at_once}");
            assert_eq!(filled(&lanes, false), other, "{at_once}");
        }
    }

    #[test]
    fn a_full_lane_leaves_the_other_lane_free() {
        let lanes = lanes(4, 3);
        let _others: Vec<_> = std::iter::from_fn(|| lanes.admit(false)).collect();

        assert_eq!(filled(&lanes, false), (0, 0));
        assert_eq!(filled(&lanes, true), (5, 2));
    }

    #[test]
    fn any_number_is_accepted() {
        assert!(lanes(usize::MAX, usize::MAX).admit(false).is_some());
    }

    #[test]
    fn a_place_is_free_when_its_lookup_has_ended() {
        let lanes = lanes(2, 0);
        let place = lanes.admit(true).unwrap();

        assert!(lanes.admit(true).is_none());
        drop(place);
        assert!(lanes.admit(true).is_some());
    }
}
