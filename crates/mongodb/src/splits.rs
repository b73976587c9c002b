//! How a collection is cut into splits: Flink's strategies.

use bson::{Bson, Document, RawDocumentBuf, doc};
use flott_api::{Error, Result};
use futures::StreamExt as _;

use crate::bounds::{Range, all_of, class};
use crate::client::Asked;
use crate::kinds::ID;
use crate::options::Strategy;

/// Each split is a question of its own.
const SPLITS_MAX: usize = 100_000;
const MEBIBYTE: u64 = 1 << 20;
/// Answers to questions about a collection come in so many pieces at once.
const ANSWER_ROWS: u32 = 10_000;

/// A part of a collection.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Piece {
    /// By `_id`, in whose order it is read.
    Range(Range),
    /// A chunk of a collection that is sharded by something else.
    Chunk(Chunk),
}

/// A range of an index.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Chunk {
    pub(crate) min: Document,
    pub(crate) max: Document,
    /// The index.
    pub(crate) key: Document,
}

/// What a server says of a collection.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Stats {
    sharded: bool,
    count: u64,
    bytes: u64,
}

impl Stats {
    fn of(answer: &Document) -> Self {
        let number = |name: &str| answer.get(name).and_then(number).unwrap_or(0);
        Stats { sharded: answer.get_bool("sharded").unwrap_or(false), count: number("count"), bytes: number("size") }
    }

    async fn ask(asked: &Asked<'_>) -> Result<Self> {
        let command = doc! { "collStats": &asked.place.collection };
        Ok(Stats::of(&asked.command(raw(&command)?).await?))
    }
}

fn number(value: &Bson) -> Option<u64> {
    match value {
        Bson::Int32(n) => u64::try_from(*n).ok(),
        Bson::Int64(n) => u64::try_from(*n).ok(),
        Bson::Double(n) if *n >= 0.0 => Some(*n as u64),
        _ => None,
    }
}

fn raw(document: &Document) -> Result<RawDocumentBuf> {
    RawDocumentBuf::try_from(document).map_err(|e| Error::invalid("a name has no place in a command").with_source(e))
}

/// Cuts a collection.
///
/// # Errors
/// If the server does not know what the strategy needs, or does not allow it.
pub(crate) async fn pieces(asked: &Asked<'_>, strategy: Strategy) -> Result<Vec<Piece>> {
    let ranges = match strategy {
        Strategy::Single => vec![Range::default()],
        Strategy::Default { bytes } => {
            let stats = Stats::ask(asked).await?;
            match stats {
                Stats { sharded: true, .. } => return sharded(asked).await,
                // There would be one, and not every server knows the command.
                stats if stats.bytes <= bytes => vec![Range::default()],
                _ => split_vector(asked, bytes).await?,
            }
        }
        Strategy::Sample { bytes, samples } => sample(asked, bytes, samples).await?,
        Strategy::SplitVector { bytes } => {
            if Stats::ask(asked).await?.sharded {
                return Err(Error::invalid(format!("collection '{}' is sharded", asked.place.namespace()))
                    .with_hint("'scan.partition.strategy' may be 'sharded' or 'sample', but not 'split-vector'."));
            }
            split_vector(asked, bytes).await?
        }
        Strategy::Sharded => return sharded(asked).await,
        Strategy::Pagination { rows } => pages(asked, rows).await?,
    };
    if ranges.len() > SPLITS_MAX {
        return Err(Error::invalid(format!(
            "a scan would have {} splits, and at most {SPLITS_MAX} are read",
            ranges.len()
        ))
        .with_hint("Make 'scan.partition.size' or 'scan.partition.record-size' larger."));
    }
    // A comparison with what has no order would read some documents never, or twice.
    if let Some(id) = ranges.iter().filter_map(|r| r.from.as_ref()).find(|id| class(id).is_none()) {
        return Err(without_order(id));
    }
    Ok(ranges.into_iter().map(Piece::Range).collect())
}

/// Of ids that are no bound and no position.
pub(crate) fn without_order(id: &Bson) -> Error {
    Error::data(format!("a document has the _id {id}, which is of a type that cannot be compared"))
        .with_detail("An _id may be null, a number, a text, a document, binary data, an ObjectId, a boolean or a time.")
}

