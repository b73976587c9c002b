//! Rows under way as bytes, version 1 of their envelope ([`flott_state::checkpoint::in_flight`]).
//!
//! The number of channels, and for each: the number of its edge, the subtask that sent, the watermark before,
//! idleness, the number of elements, and those, each with a tag in front:
//!
//! | tag | element |
//! |---|---|
//! | 0 | rows: how many; 0, or 1 and their kinds; the number of marks and each with its place; each row with its length, in the encoding of [`flott_state::row`] |
//! | 1 | a watermark |
//! | 2 | idleness, 0 or 1 |
//!
//! Numbers are short ones of [`flott_state::codec`]; watermarks are signed.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use flott_api::{BATCH_ROWS_MAX, ChangeBatch, Error, Mark, Result, RowKinds, Watermark};
use flott_state::checkpoint::manifest::InFlightEdge;
use flott_state::codec::{
    damaged, put_bytes, put_short, put_signed, take, take_array, take_bytes, take_short, take_signed,
};
use flott_state::row::{RowEncoder, decode as decode_rows};

use super::KeptChannel;
use crate::channel::{Element, SizedBatch};

const BATCH: u8 = 0;
const WATERMARK: u8 = 1;
const STATUS: u8 = 2;

/// The edges of channels, each once.
#[derive(Default)]
pub(crate) struct Edges(Vec<Arc<InFlightEdge>>);

impl Edges {
    fn number(&mut self, edge: &Arc<InFlightEdge>) -> u64 {
        let known = self.0.iter().position(|e| e == edge);
        known.unwrap_or_else(|| {
            self.0.push(Arc::clone(edge));
            self.0.len() - 1
        }) as u64
    }

    /// All of them, by their numbers.
    pub(crate) fn into_vec(self) -> Vec<InFlightEdge> {
        self.0.into_iter().map(Arc::unwrap_or_clone).collect()
    }
}

/// Appends channels; gives their edges and the number of rows.
pub(crate) fn put(channels: &[KeptChannel], out: &mut Vec<u8>) -> Result<(Edges, u64)> {
    let (mut edges, mut rows) = (Edges::default(), 0);
    put_short(out, channels.len() as u64);
    for channel in channels {
        put_short(out, edges.number(&channel.origin.edge));
        put_short(out, u64::from(channel.origin.subtask));
        put_signed(out, channel.watermark.0);
        out.push(u8::from(channel.idle));
        put_short(out, channel.elements.len() as u64);
        for element in &channel.elements {
            rows += put_element(element, out)?;
        }
    }
    Ok((edges, rows))
}

fn put_element(element: &Element, out: &mut Vec<u8>) -> Result<u64> {
    match element {
        Element::Batch(batch) => return put_batch(&batch.batch, out),
        Element::Watermark(watermark) => {
            out.push(WATERMARK);
            put_signed(out, watermark.0);
        }
        Element::Status { idle } => out.extend([STATUS, u8::from(*idle)]),
        Element::Barrier(_) | Element::EndOfInput { .. } => {
            return Err(Error::internal("a barrier or an end is kept as under way"));
        }
    }
    Ok(0)
}

fn put_batch(batch: &ChangeBatch, out: &mut Vec<u8>) -> Result<u64> {
    out.push(BATCH);
    put_short(out, batch.len() as u64);
    out.push(u8::from(batch.kinds().is_some()));
    out.extend_from_slice(batch.kinds().map_or(&[], RowKinds::bytes));
    put_short(out, batch.marks().len() as u64);
    for mark in batch.marks() {
        put_short(out, u64::from(mark.row));
        put_signed(out, mark.watermark.0);
    }
    let (encoder, mut row_bytes) = (RowEncoder::new(batch.rows())?, Vec::new());
    for row in 0..batch.len() {
        row_bytes.clear();
        encoder.encode(row, &mut row_bytes);
        put_bytes(out, &row_bytes);
    }
    Ok(batch.len() as u64)
}

