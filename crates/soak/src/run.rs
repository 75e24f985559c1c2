//! A run: the processes, the threads that ask and change, and what happens to them all meanwhile.

use std::thread;

use anyhow::{Context as _, Result, anyhow};
use latchkey_local_stack::upstream::Upstream;
use latchkey_local_stack::wait;

use crate::asking::Asker;
use crate::book::Book;
use crate::changing::{Changer, Task};
use crate::dice::Dice;
use crate::edge_process::{EdgeFigures, EdgeProcess, resident_len};
use crate::limits;
use crate::model::connection::Bounds;
use crate::model::edge::{Edge, PerEdge};
use crate::model::{Asked, Model};
use crate::pace::Pace;
use crate::plan::{Cut, Ending, Event, Plan};
use crate::report::{self, Figures};
use crate::residents::Residents;
use crate::service::{Service, ServicePlace};
use crate::telling::tell;

/// Threads that ask each edge.
const ASKERS_PER_EDGE: u32 = 2;

/// Threads that change keys.
const CHANGERS: u32 = 8;

/// Threads that change keys and wait for all edges to go by that.
const WAITERS: u32 = 2;

/// Keys of each of the latter.
const KEYS_OF_WAITER: usize = 8;

/// What is at work in a run.
struct Run<'a> {
    plan: &'a Plan,
    book: &'a Book,
    place: &'a ServicePlace,
    service: Service,
    edges: PerEdge<EdgeProcess>,
    residents: Residents,
}

/// Runs the plan. What it returns is wrong: nothing, if every promise held.
///
/// # Errors
///
/// When a part does not start, or ends by itself.
pub fn run(plan: &Plan, seed: u64) -> Result<Vec<String>> {
    let upstream = Upstream::start(([127, 0, 0, 1], 0).into())?;
    let service = Service::start()?;
    let feed_key = service.client().create_feed_key()?;
    let edge = |edge| {
        EdgeProcess::start(edge, plan, upstream.address(), service.address(), &feed_key.encoded)
            .with_context(|| format!("starting {}", Edge::name(edge)))
    };
    let edges = PerEdge::new(edge(Edge::Steady)?, edge(Edge::CutOff)?);
    let place = ServicePlace::of(&service)?;
    let book = Book::new(Model::new(Bounds {
        propagation: limits::PROPAGATION_BOUND,
        recovery: limits::RECOVERY_BOUND,
        refuse_after: plan.refuse_after,
        slack: limits::CLOCK_SLACK,
    }));
    report::introduce(plan, seed);
    let mut run = Run { plan, book: &book, place: &place, service, edges, residents: Residents::default() };
    run.work(&mut Dice::new(seed))
        .map_err(|error| anyhow!("{}\nthe run broke off: {error:#}", run.service.log()))?;
    run.settle()?;
    run.complaints()
}

