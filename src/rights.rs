//! What keys may do: answers to what rules ask, prepared once for each set of rights.
//!
//! A set of rights is JSON in the table. To read it and to ask it costs far more than a request should, so
//! each question of the configuration is asked once of each set that a request comes with, and the answer is
//! kept, by the name of the set. Where the answer depends on the path of a request, what is kept is where the
//! privilege is held. The answers are those of the key service, because the code is the same.
//!
//! Answers also depend on what applications have registered. That is looked at once when the table may have
//! changed, and every answer is dropped when it has.
//!
//! Nothing is admitted by an answer that is not there: a set that is missing or cannot be read, privileges that
//! nobody knows, are [`Held::Unknown`], and a question that takes too much work is [`Held::TooCostly`].

mod told;

use std::cell::RefCell;
use std::rc::Rc;

use latchkey_budget::{Budget, BudgetExceeded};
use latchkey_key_feed::MonotonicMillis;
use latchkey_privileges::application_privilege::{ApplicationActions, RegisteredPrivileges};
use latchkey_privileges::permission::{
    EffectivePermission, IndexQuestion, NoAnswer, NotListed, PreparedResources,
};
use latchkey_privileges::rights::Rights;

use crate::limits::{
    PREPARED_ANSWER_LEN, PREPARED_LEN_MAX, PREPARED_LEN_OF_BYTE, PREPARED_SETS_MAX, RESOURCE_ALLOWANCE,
    RIGHTS_ALLOWANCE, TOLD_PRIVILEGES_LEN_MAX,
};
use crate::rules::{Captures, Held, Question, QuestionId, Resource, RightsOf, ToldPrivileges, Untold};
use crate::table::{Attachment, ContentId, KeyTable, RecordText, RegisteredView, TableRecord, Unreadable};

/// The answers that one VM keeps.
#[derive(Default)]
pub struct PreparedRights {
    kept: RefCell<Kept>,
}

/// Answers about the keys of a table, at one moment.
pub struct RightsInTable<'a, T> {
    /// What was prepared.
    pub prepared: &'a PreparedRights,
    /// The questions of all rules.
    pub questions: &'a [Question],
    /// The application whose privileges are told.
    pub told: Option<&'a str>,
    /// The applications that all this is about, in order.
    pub applications: &'a [String],
    /// Where rights are.
    pub table: &'a T,
    /// When it is.
    pub now: MonotonicMillis,
}

#[derive(Default)]
struct Kept {
    registered: Registered,
    /// In the order of their names.
    sets: Vec<(ContentId, Vec<(QuestionId, Answer)>)>,
    /// What the sets take in memory, about.
    len: usize,
    /// The set that was read last: the next question is often about it too.
    latest: Option<ReadSet>,
}

/// What applications have registered.
#[derive(Default)]
struct Registered {
    /// When the table was looked at.
    round: Option<u64>,
    /// Which privileges they are, in the order of the applications.
    contents: Vec<Content>,
    privileges: RegisteredPrivileges,
}

/// What is known of an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    /// It has never registered anything.
    Nothing,
    /// It has registered this.
    Known(ContentId),
    /// Nobody knows what it has registered.
    Unknown,
}

struct ReadSet {
    content: ContentId,
    permission: EffectivePermission,
    json_len: usize,
}

/// What a set of rights says to a question.
enum Answer {
    /// This, whatever the request.
    Always(Held),
    /// Yes, where the privilege is held on the resource that is meant.
    On(PreparedResources),
    /// What is told of privileges.
    Told(Result<Rc<str>, Untold>),
}

/// The place, behind those of all questions, where it is kept what is told of privileges.
const TOLD: QuestionId = QuestionId(usize::MAX);

impl<T: KeyTable> RightsOf<T::Record> for RightsInTable<'_, T> {
    fn holds(&self, record: &T::Record, question: QuestionId, captures: &Captures<'_>) -> Held {
        let content = record.text(|text| *text == RecordText::Rights).and_then(ContentId::read);
        let asked = self.questions.get(question.0);
        let (Some(content), Some(asked)) = (content, asked) else { return Held::Unknown };
        let mut kept = self.prepared.kept.borrow_mut();
        if kept.look_at_registered(self).is_err() {
            return Held::Unknown;
        }
        if let Some(answer) = kept.answer(content, question) {
            return answer.decide(asked, captures);
        }
        match kept.prepare(self, content, asked) {
            Some((answer, json_len)) => {
                let held = answer.decide(asked, captures);
                kept.keep(content, question, answer, json_len);
                held
            }
            None => Held::Unknown,
        }
    }

    fn told_privileges(&self, record: &T::Record) -> ToldPrivileges {
        let Some(application) = self.told else { return ToldPrivileges::NotAsked };
        let unknown = ToldPrivileges::Untold(Untold::Unknown);
        let content = record.text(|text| *text == RecordText::Rights).and_then(ContentId::read);
        let Some(content) = content else { return unknown };
        let mut kept = self.prepared.kept.borrow_mut();
        if kept.look_at_registered(self).is_err() {
            return unknown;
        }
        let told = match kept.answer(content, TOLD) {
            Some(Answer::Told(told)) => told.clone(),
            _ => match kept.prepare_told(self, content, application) {
                Some(told) => {
                    kept.keep(content, TOLD, Answer::Told(told.clone()), 0);
                    told
                }
                None => Err(Untold::Unknown),
            },
        };
        told.map_or_else(ToldPrivileges::Untold, ToldPrivileges::Told)
    }
}

