//! What is remembered of a key as bytes. Persisted: version 1 stays readable.
//!
//! | part | bytes |
//! |---|---|
//! | version | one |
//! | number of the next event | short |
//! | events | how many; of each the number (less that of the one before), the time (signed), the length, the payload |
//! | nodes | how many; of each the place of the one before it (1 and up, 0 for none), the place of its event, the variable |
//! | partial matches | how many; of each the state and the place of its node (1 and up, 0 for the one that has not begun) |
//! | complete matches | how many; of each the place of its node |
//!
//! Numbers are short: 7 bits a byte, the low ones first. The order of matches is that of the arrays of their queues.

use flott_api::{Error, Result};

use crate::matcher::{Matcher, Partial};
use crate::nfa::{FINAL, Nfa};
use crate::pattern::Variable;
use crate::queue::Queue;
use crate::tree::{NONE, Place, Tree};

const VERSION: u8 = 1;
const CONTINUES: u8 = 0x80;

fn damaged(why: &str) -> Error {
    Error::corrupt("the partial matches of a key are damaged").with_detail(format!("They cannot be read: {why}."))
}

fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= u64::from(CONTINUES) {
        out.push(value as u8 | CONTINUES);
        value >>= 7;
    }
    out.push(value as u8);
}

fn put_signed(out: &mut Vec<u8>, value: i64) {
    put(out, ((value << 1) ^ (value >> 63)) as u64);
}

fn take(input: &mut &[u8]) -> Result<u64> {
    let mut value = 0u64;
    for shift in (0..u64::BITS).step_by(7) {
        let (byte, rest) = input.split_first().ok_or_else(|| damaged("they end too early"))?;
        *input = rest;
        let bits = u64::from(byte & !CONTINUES);
        if bits << shift >> shift != bits {
            break;
        }
        value |= bits << shift;
        if byte & CONTINUES == 0 {
            return Ok(value);
        }
    }
    Err(damaged("a number is too large"))
}

fn take_signed(input: &mut &[u8]) -> Result<i64> {
    take(input).map(|v| (v >> 1) as i64 ^ -((v & 1) as i64))
}

/// How many things follow, each of at least a byte.
fn take_count(input: &mut &[u8]) -> Result<usize> {
    let count = usize::try_from(take(input)?).unwrap_or(usize::MAX);
    if count > input.len() { Err(damaged("they end too early")) } else { Ok(count) }
}

/// A place among so many, counted from 1; nothing for 0.
fn take_place(input: &mut &[u8], count: usize) -> Result<Option<usize>> {
    let place = usize::try_from(take(input)?).unwrap_or(usize::MAX);
    if place > count {
        return Err(damaged("a place is not there"));
    }
    Ok(place.checked_sub(1))
}

/// The place of each thing among those that are written.
fn renumbered<T>(things: &[(Place, T)]) -> Vec<u64> {
    let end = things.iter().map(|(place, _)| *place as usize + 1).max().unwrap_or(0);
    let mut places = vec![0; end];
    things.iter().zip(1..).for_each(|((place, _), number)| places[*place as usize] = number);
    places
}

pub(crate) fn save<E: Clone>(matcher: &Matcher<E>, out: &mut Vec<u8>, mut write: impl FnMut(&E, &mut Vec<u8>)) {
    let (events, nodes) = (matcher.tree.events(), matcher.tree.nodes());
    let (event_places, node_places) = (renumbered(&events), renumbered(&nodes));
    let node_place = |node: Place| if node == NONE { 0 } else { node_places[node as usize] };
    out.push(VERSION);
    put(out, matcher.next);
    put(out, events.len() as u64);
    let (mut before, mut payload) = (0, Vec::new());
    for (_, event) in &events {
        put(out, event.number - before);
        before = event.number;
        put_signed(out, event.at_ms);
        payload.clear();
        write(&event.payload, &mut payload);
        put(out, payload.len() as u64);
        out.extend_from_slice(&payload);
    }
    put(out, nodes.len() as u64);
    for (_, node) in &nodes {
        put(out, node_place(node.before));
        put(out, event_places[node.event as usize]);
        out.push(node.variable.0);
    }
    put(out, matcher.partial.array().len() as u64);
    for partial in matcher.partial.array() {
        put(out, u64::from(partial.state));
        put(out, node_place(partial.node));
    }
    put(out, matcher.complete.array().len() as u64);
    matcher.complete.array().iter().for_each(|complete| put(out, node_place(complete.node)));
}

/// A node that was read: its place in the tree, and where its match begins.
#[derive(Clone, Copy)]
struct Loaded {
    node: Place,
    number: u64,
    first: u64,
    begun_ms: i64,
}

