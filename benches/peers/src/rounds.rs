//! Interleaved rounds.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use serde::Serialize;

use crate::floor;

/// Contenders that are compared: they do the same job on the same bytes.
pub struct Group {
    pub name: &'static str,
    pub case: &'static str,
    pub bytes: usize,
    /// Whether the figures are the time added to that of the first contender.
    pub added: bool,
    pub contenders: Vec<Contender>,
}

pub struct Contender {
    name: &'static str,
    run: Box<dyn FnMut(u32)>,
}

/// Creates a contender. The job must return `expected`, so that all contenders do the same job.
pub fn contender(
    name: &'static str,
    expected: bool,
    mut job: impl FnMut() -> bool + 'static,
) -> Contender {
    assert_eq!(job(), expected, "{name} returns the expected decision");
    let run = move |times| {
        for _ in 0..times {
            black_box(job());
        }
    };
    Contender { name, run: Box::new(run) }
}

#[derive(Serialize)]
pub struct Row {
    pub group: &'static str,
    pub case: String,
    pub bytes: usize,
    pub ns: f64,
    pub floor_ratio: f64,
    pub allocations: i64,
    #[serde(skip)]
    pub spread: (f64, f64),
    #[serde(skip)]
    pub to_ours: f64,
}

pub struct Timed {
    pub name: &'static str,
    pub case: &'static str,
    pub bytes: usize,
    pub added: bool,
    pub rows: Vec<Row>,
}

pub fn run(group: Group, rounds: usize) -> Timed {
    let Group { name, case, bytes, added, mut contenders } = group;
    let blocks = vec![[0x5a; 64]; floor::compressions(bytes)];
    let mut state = [1; 8];
    let floor = move |times| (0..times).for_each(|_| floor::run(&blocks, &mut state));
    contenders.insert(0, Contender { name: "floor", run: Box::new(floor) });

    let allocations: Vec<i64> = contenders
        .iter_mut()
        .map(|contender| {
            allocation_counter::measure(|| (contender.run)(1)).count_total.cast_signed()
        })
        .collect();
    let times: Vec<u32> = contenders.iter_mut().map(calibrate).collect();

    let mut samples = vec![Vec::with_capacity(rounds); contenders.len()];
    for round in 0..rounds {
        for offset in 0..contenders.len() {
            // Each round begins with another contender.
            let at = (round + offset) % contenders.len();
            samples[at].push(time(&mut contenders[at], times[at]));
        }
    }

    // Contender 0 is the floor. Contender 1 is ours, or the base if the figures are added time.
    let base = |round: usize| if added { samples[1][round] } else { 0.0 };
    let ours = if added { 2 } else { 1 };
    let rows = (1..contenders.len())
        .map(|at| {
            let net = |round: usize| samples[at][round] - base(round);
            let mut ratios: Vec<f64> =
                (0..rounds).map(|round| net(round) / samples[0][round]).collect();
            ratios.sort_by(f64::total_cmp);
            let mut to_ours: Vec<f64> = (0..rounds)
                .map(|round| net(round) / (samples[ours][round] - base(round)))
                .collect();
            let mut ns: Vec<f64> = (0..rounds).map(net).collect();
            Row {
                group: name,
                case: format!("{case}: {}", contenders[at].name),
                bytes,
                ns: median(&mut ns),
                floor_ratio: median(&mut ratios),
                allocations: allocations[at] - if added { allocations[1] } else { 0 },
                spread: (ratios[rounds / 10], ratios[rounds - 1 - rounds / 10]),
                to_ours: median(&mut to_ours),
            }
        })
        .collect();
    Timed { name, case, bytes, added, rows }
}

/// Returns how often to run so that it takes about a quarter of a millisecond.
fn calibrate(contender: &mut Contender) -> u32 {
    let mut times = 1;
    loop {
        let started = Instant::now();
        (contender.run)(times);
        if started.elapsed() > Duration::from_micros(250) {
            return times;
        }
        times *= 2;
    }
}

fn time(contender: &mut Contender, times: u32) -> f64 {
    let started = Instant::now();
    (contender.run)(times);
    started.elapsed().as_nanos() as f64 / f64::from(times)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
