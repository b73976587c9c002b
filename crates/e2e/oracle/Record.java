import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Timer;
import java.util.TimerTask;
import java.util.TreeMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.runtime.minicluster.MiniCluster;
import org.apache.flink.runtime.minicluster.MiniClusterConfiguration;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.api.TableResult;
import org.apache.flink.table.api.internal.TableResultInternal;
import org.apache.flink.table.catalog.DataTypeFactory;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.functions.ScalarFunction;
import org.apache.flink.table.types.inference.InputTypeStrategies;
import org.apache.flink.table.types.inference.TypeInference;
import org.apache.flink.table.types.inference.TypeStrategies;
import org.apache.flink.table.utils.print.RowDataToStringConverter;
import org.apache.flink.util.CloseableIterator;

/**
 * Records what real Flink answers to the cases of this folder; README.md says how and in which form.
 *
 * <p>Usage, at the root of the repository: Record DATA_DIR case.sql|case.expr ... Each case `x.sql` or `x.expr` gets
 * `x.out` beside it; a script of examples/AREA gets it in the folder AREA beside this file.
 */
public final class Record {
  private static final PrintStream OUT = System.out;
  /** A job that runs longer is cancelled: no case should do that. */
  private static final long JOB_MS_MAX = 30_000;
  /** Longer results are recorded as the rows that remain. */
  private static final int CHANGES_MAX = 6000;
  /** How many parts of a long file of expressions are asked at a time: a job waits more than it works. */
  private static final int THREADS = 8;
  /** Expressions of one job. */
  private static final int CASES_MAX = 40;
  /** Files that are looked up in: Flink's connector of files cannot. */
  private static final String LOOKUP_FILES = "lookup-test";
  private static final String ORACLE = "crates/e2e/oracle/";
  private static final PrintStream ERR = System.err;
  private static MiniCluster cluster;
  private static String data;

  public static void main(String[] args) {
    int status = 0;
    try {
      record(args);
    } catch (Throwable error) {
      error.printStackTrace(ERR);
      status = 1;
    }
    OUT.flush();
    Runtime.getRuntime().halt(status);
  }

  private static void record(String[] args) throws Exception {
    data = Path.of(args[0]).toAbsolutePath().normalize().toString();
    Configuration config = new Configuration();
    config.setString("rest.bind-port", "0");
    config.setString("rest.address", "localhost");
    config.setString("taskmanager.memory.managed.size", "256m");
    config.setString("taskmanager.memory.network.min", "128m");
    config.setString("taskmanager.memory.network.max", "128m");
    cluster = new MiniCluster(new MiniClusterConfiguration.Builder()
        .setConfiguration(config).setNumTaskManagers(1).setNumSlotsPerTaskManager(THREADS).build());
    cluster.start();
    for (int i = 1; i < args.length; i++) {
      Path file = Path.of(args[i]);
      Path tmp = Files.createTempDirectory("oracle");
      System.setOut(new PrintStream(new ByteArrayOutputStream()));
      String out = args[i].endsWith(".expr") ? expressions(file, tmp) : script(file, tmp);
      System.setOut(OUT);
      Path to = Path.of(args[i].replaceFirst("^examples/", ORACLE).replaceFirst("\\.(sql|expr)$", ".out"));
      Files.writeString(to, withoutPaths(out, tmp));
      OUT.println("recorded " + to);
      try (Stream<Path> walk = Files.walk(tmp)) {
        walk.sorted(Comparator.reverseOrder()).forEach(p -> p.toFile().delete());
      }
    }
  }

  private static TableEnvironment tables(boolean batch) throws Exception {
    Configuration config = new Configuration();
    config.setString("execution.target", "remote");
    config.setString("rest.address", "localhost");
    config.setString("rest.port", String.valueOf(cluster.getRestAddress().get().getPort()));
    config.setString("parallelism.default", "1");
    config.setString("table.local-time-zone", "UTC");
    config.setString("client.retry-period", "50 ms");
    EnvironmentSettings.Builder settings = EnvironmentSettings.newInstance().withConfiguration(config);
    return TableEnvironment.create((batch ? settings.inBatchMode() : settings.inStreamingMode()).build());
  }

  /** A value as a row has it, not a constant: V(x) is x and is not evaluated by the planner. */
  public static final class V extends ScalarFunction {
    public Object eval(Object value) {
      return value;
    }

    @Override
    public boolean isDeterministic() {
      return false;
    }

    @Override
    public TypeInference getTypeInference(DataTypeFactory factory) {
      return TypeInference.newBuilder().inputTypeStrategy(InputTypeStrategies.sequence(InputTypeStrategies.ANY))
          .outputTypeStrategy(TypeStrategies.argument(0)).build();
    }
  }

