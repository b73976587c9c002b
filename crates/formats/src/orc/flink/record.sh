#!/usr/bin/env bash
# Records what Flink 2.3.0 writes as ORC and what it reads in that: record.sh LIB JARS SCRIPT DIR [ZONE]
# LIB is the folder of Flink's jars, as of crates/e2e/oracle/record.sh; JARS a folder with flink-sql-orc-2.3.0.jar,
# hadoop-client-api-3.3.6.jar, hadoop-client-runtime-3.3.6.jar and commons-logging-1.2.jar of Maven Central. To make the
# files of this folder in an empty DIR: `write.sql`, then `zone.sql` with ZONE = America/Los_Angeles, then `json.sql`.
# (What Flink reads in files of ours is recorded by crates/e2e/oracle/format/orc_flott.sql.)
set -euo pipefail
lib=${1:?the folder of the jars of Flink 2.3.0}
jars=${2:?the folder of the jars of ORC}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
classes=$(mktemp -d)
trap 'rm -rf "$classes"' EXIT
classpath=$(printf '%s:' "$lib"/*.jar "$jars"/*.jar)
javac -nowarn -cp "$classpath" -d "$classes" "$here"/OrcRecord.java
opens=()
for package in lang lang.reflect net nio math text time util util.concurrent util.concurrent.atomic util.concurrent.locks; do
  opens+=("--add-opens=java.base/java.$package=ALL-UNNAMED")
done
java -Xmx1500m "-Duser.timezone=${5:-UTC}" "${opens[@]}" -Dlog4j.level=OFF -Dlog4j2.level=OFF \
  -cp "$classes:$classpath" OrcRecord "$here/${3:?a script}" "${4:?a folder}"
