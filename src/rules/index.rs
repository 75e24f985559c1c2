//! Which rule is the first to match, without looking at all of them.
//!
//! Patterns are numbered in the order of the rules, and of the paths in a rule; the lowest number that
//! matches wins. They stand in a tree of literal segments, one tree for each host that some rule names and
//! one for rules without a host. A look-up walks down the tree of the request's host, those of the wildcards
//! that match it, and the common one. It meets the exact path and every prefix on the way; a template stands
//! where its first operator is, and is compared only by requests that come so far. So a look-up costs as much
//! as the path is long and as there are templates at its nodes, whatever other rules there are.

use std::borrow::Cow;

use super::Rule;
use super::host_pattern::HostPattern;
use super::path_pattern::PathPattern;
use super::request_line::{RequestLine, RequestPath};

/// The patterns of all rules.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    patterns: Vec<Numbered>,
    /// Sorted by host.
    hosts: Vec<(String, Tree)>,
    /// Sorted by the end of the host, which begins with a dot.
    wildcards: Vec<(String, Tree)>,
    any_host: Tree,
}

/// One pattern: the place of its rule, and its own among the rule's paths; `None` for a rule without paths.
#[derive(Clone, Debug)]
struct Numbered {
    rule: usize,
    path: Option<(usize, PathPattern)>,
}

/// The number of a pattern.
type Number = usize;

/// The patterns of one host. The first node is the root.
#[derive(Clone, Debug)]
struct Tree {
    nodes: Vec<Node>,
    /// Patterns of rules without paths.
    any_path: Vec<Number>,
}

/// A path of literal segments. Numbers ascend in each list.
#[derive(Clone, Debug, Default)]
struct Node {
    /// The next literal segments, sorted, and their nodes.
    children: Vec<(String, usize)>,
    /// Patterns of exactly this path.
    exact: Vec<Number>,
    /// Patterns of this path and everything below.
    and_below: Vec<Number>,
    /// Patterns that go on with an operator.
    templates: Vec<Number>,
}

/// The lowest number that matches so far.
struct Search<'s, 'p, F> {
    patterns: &'s [Numbered],
    path: Option<&'s RequestPath<'p>>,
    takes_method: F,
    best: Option<Number>,
}

impl Default for Tree {
    fn default() -> Self {
        Self { nodes: vec![Node::default()], any_path: Vec::new() }
    }
}

impl Index {
    pub(super) fn of(rules: &[Rule]) -> Self {
        let mut index = Self::default();
        for (place, rule) in rules.iter().enumerate() {
            let matcher = &rule.matcher;
            let paths = matcher.paths.iter().enumerate().map(|(path, pattern)| Some((path, pattern.clone())));
            let without = matcher.paths.is_empty().then_some(None);
            for path in paths.chain(without) {
                let number = index.patterns.len();
                let pattern = path.as_ref().map(|(_, pattern)| pattern);
                if matcher.hosts.is_empty() {
                    index.any_host.insert(number, pattern);
                }
                for host in &matcher.hosts {
                    let (trees, name) = match host {
                        HostPattern::Exact(name) => (&mut index.hosts, name),
                        HostPattern::Below(end) => (&mut index.wildcards, end),
                    };
                    if let Some(tree) = tree_of(trees, name) {
                        tree.insert(number, pattern);
                    }
                }
                index.patterns.push(Numbered { rule: place, path });
            }
        }
        index
    }

    /// The place of the first rule that matches, and of its path.
    pub(super) fn find(
        &self,
        line: &RequestLine<'_>,
        takes_method: impl Fn(usize) -> bool,
    ) -> Option<(usize, Option<usize>)> {
        let path = line.path.as_ref();
        let mut search = Search { patterns: &self.patterns, path, takes_method, best: None };
        if let Some(host) = &line.host {
            search.look_for(&self.hosts, host);
            for (dot, _) in host.match_indices('.').filter(|(dot, _)| *dot > 0) {
                search.look_for(&self.wildcards, host.get(dot..).unwrap_or_default());
            }
        }
        search.look_in(&self.any_host);
        let found = self.patterns.get(search.best?)?;
        Some((found.rule, found.path.as_ref().map(|(path, _)| *path)))
    }
}

