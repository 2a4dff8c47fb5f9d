//! Refuses one forged delivery a thousand times, for an instruction counter.
//!
//! Usage: `count verify 00`

use timing::Case;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let what = arguments.next().expect("`verify` or `leak-1`");
    let wrong = arguments.next().and_then(|byte| byte.parse().ok()).expect("a byte from 00 to 31");
    let case = Case::new(wrong);
    for _ in 0..1_000 {
        let accepted = if what == "verify" { case.verify() } else { case.leak() };
        assert!(!std::hint::black_box(accepted));
    }
}
