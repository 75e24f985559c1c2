//! What happens in a run, step by step. A target is a number that picks one of what there is at that moment,
//! so a schedule still means something when steps of it are left out.

use latchkey_filter::limits::LEASE_MS;

use crate::dice::Dice;
use crate::setting::{ClockFault, ConfigKind, Setting};

/// One step.
#[derive(Clone, Debug)]
pub struct Step {
    /// What happens.
    pub act: Act,
    /// What happens in the middle of it: before the call of shared data of that number, something else.
    pub meanwhile: Vec<(u16, Act)>,
}

/// Something that happens.
#[derive(Clone, Copy, Debug)]
pub enum Act {
    /// So many milliseconds pass everywhere.
    Pass(u64),
    /// Time passes, and everything that is due happens.
    Round(u64),
    /// Somebody sets the wall clock of a machine, by so many milliseconds.
    SetWall(u16, i64),
    /// A machine sleeps.
    Sleep(u16, u64),
    /// A plugin ticks.
    Tick(u16),
    /// A request comes to a plugin, with that key.
    Request(u16, u16),
    /// The VM of a plugin traps.
    Trap(u16),
    /// The VMs that have trapped begin anew.
    Revive,
    /// A process gets another configuration, in one of its `vm_id`s.
    Configure(u16, u16, ConfigKind),
    /// A plugin that was replaced ends.
    Drain(u16),
    /// Another process begins on a machine.
    Begin(u16),
    /// A process ends in peace, or at once.
    End(u16, Ending),
    /// The tables of a process are written to their files.
    Save(u16),
    /// The files of a machine are damaged.
    Damage(u16, Damage),
    /// A process is killed, and another begins on its machine.
    StartAnew(u16),
    /// A request for the feed arrives at a replica.
    Arrive(u16, u16),
    /// A request arrives, and a copy of it stays on its way.
    ArriveTwice(u16, u16),
    /// A replica answers the requests that wait there, if there is anything new.
    Wake(u16),
    /// The answer of a call arrives.
    Deliver(u16, Fate),
    /// A call ends without an answer.
    Lose(u16),
    /// A key is made or changed.
    Write(u16),
    /// A key is made or changed, and ends by itself after so many milliseconds.
    WriteExpiring(u16, u64),
    /// A key gets another secret, and the one that it has works for so many milliseconds more.
    Rotate(u16, u64),
    /// A key is invalidated.
    Invalidate(u16),
    /// The key with which the edge of a machine reads the feed is invalidated.
    EndEdgeKey(u16),
    /// That edge gets another key.
    RenewEdgeKey(u16),
    /// The service forgets removed keys.
    Purge,
    /// The store is copied.
    Backup,
    /// The store is restored from the copy, and gets another epoch. Says whether the replicas restart.
    Restore(bool),
    /// A replica restarts.
    Restart(u16),
    /// The last replica is of the same version as the others from now on.
    Upgrade,
    /// A replica does what it does regularly with what it knows of edges.
    Tidy(u16),
    /// A replica tells the others of edges, and hears of them.
    Exchange(u16),
    /// Somebody waits at a replica for edges to have the latest change.
    WaitForEdges(u16),
}

/// What becomes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrives.
    Whole,
    /// It arrives, and once more.
    Twice,
    /// It is cut off, after this part of 256.
    Cut(u8),
    /// It arrives as this status.
    Refused(u16),
}

/// What becomes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// A bit is another.
    Flipped(u16),
    /// It is cut off, after this part of 256.
    Cut(u8),
}

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Its plugins end first.
    Peaceful,
    /// It is killed.
    Killed,
}

/// Draws a schedule.
pub(crate) fn draw(dice: &mut Dice, setting: &Setting) -> Vec<Step> {
    (0..setting.steps).map(|_| draw_step(dice, setting)).collect()
}

fn draw_step(dice: &mut Dice, setting: &Setting) -> Step {
    let act = draw_act(dice, setting);
    let mut meanwhile = Vec::new();
    if dice.percent(setting.faults.interleaved) && dice.percent(40) {
        meanwhile = draw_usurper(dice);
    } else if dice.percent(setting.faults.interleaved) {
        let others = dice.pick(&[1, 1, 2, 4, 6]);
        let mut before = dice.below(25);
        for _ in 0..others {
            meanwhile.push((before as u16, draw_act(dice, setting)));
            before += dice.pick(&[0, 0, 1, 3]);
        }
    }
    Step { act, meanwhile }
}

/// What is stopped loses its lease, and another VM goes on in its place with what has changed since.
fn draw_usurper(dice: &mut Dice) -> Vec<(u16, Act)> {
    let before = dice.below(25) as u16;
    let mut acts: Vec<Act> = Vec::new();
    for _ in 0..dice.below(3) {
        acts.push(dice.pick(&[Act::Write, Act::Invalidate])(dice.which()));
    }
    acts.push(Act::Round(LEASE_MS + dice.below(500)));
    for _ in 0..dice.below(3) {
        acts.push(Act::Round(dice.pick(&[1, 100, 300])));
    }
    acts.into_iter().map(|act| (before, act)).collect()
}

