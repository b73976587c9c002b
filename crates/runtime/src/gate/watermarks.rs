//! The watermark of a task: the minimum over the channels that are not idle.
//!
//! As Flink's `StatusWatermarkValve`, per input, and over the inputs as its combined watermark
//! status. A channel that was idle counts again once it has caught up with what was emitted.
//! A pure state machine.

use flott_api::Watermark;

/// What follows for the task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TimeChange {
    /// The watermark has risen to this; comes before the status.
    pub(crate) watermark: Option<Watermark>,
    /// The task has become idle or active.
    pub(crate) idle: Option<bool>,
}

/// All inputs of a task.
#[derive(Debug)]
pub(crate) struct TaskTime {
    inputs: Vec<InputTime>,
    /// Of each channel: its input and its position there.
    places: Vec<(usize, usize)>,
    watermark: Watermark,
    idle: bool,
}

#[derive(Debug)]
struct InputTime {
    channels: Vec<ChannelTime>,
    watermark: Watermark,
    idle: bool,
}

#[derive(Clone, Debug)]
struct ChannelTime {
    watermark: Watermark,
    idle: bool,
    /// Whether it takes part in the minimum.
    aligned: bool,
}

impl TaskTime {
    /// `inputs[c]` is the input that channel `c` ends in. Only what is above `watermark` is new: after a
    /// restore the channels begin below it.
    pub(crate) fn new(inputs: &[usize], watermark: Watermark) -> Self {
        let count = inputs.iter().max().map_or(0, |last| last + 1);
        let mut time = TaskTime {
            inputs: (0..count).map(|_| InputTime::new()).collect(),
            places: Vec::with_capacity(inputs.len()),
            watermark,
            idle: false,
        };
        for input in inputs {
            let channels = &mut time.inputs[*input].channels;
            time.places.push((*input, channels.len()));
            channels.push(ChannelTime { watermark: Watermark::MIN, idle: false, aligned: true });
        }
        time
    }

    /// A channel's watermark; answers the task's if that has risen.
    pub(crate) fn on_watermark(&mut self, channel: usize, watermark: Watermark) -> TimeChange {
        let (input, place) = self.places[channel];
        self.inputs[input].on_watermark(place, watermark);
        self.combine()
    }

    /// A channel's status.
    pub(crate) fn on_status(&mut self, channel: usize, idle: bool) -> TimeChange {
        let (input, place) = self.places[channel];
        self.inputs[input].on_status(place, idle);
        self.combine()
    }

    /// How far a channel has come, and whether it is idle.
    pub(crate) fn channel(&self, channel: usize) -> (Watermark, bool) {
        let (input, place) = self.places[channel];
        let of_channel = &self.inputs[input].channels[place];
        (of_channel.watermark, of_channel.idle)
    }

    /// The task's watermark.
    pub(crate) fn watermark(&self) -> Watermark {
        self.watermark
    }

    /// The task has come further already than its channels show.
    pub(crate) fn raise(&mut self, watermark: Watermark) {
        self.watermark = self.watermark.max(watermark);
    }

    fn combine(&mut self) -> TimeChange {
        let mut change = TimeChange::default();
        let active = self.inputs.iter().filter(|i| !i.idle);
        // A lone input says itself how far all of its idle channels have come.
        let lowest = match self.inputs.as_slice() {
            [only] => Some(only.watermark),
            _ => active.map(|i| i.watermark).min(),
        };
        if let Some(lowest) = lowest.filter(|w| *w > self.watermark) {
            self.watermark = lowest;
            change.watermark = Some(lowest);
        }
        let idle = self.inputs.iter().all(|i| i.idle);
        if idle != self.idle {
            self.idle = idle;
            change.idle = Some(idle);
        }
        change
    }
}

impl InputTime {
    fn new() -> Self {
        InputTime { channels: Vec::new(), watermark: Watermark::MIN, idle: false }
    }

    fn on_watermark(&mut self, place: usize, watermark: Watermark) {
        // The end of an input is never idle.
        if watermark == Watermark::MAX {
            self.on_status(place, false);
        }
        let channel = &mut self.channels[place];
        if channel.idle || watermark <= channel.watermark {
            return;
        }
        channel.watermark = watermark;
        channel.aligned |= watermark >= self.watermark;
        self.rise_to_minimum();
    }

