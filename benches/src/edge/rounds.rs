//! Rounds that visit every contender, each round in another order.
//!
//! A shared machine is slower for moments at a time, when neighbours work: the same instructions take up to
//! twice as long, and that is accounted for as processor time. It is never faster than it is. So a round is
//! several sweeps over all contenders, each visit short and each sweep in another order, and keeps of each
//! contender the least that a visit found. The rounds then have a median and a spread like any measurement.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use latchkey_local_stack::envoy::{EnvoyAdmin, EnvoyProcess};

use crate::accounting::cpu_time;
use crate::bench::Extent;
use crate::edge::traffic::Traffic;
use crate::load::LoadResult;

/// Connections that keep one worker busy all the time.
pub const BUSY_CONNECTIONS: u32 = 16;

/// How long a visit lasts: thousands of requests, and short against the moods of a shared machine.
const STAY: Duration = Duration::from_millis(150);

/// In how many sweeps of a round latency is measured too. It needs fewer, because half of the answers decide
/// it.
const SWEEPS_WITH_LATENCY: usize = 2;

/// Who is visited: a listener of one Envoy, with what is sent to it.
#[derive(Clone, Debug)]
pub struct Stop {
    /// The name of the listener.
    pub listener: String,
    /// What is sent.
    pub traffic: Traffic,
    /// The status that every answer must have.
    pub status: u16,
    /// Another process that works for it.
    pub behind: Option<u32>,
}

/// What was measured at one stop, an entry a round.
#[derive(Clone, Debug, Default)]
pub struct Visits {
    /// Processor time of Envoy for each request, in microseconds, while its worker is busy.
    pub cpu_us: Vec<f64>,
    /// The same of the process behind it.
    pub behind_cpu_us: Vec<f64>,
    /// Requests a second of one busy worker.
    pub rate: Vec<f64>,
    /// Median time of an answer on a single connection, in microseconds.
    pub p50_us: Vec<f64>,
    /// What 99 of 100 answers on a single connection do not exceed, in microseconds.
    pub p99_us: Vec<f64>,
}

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How many visits of a round each contender gets, of which the least disturbed one counts.
    pub sweeps: usize,
    /// How many rounds there are.
    pub rounds: usize,
    /// Whether latency is measured too, on a single connection.
    pub with_latency: bool,
}

impl Pace {
    /// So many full rounds, or the two short ones of a quick run.
    #[must_use]
    pub fn of(extent: Extent, rounds: usize) -> Self {
        Self { rounds: extent.choose(rounds, 2), sweeps: extent.choose(8, 3), with_latency: false }
    }
}

/// Visits all stops in rounds; the result is in the order of `stops`.
///
/// # Errors
///
/// When a request gets no answer, or one with another status than it must have.
pub fn measure(envoy: &EnvoyProcess, stops: &[Stop], pace: Pace) -> Result<Vec<Visits>> {
    let mut visits = vec![Visits::default(); stops.len()];
    for round in 0..pace.rounds {
        let mut least = vec![Visit::WORST; stops.len()];
        for sweep in 0..pace.sweeps {
            let with_latency = pace.with_latency && sweep < SWEEPS_WITH_LATENCY;
            let turn = round * pace.sweeps + sweep;
            for index in order(stops.len(), turn) {
                let (Some(stop), Some(least)) = (stops.get(index), least.get_mut(index)) else { continue };
                let visit = visit(envoy, stop, with_latency, turn)
                    .with_context(|| format!("{} in round {}", stop.listener, round + 1))?;
                *least = least.or_less_disturbed(visit);
            }
        }
        for (visits, least) in visits.iter_mut().zip(least) {
            visits.add(least);
        }
    }
    Ok(visits)
}

/// What one visit found, as [`Visits`] has it.
#[derive(Clone, Copy)]
struct Visit {
    cpu_us: f64,
    behind_cpu_us: f64,
    rate: f64,
    p50_us: f64,
    p99_us: f64,
}

impl Visit {
    /// What any visit improves on.
    const WORST: Self = Self {
        cpu_us: f64::INFINITY,
        behind_cpu_us: f64::INFINITY,
        rate: 0.0,
        p50_us: f64::INFINITY,
        p99_us: f64::INFINITY,
    };

    /// The better of both, number by number: what disturbs one need not disturb the other.
    fn or_less_disturbed(self, other: Self) -> Self {
        Self {
            cpu_us: self.cpu_us.min(other.cpu_us),
            behind_cpu_us: self.behind_cpu_us.min(other.behind_cpu_us),
            rate: self.rate.max(other.rate),
            p50_us: self.p50_us.min(other.p50_us),
            p99_us: self.p99_us.min(other.p99_us),
        }
    }
}

impl Visits {
    fn add(&mut self, visit: Visit) {
        self.cpu_us.push(visit.cpu_us);
        self.behind_cpu_us.push(visit.behind_cpu_us);
        self.rate.push(visit.rate);
        self.p50_us.push(visit.p50_us);
        self.p99_us.push(visit.p99_us);
    }
}

/// All indexes once: every turn begins elsewhere and takes another stride, so that nobody always follows the
/// same.
fn order(count: usize, turn: usize) -> Vec<usize> {
    let strides: Vec<_> = (1..count.max(2)).filter(|stride| common_divisor(*stride, count) == 1).collect();
    let stride = strides.get(turn % strides.len().max(1)).copied().unwrap_or(1);
    (0..count).map(|step| (turn + step * stride) % count).collect()
}

