//! Chance that a number decides: the same seed makes the same choices.

/// SplitMix64 (Steele, Lea, Flood 2014): every seed is a good one, and a number of it is the seed of another.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Dice(seed)
    }

    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to `count` - 1; `count` is not 0.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        (self.roll() % count as u64) as usize
    }

    /// True so many times of a hundred.
    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.roll() % 100 < percent
    }

    /// One of several, of which there is at least one.
    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// A copy of one of several.
    pub(crate) fn word<T: Copy>(&mut self, of: &[T]) -> T {
        *self.pick(of)
    }
}