    fn on_status(&mut self, place: usize, idle: bool) {
        let channel = &mut self.channels[place];
        if channel.idle == idle {
            return;
        }
        channel.idle = idle;
        channel.aligned = !idle && channel.watermark >= self.watermark;
        let held_back = channel.watermark == self.watermark;
        self.idle = self.channels.iter().all(|c| c.idle);
        if !idle || !held_back {
            return;
        }
        if self.idle {
            // Nothing is waited for any more: the furthest channel decides.
            let furthest = self.channels.iter().map(|c| c.watermark).max();
            self.watermark = furthest.map_or(self.watermark, |w| w.max(self.watermark));
        } else {
            self.rise_to_minimum();
        }
    }

    fn rise_to_minimum(&mut self) {
        let lowest = self.channels.iter().filter(|c| c.aligned).map(|c| c.watermark).min();
        self.watermark = lowest.map_or(self.watermark, |w| w.max(self.watermark));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rise(w: i64) -> TimeChange {
        TimeChange { watermark: Some(Watermark(w)), idle: None }
    }

    const NOTHING: TimeChange = TimeChange { watermark: None, idle: None };

    fn watermark(time: &mut TaskTime, channel: usize, w: i64) -> TimeChange {
        time.on_watermark(channel, Watermark(w))
    }

    #[test]
    fn the_slowest_channel_decides() {
        let mut time = TaskTime::new(&[0, 0], Watermark::MIN);
        assert_eq!(watermark(&mut time, 0, 5), NOTHING);
        assert_eq!(watermark(&mut time, 1, 3), rise(3));
        assert_eq!(watermark(&mut time, 1, 2), NOTHING);
        assert_eq!(watermark(&mut time, 1, 9), rise(5));
    }

    #[test]
    fn the_slowest_input_decides() {
        let mut time = TaskTime::new(&[0, 1, 1], Watermark::MIN);
        assert_eq!(watermark(&mut time, 0, 5), NOTHING);
        assert_eq!(watermark(&mut time, 1, 7), NOTHING);
        assert_eq!(watermark(&mut time, 2, 6), rise(5));
    }

    #[test]
    fn nobody_waits_for_an_idle_channel_until_it_has_caught_up() {
        let mut time = TaskTime::new(&[0, 0], Watermark::MIN);
        watermark(&mut time, 0, 5);
        assert_eq!(time.on_status(1, true), rise(5));
        assert_eq!(watermark(&mut time, 0, 8), rise(8));
        assert_eq!(time.on_status(1, false), NOTHING);
        assert_eq!(watermark(&mut time, 1, 6), NOTHING);
        assert_eq!(watermark(&mut time, 0, 9), rise(9));
        assert_eq!(watermark(&mut time, 1, 9), NOTHING);
        assert_eq!(watermark(&mut time, 0, 12), NOTHING);
        assert_eq!(watermark(&mut time, 1, 10), rise(10));
    }

    #[test]
    fn a_task_is_idle_when_all_its_channels_are() {
        let mut time = TaskTime::new(&[0, 0], Watermark::MIN);
        watermark(&mut time, 0, 5);
        watermark(&mut time, 1, 3);
        assert_eq!(time.on_status(0, true), NOTHING);
        let both = TimeChange { watermark: Some(Watermark(5)), idle: Some(true) };
        assert_eq!(time.on_status(1, true), both);
        assert_eq!(time.on_status(1, false), TimeChange { watermark: None, idle: Some(false) });
    }

    #[test]
    fn two_idle_inputs_do_not_push_each_other_on() {
        let mut time = TaskTime::new(&[0, 1], Watermark::MIN);
        watermark(&mut time, 0, 50);
        assert_eq!(watermark(&mut time, 1, 3), rise(3));
        assert_eq!(time.on_status(1, true), rise(50));
        assert_eq!(time.on_status(0, true), TimeChange { watermark: None, idle: Some(true) });
    }

    #[test]
    fn the_end_of_an_idle_channel_counts() {
        let mut time = TaskTime::new(&[0, 0], Watermark::MIN);
        time.on_status(0, true);
        assert_eq!(watermark(&mut time, 1, i64::MAX), rise(i64::MAX));
        assert_eq!(watermark(&mut time, 0, i64::MAX), NOTHING);
    }
}
