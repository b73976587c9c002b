//! Counters under Flink's names. The runtime counts; an operator adds only what nobody else can see
//! (late records).

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// A count that rises.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Reads.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A value that is set.
#[derive(Debug)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// A gauge with a first value.
    pub fn new(value: i64) -> Self {
        Gauge(AtomicI64::new(value))
    }

    /// Sets.
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Reads.
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One operator instance. Fields bear Flink's metric names.
#[derive(Debug)]
pub struct OperatorMetrics {
    /// `numRecordsIn`
    pub num_records_in: Counter,
    /// `numRecordsOut`
    pub num_records_out: Counter,
    /// `numBytesIn`
    pub num_bytes_in: Counter,
    /// `numBytesOut`
    pub num_bytes_out: Counter,
    /// `numLateRecordsDropped`
    pub num_late_records_dropped: Counter,
    /// `numRecordsInErrors`: records that the format skipped as malformed.
    pub num_records_in_errors: Counter,
    /// `currentInputWatermark`
    pub current_input_watermark: Gauge,
    /// `currentOutputWatermark`
    pub current_output_watermark: Gauge,
}

impl Default for OperatorMetrics {
    fn default() -> Self {
        OperatorMetrics {
            num_records_in: Counter::default(),
            num_records_out: Counter::default(),
            num_bytes_in: Counter::default(),
            num_bytes_out: Counter::default(),
            num_late_records_dropped: Counter::default(),
            num_records_in_errors: Counter::default(),
            current_input_watermark: Gauge::new(i64::MIN),
            current_output_watermark: Gauge::new(i64::MIN),
        }
    }
}

/// One task. Times add up to the task's life: busy, idle or back-pressured.
#[derive(Debug, Default)]
pub struct TaskMetrics {
    /// `accumulateBusyTimeMs`, in nanoseconds here.
    pub busy_ns: Counter,
    /// `accumulateIdleTimeMs`, in nanoseconds here.
    pub idle_ns: Counter,
    /// `accumulateBackPressuredTimeMs`, in nanoseconds here.
    pub back_pressured_ns: Counter,
}
