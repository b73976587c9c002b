//! Events in columns: a run of event numbers to a record batch with only the columns asked for.

use std::sync::{Arc, LazyLock};

use arrow_array::{
    ArrayRef, Int32Array, Int64Array, RecordBatch, RecordBatchOptions, StringArray, StructArray,
    TimestampMillisecondArray,
};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, Fields, SchemaRef};
use flott_api::{Error, Result};

use super::events::{AUCTIONS_IN_FLIGHT, EventKind, Random};
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
    columns: Vec<NexmarkColumn>,
    schema: SchemaRef,
}

impl Generator {
    /// A generator of these columns.
    pub(super) fn new(options: &NexmarkOptions, columns: Vec<NexmarkColumn>, schema: SchemaRef) -> Self {
        Generator { mix: options.mix.clone(), timeline: Timeline::new(options), columns, schema }
    }

    /// When an event takes place.
    pub(super) fn timestamp(&self, event: u64) -> i64 {
        self.timeline.timestamp(event)
    }

    /// The events `first .. first + count`.
    pub(super) fn batch(&self, first: u64, count: usize) -> Result<RecordBatch> {
        let times: Vec<i64> = (first..first + count as u64).map(|event| self.timeline.timestamp(event)).collect();
        let columns = self.columns.iter().enumerate().map(|(i, column)| {
            let fields = match self.schema.field(i).data_type() {
                DataType::Struct(fields) => fields.clone(),
                _ => Fields::empty(),
            };
            match column {
                NexmarkColumn::EventType => Ok(self.event_types(first, count)),
                NexmarkColumn::Person => self.persons(first, &times, fields),
                NexmarkColumn::Auction => self.auctions(first, &times, fields),
                NexmarkColumn::Bid => self.bids(first, &times, fields),
            }
        });
        let columns: Vec<ArrayRef> = columns.collect::<Result<_>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }

    fn event_types(&self, first: u64, count: usize) -> ArrayRef {
        let kinds = (first..first + count as u64).map(|event| self.mix.kind(event) as i32);
        Arc::new(Int32Array::from_iter_values(kinds))
    }

    fn validity(&self, first: u64, count: usize, kind: EventKind) -> NullBuffer {
        NullBuffer::new(BooleanBuffer::collect_bool(count, |i| self.mix.kind(first + i as u64) == kind))
    }

    fn persons(&self, first: u64, times: &[i64], fields: Fields) -> Result<ArrayRef> {
        let valid = self.validity(first, times.len(), EventKind::Person);
        let mut ids = vec![0i64; times.len()];
        let [mut name, mut email, mut card, mut city, mut state, mut extra] =
            std::array::from_fn(|_| Text::new(times.len(), 0));
        for (i, id) in ids.iter_mut().enumerate() {
            if valid.is_valid(i) {
                let event = first + i as u64;
                let r = &mut Random::of_event(event);
                *id = self.mix.person_id(event);
                let mut has = 8 + name.add(|out| person_name(r, out));
                has += email.add(|out| email_address(r, out));
                has += card.add(|out| credit_card(r, out));
                has += city.add(|out| out.extend_from_slice(pick(r, &CITIES).as_bytes()));
                has += state.add(|out| out.extend_from_slice(pick(r, &STATES).as_bytes()));
                let count = r.extra_len(has, self.mix.person_bytes);
                extra.add(|out| r.letters(out, count));
            } else {
                for text in [&mut name, &mut email, &mut card, &mut city, &mut state, &mut extra] {
                    text.skip();
                }
            }
        }
        let [name, email, card, city, state, extra] = [name, email, card, city, state, extra].map(Text::finish);
        let arrays = vec![longs(ids), name?, email?, card?, city?, state?, timestamps(times.to_vec()), extra?];
        structs(fields, arrays, valid)
    }

    fn auctions(&self, first: u64, times: &[i64], fields: Fields) -> Result<ArrayRef> {
        let valid = self.validity(first, times.len(), EventKind::Auction);
        let rows = times.len();
        let [mut ids, mut initial, mut reserve, mut expires, mut seller, mut category] =
            std::array::from_fn(|_| vec![0i64; rows]);
        let [mut name, mut description, mut extra] = std::array::from_fn(|_| Text::new(rows, rows * 4));
        for i in 0..rows {
            if !valid.is_valid(i) {
                for text in [&mut name, &mut description, &mut extra] {
                    text.skip();
                }
                continue;
            }
            let event = first + i as u64;
            let r = &mut Random::of_event(event);
            ids[i] = self.mix.auction_id(event);
            seller[i] = self.mix.seller(event, r);
            category[i] = Mix::category(r);
            initial[i] = r.price();
            reserve[i] = initial[i] + r.price();
            expires[i] = times[i] + self.auction_length_ms(event, times[i], r);
            let mut has = 48 + name.add(|out| r.words(out, 20));
            has += description.add(|out| r.words(out, 100));
            let count = r.extra_len(has, self.mix.auction_bytes);
            extra.add(|out| r.letters(out, count));
        }
        let arrays = vec![
            longs(ids),
            name.finish()?,
            description.finish()?,
            longs(initial),
            longs(reserve),
            timestamps(times.to_vec()),
            timestamps(expires),
            longs(seller),
            longs(category),
            extra.finish()?,
        ];
        structs(fields, arrays, valid)
    }