fn draw_act(dice: &mut Dice, setting: &Setting) -> Act {
    let faults = setting.faults;
    let at = dice.below(100);
    let mut end = faults.network;
    if at < end {
        return draw_network(dice);
    }
    end += faults.edges;
    if at < end {
        return draw_edges(dice);
    }
    end += faults.service;
    if at < end {
        return draw_service(dice);
    }
    end += faults.time;
    if at < end {
        return draw_time(dice, setting.clocks);
    }
    end += faults.files;
    if at < end && setting.has_table_files {
        return draw_files(dice);
    }
    draw_usual(dice)
}

fn draw_usual(dice: &mut Dice) -> Act {
    match dice.below(100) {
        0..18 => Act::Tick(dice.which()),
        18..34 => Act::Arrive(dice.which(), dice.which()),
        34..52 => Act::Deliver(dice.which(), Fate::Whole),
        52..58 => Act::Write(dice.which()),
        58..60 => Act::WriteExpiring(dice.which(), dice.pick(&[1, 500, 3_000, 20_000])),
        60..63 => Act::Rotate(dice.which(), dice.pick(&[0, 500, 3_000, 20_000])),
        63..68 => Act::Invalidate(dice.which()),
        68..73 => Act::WaitForEdges(dice.which()),
        73..78 => Act::Request(dice.which(), dice.which()),
        78..82 => Act::Wake(dice.which()),
        82..86 => Act::Exchange(dice.which()),
        86..88 => Act::Tidy(dice.which()),
        88..91 => Act::Pass(dice.between(1, 300)),
        _ => Act::Round(dice.pick(&[1, 10, 100, 100, 1_000])),
    }
}

fn draw_network(dice: &mut Dice) -> Act {
    match dice.below(6) {
        0 => Act::Lose(dice.which()),
        1 => Act::ArriveTwice(dice.which(), dice.which()),
        2 => Act::Deliver(dice.which(), Fate::Twice),
        3 => Act::Deliver(dice.which(), Fate::Cut(dice.roll() as u8)),
        4 => Act::Deliver(dice.which(), Fate::Refused(dice.pick(&[401, 403, 500, 503, 504]))),
        _ => Act::Pass(dice.pick(&[500, 1_500, 4_000])),
    }
}

fn draw_edges(dice: &mut Dice) -> Act {
    match dice.below(8) {
        0 | 1 => Act::Trap(dice.which()),
        2 => Act::Revive,
        3 => Act::Configure(dice.which(), dice.which(), dice.pick(&ConfigKind::ALL)),
        4 => Act::Drain(dice.which()),
        5 => Act::Begin(dice.which()),
        6 => Act::End(dice.which(), Ending::Peaceful),
        _ => Act::End(dice.which(), Ending::Killed),
    }
}

fn draw_files(dice: &mut Dice) -> Act {
    match dice.below(10) {
        0..5 => Act::Save(dice.which()),
        5..8 => Act::StartAnew(dice.which()),
        8 => Act::Begin(dice.which()),
        _ if dice.percent(50) => Act::Damage(dice.which(), Damage::Flipped(dice.which())),
        _ => Act::Damage(dice.which(), Damage::Cut(dice.roll() as u8)),
    }
}

fn draw_service(dice: &mut Dice) -> Act {
    match dice.below(10) {
        0 | 1 => Act::Restart(dice.which()),
        8 => Act::EndEdgeKey(dice.which()),
        9 => Act::RenewEdgeKey(dice.which()),
        2 => Act::Purge,
        3 => Act::Backup,
        4 => Act::Restore(true),
        5 => Act::Restore(false),
        6 => Act::Upgrade,
        _ => Act::Tidy(dice.which()),
    }
}

fn draw_time(dice: &mut Dice, clocks: ClockFault) -> Act {
    if dice.percent(40) {
        match clocks {
            ClockFault::None => {}
            ClockFault::Set => {
                let by = dice.pick(&[-3_600_000, -20_000, -1_500, -600, 600, 1_500, 20_000, 3_600_000]);
                return Act::SetWall(dice.which(), by);
            }
            ClockFault::Sleep => return Act::Sleep(dice.which(), dice.pick(&[500, 5_000, 60_000])),
        }
    }
    match dice.below(4) {
        0 => Act::Pass(dice.between(1, 50)),
        1 => Act::Pass(dice.between(100, 3_500)),
        2 => Act::Round(dice.between(1_000, 12_000)),
        _ => Act::Pass(dice.between(3_000, 90_000)),
    }
}
