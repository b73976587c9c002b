//! Rows and the elements that a table function gives for them.

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, BooleanArray, Int32Array, StructArray, UInt32Array};
use arrow_schema::DataType;
use arrow_select::take::take;
use flott_api::{Error, Result, TypeKind};

/// All elements of a batch: whose each is, and where it lies.
pub(crate) struct Elements {
    /// The columns of the elements, in one piece for all rows.
    columns: Vec<ArrayRef>,
    with_ordinality: bool,
    /// For each element, in order: its row, its place in the columns, its number in its row.
    rows: Vec<u32>,
    places: Vec<u32>,
    ordinals: Vec<i32>,
}

/// Pairs of a row and an element, in the order of rows. One without an element has nulls.
pub(super) struct Pairs {
    pub(super) rows: Vec<u32>,
    pub(super) elements: Vec<Option<u32>>,
    pub(super) ordinals: Vec<Option<i32>>,
}

impl Elements {
    /// The elements of a collection of this type.
    pub(crate) fn unnested(collection: &ArrayRef, kind: &TypeKind, with_ordinality: bool) -> Result<Self> {
        let list = collection
            .as_list_opt::<i32>()
            .ok_or_else(|| Error::internal(format!("UNNEST got values that lie as {}", collection.data_type())))?;
        let values = list.values();
        let (columns, counts, presence) = match kind {
            TypeKind::Multiset(element) => {
                let entries = entries(values)?;
                let counts = entries.column(1).as_primitive::<Int32Type>().clone();
                let (columns, presence) = parts(entries.column(0), &element.kind);
                (columns, Some(counts), presence)
            }
            TypeKind::Map(..) => (entries(values)?.columns().to_vec(), None, None),
            TypeKind::Array(element) => {
                let (columns, presence) = parts(values, &element.kind);
                (columns, None, presence)
            }
            kind => return Err(Error::internal(format!("UNNEST got a value of type {kind}"))),
        };
        let mut elements =
            Elements { columns, with_ordinality, rows: Vec::new(), places: Vec::new(), ordinals: Vec::new() };
        for row in (0..list.len()).filter(|row| list.is_valid(*row)) {
            let mut ordinal = 0;
            for place in list.value_offsets()[row]..list.value_offsets()[row + 1] {
                let place = place as usize;
                if presence.as_ref().is_some_and(|p| p.is_null(place)) {
                    continue;
                }
                for _ in 0..counts.as_ref().map_or(1, |c| c.value(place)) {
                    ordinal += 1;
                    elements.push(row, place, ordinal);
                }
            }
        }
        Ok(elements)
    }

    /// As many elements without columns as a number says.
    pub(super) fn repeated(times: &ArrayRef) -> Result<Self> {
        let DataType::Int64 = times.data_type() else {
            return Err(Error::internal(format!("rows are repeated by a number that lies as {}", times.data_type())));
        };
        let times = times.as_primitive::<Int64Type>();
        let (columns, with_ordinality) = (Vec::new(), false);
        let mut elements =
            Elements { columns, with_ordinality, rows: Vec::new(), places: Vec::new(), ordinals: Vec::new() };
        for row in (0..times.len()).filter(|row| times.is_valid(*row)) {
            (0..times.value(row)).for_each(|_| elements.push(row, 0, 0));
        }
        Ok(elements)
    }

    fn push(&mut self, row: usize, place: usize, ordinal: i32) {
        self.rows.push(row as u32);
        self.places.push(place as u32);
        self.ordinals.push(ordinal);
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Each element with its row.
    pub(super) fn pairs(&self) -> Pairs {
        Pairs {
            rows: self.rows.clone(),
            elements: self.places.iter().copied().map(Some).collect(),
            ordinals: self.ordinals.iter().copied().map(Some).collect(),
        }
    }

    /// The columns of these elements.
    pub(super) fn columns(&self, places: &UInt32Array, ordinals: &[Option<i32>]) -> Result<Vec<ArrayRef>> {
        let taken = self.columns.iter().map(|column| take(column, places, None));
        let mut columns = taken.collect::<std::result::Result<Vec<_>, _>>()?;
        if self.with_ordinality {
            columns.push(std::sync::Arc::new(Int32Array::from(ordinals.to_vec())));
        }
        Ok(columns)
    }
}

impl Pairs {
    /// Drops the pairs that do not pass.
    pub(super) fn keep(&mut self, passing: &BooleanArray) {
        let passes = |at: usize| passing.is_valid(at) && passing.value(at);
        let kept: Vec<usize> = (0..self.rows.len()).filter(|at| passes(*at)).collect();
        self.rows = kept.iter().map(|at| self.rows[*at]).collect();
        self.elements = kept.iter().map(|at| self.elements[*at]).collect();
        self.ordinals = kept.iter().map(|at| self.ordinals[*at]).collect();
    }

    /// With a pair without an element for each row that has none.
    pub(super) fn with_missing(self, rows: usize) -> Self {
        let (mut all, mut next) = (Pairs { rows: Vec::new(), elements: Vec::new(), ordinals: Vec::new() }, 0);
        for row in 0..rows as u32 {
            let begin = next;
            while self.rows.get(next) == Some(&row) {
                all.push(row, self.elements[next], self.ordinals[next]);
                next += 1;
            }
            if begin == next {
                all.push(row, None, None);
            }
        }
        all
    }

    fn push(&mut self, row: u32, element: Option<u32>, ordinal: Option<i32>) {
        self.rows.push(row);
        self.elements.push(element);
        self.ordinals.push(ordinal);
    }
}

fn entries(values: &ArrayRef) -> Result<&StructArray> {
    let entries = values.as_struct_opt().filter(|s| s.num_columns() == 2);
    entries.ok_or_else(|| Error::internal(format!("entries lie as {}", values.data_type())))
}

/// The columns of elements, and which elements there are: a row is its fields, and nothing if it is null.
fn parts(values: &ArrayRef, kind: &TypeKind) -> (Vec<ArrayRef>, Option<ArrayRef>) {
    match (kind, values.as_struct_opt()) {
        (TypeKind::Row(_), Some(rows)) => (rows.columns().to_vec(), Some(values.clone())),
        _ => (vec![values.clone()], None),
    }
}
