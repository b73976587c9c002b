//! Events in columns: a run of event numbers to a record batch with only the columns asked for.

use std::sync::{Arc, LazyLock};

use arrow_array::{
    ArrayRef, Int32Array, Int64Array, RecordBatch, RecordBatchOptions, StringArray, StructArray,
    TimestampMillisecondArray,
};
use arrow_buffer::{BooleanBufferBuilder, Buffer, NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, Fields, SchemaRef};
use flott_api::{BATCH_ROWS_MAX, Error, Result};

use super::events::{AUCTIONS_IN_FLIGHT, EventKind, Place, Random, Run};
use super::options::{Mix, NexmarkOptions};
use super::rate::Timeline;

const CHANNELS: u64 = 10_000;
const HOT_CHANNELS: [&str; 4] = ["Google", "Facebook", "Baidu", "Apple"];
const STATES: [&str; 6] = ["AZ", "CA", "ID", "OR", "WA", "WY"];
const CITIES: [&str; 10] =
    ["Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland", "Bend", "Redmond", "Seattle", "Kent", "Cheyenne"];
const FIRST_NAMES: [&str; 11] =
    ["Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter"];
const LAST_NAMES: [&str; 9] = ["Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris"];

/// The columns of a table, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NexmarkColumn {
    EventType,
    Person,
    Auction,
    Bid,
}

impl NexmarkColumn {
    /// The column of that name.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "event_type" => Some(NexmarkColumn::EventType),
            "person" => Some(NexmarkColumn::Person),
            "auction" => Some(NexmarkColumn::Auction),
            "bid" => Some(NexmarkColumn::Bid),
            _ => None,
        }
    }
}

/// Makes batches of events.
#[derive(Clone, Debug)]
pub(super) struct Generator {
    mix: Mix,
    timeline: Timeline,
    columns: Vec<(NexmarkColumn, FieldsRead)>,
    schema: SchemaRef,
    blank: Blank,
}

/// Which fields of a column's rows anyone reads.
#[derive(Clone, Copy, Debug)]
struct FieldsRead([bool; FIELDS_MAX]);

/// The most fields that a column's rows have: those of an auction.
const FIELDS_MAX: usize = 10;

impl FieldsRead {
    fn any(&self, fields: &[usize]) -> bool {
        fields.iter().any(|field| self.0[*field])
    }
}

/// What stands in fields that nobody reads, once for all batches.
#[derive(Clone, Debug)]
struct Blank {
    longs: ArrayRef,
    texts: ArrayRef,
}

impl Blank {
    fn new() -> Self {
        let texts = StringArray::from_iter_values(std::iter::repeat_n("", BATCH_ROWS_MAX));
        Blank { longs: longs(vec![0; BATCH_ROWS_MAX]), texts: Arc::new(texts) }
    }
}

impl Generator {
    /// A generator of these columns, of whose rows only some fields may be read.
    pub(super) fn new(
        options: &NexmarkOptions,
        columns: Vec<NexmarkColumn>,
        read_fields: &[Option<Vec<usize>>],
        schema: SchemaRef,
    ) -> Self {
        let read = |column: usize| match read_fields.get(column) {
            Some(Some(fields)) => FieldsRead(std::array::from_fn(|field| fields.contains(&field))),
            _ => FieldsRead([true; FIELDS_MAX]),
        };
        let columns = columns.into_iter().enumerate().map(|(i, column)| (column, read(i))).collect();
        Generator { mix: options.mix.clone(), timeline: Timeline::new(options), columns, schema, blank: Blank::new() }
    }

    /// When an event takes place.
    pub(super) fn timestamp(&self, event: u64) -> i64 {
        self.timeline.timestamp(event)
    }

    /// The events `first .. first + count`, at most a batch.
    pub(super) fn batch(&self, first: u64, count: usize) -> Result<RecordBatch> {
        let times: Vec<i64> = (first..first + count as u64).map(|event| self.timeline.timestamp(event)).collect();
        let times = TimestampMillisecondArray::from(times);
        let columns = self.columns.iter().enumerate().map(|(i, (column, read))| {
            let fields = match self.schema.field(i).data_type() {
                DataType::Struct(fields) => fields.clone(),
                _ => Fields::empty(),
            };
            let (arrays, kind) = match column {
                NexmarkColumn::EventType => return Ok(self.event_types(first, count)),
                NexmarkColumn::Person => (self.persons(first, &times, read)?, EventKind::Person),
                NexmarkColumn::Auction => (self.auctions(first, &times, read)?, EventKind::Auction),
                NexmarkColumn::Bid => (self.bids(first, &times, read)?, EventKind::Bid),
            };
            let arrays = arrays.into_iter().map(|array| array.slice(0, count)).collect();
            structs(fields, arrays, self.validity(first, count, kind))
        });
        let columns: Vec<ArrayRef> = columns.collect::<Result<_>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }

    fn event_types(&self, first: u64, count: usize) -> ArrayRef {
        let mut kinds = Vec::with_capacity(count);
        self.mix.runs(first, count).for_each(|run| kinds.resize(run.row + run.len, run.kind as i32));
        Arc::new(Int32Array::from(kinds))
    }

    fn validity(&self, first: u64, count: usize, kind: EventKind) -> NullBuffer {
        let mut is_valid = BooleanBufferBuilder::new(count);
        self.mix.runs(first, count).for_each(|run| is_valid.append_n(run.len, run.kind == kind));
        NullBuffer::new(is_valid.finish())
    }

    /// The events of a kind, with their rows.
    fn of_kind(&self, kind: EventKind, first: u64, count: usize) -> impl Iterator<Item = (usize, Place)> + use<> {
        self.mix.runs(first, count).filter(move |run| run.kind == kind).flat_map(Run::places)
    }

    fn persons(&self, first: u64, times: &TimestampMillisecondArray, read: &FieldsRead) -> Result<Vec<ArrayRef>> {
        let rows = times.len();
        let mut ids = Longs::new(read.0[0], rows);
        let [mut name, mut email, mut card, mut city, mut state, mut extra] =
            [1, 2, 3, 4, 5, 7].map(|field| Text::new(read.0[field], rows, 0));
        let reads_text = read.any(&[1, 2, 3, 4, 5, 7]);
        self.of_kind(EventKind::Person, first, rows).for_each(|(row, place)| {
            ids.set(row, self.mix.person_id(place));
            if !reads_text {
                return;
            }
            let r = &mut Random::of_event(place.event);
            let mut has = 8 + name.set(row, |out| person_name(r, out));
            has += email.set(row, |out| email_address(r, out));
            has += card.set(row, |out| credit_card(r, out));
            has += city.set(row, |out| out.put(pick(r, &CITIES).as_bytes()));
            has += state.set(row, |out| out.put(pick(r, &STATES).as_bytes()));
            if read.0[7] {
                let count = r.extra_len(has, self.mix.person_bytes);
                extra.set(row, |out| out.letters(r, count));
            }
        });
        let [name, email, card, city, state, extra] =
            [name, email, card, city, state, extra].map(|text| text.finish(rows, &self.blank));
        let times = Arc::new(times.clone());
        Ok(vec![ids.finish(&self.blank), name?, email?, card?, city?, state?, times, extra?])
    }

    fn auctions(&self, first: u64, times: &TimestampMillisecondArray, read: &FieldsRead) -> Result<Vec<ArrayRef>> {
        let rows = times.len();
        let [mut ids, mut initial, mut reserve, mut expires, mut seller, mut category] =
            [0, 3, 4, 6, 7, 8].map(|field| Longs::new(read.0[field], rows));
        let [mut name, mut description, mut extra] = [1, 2, 9].map(|field| Text::new(read.0[field], rows, rows * 4));
        let (reads_text, reads_random) = (read.any(&[1, 2, 9]), read.any(&[1, 2, 3, 4, 6, 7, 8, 9]));
        self.of_kind(EventKind::Auction, first, rows).for_each(|(row, place)| {
            ids.set(row, self.mix.auction_id(place));
            if !reads_random {
                return;
            }
            let r = &mut Random::of_event(place.event);
            seller.set(row, self.mix.seller(place, r));
            category.set(row, Mix::category(r));
            let price = r.price();
            initial.set(row, price);
            reserve.set(row, price + r.price());
            let now = times.value(row);
            expires.set(row, now + self.auction_length_ms(place.event, now, r));
            if !reads_text {
                return;
            }
            let mut has = 48 + name.set(row, |out| out.words(r, 20));
            has += description.set(row, |out| out.words(r, 100));
            if read.0[9] {
                let count = r.extra_len(has, self.mix.auction_bytes);
                extra.set(row, |out| out.letters(r, count));
            }
        });
        let [name, description, extra] = [name, description, extra].map(|text| text.finish(rows, &self.blank));
        let [ids, initial, reserve, seller, category] =
            [ids, initial, reserve, seller, category].map(|longs| longs.finish(&self.blank));
        let expires = expires.into_times(times);
        Ok(vec![ids, name?, description?, initial, reserve, Arc::new(times.clone()), expires, seller, category, extra?])
    }