/// All documents of an answer.
async fn all(asked: &Asked<'_>, cursor: mongodb::Cursor<Document>) -> Result<Vec<Document>> {
    let mut documents = Vec::new();
    let mut cursor = cursor;
    while let Some(document) = asked.answer(async { cursor.next().await.transpose() }).await? {
        documents.push(document);
        if documents.len() > SPLITS_MAX * 10 {
            return Err(Error::invalid("a scan would have too many splits"));
        }
    }
    Ok(documents)
}

/// So many documents as samples, so many of them to a split; nothing if one split has room for all.
fn sample_sizes(stats: Stats, bytes: u64, samples: u32) -> Option<u64> {
    let average = (stats.bytes / stats.count.max(1)).max(1);
    let of_split = (bytes / average).max(1);
    if of_split >= stats.count {
        return None;
    }
    Some(u64::from(samples).saturating_mul(stats.count).div_ceil(of_split))
}

async fn sample(asked: &Asked<'_>, bytes: u64, samples: u32) -> Result<Vec<Range>> {
    let Some(size) = sample_sizes(Stats::ask(asked).await?, bytes, samples) else { return Ok(vec![Range::default()]) };
    let size = i64::try_from(size).unwrap_or(i64::MAX);
    let pipeline = [doc! { "$sample": { "size": size } }, doc! { "$project": { ID: 1 } }, doc! { "$sort": { ID: 1 } }];
    let collection = asked.collection().clone_with_type::<Document>();
    let cursor = asked.answer(collection.aggregate(pipeline).allow_disk_use(true).batch_size(ANSWER_ROWS)).await?;
    let found = all(asked, cursor).await?;
    let bounds = found.into_iter().skip(samples as usize).step_by(samples as usize);
    Ok(Range::between(bounds.filter_map(|mut found| found.remove(ID))))
}

/// What asks a server for bounds between as many bytes.
fn split_vector_command(namespace: &str, bytes: u64) -> Document {
    let mebibytes = i32::try_from(bytes / MEBIBYTE).unwrap_or(i32::MAX).max(1);
    doc! { "splitVector": namespace, "keyPattern": { ID: 1 }, "maxChunkSize": mebibytes }
}

async fn split_vector(asked: &Asked<'_>, bytes: u64) -> Result<Vec<Range>> {
    let command = split_vector_command(&asked.place.namespace(), bytes);
    let answer = asked.command(raw(&command)?).await.map_err(|e| {
        e.with_hint("'scan.partition.strategy' = 'sample', 'pagination' or 'single' needs no right to splitVector.")
    })?;
    let keys = answer.get_array("splitKeys").map(Vec::as_slice).unwrap_or_default();
    let ids = keys.iter().filter_map(|key| key.as_document()?.get(ID).cloned());
    Ok(Range::between(ids))
}

async fn sharded(asked: &Asked<'_>) -> Result<Vec<Piece>> {
    let namespace = asked.place.namespace();
    let config = asked.client.database("config");
    let collections = config.collection::<Document>("collections");
    let found = asked.answer(collections.find_one(doc! { ID: &namespace })).await?;
    let found = found.filter(|found| !found.get_bool("dropped").unwrap_or(false));
    let Some(found) = found else {
        return Err(Error::invalid(format!("collection '{namespace}' is not sharded"))
            .with_hint("'scan.partition.strategy' = 'default' finds out how it can be cut."));
    };
    let chunks = config.collection::<Document>("chunks");
    let wanted = doc! { "min": 1, "max": 1 };
    let asking = chunks.find(chunks_filter(&namespace, &found)).projection(wanted).sort(doc! { "min": 1 });
    let cursor = asked.answer(asking.batch_size(ANSWER_ROWS)).await?;
    let chunks = all(asked, cursor).await?;
    chunk_pieces(&found, &chunks).filter(|pieces| !pieces.is_empty()).ok_or_else(|| {
        Error::external(format!("collection '{namespace}' is sharded, but the server tells no chunks of it"))
    })
}

/// Since MongoDB 5 the chunks of a collection are known by its UUID, before by its name.
fn chunks_filter(namespace: &str, collection: &Document) -> Document {
    let mut ways = vec![doc! { "ns": namespace }];
    ways.extend(collection.get("uuid").map(|uuid| doc! { "uuid": uuid.clone() }));
    doc! { "$or": ways }
}

