//! `latchkey key invalidate`.
//!
//! Ids say outright which keys are meant. Every other choice may hit keys that nobody had in mind, and among
//! them the keys by which edges read the feed. So it is first told what a choice hits, and asked; and the
//! edges' own keys are spared.
//!
//! To spare some, the others are ended by their ids. A key that is made between the listing and the end is
//! then missed, which is found out by listing again and told. Where there is nobody to spare, the service is
//! given the choice itself, and misses none.

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use http::Method;
use serde_json::{Map, Value, json};

use crate::cli::CommandFailed;
use crate::cli::confirmation::confirmed;
use crate::cli::key::KEYS;
use crate::cli::key::edge_wait::{Before, EdgeWaitArguments, EdgesReached};
use crate::cli::key::hits::{Hits, names};
use crate::cli::report::{Report, counted, harmless, items};
use crate::cli::service_client::ServiceClient;
use crate::cli::service_refusal::taking;
use crate::clock::{Clock as _, SystemClock};

/// Most ids in one request: as text well below what a body may hold.
const IDS_AT_ONCE_MAX: usize = 5_000;

#[derive(Debug, Args)]
pub(super) struct InvalidateArguments {
    #[command(flatten)]
    keys: KeyChoice,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
    /// Only say what would be invalidated.
    #[arg(long)]
    dry_run: bool,
    /// Also keys that may do nothing but read the feed: the edges' own, without which an edge hears of no
    /// revocation any more.
    #[arg(long)]
    edges_too: bool,
    #[command(flatten)]
    edges: EdgeWaitArguments,
}

/// Which keys are meant.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(super) struct KeyChoice {
    /// Ids of keys.
    #[arg(conflicts_with_all = ["name", "username", "realm"], value_parser = NonEmptyStringValueParser::new())]
    pub(super) ids: Vec<String>,
    /// Keys of this name; * at its end stands for any text.
    #[arg(long, conflicts_with_all = ["username", "realm"])]
    pub(super) name: Option<String>,
    /// Keys of this user.
    #[arg(long, visible_alias = "owner", value_name = "USER", conflicts_with = "mine")]
    pub(super) username: Option<String>,
    /// Keys of the users of this realm.
    #[arg(long, conflicts_with = "mine")]
    pub(super) realm: Option<String>,
    /// Keys of whoever asks.
    #[arg(long)]
    pub(super) mine: bool,
}

/// What is to be done, and what not.
#[derive(Debug)]
struct Plan {
    /// Keys that are to end.
    targets: Hits,
    /// The edges' own keys, which are not.
    spared: Hits,
}

/// What the service has answered, to all requests together.
#[derive(Debug, Default)]
struct Ended {
    ids: Vec<String>,
    json: Map<String, Value>,
}

pub(super) fn invalidate(
    service: &ServiceClient,
    arguments: &InvalidateArguments,
    as_json: bool,
) -> Result<(), CommandFailed> {
    if arguments.keys.ids.is_empty() {
        invalidate_choice(service, arguments, as_json)
    } else {
        invalidate_named(service, arguments, as_json)
    }
}

/// Ends the keys with these ids: what is named outright is meant.
fn invalidate_named(
    service: &ServiceClient,
    arguments: &InvalidateArguments,
    as_json: bool,
) -> Result<(), CommandFailed> {
    let hits = Hits::named(service, &arguments.keys.ids);
    if arguments.dry_run {
        let plan = Plan { targets: hits?, spared: Hits::default() };
        plan.show(as_json)?;
        return missed(&arguments.keys.ids, &plan.targets.ids())
            .map_or(Ok(()), |it| Err(CommandFailed::new(it)));
    }
    // Whoever may end keys but not see them is not warned.
    if let Ok(hits) = hits {
        warn_of_edges(&hits);
    }
    let mut ended = Ended::default();
    ended.ask(service, &arguments.edges, &arguments.keys.body())?;
    let ids: Vec<&str> = ended.ids.iter().map(String::as_str).collect();
    let complaints = missed(&arguments.keys.ids, &ids).into_iter().collect();
    ended.finish("", complaints, as_json)
}

