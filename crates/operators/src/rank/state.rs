//! What a ranking remembers of a partition.

use arrow_array::{Array, Int64Array, RecordBatch};
use arrow_schema::SchemaRef;
use flott_api::state::StatePart;
use flott_api::{Error, Result};
use flott_graph::spec::RankSpec;
use flott_state::canonical::Canonical;
use flott_state::codec::{damaged, put_short, take_short};
use flott_state::hot::{GroupEntries, SortedRows, Values, take_part};
use flott_state::key::KeyOrder;
use flott_state::row;

/// Which parts an entry has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Remembered {
    /// The rows, or else how many there were.
    pub(super) rows: bool,
    /// The number of rows that come out.
    pub(super) end: bool,
}

/// The parts as the state's descriptor names them: other rows or another order are another state.
pub(super) fn parts(spec: &RankSpec, remembered: Remembered) -> Vec<StatePart> {
    let part = |name: String, ty: String| StatePart { name, ty };
    let mut parts = vec![match remembered.rows {
        true => part(format!("rows-{}", row::VERSION), ordered_rows(spec)),
        false => part("seen".to_owned(), "count".to_owned()),
    }];
    if remembered.end {
        parts.push(part("end".to_owned(), "count".to_owned()));
    }
    parts
}

fn ordered_rows(spec: &RankSpec) -> String {
    let fields: Vec<String> = spec.input.fields.iter().map(|f| format!("{} {}", f.name, f.ty.kind)).collect();
    format!("ROW<{}> {}", fields.join(", "), crate::sorting::shown(&spec.order, &spec.input))
}

/// The entries of a ranking.
pub(super) struct RankRows {
    pub(super) rows: SortedRows,
    /// How many rows came, if the rows are not remembered.
    pub(super) seen: Vec<u64>,
    /// One more than the number of rows that come out, if that is a column; 0 before the first row.
    ends: Vec<u64>,
    remembered: Remembered,
    /// The number of rows as the batch has it.
    batch_ends: Option<Int64Array>,
}

impl RankRows {
    pub(super) fn new(
        schema: SchemaRef,
        order: Vec<(usize, KeyOrder)>,
        names: Vec<usize>,
        remembered: Remembered,
    ) -> Result<Self> {
        let rows = SortedRows::named(schema, order, names)?;
        Ok(RankRows { rows, seen: Vec::new(), ends: Vec::new(), remembered, batch_ends: None })
    }

    /// Takes up a batch.
    pub(super) fn begin(&mut self, batch: &RecordBatch, end_column: Option<usize>) -> Result<()> {
        self.rows.begin(batch)?;
        self.batch_ends = match end_column {
            Some(column) => match Canonical::of(batch.column(column))? {
                Canonical::Int(ends) => Some(ends),
                _ => return Err(Error::internal("the number of rows is no integer")),
            },
            None => None,
        };
        Ok(())
    }

    /// How many rows come out of a partition; all of them before its first row has decided.
    pub(super) fn end(&self, group: u32) -> usize {
        match self.ends[group as usize] {
            0 => usize::MAX,
            end => usize::try_from(end - 1).unwrap_or(usize::MAX),
        }
    }

    /// The same; the first row of a partition decides.
    pub(super) fn decide_end(&mut self, group: u32, row: usize) -> usize {
        if self.ends[group as usize] == 0 {
            self.ends[group as usize] = self.batch_end(row).saturating_add(1);
        }
        self.end(group)
    }

    /// A null counts as 0, as in Flink.
    fn batch_end(&self, row: usize) -> u64 {
        let end = self.batch_ends.as_ref().filter(|ends| ends.is_valid(row)).map_or(0, |ends| ends.value(row));
        u64::try_from(end).unwrap_or(0)
    }
}

impl GroupEntries for RankRows {
    fn fresh(&self) -> Result<Self> {
        Ok(RankRows {
            rows: self.rows.fresh()?,
            seen: Vec::new(),
            ends: Vec::new(),
            remembered: self.remembered,
            batch_ends: None,
        })
    }

    fn grow(&mut self, end: usize) {
        self.rows.grow(end);
        self.seen.resize(self.seen.len().max(end), 0);
        self.ends.resize(self.ends.len().max(end), 0);
    }

    fn save(&self, groups: &[u32], values: &mut Values) -> Result<()> {
        for group in groups {
            values.part(|out| match self.remembered.rows {
                true => self.rows.save_group(*group, out),
                false => put_short(out, self.seen[*group as usize]),
            });
            if self.remembered.end {
                values.part(|out| put_short(out, self.ends[*group as usize]));
            }
            values.end();
        }
        Ok(())
    }

    fn load(&mut self, groups: &[u32], values: &[&[u8]], _: i64) -> Result<()> {
        let mut rows = Vec::with_capacity(values.len());
        for (group, mut value) in groups.iter().zip(values.iter().copied()) {
            let first = take_part(&mut value)?;
            match self.remembered.rows {
                true => rows.push(first),
                false => self.seen[*group as usize] = number(first)?,
            }
            if self.remembered.end {
                self.ends[*group as usize] = number(take_part(&mut value)?)?;
            }
            if !value.is_empty() {
                return Err(damaged("a partition of a ranking has too many parts"));
            }
        }
        if self.remembered.rows { self.rows.load_groups(groups, &rows) } else { Ok(()) }
    }

    fn clear(&mut self, group: u32) {
        self.rows.clear(group);
        self.seen[group as usize] = 0;
        self.ends[group as usize] = 0;
    }

    fn memory_bytes(&self) -> usize {
        self.rows.memory_bytes() + (self.seen.len() + self.ends.len()) * size_of::<u64>()
    }

    fn slot_bytes(&self) -> usize {
        self.rows.slot_bytes() + 2 * size_of::<u64>()
    }
}

fn number(mut part: &[u8]) -> Result<u64> {
    let number = take_short(&mut part)?;
    if part.is_empty() { Ok(number) } else { Err(damaged("a number of a ranking is too long")) }
}