/// A channel as it was written: its edge by number.
pub(crate) struct DecodedChannel {
    pub(crate) edge: usize,
    pub(crate) subtask: u32,
    pub(crate) watermark: Watermark,
    pub(crate) idle: bool,
    pub(crate) elements: VecDeque<Element>,
}

/// The channels that [`put`] has written. Says of each edge which columns its rows have; of an edge without,
/// channels are left out.
///
/// # Errors
/// `Corrupt` if the bytes are no channels with such rows.
pub(crate) fn take_channels(mut input: &[u8], schemas: &[Option<SchemaRef>]) -> Result<Vec<DecodedChannel>> {
    let mut channels = Vec::new();
    for _ in 0..take_short(&mut input)? {
        let edge = take_short(&mut input)? as usize;
        let schema = schemas.get(edge).ok_or_else(|| damaged("a channel has no edge"))?;
        let mut channel = DecodedChannel {
            edge,
            subtask: take_short(&mut input)? as u32,
            watermark: Watermark(take_signed(&mut input)?),
            idle: take_flag(&mut input)?,
            elements: VecDeque::new(),
        };
        for _ in 0..take_short(&mut input)? {
            channel.elements.extend(take_element(&mut input, schema.as_ref())?);
        }
        channels.extend(schema.is_some().then_some(channel));
    }
    if input.is_empty() { Ok(channels) } else { Err(damaged("there is more than it says")) }
}

fn take_flag(input: &mut &[u8]) -> Result<bool> {
    match take_array(input)? {
        [flag @ (0 | 1)] => Ok(flag == 1),
        _ => Err(damaged("a flag is neither set nor unset")),
    }
}

fn take_element(input: &mut &[u8], schema: Option<&SchemaRef>) -> Result<Option<Element>> {
    match take_array(input)? {
        [BATCH] => take_batch(input, schema),
        [WATERMARK] => take_signed(input).map(|w| Some(Element::Watermark(Watermark(w)))),
        [STATUS] => take_flag(input).map(|idle| Some(Element::Status { idle })),
        _ => Err(damaged("an element has a wrong tag")),
    }
}

fn take_batch(input: &mut &[u8], schema: Option<&SchemaRef>) -> Result<Option<Element>> {
    let count = take_short(input)?;
    if count == 0 || count > BATCH_ROWS_MAX as u64 {
        return Err(damaged("a batch has a wrong number of rows"));
    }
    let kinds = if take_flag(input)? { Some(take_kinds(input, count as usize)?) } else { None };
    let marks = take_marks(input)?;
    let rows = (0..count).map(|_| take_bytes(input)).collect::<Result<Vec<_>>>()?;
    let Some(schema) = schema else { return Ok(None) };
    let batch = ChangeBatch::new(decode_rows(schema, &rows)?, kinds)?;
    let batch = batch.with_marks(marks).map_err(|e| damaged("marks are out of order").with_source(e))?;
    Ok(Some(Element::Batch(SizedBatch::measure(batch))))
}

fn take_kinds(input: &mut &[u8], count: usize) -> Result<RowKinds> {
    RowKinds::from_bytes(take(input, count)?.to_vec()).ok_or_else(|| damaged("a row has a wrong kind"))
}

fn take_marks(input: &mut &[u8]) -> Result<Vec<Mark>> {
    let mut marks = Vec::new();
    for _ in 0..take_short(input)? {
        let row = u32::try_from(take_short(input)?).map_err(|e| damaged("a mark has no place").with_source(e))?;
        marks.push(Mark { row, watermark: Watermark(take_signed(input)?) });
    }
    Ok(marks)
}

#[cfg(test)]
mod tests {
    use flott_api::ids::OperatorUid;
    use flott_api::{ErrorKind, RowKind};

    use super::*;
    use crate::in_flight::Origin;
    use crate::testing::rows::{batch, batch_of_kinds, schema, values};