/// Chunks as pieces: by `_id` if that is what the collection is sharded by.
fn chunk_pieces(collection: &Document, chunks: &[Document]) -> Option<Vec<Piece>> {
    let key = collection.get_document("key").ok()?;
    let by_id = key.len() == 1 && key.get(ID).and_then(number) == Some(1);
    let piece = |chunk: &Document| {
        let (min, max) = (chunk.get_document("min").ok()?.clone(), chunk.get_document("max").ok()?.clone());
        if !by_id {
            return Some(Piece::Chunk(Chunk { min, max, key: key.clone() }));
        }
        let from = min.get(ID).filter(|id| **id != Bson::MinKey).cloned();
        let until = max.get(ID).filter(|id| **id != Bson::MaxKey).cloned();
        Some(Piece::Range(Range { from, until }))
    };
    chunks.iter().map(piece).collect()
}

/// The `_id` of every so manieth document.
async fn pages(asked: &Asked<'_>, rows: u32) -> Result<Vec<Range>> {
    let collection = asked.collection().clone_with_type::<Document>();
    let mut bounds: Vec<Bson> = Vec::new();
    loop {
        let from = Range { from: bounds.last().cloned(), until: None };
        let asking = collection.find_one(all_of(from.conditions(None))).sort(doc! { ID: 1 });
        let next = asked.answer(asking.skip(rows.into()).projection(doc! { ID: 1 })).await?;
        let Some(id) = next.and_then(|mut next| next.remove(ID)) else { return Ok(Range::between(bounds)) };
        if class(&id).is_none() {
            return Err(without_order(&id));
        }
        bounds.push(id);
        if bounds.len() > SPLITS_MAX {
            return Err(Error::invalid(format!("a scan would have more than {SPLITS_MAX} splits"))
                .with_hint("Make 'scan.partition.record-size' larger."));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_as_many_as_flinks() {
        let stats = Stats::of(&doc! { "count": 1000, "size": 100_000_i64, "avgObjSize": 100.0 });
        assert_eq!(stats, Stats { sharded: false, count: 1000, bytes: 100_000 });
        assert_eq!(sample_sizes(stats, 10_000, 10), Some(100));
        assert_eq!(sample_sizes(stats, 30_000, 10), Some(34));
        assert_eq!(sample_sizes(stats, 100_000, 10), None);
        assert_eq!(sample_sizes(Stats { count: 0, bytes: 0, ..stats }, 1, 10), None);
    }

    #[test]
    fn chunks_are_ranges_of_their_key() {
        let collection = doc! { "_id": "d.c", "uuid": "u", "key": { "_id": 1 } };
        let ways = doc! { "$or": [{ "ns": "d.c" }, { "uuid": "u" }] };
        assert_eq!(chunks_filter("d.c", &collection), ways);
        let chunks = [
            doc! { "min": { "_id": Bson::MinKey }, "max": { "_id": 5 } },
            doc! { "min": { "_id": 5 }, "max": { "_id": Bson::MaxKey } },
        ];
        let by_id = chunk_pieces(&collection, &chunks).unwrap();
        assert_eq!(by_id, Range::between([Bson::Int32(5)]).into_iter().map(Piece::Range).collect::<Vec<_>>());
        let hashed = doc! { "key": { "user": "hashed" } };
        let chunks = [doc! { "min": { "user": Bson::MinKey }, "max": { "user": 7_i64 } }];
        let piece = Piece::Chunk(Chunk {
            min: doc! { "user": Bson::MinKey },
            max: doc! { "user": 7_i64 },
            key: doc! { "user": "hashed" },
        });
        assert_eq!(chunk_pieces(&hashed, &chunks).unwrap(), [piece]);
    }

    #[test]
    fn split_vector_is_asked_in_mebibytes() {
        let command = doc! { "splitVector": "d.c", "keyPattern": { "_id": 1 }, "maxChunkSize": 1 };
        assert_eq!(split_vector_command("d.c", 7), command);
        assert_eq!(split_vector_command("d.c", 64 << 20).get("maxChunkSize"), Some(&Bson::Int32(64)));
    }
}
