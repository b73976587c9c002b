//! Functions that count.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int32Array, Int64Array, StringArray};

use super::{batch, numbers, output, put_numbers, text, text_of};
use crate::process::{ProcessContext, ProcessOutput, ProcessRows, ProcessTableFunction};
use crate::{Result, TypeKind};

/// Counts the rows of each key by a step.
pub(super) struct Counter {
    pub(super) step: i64,
}

impl ProcessTableFunction for Counter {
    fn eval(&mut self, rows: &ProcessRows<'_>, cx: &mut ProcessContext<'_>) -> Result<ProcessOutput> {
        let mut counts = numbers(cx)?;
        let mut given = Vec::with_capacity(rows.keys.len());
        for key in rows.keys {
            let count = counts[*key as usize].unwrap_or(0) + self.step;
            counts[*key as usize] = Some(count);
            given.push(count);
        }
        put_numbers(cx, counts)?;
        let origins = (0..given.len() as u32).collect();
        output(&[("n", TypeKind::BigInt)], vec![Arc::new(Int64Array::from(given))], (origins, None))
    }
}

/// How many rows of the key have come in the last 10 milliseconds.
pub(super) struct Recent;

impl ProcessTableFunction for Recent {
    fn eval(&mut self, rows: &ProcessRows<'_>, cx: &mut ProcessContext<'_>) -> Result<ProcessOutput> {
        let keys: Vec<u32> = (0..cx.keys as u32).collect();
        let mut counts = vec![0; cx.keys];
        cx.state.read(0, &keys)?.of.iter().for_each(|key| counts[*key as usize] += 1);
        let mut given = Vec::with_capacity(rows.keys.len());
        for key in rows.keys {
            counts[*key as usize] += 1;
            given.push(counts[*key as usize]);
        }
        let given: ArrayRef = Arc::new(Int64Array::from(given));
        let columns = [("n", TypeKind::BigInt)];
        cx.state.put(0, rows.keys, &batch(&columns, vec![given.clone()])?)?;
        output(&columns, vec![given], ((0..rows.keys.len() as u32).collect(), None))
    }
}

/// Each row some times.
pub(super) struct Repeated {
    pub(super) times: i64,
    pub(super) label: Option<String>,
}

impl ProcessTableFunction for Repeated {
    fn eval(&mut self, rows: &ProcessRows<'_>, _: &mut ProcessContext<'_>) -> Result<ProcessOutput> {
        let times = self.times.max(0) as usize;
        let rows = 0..rows.batch.len() as u32;
        let origins: Vec<u32> = rows.flat_map(|row| std::iter::repeat_n(row, times)).collect();
        let numbers: Int32Array = (0..origins.len()).map(|at| Some((at % times) as i32 + 1)).collect();
        let labels: StringArray = origins.iter().map(|_| self.label.as_deref()).collect();
        let columns = [("i", TypeKind::Int), ("label", text())];
        output(&columns, vec![Arc::new(numbers), Arc::new(labels)], (origins, None))
    }
}

/// The numbers from 1 on.
pub(super) struct Numbers {
    pub(super) count: i64,
}

impl ProcessTableFunction for Numbers {
    fn eval(&mut self, _: &ProcessRows<'_>, _: &mut ProcessContext<'_>) -> Result<ProcessOutput> {
        let numbers: Int32Array = (1..=self.count).map(|n| Some(n as i32)).collect();
        let origins = vec![0; numbers.len()];
        output(&[("i", TypeKind::Int)], vec![Arc::new(numbers)], (origins, None))
    }
}

/// How often the second column has had its value; at the limit the value is forgotten.
pub(super) struct Tally {
    pub(super) most: Option<i64>,
}

impl ProcessTableFunction for Tally {
    fn eval(&mut self, rows: &ProcessRows<'_>, cx: &mut ProcessContext<'_>) -> Result<ProcessOutput> {
        let keys: Vec<u32> = (0..cx.keys as u32).collect();
        let found = cx.state.read(0, &keys)?;
        let (values, numbers) = (found.rows.column(0).as_string::<i32>(), found.rows.column(1));
        let numbers = numbers.as_primitive::<Int64Type>();
        let mut counts: Vec<BTreeMap<String, i64>> = vec![BTreeMap::new(); cx.keys];
        for (row, key) in found.of.iter().enumerate() {
            counts[*key as usize].insert(values.value(row).to_owned(), numbers.value(row));
        }
        let (mut texts, mut given, mut known) = (Vec::new(), Vec::new(), Vec::new());
        for (row, key) in rows.keys.iter().enumerate() {
            let value = text_of(rows.batch.rows().column(1), row)?;
            let of_key = &mut counts[*key as usize];
            let count = of_key.get(&value).copied().unwrap_or(0) + 1;
            let texts_now: ArrayRef = Arc::new(StringArray::from(vec![value.as_str()]));
            if self.most.is_some_and(|most| count >= most) {
                of_key.remove(&value);
                cx.state.remove(0, &[*key], &[texts_now])?;
            } else {
                of_key.insert(value.clone(), count);
                let columns = [("value", text()), ("n", TypeKind::BigInt)];
                let entry = batch(&columns, vec![texts_now, Arc::new(Int64Array::from(vec![count]))])?;
                cx.state.put(0, &[*key], &entry)?;
            }
            known.push(of_key.len() as i32);
            texts.push(value);
            given.push(count);
        }
        let origins = (0..given.len() as u32).collect();
        let arrays: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from(texts)),
            Arc::new(Int64Array::from(given)),
            Arc::new(Int32Array::from(known)),
        ];
        output(&[("v", text()), ("n", TypeKind::BigInt), ("known", TypeKind::Int)], arrays, (origins, None))
    }
}