impl Tree {
    fn insert(&mut self, number: Number, pattern: Option<&PathPattern>) {
        let Some(pattern) = pattern else { return push_once(&mut self.any_path, number) };
        let (mut place, mut literals) = (0, 0);
        for segment in pattern.literals() {
            place = self.child(place, segment);
            literals += 1;
        }
        let Some(node) = self.nodes.get_mut(place) else { return };
        let list = match (literals == pattern.segments.len(), pattern.and_below) {
            (true, false) => &mut node.exact,
            (true, true) => &mut node.and_below,
            (false, _) => &mut node.templates,
        };
        push_once(list, number);
    }

    /// The node of that segment below another, made where there is none.
    fn child(&mut self, place: usize, segment: &str) -> usize {
        let next = self.nodes.len();
        let Some(node) = self.nodes.get_mut(place) else { return place };
        match node.children.binary_search_by(|(other, _)| other.as_str().cmp(segment)) {
            Ok(found) => node.children.get(found).map_or(place, |(_, child)| *child),
            Err(free) => {
                node.children.insert(free, (segment.to_owned(), next));
                self.nodes.push(Node::default());
                next
            }
        }
    }
}

impl Node {
    fn child(&self, segment: &str) -> Option<usize> {
        let found = self.children.binary_search_by(|(other, _)| other.as_str().cmp(segment)).ok()?;
        self.children.get(found).map(|(_, child)| *child)
    }
}

impl<F: Fn(usize) -> bool> Search<'_, '_, F> {
    fn look_for(&mut self, trees: &[(String, Tree)], name: &str) {
        let found = trees.binary_search_by(|(other, _)| other.as_str().cmp(name)).ok();
        if let Some((_, tree)) = found.and_then(|found| trees.get(found)) {
            self.look_in(tree);
        }
    }

    fn look_in(&mut self, tree: &Tree) {
        self.take_first(&tree.any_path, |_| true);
        let Some(path) = self.path else { return };
        let mut segments = path.segments.iter().map(Cow::as_ref);
        let mut node = tree.nodes.first();
        while let Some(here) = node {
            self.take_first(&here.and_below, |_| true);
            self.take_first(&here.templates, |pattern| pattern.matches(path));
            let Some(segment) = segments.next() else {
                if !path.has_more {
                    self.take_first(&here.exact, |_| true);
                }
                return;
            };
            node = here.child(segment).and_then(|child| tree.nodes.get(child));
        }
    }

    /// Takes the first of these that matches, if it is lower than what was found before.
    fn take_first(&mut self, numbers: &[Number], matches: impl Fn(&PathPattern) -> bool) {
        for number in numbers.iter().take_while(|number| self.best.is_none_or(|best| **number < best)) {
            let Some(numbered) = self.patterns.get(*number) else { continue };
            let takes_path = numbered.path.as_ref().is_none_or(|(_, pattern)| matches(pattern));
            if takes_path && (self.takes_method)(numbered.rule) {
                self.best = Some(*number);
                return;
            }
        }
    }
}

/// The tree of that name, made where there is none; there always is one then.
fn tree_of<'t>(trees: &'t mut Vec<(String, Tree)>, name: &str) -> Option<&'t mut Tree> {
    let place = trees.binary_search_by(|(other, _)| other.as_str().cmp(name)).unwrap_or_else(|free| {
        trees.insert(free, (name.to_owned(), Tree::default()));
        free
    });
    trees.get_mut(place).map(|(_, tree)| tree)
}

/// A rule may name a host or a path twice.
fn push_once(numbers: &mut Vec<Number>, number: Number) {
    if numbers.last() != Some(&number) {
        numbers.push(number);
    }
}
