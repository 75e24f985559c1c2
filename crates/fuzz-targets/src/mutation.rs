//! Inputs that a seed makes of others, for a run whose length and outcome are always the same.

/// Longest input that is made, in bytes.
const INPUT_LEN_MAX: usize = 4 * 1024;

/// Most changes of one input.
const CHANGES_MAX: u64 = 6;

/// Makes inputs of a corpus, by a seed.
#[derive(Clone, Debug)]
pub struct Mutator {
    corpus: Vec<Vec<u8>>,
    words: Vec<Vec<u8>>,
    state: u64,
}

impl Mutator {
    /// Inputs like those of the corpus, which is not empty, with these words in them.
    #[must_use]
    pub fn new(corpus: Vec<Vec<u8>>, words: Vec<Vec<u8>>, seed: u64) -> Self {
        Self { corpus, words, state: seed }
    }

    /// The next input.
    pub fn next_input(&mut self) -> Vec<u8> {
        let mut input = self.one_of_corpus();
        for _ in 0..=self.below(CHANGES_MAX) {
            self.change(&mut input);
        }
        input.truncate(INPUT_LEN_MAX);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let from = self.below(input.len() as u64 + 1) as usize;
        let len = self.below(16).min((input.len() - from) as u64) as usize;
        match self.below(8) {
            0 => drop(input.drain(from..from + len)),
            1 => {
                let again: Vec<u8> = input[from..from + len].to_vec();
                self.insert(input, &again);
            }
            2 => {
                let other = self.one_of_corpus();
                let begin = self.below(other.len() as u64 + 1) as usize;
                let end = begin + self.below((other.len() - begin) as u64 + 1) as usize;
                input.splice(from..from + len, other[begin..end].iter().copied());
            }
            3 | 4 if !self.words.is_empty() => {
                let place = self.below(self.words.len() as u64) as usize;
                let word = self.words[place].clone();
                if self.below(2) == 0 {
                    self.insert(input, &word);
                } else {
                    input.splice(from..from + len, word);
                }
            }
            5 => {
                let byte = self.roll() as u8;
                self.insert(input, &[byte]);
            }
            6 => {
                if let Some(byte) = input.get_mut(from) {
                    *byte ^= 1 << self.below(8);
                }
            }
            _ => {
                let bytes = [0, 1, 0x7f, 0x80, 0xff, b'"', b'\\', b'%', b'0', b'9', b',', b'\n'];
                let byte = bytes[self.below(bytes.len() as u64) as usize];
                if let Some(place) = input.get_mut(from) {
                    *place = byte;
                }
            }
        }
    }

    fn insert(&mut self, input: &mut Vec<u8>, bytes: &[u8]) {
        let at = self.below(input.len() as u64 + 1) as usize;
        input.splice(at..at, bytes.iter().copied());
    }

    fn one_of_corpus(&mut self) -> Vec<u8> {
        let place = self.below(self.corpus.len() as u64) as usize;
        self.corpus[place].clone()
    }

    fn below(&mut self, end: u64) -> u64 {
        self.roll() % end
    }

    /// SplitMix64.
    fn roll(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
