//! Hints behind `SELECT`: which there are, and which tables of the same query they name.
//!
//! A table is named as it is in `FROM`: by its alias, or by its name with as many parts as it takes; a query or a view
//! like a table. What stands inside of those is another query with hints of its own. As in Flink, `STATE_TTL` is for
//! regular joins and groups, the others for joins, and in a query that has neither they mean nothing, whatever they
//! name; a name that fits no table where they do mean something is refused. The hints of batch mode (`BROADCAST` and its
//! like) are checked and change nothing in a stream.

use flott_api::{Error, Result};
use sqlparser::ast::Select;

use super::Binder;
use super::lookup::lookup_hint;
use crate::parser::ast::SqlOption;
use crate::parser::ast::view::{Hint, HintArgs, select_hints};
use crate::plan::rel::{LookupHints, StateTtl};
use crate::plan::scope::Scope;

/// A hint that stands behind `SELECT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    StateTtl,
    Lookup,
    /// One of those that name tables of joins in batch mode.
    Join,
    /// `MULTI_JOIN`: joins with such a table at a side may become one.
    MultiJoin,
}

/// A table that a hint names.
#[derive(Clone, Debug)]
struct Named {
    kind: Kind,
    /// The hint's name, for people.
    hint: String,
    /// The table's name as written.
    table: String,
    /// What `STATE_TTL` says of it.
    ttl: Option<StateTtl>,
    /// The hint, if it is `LOOKUP`: its options mean something only where there is something to look up.
    lookup: Option<Hint>,
    /// Whether there is such a table.
    found: bool,
}

/// The hints of one `SELECT`, and what they are for.
#[derive(Clone, Debug, Default)]
pub(super) struct BlockHints {
    named: Vec<Named>,
    has_joins: bool,
    has_lookups: bool,
    has_groups: bool,
}

impl Binder<'_> {
    /// Binds one `SELECT` under its own hints, and refuses names that no table has.
    pub(super) fn with_hints_of<T>(&self, select: &Select, bind: impl FnOnce() -> Result<T>) -> Result<T> {
        let hints = BlockHints::of(select)?;
        self.hints.borrow_mut().push(hints);
        let bound = bind();
        let hints = self.hints.borrow_mut().pop().unwrap_or_default();
        let bound = bound?;
        hints.check()?;
        Ok(bound)
    }

    /// How long the rows of each side of a regular join are kept.
    pub(super) fn ttl_of_sides(&self, left: &Scope, right: &Scope) -> [Option<StateTtl>; 2] {
        let mut all = self.hints.borrow_mut();
        let Some(hints) = all.last_mut() else { return [None, None] };
        hints.has_joins = true;
        [left, right].map(|side| hints.find(side, |_| true))
    }

    /// Whether a regular join may become one with others: `MULTI_JOIN` names a table that is a side of it.
    pub(super) fn is_multi_join(&self, left: &Scope, right: &Scope) -> bool {
        let all = self.hints.borrow();
        let mut named = all.last().into_iter().flat_map(|hints| &hints.named).filter(|n| n.kind == Kind::MultiJoin);
        named.any(|n| left.is_table(&n.table) || right.is_table(&n.table))
    }

    /// Notes the tables of a join with what a table was at a time: only `LOOKUP` is about it.
    pub(super) fn note_temporal_join(&self, left: &Scope, right: &Scope) {
        if let Some(hints) = self.hints.borrow_mut().last_mut() {
            for side in [left, right] {
                hints.find(side, |kind| kind == Kind::Lookup);
            }
        }
    }

    /// What the first hint says of a table that is looked up in.
    pub(super) fn lookup_hint_of(&self, table: &Scope) -> Result<LookupHints> {
        let mut all = self.hints.borrow_mut();
        let Some(hints) = all.last_mut() else { return Ok(LookupHints::default()) };
        hints.has_lookups = true;
        let mut first = None;
        for named in hints.named.iter_mut().filter(|n| n.kind == Kind::Lookup && table.is_table(&n.table)) {
            named.found = true;
            first = first.or_else(|| named.lookup.clone());
        }
        first.as_ref().map(lookup_hint).transpose().map(Option::unwrap_or_default)
    }

    /// How long the groups of these rows are kept.
    pub(super) fn ttl_of_groups(&self, rows: &Scope) -> Option<StateTtl> {
        let mut all = self.hints.borrow_mut();
        let hints = all.last_mut()?;
        hints.has_groups = true;
        hints.find(rows, |kind| kind == Kind::StateTtl)
    }
}

impl BlockHints {
    fn of(select: &Select) -> Result<Self> {
        let mut named = Vec::new();
        for hint in select_hints(select)? {
            named.extend(tables_of(&hint)?);
        }
        Ok(BlockHints { named, ..BlockHints::default() })
    }