pub(crate) fn load<E: Clone>(
    nfa: &Nfa,
    mut input: &[u8],
    read: impl FnMut(&[u8]) -> Result<(E, usize)>,
) -> Result<Matcher<E>> {
    let input = &mut input;
    let (version, rest) = input.split_first().ok_or_else(|| damaged("there is nothing"))?;
    if *version != VERSION {
        return Err(damaged(&format!("they are written in version {version}, and this Flott reads version {VERSION}")));
    }
    *input = rest;
    let next = take(input)?;
    let mut tree = Tree::default();
    let events = load_events(&mut tree, next, input, read)?;
    let nodes = load_nodes(nfa, &mut tree, &events, input)?;
    let partial = load_partial(nfa, &mut tree, &nodes, input)?;
    let complete = load_complete(&mut tree, &nodes, input)?;
    if !input.is_empty() {
        return Err(damaged("they are too long"));
    }
    if tree.has_unused() {
        return Err(damaged("an event belongs to no match"));
    }
    let queue = |array| Queue::of_array(array, nfa.has_preference());
    Ok(Matcher { partial: queue(partial), complete: queue(complete), tree, next })
}

/// The events: place, number and time of each.
fn load_events<E>(
    tree: &mut Tree<E>,
    next: u64,
    input: &mut &[u8],
    mut read: impl FnMut(&[u8]) -> Result<(E, usize)>,
) -> Result<Vec<(Place, u64, i64)>> {
    let count = take_count(input)?;
    let mut events = Vec::with_capacity(count);
    let mut number = 0u64;
    for place in 0..count {
        let step = take(input)?;
        number =
            number.checked_add(step).filter(|n| *n < next).ok_or_else(|| damaged("an event is not of the past"))?;
        if place > 0 && step == 0 {
            return Err(damaged("two events are one"));
        }
        let at_ms = take_signed(input)?;
        let length = take_count(input)?;
        let (payload, rest) = input.split_at(length);
        *input = rest;
        events.push((tree.event(number, at_ms, read(payload)?), number, at_ms));
    }
    Ok(events)
}

fn load_nodes<E>(
    nfa: &Nfa,
    tree: &mut Tree<E>,
    events: &[(Place, u64, i64)],
    input: &mut &[u8],
) -> Result<Vec<Loaded>> {
    let count = take_count(input)?;
    let mut nodes: Vec<Loaded> = Vec::with_capacity(count);
    for place in 0..count {
        let before = take_place(input, place)?.map(|place| nodes[place]);
        let event = take_place(input, events.len())?.ok_or_else(|| damaged("a place has no event"))?;
        let (event, number, at_ms) = events[event];
        let (variable, rest) = input.split_first().ok_or_else(|| damaged("they end too early"))?;
        *input = rest;
        if usize::from(*variable) >= nfa.variables() || before.is_some_and(|b| b.number >= number) {
            return Err(damaged("an event is where it cannot be"));
        }
        let node = tree.node(before.map_or(NONE, |b| b.node), event, Variable(*variable));
        let (first, begun_ms) = before.map_or((number, at_ms), |b| (b.first, b.begun_ms));
        nodes.push(Loaded { node, number, first, begun_ms });
    }
    Ok(nodes)
}

fn load_partial<E>(nfa: &Nfa, tree: &mut Tree<E>, nodes: &[Loaded], input: &mut &[u8]) -> Result<Vec<Partial>> {
    let count = take_count(input)?;
    let (mut partial, mut starts) = (Vec::with_capacity(count), 0);
    for _ in 0..count {
        let state = u32::try_from(take(input)?).unwrap_or(u32::MAX);
        if state as usize >= nfa.len() || state == FINAL {
            return Err(damaged("a state is not one of the pattern"));
        }
        match take_place(input, nodes.len())? {
            Some(place) => partial.push(of_node(tree, nodes[place], state)),
            None if state == nfa.start() => {
                starts += 1;
                partial.push(Partial { state, node: NONE, first: u64::MAX, begun_ms: 0 });
            }
            None => return Err(damaged("a match has no event")),
        }
    }
    if starts == 1 { Ok(partial) } else { Err(damaged("there is not one match that has not begun")) }
}

fn load_complete<E>(tree: &mut Tree<E>, nodes: &[Loaded], input: &mut &[u8]) -> Result<Vec<Partial>> {
    let count = take_count(input)?;
    let one = |input: &mut &[u8], tree: &mut Tree<E>| {
        let place = take_place(input, nodes.len())?.ok_or_else(|| damaged("a match has no event"))?;
        Ok(of_node(tree, nodes[place], FINAL))
    };
    (0..count).map(|_| one(input, tree)).collect()
}

fn of_node<E>(tree: &mut Tree<E>, loaded: Loaded, state: u32) -> Partial {
    tree.retain(loaded.node);
    Partial { state, node: loaded.node, first: loaded.first, begun_ms: loaded.begun_ms }
}
