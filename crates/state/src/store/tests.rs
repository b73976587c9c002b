//! The store against a map, under a seeded executor, with faults and damage.

mod damage;
mod directed;
mod faults;
mod model;
mod world;
