use std::{iter, mem, time::Duration};

use agentmail_verify::{Label, Secret, Signer, Tolerance, UnixTime, Verifier};

use super::proof::Proof;
use crate::source::Tenant;

/// The secret in a file, and the former ones that are still accepted. It reads no file and no
/// clock.
///
/// 1. A former secret is accepted until a newer one has verified a delivery, and for the overlap
///    after that.
/// 2. If there are too many, one that has not verified a delivery is dropped, the oldest first.
/// 3. A place is kept for the secret in the file. So a secret that has verified a delivery is
///    dropped before its end if three newer ones have done so too.
#[derive(Debug)]
pub(super) struct Rotation {
    overlap: Duration,
    tolerance: Tolerance,
    /// The secret in the file.
    current: Accepted,
    /// The latest first.
    formers: Vec<Accepted>,
    /// How many secrets have been loaded, the first one included.
    loaded: u64,
}

#[derive(Debug)]
struct Accepted {
    secret: Secret,
    proof: Proof,
    /// It has verified a delivery, since it was loaded or since it was loaded for the first time.
    proven: bool,
    end: Option<UnixTime>,
}

/// What has changed, for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Loaded {
        new: Label,
        former: Label,
    },
    /// A secret has verified its first delivery since it was loaded.
    Verified {
        secret: Label,
    },
    Superseded {
        secret: Label,
        end: UnixTime,
    },
    Ended {
        secret: Label,
    },
    /// There were too many secrets.
    Dropped {
        secret: Label,
    },
}

impl Rotation {
    pub(super) fn new(
        first: Secret,
        overlap: Duration,
        tolerance: Tolerance,
        now: UnixTime,
    ) -> Self {
        let current = Accepted::new(first, 1, now);
        Self { overlap, tolerance, current, formers: Vec::new(), loaded: 1 }
    }

    /// Returns what is accepted now.
    pub(super) fn tenant(&self) -> Tenant {
        let first = Verifier::new(self.current.secret.clone()).with_tolerance(self.tolerance);
        let verifier = self.formers.iter().fold(first, |verifier, former| {
            let secret = former.secret.clone();
            let verifier = match former.end {
                Some(end) => verifier.with_secret_until(secret, end),
                None => verifier.with_secret(secret),
            };
            verifier.expect("each label has another number, and there are at most three formers")
        });
        let proofs = self.accepted().map(|accepted| accepted.proof.clone());
        Tenant::any_agent(verifier).with_proofs(proofs.collect())
    }

    /// Returns the label of the secret in the file.
    pub(super) fn current(&self) -> Label {
        self.current.proof.label()
    }

    /// Records what has been verified and which time has passed. Then it loads the secret that is
    /// in the file, if it can be read.
    pub(super) fn update(&mut self, in_file: Option<Secret>, now: UnixTime) -> Vec<Change> {
        let mut changes = Vec::new();
        self.record_proofs(now, &mut changes);
        let ended = self.formers.extract_if(.., |former| former.end.is_some_and(|end| end < now));
        changes.extend(ended.map(|former| Change::Ended { secret: former.proof.label() }));
        if let Some(secret) = in_file.filter(|secret| !same(secret, &self.current.secret)) {
            self.load(secret, now, &mut changes);
        }
        self.drop_too_many(&mut changes);
        changes
    }

    fn accepted(&self) -> impl Iterator<Item = &Accepted> {
        iter::once(&self.current).chain(&self.formers)
    }

    /// Sets the end of each secret that is older than one that has verified a delivery.
    fn record_proofs(&mut self, now: UnixTime, changes: &mut Vec<Change>) {
        let end = now.saturating_add(self.overlap);
        let mut superseded = false;
        for accepted in iter::once(&mut self.current).chain(&mut self.formers) {
            let secret = accepted.proof.label();
            if superseded && accepted.end.is_none() {
                accepted.end = Some(end);
                changes.push(Change::Superseded { secret, end });
            }
            if accepted.proof.has_verified() {
                superseded = true;
                if !mem::replace(&mut accepted.proven, true) {
                    changes.push(Change::Verified { secret });
                }
            }
        }
    }

