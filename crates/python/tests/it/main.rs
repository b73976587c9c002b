//! Functions in a real Python: what they are, what they are given and give, and what happens when they misbehave.

mod describing;
mod faults;
mod forms;
mod values;
mod world;
