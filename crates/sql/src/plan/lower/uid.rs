//! Lasting names of operators: a hash of what gives their state meaning, never a position in the plan.

use std::collections::HashMap;

use flott_api::ids::OperatorUid;
use flott_graph::{JobGraph, NodeId, Role};

/// The names that were given.
#[derive(Default)]
pub(super) struct Uids {
    /// How often each hash came: equal operators are numbered.
    given: HashMap<u128, u32>,
    /// What a node's state is made of: its own name if it has state, else that of what it reads.
    lineage: HashMap<NodeId, Vec<String>>,
}

impl Uids {
    /// The name of a node.
    pub(super) fn name(&mut self, graph: &JobGraph, id: NodeId, meaning: &str, reads: &[NodeId]) -> OperatorUid {
        let node = graph.node(id);
        let mut sources: Vec<String> = reads.iter().filter_map(|r| self.lineage.get(r)).flatten().cloned().collect();
        sources.sort_unstable();
        sources.dedup();
        let kind = match &node.role {
            Role::Source(_) => "source",
            Role::Operator { kind, .. } => kind,
            Role::Sink(_) => "sink",
        };
        let mut text = format!("{kind}\n{meaning}\n");
        for source in &sources {
            text.push_str(source);
            text.push('\n');
        }
        let hash = fnv1a(text.as_bytes());
        let count = self.given.entry(hash).or_insert(0);
        *count += 1;
        let mut uid = format!("{hash:032x}");
        if *count > 1 {
            uid.push_str(&format!("-{count}"));
        }
        let keeps_state = node.stateful || matches!(node.role, Role::Source(_));
        self.lineage.insert(id, if keeps_state { vec![uid.clone()] } else { sources });
        OperatorUid(uid)
    }
}

/// FNV-1a of 128 bits: the same on every machine, for ever.
fn fnv1a(bytes: &[u8]) -> u128 {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    bytes.iter().fold(OFFSET, |hash, byte| (hash ^ u128::from(*byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::fnv1a;

    #[test]
    fn the_hash_is_the_published_one() {
        // Test vectors of the authors of FNV.
        assert_eq!(fnv1a(b""), 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);
        assert_eq!(fnv1a(b"a"), 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964);
    }
}