    /// On average as long as it takes until all auctions in flight have been replaced.
    fn auction_length_ms(&self, event: u64, now_ms: i64, r: &mut Random) -> i64 {
        let events = AUCTIONS_IN_FLIGHT * self.mix.total() / self.mix.auctions;
        let horizon = self.timeline.timestamp(event + events) - now_ms;
        1 + r.below((horizon * 2).max(1) as u64) as i64
    }

    fn bids(&self, first: u64, times: &TimestampMillisecondArray, read: &FieldsRead) -> Result<Vec<ArrayRef>> {
        let rows = times.len();
        let [mut auction, mut bidder, mut price] = [0, 1, 2].map(|field| Longs::new(read.0[field], rows));
        let mut channel = Text::new(read.0[3], rows, rows * 10);
        let mut url = Text::new(read.0[4], rows, rows * 72);
        let mut extra = Text::new(read.0[6], rows, rows * self.mix.bid_bytes as usize);
        let (reads_ids, reads_price) = (read.any(&[0, 1, 2, 3, 4, 6]), read.any(&[2, 3, 4, 6]));
        let reads_text = read.any(&[3, 4, 6]);
        let read_rows = if reads_ids { rows } else { 0 };
        self.of_kind(EventKind::Bid, first, read_rows).for_each(|(row, place)| {
            let r = &mut Random::of_event(place.event);
            auction.set(row, self.mix.bid_auction(place, r));
            bidder.set(row, self.mix.bidder(place, r));
            if !reads_price {
                return;
            }
            // The costliest of all draws.
            if read.0[2] {
                price.set(row, r.price())
            } else {
                r.skip_price()
            }
            if !reads_text {
                return;
            }
            let source = if r.below(2) > 0 { r.below(HOT_CHANNELS.len() as u64) } else { 4 + r.below(CHANNELS) };
            let (name, address) = &SOURCES[source as usize];
            channel.set(row, |out| out.put(name.as_bytes()));
            url.set(row, |out| out.put(address.as_bytes()));
            if read.0[6] {
                let count = r.extra_len(32, self.mix.bid_bytes);
                extra.set(row, |out| out.letters(r, count));
            }
        });
        let [auction, bidder, price] = [auction, bidder, price].map(|longs| longs.finish(&self.blank));
        let [channel, url, extra] = [channel, url, extra].map(|text| text.finish(rows, &self.blank));
        Ok(vec![auction, bidder, price, channel?, url?, Arc::new(times.clone()), extra?])
    }
}

fn longs(values: Vec<i64>) -> ArrayRef {
    Arc::new(Int64Array::from(values))
}

fn structs(fields: Fields, arrays: Vec<ArrayRef>, valid: NullBuffer) -> Result<ArrayRef> {
    Ok(Arc::new(StructArray::try_new(fields, arrays, Some(valid))?))
}

/// A column of numbers under construction, of which nothing is kept if nobody reads it.
struct Longs(Vec<i64>);

impl Longs {
    fn new(is_read: bool, rows: usize) -> Self {
        Longs(if is_read { vec![0; rows] } else { Vec::new() })
    }

    #[inline]
    fn set(&mut self, row: usize, value: i64) {
        if let Some(place) = self.0.get_mut(row) {
            *place = value;
        }
    }

    fn finish(self, blank: &Blank) -> ArrayRef {
        if self.0.is_empty() { Arc::clone(&blank.longs) } else { longs(self.0) }
    }

    /// As times; other ones where nobody reads them.
    fn into_times(self, others: &TimestampMillisecondArray) -> ArrayRef {
        Arc::new(if self.0.is_empty() { others.clone() } else { TimestampMillisecondArray::from(self.0) })
    }
}

/// A text column under construction: no allocation per row.
struct Text {
    is_read: bool,
    offsets: Vec<i32>,
    bytes: Vec<u8>,
}

/// Where a text is written, or only measured.
struct Out<'a> {
    bytes: Option<&'a mut Vec<u8>>,
    len: usize,
}