impl Run<'_> {
    /// Lets all threads work while what is planned happens.
    fn work(&mut self, dice: &mut Dice) -> Result<()> {
        let (book, place, plan) = (self.book, self.place, self.plan);
        let mut own_dice = || Dice::new(u64::try_from(dice.below(usize::MAX)).unwrap_or(0));
        let addresses = Edge::ALL.map(|edge| (edge, self.edges.of(edge).address()));
        thread::scope(|scope| {
            for (edge, address) in addresses {
                for _ in 0..ASKERS_PER_EDGE {
                    let (asker, dice) = (Asker::new(book, edge, address), own_dice());
                    let pace = Pace::of(plan.requests_a_second, ASKERS_PER_EDGE * 2);
                    scope.spawn(move || asker.run(pace, dice));
                }
            }
            for number in 0..CHANGERS + WAITERS {
                let (task, pace) = task(plan, number);
                let changer = Changer::new(book, place, task, own_dice());
                scope.spawn(move || changer.run(pace));
            }
            let happened = self.let_happen();
            book.stop();
            happened
        })
    }

    fn let_happen(&mut self) -> Result<()> {
        for (at, event) in self.plan.events() {
            thread::sleep(at.saturating_sub(self.book.now()));
            self.happens(event).with_context(|| format!("{event:?} at {at:?}"))?;
        }
        thread::sleep(self.plan.length.saturating_sub(self.book.now()));
        self.await_all_tried();
        self.row()
    }

    /// A machine that is slow has not tried everything by then. What is not tried for long is a complaint at the end.
    fn await_all_tried(&self) {
        let tried = || self.book.open().counts.untried().is_empty();
        let _ =
            wait::patiently(limits::SETTLING_PATIENCE, "everything was tried", || Ok(tried().then_some(())));
    }

    fn happens(&mut self, event: Event) -> Result<()> {
        match event {
            Event::Restart(ending) => self.restart(ending),
            Event::Update(edge) => {
                self.book.open().counts.listener_updates += 1;
                self.edges.of_mut(edge).update_listener()
            }
            Event::Cut(cut) => {
                self.cut(cut);
                Ok(())
            }
            Event::Mend => {
                self.mend();
                Ok(())
            }
            Event::Sample => self.sample(),
            Event::Row => self.row(),
        }
    }

    fn restart(&mut self, ending: Ending) -> Result<()> {
        let (book, all) = (self.book, &Edge::ALL);
        let begins = book.now();
        book.open().connections(all, |connection| connection.begins(begins));
        self.service.end(ending)?;
        let is_cut = book.now();
        book.open().connections(all, |connection| connection.is_cut(is_cut));
        thread::sleep(self.plan.away);
        let mends = book.now();
        book.open().connections(all, |connection| connection.mends(mends));
        self.service.start_again()?;
        self.place.moves_to(&self.service)?;
        for edge in Edge::ALL {
            self.edges.of(edge).forwarder.leads_to(self.service.address());
        }
        let is_whole = book.now();
        let mut pages = book.open();
        pages.connections(all, |connection| connection.is_whole(is_whole));
        pages.counts.restarts += 1;
        Ok(())
    }

    fn cut(&self, cut: Cut) {
        let (book, forwarder) = (self.book, &self.edges.of(Edge::CutOff).forwarder);
        let begins = book.now();
        book.open().connections(&[Edge::CutOff], |connection| connection.begins(begins));
        forwarder.cut(cut);
        let is_cut = book.now();
        let mut pages = book.open();
        pages.connections(&[Edge::CutOff], |connection| connection.is_cut(is_cut));
        pages.counts.cuts += 1;
    }

    fn mend(&self) {
        let (book, forwarder) = (self.book, &self.edges.of(Edge::CutOff).forwarder);
        let mends = book.now();
        book.open().connections(&[Edge::CutOff], |connection| connection.mends(mends));
        forwarder.mend();
        let is_whole = book.now();
        book.open().connections(&[Edge::CutOff], |connection| connection.is_whole(is_whole));
    }

    fn sample(&mut self) -> Result<()> {
        for edge in Edge::ALL {
            let resident = resident_len(self.edges.of(edge).process_id()).context(edge.name())?;
            self.residents.sample(edge.name(), resident);
        }
        let resident = resident_len(self.service.process_id()).context("the key service")?;
        self.residents.sample("key-service", resident);
        Ok(())
    }

    fn row(&mut self) -> Result<()> {
        self.sample()?;
        let of = |edge: Edge| self.edges.of(edge).figures();
        let (steady, cut_off): (EdgeFigures, EdgeFigures) = (of(Edge::Steady)?, of(Edge::CutOff)?);
        let pages = self.book.open();
        let (counts, live) = (pages.counts, pages.deck.live_len());
        drop(pages);
        let figures = Figures {
            at: self.book.now(),
            counts,
            live,
            residents: self.residents.end_row(),
            edges: PerEdge::new(steady, cut_off),
            store_len: self.service.store_len(),
        };
        report::tell_row(&figures);
        for edge in Edge::ALL {
            let (keys, most) = (figures.edges.of(edge).table_keys, self.table_keys_max());
            if keys > most {
                let details = format!("that of {} has {keys} keys, more than {most}", edge.name());
                self.book.open().is_wrong("a table is too large", &details);
            }
        }
        Ok(())
    }

    fn table_keys_max(&self) -> u64 {
        let waiters = KEYS_OF_WAITER * usize::try_from(WAITERS).unwrap_or(0);
        let kept = u64::try_from(self.plan.keys + waiters).unwrap_or(u64::MAX);
        kept.saturating_mul(limits::TABLE_KEYS_FACTOR)
    }

    /// Waits until each edge answers by the latest state of every key that is asked about.
    fn settle(&mut self) -> Result<()> {
        for edge in Edge::ALL {
            let mut asker = Asker::new(self.book, edge, self.edges.of(edge).address());
            let mut left: Vec<_> = self.book.open().deck.all().collect();
            let asked = left.len();
            let settled =
                wait::patiently(limits::SETTLING_PATIENCE, "an edge agrees with the service", || {
                    left.retain(|drawn| {
                        let answer = asker.ask(drawn);
                        let now = self.book.now();
                        let asked = Asked { edge, shown: drawn.shown, sent: now, answered: now };
                        !self.book.open().model.is_latest(asked, &answer)
                    });
                    Ok(left.is_empty().then_some(()))
                });
            let name = edge.name();
            match settled {
                Ok(()) => tell(&format!(
                    "{name} answers by the latest state of all {asked} keys that are asked about"
                )),
                Err(error) => {
                    let details = format!("{name}, of {} keys: {error:#}", left.len());
                    self.book.open().is_wrong("an edge goes by an older state for good", &details);
                }
            }
        }
        Ok(())
    }

    /// All that was not as it must be.
    fn complaints(&self) -> Result<Vec<String>> {
        let mut complaints = Vec::new();
        for edge in Edge::ALL {
            let faults = self.edges.of(edge).faults()?;
            complaints.extend(faults.into_iter().map(|fault| format!("{}: {fault}", edge.name())));
        }
        let pages = self.book.open();
        let (counts, wrongs) = (pages.counts, pages.wrongs.clone());
        drop(pages);
        complaints.extend(wrongs.into_iter().map(|(what, count)| format!("wrong, {count} times: {what}")));
        complaints.extend(counts.untried().into_iter().map(|untried| format!("not tried: {untried}")));
        let growths = self.residents.growth(limits::WARM_UP_PART);
        complaints.extend(growths.into_iter().filter_map(report::tell_growth));
        report::tell_end(&counts);
        Ok(complaints)
    }
}

fn task(plan: &Plan, number: u32) -> (Task, Pace) {
    if number < CHANGERS {
        let keys = plan.keys / usize::try_from(CHANGERS).unwrap_or(1);
        (Task { number, keys, waits: None }, Pace::of(plan.changes_a_second, CHANGERS))
    } else {
        // Who waits for edges is slow enough by that; this is the pace while they are quick.
        (Task { number, keys: KEYS_OF_WAITER, waits: Some(plan.wait_for_edges) }, Pace::of(4, WAITERS))
    }
}
