//! The sessions of each group: stretches of time that grow, touch and become one.
//!
//! Flink counterpart: `MergingWindowSet` with the state of its windows. **State layout**: for each group a list
//! of sessions in order of their time, each with the number of a slot; slots hold what belongs to a session (an
//! aggregate's state, rows). The value of a group is a part with its sessions, and then each part of the slots,
//! of all its sessions one behind the other. So the parts of an aggregation may change as anywhere.
//!
//! **Invariant.** The sessions of a group do not touch: between the end of one and the start of the next lies at
//! least a millisecond. A session that is put in is as long as the gap, so it meets at most two others.

use flott_api::Result;

use super::region::GroupEntries;
use super::values::{Values, take_part};
use crate::codec::{damaged, put_short, put_signed, take_short, take_signed};

/// Entries of which a value can be written and read part by part.
pub trait PartedEntries: GroupEntries {
    /// How many parts.
    fn parts(&self) -> usize;

    /// Appends a part of a group's value, which tells its own end.
    ///
    /// # Errors
    /// If it cannot be written; a bug.
    fn save_part(&self, part: usize, group: u32, out: &mut Vec<u8>) -> Result<()>;

    /// Reads what [`save_part`](PartedEntries::save_part) wrote into a fresh group and moves the input behind it.
    /// The time is processing time.
    ///
    /// # Errors
    /// If the bytes are damaged.
    fn load_part(&mut self, part: usize, group: u32, input: (&mut &[u8], i64)) -> Result<()>;
}

/// A session of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its first moment.
    pub start_ms: i64,
    /// When it is over unless something comes.
    pub end_ms: i64,
    /// When its timer fires: never behind its end, but it may be before.
    pub timer_ms: i64,
    /// Where its contents are.
    pub slot: u32,
}

impl Session {
    fn meets(&self, start_ms: i64, end_ms: i64) -> bool {
        self.start_ms <= end_ms && self.end_ms >= start_ms
    }
}

/// Where something was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The slot of its session.
    pub slot: u32,
    /// A slot whose session has become a part of this one: its contents must be moved, and the slot released.
    pub absorbed: Option<u32>,
}

/// Sessions by group.
#[derive(Debug)]
pub struct Sessions<E> {
    lists: Vec<List>,
    slots: E,
    free: Vec<u32>,
    end: u32,
}

#[derive(Debug, Default)]
struct List {
    /// Counts what came for the group as long as it has a session.
    arrivals: i64,
    sessions: Vec<Session>,
}

impl<E> Sessions<E> {
    /// No sessions; `slots` is empty.
    pub fn new(slots: E) -> Self {
        Sessions { lists: Vec::new(), slots, free: Vec::new(), end: 0 }
    }

    /// The sessions of a group, in order of their time.
    pub fn of(&self, group: u32) -> &[Session] {
        self.lists.get(group as usize).map_or(&[], |l| l.sessions.as_slice())
    }

    /// The contents of all sessions.
    pub fn slots_mut(&mut self) -> &mut E {
        &mut self.slots
    }

    /// A number for what comes next for a group: higher than those before, while it has a session.
    pub fn next_arrival(&mut self, group: u32) -> i64 {
        let arrivals = &mut self.lists[group as usize].arrivals;
        *arrivals += 1;
        *arrivals
    }
}

impl<E: GroupEntries> Sessions<E> {
    /// Puts a stretch of time into the sessions of a group that it meets. If it meets none it answers nothing.
    pub fn join(&mut self, group: u32, start_ms: i64, end_ms: i64) -> Option<Placed> {
        let sessions = &mut self.lists[group as usize].sessions;
        // What came last mostly belongs to the last session.
        let first = sessions.iter().rposition(|s| s.meets(start_ms, end_ms))?;
        let first = if first > 0 && sessions[first - 1].meets(start_ms, end_ms) { first - 1 } else { first };
        let absorbed = sessions.get(first + 1).copied().filter(|s| s.meets(start_ms, end_ms));
        let session = &mut sessions[first];
        session.start_ms = session.start_ms.min(start_ms);
        session.end_ms = session.end_ms.max(end_ms);
        if let Some(other) = absorbed {
            session.end_ms = session.end_ms.max(other.end_ms);
            session.timer_ms = session.timer_ms.min(other.timer_ms);
        }
        let placed = Placed { slot: session.slot, absorbed: absorbed.map(|s| s.slot) };
        if absorbed.is_some() {
            sessions.remove(first + 1);
        }
        Some(placed)
    }

