//! Tables and models outside: one folder per system. [`factories`] is the list of what `'connector' = '..'` may name,
//! [`model_providers`] of what `'provider' = '..'` may.

pub mod blackhole;
pub mod datagen;
pub mod filesystem;
pub mod fixed_splits;
pub mod nexmark;
pub mod openai;
pub mod print;
#[cfg(test)]
mod testing;

use std::sync::Arc;

use flott_api::model::ModelProviders;
use flott_api::table::TableFactory;

/// Every connector of this crate, by name.
pub fn factories() -> Vec<Box<dyn TableFactory>> {
    vec![
        Box::new(blackhole::Blackhole),
        Box::new(datagen::Datagen),
        Box::new(filesystem::FileSystemTable),
        Box::new(nexmark::Nexmark),
        Box::new(print::Print),
    ]
}

/// Every provider of models of this crate.
pub fn model_providers() -> ModelProviders {
    ModelProviders::default().with(Arc::new(openai::OpenAi))
}

#[cfg(test)]
mod tests {
    use super::factories;

    #[test]
    fn the_list_is_sorted_and_names_each_once() {
        let names: Vec<&str> = factories().iter().map(|f| f.identifier()).collect();
        assert!(names.windows(2).all(|w| w[0] < w[1]), "{names:?}");
    }
}