    fn load(&mut self, secret: Secret, now: UnixTime, changes: &mut Vec<Change>) {
        self.loaded = self.loaded.saturating_add(1);
        let mut new = Accepted::new(secret, self.loaded, now);
        let again = self.formers.iter().position(|former| same(&former.secret, &new.secret));
        if let Some(former) = again.map(|at| self.formers.remove(at)) {
            new.proven = former.proven;
        }
        let (new_label, former) = (new.proof.label(), mem::replace(&mut self.current, new));
        changes.push(Change::Loaded { new: new_label, former: former.proof.label() });
        self.formers.insert(0, former);
    }

    fn drop_too_many(&mut self, changes: &mut Vec<Change>) {
        // One place is kept for a secret that has not verified a delivery yet.
        let mut places = Verifier::MAX_SECRETS - 1 - usize::from(self.current.proven);
        let superseded = self.formers.extract_if(.., |former| {
            let is_superseded = former.proven && places == 0;
            places = places.saturating_sub(usize::from(former.proven));
            is_superseded
        });
        changes.extend(superseded.map(|former| Change::Dropped { secret: former.proof.label() }));

        if self.formers.len() == Verifier::MAX_SECRETS {
            let unproven = self.formers.iter().rposition(|former| !former.proven);
            let dropped = self.formers.remove(unproven.unwrap_or(Verifier::MAX_SECRETS - 1));
            changes.push(Change::Dropped { secret: dropped.proof.label() });
        }
    }
}

impl Accepted {
    fn new(secret: Secret, number: u64, now: UnixTime) -> Self {
        let label = label(number, now);
        let secret = secret.with_label(label);
        Self { secret, proof: Proof::new(label), proven: false, end: None }
    }
}

/// Names a secret by its number in this process and the time at which it was loaded. The name has
/// no part of the secret.
fn label(number: u64, now: UnixTime) -> Label {
    Label::new(&format!("#{number} since {now}"))
        // A clock that is wrong by ages.
        .or_else(|_| Label::new(&format!("#{number}")))
        .expect("a `u64` has at most 20 digits, and a label 32")
}

/// Secrets cannot be compared, but two that make the same signature are the same.
fn same(one: &Secret, other: &Secret) -> bool {
    let [one, other] = [one, other]
        .map(|secret| Signer::new(secret.clone()).sign(UnixTime::from_secs(0), b"rotation"));
    one.signature() == other.signature()
}

#[cfg(test)]
mod tests {
    use std::{array, sync::LazyLock};

    use agentmail_verify::{Receipt, SignedHeaders};
    use proptest::prelude::*;

    use super::*;

    const START: UnixTime = UnixTime::from_secs(1_700_000_000);
    const OVERLAP: u64 = 100;

    fn at(secs: u64) -> UnixTime {
        UnixTime::from_secs(START.as_secs() + secs)
    }

    /// `a` to `h`. A new secret takes long in a debug build.
    static SECRETS: LazyLock<[Secret; 8]> =
        LazyLock::new(|| array::from_fn(|number| Secret::new(format!("secret {number}")).unwrap()));

    fn secret(name: char) -> Secret {
        SECRETS[usize::try_from(u32::from(name) - u32::from('a')).unwrap()].clone()
    }

    fn rotation(first: char) -> Rotation {
        let overlap = Duration::from_secs(OVERLAP);
        Rotation::new(secret(first), overlap, Tolerance::default(), START)
    }

    fn verify(tenant: &Tenant, name: char, now: UnixTime) -> Option<Receipt> {
        let signed = Signer::new(secret(name)).sign(now, b"{}");
        let headers = SignedHeaders::parse(|header| signed.value(header)).unwrap();
        tenant.verifier().verify(&headers, b"{}", now).ok()
    }

    /// Sends a delivery that is signed with a secret, and returns whether it is accepted.
    fn deliver(rotation: &Rotation, name: char, now: UnixTime) -> bool {
        let tenant = rotation.tenant();
        let receipt = verify(&tenant, name, now);
        receipt.inspect(|receipt| tenant.record(receipt)).is_some()
    }

    /// Returns the names of the secrets that are accepted.
    fn accepted(rotation: &Rotation, now: UnixTime) -> String {
        let tenant = rotation.tenant();
        ('a'..='h').filter(|name| verify(&tenant, *name, now).is_some()).collect()
    }