    /// Begins a session that meets none, with its timer; its slot.
    pub fn begin(&mut self, group: u32, start_ms: i64, end_ms: i64, timer_ms: i64) -> u32 {
        let slot = self.free.pop().unwrap_or(self.end);
        if slot == self.end {
            self.end += 1;
            self.slots.grow(self.end as usize);
        }
        let sessions = &mut self.lists[group as usize].sessions;
        let place = sessions.partition_point(|s| s.start_ms < start_ms);
        sessions.insert(place, Session { start_ms, end_ms, timer_ms, slot });
        slot
    }

    /// Sets when the timer of a session fires.
    pub fn set_timer(&mut self, group: u32, start_ms: i64, timer_ms: i64) {
        if let Some(session) = self.lists[group as usize].sessions.iter_mut().find(|s| s.start_ms == start_ms) {
            session.timer_ms = timer_ms;
        }
    }

    /// Ends a session; its slot is still to be released.
    pub fn end(&mut self, group: u32, start_ms: i64) {
        self.lists[group as usize].sessions.retain(|s| s.start_ms != start_ms);
    }

    /// Forgets the contents of a slot that no session has.
    pub fn release(&mut self, slot: u32) {
        self.slots.clear(slot);
        self.free.push(slot);
    }
}

impl<E: PartedEntries> Sessions<E> {
    fn save_sessions(&self, group: u32, out: &mut Vec<u8>) {
        let sessions = self.of(group);
        put_signed(out, self.lists[group as usize].arrivals);
        put_short(out, sessions.len() as u64);
        for session in sessions {
            put_signed(out, session.start_ms);
            // Differences are short.
            put_signed(out, session.end_ms.wrapping_sub(session.start_ms));
            put_signed(out, session.timer_ms.wrapping_sub(session.end_ms));
        }
    }

    fn load_sessions(&mut self, group: u32, input: &mut &[u8]) -> Result<()> {
        self.lists[group as usize].arrivals = take_signed(input)?;
        let mut before: Option<i64> = None;
        for _ in 0..take_short(input)? {
            let start_ms = take_signed(input)?;
            let end_ms = start_ms.wrapping_add(take_signed(input)?);
            let timer_ms = end_ms.wrapping_add(take_signed(input)?);
            if end_ms < start_ms || before.is_some_and(|before| before >= start_ms) {
                return Err(damaged("the sessions of a key are out of order"));
            }
            before = Some(end_ms);
            self.begin(group, start_ms, end_ms, timer_ms);
        }
        Ok(())
    }

    fn load_slots(&mut self, group: u32, value: &mut &[u8], now_ms: i64) -> Result<()> {
        for part in 0..self.slots.parts() {
            let mut bytes = take_part(value)?;
            for session in self.lists[group as usize].sessions.clone() {
                self.slots.load_part(part, session.slot, (&mut bytes, now_ms))?;
            }
            if !bytes.is_empty() {
                return Err(damaged("the contents of a session are too long"));
            }
        }
        if value.is_empty() { Ok(()) } else { Err(damaged("the sessions of a key have too many parts")) }
    }
}

impl<E: PartedEntries> GroupEntries for Sessions<E> {
    fn fresh(&self) -> Result<Self> {
        Ok(Sessions::new(self.slots.fresh()?))
    }

    fn grow(&mut self, end: usize) {
        self.lists.resize_with(self.lists.len().max(end), List::default);
    }

    fn save(&self, groups: &[u32], values: &mut Values) -> Result<()> {
        let mut bytes = Vec::new();
        for group in groups {
            values.part(|out| self.save_sessions(*group, out));
            for part in 0..self.slots.parts() {
                bytes.clear();
                let mut sessions = self.of(*group).iter();
                sessions.try_for_each(|s| self.slots.save_part(part, s.slot, &mut bytes))?;
                values.part(|out| out.extend_from_slice(&bytes));
            }
            values.end();
        }
        Ok(())
    }

