//! Makes the combinations that rows of a batch are part of: input by input, in pieces, depth first.

use arrow_array::ArrayRef;
use flott_api::{ChangeBatch, Result, RowKind};
use flott_functions::EvalContext;
use flott_state::hot::{NO_ROW, RowMultiMap};

use super::Meeting;
use super::check::Level;
use super::combinations::{Combinations, Cursor, Picks, of_batch};
use super::matches::Effects;

/// See the module.
pub(super) struct Walk<'a> {
    meeting: &'a Meeting<'a>,
    maps: &'a [&'a RowMultiMap],
    levels: &'a [Level],
    effects: &'a Effects,
    eval: &'a EvalContext,
    /// What is in work; the deepest last.
    stack: Vec<Place>,
}

/// Combinations that rows of one more input are looked for.
struct Place {
    /// That input.
    level: usize,
    combinations: Combinations,
    cursor: Cursor,
    /// Whether the combination in work has a row of it.
    matched: bool,
}

impl Place {
    fn new(level: usize, combinations: Combinations) -> Self {
        Place { level, combinations, cursor: Cursor::default(), matched: false }
    }
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        meeting: &'a Meeting<'a>,
        (maps, levels): (&'a [&'a RowMultiMap], &'a [Level]),
        (effects, eval): (&'a Effects, &'a EvalContext),
    ) -> Self {
        let mut walk = Walk { meeting, maps, levels, effects, eval, stack: Vec::new() };
        let of: Vec<u32> = effects.rows.clone().filter(|row| walk.may_meet(*row)).map(|row| row as u32).collect();
        if !of.is_empty() {
            let kinds = of.iter().map(|row| meeting.batch.kind(*row as usize)).collect();
            walk.stack.push(Place::new(0, Combinations { of, kinds, rows: vec![Vec::new(); levels.len()] }));
        }
        walk
    }

    /// Whether all inputs without which nothing comes have rows for it.
    fn may_meet(&self, row: usize) -> bool {
        let own = self.meeting.input;
        self.levels.iter().enumerate().all(|(input, level)| match input == own {
            true => own == 0 || self.meeting.groups[own][row].is_some(),
            false => level.is_left() || self.meeting.groups[input][row].is_some(),
        })
    }

    /// The next combinations of all inputs; nothing at the end.
    pub(super) fn next(&mut self) -> Result<Option<Combinations>> {
        while let Some(mut place) = self.stack.pop() {
            let level = place.level;
            if level == self.levels.len() {
                return Ok(Some(place.combinations));
            }
            let piece = match level == self.meeting.input {
                true => self.own(std::mem::take(&mut place.combinations))?,
                false => self.piece(&mut place)?,
            };
            if place.cursor.at < place.combinations.len() {
                self.stack.push(place);
            }
            if !piece.is_empty() {
                self.stack.push(Place::new(level + 1, piece));
            }
        }
        Ok(None)
    }

    /// The combinations with the rows that they are of, and with nulls where these come or go.
    fn own(&self, mut combinations: Combinations) -> Result<Combinations> {
        let own = self.meeting.input;
        let level = &self.levels[own];
        if !level.is_left() {
            combinations.rows[own].clone_from(&combinations.of);
            return Ok(combinations);
        }
        let counts = match &level.whole {
            None => self.effects.counts(&combinations),
            Some(check) => self.effects.tested(&combinations, check, self)?,
        };
        let (mut picks, mut kinds) = (Picks::default(), Vec::new());
        for (at, count) in counts.into_iter().enumerate() {
            let kind = combinations.kinds[at];
            let (first, last) = (!kind.is_retract() && count == 0, kind.is_retract() && count == 1);
            let rows =
                [(first, NO_ROW, RowKind::Delete), (true, combinations.of[at], kind), (last, NO_ROW, RowKind::Insert)];
            for (_, row, kind) in rows.into_iter().filter(|(comes, ..)| *comes) {
                picks.push(at, row);
                kinds.push(kind);
            }
        }
        Ok(Combinations { kinds, ..combinations.extended(picks, own) })
    }

    /// Some combinations with rows of one more input.
    fn piece(&self, place: &mut Place) -> Result<Combinations> {
        let (level, begin) = (place.level, place.cursor.at);
        let combinations = &place.combinations;
        let group_of = |at: usize| self.group(combinations, at, level);
        let mut picks = place.cursor.picks(combinations.len(), self.maps[level], group_of);
        if let Some(check) = &self.levels[level].whole {
            let column = |input, column| self.column_of(combinations, &picks, (level, input, column));
            let passing = check.passing(picks.len(), column, self.eval)?;
            picks = picks.kept(&passing);
        }
        if self.levels[level].is_left() {
            picks = with_nulls(picks, begin, place);
        }
        let picks = self.early(&place.combinations, picks, level)?;
        Ok(place.combinations.extended(picks, level))
    }

    /// The group of an input whose rows may belong to a combination.
    fn group(&self, combinations: &Combinations, at: usize, level: usize) -> Option<u32> {
        let is_there = |needed: &usize| combinations.rows[*needed][at] != NO_ROW;
        let group = self.meeting.groups[level][combinations.of[at] as usize];
        group.filter(|_| self.levels[level].needs.iter().all(is_there))
    }

    /// Those of which the row that came may be part.
    fn early(&self, combinations: &Combinations, mut picks: Picks, level: usize) -> Result<Picks> {
        let own = self.meeting.input;
        if level >= own {
            return Ok(picks);
        }
        let joined = &self.levels[own];
        if joined.needs.contains(&level) && picks.found.contains(&NO_ROW) {
            let passing = picks.found.iter().map(|row| Some(*row != NO_ROW)).collect();
            picks = picks.kept(&passing);
        }
        if let Some(check) = &joined.early[level] {
            let column = |input, column| self.column_of(combinations, &picks, (level, input, column));
            let passing = check.passing(picks.len(), column, self.eval)?;
            picks = picks.kept(&passing);
        }
        Ok(picks)
    }

    /// A column of an input for picked rows of another one, or of that one.
    fn column_of(
        &self,
        combinations: &Combinations,
        picks: &Picks,
        (level, input, column): (usize, usize, usize),
    ) -> Result<ArrayRef> {
        match input == level {
            true => self.maps[level].column(column, &picks.found),
            false => self.column(combinations, Some(&picks.from), (input, column)),
        }
    }

    /// A column of an input for combinations, at these places or at all.
    pub(super) fn column(
        &self,
        combinations: &Combinations,
        places: Option<&[u32]>,
        (input, column): (usize, usize),
    ) -> Result<ArrayRef> {
        let is_own = input == self.meeting.input;
        let rows = &combinations.rows[input];
        // Before its turn the row that came stands by itself.
        let rows = if is_own && rows.is_empty() { &combinations.of } else { rows };
        let picked = places.map(|places| places.iter().map(|at| rows[*at as usize]).collect::<Vec<u32>>());
        let rows = picked.as_deref().unwrap_or(rows);
        if is_own { of_batch(self.meeting.batch, column, rows) } else { self.maps[input].column(column, rows) }
    }

    pub(super) fn own_map(&self) -> &RowMultiMap {
        self.maps[self.meeting.input]
    }

    pub(super) fn input(&self) -> usize {
        self.meeting.input
    }

    pub(super) fn batch(&self) -> &ChangeBatch {
        self.meeting.batch
    }

    pub(super) fn eval(&self) -> &EvalContext {
        self.eval
    }
}

/// The picks with nulls for each combination that has none at its end. Those from `begin` on were walked through, the one
/// in work perhaps in part.
fn with_nulls(picks: Picks, begin: usize, place: &mut Place) -> Picks {
    let (mut all, mut next) = (Picks::default(), 0);
    let end = (place.cursor.at + 1).min(place.combinations.len());
    for at in begin..end {
        let mut matched = at == begin && place.matched;
        while picks.from.get(next).is_some_and(|from| *from as usize == at) {
            all.push(at, picks.found[next]);
            (matched, next) = (true, next + 1);
        }
        if at == place.cursor.at {
            place.matched = matched;
        } else if !matched {
            all.push(at, NO_ROW);
        }
    }
    all
}
