# What a person types. Every target but help first lets script/setup install what it needs and the machine lacks.
# A shell opened before rustup ran does not have its folder on the path yet.
export PATH := $(PATH):$(HOME)/.cargo/bin

.DEFAULT_GOAL := help
.PHONY: help demo demo-kafka test lint nightly bench bench-quick fuzz services setup setup-%

help: ## say what can be made here
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile

demo: setup-demo ## run the demo: build Flott and watch a streaming query
	script/demo

demo-kafka: setup-demo-kafka ## run the demo between a real Kafka and a real PostgreSQL, which it starts
	script/demo-kafka

test: setup-test ## run all tests
	cargo test --workspace

lint: setup-lint ## check format, house rules, lints, licences
	script/lint

# FLOTT_PAIRS=all: every call to the store at which a process can die, and for each every call of the recovery at which the
# next one can. FLOTT_GROUPS: how many groups the state has of which a restore may read metadata only.
# The line with Kafka may fail by a fault of Kafka itself, which docs/kafka.md describes: rows of one transaction are hidden then.
# FLOTT_FLINK: the folder of Flink's jars (crates/e2e/oracle/README.md), if it is to answer the random queries, too.
nightly: setup-test ## run the long tests: 2,000 seeds of the simulation, 10,000 random queries, all pairs of crashes, 50 kills, planted bugs
	FLOTT_SEEDS=2000 FLOTT_QUERIES=10000 FLOTT_PAIRS=all FLOTT_GROUPS=100000 cargo test -p flott-e2e --test it simulation
	FLOTT_KILLS=50 cargo test -p flott --test it killing
	FLOTT_KILLS=30 FLOTT_BROKER_KILLS=5 cargo test -p flott --test it kafka
	cargo xtask planted

# FLOTT_FLINK: the folder of Flink's jars, if its formats are to be measured too (docs/formats_benchmark.md). Nexmark is
# measured beside the Flink that setup has fetched; all of it takes hours: docs/benchmarks.md says how to ask for parts.
bench: setup-bench ## measure: Nexmark beside Flink, sliding windows, joins, formats, state larger than memory
	script/bench

bench-quick: setup-bench-quick ## count the instructions of a few queries and say what has changed: two minutes behind the build
	script/bench nexmark quick

fuzz: setup-fuzz ## fuzz every decoder for ten minutes: fuzz/README.md
	script/fuzz

services: setup-test ## install the servers that the tests start, and say how one is started by hand
	@echo 'script/services run NAME PORT FOLDER starts one; NAME is s3, azure, postgres, mariadb, opensearch, kafka, redis, nats, mosquitto, pulsar, rabbitmq or ferretdb'

setup: setup-all ## install what any of these needs

setup-%:
	@script/setup $*
