import java.io.IOException;
import java.io.PrintStream;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.stream.Stream;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.runtime.minicluster.MiniCluster;
import org.apache.flink.runtime.minicluster.MiniClusterConfiguration;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.api.TableResult;

/**
 * Runs scripts on an embedded cluster of one task slot, each some times, and says what the job of each run took.
 *
 * <p>Usage: Jobs RUNS SCRIPT... A statement ends with ';' at the end of its line; `--! empty FOLDER` deletes what is in a
 * folder. A line of the answer has seconds, CPU seconds of the whole process and rows at the sink `measure`. Seconds are those
 * between the job's arrival at the cluster and its end: neither the planner nor the client counts.
 */
public final class Jobs {
  private static final String EMPTY = "--! empty ";
  private static final PrintStream OUT = System.out;
  private static MiniCluster cluster;

  public static void main(String[] args) {
    int status = 0;
    try {
      start();
      int runs = Integer.parseInt(args[0]);
      for (int script = 1; script < args.length; script++) {
        for (int run = 0; run < runs; run++) {
          run(Files.readString(Path.of(args[script])));
        }
      }
    } catch (Throwable error) {
      error.printStackTrace(System.err);
      status = 1;
    }
    OUT.flush();
    Runtime.getRuntime().halt(status);
  }

  private static void start() throws Exception {
    Configuration config = new Configuration();
    config.setString("rest.bind-port", "0");
    config.setString("rest.address", "localhost");
    config.setString("taskmanager.memory.managed.size", "256m");
    config.setString("taskmanager.memory.network.min", "64m");
    config.setString("taskmanager.memory.network.max", "64m");
    cluster = new MiniCluster(new MiniClusterConfiguration.Builder()
        .setConfiguration(config).setNumTaskManagers(1).setNumSlotsPerTaskManager(1).build());
    cluster.start();
  }

  private static void run(String script) throws Exception {
    Configuration config = new Configuration();
    config.setString("execution.target", "remote");
    config.setString("rest.address", "localhost");
    config.setString("rest.port", String.valueOf(cluster.getRestAddress().get().getPort()));
    config.setString("parallelism.default", "1");
    config.setString("table.local-time-zone", "UTC");
    config.setString("client.retry-period", "50 ms");
    TableEnvironment tables =
        TableEnvironment.create(EnvironmentSettings.newInstance().withConfiguration(config).inStreamingMode().build());
    for (String statement : script.split(";\\s*(\\n|$)")) {
      if (statement.strip().startsWith(EMPTY)) {
        empty(Path.of(statement.strip().substring(EMPTY.length())));
      } else if (!statement.isBlank()) {
        execute(tables, statement);
      }
    }
  }

  private static void execute(TableEnvironment tables, String statement) throws Exception {
    Measure.ROWS.set(0);
    TableResult result = tables.executeSql(statement);
    if (result.getJobClient().isEmpty()) {
      return;
    }
    long before = cpuNanos();
    JobClient job = result.getJobClient().get();
    result.await();
    double cpu = (cpuNanos() - before) / 1e9;
    double seconds = job.getJobExecutionResult().get().getNetRuntime() / 1e3;
    OUT.println(seconds + " " + cpu + " " + Measure.ROWS.get());
  }

  /** User and system time of all threads: those that compile and collect garbage too. */
  static long cpuNanos() {
    return ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime();
  }

  private static void empty(Path folder) throws IOException {
    if (!Files.exists(folder)) {
      return;
    }
    try (Stream<Path> walk = Files.walk(folder)) {
      walk.sorted(Comparator.reverseOrder()).forEach(path -> path.toFile().delete());
    }
  }
}