impl Kept {
    /// Looks what applications have registered, if that may have changed. Drops every answer when it has.
    fn look_at_registered<T: KeyTable>(&mut self, of: &RightsInTable<'_, T>) -> Result<(), Unreadable> {
        let round = of.table.round();
        if self.registered.round == Some(round) {
            return Ok(());
        }
        self.registered.round = None;
        self.registered.contents.resize(of.applications.len(), Content::Nothing);
        let Registered { contents, privileges, .. } = &mut self.registered;
        let mut has_changed = false;
        for (application, content) in of.applications.iter().zip(contents) {
            let read = |payload: &[u8]| look(payload, *content);
            let found = of.table.attachment(&Attachment::Privileges(application), of.now, read)?;
            let (now, actions) = found.unwrap_or((Content::Nothing, None));
            if now != *content {
                *content = now;
                privileges.set(application, actions.unwrap_or_default());
                has_changed = true;
            }
        }
        if has_changed {
            self.drop_answers();
        }
        self.registered.round = Some(round);
        Ok(())
    }

    fn place(&self, content: ContentId) -> Result<usize, usize> {
        self.sets.binary_search_by(|(other, _)| other.as_bytes().cmp(content.as_bytes()))
    }

    fn answer(&self, content: ContentId, question: QuestionId) -> Option<&Answer> {
        let (_, answers) = self.sets.get(self.place(content).ok()?)?;
        let place = answers.binary_search_by_key(&question, |(asked, _)| *asked).ok()?;
        answers.get(place).map(|(_, answer)| answer)
    }

    /// Asks a set of rights, and says how long it is; `None` when it is not there or cannot be read.
    fn prepare<T: KeyTable>(
        &mut self,
        of: &RightsInTable<'_, T>,
        content: ContentId,
        question: &Question,
    ) -> Option<(Answer, usize)> {
        let Registered { privileges, .. } = &self.registered;
        let set = ReadSet::look_up(&mut self.latest, of, content)?;
        let mut budget = Budget::alone(RIGHTS_ALLOWANCE);
        let answer = match question {
            Question::Application { application, .. } if !self.registered.knows(of, application) => {
                Answer::Always(Held::Unknown)
            }
            Question::Application { application, privilege, resource } => set
                .permission
                .application_resources(application, privilege, privileges, &mut budget)
                .and_then(|resources| Answer::on(resources, resource, &mut budget))
                .unwrap_or(Answer::Always(Held::TooCostly)),
            Question::Cluster(name) => Answer::always(set.permission.has_cluster(name, &mut budget)),
            Question::Index { names, privileges } => {
                let (names, privileges) = (names.clone(), privileges.clone());
                let asked = IndexQuestion { names, privileges, allow_restricted_indices: false };
                Answer::always(set.permission.has_index(&asked, &mut budget))
            }
        };
        Some((answer, set.json_len))
    }

    /// What is told of the privileges of a set of rights; `None` when it is not there or cannot be read.
    fn prepare_told<T: KeyTable>(
        &mut self,
        of: &RightsInTable<'_, T>,
        content: ContentId,
        application: &str,
    ) -> Option<Result<Rc<str>, Untold>> {
        let set = ReadSet::look_up(&mut self.latest, of, content)?;
        if !self.registered.knows(of, application) {
            return Some(Err(Untold::Unknown));
        }
        let mut budget = Budget::alone(RIGHTS_ALLOWANCE);
        let registered = &self.registered.privileges;
        let held =
            set.permission.held_privileges(application, registered, TOLD_PRIVILEGES_LEN_MAX, &mut budget);
        Some(match held {
            Ok(held) => told::json(&held).ok_or(Untold::TooLong),
            Err(NotListed::TooCostly) => Err(Untold::TooCostly),
            Err(NotListed::TooLong) => Err(Untold::TooLong),
        })
    }

