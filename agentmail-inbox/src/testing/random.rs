/// A small generator of random numbers (`SplitMix64`). It is deterministic.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns a generator for one of the runs with a seed.
    pub(super) fn of_run(seed: u64, run: usize) -> Self {
        let run = u64::try_from(run).expect("a number of runs fits in 64 bits");
        Self::new(Self::new(seed).next() ^ Self::new(run).next().rotate_left(1))
    }

    /// Returns a number below `end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).expect("a length in memory fits in 64 bits");
        usize::try_from(self.next() % end).expect("it is below a length in memory")
    }

    /// Returns one of these items, which must not be empty.
    pub(super) fn one_of<T: Copy>(&mut self, items: &[T]) -> T {
        *items.get(self.below(items.len())).expect("it is below the length")
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_an_independent_generator() {
        // python3 -c 'M = 2**64 - 1; s = 7
        // for _ in range(3):
        //     s = (s + 0x9e3779b97f4a7c15) & M
        //     z = ((s ^ (s >> 30)) * 0xbf58476d1ce4e5b9) & M
        //     z = ((z ^ (z >> 27)) * 0x94d049bb133111eb) & M
        //     print(hex(z ^ (z >> 31)))'
        let mut random = Random::new(7);

        assert_eq!(
            [random.next(), random.next(), random.next()],
            [0x63cb_e1e4_5932_0dd7, 0x044c_3cd7_f43c_661c, 0xe698_4080_bab1_2a02]
        );
    }
}