    #[test]
    fn a_former_secret_is_accepted_until_the_overlap_after_a_newer_one_has_verified_a_delivery() {
        for overlap in [0, 1, OVERLAP] {
            let mut rotation = Rotation { overlap: Duration::from_secs(overlap), ..rotation('a') };
            assert!(deliver(&rotation, 'a', at(0)));

            rotation.update(Some(secret('b')), at(1));
            rotation.update(Some(secret('b')), at(1_000_000));
            assert_eq!(accepted(&rotation, at(1_000_000)), "ab", "no delivery with the new secret");

            assert!(deliver(&rotation, 'b', at(1_000_000)));
            rotation.update(None, at(1_000_001));
            for (late, expected) in [(0, "ab"), (overlap, "ab"), (overlap + 1, "b")] {
                assert_eq!(accepted(&rotation, at(1_000_001 + late)), expected, "{late}");
            }
            assert_eq!(rotation.update(None, at(1_000_001 + overlap)), []);
            let changes = rotation.update(None, at(1_000_002 + overlap));
            assert!(matches!(changes[..], [Change::Ended { .. }]), "{changes:?}");
        }
    }

    #[test]
    fn wrong_secrets_drop_each_other_and_never_one_that_has_verified_a_delivery() {
        let mut rotation = rotation('a');
        assert!(deliver(&rotation, 'a', at(0)));

        for (name, expected) in
            [('b', "ab"), ('c', "abc"), ('d', "abcd"), ('e', "acde"), ('f', "adef"), ('g', "aefg")]
        {
            rotation.update(Some(secret(name)), at(1_000_000));
            assert_eq!(accepted(&rotation, at(2_000_000)), expected);
        }
    }

    #[test]
    fn a_secret_that_has_verified_is_dropped_early_only_when_three_newer_ones_have_verified() {
        let mut rotation = rotation('a');
        for (current, verified, next, loaded) in [
            ('a', "a", 'b', "ab"),
            ('b', "ab", 'c', "abc"),
            ('c', "abc", 'd', "abcd"),
            ('d', "bcd", 'e', "bcde"),
            ('e', "cde", 'f', "cdef"),
        ] {
            let label = rotation.current();
            assert!(deliver(&rotation, current, at(0)));
            let changes = rotation.update(None, at(0));
            assert!(changes.contains(&Change::Verified { secret: label }), "{changes:?}");
            assert_eq!(accepted(&rotation, at(0)), verified);

            rotation.update(Some(secret(next)), at(0));
            assert_eq!(accepted(&rotation, at(0)), loaded);
        }
        for (name, expected) in [('g', "cdeg"), ('h', "cdeh")] {
            rotation.update(Some(secret(name)), at(0));
            assert_eq!(accepted(&rotation, at(0)), expected, "f has not verified a delivery");
        }
    }

    #[test]
    fn a_former_secret_that_is_in_the_file_again_is_the_current_one() {
        let mut rotation = rotation('a');
        assert!(deliver(&rotation, 'a', at(0)));
        rotation.update(Some(secret('b')), at(0));
        assert!(deliver(&rotation, 'b', at(0)));
        rotation.update(Some(secret('b')), at(0));

        let changes = rotation.update(Some(secret('a')), at(1));

        assert!(matches!(changes[..], [Change::Loaded { .. }]), "{changes:?}");
        assert_eq!(rotation.current().as_str(), "#3 since 1700000001");
        rotation.update(Some(secret('a')), at(1_000_000));
        assert_eq!(accepted(&rotation, at(1_000_000)), "ab", "it has not verified since then");

        assert!(deliver(&rotation, 'a', at(1_000_000)));
        rotation.update(Some(secret('a')), at(1_000_000));
        assert_eq!(accepted(&rotation, at(1_000_000 + OVERLAP + 1)), "a");
    }

    #[test]
    fn each_change_is_told_once() {
        let mut rotation = rotation('a');
        let first = rotation.current();
        assert!(deliver(&rotation, 'a', at(0)));
        assert_eq!(rotation.update(None, at(1)), [Change::Verified { secret: first }]);

        let changes = rotation.update(Some(secret('b')), at(2));
        let second = rotation.current();
        assert_eq!(changes, [Change::Loaded { new: second, former: first }]);
        assert!(deliver(&rotation, 'b', at(2)));
        let end = at(3 + OVERLAP);
        assert_eq!(
            rotation.update(Some(secret('b')), at(3)),
            [Change::Verified { secret: second }, Change::Superseded { secret: first, end }]
        );
        assert!(deliver(&rotation, 'a', at(3)));
        assert_eq!(rotation.update(Some(secret('b')), end), []);
        assert_eq!(rotation.update(None, at(4 + OVERLAP)), [Change::Ended { secret: first }]);
        assert_eq!(rotation.update(None, at(5 + OVERLAP)), []);
    }