    /// Keeps an answer. When there is no room, all others go: that takes more sets of rights than are in use
    /// at once, or somebody who has many made.
    fn keep(&mut self, content: ContentId, question: QuestionId, answer: Answer, json_len: usize) {
        let len = PREPARED_ANSWER_LEN
            + match &answer {
                Answer::On(_) => PREPARED_LEN_OF_BYTE * json_len,
                Answer::Told(Ok(told)) => told.len(),
                Answer::Always(_) | Answer::Told(Err(_)) => 0,
            };
        let is_full = self.sets.len() >= PREPARED_SETS_MAX && self.place(content).is_err();
        if is_full || self.len.saturating_add(len) > PREPARED_LEN_MAX {
            self.drop_answers();
        }
        self.len += len;
        match self.place(content) {
            Err(place) => self.sets.insert(place, (content, vec![(question, answer)])),
            Ok(place) => {
                let Some((_, answers)) = self.sets.get_mut(place) else { return };
                if let Err(place) = answers.binary_search_by_key(&question, |(asked, _)| *asked) {
                    answers.insert(place, (question, answer));
                }
            }
        }
    }

    fn drop_answers(&mut self) {
        self.sets.clear();
        self.len = 0;
    }
}

impl Registered {
    /// Whether it is known what that application has registered, be it nothing.
    fn knows<T>(&self, of: &RightsInTable<'_, T>, application: &str) -> bool {
        let place = of.applications.binary_search_by(|other| other.as_str().cmp(application));
        let content = place.ok().and_then(|place| self.contents.get(place));
        content.is_some_and(|content| *content != Content::Unknown)
    }
}

impl ReadSet {
    /// The set that was read last, or that one, read.
    fn look_up<'k, T: KeyTable>(
        latest: &'k mut Option<Self>,
        of: &RightsInTable<'_, T>,
        content: ContentId,
    ) -> Option<&'k Self> {
        if latest.as_ref().is_none_or(|set| set.content != content) {
            *latest = Some(Self::read(of, content)?);
        }
        latest.as_ref()
    }

    fn read<T: KeyTable>(of: &RightsInTable<'_, T>, content: ContentId) -> Option<Self> {
        let read = |json: &[u8]| {
            let rights = Rights::of_json(json).ok()?;
            Some(Self { content, permission: rights.permission(), json_len: json.len() })
        };
        of.table.attachment(&Attachment::Rights(content), of.now, read).ok()??
    }
}

impl Answer {
    fn always(answer: Result<bool, NoAnswer>) -> Self {
        Self::Always(match answer {
            Ok(is_held) => held(is_held),
            Err(NoAnswer::BudgetExceeded(_)) => Held::TooCostly,
            Err(NoAnswer::Unknown(_)) => Held::Unknown,
        })
    }

    /// Where a privilege is held, or whether it is held on the one resource that is ever meant.
    fn on(
        resources: PreparedResources,
        resource: &Resource,
        budget: &mut Budget,
    ) -> Result<Self, BudgetExceeded> {
        if resource.names().next().is_some() {
            return Ok(Self::On(resources));
        }
        match resource.with(&Captures::default()) {
            Some(only) => Ok(Self::Always(held(resources.contains(&only, budget)?))),
            None => Ok(Self::Always(Held::Unknown)),
        }
    }

    fn decide(&self, question: &Question, captures: &Captures<'_>) -> Held {
        match (self, question) {
            (Self::Always(held), _) => *held,
            (Self::On(resources), Question::Application { resource, .. }) => {
                let Some(meant) = resource.with(captures) else { return Held::Unknown };
                match resources.contains(&meant, &mut Budget::alone(RESOURCE_ALLOWANCE)) {
                    Ok(contained) => held(contained),
                    Err(_) => Held::TooCostly,
                }
            }
            (Self::On(_) | Self::Told(_), _) => Held::Unknown,
        }
    }
}

/// What an application has registered, where that is not what is known.
fn look(payload: &[u8], known: Content) -> (Content, Option<ApplicationActions>) {
    match RegisteredView::read(payload) {
        Some(RegisteredView { content: Some(content), json }) => match Content::Known(content) {
            same if same == known => (same, None),
            other => match ApplicationActions::of_json(json) {
                Ok(actions) => (other, Some(actions)),
                Err(_) => (Content::Unknown, None),
            },
        },
        Some(RegisteredView { content: None, .. }) | None => (Content::Unknown, None),
    }
}

fn held(is_held: bool) -> Held {
    if is_held { Held::Yes } else { Held::No }
}

#[cfg(test)]
mod tests;
