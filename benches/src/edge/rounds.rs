//! Rounds that visit every contender, each round in another order.
//!
//! A machine is faster at one moment than at another, and a shared one changes within a second. Who is compared is therefore
//! measured in turn, shortly and many times; numbers of the same round are compared with each other, and the median of
//! all rounds is what is told.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use latchkey_local_stack::envoy::{EnvoyAdmin, EnvoyProcess};

use crate::accounting::cpu_time;
use crate::calm::Calm;
use crate::load::{Load, LoadResult};

/// Connections that keep one worker busy all the time.
pub const BUSY_CONNECTIONS: u32 = 16;

/// How long a visit lasts: some ten thousand requests, and short against the moods of a shared machine.
const STAY: Duration = Duration::from_millis(250);

/// Who is visited: a listener of one Envoy, with what is sent to it.
#[derive(Clone, Debug)]
pub struct Stop {
    /// The name of the listener.
    pub listener: String,
    /// What is sent.
    pub load: Load,
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

/// How often to visit each stop.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How often each stop is visited.
    pub rounds: usize,
    /// Whether latency is measured too, on a single connection.
    pub with_latency: bool,
}

/// Visits all stops in rounds; the result is in the order of `stops`.
///
/// # Errors
///
/// When a request gets no answer, or one with another status than it must have.
pub fn measure(envoy: &EnvoyProcess, stops: &[Stop], pace: Pace, calm: &mut Calm) -> Result<Vec<Visits>> {
    let mut visits = vec![Visits::default(); stops.len()];
    for round in 0..pace.rounds {
        for index in order(stops.len(), round) {
            let (Some(stop), Some(visits)) = (stops.get(index), visits.get_mut(index)) else { continue };
            visit(envoy, stop, pace, round, calm, visits)
                .with_context(|| format!("{} in round {}", stop.listener, round + 1))?;
        }
    }
    Ok(visits)
}

/// All indexes once: every round begins one later, and every other one goes backwards, so that nobody always follows the same.
fn order(count: usize, round: usize) -> Vec<usize> {
    let mut order: Vec<_> = (0..count).map(|step| (step + round) % count).collect();
    if round % 2 == 1 {
        order.reverse();
    }
    order
}

fn visit(
    envoy: &EnvoyProcess,
    stop: &Stop,
    pace: Pace,
    round: usize,
    calm: &mut Calm,
    visits: &mut Visits,
) -> Result<()> {
    // The same requests for everyone, others in every round.
    let busy = Load { seed: round as u32 + 1, ..stop.load.clone() };
    let visit = calm.visit(|| busy_visit(envoy, stop, &busy))?;
    visits.cpu_us.push(visit.cpu_us);
    visits.behind_cpu_us.push(visit.behind_cpu_us);
    visits.rate.push(visit.rate);
    if pace.with_latency {
        let single = calm.visit(|| Load { connections: 1, ..busy.clone() }.run(STAY))?;
        expect_statuses(&single, stop.status)?;
        visits.p50_us.push(single.p50_us);
        visits.p99_us.push(single.p99_us);
    }
    Ok(())
}

/// What one busy visit found, as [`Visits`] has it.
struct BusyVisit {
    cpu_us: f64,
    behind_cpu_us: f64,
    rate: f64,
}

fn busy_visit(envoy: &EnvoyProcess, stop: &Stop, busy: &Load) -> Result<BusyVisit> {
    let before = Accounts::of(envoy, stop)?;
    let result = busy.run(STAY)?;
    let after = Accounts::of(envoy, stop)?;
    let answered = before.answers.until(&after.answers, stop.status)?;
    // Wrk leaves while the last request of each connection is on its way.
    let on_their_way = u64::from(busy.connections);
    ensure!(
        answered >= result.requests && answered <= result.requests + on_their_way,
        "Envoy gave {answered} answers, wrk got {}",
        result.requests
    );
    expect_statuses(&result, stop.status)?;
    let requests = result.requests as f64;
    Ok(BusyVisit {
        cpu_us: (after.envoy_us - before.envoy_us) / requests,
        behind_cpu_us: (after.behind_us - before.behind_us) / requests,
        rate: result.rate(),
    })
}

/// Wrk tells apart only good statuses and bad ones.
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

/// The address of a listener.
///
/// # Errors
///
/// When there is no such listener.
pub fn address(envoy: &EnvoyProcess, listener: &str) -> Result<SocketAddr> {
    envoy.admin().listener(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_round_visits_everyone_in_another_order() {
        assert_eq!(order(4, 0), [0, 1, 2, 3]);
        assert_eq!(order(4, 1), [0, 3, 2, 1]);
        assert_eq!(order(4, 2), [2, 3, 0, 1]);
        for round in 0..7 {
            let mut order = order(5, round);
            order.sort_unstable();
            assert_eq!(order, [0, 1, 2, 3, 4]);
        }
    }

    #[test]
    fn an_answer_with_another_status_ends_the_measurement() {
        let before = Answers([0, 0, 10, 0, 3, 0]);
        assert_eq!(before.until(&Answers([0, 0, 15, 0, 3, 0]), 200).unwrap(), 5);
        assert_eq!(before.until(&Answers([0, 0, 10, 0, 9, 0]), 401).unwrap(), 6);
        assert!(before.until(&Answers([0, 0, 15, 0, 4, 0]), 200).is_err());
    }
}