    fn edge(name: &str) -> Arc<InFlightEdge> {
        Arc::new(InFlightEdge {
            from: OperatorUid(name.into()),
            from_name: name.into(),
            parallelism: 2,
            input: 0,
            spread: "rebalance".into(),
            types: "BIGINT".into(),
        })
    }

    fn channels() -> Vec<KeptChannel> {
        let (a, b) = (edge("a"), edge("b"));
        let kinds = batch_of_kinds([3, 4], &[RowKind::Delete, RowKind::UpdateAfter]);
        let rows = |batch| Element::Batch(SizedBatch::measure(batch));
        let elements = vec![
            rows(batch([1, 2], &[(0, -5), (2, 7)])),
            Element::Watermark(Watermark(9)),
            Element::Status { idle: true },
            rows(kinds),
        ];
        let channel = |edge: &Arc<InFlightEdge>, subtask, elements: Vec<Element>| KeptChannel {
            origin: Origin { edge: Arc::clone(edge), subtask },
            watermark: Watermark(-1),
            idle: subtask == 1,
            elements: elements.into(),
        };
        vec![channel(&b, 1, elements), channel(&a, 0, Vec::new()), channel(&b, 0, vec![rows(batch([5], &[]))])]
    }

    fn text(channels: &[DecodedChannel]) -> Vec<String> {
        let element = |e: &Element| match e {
            Element::Batch(b) => {
                let marks: Vec<_> = b.batch.marks().iter().map(|m| (m.row, m.watermark.0)).collect();
                let kinds: Vec<_> = (0..b.batch.len()).map(|r| b.batch.kind(r).short()).collect();
                format!("{:?}{kinds:?}{marks:?}", values(&b.batch))
            }
            other => format!("{other:?}"),
        };
        let line = |c: &DecodedChannel| {
            let elements: Vec<String> = c.elements.iter().map(element).collect();
            format!("{} from {} w{} {} {}", c.edge, c.subtask, c.watermark.0, c.idle, elements.join(" "))
        };
        channels.iter().map(line).collect()
    }

    fn encoded() -> Vec<u8> {
        let mut out = Vec::new();
        let (edges, rows) = put(&channels(), &mut out).unwrap();
        let names: Vec<String> = edges.into_vec().into_iter().map(|e| e.from_name).collect();
        assert_eq!((names, rows), (vec!["b".to_owned(), "a".to_owned()], 5));
        out
    }

    #[test]
    fn rows_kinds_marks_and_idleness_come_back() {
        let schemas = [Some(schema().arrow()), Some(schema().arrow())];
        let found = text(&take_channels(&encoded(), &schemas).unwrap());
        assert_eq!(
            found,
            [
                "0 from 1 w-1 true [1, 2][\"+I\", \"+I\"][(0, -5), (2, 7)] Watermark(Watermark(9)) \
                 Status { idle: true } [3, 4][\"-D\", \"+U\"][]",
                "1 from 0 w-1 false ",
                "0 from 0 w-1 false [5][\"+I\"][]"
            ]
        );
    }

    #[test]
    fn channels_of_an_edge_that_is_gone_are_left_out() {
        let found = text(&take_channels(&encoded(), &[None, Some(schema().arrow())]).unwrap());
        assert_eq!(found, ["1 from 0 w-1 false "]);
    }

    #[test]
    fn bad_bytes_are_an_error_and_no_panic() {
        let (good, schemas) = (encoded(), [Some(schema().arrow()), Some(schema().arrow())]);
        for cut in 0..good.len() {
            let error = take_channels(&good[..cut], &schemas).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "cut at {cut}");
        }
        for at in 0..good.len() {
            for value in [0, 1, 2, 0x7f, 0x80, 0xff] {
                let mut bad = good.clone();
                bad[at] = value;
                // Some of them are other channels; a checksum tells those.
                drop(take_channels(&bad, &schemas));
            }
        }
        assert!(take_channels(&good, &schemas[..1]).is_err());
        let longer = [&good[..], b"x"].concat();
        assert!(take_channels(&longer, &schemas).is_err());
    }
}
