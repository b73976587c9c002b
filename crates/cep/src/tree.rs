//! The events that partial matches have taken: a tree that they share from its root on.
//!
//! Flink counterpart: `SharedBuffer`. A node is an event that a variable has taken, behind the node of the event before. A
//! partial match is the node of its last event, so matches that begin alike share their begin, and a match that goes two ways
//! adds a node for each. A node is there while a match or another node refers to it, an event while a node does.

use crate::pattern::Variable;

/// A node or an event, by its place.
pub(crate) type Place = u32;
/// No node: the match has taken nothing yet.
pub(crate) const NONE: Place = u32::MAX;

/// Things by their place; a place that is free is used again.
#[derive(Clone, Debug)]
struct Slab<T> {
    things: Vec<Option<T>>,
    free: Vec<Place>,
}

impl<T> Slab<T> {
    fn new() -> Self {
        Slab { things: Vec::new(), free: Vec::new() }
    }

    fn len(&self) -> usize {
        self.things.len() - self.free.len()
    }

    fn insert(&mut self, thing: T) -> Place {
        match self.free.pop() {
            Some(place) => {
                self.things[place as usize] = Some(thing);
                place
            }
            None => {
                self.things.push(Some(thing));
                self.things.len() as Place - 1
            }
        }
    }

    fn remove(&mut self, place: Place) -> Option<T> {
        let thing = self.things.get_mut(place as usize)?.take();
        if self.len() == usize::from(thing.is_some()) {
            // Nothing else is here: the memory goes back.
            *self = Slab::new();
        } else if thing.is_some() {
            self.free.push(place);
        }
        thing
    }

    fn get(&self, place: Place) -> Option<&T> {
        self.things.get(place as usize)?.as_ref()
    }

    fn get_mut(&mut self, place: Place) -> Option<&mut T> {
        self.things.get_mut(place as usize)?.as_mut()
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) before: Place,
    pub(crate) event: Place,
    pub(crate) variable: Variable,
    uses: u32,
}

#[derive(Clone, Debug)]
pub(crate) struct Event<E> {
    /// What the owner knows it by.
    pub(crate) payload: E,
    /// The how manyth of the key it is.
    pub(crate) number: u64,
    pub(crate) at_ms: i64,
    bytes: usize,
    uses: u32,
}

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Tree<E> {
    nodes: Slab<Node>,
    events: Slab<Event<E>>,
    payload_bytes: usize,
}

impl<E> Default for Tree<E> {
    fn default() -> Self {
        Tree { nodes: Slab::new(), events: Slab::new(), payload_bytes: 0 }
    }
}

impl<E> Tree<E> {
    /// Adds an event that nobody uses yet; its payload takes so many bytes.
    pub(crate) fn event(&mut self, number: u64, at_ms: i64, (payload, bytes): (E, usize)) -> Place {
        self.payload_bytes += bytes;
        self.events.insert(Event { payload, number, at_ms, bytes, uses: 0 })
    }

    /// Adds a node that nobody uses yet.
    pub(crate) fn node(&mut self, before: Place, event: Place, variable: Variable) -> Place {
        if let Some(event) = self.events.get_mut(event) {
            event.uses += 1;
        }
        self.retain(before);
        self.nodes.insert(Node { before, event, variable, uses: 0 })
    }

    /// Somebody more uses a node.
    pub(crate) fn retain(&mut self, node: Place) {
        if let Some(node) = self.nodes.get_mut(node) {
            node.uses += 1;
        }
    }

    /// Somebody uses a node no longer.
    pub(crate) fn release(&mut self, mut node: Place) {
        while let Some(used) = self.nodes.get_mut(node) {
            used.uses = used.uses.saturating_sub(1);
            if used.uses > 0 {
                return;
            }
            let Some(removed) = self.nodes.remove(node) else { return };
            self.release_event(removed.event);
            node = removed.before;
        }
    }

    fn release_event(&mut self, place: Place) {
        let Some(event) = self.events.get_mut(place) else { return };
        event.uses -= 1;
        if event.uses == 0
            && let Some(event) = self.events.remove(place)
        {
            self.payload_bytes -= event.bytes;
        }
    }

    /// The events of a match from the last to the first.
    pub(crate) fn backwards(&self, node: Place) -> impl Iterator<Item = (&Node, &Event<E>)> {
        let mut at = node;
        std::iter::from_fn(move || {
            let node = self.nodes.get(at)?;
            at = node.before;
            Some((node, self.events.get(node.event)?))
        })
    }

    /// All nodes with their places, none before the one it stands behind.
    pub(crate) fn nodes(&self) -> Vec<(Place, &Node)> {
        let number = |node: &Node| self.events.get(node.event).map_or(0, |e| e.number);
        let all = self.nodes.things.iter().enumerate();
        let mut nodes: Vec<(Place, &Node)> = all.filter_map(|(p, n)| Some((p as Place, n.as_ref()?))).collect();
        nodes.sort_by_key(|(_, node)| number(node));
        nodes
    }

    /// All events with their places, in their order.
    pub(crate) fn events(&self) -> Vec<(Place, &Event<E>)> {
        let all = self.events.things.iter().enumerate();
        let mut events: Vec<(Place, &Event<E>)> = all.filter_map(|(p, e)| Some((p as Place, e.as_ref()?))).collect();
        events.sort_by_key(|(_, event)| event.number);
        events
    }

    /// Whether there is a node or an event that nobody uses.
    pub(crate) fn has_unused(&self) -> bool {
        let nodes = self.nodes.things.iter().flatten();
        nodes.map(|n| n.uses).chain(self.events.things.iter().flatten().map(|e| e.uses)).any(|uses| uses == 0)
    }

    /// How many events, and how many nodes.
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.events.len(), self.nodes.len())
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.payload_bytes
            + self.nodes.things.capacity() * size_of::<Option<Node>>()
            + self.events.things.capacity() * size_of::<Option<Event<E>>>()
            + (self.nodes.free.capacity() + self.events.free.capacity()) * size_of::<Place>()
    }
}
