//! Whether the machine is at its own speed just now.
//!
//! A shared machine is slower for seconds at a time, when neighbours work: the same instructions then take up to half as long
//! again, and are accounted for as processor time. So a fixed piece of work is timed on Envoy's core before and after each
//! visit; a visit between two slow ones is repeated, as long as the allowance of the run lasts.

use std::fs;
use std::hint::black_box;
use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use sha2::{Digest as _, Sha256};

/// Bytes that the fixed piece of work hashes: a few milliseconds.
const WORK_LEN: usize = 1 << 20;

/// How much longer than at its best the work may take in a calm moment. Neighbours cost it far more.
const CALM_FACTOR: f64 = 1.15;

/// How often the work is done at first, to learn how long it takes at best.
const LEARNING_ROUNDS: u32 = 100;

/// Watches the speed of Envoy's core.
#[derive(Debug)]
pub struct Calm {
    ask: Sender<()>,
    answers: Receiver<Duration>,
    best: Duration,
    allowance: Duration,
    visits: u32,
    slow_visits: u32,
}

impl Calm {
    /// Learns how fast the core is. Waiting for calm and repeating visits may take up to `allowance` in all.
    ///
    /// # Errors
    ///
    /// When no thread can be bound to the core.
    pub fn learn(allowance: Duration) -> Result<Self> {
        let (ask, asked) = channel();
        let (answer, answers) = channel();
        thread::spawn(move || work_when_asked(&asked, &answer));
        let mut calm = Self { ask, answers, best: Duration::MAX, allowance, visits: 0, slow_visits: 0 };
        ensure!(calm.speed()? > Duration::ZERO, "the clock stands still");
        for _ in 0..LEARNING_ROUNDS {
            calm.speed()?;
        }
        Ok(calm)
    }

    /// Does `visit` in a calm moment: as often as it takes, and when the allowance is used up, once.
    ///
    /// # Errors
    ///
    /// When `visit` fails.
    pub fn visit<T>(&mut self, mut visit: impl FnMut() -> Result<T>) -> Result<T> {
        self.visits += 1;
        loop {
            let began = Instant::now();
            while !self.is_now()? && began.elapsed() < self.allowance {}
            self.allowance = self.allowance.saturating_sub(began.elapsed());
            let visiting = Instant::now();
            let visited = visit()?;
            let was_calm = self.is_now()?;
            if was_calm || self.allowance.is_zero() {
                self.slow_visits += u32::from(!was_calm);
                return Ok(visited);
            }
            self.allowance = self.allowance.saturating_sub(visiting.elapsed());
        }
    }

    /// Which share of the visits had to be taken as they were, 0 to 1.
    #[must_use]
    pub fn slow_share(&self) -> f64 {
        f64::from(self.slow_visits) / f64::from(self.visits.max(1))
    }

    fn is_now(&mut self) -> Result<bool> {
        Ok(self.speed()?.as_secs_f64() <= self.best.as_secs_f64() * CALM_FACTOR)
    }

    fn speed(&mut self) -> Result<Duration> {
        self.ask.send(()).context("nobody is on Envoy's core")?;
        let took = self.answers.recv().context("no thread could be bound to Envoy's core")?;
        self.best = self.best.min(took);
        Ok(took)
    }
}

/// Binds its thread to the first core, and then times the work whenever it is asked to.
fn work_when_asked(asked: &Receiver<()>, answer: &Sender<Duration>) {
    if go_to_the_first_core().is_err() {
        return;
    }
    let bytes = vec![0_u8; WORK_LEN];
    for () in asked {
        let began = Instant::now();
        black_box(Sha256::digest(black_box(&bytes)));
        if answer.send(began.elapsed()).is_err() {
            return;
        }
    }
}

fn go_to_the_first_core() -> Result<()> {
    // The name of this thread for the system, as `<process>/task/<thread>`.
    let own = fs::read_link("/proc/thread-self")?;
    let thread = own.file_name().context("a thread without number")?;
    let set = Command::new("taskset").args(["--cpu-list", "--pid", "0"]).arg(thread).output()?;
    ensure!(set.status.success(), "taskset: {}", String::from_utf8_lossy(&set.stderr));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_allowance_every_visit_is_taken() {
        let mut calm = Calm::learn(Duration::ZERO).unwrap();
        let mut visits = 0;
        for _ in 0..3 {
            calm.visit(|| {
                visits += 1;
                Ok(())
            })
            .unwrap();
        }
        assert_eq!(visits, 3);
        assert!((0.0..=1.0).contains(&calm.slow_share()));
        assert!(calm.visit(|| -> Result<()> { anyhow::bail!("no answer") }).is_err());
    }
}