  private static String fill(String text, Path tmp) {
    return text.replace("${DATA}", data).replace("${TMP}", tmp.toString()).replace("${LOOKUP_FILES}", LOOKUP_FILES);
  }

  private static String withoutPaths(String text, Path tmp) {
    return text.replace("file:" + tmp, "${TMP}").replace(tmp.toString(), "${TMP}").replace(data, "${DATA}");
  }

  // ---- scripts

  private static String script(Path file, Path tmp) throws Exception {
    List<String> statements = statements(fill(Files.readString(file), tmp));
    TableEnvironment tables =
        tables(statements.stream().anyMatch(s -> s.matches("(?is)SET\\s+'execution.runtime-mode'\\s*=\\s*'batch'")));
    if (file.getParent().endsWith("process")) {
      Functions.register(tables);
    }
    StringBuilder out = new StringBuilder();
    int number = 0;
    for (String sql : statements) {
      if (sql.startsWith("--! cat ")) {
        out.append("== cat ").append(withoutPaths(sql.substring(8).strip(), tmp)).append('\n');
        cat(Path.of(sql.substring(8).strip()), out);
        continue;
      }
      number++;
      String head = withoutPaths(sql.lines().map(String::strip).collect(Collectors.joining(" ")), tmp);
      out.append("== ").append(number).append(' ').append(head, 0, Math.min(100, head.length())).append('\n');
      ByteArrayOutputStream printed = new ByteArrayOutputStream();
      ByteArrayOutputStream printedErr = new ByteArrayOutputStream();
      System.setOut(new PrintStream(printed, true));
      System.setErr(new PrintStream(printedErr, true));
      try {
        statement(tables, sql, out);
      } catch (Throwable error) {
        error(error, out);
      } finally {
        System.setOut(OUT);
        System.setErr(ERR);
      }
      printed.toString(StandardCharsets.UTF_8).lines().forEach(l -> out.append("stdout: ").append(l).append('\n'));
      printedErr.toString(StandardCharsets.UTF_8).lines().filter(l -> !l.startsWith("WARNING"))
          .forEach(l -> out.append("stderr: ").append(l).append('\n'));
    }
    return out.toString();
  }

  private static void statement(TableEnvironment tables, String sql, StringBuilder out) throws Exception {
    if (sql.matches("(?is)SET\\s+'.*")) {
      String[] pair = sql.replaceFirst("(?i)SET\\s+", "").split("=", 2);
      tables.getConfig().set(unquote(pair[0]), unquote(pair[1]));
      return;
    }
    if (sql.matches("(?is)RESET\\s+'.*")) {
      tables.getConfig().getConfiguration().removeKey(unquote(sql.replaceFirst("(?i)RESET\\s+", "")));
      return;
    }
    TableResult result = tables.executeSql(sql);
    Timer timer = new Timer(true);
    result.getJobClient().ifPresent(job -> timer.schedule(new TimerTask() {
      @Override
      public void run() {
        job.cancel();
      }
    }, JOB_MS_MAX));
    try {
      answer(result, sql, out);
    } finally {
      timer.cancel();
    }
  }

  private static void answer(TableResult result, String sql, StringBuilder out) throws Exception {
    if (result.getJobClient().isPresent() && !sql.matches("(?is)(SELECT|VALUES|WITH|TABLE|\\().*")) {
      result.await();
      out.append("ok\n");
    } else {
      rows((TableResultInternal) result, out);
    }
  }

  private static void rows(TableResultInternal result, StringBuilder out) throws Exception {
    String schema = result.getResolvedSchema().getColumns().stream()
        .map(c -> c.getName() + " " + c.getDataType().getLogicalType().asSummaryString())
        .collect(Collectors.joining(", "));
    boolean plain = result.getResolvedSchema().getColumnCount() == 1 && schema.startsWith("result ");
    if (!plain) {
      out.append("schema: ").append(schema).append('\n');
    }
    RowDataToStringConverter convert = result.getRowDataToStringConverter();
    List<String> changes = new ArrayList<>();
    try (CloseableIterator<RowData> rows = result.collectInternal()) {
      while (rows.hasNext()) {
        RowData row = rows.next();
        String cells = String.join(", ", convert.convert(row));
        changes.add(plain ? cells : row.getRowKind().shortString() + "[" + cells.replace("\n", "\\n") + "]");
      }
    } catch (Throwable error) {
      changes.forEach(c -> out.append(c).append('\n'));
      throw error;
    }
    if (changes.size() > CHANGES_MAX) {
      out.append("folded: ").append(changes.size()).append('\n');
      changes = fold(changes);
    }
    changes.forEach(c -> out.append(c).append('\n'));
  }

