//! What makes watermarks stays in the task of its source where it needs to know the source's splits: it has the source's
//! parallelism, whatever that of the job is. Such a source is read for one watermark alone, so that
//! nothing comes between the two; two queries read it twice if they compute it in two ways.

use flott_api::{Error, Result};
use flott_graph::WatermarkAlignment;

use super::is_volatile;
use crate::catalog::table::ALIGNMENT_GROUP;
use crate::plan::rel::Scan;
use crate::plan::stream::{Node, Op};

/// A watermark that is made in the task of its source.
#[derive(Debug)]
pub(super) struct AtSource {
    /// Whom the source waits for.
    pub(super) alignment: Option<WatermarkAlignment>,
    /// What tells its source from others that read the same; nothing if none is the same.
    apart: Option<String>,
}

impl AtSource {
    /// Of a watermark that needs to know its source's splits; nothing of other nodes.
    ///
    /// # Errors
    /// If the source is to wait for others and cannot.
    pub(super) fn of(node: &Node) -> Result<Option<Self>> {
        let Op::Watermark(watermark) = &node.op else { return Ok(None) };
        let apart = || (!has_volatile(node)).then(|| format!("{node:?}"));
        let Some(alignment) = &watermark.options.alignment else {
            return Ok(watermark.per_split.then(|| AtSource { alignment: None, apart: apart() }));
        };
        let refused = |path: &dyn std::fmt::Display, why: &str| {
            Err(Error::unsupported(format!("option '{ALIGNMENT_GROUP}' of table '{path}'")).with_detail(why))
        };
        match source_of(node) {
            Ok(scan) if scan.description.dead_letters.is_some() => {
                refused(&scan.path, "Its records that cannot be read go to another table.")
            }
            Ok(_) => Ok(Some(AtSource { alignment: Some(alignment.clone()), apart: apart() })),
            Err(Some(scan)) => refused(
                &scan.path,
                "It gives updates without what was before, which is found by key before there is time.",
            ),
            Err(None) => Err(Error::internal("a watermark without a table")),
        }
    }

    /// What a fingerprint has of it; nothing if nothing may be shared.
    pub(super) fn apart(&self) -> Option<&str> {
        self.apart.as_deref()
    }
}

/// The table whose rows come to a node with nothing but projections and filters between, or one whose rows come otherwise.
fn source_of(node: &Node) -> std::result::Result<&Scan, Option<&Scan>> {
    match (&node.op, node.inputs.as_slice()) {
        (Op::Source(scan), _) => Ok(scan),
        (Op::Watermark(_) | Op::Calc(_) | Op::PythonCalc(_), [input]) => source_of(input),
        (_, [input, ..]) => Err(match source_of(input) {
            Ok(scan) => Some(scan),
            Err(scan) => scan,
        }),
        (_, []) => Err(None),
    }
}

fn has_volatile(node: &Node) -> bool {
    is_volatile(node) || node.inputs.iter().any(has_volatile)
}