/// A complaint about what was named and is not among these.
fn missed(named: &[String], hit: &[&str]) -> Option<String> {
    let missed: Vec<&str> = named.iter().map(String::as_str).filter(|id| !hit.contains(id)).collect();
    let told = || {
        format!(
            "not invalidated, because there is no such key or it is invalid already: {}",
            missed.join(", ")
        )
    };
    (!missed.is_empty()).then(told)
}

fn invalidate_choice(
    service: &ServiceClient,
    arguments: &InvalidateArguments,
    as_json: bool,
) -> Result<(), CommandFailed> {
    let choice = &arguments.keys;
    let mut ended = Ended::default();
    let plan = match Plan::of(service, arguments) {
        Ok(plan) => plan,
        // Too many to be listed, or not to be seen. Everything is meant, and nobody wants to be asked.
        Err(_) if arguments.yes && arguments.edges_too && !arguments.dry_run => {
            ended.ask(service, &arguments.edges, &choice.body())?;
            return ended.finish_choice("", Vec::new(), as_json);
        }
        Err(failed) => return Err(failed),
    };
    if arguments.dry_run {
        return plan.show(as_json);
    }
    plan.confirm(arguments)?;
    if plan.spared.is_empty() {
        warn_of_edges(&plan.targets);
        ended.ask(service, &arguments.edges, &choice.body())?;
        return ended.finish_choice("", Vec::new(), as_json);
    }
    let ids = plan.targets.ids();
    let done = in_chunks(&ids, |ids, is_last| {
        // Whoever has applied the last change has applied all.
        let wait = if is_last { arguments.edges.clone() } else { EdgeWaitArguments::default() };
        ended.ask(service, &wait, &json!({ "ids": ids }))
    });
    // What was ended is told whatever comes then.
    let mut complaints = Vec::new();
    match done.and_then(|()| Hits::of(service, choice)) {
        Ok(hits) => complaints.extend(made_meanwhile(&hits.split().1)),
        Err(failed) if ended.ids.is_empty() => return Err(failed),
        Err(failed) => complaints.push(format!("whether that is all is not known, ask again: {failed}")),
    }
    let spared = format!("Spared the own keys of edges: {}.\n", names(plan.spared.iter()));
    ended.finish_choice(&spared, complaints, as_json)
}

/// Asks about ids, not too many at once, and says which time is the last. Ends with the first that fails.
fn in_chunks(
    ids: &[&str],
    mut ask: impl FnMut(&[&str], bool) -> Result<(), CommandFailed>,
) -> Result<(), CommandFailed> {
    let last = ids.len().div_ceil(IDS_AT_ONCE_MAX);
    ids.chunks(IDS_AT_ONCE_MAX).zip(1..).try_for_each(|(ids, number)| ask(ids, number == last))
}

fn made_meanwhile(since: &Hits) -> Option<String> {
    let told = || {
        format!(
            "{} made meanwhile and not invalidated, ask again: {}",
            counted(since.len()),
            names(since.iter())
        )
    };
    (!since.is_empty()).then(told)
}

fn warn_of_edges(hits: &Hits) {
    let edges = hits.edges();
    if !edges.is_empty() {
        tracing::warn!(
            "an edge that uses one of these keys hears of no later revocation: {}",
            names(edges.iter().copied())
        );
    }
}

impl Plan {
    fn of(service: &ServiceClient, arguments: &InvalidateArguments) -> Result<Self, CommandFailed> {
        let hits = Hits::of(service, &arguments.keys)
            .map_err(|failed| taking(failed, "the cluster privilege manage_api_key"))?;
        if arguments.edges_too {
            return Ok(Self { targets: hits, spared: Hits::default() });
        }
        let (spared, targets) = hits.split();
        Ok(Self { targets, spared })
    }

    /// What it comes to, on one line.
    fn told(&self) -> String {
        let mut told = counted(self.targets.len());
        let edges = self.targets.edges();
        if !edges.is_empty() {
            told.push_str(&format!(", among them the own keys of edges: {}", names(edges.iter().copied())));
        }
        if !self.spared.is_empty() {
            told.push_str(&format!(
                "; --edges-too for the own keys of edges as well: {}",
                names(self.spared.iter())
            ));
        }
        told
    }

