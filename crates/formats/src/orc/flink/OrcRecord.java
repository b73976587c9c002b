import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.api.internal.TableResultInternal;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.utils.print.RowDataToStringConverter;
import org.apache.flink.util.CloseableIterator;

/**
 * Runs a script of statements with `${DIR}` filled in and prints a line for each row, or the cause where one fails;
 * record.sh says how. `--! keep FOLDER NAME` moves the one file below a folder to NAME.
 */
public final class OrcRecord {
  public static void main(String[] args) throws Exception {
    PrintStream out = System.out;
    Path dir = Path.of(args[1]).toAbsolutePath();
    Configuration config = new Configuration();
    config.setString("parallelism.default", "1");
    config.setString("table.local-time-zone", "UTC");
    TableEnvironment tables =
        TableEnvironment.create(EnvironmentSettings.newInstance().withConfiguration(config).inBatchMode().build());
    for (String sql : statements(Files.readString(Path.of(args[0])).replace("${DIR}", dir.toString()))) {
      if (sql.startsWith("--! keep ")) {
        String[] words = sql.split("\\s+");
        keep(Path.of(words[2]), Path.of(words[3]));
        continue;
      }
      String head = sql.replace(dir.toString(), "${DIR}").replaceAll("\\s+", " ");
      out.println("== " + head.substring(0, Math.min(100, head.length())));
      try {
        TableResultInternal result = (TableResultInternal) tables.executeSql(sql);
        if (sql.startsWith("SELECT")) {
          print(result, out);
        } else {
          result.await();
        }
      } catch (Throwable error) {
        while (error.getCause() != null) {
          error = error.getCause();
        }
        out.println(("error: " + error).replace("\n", " "));
      }
    }
    out.flush();
    Runtime.getRuntime().halt(0);
  }

  private static void print(TableResultInternal result, PrintStream out) throws Exception {
    RowDataToStringConverter converter = result.getRowDataToStringConverter();
    try (CloseableIterator<RowData> rows = result.collectInternal()) {
      while (rows.hasNext()) {
        out.println(String.join(" | ", converter.convert(rows.next())).replace("\n", "\\n"));
      }
    }
  }

  private static void keep(Path folder, Path to) throws Exception {
    try (Stream<Path> walk = Files.walk(folder)) {
      Path file = walk.filter(p -> Files.isRegularFile(p) && !p.getFileName().toString().startsWith(".")).findFirst().get();
      Files.createDirectories(to.getParent());
      Files.move(file, to, StandardCopyOption.REPLACE_EXISTING);
    }
  }

  private static List<String> statements(String text) {
    List<String> all = new ArrayList<>();
    StringBuilder sql = new StringBuilder();
    for (String line : text.split("\n")) {
      if (line.startsWith("--! ")) {
        all.add(line);
      } else if (!line.startsWith("--")) {
        sql.append(line).append('\n');
        if (line.stripTrailing().endsWith(";")) {
          String one = sql.toString().strip();
          all.add(one.substring(0, one.length() - 1));
          sql.setLength(0);
        }
      }
    }
    return all;
  }
}
