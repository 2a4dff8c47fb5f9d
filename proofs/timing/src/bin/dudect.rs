//! Welch's t-test on the time of two classes of forged deliveries. One is wrong at the first byte,
//! the other at the last. |t| stays small for `verify`, and becomes large for the leaky comparison.

use dudect_bencher::{BenchRng, Class, CtRunner, ctbench_main, rand::Rng};
use timing::Case;

fn run(runner: &mut CtRunner, rng: &mut BenchRng, check: fn(&Case) -> bool) {
    let mut case = Case::new(0);
    for _ in 0..100_000 {
        let (class, wrong) =
            if rng.next_u32() & 1 == 0 { (Class::Left, 0) } else { (Class::Right, 31) };
        case.set_wrong(wrong);
        runner.run_one(class, || check(&case));
    }
}

fn verify(runner: &mut CtRunner, rng: &mut BenchRng) {
    run(runner, rng, Case::verify);
}

fn leaky_comparison(runner: &mut CtRunner, rng: &mut BenchRng) {
    run(runner, rng, Case::leak);
}

ctbench_main!(verify, leaky_comparison);