    fn load(&mut self, groups: &[u32], values: &[&[u8]], now_ms: i64) -> Result<()> {
        for (group, mut value) in groups.iter().zip(values.iter().copied()) {
            let mut sessions = take_part(&mut value)?;
            self.load_sessions(*group, &mut sessions)?;
            if !sessions.is_empty() {
                return Err(damaged("the list of a key's sessions is too long"));
            }
            self.load_slots(*group, &mut value, now_ms)?;
        }
        Ok(())
    }

    fn clear(&mut self, group: u32) {
        let Some(list) = self.lists.get_mut(group as usize).map(std::mem::take) else { return };
        list.sessions.iter().for_each(|s| self.release(s.slot));
    }

    fn memory_bytes(&self) -> usize {
        let sessions = (self.end as usize - self.free.len()) * size_of::<Session>();
        self.lists.len() * size_of::<List>() + sessions + self.slots.memory_bytes()
    }

    fn slot_bytes(&self) -> usize {
        size_of::<List>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hot::testing::Numbers;

    impl PartedEntries for Numbers {
        fn parts(&self) -> usize {
            1
        }

        fn save_part(&self, _: usize, group: u32, out: &mut Vec<u8>) -> Result<()> {
            put_signed(out, self.0[group as usize]);
            Ok(())
        }

        fn load_part(&mut self, _: usize, group: u32, (input, _): (&mut &[u8], i64)) -> Result<()> {
            self.0[group as usize] = take_signed(input)?;
            Ok(())
        }
    }

    fn sessions() -> Sessions<Numbers> {
        let mut sessions = Sessions::new(Numbers::default());
        sessions.grow(2);
        sessions
    }

    fn bounds(sessions: &Sessions<Numbers>, group: u32) -> Vec<(i64, i64, i64)> {
        sessions.of(group).iter().map(|s| (s.start_ms, s.end_ms, s.timer_ms)).collect()
    }

    #[test]
    fn sessions_grow_at_both_ends_and_become_one() {
        let mut s = sessions();
        assert_eq!(s.join(0, 100, 110), None);
        let late = s.begin(0, 100, 110, 109);
        assert_eq!(s.join(0, 80, 90), None);
        let early = s.begin(0, 80, 90, 89);
        assert_eq!(s.join(1, 80, 90), None);
        assert_eq!(s.join(0, 105, 115), Some(Placed { slot: late, absorbed: None }));
        // They touch: that is enough.
        assert_eq!(s.join(0, 70, 80), Some(Placed { slot: early, absorbed: None }));
        assert_eq!(bounds(&s, 0), [(70, 90, 89), (100, 115, 109)]);
        assert_eq!(s.join(0, 90, 100), Some(Placed { slot: early, absorbed: Some(late) }));
        assert_eq!(bounds(&s, 0), [(70, 115, 89)]);
        s.release(late);
        s.set_timer(0, 70, 114);
        assert_eq!(s.begin(1, 0, 10, 9), late);
        s.end(0, 70);
        assert!(s.of(0).is_empty());
    }

    #[test]
    fn sessions_survive_their_bytes() {
        let mut s = sessions();
        for (start, value) in [(100, 5), (0, 7)] {
            let slot = s.begin(1, start, start + 10, start + 9);
            s.slots_mut().0[slot as usize] = value;
        }
        assert_eq!((s.next_arrival(1), s.next_arrival(1)), (1, 2));
        let mut saved = Values::default();
        s.save(&[1], &mut saved).unwrap();
        let mut copy = s.fresh().unwrap();
        copy.grow(1);
        copy.load(&[0], &[saved.get(0)], 0).unwrap();
        assert_eq!(bounds(&copy, 0), bounds(&s, 1));
        let slots: Vec<i64> = copy.of(0).to_vec().iter().map(|s| copy.slots.0[s.slot as usize]).collect();
        assert_eq!((slots, copy.next_arrival(0)), (vec![7, 5], 3));
        for cut in 0..saved.get(0).len() {
            let mut other = s.fresh().unwrap();
            other.grow(1);
            assert!(other.load(&[0], &[&saved.get(0)[..cut]], 0).is_err(), "cut at {cut}");
        }
        let full = copy.memory_bytes();
        copy.clear(0);
        assert!(copy.memory_bytes() < full && copy.of(0).is_empty() && copy.next_arrival(0) == 1);
    }
}