    #[test]
    fn a_label_fits_at_any_time() {
        let far = UnixTime::from_secs(u64::MAX);
        assert_eq!(label(1, START).as_str(), "#1 since 1700000000");
        assert_eq!(label(u64::MAX, START).as_str(), "#18446744073709551615");
        assert_eq!(label(1, far).as_str(), "#1 since 18446744073709551615");
        assert_eq!(label(u64::MAX, far).as_str(), "#18446744073709551615");
    }

    /// What the rule says about one secret, since it was loaded last.
    #[derive(Debug, Clone)]
    struct Expected {
        name: char,
        verified: bool,
        /// It has verified a delivery, also before it was loaded again.
        proven: bool,
        end: Option<UnixTime>,
    }

    #[derive(Debug, Clone)]
    enum Step {
        Load(char),
        Deliver(char),
        Pass(u64),
    }

    fn name() -> impl Strategy<Value = char> {
        prop::char::range('a', 'h')
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            name().prop_map(Step::Load),
            name().prop_map(Step::Deliver),
            name().prop_map(Step::Deliver),
            (0..OVERLAP + 20).prop_map(Step::Pass),
        ]
    }

    proptest! {
        #[test]
        fn a_secret_that_has_verified_a_delivery_is_accepted_as_long_as_the_rule_says(
            steps in prop::collection::vec(step(), 0..40),
        ) {
            let (mut rotation, mut now, mut in_file) = (rotation('a'), START, 'a');
            // All secrets that were loaded and have not been dropped or ended, the latest last.
            let first = Expected { name: 'a', verified: false, proven: false, end: None };
            let mut expected = vec![first];

            for step in steps {
                match step {
                    Step::Load(name) => in_file = name,
                    Step::Deliver(name) => {
                        let is_accepted = deliver(&rotation, name, now);
                        let known = expected.iter_mut().find(|it| it.name == name);
                        prop_assert_eq!(is_accepted, known.is_some(), "{}", name);
                        known.into_iter().for_each(|it| (it.verified, it.proven) = (true, true));
                        continue;
                    }
                    Step::Pass(secs) => now = now.saturating_add(Duration::from_secs(secs)),
                }
                rotation.update(Some(secret(in_file)), now);

                for at in 0..expected.len() {
                    if expected[at + 1..].iter().any(|newer| newer.verified) {
                        let end = now.saturating_add(Duration::from_secs(OVERLAP));
                        expected[at].end.get_or_insert(end);
                    }
                }
                expected.retain(|it| it.end.is_none_or(|end| now <= end));
                if expected.last().is_none_or(|it| it.name != in_file) {
                    let again = expected.iter().any(|it| it.name == in_file && it.proven);
                    expected.retain(|it| it.name != in_file);
                    let verified = false;
                    expected.push(Expected { name: in_file, verified, proven: again, end: None });
                }
                // What the rule allows to be dropped, and only that, may be missing.
                let (all, now_accepted) = (expected.clone(), accepted(&rotation, now));
                let mut place = 0;
                expected.retain(|it| {
                    place += 1;
                    let newer = &all[place..];
                    let proven = newer.iter().filter(|newer| newer.proven).count();
                    let others = all.iter().filter(|other| other.proven).count();
                    let kept = now_accepted.contains(it.name);
                    let may_be_dropped = if it.proven {
                        proven >= Verifier::MAX_SECRETS - 1
                    } else {
                        let unproven = newer.iter().filter(|newer| !newer.proven).count();
                        others + unproven >= Verifier::MAX_SECRETS
                    };
                    assert!(kept || may_be_dropped, "{it:?} is missing of {all:?}");
                    kept
                });
                prop_assert!(expected.len() <= Verifier::MAX_SECRETS);
                let proven = expected.iter().filter(|it| it.proven).count();
                prop_assert!(proven < Verifier::MAX_SECRETS, "a place for the next secret");
                prop_assert!(now_accepted.contains(in_file), "the secret in the file");
                let known = |name: &char| expected.iter().any(|it| it.name == *name);
                prop_assert_eq!(now_accepted, ('a'..='h').filter(known).collect::<String>());
            }
        }
    }
}