    /// Asks, unless that was said before or one key is meant by its name.
    fn confirm(&self, arguments: &InvalidateArguments) -> Result<(), CommandFailed> {
        let is_one_name = arguments.keys.name.as_deref().is_some_and(|name| !name.contains('*'));
        if arguments.yes || self.targets.is_empty() || (is_one_name && self.targets.len() == 1) {
            return Ok(());
        }
        let told = self.told();
        match confirmed(&format!("Invalidate {told}, for ever?"))? {
            Some(true) => Ok(()),
            Some(false) => Err(CommandFailed::new("nothing was invalidated")),
            None => Err(CommandFailed::new(format!(
                "this would invalidate {told}: say --yes to do it, or --dry-run to see which"
            ))),
        }
    }

    /// Says what would be done, and does nothing.
    fn show(&self, as_json: bool) -> Result<(), CommandFailed> {
        let json = json!({
            "would_invalidate": self.targets.ids(),
            "would_spare": self.spared.ids(),
        });
        let mut text = format!("Would invalidate {}.\n", self.told());
        if !self.targets.is_empty() {
            text.push_str(&self.targets.table());
        }
        Report { text, json: json.to_string() }.print(as_json)
    }
}

impl Ended {
    fn ask(
        &mut self,
        service: &ServiceClient,
        wait: &EdgeWaitArguments,
        body: &Value,
    ) -> Result<(), CommandFailed> {
        let answer = service.ask(Method::DELETE, &wait.ask_in(KEYS), Some(body))?;
        let ids = items(&answer.json, "invalidated_api_keys").iter();
        self.ids.extend(ids.filter_map(Value::as_str).map(str::to_owned));
        if let Value::Object(fields) = answer.json {
            self.json.extend(fields);
        }
        Ok(())
    }

    /// Prints what was ended, and then fails if that is not all that was meant, or not every edge is known to
    /// have applied it.
    fn finish(self, more: &str, mut complaints: Vec<String>, as_json: bool) -> Result<(), CommandFailed> {
        let Self { ids, mut json } = self;
        let mut text = format!("Invalidated {}.\n", counted(ids.len()));
        for id in &ids {
            text.push_str(&format!("  {}\n", harmless(id)));
        }
        text.push_str(more);
        json.insert("invalidated_api_keys".to_owned(), json!(ids));
        json.entry("error_count").or_insert(json!(0));
        let json = Value::Object(json);
        let edges = EdgesReached::of(&json);
        text.extend(edges.as_ref().map(|edges| edges.told(Before::Admits, SystemClock.now())));
        Report { text, json: json.to_string() }.print(as_json)?;
        complaints.extend(edges.and_then(|edges| edges.require_all().err()).map(|failed| failed.to_string()));
        if complaints.is_empty() { Ok(()) } else { Err(CommandFailed::new(complaints.join("; "))) }
    }

    /// The same for a choice, which is meant to hit something. `spared` tells of the keys that were not to be
    /// hit.
    fn finish_choice(
        self,
        spared: &str,
        mut complaints: Vec<String>,
        as_json: bool,
    ) -> Result<(), CommandFailed> {
        if self.ids.is_empty() {
            complaints.push(match spared {
                "" => "nothing was invalidated, because this hits no key that is valid".to_owned(),
                _ => "nothing was invalidated, because this hits only the own keys of edges: --edges-too ends them"
                    .to_owned(),
            });
        }
        self.finish(spared, complaints, as_json)
    }
}

impl KeyChoice {
    /// The body of an invalidation.
    fn body(&self) -> Value {
        let mut body = Map::new();
        let mut add =
            |name: &str, value: Option<Value>| body.extend(value.map(|value| (name.to_owned(), value)));
        add("ids", (!self.ids.is_empty()).then(|| json!(self.ids)));
        add("name", self.name.as_ref().map(|name| json!(name)));
        add("username", self.username.as_ref().map(|name| json!(name)));
        add("realm_name", self.realm.as_ref().map(|name| json!(name)));
        add("owner", self.mine.then_some(Value::Bool(true)));
        Value::Object(body)
    }
}
