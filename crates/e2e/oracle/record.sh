#!/usr/bin/env bash
# Records what real Flink answers: record.sh LIB [case ...]
# LIB is the folder of Flink 2.3.0's jars (`pyflink/lib` of the PyPI package apache-flink-libraries, Apache-2.0); a JDK
# 11 to 21 is needed. Cases are paths from the root of
# the repository; without any, all are recorded anew. README.md describes the files.
set -euo pipefail
lib=${1:?the folder of the jars of Flink 2.3.0}
shift
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
classes=$(mktemp -d)
trap 'rm -rf "$classes"' EXIT
classpath=$(printf '%s:' "$lib"/*.jar)${FLINK_EXTRA_JARS:-}
javac -nowarn -parameters -cp "$classpath" -d "$classes" "$here"/{Record,Functions,LookupTest,ModelTest}.java
mkdir -p "$classes/META-INF/services"
printf '%s\n' LookupTest ModelTest > "$classes/META-INF/services/org.apache.flink.table.factories.Factory"
opens=()
for package in lang lang.reflect net nio math text time util util.concurrent util.concurrent.atomic util.concurrent.locks; do
  opens+=("--add-opens=java.base/java.$package=ALL-UNNAMED")
done
opens+=(--add-opens=java.base/sun.net.util=ALL-UNNAMED --add-opens=java.base/sun.nio.ch=ALL-UNNAMED)
cd "$here/../../.."
if [[ $# -eq 0 ]]; then
  set -- examples/flights/{delays_per_airport_hour,totals_per_airline}.sql crates/e2e/oracle/*/*.{sql,expr}
fi
java "-Xmx${FLINK_HEAP:-1500m}" -Duser.timezone=UTC "${opens[@]}" -Dlog4j.level=OFF -Dlog4j2.level=OFF \
  -cp "$classes:$classpath" Record crates/e2e/data "$@"