fn common_divisor(left: usize, right: usize) -> usize {
    if right == 0 { left } else { common_divisor(right, left % right) }
}

fn visit(envoy: &EnvoyProcess, stop: &Stop, with_latency: bool, turn: usize) -> Result<Visit> {
    // The same requests for everyone, others in every sweep.
    let busy = stop.traffic.clone().with_seed(turn as u32 + 1);
    let before = Accounts::of(envoy, stop)?;
    let result = busy.run(STAY)?;
    let after = Accounts::of(envoy, stop)?;
    let answered = before.answers.until(&after.answers, stop.status)?;
    // The load generator leaves while the last requests are on their way, and may not have counted the ones
    // before.
    let on_their_way = 2 * u64::from(busy.under_way());
    ensure!(
        answered >= result.requests && answered <= result.requests + on_their_way,
        "Envoy gave {answered} answers, the load generator got {}",
        result.requests
    );
    expect_statuses(&result, stop.status)?;
    let requests = result.requests as f64;
    let (mut p50_us, mut p99_us) = (f64::INFINITY, f64::INFINITY);
    if with_latency {
        let single = busy.one_at_a_time().run(STAY)?;
        expect_statuses(&single, stop.status)?;
        (p50_us, p99_us) = (single.p50_us, single.p99_us);
    }
    Ok(Visit {
        cpu_us: (after.envoy_us - before.envoy_us) / requests,
        behind_cpu_us: (after.behind_us - before.behind_us) / requests,
        rate: result.rate(),
        p50_us,
        p99_us,
    })
}

/// Load generators tell apart only good statuses and bad ones.
fn expect_statuses(result: &LoadResult, status: u16) -> Result<()> {
    let errors_expected = if status >= 400 { result.requests } else { 0 };
    ensure!(
        result.error_statuses == errors_expected,
        "{} of {} answers were errors",
        result.error_statuses,
        result.requests
    );
    Ok(())
}

/// What the system and Envoy have counted so far.
struct Accounts {
    envoy_us: f64,
    behind_us: f64,
    answers: Answers,
}

impl Accounts {
    fn of(envoy: &EnvoyProcess, stop: &Stop) -> Result<Self> {
        let answers = Answers::of(envoy.admin(), &stop.listener)?;
        let behind_us = stop.behind.map(cpu_time).transpose()?.unwrap_or_default().as_secs_f64() * 1e6;
        Ok(Self { envoy_us: cpu_time(envoy.id())?.as_secs_f64() * 1e6, behind_us, answers })
    }
}

/// How many answers a listener gave, by the first digit of their status.
struct Answers([u64; 6]);

impl Answers {
    fn of(admin: EnvoyAdmin, listener: &str) -> Result<Self> {
        let stats = admin.stats(&format!("^http\\.{listener}\\.downstream_rq_[1-5]xx$"))?;
        let mut answers = [0; 6];
        for (class, count) in answers.iter_mut().enumerate() {
            *count = stats.get(&format!("http.{listener}.downstream_rq_{class}xx")).copied().unwrap_or(0);
        }
        Ok(Self(answers))
    }

    /// How many there were until `after`: all of the class of `status`, or it is an error.
    fn until(&self, after: &Self, status: u16) -> Result<u64> {
        let mut wanted = 0;
        for (class, (before, after)) in self.0.iter().zip(after.0).enumerate() {
            let count = after - before;
            if class == usize::from(status / 100) {
                wanted = count;
            } else if count > 0 {
                bail!("{count} answers had a status of {class}xx instead of {status}");
            }
        }
        Ok(wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_round_visits_everyone_in_another_order() {
        assert_eq!(order(4, 0), [0, 1, 2, 3]);
        assert_eq!(order(4, 1), [1, 0, 3, 2]);
        assert_eq!(order(4, 2), [2, 3, 0, 1]);
        assert_eq!((order(1, 3), order(2, 1), order(0, 1)), (vec![0], vec![1, 0], vec![]));
        for round in 0..7 {
            let mut order = order(5, round);
            order.sort_unstable();
            assert_eq!(order, [0, 1, 2, 3, 4]);
        }
    }

    #[test]
    fn a_disturbed_visit_does_not_count() {
        let calm = Visit { cpu_us: 20.0, behind_cpu_us: 5.0, rate: 40_000.0, p50_us: 60.0, p99_us: 90.0 };
        let disturbed = Visit { cpu_us: 31.0, behind_cpu_us: 4.0, rate: 30_000.0, ..calm };
        let kept = Visit::WORST.or_less_disturbed(disturbed).or_less_disturbed(calm);
        assert_eq!((kept.cpu_us, kept.behind_cpu_us, kept.rate), (20.0, 4.0, 40_000.0));
    }

    #[test]
    fn an_answer_with_another_status_ends_the_measurement() {
        let before = Answers([0, 0, 10, 0, 3, 0]);
        assert_eq!(before.until(&Answers([0, 0, 15, 0, 3, 0]), 200).unwrap(), 5);
        assert_eq!(before.until(&Answers([0, 0, 10, 0, 9, 0]), 401).unwrap(), 6);
        assert!(before.until(&Answers([0, 0, 15, 0, 4, 0]), 200).is_err());
    }
}
