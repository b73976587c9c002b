//! The metadata columns of a record, under Flink's keys.

use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, StringBuilder};
use arrow_array::{
    ArrayRef, Int32Array, Int64Array, ListArray, StringArray, StructArray, TimestampMillisecondArray, new_null_array,
};
use arrow_buffer::OffsetBuffer;
use arrow_schema::DataType;
use flott_api::table::MetadataColumn;
use flott_api::types::LENGTH_MAX;
use flott_api::{Error, LogicalType, Result, TypeKind};

use super::messages::{Message, Messages};
use crate::batch;
use crate::client::TopicPartition;

/// What a record tells beside its key and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Metadata {
    Topic,
    Partition,
    Headers,
    LeaderEpoch,
    Offset,
    Timestamp,
    TimestampType,
}

const ALL: [(&str, Metadata); 7] = [
    ("topic", Metadata::Topic),
    ("partition", Metadata::Partition),
    ("headers", Metadata::Headers),
    ("leader-epoch", Metadata::LeaderEpoch),
    ("offset", Metadata::Offset),
    ("timestamp", Metadata::Timestamp),
    ("timestamp-type", Metadata::TimestampType),
];

/// What can be read.
pub(crate) fn source_metadata() -> Vec<MetadataColumn> {
    ALL.iter().map(|(key, metadata)| MetadataColumn { key: (*key).to_owned(), ty: metadata.ty() }).collect()
}

impl Metadata {
    /// That of this key.
    pub(super) fn of(key: &str) -> Option<Self> {
        ALL.iter().find(|(name, _)| *name == key).map(|(_, metadata)| *metadata)
    }

    fn ty(self) -> LogicalType {
        match self {
            Metadata::Topic | Metadata::TimestampType => LogicalType::string().with_nullable(false),
            Metadata::Partition => LogicalType::not_null(TypeKind::Int),
            Metadata::Headers => {
                let bytes = LogicalType::new(TypeKind::Varbinary(LENGTH_MAX));
                LogicalType::not_null(TypeKind::Map(Box::new(LogicalType::string()), Box::new(bytes)))
            }
            Metadata::LeaderEpoch => LogicalType::new(TypeKind::Int),
            Metadata::Offset => LogicalType::not_null(TypeKind::BigInt),
            Metadata::Timestamp => LogicalType::not_null(TypeKind::TimestampLtz(3)),
        }
    }

    /// The column for these rows, each of which belongs to a message.
    ///
    /// # Errors
    /// If headers are damaged.
    pub(super) fn column(self, partition: &TopicPartition, messages: &Messages, rows: &[u32]) -> Result<ArrayRef> {
        let of = |row: &u32| &messages.all[*row as usize];
        Ok(match self {
            Metadata::Topic => Arc::new(StringArray::from_iter_values(rows.iter().map(|_| &*partition.topic))),
            Metadata::Partition => Arc::new(Int32Array::from_value(partition.partition, rows.len())),
            Metadata::Headers => headers(partition, messages, rows)?,
            Metadata::LeaderEpoch => {
                let epochs = rows.iter().map(|row| Some(messages.part(of(row)).leader_epoch).filter(|e| *e >= 0));
                Arc::new(Int32Array::from_iter(epochs))
            }
            Metadata::Offset => Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| of(row).record.offset))),
            Metadata::Timestamp => {
                let times = rows.iter().map(|row| of(row).record.timestamp);
                Arc::new(TimestampMillisecondArray::from_iter_values(times).with_timezone("UTC"))
            }
            Metadata::TimestampType => {
                let kinds = rows.iter().map(|row| timestamp_type(messages, of(row)));
                Arc::new(StringArray::from_iter_values(kinds))
            }
        })
    }
}

/// As Flink writes it.
fn timestamp_type(messages: &Messages, message: &Message) -> &'static str {
    match message.record.timestamp {
        -1 => "NoTimestampType",
        _ if messages.part(message).append_time => "LogAppendTime",
        _ => "CreateTime",
    }
}

/// A map of each record's headers; of several of one name the last one counts.
fn headers(partition: &TopicPartition, messages: &Messages, rows: &[u32]) -> Result<ArrayRef> {
    let DataType::List(entry) = Metadata::Headers.ty().kind.arrow() else {
        return Err(Error::internal("a map is no list of entries"));
    };
    let DataType::Struct(fields) = entry.data_type() else {
        return Err(Error::internal("an entry of a map is no structure"));
    };
    if rows.is_empty() {
        return Ok(new_null_array(&DataType::List(Arc::clone(&entry)), 0));
    }
    let (mut names, mut values, mut lengths) = (StringBuilder::new(), BinaryBuilder::new(), Vec::new());
    for row in rows {
        let message = &messages.all[*row as usize];
        let damaged = |what: String| Error::data(format!("{partition}, {what}"));
        let all = batch::headers(&message.record, &messages.part(message).bytes).map_err(damaged)?;
        let last = |at: usize| !all[at + 1..].iter().any(|(name, _)| *name == all[at].0);
        let mut count = 0;
        for (at, (name, value)) in all.iter().enumerate() {
            if last(at) {
                names.append_value(String::from_utf8_lossy(name));
                values.append_option(*value);
                count += 1;
            }
        }
        lengths.push(count);
    }
    let columns: Vec<ArrayRef> = vec![Arc::new(names.finish()), Arc::new(values.finish())];
    let entries = StructArray::try_new(fields.clone(), columns, None)?;
    Ok(Arc::new(ListArray::try_new(entry, OffsetBuffer::from_lengths(lengths), Arc::new(entries), None)?))
}