  /** The rows that remain after all changes, sorted. */
  private static List<String> fold(List<String> changes) {
    TreeMap<String, Integer> counts = new TreeMap<>();
    for (String change : changes) {
      counts.merge("+I" + change.substring(2), change.startsWith("+") ? 1 : -1, Integer::sum);
    }
    List<String> left = new ArrayList<>();
    counts.forEach((row, count) -> left.addAll(Collections.nCopies(count, row)));
    return left;
  }

  private static void cat(Path root, StringBuilder out) throws IOException {
    List<Path> files = new ArrayList<>();
    if (!Files.exists(root)) {
      out.append("missing\n");
      return;
    }
    try (Stream<Path> walk = Files.walk(root)) {
      walk.filter(Files::isRegularFile).sorted().forEach(files::add);
    }
    for (Path file : files) {
      String name = root.relativize(file.getParent()).toString();
      out.append("file: ").append(name.isEmpty() ? "." : name).append('\n');
      out.append(Files.readString(file));
      if (!out.toString().endsWith("\n")) {
        out.append("\\ no newline at end of file\n");
      }
    }
  }

  // ---- errors

  private static Throwable root(Throwable error) {
    Throwable cause = error;
    while (cause.getCause() != null) {
      cause = cause.getCause();
    }
    return cause;
  }

  private static String line(Throwable error) {
    String message = String.valueOf(error.getMessage()).replace("\r", "").strip().replaceAll("\\s*\\n\\s*", " \\\\n ")
        .replaceAll("(anonymous_collect\\$|rel#)\\d+", "$1N");
    return (error.getClass().getSimpleName() + ": " + message).substring(0, Math.min(600, error.getClass().getSimpleName().length() + 2 + message.length()));
  }

  private static void error(Throwable error, StringBuilder out) {
    out.append("error: ").append(line(root(error))).append('\n');
    if (root(error) != error) {
      out.append("outer: ").append(line(error)).append('\n');
    }
  }

  // ---- expressions

  private static final class Case {
    String expression;
    String type;
    String result;
  }

  private static String expressions(Path file, Path tmp) throws Exception {
    List<String> texts = fill(Files.readString(file), tmp).lines().map(String::strip).collect(Collectors.toList());
    boolean directs = texts.stream().anyMatch(text -> text.startsWith("--! "));
    StringBuilder out = new StringBuilder();
    for (Object line : directs ? expressionsInTurn(texts) : expressionsAtATime(texts)) {
      if (line instanceof Case) {
        Case one = (Case) line;
        out.append(one.expression).append('\t').append(one.type == null ? "refused" : one.type).append('\t')
            .append(one.result).append('\n');
      } else {
        out.append(line).append('\n');
      }
    }
    return out.toString();
  }

  private static List<Object> expressionsInTurn(List<String> texts) throws Exception {
    TableEnvironment tables = tables(false);
    tables.createTemporarySystemFunction("V", V.class);
    List<Object> lines = new ArrayList<>();
    List<Case> open = new ArrayList<>();
    String from = "";
    for (String text : texts) {
      if (text.startsWith("--! run ")) {
        tables.executeSql(text.substring(8));
        lines.add(text);
      } else if (text.startsWith("--! set ")) {
        execute(tables, open, from);
        open.clear();
        String[] pair = text.substring(8).split("=", 2);
        tables.getConfig().set(pair[0].strip(), pair[1].strip());
        lines.add(text);
      } else if (text.startsWith("--! from")) {
        execute(tables, open, from);
        open.clear();
        from = text.substring(8).strip();
        lines.add(text);
      } else if (text.isEmpty() || text.startsWith("--")) {
        lines.add(text);
      } else {
        Case one = new Case();
        one.expression = text;
        plan(tables, one, from);
        if (one.type != null) {
          open.add(one);
        }
        lines.add(one);
      }
    }
    execute(tables, open, from);
    return lines;
  }

  private static String select(List<Case> cases, String from) {
    StringBuilder sql = new StringBuilder("SELECT ");
    for (int i = 0; i < cases.size(); i++) {
      sql.append(i == 0 ? "" : ", ").append(cases.get(i).expression).append(" AS c").append(i);
    }
    return sql + (from.isEmpty() ? "" : " FROM " + from);
  }

