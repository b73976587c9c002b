import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.runtime.minicluster.MiniCluster;
import org.apache.flink.runtime.minicluster.MiniClusterConfiguration;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.api.TableResult;

/**
 * Runs the jobs of scripts on an embedded cluster and says how fast they were when the virtual machine was warm.
 *
 * <p>Usage: NexmarkJobs PARALLELISM WARM_SECONDS LIMIT_SECONDS MANAGED_MEMORY SCRIPT... A statement ends with ';' at the end of its
 * line. A job that runs for longer than LIMIT_SECONDS (0: no limit) is cancelled, and what it did until then counts. A line of the answer:
 * seconds of the whole job and its CPU seconds; rows at the sink; events, seconds and CPU seconds from WARM_SECONDS after the
 * first event to the end; the most memory that the process ever had, in KiB; the hash of the result; the latencies in milliseconds
 * that half, 99 % and all but a thousandth of the rows kept (-1 where none were measured).
 */
public final class NexmarkJobs {
  private static final PrintStream OUT = System.out;
  private static final Pattern SET = Pattern.compile("\\s*SET\\s+'([^']+)'\\s*=\\s*'([^']*)'\\s*");
  private static final long LOOK_MS = 20;
  private static MiniCluster cluster;

  public static void main(String[] args) {
    int status = 0;
    try {
      int parallelism = Integer.parseInt(args[0]);
      start(parallelism, args[3]);
      for (int script = 4; script < args.length; script++) {
        run(Files.readString(Path.of(args[script])), parallelism, new Span(Double.parseDouble(args[1]), Long.parseLong(args[2])));
      }
    } catch (Throwable error) {
      error.printStackTrace(System.err);
      status = 1;
    }
    OUT.flush();
    Runtime.getRuntime().halt(status);
  }

  /** From when on a job counts, and how long it may take. */
  private record Span(double warmSeconds, long limitSeconds) {}

  private static void start(int parallelism, String managedMemory) throws Exception {
    Configuration config = new Configuration();
    config.setString("rest.bind-port", "0");
    config.setString("rest.address", "localhost");
    config.setString("taskmanager.memory.managed.size", managedMemory);
    config.setString("taskmanager.memory.network.min", "128m");
    config.setString("taskmanager.memory.network.max", "128m");
    cluster = new MiniCluster(new MiniClusterConfiguration.Builder()
        .setConfiguration(config).setNumTaskManagers(1).setNumSlotsPerTaskManager(parallelism).build());
    cluster.start();
  }

  private static void run(String script, int parallelism, Span span) throws Exception {
    Configuration config = new Configuration();
    config.setString("execution.target", "remote");
    config.setString("rest.address", "localhost");
    config.setString("rest.port", String.valueOf(cluster.getRestAddress().get().getPort()));
    config.setString("parallelism.default", String.valueOf(parallelism));
    config.setString("pipeline.object-reuse", "true");
    config.setString("table.local-time-zone", "UTC");
    config.setString("client.retry-period", "50 ms");
    TableEnvironment tables =
        TableEnvironment.create(EnvironmentSettings.newInstance().withConfiguration(config).inStreamingMode().build());
    for (String statement : script.split(";\\s*(\\n|$)")) {
      Matcher set = SET.matcher(statement);
      if (set.matches()) {
        tables.getConfig().set(set.group(1), set.group(2));
      } else if (!statement.isBlank()) {
        execute(tables, statement, span);
      }
    }
  }

  private static void execute(TableEnvironment tables, String statement, Span span) throws Exception {
    Measure.ROWS.set(0);
    Measure.HASH.set(0);
    java.util.Arrays.fill(Nexmark.EMITTED, 0);
    IntStream.range(0, Measure.LATENCIES.length()).forEach(i -> Measure.LATENCIES.set(i, 0));
    long cpuStarted = Jobs.cpuNanos();
    TableResult result = tables.executeSql(statement);
    if (result.getJobClient().isEmpty()) {
      return;
    }
    JobClient job = result.getJobClient().get();
    Warm warm = new Warm(span.warmSeconds());
    warm.start();
    long started = System.nanoTime();
    boolean whole = ends(result, span.limitSeconds());
    long ended = System.nanoTime();
    long cpuEnded = Jobs.cpuNanos();
    long events = emitted();
    warm.interrupt();
    warm.join();
    long cpu = cpuEnded - cpuStarted;
    double seconds = whole ? job.getJobExecutionResult().get().getNetRuntime() / 1e3 : (ended - started) / 1e9;
    OUT.println(seconds + " " + cpu / 1e9 + " " + Measure.ROWS.get()
        + " " + (events - warm.events) + " " + (ended - warm.nanos) / 1e9 + " " + (cpuEnded - warm.cpu) / 1e9
        + " " + peakKib() + " " + Long.toHexString(Measure.HASH.get())
        + " " + latency(0.5) + " " + latency(0.99) + " " + latency(0.999));
    if (!whole) {
      job.cancel().get();
    }
  }

  /** Waits for the end, which may be too far away. */
  private static boolean ends(TableResult result, long limitSeconds) throws Exception {
    if (limitSeconds == 0) {
      result.await();
      return true;
    }
    try {
      result.await(limitSeconds, TimeUnit.SECONDS);
      return true;
    } catch (TimeoutException later) {
      return false;
    }
  }

  private static long emitted() {
    return java.util.Arrays.stream(Nexmark.EMITTED).sum();
  }

  /** Looks at the counts once the job is warm; a job that is done before has been looked at when its first event came. */
  private static final class Warm extends Thread {
    private final double seconds;
    private volatile long events;
    private volatile long nanos = System.nanoTime();
    private volatile long cpu = Jobs.cpuNanos();

    Warm(double seconds) {
      this.seconds = seconds;
      setDaemon(true);
    }

    @Override
    public void run() {
      try {
        while (emitted() == 0) {
          Thread.sleep(LOOK_MS);
        }
        look();
        Thread.sleep((long) (seconds * 1e3));
        look();
      } catch (InterruptedException done) {
        // The job has ended.
      }
    }

    private void look() {
      events = emitted();
      nanos = System.nanoTime();
      cpu = Jobs.cpuNanos();
    }
  }

  private static long peakKib() throws Exception {
    return Files.readAllLines(Path.of("/proc/self/status")).stream().filter(line -> line.startsWith("VmHWM:"))
        .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", ""))).findFirst().orElse(0);
  }

  private static long latency(double part) {
    long all = IntStream.range(0, Measure.LATENCIES.length()).mapToLong(Measure.LATENCIES::get).sum();
    long seen = 0;
    for (int millis = 0; millis < Measure.LATENCIES.length(); millis++) {
      seen += Measure.LATENCIES.get(millis);
      if (all > 0 && seen >= all * part) {
        return millis;
      }
    }
    return -1;
  }
}
