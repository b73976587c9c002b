//! Batches: there and back, and damaged in every byte.

use bytes::Bytes;

use super::*;

fn written(compression: Compression, records: u32) -> Bytes {
    let mut writer = BatchWriter::default();
    for i in 0..records {
        let value = format!("value {i}");
        let header = RecordHeader { name: b"trace", value: (i % 2 == 0).then_some(b"yes") };
        let key = (i % 3 > 0).then(|| i.to_be_bytes());
        let value = (i % 5 > 0).then_some(value.as_bytes());
        writer.append(1000 - i64::from(i), key.as_ref().map(|k| &k[..]), value, &[header][..usize::from(i % 7 > 0)]);
    }
    let producer = Producer { id: 7, epoch: 1, transactional: true };
    let bytes = writer.finish(producer, 3, compression).unwrap();
    assert_eq!((writer.count(), writer.bytes()), (0, 0));
    bytes
}

/// Offset, timestamp, key, value and how many headers.
type Row = (i64, i64, Option<Vec<u8>>, Option<Vec<u8>>, usize);

fn read(mut bytes: Bytes) -> Vec<Row> {
    let mut rows = Vec::new();
    while let Some(batch) = take_batch(&mut bytes, true).unwrap() {
        let mut records = batch.open().unwrap();
        while let Some(record) = records.next().unwrap() {
            let text = |span: Option<Span>| span.map(|s| s.of_bytes(&records.bytes).to_vec());
            let headers = headers(&record, &records.bytes).unwrap().len();
            rows.push((record.offset, record.timestamp, text(record.key), text(record.value), headers));
        }
    }
    rows
}

#[test]
fn what_is_written_is_read() {
    for (_, compression) in Compression::NAMES {
        let bytes = written(compression, 100);
        assert_eq!(end_offset(&bytes).unwrap(), Some(100));
        let rows = read(bytes);
        assert_eq!(rows.len(), 100);
        assert_eq!(rows[0], (0, 1000, None, None, 0));
        assert_eq!(rows[1], (1, 999, Some(1u32.to_be_bytes().to_vec()), Some(b"value 1".to_vec()), 1));
        assert_eq!(rows[99].0, 99);
    }
}

#[test]
fn batches_lie_one_behind_the_other_and_the_last_may_be_cut() {
    let one = written(Compression::Lz4, 10);
    let mut both = one.to_vec();
    both.extend_from_slice(&one);
    let cut = Bytes::copy_from_slice(&both[..both.len() - 1]);
    assert_eq!(end_offset(&cut).unwrap(), Some(10));
    assert_eq!(read(cut).len(), 10);
    assert_eq!(read(Bytes::from(both)).len(), 20);
}

#[test]
fn a_batch_knows_what_it_is() {
    let batch = take_batch(&mut written(Compression::None, 3), true).unwrap().unwrap();
    assert!(batch.is_transactional() && !batch.is_control() && !batch.has_append_time());
    assert_eq!((batch.producer_id, batch.base_offset, batch.last_offset, batch.count), (7, 0, 2, 3));
}

#[test]
fn no_bytes_make_it_panic() {
    for (_, compression) in Compression::NAMES {
        let whole = written(compression, 20);
        for at in 0..whole.len() {
            for change in [0x01, 0x80, 0xff] {
                let mut bytes = whole.to_vec();
                bytes[at] ^= change;
                let mut bytes = Bytes::from(bytes);
                drop(end_offset(&bytes));
                // Without the checksum all of it is looked at.
                let Ok(Some(batch)) = take_batch(&mut bytes, false) else { continue };
                drop(batch.aborts());
                let Ok(mut records) = batch.open() else { continue };
                while let Ok(Some(record)) = records.next() {
                    drop(headers(&record, &records.bytes));
                }
            }
        }
    }
}

#[test]
fn damage_is_found_by_the_checksum() {
    let mut bytes = written(Compression::None, 3).to_vec();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let error = take_batch(&mut Bytes::from(bytes), true).unwrap_err();
    assert_eq!(error, "the batch at offset 0 is damaged: its checksum is another one");
}

#[test]
fn other_versions_are_named() {
    let mut bytes = written(Compression::None, 3).to_vec();
    bytes[16] = 1;
    let error = take_batch(&mut Bytes::from(bytes), true).unwrap_err();
    assert_eq!(error, "a batch has version 1 of the message format, and only version 2 can be read");
}
