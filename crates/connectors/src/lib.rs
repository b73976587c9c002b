//! Tables and models outside: one folder per system. [`factories`] is the list of what `'connector' = '..'` may name,
//! [`model_providers`] of what `'provider' = '..'` may.

pub mod blackhole;
pub mod clickhouse;
pub mod datagen;
pub mod elasticsearch;
pub mod filesystem;
pub mod fixed_splits;
pub mod http;
pub mod nexmark;
pub mod openai;
pub mod print;
pub mod stream_load;
#[cfg(test)]
mod testing;
mod web;

use std::sync::Arc;

use flott_api::model::ModelProviders;
use flott_api::table::TableFactory;

/// Every connector of this crate, by name.
pub fn factories() -> Vec<Box<dyn TableFactory>> {
    vec![
        Box::new(blackhole::Blackhole),
        Box::new(clickhouse::ClickHouse),
        Box::new(datagen::Datagen),
        Box::new(stream_load::StreamLoad::DORIS),
        Box::new(elasticsearch::Elasticsearch::SEVEN),
        Box::new(elasticsearch::Elasticsearch::EIGHT),
        Box::new(filesystem::FileSystemTable),
        Box::new(http::HttpTable::FLINK),
        Box::new(http::HttpSinkTable),
        Box::new(nexmark::Nexmark),
        Box::new(elasticsearch::Elasticsearch::OPENSEARCH),
        Box::new(print::Print),
        Box::new(http::HttpTable::GETINDATA),
        Box::new(stream_load::StreamLoad::STARROCKS),
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