impl Out<'_> {
    #[inline]
    fn put(&mut self, text: &[u8]) {
        self.len += text.len();
        if let Some(bytes) = &mut self.bytes {
            bytes.extend_from_slice(text);
        }
    }

    #[inline]
    fn letters(&mut self, r: &mut Random, count: usize) {
        self.len += count;
        match &mut self.bytes {
            Some(bytes) => r.letters(bytes, count),
            None => r.skip_letters(count),
        }
    }

    fn words(&mut self, r: &mut Random, max: u64) {
        let count = r.words_len(max);
        self.len += count;
        match &mut self.bytes {
            Some(bytes) => r.words(bytes, count),
            None => r.skip_words(count),
        }
    }
}

impl Text {
    fn new(is_read: bool, rows: usize, bytes: usize) -> Self {
        if !is_read {
            return Text { is_read, offsets: Vec::new(), bytes: Vec::new() };
        }
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        Text { is_read, offsets, bytes: Vec::with_capacity(bytes) }
    }

    /// Writes a row, behind empty ones up to it, and tells its length.
    #[inline]
    fn set(&mut self, row: usize, write: impl FnOnce(&mut Out<'_>)) -> u64 {
        if !self.is_read {
            let mut out = Out { bytes: None, len: 0 };
            write(&mut out);
            return out.len as u64;
        }
        self.fill(row);
        let mut out = Out { bytes: Some(&mut self.bytes), len: 0 };
        write(&mut out);
        let len = out.len as u64;
        self.offsets.push(self.bytes.len() as i32);
        len
    }

    /// Empty rows up to this one.
    #[inline]
    fn fill(&mut self, row: usize) {
        if self.offsets.len() <= row {
            self.offsets.resize(row + 1, self.bytes.len() as i32);
        }
    }

    fn finish(mut self, rows: usize, blank: &Blank) -> Result<ArrayRef> {
        if !self.is_read {
            return Ok(Arc::clone(&blank.texts));
        }
        self.fill(rows);
        let offsets = OffsetBuffer::new(self.offsets.into());
        let text = StringArray::try_new(offsets, Buffer::from_vec(self.bytes), None);
        Ok(Arc::new(text.map_err(|e| Error::internal("generated text is not UTF-8").with_source(e))?))
    }
}

/// Channel and address of each source of bids: the hot ones first.
static SOURCES: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
    let hot = HOT_CHANNELS.iter().enumerate().map(|(i, name)| ((*name).to_owned(), address(u64::MAX - i as u64)));
    let others = (0..CHANNELS).map(|i| {
        let mut address = address(i);
        if Random::of_event(i ^ 0x5bd1_e995).below(10) > 0 {
            // As the suite does: the bits turned round, without the sign.
            address.push_str(&format!("&channel_id={}", (i as i32).reverse_bits().unsigned_abs()));
        }
        (format!("channel-{i}"), address)
    });
    hot.chain(others).collect()
});

fn address(seed: u64) -> String {
    let mut r = Random::of_event(seed ^ 0x9747_b28c);
    let mut out = b"https://www.nexmark.com/".to_vec();
    for _ in 0..3 {
        let count = 3 + r.below(2) as usize;
        r.letters(&mut out, count);
        out.push(b'/');
    }
    out.extend_from_slice(b"item.htm?query=1");
    String::from_utf8_lossy(&out).into_owned()
}

fn pick<'a>(r: &mut Random, names: &[&'a str]) -> &'a str {
    names[r.below(names.len() as u64) as usize]
}

fn person_name(r: &mut Random, out: &mut Out<'_>) {
    out.put(pick(r, &FIRST_NAMES).as_bytes());
    out.put(b" ");
    out.put(pick(r, &LAST_NAMES).as_bytes());
}

fn email_address(r: &mut Random, out: &mut Out<'_>) {
    let (user, domain) = (3 + r.below(4) as usize, 3 + r.below(2) as usize);
    out.letters(r, user);
    out.put(b"@");
    out.letters(r, domain);
    out.put(b".com");
}

fn credit_card(r: &mut Random, out: &mut Out<'_>) {
    for group in 0..4 {
        if group > 0 {
            out.put(b" ");
        }
        let digits = r.below(10_000);
        out.put(&[1000, 100, 10, 1].map(|place| b'0' + (digits / place % 10) as u8));
    }
}