  private static void plan(TableEnvironment tables, Case one, String from) {
    try {
      String sql = select(Collections.singletonList(one), from);
      one.type = tables.sqlQuery(sql).getResolvedSchema().getColumns().get(0).getDataType().getLogicalType().asSummaryString();
    } catch (Throwable error) {
      one.result = line(root(error));
    }
  }

  private static void execute(TableEnvironment tables, List<Case> cases, String from) {
    for (int i = 0; i < cases.size(); i += CASES_MAX) {
      executeSome(tables, cases.subList(i, Math.min(cases.size(), i + CASES_MAX)), from);
    }
  }

  /** A file without directives: its expressions do not depend on what stands before. */
  private static List<Object> expressionsAtATime(List<String> texts) throws Exception {
    List<Object> lines = new ArrayList<>();
    List<Case> all = new ArrayList<>();
    for (String text : texts) {
      if (text.isEmpty() || text.startsWith("--")) {
        lines.add(text);
      } else {
        Case one = new Case();
        one.expression = text;
        lines.add(one);
        all.add(one);
      }
    }
    ExecutorService threads = Executors.newFixedThreadPool(THREADS);
    List<Future<?>> parts = new ArrayList<>();
    for (int i = 0; i < all.size(); i += CASES_MAX) {
      List<Case> part = all.subList(i, Math.min(all.size(), i + CASES_MAX));
      parts.add(threads.submit(() -> {
        TableEnvironment tables = tables(false);
        tables.createTemporarySystemFunction("V", V.class);
        part.forEach(one -> plan(tables, one, ""));
        execute(tables, part.stream().filter(one -> one.type != null).collect(Collectors.toList()), "");
        return null;
      }));
    }
    for (Future<?> part : parts) {
      part.get();
    }
    threads.shutdown();
    return lines;
  }

  private static void executeSome(TableEnvironment tables, List<Case> cases, String from) {
    if (cases.isEmpty()) {
      return;
    }
    try {
      TableResultInternal result = (TableResultInternal) tables.executeSql(select(cases, from));
      RowDataToStringConverter convert = result.getRowDataToStringConverter();
      List<String[]> rows = new ArrayList<>();
      try (CloseableIterator<RowData> found = result.collectInternal()) {
        while (found.hasNext()) {
          rows.add(convert.convert(found.next()));
        }
      }
      for (int i = 0; i < cases.size(); i++) {
        int column = i;
        cases.get(i).result = rows.stream().map(r -> r[column].replace("\n", "\\n").replace("\t", "\\t"))
            .collect(Collectors.joining("\t"));
      }
    } catch (Throwable error) {
      if (cases.size() == 1) {
        cases.get(0).result = "error: " + line(root(error));
      } else {
        int half = cases.size() / 2;
        executeSome(tables, cases.subList(0, half), from);
        executeSome(tables, cases.subList(half, cases.size()), from);
      }
    }
  }

  // ---- splitting

  /** The statements of a script, and its `--! cat` lines, without the comments before each. */
  static List<String> statements(String text) {
    List<String> found = new ArrayList<>();
    StringBuilder open = new StringBuilder();
    for (int i = 0; i < text.length(); ) {
      int end = i + 1;
      char c = text.charAt(i);
      if (c == '\'' || c == '`' || c == '"') {
        end = after(text, String.valueOf(c), i + 1);
      } else if (text.startsWith("--! cat ", i)) {
        end = after(text, "\n", i);
        found.add(text.substring(i, end).strip());
        i = end;
        continue;
      } else if (text.startsWith("--", i)) {
        end = after(text, "\n", i);
      } else if (text.startsWith("/*", i)) {
        end = after(text, "*/", i + 2);
      } else if (c == ';' && !bare(open.toString()).matches("(?is)(EXECUTE|EXPLAIN)\\b.*\\bSTATEMENT\\s+SET\\s+BEGIN\\b(?!.*\\bEND\\s*$).*")) {
        if (!bare(open.toString()).isEmpty()) {
          found.add(bare(open.toString()));
        }
        open.setLength(0);
        i++;
        continue;
      }
      open.append(text, i, end);
      i = end;
    }
    if (!bare(open.toString()).isEmpty()) {
      found.add(bare(open.toString()));
    }
    return found;
  }

  private static int after(String text, String mark, int from) {
    int at = text.indexOf(mark, from);
    return at < 0 ? text.length() : at + mark.length();
  }

  private static String bare(String statement) {
    return statement.replaceFirst("^(\\s+|--[^\\n]*(\\n|$)|/\\*(?!\\+)(?s:.*?)\\*/)+", "").strip();
  }

  private static String unquote(String text) {
    return text.strip().replaceAll("^'|'$", "");
  }
}
