//! Batches to files, stripe by stripe. A stripe is held until it is full, because what says where its rows are stands in
//! front of them.

mod bits;
mod column;
mod ints;
mod statistics;
mod stream;
mod text;

use std::ops::Range;

use flott_api::{ChangeBatch, Error, Field, LogicalType, Result, Schema, TypeKind};

use self::column::{ColumnWriter, Parts};
use self::stream::Chunks;
use super::codec::Codec;
use super::proto::{Kind, PostScript, StripeFooter, StripePlace, Type, put_message, put_nested, put_number};
use super::{MAGIC, OrcOptions};
use crate::cells::Cell;
use crate::{Encoded, Encoder};

/// What writers of ORC's own have been since timestamps lie in statistics as they do here (`ORC_517`). No number says who
/// wrote: only theirs are taken to have correct statistics.
const WRITER_VERSION: u64 = 7;

/// Writes one file.
pub(super) struct OrcEncoder {
    options: OrcOptions,
    fields: Vec<Field>,
    types: Vec<Type>,
    root: ColumnWriter,
    chunks: Chunks,
    /// The rows of the stripe, and of its last group.
    stripe_rows: u64,
    group_rows: usize,
    /// Where the next stripe begins.
    at: u64,
    stripes: Vec<StripePlace>,
    /// For each stripe, a message for each column.
    statistics: Vec<Vec<Vec<u8>>>,
}

fn failed(e: String) -> Error {
    Error::internal(format!("the ORC file cannot be written: {e}"))
}

/// Adds the type and what lies in it, and says where it stands.
fn add_type(ty: &LogicalType, types: &mut Vec<Type>) -> usize {
    let place = types.len();
    let mut own = Type::new(kind_of(&ty.kind));
    match &ty.kind {
        TypeKind::Char(length) | TypeKind::Varchar(length) => own.length = u64::from(*length),
        TypeKind::Decimal { precision, scale } => {
            (own.precision, own.scale) = (u64::from(*precision), u64::from(*scale));
        }
        TypeKind::Row(fields) => own.names = fields.iter().map(|f| f.name.clone()).collect(),
        _ => {}
    }
    types.push(own);
    let children = match &ty.kind {
        TypeKind::Array(element) => vec![&**element],
        TypeKind::Map(key, value) => vec![&**key, &**value],
        TypeKind::Row(fields) => fields.iter().map(|f| &f.ty).collect(),
        _ => Vec::new(),
    };
    for child in children {
        let child = add_type(child, types);
        types[place].children.push(child);
    }
    place
}

fn kind_of(kind: &TypeKind) -> Kind {
    match kind {
        TypeKind::Boolean => Kind::Boolean,
        TypeKind::TinyInt => Kind::Byte,
        TypeKind::SmallInt => Kind::Short,
        TypeKind::Int => Kind::Int,
        TypeKind::Float => Kind::Float,
        TypeKind::Double => Kind::Double,
        TypeKind::Decimal { .. } => Kind::Decimal,
        TypeKind::Date => Kind::Date,
        TypeKind::Timestamp(_) => Kind::Timestamp,
        TypeKind::Char(_) => Kind::Char,
        TypeKind::Varchar(flott_api::types::LENGTH_MAX) => Kind::String,
        TypeKind::Varchar(_) => Kind::Varchar,
        TypeKind::Varbinary(_) => Kind::Binary,
        TypeKind::Array(_) => Kind::List,
        TypeKind::Map(..) => Kind::Map,
        TypeKind::Row(_) => Kind::Struct,
        _ => Kind::Long,
    }
}

impl OrcEncoder {
    /// An encoder of these columns, which are all of types that ORC has.
    pub(super) fn new(options: OrcOptions, schema: &Schema) -> Self {
        let row = LogicalType::not_null(TypeKind::Row(schema.fields.clone()));
        let mut types = Vec::new();
        add_type(&row, &mut types);
        OrcEncoder {
            options,
            fields: schema.fields.clone(),
            types,
            root: ColumnWriter::new(&row, &mut 0),
            chunks: Chunks::new(options.codec, options.chunk_bytes),
            stripe_rows: 0,
            group_rows: 0,
            at: 0,
            stripes: Vec::new(),
            statistics: Vec::new(),
        }
    }

    fn begin_file(&mut self, out: &mut Vec<u8>) {
        if self.at == 0 {
            out.extend_from_slice(MAGIC);
            self.at = MAGIC.len() as u64;
        }
    }