    /// Notes that the one table of these columns is there; gives what the first `STATE_TTL` says of it.
    fn find(&mut self, table: &Scope, concerns: impl Fn(Kind) -> bool) -> Option<StateTtl> {
        let mut ttl = None;
        for named in self.named.iter_mut().filter(|n| concerns(n.kind) && table.is_table(&n.table)) {
            named.found = true;
            ttl = ttl.or_else(|| named.ttl.clone());
        }
        ttl
    }

    fn check(&self) -> Result<()> {
        let means_something = |n: &&Named| {
            let of_kind = match n.kind {
                Kind::StateTtl => self.has_groups,
                Kind::Lookup => self.has_lookups,
                Kind::Join | Kind::MultiJoin => false,
            };
            self.has_joins || of_kind
        };
        match self.named.iter().filter(means_something).find(|n| !n.found) {
            None => Ok(()),
            Some(Named { hint, table, .. }) => {
                Err(Error::invalid(format!("the hint {hint} names '{table}', which is no table of its query"))
                    .with_hint("Name a table or view as FROM does: by its alias, if it has one."))
            }
        }
    }
}

/// What a hint says of which tables.
fn tables_of(hint: &Hint) -> Result<Vec<Named>> {
    let name = hint.name.value.to_uppercase();
    match name.as_str() {
        "STATE_TTL" => state_ttl(hint),
        "LOOKUP" => lookup(hint),
        "BROADCAST" | "SHUFFLE_HASH" | "SHUFFLE_MERGE" | "NEST_LOOP" => joined(hint, &name, Kind::Join),
        "MULTI_JOIN" => joined(hint, &name, Kind::MultiJoin),
        "OPTIONS" => Err(Error::invalid("the hint OPTIONS stands behind SELECT")
            .with_hint("Write it behind the table: t /*+ OPTIONS('key' = 'value') */.")),
        _ => Err(Error::invalid(format!("there is no hint '{}'", hint.name.value)).with_hint(
            "Behind SELECT there are STATE_TTL, LOOKUP, BROADCAST, SHUFFLE_HASH, SHUFFLE_MERGE, NEST_LOOP and MULTI_JOIN.",
        )),
    }
}

/// `STATE_TTL('t' = '1d', ..)`: of a table that stands there twice the last counts.
fn state_ttl(hint: &Hint) -> Result<Vec<Named>> {
    let HintArgs::Options(options) = &hint.args else {
        return Err(
            Error::invalid("the hint STATE_TTL takes tables and times").with_hint("Write STATE_TTL('table' = '1d').")
        );
    };
    let named = |SqlOption { key, value }: &SqlOption| {
        let ttl = StateTtl::parse(&value.value).ok_or_else(|| {
            Error::invalid(format!("the hint STATE_TTL has the time '{}'", value.value))
                .with_detail("It takes a duration such as '1d', '12 h' or '0s'; a number alone is milliseconds.")
        })?;
        Ok(named(Kind::StateTtl, hint, (&key.value, Some(ttl))))
    };
    // Later ones first, so that the first one found is the last one written.
    options.iter().rev().map(named).collect()
}

/// `LOOKUP('table' = 't', ..)`
fn lookup(hint: &Hint) -> Result<Vec<Named>> {
    let table = match &hint.args {
        HintArgs::Options(options) => options.iter().rev().find(|o| o.key.value == "table"),
        HintArgs::None | HintArgs::Names(_) => None,
    };
    let table = table.ok_or_else(|| {
        Error::invalid("the hint LOOKUP has no option 'table'")
            .with_hint("Write LOOKUP('table' = 't', 'async' = 'true').")
    })?;
    Ok(vec![Named { lookup: Some(hint.clone()), ..named(Kind::Lookup, hint, (&table.value.value, None)) }])
}

/// `BROADCAST(t, ..)` and its like, and `MULTI_JOIN(t, ..)`.
fn joined(hint: &Hint, name: &str, kind: Kind) -> Result<Vec<Named>> {
    match &hint.args {
        HintArgs::Names(tables) if !tables.is_empty() => {
            Ok(tables.iter().map(|table| named(kind, hint, (&table.value, None))).collect())
        }
        _ => Err(Error::invalid(format!("the hint {name} takes tables"))
            .with_hint(format!("Write {name}(t) or {name}(t, u)."))),
    }
}

fn named(kind: Kind, hint: &Hint, (table, ttl): (&str, Option<StateTtl>)) -> Named {
    let name = hint.name.value.to_uppercase();
    Named { kind, hint: name, table: table.to_owned(), ttl, lookup: None, found: false }
}
