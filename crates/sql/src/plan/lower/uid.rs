//! Lasting names of operators: a hash of what gives their state meaning, never a position in the plan.
//!
//! | operator | its uid is made of |
//! |---|---|
//! | source | the table's full name, its connector, and the options that say where its data lies ([`LOCATION`]) |
//! | operator with state | its kind, its keys, its windows, and whom it reads |
//! | sink | the table's full name |
//! | other | its kind and whom it reads |
//!
//! *Whom it reads* are the nearest operators with state above, by uid, or the tables, by name: what lies between
//! (filters, projections, watermarks) may change. A key is what it is computed from ([`meaning`](super::meaning)), not
//! what it is called. Not in a uid: parallelism, TTL, filters, aliases, the sink, and the aggregates — those are compared
//! one by one when state is restored. So a second `INSERT`, another `COUNT`, another constant in a `WHERE` leave a uid as
//! it is; other `GROUP BY` columns or windows change it.
//!
//! A table that moves (another `path` or `topic`) is another source, which begins anew; what was computed of it keeps its
//! uid.
//!
//! Operators of one job with the same uid are told apart by the table that their rows go to first: the first one in the
//! script has the bare uid, the next ones have a hash of that table behind it, and a number if there are several. So
//! another `INSERT` behind the others changes no uid.
//! **Does not:** know which of two equal ones was first in an older script. Where an equal one is put in front of it,
//! state would change its owner.

use std::collections::{BTreeMap, HashMap, HashSet};

use flott_api::ids::OperatorUid;
use flott_api::options::Options;
use flott_graph::{JobGraph, NodeId, Role};

/// The options that say where a table's data lies; the others say how it is read.
const LOCATION: [&str; 11] = [
    "collection",
    "database",
    "database-name",
    "path",
    "queue",
    "schema-name",
    "stream",
    "table-name",
    "topic",
    "topic-pattern",
    "topics",
];

/// What a uid is made of, besides whom the operator reads.
#[derive(Clone, Debug, Default)]
pub(super) struct Naming {
    /// What gives its state meaning.
    pub(super) meaning: String,
    /// What tells it from others of the same meaning.
    pub(super) apart: String,
}

/// The names that were given.
#[derive(Default)]
pub(super) struct Uids {
    given: HashSet<String>,
    /// What a node's rows are made of: the node itself if it has state, the table if it reads one, else what it reads.
    lineage: HashMap<NodeId, Vec<String>>,
}

impl Uids {
    /// The name of a node.
    pub(super) fn name(&mut self, graph: &JobGraph, id: NodeId, naming: &Naming, reads: &[NodeId]) -> OperatorUid {
        let node = graph.node(id);
        let lineage = self.lineage_of(reads);
        let text = match &node.role {
            Role::Source(_) => format!("source\n{}\n", naming.meaning),
            Role::Operator { kind, .. } => format!("{kind}\n{}\n{}\n", naming.meaning, lineage.join("\n")),
            Role::Sink(_) => format!("sink\n{}\n", naming.meaning),
        };
        let apart = match &node.role {
            Role::Sink(_) => lineage.join("\n"),
            _ => naming.apart.clone(),
        };
        let uid = self.give(format!("{:032x}", fnv1a(text.as_bytes())), &apart);
        let passes_on = match &node.role {
            Role::Source(source) => vec![format!("table {}", source.table)],
            _ if node.stateful => vec![uid.clone()],
            _ => lineage,
        };
        self.lineage.insert(id, passes_on);
        OperatorUid(uid)
    }

    fn lineage_of(&self, reads: &[NodeId]) -> Vec<String> {
        let mut all: Vec<String> = reads.iter().filter_map(|r| self.lineage.get(r)).flatten().cloned().collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The bare name for the first one.
    fn give(&mut self, bare: String, apart: &str) -> String {
        if self.given.insert(bare.clone()) {
            return bare;
        }
        let named = format!("{bare}-{:08x}", fnv1a(apart.as_bytes()) as u32);
        let numbered = (2..).map(|n| format!("{named}-{n}"));
        let free = std::iter::once(named.clone()).chain(numbered).find(|name| !self.given.contains(name));
        let uid = free.expect("numbers do not end");
        self.given.insert(uid.clone());
        uid
    }
}

/// What gives the state of a source meaning.
pub(in crate::plan) fn of_source(table: &str, connector: &str, options: &Options) -> String {
    let location: BTreeMap<_, _> = LOCATION.iter().filter_map(|key| Some((*key, options.0.get(*key)?))).collect();
    format!("{table}\n{connector}\n{location:?}")
}

/// A text's hash as text.
pub(super) fn short(text: &str) -> String {
    format!("#{:032x}", fnv1a(text.as_bytes()))
}

/// FNV-1a of 128 bits: the same on every machine, for ever.
fn fnv1a(bytes: &[u8]) -> u128 {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    bytes.iter().fold(OFFSET, |hash, byte| (hash ^ u128::from(*byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_published_one() {
        // Test vectors of the authors of FNV.
        assert_eq!(fnv1a(b""), 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);
        assert_eq!(fnv1a(b"a"), 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964);
    }

    #[test]
    fn equal_names_are_told_apart() {
        let mut uids = Uids::default();
        let given = ["x", "y", "x", "y"].map(|apart| uids.give("u".to_owned(), apart));
        let mut again = Uids::default();
        assert_eq!(given[0], "u");
        assert_eq!(["x", "y"].map(|apart| again.give("u".to_owned(), apart)), [given[0].clone(), given[1].clone()]);
        assert_eq!(given[3], format!("{}-2", given[1]));
        assert_eq!(HashSet::from(given).len(), 4);
    }

    #[test]
    fn a_source_is_its_table_and_place() {
        let options =
            |pairs: &[(&str, &str)]| Options(pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect());
        let place = |pairs: &[(&str, &str)]| of_source("c.d.t", "filesystem", &options(pairs));
        assert_eq!(place(&[("path", "/a"), ("format", "csv")]), place(&[("path", "/a"), ("format", "json")]));
        assert_ne!(place(&[("path", "/a")]), place(&[("path", "/b")]));
    }
}