    /// Writes rows that lie in one group.
    fn write(&mut self, cells: &[Cell], rows: Range<usize>) -> Result<()> {
        if self.group_rows == 0 {
            self.root.begin_group(&self.chunks);
        }
        let written = self.root.write_batch(cells, rows.clone(), &mut self.chunks);
        written.map_err(|(place, e)| Error::data(format!("column '{}': {e}", self.fields[place].name)))?;
        self.stripe_rows += rows.len() as u64;
        self.group_rows += rows.len();
        if Some(self.group_rows) == self.options.index_rows {
            self.end_group()?;
        }
        Ok(())
    }

    fn end_group(&mut self) -> Result<()> {
        self.group_rows = 0;
        self.root.end_group(&mut self.chunks).map_err(failed)
    }

    fn end_stripe(&mut self, out: &mut Vec<u8>) -> Result<()> {
        if self.stripe_rows == 0 {
            return Ok(());
        }
        if self.group_rows > 0 {
            self.end_group()?;
        }
        self.begin_file(out);
        let mut parts = Parts::default();
        let indexed = self.options.index_rows.is_some();
        self.root.end_stripe(indexed, &mut self.chunks, &mut parts).map_err(failed)?;
        let mut append = |streams: &[(_, Vec<u8>)]| -> u64 {
            streams.iter().for_each(|(_, bytes)| out.extend_from_slice(bytes));
            streams.iter().map(|(_, bytes)| bytes.len() as u64).sum()
        };
        let (index, data) = (append(&parts.indexes), append(&parts.data));
        let streams = parts.indexes.into_iter().chain(parts.data).map(|(place, _)| place).collect();
        let footer = StripeFooter { streams, encodings: parts.encodings, zone: "UTC".to_owned() };
        let footer = self.chunks.message(footer.write()).map_err(failed)?;
        out.extend_from_slice(&footer);
        let rows = std::mem::take(&mut self.stripe_rows);
        let place = StripePlace { offset: self.at, index, data, footer: footer.len() as u64, rows };
        self.at += index + data + place.footer;
        self.stripes.push(place);
        self.statistics.push(parts.statistics);
        Ok(())
    }

    /// The message of what stripes know of their values.
    fn metadata(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        for columns in std::mem::take(&mut self.statistics) {
            put_nested(1, &mut out, |out| columns.iter().for_each(|column| put_message(1, column, out)));
        }
        out
    }

    fn footer(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        put_number(1, MAGIC.len() as u64, &mut out);
        put_number(2, self.at, &mut out);
        self.stripes.iter().for_each(|stripe| put_message(3, &stripe.write(), &mut out));
        self.types.iter().for_each(|ty| put_message(4, &ty.write(), &mut out));
        put_number(6, self.stripes.iter().map(|s| s.rows).sum(), &mut out);
        self.root.file_statistics(&mut |message| put_message(7, &message, &mut out));
        put_number(8, self.options.index_rows.unwrap_or(0) as u64, &mut out);
        out
    }
}

impl Encoder for OrcEncoder {
    fn encode(&mut self, batch: &ChangeBatch, out: &mut Encoded) -> Result<()> {
        let columns = batch.rows().columns().iter().zip(&self.fields);
        let cells = columns.map(|(array, field)| Cell::new(array, &field.ty)).collect::<Result<Vec<_>>>()?;
        let mut at = 0;
        while at < batch.len() {
            let room = self.options.index_rows.map_or(usize::MAX, |rows| rows - self.group_rows);
            let piece = room.min(batch.len() - at);
            self.write(&cells, at..at + piece)?;
            at += piece;
        }
        if self.root.held() as u64 >= self.options.stripe_bytes {
            self.end_stripe(&mut out.bytes)?;
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Encoded) -> Result<()> {
        let out = &mut out.bytes;
        self.end_stripe(out)?;
        self.begin_file(out);
        let (metadata, footer) = (self.metadata(), self.footer());
        let metadata = self.chunks.message(metadata).map_err(failed)?;
        let footer = self.chunks.message(footer).map_err(failed)?;
        let end = PostScript {
            footer: footer.len() as u64,
            codec: self.options.codec.number(),
            chunk: (self.options.codec != Codec::None).then_some(self.options.chunk_bytes as u64),
            metadata: metadata.len() as u64,
            magic: MAGIC.to_vec(),
        };
        let end = end.write(WRITER_VERSION);
        [&metadata, &footer, &end].iter().for_each(|part| out.extend_from_slice(part));
        out.push(end.len() as u8);
        Ok(())
    }

    fn held_bytes(&self) -> usize {
        self.root.held()
    }
}