    /// On average as long as it takes until all auctions in flight have been replaced.
    fn auction_length_ms(&self, event: u64, now_ms: i64, r: &mut Random) -> i64 {
        let events = AUCTIONS_IN_FLIGHT * self.mix.total() / self.mix.auctions;
        let horizon = self.timeline.timestamp(event + events) - now_ms;
        1 + r.below((horizon * 2).max(1) as u64) as i64
    }

    fn bids(&self, first: u64, times: &[i64], fields: Fields) -> Result<ArrayRef> {
        let rows = times.len();
        let valid = self.validity(first, rows, EventKind::Bid);
        let [mut auction, mut bidder, mut price] = std::array::from_fn(|_| vec![0i64; rows]);
        let mut channel = Text::new(rows, rows * 10);
        let mut url = Text::new(rows, rows * 72);
        let mut extra = Text::new(rows, rows * self.mix.bid_bytes as usize);
        for i in 0..rows {
            let event = first + i as u64;
            if self.mix.kind(event) != EventKind::Bid {
                channel.skip();
                url.skip();
                extra.skip();
                continue;
            }
            let r = &mut Random::of_event(event);
            auction[i] = self.mix.bid_auction(event, r);
            bidder[i] = self.mix.bidder(event, r);
            price[i] = r.price();
            let source = if r.below(2) > 0 { r.below(HOT_CHANNELS.len() as u64) } else { 4 + r.below(CHANNELS) };
            let (name, address) = &SOURCES[source as usize];
            channel.add(|out| out.extend_from_slice(name.as_bytes()));
            url.add(|out| out.extend_from_slice(address.as_bytes()));
            let count = r.extra_len(32, self.mix.bid_bytes);
            extra.add(|out| r.letters(out, count));
        }
        let arrays = vec![
            longs(auction),
            longs(bidder),
            longs(price),
            channel.finish()?,
            url.finish()?,
            timestamps(times.to_vec()),
            extra.finish()?,
        ];
        structs(fields, arrays, valid)
    }
}

fn longs(values: Vec<i64>) -> ArrayRef {
    Arc::new(Int64Array::from(values))
}

fn timestamps(values: Vec<i64>) -> ArrayRef {
    Arc::new(TimestampMillisecondArray::from(values))
}

fn structs(fields: Fields, arrays: Vec<ArrayRef>, valid: NullBuffer) -> Result<ArrayRef> {
    Ok(Arc::new(StructArray::try_new(fields, arrays, Some(valid))?))
}

/// A text column under construction: no allocation per row.
struct Text {
    offsets: Vec<i32>,
    bytes: Vec<u8>,
}

impl Text {
    fn new(rows: usize, bytes: usize) -> Self {
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        Text { offsets, bytes: Vec::with_capacity(bytes) }
    }

    /// Adds a row and tells its length.
    #[inline]
    fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> u64 {
        let before = self.bytes.len();
        write(&mut self.bytes);
        self.offsets.push(self.bytes.len() as i32);
        (self.bytes.len() - before) as u64
    }

    #[inline]
    fn skip(&mut self) {
        self.offsets.push(self.bytes.len() as i32);
    }

    fn finish(self) -> Result<ArrayRef> {
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

fn person_name(r: &mut Random, out: &mut Vec<u8>) {
    out.extend_from_slice(pick(r, &FIRST_NAMES).as_bytes());
    out.push(b' ');
    out.extend_from_slice(pick(r, &LAST_NAMES).as_bytes());
}

fn email_address(r: &mut Random, out: &mut Vec<u8>) {
    let (user, domain) = (3 + r.below(4) as usize, 3 + r.below(2) as usize);
    r.letters(out, user);
    out.push(b'@');
    r.letters(out, domain);
    out.extend_from_slice(b".com");
}

fn credit_card(r: &mut Random, out: &mut Vec<u8>) {
    for group in 0..4 {
        if group > 0 {
            out.push(b' ');
        }
        let digits = r.below(10_000);
        out.extend([1000, 100, 10, 1].map(|place| b'0' + (digits / place % 10) as u8));
    }
}
